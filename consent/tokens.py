"""
The tokens: claims, and the signature by the one function both are signed with.

ID token: OpenID Connect Core 2, CIBA 10.1. Access token: RFC 9068, with Auth0's `azp`.
"""

import hashlib
from collections.abc import Mapping

from consent.authentication_request import AuthenticationRequest
from consent.identifiers import b64url, digest
from consent.signing_key import SigningKey

ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068 2.1

# What the standard scopes release (OpenID Connect Core 5.4), as the user record names it.
_SCOPE_CLAIMS = {
    "profile": ("name", "given_name", "family_name", "nickname", "picture"),
    "email": ("email", "email_verified"),
    "phone": ("phone_number", "phone_verified"),
}
_CIBA_CLAIM = "urn:openid:params:jwt:claim:"
_CLAIM_NAMES = {"phone_verified": "phone_number_verified"}


def token_response(
    request: AuthenticationRequest,
    user: Mapping[str, object],
    *,
    access_key: SigningKey,
    id_key: SigningKey,
    issuer: str,
    jti: str,
    issued_at: int,
    auth_time: int,
    confirmation: str = "",
    refresh_token: str = "",
    auth_req_id: str = "",
) -> dict[str, object]:
    """
    What an approval, or its refresh token, is exchanged for (CIBA 10.1.1, A128, A140).

    A function of its arguments, and but for PS256, whose salt is random, so are the signatures:
    asked again it gives the same token set. `confirmation` is what the access token is bound to
    ("jkt:..." or "x5t#S256:..."); `auth_req_id` is there when the tokens are pushed (A171).
    """
    granted = [value for value in request.scope if request.refreshable or value != "offline_access"]
    claims: dict[str, object] = {
        "iss": issuer,
        "sub": request.user_id,
        "aud": request.audience,
        "client_id": request.client_id,
        "azp": request.client_id,
        "iat": issued_at,
        "exp": issued_at + request.access_token_lifetime,
        "jti": jti,
        **_authentication(request, auth_time),
        "scope": " ".join(granted),
        **_bound(confirmation),
    }
    if request.authorization_details:
        claims["authorization_details"] = request.authorization_details
    access_token = access_key.sign(claims, ACCESS_TOKEN_TYPE)
    response: dict[str, object] = {
        "access_token": access_token,
        "token_type": token_type(confirmation),
        "expires_in": request.access_token_lifetime,
        "scope": " ".join(granted),
    }
    if "openid" in granted:  # of what a refresh narrowed it may be gone
        response["id_token"] = id_key.sign(
            {
                **released_claims(user, granted),
                "iss": issuer,
                "sub": request.user_id,
                "aud": request.client_id,
                "iat": issued_at,
                "exp": issued_at + request.id_token_lifetime,
                **_authentication(request, auth_time),
                "at_hash": half_hash(access_token, id_key.alg),
                **_pushed(auth_req_id, refresh_token, id_key.alg),
            },
            "JWT",
        )
    if refresh_token:
        response["refresh_token"] = refresh_token
    if request.authorization_details:
        response["authorization_details"] = request.authorization_details
    return response


def token_type(confirmation: str) -> str:
    """D052; what a certificate binds stays a bearer token (RFC 8705 3)."""
    return "DPoP" if confirmation.startswith("jkt:") else "Bearer"


def _bound(confirmation: str) -> dict[str, object]:
    """RFC 7800 3.1."""
    if not confirmation:
        return {}
    method, _, thumbprint = confirmation.partition(":")
    return {"cnf": {method: thumbprint}}


def _authentication(request: AuthenticationRequest, auth_time: int) -> dict[str, object]:
    """
    How the person was authenticated (D003, A141), on another channel: by a key of theirs, or by
    what only who reads their mailbox was sent, which is no possession of a key.
    """
    pop = ["pop"] if request.approved_by == "key" else []
    claims: dict[str, object] = {"auth_time": auth_time, "amr": [*pop, "mca", "user"]}
    return claims | {"acr": request.acr} if request.acr else claims


def _pushed(auth_req_id: str, refresh_token: str, alg: str) -> dict[str, object]:
    """A171: an ID token that is pushed says what it was asked with and comes with."""
    if not auth_req_id:
        return {}
    claims: dict[str, object] = {f"{_CIBA_CLAIM}auth_req_id": auth_req_id}
    if refresh_token:
        claims[f"{_CIBA_CLAIM}rt_hash"] = half_hash(refresh_token, alg)
    return claims


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
    confirmation: str = "",
    custom_claims: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """What a client gets for itself (RFC 6749 4.4, auth0-wire 3.6)."""
    token = key.sign(
        {
            **(custom_claims or {}),
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
            **_bound(confirmation),
        },
        ACCESS_TOKEN_TYPE,
    )
    return {
        "access_token": token,
        "token_type": token_type(confirmation),
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


def half_hash(token: str, alg: str = "ES256") -> str:
    """base64url of the left half of the hash of `alg` (OpenID Connect Core 3.1.3.6, A172)."""
    hashed = hashlib.sha512 if alg == "EdDSA" else hashlib.sha256
    digested = hashed(token.encode()).digest()
    return b64url(digested[: len(digested) // 2])
