"""
The tokens: claims, and the signature by the one function both are signed with.

ID token: OpenID Connect Core 2, CIBA 10.1. Access token: RFC 9068, with Auth0's `azp`.
"""

import hashlib
from collections.abc import Mapping

import jwt

from consent import access, policy
from consent.authentication_request import AuthenticationRequest
from consent.identifiers import b64url, digest
from consent.signing_key import ALGORITHM, SigningKey

ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068 2.1

# What the standard scopes release (OpenID Connect Core 5.4), as the user record names it.
_SCOPE_CLAIMS = {
    "profile": ("name", "given_name", "family_name", "nickname", "picture"),
    "email": ("email", "email_verified"),
    "phone": ("phone_number", "phone_verified"),
}
_CLAIM_NAMES = {"phone_verified": "phone_number_verified"}


class InvalidAccessToken(Exception):  # noqa: N818 - said of the token
    """Not an access token of ours for this audience; the text goes to the log."""


class ExpiredAccessToken(InvalidAccessToken):
    """It was one."""


def token_response(
    request: AuthenticationRequest,
    user: Mapping[str, object],
    *,
    key: SigningKey,
    issuer: str,
    jti: str,
    issued_at: int,
    auth_time: int,
) -> dict[str, object]:
    """
    What an approval is exchanged for (CIBA 10.1.1, A128, A140).

    A function of its arguments, signatures included: asked again it gives the same token set.
    `offline_access` is not granted, for there are no refresh tokens.
    """
    granted = [value for value in request.scope if value != "offline_access"]
    expires_in = request.access_token_lifetime
    access_token = key.sign(
        {
            "iss": issuer,
            "sub": request.user_id,
            "aud": request.audience,
            "client_id": request.client_id,
            "azp": request.client_id,
            "iat": issued_at,
            "exp": issued_at + expires_in,
            "jti": jti,
            "auth_time": auth_time,
            "scope": " ".join(granted),
        },
        ACCESS_TOKEN_TYPE,
    )
    id_token = key.sign(
        {
            **released_claims(user, granted),
            "iss": issuer,
            "sub": request.user_id,
            "aud": request.client_id,
            "iat": issued_at,
            "exp": issued_at + request.id_token_lifetime,
            "auth_time": auth_time,
            "at_hash": half_hash(access_token),
        },
        "JWT",
    )
    return {
        "access_token": access_token,
        "id_token": id_token,
        "token_type": "Bearer",
        "expires_in": expires_in,
        "scope": " ".join(granted),
    }


def redemption_jti(consent_id: str) -> str:
    """The `jti` of a consent's access token: it has one, whoever signs it, and however often."""
    return digest(f"jti {consent_id}")[:22]


def client_token_response(
    client_id: str,
    audience: str,
    scope: list[str],
    *,
    key: SigningKey,
    issuer: str,
    jti: str,
    issued_at: int,
    lifetime_seconds: int,
) -> dict[str, object]:
    """What a client gets for itself (RFC 6749 4.4, auth0-wire 3.6)."""
    token = key.sign(
        {
            "iss": issuer,
            "sub": f"{client_id}@clients",
            "aud": audience,
            "client_id": client_id,
            "azp": client_id,
            "iat": issued_at,
            "exp": issued_at + lifetime_seconds,
            "jti": jti,
            "gty": "client-credentials",
            "scope": " ".join(scope),
        },
        ACCESS_TOKEN_TYPE,
    )
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": lifetime_seconds,
        "scope": " ".join(scope),
    }


def released_claims(user: Mapping[str, object], granted: list[str]) -> dict[str, object]:
    """The claims about a person that the granted scopes release and that are known."""
    return {
        _CLAIM_NAMES.get(name, name): user[name]
        for scope, names in _SCOPE_CLAIMS.items()
        if scope in granted
        for name in names
        if user.get(name) is not None
    }


def half_hash(token: str) -> str:
    """base64url of the left half of SHA-256 (OpenID Connect Core 3.1.3.6, A172)."""
    return b64url(hashlib.sha256(token.encode()).digest()[:16])


def management_access(
    token: str, *, keys: list[SigningKey], issuer: str, now: float
) -> tuple[str, frozenset[str]]:
    """
    Verify an access token for the management API: the client it is for and its scopes.

    RFC 9068 4: type, issuer, audience, algorithm, expiry (D005). Raises InvalidAccessToken,
    ExpiredAccessToken.
    """
    if len(token) > policy.SIGNED_INPUT_CHARACTERS_MAX:
        raise InvalidAccessToken("too long")
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        key = next((key for key in keys if key.kid == kid), None)
        if key is None:
            raise InvalidAccessToken("signed with no key of ours")
        decoded = jwt.decode_complete(
            token,
            key.public_key,
            algorithms=[ALGORITHM],
            issuer=issuer,
            audience=access.management_audience(issuer),
            options={
                "verify_exp": False,
                "verify_iat": False,
                "require": ["exp", "iat", "client_id", "scope"],
            },
        )
    except (jwt.InvalidTokenError, RecursionError) as error:
        raise InvalidAccessToken(type(error).__name__) from None
    claims = decoded["payload"]
    if decoded["header"].get("typ") != ACCESS_TOKEN_TYPE:
        raise InvalidAccessToken("not an access token")
    if claims.get("gty") != "client-credentials":
        raise InvalidAccessToken("not a client's own")
    if now >= claims["exp"]:
        raise ExpiredAccessToken("expired")
    return claims["client_id"], frozenset(claims["scope"].split(" "))
