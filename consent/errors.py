"""
Every refusal the wire knows.

    Refusal
    ├── OAuthError        RFC 6749 5.2, CIBA 11 and 13: one class an error code
    ├── DeviceError       the Guardian codes
    └── ManagementError   the codes of /api/v2

Each has a wire half (status, `error`, an ASCII description, headers) and a private half
(`detail`) for the log. The wire half never repeats what was sent (CIBA 13, A101). The three
functions at the end are the three shapes a body can have; which one is the endpoint's choice.
"""

# ruff: noqa: N818 - a class is named by the error code it carries

from http import HTTPStatus

Headers = tuple[tuple[str, str], ...]


class Refusal(Exception):
    """What every endpoint raises to refuse."""

    status = 400
    error = "invalid_request"

    def __init__(self, description: str, *, detail: str = "", headers: Headers = ()) -> None:
        super().__init__(description)
        self.description = description
        self.detail = detail
        self.headers = headers


class OAuthError(Refusal):
    """A refusal in the words of OAuth."""


class InvalidRequest(OAuthError):
    """Missing, repeated or malformed; the default of the family."""


class MethodNotAllowed(InvalidRequest):
    status = 405


class PayloadTooLarge(InvalidRequest):
    status = 413


class InvalidClient(OAuthError):
    error = "invalid_client"
    status = 401


class UnauthorizedClient(OAuthError):
    error = "unauthorized_client"


class CibaNotAllowed(UnauthorizedClient):
    """At /bc-authorize a missing grant is a 403, as Auth0 answers it."""

    status = 403


class InvalidScope(OAuthError):
    error = "invalid_scope"


class InvalidBindingMessage(OAuthError):
    error = "invalid_binding_message"


class InvalidAuthorizationDetails(OAuthError):
    error = "invalid_authorization_details"


class InvalidTarget(OAuthError):
    """RFC 8707 2."""

    error = "invalid_target"


class ExpiredLoginHintToken(OAuthError):
    error = "expired_login_hint_token"


class MissingUserCode(OAuthError):
    error = "missing_user_code"


class InvalidUserCode(OAuthError):
    error = "invalid_user_code"


class InvalidDpopProof(OAuthError):
    """RFC 9449 5."""

    error = "invalid_dpop_proof"


class UseDpopNonce(OAuthError):
    """RFC 9449 8; the nonce to use travels in a header."""

    error = "use_dpop_nonce"


class InvalidMetadata(OAuthError):
    """RFC 7591 3.2.2, as are the next three."""

    error = "invalid_client_metadata"


class InvalidRedirectUri(OAuthError):
    error = "invalid_redirect_uri"


class InvalidSoftwareStatement(OAuthError):
    error = "invalid_software_statement"


class UnapprovedSoftwareStatement(OAuthError):
    error = "unapproved_software_statement"


class UnsupportedTokenType(OAuthError):
    """RFC 7009 2.2.1."""

    error = "unsupported_token_type"


class InvalidToken(OAuthError):
    """RFC 6750 3.1: an access token that opens nothing here."""

    error = "invalid_token"
    status = 401


class InsufficientScope(OAuthError):
    error = "insufficient_scope"
    status = 403


class UnknownUserId(OAuthError):
    error = "unknown_user_id"


class AccessDenied(OAuthError):
    error = "access_denied"


class AccessForbidden(AccessDenied):
    """Refused before anybody is asked (CIBA 13, A105); the token endpoint says 400."""

    status = 403


class UnsupportedGrantType(OAuthError):
    error = "unsupported_grant_type"


class InvalidGrant(OAuthError):
    error = "invalid_grant"


class AuthorizationPending(OAuthError):
    error = "authorization_pending"


class SlowDown(OAuthError):
    error = "slow_down"


class SlowDownAuth0(SlowDown):
    """As Auth0 says it (auth0-wire 1.3): a 429 that names the interval in its body."""

    status = 429

    def __init__(self, interval_seconds: int) -> None:
        super().__init__(
            f"You are polling faster than allowed. Try again in {interval_seconds} seconds.",
            headers=(("Retry-After", str(interval_seconds)),),
        )
        self.interval_seconds = interval_seconds


class ExpiredToken(OAuthError):
    error = "expired_token"


class TooManyRequests(OAuthError):
    error = "too_many_requests"
    status = 429


class TemporarilyUnavailable(OAuthError):
    """Overload, or a store that is away: come back in a moment (CIBA 10.1, A106, A131)."""

    error = "temporarily_unavailable"
    status = 503

    def __init__(self, description: str = "Try again in a moment", *, detail: str = "") -> None:
        super().__init__(description, detail=detail, headers=(("Retry-After", "1"),))


class ServerError(OAuthError):
    error = "server_error"
    status = 500


class _CodedError(Refusal):
    def __init__(
        self, status: int, error: str, message: str, *, detail: str = "", headers: Headers = ()
    ) -> None:
        super().__init__(message, detail=detail, headers=headers)
        self.status = status
        self.error = error


class DeviceError(_CodedError):
    """A refusal to a phone."""


class ManagementError(_CodedError):
    """A refusal to an administrator."""


def oauth_body(refusal: Refusal) -> dict[str, object]:
    """RFC 6749 5.2."""
    body: dict[str, object] = {"error": refusal.error, "error_description": refusal.description}
    if isinstance(refusal, SlowDownAuth0):
        body["interval"] = refusal.interval_seconds
    return body


def device_body(refusal: Refusal) -> dict[str, object]:
    """Guardian: iOS reads `errorCode` and `description`, Android `errorCode` and `error`."""
    return management_body(refusal) | {"description": refusal.description}


def management_body(refusal: Refusal) -> dict[str, object]:
    """Auth0's management API."""
    return {
        "statusCode": refusal.status,
        "error": HTTPStatus(refusal.status).phrase,
        "message": refusal.description,
        "errorCode": refusal.error,
    }
