"""
The signed authentication request (CIBA 7.1.1): what its JWT asks, as a form would have asked it.

Pure; that a `jti` counts once is decided in Redis. Whatever is wrong is `invalid_request`, never
RFC 9101's `invalid_request_object` (X02).
"""

import re
from collections.abc import Sequence

import msgspec

from consent import policy
from consent.client import Client
from consent.errors import InvalidBindingMessage, InvalidRequest
from consent.jose import PublicKey, Unverified, claims_of, header_of, time_of
from consent.profile import rules
from consent.used_once import UsedOnce, used_once

_BESIDE = frozenset(
    {"request", "client_id", "client_secret", "client_assertion", "client_assertion_type"}
)
_TYPES = frozenset({"jwt", "oauth-authz-req+jwt"})
_JTI_CHARACTERS_MAX = 255
_JWE_DOTS = 4

# They say whose the JWT is and how long it counts (RFC 7519 4.1), not what is asked.
_REGISTERED = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
_TEXTS = frozenset(
    {
        "acr_values",
        "audience",
        "binding_message",
        "client_notification_token",
        "dpop_jkt",
        "id_token_hint",
        "login_hint",
        "login_hint_token",
        "resource",
        "scope",
        "user_code",
    }
)
_NUMBERS = frozenset({"requested_expiry", "request_expiry"})
_JSON = frozenset({"authorization_details", "claims", "request_context"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # what no form may hold either, see forms


def has_request_object(form: dict[str, str]) -> bool:
    return "request" in form


def kid_of(form: dict[str, str]) -> str | None:
    """Which of the client's keys a request object says it is signed with. InvalidRequest."""
    kid = _header(form["request"]).get("kid")
    return kid if isinstance(kid, str) else None


def parameters_of(
    form: dict[str, str],
    *,
    client: Client,
    keys: Sequence[PublicKey],
    issuer: str,
    now: float,
) -> tuple[dict[str, str], UsedOnce | None]:
    """
    The parameters of an authenticated client's request, signed or not; a signed one counts once.

    `keys` are the client's and nobody else's (A075). Raises InvalidRequest, and
    InvalidBindingMessage for control characters there.
    """
    if "request_uri" in form:
        raise InvalidRequest("request_uri is not supported")  # A046
    if not has_request_object(form):
        check_may_be_unsigned(client)
        return form, None
    check_nothing_beside(form)
    claims = verified_claims(form["request"], client, keys)
    check_parties(claims, client, issuer)
    check_no_nesting(claims)
    life_seconds = life(claims, client, now)
    used = used_once("request", client.client_id, jti(claims), life_seconds)
    return parameters(claims), used


def check_may_be_unsigned(client: Client) -> None:
    """A077, B005: who can sign must, or a signature could be taken off."""
    if (
        client.backchannel_authentication_request_signing_alg
        or rules(client).signed_request_required
    ):
        raise InvalidRequest("The client must sign its requests")


def check_nothing_beside(form: dict[str, str]) -> None:
    """A060, A061, X08: a copy outside is refused, not ignored."""
    if not form.keys() <= _BESIDE:
        raise InvalidRequest("Parameters are beside the request object and not in it")


def verified_claims(request: str, client: Client, keys: Sequence[PublicKey]) -> dict[str, object]:
    """A065, A075, A076, A078, A082, B010."""
    alg = client.backchannel_authentication_request_signing_alg
    if not alg:
        raise InvalidRequest("The client has registered no algorithm to sign requests with")
    if alg not in rules(client).signing_algorithms:
        raise InvalidRequest("The registered algorithm is not allowed by the client's profile")
    header = _header(request)
    if header.get("alg") != alg:
        raise InvalidRequest("request is not signed with the registered algorithm")
    typ = header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.lower() not in _TYPES:
        raise InvalidRequest("request is a token of another type")
    try:
        return claims_of(request, keys, {alg})
    except Unverified as error:
        raise InvalidRequest(
            "request is not a JWT signed with a key of the client", detail=str(error)
        ) from None


def check_parties(claims: dict[str, object], client: Client, issuer: str) -> None:
    """A067-A069, A080, A081."""
    if claims.get("iss") != client.client_id:
        raise InvalidRequest("request: iss is not the client")
    aud = claims.get("aud")
    # The issuer alone, byte by byte (T15): where an assertion may be lenient, this is not.
    if issuer not in (aud if isinstance(aud, list) else [aud]):
        raise InvalidRequest("request: aud does not contain the issuer")
    if claims.get("client_id", client.client_id) != client.client_id:
        raise InvalidRequest("request: client_id is another client")
    # So that no client assertion is taken for a request (RFC 9101 10.8).
    if claims.get("sub") == client.client_id:
        raise InvalidRequest("request: sub must not be the client")


def check_no_nesting(claims: dict[str, object]) -> None:
    """A079."""
    if "request" in claims or "request_uri" in claims:
        raise InvalidRequest("request holds a request or request_uri itself")


def life(claims: dict[str, object], client: Client, now: float) -> float:
    """For how many seconds more the request would be accepted (A070-A072, B007)."""
    expires_at, issued_at, not_before = (_time(claims, name) for name in ("exp", "iat", "nbf"))
    if now >= expires_at + policy.CLOCK_SKEW_SECONDS:
        raise InvalidRequest("request has expired")
    if max(issued_at, not_before) > now + policy.CLOCK_SKEW_SECONDS:
        raise InvalidRequest("request is not valid yet")
    if expires_at > now + policy.REQUEST_OBJECT_EXPIRY_SECONDS_MAX:
        raise InvalidRequest("request: exp is too far away")
    if rules(client).request_object_life_limited and (
        max(expires_at, now) - not_before > policy.REQUEST_OBJECT_LIFE_SECONDS_MAX
    ):
        raise InvalidRequest("request: nbf is more than 60 minutes before exp, or ago")
    return expires_at + policy.CLOCK_SKEW_SECONDS - now


def jti(claims: dict[str, object]) -> str:
    """A073, A074."""
    value = claims.get("jti")
    if not isinstance(value, str) or not 1 <= len(value) <= _JTI_CHARACTERS_MAX:
        raise InvalidRequest("request has no jti of 1 to 255 characters")
    return value


def parameters(claims: dict[str, object]) -> dict[str, str]:
    """The claims as the texts of a form, so that the same rules read both; none is empty (A013)."""
    texts = {
        name: text
        for name, value in claims.items()
        if name not in _REGISTERED and (text := _text(name, value))
    }
    for name, text in texts.items():
        if _CONTROL.search(text):
            refusal = InvalidBindingMessage if name == "binding_message" else InvalidRequest
            raise refusal(f"{name if name in _TEXTS else 'request'} has a control character")
    return texts


def _text(name: str, value: object) -> str:
    """A062-A064; what nobody has defined is ignored if it is no text (A011)."""
    if isinstance(value, str):
        return value
    if name in _JSON:
        return msgspec.json.encode(value).decode()
    if name in _NUMBERS and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # a fraction too: the rule of the expiry refuses it
    if name in _TEXTS | _NUMBERS:
        raise InvalidRequest(f"request: {name} is not a text")
    return ""


def _header(request: str) -> dict[str, object]:
    if request.count(".") == _JWE_DOTS:
        raise InvalidRequest("request is encrypted, which is not supported")  # A066
    try:
        return header_of(request)
    except Unverified as error:
        raise InvalidRequest("request is not a JWT", detail=str(error)) from None


def _time(claims: dict[str, object], name: str) -> float:
    try:
        return time_of(claims, name)
    except Unverified:
        raise InvalidRequest(f"request has no {name} that is a time") from None
