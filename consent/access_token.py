"""
Our own access tokens, handed back to us: what they say, once it is known that we said it.

Pure. RFC 9068 4 (D005): type, issuer, audience, the algorithm of the key that signed, expiry.
Whether a token was revoked, or whoever it is about or for has gone since, is the store's to say.
"""

from typing import Protocol

import msgspec

from consent.jose import Key, PublicKey, Unverified, claims_by, header_of
from consent.tokens import ACCESS_TOKEN_TYPE

_OWN = "client-credentials"  # auth0-wire 3.6


class InvalidAccessToken(Exception):  # noqa: N818 - said of the token
    """Not an access token of ours for this audience; the text goes to the log."""


class ExpiredAccessToken(InvalidAccessToken):
    """It was one."""


class NoAccessToken(InvalidAccessToken):
    """We signed it, as something else (D006)."""


class VerifyingKey(Protocol):
    @property
    def public_key(self) -> Key: ...
    @property
    def alg(self) -> str: ...


class Ring(Protocol):
    def find(self, kid: str) -> VerifyingKey | None: ...


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """A verified access token, by its claims (RFC 9068 2.2); times are epoch seconds."""

    iss: str
    sub: str
    aud: str
    client_id: str
    scope: str
    jti: str
    iat: int
    exp: int
    gty: str = ""
    auth_time: int = 0
    acr: str = ""
    amr: list[str] = []
    cnf: dict[str, str] = {}
    authorization_details: list[dict[str, object]] = []

    @property
    def is_clients_own(self) -> bool:
        """About nobody: what a client got for itself."""
        return self.gty == _OWN

    @property
    def user_id(self) -> str | None:
        """The person it is about."""
        return None if self.is_clients_own else self.sub

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.scope.split())


def access_token(
    text: str, *, ring: Ring, issuer: str, audience: str | None, now: float
) -> AccessToken:
    """
    Verify an access token of ours; `audience` None is any. Raises InvalidAccessToken,
    ExpiredAccessToken, NoAccessToken.
    """
    try:
        header = header_of(text)
        claims = claims_by(text, _key(header, ring))
    except Unverified as error:
        raise InvalidAccessToken(str(error)) from None
    if header.get("typ") != ACCESS_TOKEN_TYPE:
        raise NoAccessToken("not an access token")
    try:
        token = msgspec.convert(claims, AccessToken)
    except msgspec.ValidationError:
        raise InvalidAccessToken("a claim is missing or of a wrong type") from None
    if token.gty not in {"", _OWN}:
        raise InvalidAccessToken("neither a person's nor a client's own")
    if token.iss != issuer:
        raise InvalidAccessToken("another issuer")
    if audience is not None and token.aud != audience:
        raise InvalidAccessToken("another audience")
    if now >= token.exp:
        raise ExpiredAccessToken("expired")
    return token


def _key(header: dict[str, object], ring: Ring) -> PublicKey:
    """The key of ours that is named, for the one algorithm it signs by (T13)."""
    kid = header.get("kid")
    key = ring.find(kid) if isinstance(kid, str) else None
    if key is None:
        raise InvalidAccessToken("signed with no key of ours")
    return PublicKey(key.public_key, (key.alg,), "", None, {})
