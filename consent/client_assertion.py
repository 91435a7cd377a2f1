"""
Client assertions: `private_key_jwt` and `client_secret_jwt` (RFC 7523 3, OpenID Connect Core 9).

Pure; whose the keys are is the caller's to know, and that a `jti` counts once is decided in Redis.
Every failure is one and the same `invalid_client` (A004); what it was goes to the log.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from consent import policy
from consent.client import Client, failed
from consent.jose import (
    PublicKey,
    Unverified,
    claims_of,
    header_of,
    mac_claims_of,
    time_of,
    unverified_claims,
)
from consent.profile import rules
from consent.used_once import UsedOnce, used_once

_TYPES = frozenset({"jwt", "client-authentication+jwt"})
_JTI_CHARACTERS_MAX = 255
_SECRET_BYTES_MIN = 32  # RFC 7518 3.2, of HS256
# A request object has one of these (CIBA 7.1): signed for one purpose, good for no other (A081).
_OF_A_REQUEST = frozenset({"request", "login_hint", "login_hint_token", "id_token_hint"})


class Audiences(NamedTuple):
    """What an assertion may be meant for: the issuer, and where X01 is lenient, our endpoints."""

    issuer: str
    endpoints: frozenset[str]  # URLs, those of `mtls_endpoint_aliases` among them


def claimed_client(assertion: str) -> str:
    """The client an assertion says it is of (`sub`), nothing proven yet. Raises InvalidClient."""
    with _refusing():
        sub = unverified_claims(assertion).get("sub")
        if not isinstance(sub, str) or not sub:
            raise Unverified("sub is missing")
    return sub


def kid_of(assertion: str) -> str | None:
    """Which of its client's keys it says it is signed with. Raises InvalidClient."""
    with _refusing():
        kid = header_of(assertion).get("kid")
    return kid if isinstance(kid, str) else None


def checked(
    assertion: str,
    *,
    client: Client,
    keys: Sequence[PublicKey],
    audiences: Audiences,
    now: float,
) -> UsedOnce:
    """`private_key_jwt`: verify it by the client's own keys. Raises InvalidClient."""
    algorithms = rules(client).signing_algorithms
    if client.token_endpoint_auth_signing_alg:
        algorithms &= {client.token_endpoint_auth_signing_alg}
    return _checked(
        assertion, lambda: claims_of(assertion, keys, algorithms), client, audiences, now
    )


def checked_mac(
    assertion: str, *, client: Client, secret: str, audiences: Audiences, now: float
) -> UsedOnce:
    """`client_secret_jwt`: verify it by the secret both sides know. Raises InvalidClient."""
    key = secret.encode()
    if len(key) < _SECRET_BYTES_MIN:
        raise failed(detail="the client's secret is too short for an HMAC")
    if "client_secret_jwt" not in rules(client).authentication_methods:
        raise failed(detail="the profile does not know client_secret_jwt")
    algorithms = {client.token_endpoint_auth_signing_alg or "HS256"}
    return _checked(
        assertion, lambda: mac_claims_of(assertion, key, algorithms), client, audiences, now
    )


def _checked(
    assertion: str,
    verified: Callable[[], dict[str, object]],
    client: Client,
    audiences: Audiences,
    now: float,
) -> UsedOnce:
    with _refusing():
        _check_type(header_of(assertion))
        claims = verified()
        if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
            raise Unverified("iss or sub is not the client")
        if not _OF_A_REQUEST.isdisjoint(claims):
            raise Unverified("it is a request object")
        lenient = rules(client).lenient_assertion_audience
        if not (_names_one(claims, audiences) if lenient else _is_for_issuer(claims, audiences)):
            raise Unverified("aud is another")
        expires_at = _expiry(claims, now)
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 1 <= len(jti) <= _JTI_CHARACTERS_MAX:
            raise Unverified("jti is missing or too long")
    # Twice: the clock of whichever of our servers hears it again may be off as well.
    life_seconds = expires_at + 2 * policy.CLOCK_SKEW_SECONDS - now
    return used_once("assertion", client.client_id, jti, life_seconds)


def _check_type(header: dict[str, object]) -> None:
    """D076: an explicit type is this one; the others are of JWTs meant for something else."""
    typ = header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.lower() not in _TYPES:
        raise Unverified("typ is of another kind of JWT")


def _is_for_issuer(claims: dict[str, object], audiences: Audiences) -> bool:
    """X01, strict, and D075: the issuer to the byte (T15), and nobody beside it."""
    return claims.get("aud") in (audiences.issuer, [audiences.issuer])


def _names_one(claims: dict[str, object], audiences: Audiences) -> bool:
    """X01, lenient, as CIBA 7.1 and the FAPI-CIBA profile have it."""
    accepted: Collection[str] = {audiences.issuer, *audiences.endpoints}
    aud = claims.get("aud")
    named = aud if isinstance(aud, list) else [aud]
    return any(isinstance(name, str) and name in accepted for name in named)


def _expiry(claims: dict[str, object], now: float) -> float:
    """`exp`, neither past nor far; `nbf` and `iat` are honoured where they are (D071, B018)."""
    expires_at = time_of(claims, "exp")
    if now >= expires_at + policy.CLOCK_SKEW_SECONDS:
        raise Unverified("it has expired")
    if expires_at > now + policy.CLIENT_ASSERTION_LIFE_SECONDS_MAX + policy.CLOCK_SKEW_SECONDS:
        raise Unverified("exp is too far ahead")
    for name in ("nbf", "iat"):
        if name in claims and time_of(claims, name) > now + policy.CLOCK_SKEW_SECONDS:
            raise Unverified(f"{name} is in the future")
    return expires_at


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except Unverified as error:
        raise failed(detail=f"client assertion: {error}") from None
