"""
Hints that are signed: our own ID token, and the token of an issuer that is trusted to name our
users (CIBA 7.1, 14).

Pure. Other tokens are not taken for one of these: a type that says it is something else, an
access token's `at+jwt` for one, is refused (A034, RFC 8725 3.11).
"""

from collections.abc import Mapping, Sequence

import msgspec

from consent import policy
from consent.errors import ExpiredLoginHintToken, InvalidRequest
from consent.jose import (
    ALGORITHMS,
    PublicKey,
    UnusableKey,
    Unverified,
    claims_of,
    header_of,
    key_set,
    time_of,
    unverified_claims,
)
from consent.login_hint import LoginHint, subject, user_id
from consent.strict_json import MalformedJSON, loads


class TrustedIssuer(msgspec.Struct, frozen=True):
    """Who may sign a `login_hint_token`, and with which keys."""

    issuer: str
    keys: tuple[PublicKey, ...]


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    issuer: str
    jwks: dict[str, object]


def trusted_issuers(text: bytes) -> dict[str, TrustedIssuer]:
    """
    The issuers of a JSON list of `{"issuer": …, "jwks": {"keys": […]}}`, by their names.

    Raises ValueError, which says what is wrong and where.
    """
    try:
        entries = msgspec.convert(loads(text), list[_Entry])
    except (MalformedJSON, msgspec.ValidationError) as error:
        raise ValueError(str(error)) from None
    trusted: dict[str, TrustedIssuer] = {}
    for n, entry in enumerate(entries):
        if not entry.issuer or entry.issuer in trusted:
            raise ValueError(f"the issuer of $[{n}] is empty or repeated")
        try:
            keys = key_set(entry.jwks)
        except UnusableKey as error:
            raise ValueError(f"the jwks of $[{n}]: {error}") from None
        if not keys:
            raise ValueError(f"the jwks of $[{n}] has no key that can be used")
        trusted[entry.issuer] = TrustedIssuer(entry.issuer, keys)
    return trusted


def id_token_hint(
    text: str, *, client_id: str, issuer: str, keys: Sequence[PublicKey], now: float
) -> str:
    """
    The user id of an ID token that we once gave this client (A031, A033).

    `keys` are ours, current and retired. It may have expired a while ago (A032). Raises
    InvalidRequest.
    """
    name = "id_token_hint"
    claims = _claims(name, text, keys)
    if claims.get("iss") != issuer:
        raise InvalidRequest("id_token_hint is not from this issuer")
    _check_audience(name, claims, client_id)
    if now > _time(name, claims, "exp") + policy.ID_TOKEN_HINT_AGE_SECONDS_MAX:
        raise InvalidRequest("id_token_hint has expired too long ago")
    sub = claims.get("sub")
    if not isinstance(sub, str) or not sub:
        raise InvalidRequest("id_token_hint has no sub")
    return sub


def login_hint_token(
    text: str, *, issuers: Mapping[str, TrustedIssuer], issuer: str, now: float
) -> LoginHint:
    """
    The person that a trusted issuer names to us (A030): `sub_id` (RFC 9493 4.1), or else `sub`,
    which is a user id of ours.

    Raises InvalidRequest, ExpiredLoginHintToken (A029), UnknownUserId.
    """
    name = "login_hint_token"
    claims = _claims(name, text, _issuer_of(text, issuers).keys)
    _check_audience(name, claims, issuer)
    if now >= _time(name, claims, "exp") + policy.CLOCK_SKEW_SECONDS:
        raise ExpiredLoginHintToken("login_hint_token has expired")
    if "nbf" in claims and _time(name, claims, "nbf") > now + policy.CLOCK_SKEW_SECONDS:
        raise InvalidRequest("login_hint_token is not valid yet")
    match claims.get("sub_id"):
        case None:
            return user_id(claims.get("sub"))
        case {"format": "opaque", "id": value}:
            return user_id(value)
        case identifier:
            return subject(identifier, issuer=issuer)


def _issuer_of(text: str, issuers: Mapping[str, TrustedIssuer]) -> TrustedIssuer:
    """By its own word, which the signature then has to bear out."""
    try:
        iss = unverified_claims(text).get("iss")
    except Unverified as error:
        raise _unsigned("login_hint_token", error) from None
    trusted = issuers.get(iss) if isinstance(iss, str) else None
    if trusted is None:
        raise InvalidRequest("login_hint_token is from an issuer that is not trusted")
    return trusted


def _claims(name: str, text: str, keys: Sequence[PublicKey]) -> dict[str, object]:
    try:
        typ = header_of(text).get("typ", "JWT")
        claims = claims_of(text, keys, ALGORITHMS)
    except Unverified as error:
        raise _unsigned(name, error) from None
    if not isinstance(typ, str) or typ.upper() != "JWT":  # RFC 7515 4.1.9: in any case
        raise InvalidRequest(f"{name} is a token of another type")
    return claims


def _check_audience(name: str, claims: dict[str, object], wanted: str) -> None:
    """One of several, or the only one (RFC 7519 4.1.3); equal byte by byte (T15)."""
    aud = claims.get("aud")
    if wanted not in (aud if isinstance(aud, list) else [aud]):
        raise InvalidRequest(f"{name} is meant for somebody else")


def _time(name: str, claims: dict[str, object], claim: str) -> float:
    try:
        return time_of(claims, claim)
    except Unverified:
        raise InvalidRequest(f"{name} has no {claim} that is a time") from None


def _unsigned(name: str, error: Unverified) -> InvalidRequest:
    return InvalidRequest(f"{name} is not a JWT signed by its issuer", detail=str(error))
