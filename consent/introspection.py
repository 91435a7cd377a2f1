"""What introspection shows of a token, and to whom (RFC 7662 2.2)."""

from consent.access_token import AccessToken
from consent.authentication_request import AuthenticationRequest
from consent.client import Client

# D011: of a token that is unknown, expired, revoked or none of the caller's business, no more.
INACTIVE: dict[str, object] = {"active": False}


def may_see(client: Client, token: AccessToken) -> bool:
    """Who it was issued to, and the resource server it is aimed at (D015)."""
    return token.client_id == client.client_id or (
        client.resource_server_identifier != "" and client.resource_server_identifier == token.aud
    )


def access_token_shown(token: AccessToken) -> dict[str, object]:
    """D012, D013: its own claims; those it has not are left out."""
    shown: dict[str, object] = {
        "active": True,
        "token_type": "DPoP" if "jkt" in token.cnf else "Bearer",  # RFC 9449 6.2
        "scope": token.scope,
        "client_id": token.client_id,
        "sub": token.sub,
        "aud": token.aud,
        "iss": token.iss,
        "exp": token.exp,
        "iat": token.iat,
        "nbf": token.iat,
        "jti": token.jti,
    }
    had: dict[str, object] = {
        "cnf": token.cnf,
        "authorization_details": token.authorization_details,
        "auth_time": token.auth_time,
        "acr": token.acr,
        "amr": token.amr,
    }
    return shown | {name: value for name, value in had.items() if value}


def refresh_token_shown(
    request: AuthenticationRequest, expires_at: int, issuer: str
) -> dict[str, object]:
    """What may be had for it, and until when (epoch seconds) unless it is used before."""
    shown: dict[str, object] = {
        "active": True,
        "scope": " ".join(request.scope),
        "client_id": request.client_id,
        "sub": request.user_id,
        "aud": request.audience,
        "iss": issuer,
        "exp": expires_at,
    }
    if request.authorization_details:
        shown["authorization_details"] = request.authorization_details
    return shown
