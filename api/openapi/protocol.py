"""The operations of clients: OpenID CIBA and OAuth."""

from api.openapi import answers
from api.openapi.operation import (
    FORM,
    JSON,
    Answer,
    Body,
    Header,
    Operation,
    Parameter,
    Security,
)
from consent.client import CIBA_GRANT
from consent.errors import (
    AccessDenied,
    AccessForbidden,
    AuthorizationPending,
    CibaNotAllowed,
    ExpiredLoginHintToken,
    ExpiredToken,
    InsufficientScope,
    InvalidAuthorizationDetails,
    InvalidBindingMessage,
    InvalidClient,
    InvalidDpopProof,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    InvalidToken,
    InvalidUserCode,
    MissingUserCode,
    Refusal,
    SlowDown,
    SlowDownAuth0,
    TooManyRequests,
    UnauthorizedClient,
    UnknownUserId,
    UnsupportedGrantType,
    UnsupportedTokenType,
    UseDpopNonce,
    oauth_body,
)

# The last one: credentials in the body, which OpenAPI has no scheme for.
_CLIENT: Security = ({"clientSecretBasic": []}, {"clientCertificate": []}, {})
_ACCESS_TOKEN: Security = ({"accessToken": []}, {"dpopAccessToken": []})
_TOKEN = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl"  # noqa: S105 - an example
_RECEIPT = "eyJhbGciOiJFUzI1NiIsInR5cCI6InJlY2VpcHQrand0In0.e30.c2lnbmF0dXJl"
_REQUEST_ID = "007Lp0WqPRmDFzOsCFyw0ESJmbBpOF4kgsQTTWsbNQ0XfA"
_UNAUTHENTICATED = InvalidClient("Client authentication failed")
_DPOP = Parameter("DPoP", "A proof of the key to bind to (RFC 9449)", {"type": "string"}, "header")
_PREFER = Parameter(
    "Prefer",
    "`wait=N`: the poll is held until the person has answered, at most 30 seconds",
    {"type": "string"},
    "header",
    example="wait=30",
)
_INTERACTION = "x-fapi-interaction-id"


def _bound(*more: Refusal) -> tuple[Refusal, ...]:
    """What is refused where tokens are bound to keys."""
    return (
        InvalidDpopProof("The DPoP proof has been used"),
        UseDpopNonce("A DPoP nonce is needed"),
        *more,
    )


def _token(path: str) -> Operation:
    return Operation(
        "POST",
        path,
        "Tokens",
        "Exchange an approval, a refresh token or a client's own credentials for tokens",
        (
            Answer(
                200,
                "The tokens",
                answers.Tokens,
                {
                    "access_token": _TOKEN,
                    "token_type": "Bearer",
                    "expires_in": 86_400,
                    "scope": "openid",
                    "id_token": _TOKEN,
                },
            ),
        ),
        oauth_body,
        _CLIENT,
        (_DPOP, _PREFER),
        Body(
            answers.TokenRequest,
            {"grant_type": CIBA_GRANT, "auth_req_id": _REQUEST_ID},
            (FORM, JSON),
        ),
        _bound(
            AuthorizationPending("The end-user authorization is pending"),
            SlowDown("The client polls faster than its interval"),
            ExpiredToken("The auth_req_id has expired"),
            AccessDenied("The end-user denied the authorization request"),
            InvalidGrant("The auth_req_id is unknown or was issued to another client"),
            InvalidRequest("grant_type is missing"),
            UnauthorizedClient("The client may not use this grant"),
            UnsupportedGrantType("The grant_type is not supported"),
            InvalidScope("A requested scope is not in the client grant"),
            InvalidAuthorizationDetails("authorization_details exceed what was granted"),
            _UNAUTHENTICATED,
            AccessForbidden(
                "Client is not authorized to access the requested audience. "
                "You need to create a client-grant associated to this API."
            ),
            SlowDownAuth0(10),
        ),
        "A pending poll is answered with `authorization_pending`; `slow_down` says in "
        "`Retry-After` how long to wait (429 for clients of the `auth0` profile).",
    )


def _userinfo(method: str) -> Operation:
    return Operation(
        method,
        "/userinfo",
        "Tokens",
        "The claims about a person that an access token releases",
        (
            Answer(
                200,
                "The claims",
                answers.Claims,
                {"sub": "auth0|5f7c8ec7c33c6c004bbafe82", "email": "aiko@example.com"},
                headers=(
                    Header(
                        _INTERACTION, "Of this call (FAPI 1.0 Part 1 6.2.1)", {"type": "string"}
                    ),
                ),
            ),
        ),
        oauth_body,
        _ACCESS_TOKEN,
        errors=(
            InvalidRequest("A header is repeated"),
            InvalidToken("An access token is needed"),
            InvalidClient("Client authentication failed"),
            *(_at(401, refusal) for refusal in _bound()),
            InsufficientScope("The access token has no openid scope"),
        ),
    )


def _at(status: int, refusal: Refusal) -> Refusal:
    refusal.status = status
    return refusal


PROTOCOL = (
    Operation(
        "POST",
        "/bc-authorize",
        "Asking people",
        "Ask a person to approve",
        (
            Answer(
                200,
                "The person is being asked",
                answers.Accepted,
                {
                    "auth_req_id": _REQUEST_ID,
                    "expires_in": 300,
                    "interval": 5,
                    "matching_number": "42",
                },
            ),
        ),
        oauth_body,
        _CLIENT,
        (_DPOP,),
        Body(
            answers.BackchannelAuthenticationRequest,
            {
                "scope": "openid",
                "binding_message": "Pay 10 to Example Shop",
                "login_hint": "aiko@example.com",
            },
            (FORM,),
        ),
        _bound(
            InvalidRequest("Exactly one of login_hint, login_hint_token, id_token_hint is needed"),
            InvalidScope("A requested scope is unknown or not allowed"),
            InvalidBindingMessage("binding_message has a character that is not allowed"),
            InvalidTarget("audience and resource name different targets"),
            InvalidAuthorizationDetails("The type of an authorization detail is not registered"),
            UnknownUserId("User ID is malformed or unknown"),
            MissingUserCode("The user_code of the end-user is needed"),
            InvalidUserCode("The user_code is wrong"),
            ExpiredLoginHintToken("login_hint_token has expired"),
            UnauthorizedClient("The client does not fit its profile"),
            _UNAUTHENTICATED,
            CibaNotAllowed(f"Grant type '{CIBA_GRANT}' not allowed for the client."),
            AccessForbidden("The user is blocked"),
            TooManyRequests("Too many requests to this user"),
        ),
    ),
    _token("/oauth/token"),
    _token("/token"),
    Operation(
        "POST",
        "/oauth/revoke",
        "Tokens",
        "Give up a token",
        (Answer(200, "It opens nothing any more"),),
        oauth_body,
        _CLIENT,
        body=Body(answers.TokenQuestion, {"token": _TOKEN}, (FORM, JSON)),
        errors=(
            InvalidRequest("token is missing"),
            UnsupportedTokenType("Only access tokens and refresh tokens are revoked"),
            _UNAUTHENTICATED,
        ),
    ),
    Operation(
        "POST",
        "/oauth/introspect",
        "Tokens",
        "What a token stands for",
        (
            Answer(
                200,
                "What may be told of it",
                answers.Introspection,
                {"active": True, "token_type": "Bearer", "scope": "openid", "exp": 1_800_000_000},
            ),
        ),
        oauth_body,
        _CLIENT,
        body=Body(answers.TokenQuestion, {"token": _TOKEN}, (FORM,)),
        errors=(InvalidRequest("token is missing"), _UNAUTHENTICATED),
    ),
    Operation(
        "POST",
        "/oauth/receipt",
        "Asking people",
        "A receipt of an approval, which others can verify",
        (Answer(200, "The receipt", answers.Receipt, {"receipt": _RECEIPT}),),
        oauth_body,
        _CLIENT,
        body=Body(answers.ReceiptRequest, {"auth_req_id": _REQUEST_ID}, (FORM, JSON)),
        errors=(
            AuthorizationPending("The end-user authorization is pending"),
            AccessDenied("The end-user denied the authorization request"),
            ExpiredToken("The auth_req_id has expired"),
            InvalidGrant("The auth_req_id is unknown or was issued to another client"),
            InvalidRequest("auth_req_id is missing"),
            _UNAUTHENTICATED,
        ),
        description="For a request of this client, however it is told of the end, from the "
        "approval on for as long as its record is kept. It holds what the person was shown and the "
        "answer as their device signed it.",
    ),
    _userinfo("GET"),
    _userinfo("POST"),
)
