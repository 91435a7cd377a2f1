"""Every refusal: its code and status, and a wire half that is safe to send."""

from collections.abc import Iterator

import pytest

from consent import errors
from consent.errors import OAuthError, Refusal
from tests.support.domain import ERROR_CHARACTERS


def family(of: type[Refusal]) -> Iterator[type[Refusal]]:
    for kind in of.__subclasses__():
        yield kind
        yield from family(kind)


# CIBA 11 and 13, RFC 6749 5.2, RFC 6750 3.1, RFC 7009 2.2.1, RFC 7591 3.2.2, RFC 8707 2, RFC 9396
# 5, RFC 9449 5 and 8; A029, A038, A039, A103, A104, A105, A131.
CODES = {
    "InvalidRequest": (400, "invalid_request"),
    "MethodNotAllowed": (405, "invalid_request"),
    "PayloadTooLarge": (413, "invalid_request"),
    "InvalidClient": (401, "invalid_client"),
    "UnauthorizedClient": (400, "unauthorized_client"),
    "CibaNotAllowed": (403, "unauthorized_client"),
    "InvalidScope": (400, "invalid_scope"),
    "InvalidBindingMessage": (400, "invalid_binding_message"),
    "InvalidAuthorizationDetails": (400, "invalid_authorization_details"),
    "InvalidTarget": (400, "invalid_target"),
    "UnknownUserId": (400, "unknown_user_id"),
    "ExpiredLoginHintToken": (400, "expired_login_hint_token"),
    "MissingUserCode": (400, "missing_user_code"),
    "InvalidUserCode": (400, "invalid_user_code"),
    "InvalidDpopProof": (400, "invalid_dpop_proof"),
    "UseDpopNonce": (400, "use_dpop_nonce"),
    "InvalidMetadata": (400, "invalid_client_metadata"),
    "InvalidRedirectUri": (400, "invalid_redirect_uri"),
    "InvalidSoftwareStatement": (400, "invalid_software_statement"),
    "UnapprovedSoftwareStatement": (400, "unapproved_software_statement"),
    "UnsupportedTokenType": (400, "unsupported_token_type"),
    "InvalidToken": (401, "invalid_token"),
    "InsufficientScope": (403, "insufficient_scope"),
    "AccessDenied": (400, "access_denied"),
    "AccessForbidden": (403, "access_denied"),
    "UnsupportedGrantType": (400, "unsupported_grant_type"),
    "InvalidGrant": (400, "invalid_grant"),
    "AuthorizationPending": (400, "authorization_pending"),
    "SlowDown": (400, "slow_down"),
    "SlowDownAuth0": (429, "slow_down"),
    "ExpiredToken": (400, "expired_token"),
    "TooManyRequests": (429, "too_many_requests"),
    "TemporarilyUnavailable": (503, "temporarily_unavailable"),
    "ServerError": (500, "server_error"),
}


def test_every_oauth_refusal_has_the_code_and_status_of_its_specification() -> None:
    told = {
        kind.__name__: (kind.status, kind.error)
        for kind in family(OAuthError)
        if kind.__module__ == errors.__name__
    }

    assert told == CODES


def test_the_wire_half_does_not_know_the_private_half() -> None:
    """A101: what the log is told is never in a body, whatever its shape."""
    refusal = errors.InvalidGrant("It is over", detail="canary")

    for body in (errors.oauth_body, errors.device_body, errors.management_body):
        assert "canary" not in str(body(refusal))
    assert "canary" not in str(refusal)


def test_an_oauth_body_has_two_members_and_no_more() -> None:
    """A100: the conformance suite fails on any other."""
    assert errors.oauth_body(errors.InvalidScope("No")) == {
        "error": "invalid_scope",
        "error_description": "No",
    }


def test_auth0s_slow_down_names_the_interval_in_its_body() -> None:
    """auth0-wire 1.3; the standard's names it in a header alone (A100)."""
    refusal = errors.SlowDownAuth0(15)

    assert errors.oauth_body(refusal) == {
        "error": "slow_down",
        "error_description": "You are polling faster than allowed. Try again in 15 seconds.",
        "interval": 15,
    }
    assert refusal.headers == (("Retry-After", "15"),)
    assert errors.oauth_body(errors.SlowDown("Slower")).keys() == {"error", "error_description"}


def test_a_device_body_is_readable_to_both_guardian_sdks() -> None:
    """auth0-wire 2.8: iOS needs errorCode and description, Android errorCode and a text error."""
    refusal = errors.DeviceError(401, "invalid_token", "Invalid or expired token")

    assert errors.device_body(refusal) == {
        "statusCode": 401,
        "error": "Unauthorized",
        "message": "Invalid or expired token",
        "errorCode": "invalid_token",
        "description": "Invalid or expired token",
    }


def test_a_management_body_is_auth0s() -> None:
    """auth0-wire 3.6."""
    refusal = errors.ManagementError(404, "inexistent_user", "The user does not exist.")

    assert errors.management_body(refusal) == {
        "statusCode": 404,
        "error": "Not Found",
        "message": "The user does not exist.",
        "errorCode": "inexistent_user",
    }


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 413, 429, 500, 503])
def test_every_status_in_use_has_words_in_every_shape(status: int) -> None:
    body = errors.device_body(errors.DeviceError(status, "code", "words"))

    assert isinstance(body["error"], str)
    assert ERROR_CHARACTERS.issuperset(body["error"])


def test_who_is_turned_away_by_overload_is_told_when_to_come_back() -> None:
    """CIBA 10.1, A106, A131."""
    refusal = errors.TemporarilyUnavailable(detail="Redis is away")

    assert refusal.headers == (("Retry-After", "1"),)
    assert ERROR_CHARACTERS.issuperset(refusal.description)
