"""
DPoP proofs (RFC 9449): the key that a client holds, shown for one request.

Pure; that a `jti` counts once is decided in Redis. Whoever has a key may make a proof with it, so
a refusal can say what was wrong: there is nothing in it to guess.
"""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

from consent import policy
from consent.errors import InvalidDpopProof, UseDpopNonce
from consent.identifiers import b64url, digest
from consent.jose import UnusableKey, Unverified, claims_by, header_of, public_key, time_of
from consent.used_once import UsedOnce, used_once

_JTI_CHARACTERS_MAX = 255
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Proof(NamedTuple):
    """A verified proof: the key's RFC 7638 thumbprint (`jkt`), and what makes it count once."""

    thumbprint: str
    used: UsedOnce


class Nonces:
    """
    Nonces of ours (RFC 9449 8), kept nowhere: each window of time has one, which only a holder of
    the key can tell beforehand. It is accepted until the next window ends.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def current(self, now: float) -> str:
        return self._of(_window(now))

    def is_valid(self, text: str, now: float) -> bool:
        window = _window(now)
        return text.isascii() and any(
            hmac.compare_digest(text, self._of(each)) for each in (window, window - 1)
        )

    def _of(self, window: int) -> str:
        return b64url(hmac.digest(self._key, f"dpop nonce {window}".encode(), "sha256"))


def proof(
    text: str | None,
    *,
    http_method: str,
    http_uri: tuple[str, ...],
    now: float,
    nonces: Nonces,
    nonce_required: bool,
    access_token: str | None = None,
) -> Proof:
    """
    Verify a proof as RFC 9449 4.3 has it; `http_uri` are the names of this endpoint. That there
    is one header only is the caller's to see (D050). Raises InvalidDpopProof, UseDpopNonce.
    """
    with _refusing():
        if text is None:
            raise Unverified("it is missing")
        header = header_of(text, most=policy.SIGNED_INPUT_CHARACTERS_MAX)
        if header.get("typ") != "dpop+jwt":
            raise Unverified("typ is not dpop+jwt")
        key = public_key(header.get("jwk"))
        claims = claims_by(text, key, most=policy.SIGNED_INPUT_CHARACTERS_MAX)
        _check_request(claims, http_method, http_uri)
        if access_token is not None and claims.get("ath") != digest(access_token):
            raise Unverified("ath is of another token")
        expires_at = _expiry(claims, now)
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 1 <= len(jti) <= _JTI_CHARACTERS_MAX:
            raise Unverified("jti is missing or too long")
    _check_nonce(claims, nonces, now, required=nonce_required)
    # Longer by an allowance: the clock of the server that hears it again may be off as well.
    life_seconds = expires_at + policy.CLOCK_SKEW_SECONDS - now
    return Proof(key.thumbprint, used_once("dpop", key.thumbprint, jti, life_seconds))


def _check_request(claims: dict[str, object], http_method: str, http_uri: tuple[str, ...]) -> None:
    """D051: for this method and this URL, whatever its query."""
    if claims.get("htm") != http_method:
        raise Unverified("htm is another method")
    htu = claims.get("htu")
    if not isinstance(htu, str) or _normalised(htu) not in [_normalised(uri) for uri in http_uri]:
        raise Unverified("htu is another URL")


def _normalised(uri: str) -> tuple[str, str, str]:
    """Scheme, authority and path (RFC 3986 6.2.2.1, 6.2.3). Raises Unverified."""
    # urlsplit would take white space and control characters out, and so make two URLs the same.
    if not uri.isascii() or not uri.isprintable() or " " in uri:
        raise Unverified("htu is not a URL")
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise Unverified("htu is not a URL") from None
    authority = parts.netloc.lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme, ":"))
    return parts.scheme, authority, parts.path or "/"


def _expiry(claims: dict[str, object], now: float) -> float:
    """When a proof made at `iat` is too old, which it is not yet."""
    issued_at = time_of(claims, "iat")
    if not -policy.CLOCK_SKEW_SECONDS <= now - issued_at <= policy.DPOP_PROOF_AGE_SECONDS_MAX:
        raise Unverified("iat is too old or in the future")
    return issued_at + policy.DPOP_PROOF_AGE_SECONDS_MAX


def _check_nonce(claims: dict[str, object], nonces: Nonces, now: float, *, required: bool) -> None:
    """D056: a nonce that is not of ours is refused even where none is asked for."""
    if not required and "nonce" not in claims:
        return
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not nonces.is_valid(nonce, now):
        raise UseDpopNonce(
            "The DPoP proof needs a current nonce of this server",
            headers=(("DPoP-Nonce", nonces.current(now)),),
        )


def _window(now: float) -> int:
    return int(now // policy.DPOP_NONCE_LIFE_SECONDS)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (Unverified, UnusableKey) as error:
        raise InvalidDpopProof(f"The DPoP proof is invalid: {error}") from None
