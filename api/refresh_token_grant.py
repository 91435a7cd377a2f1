"""The refresh token grant (RFC 6749 6, OpenID Connect Core 12, D080-D086)."""

import secrets

import msgspec

from api.edge import Call, Reply, json_reply
from api.sender_constraint import confirmation
from api.services import Services
from consent import access, tokens
from consent.authentication_request import AuthenticationRequest
from consent.authorization_details import narrowed
from consent.client import REFRESH_TOKEN_GRANT, Client
from consent.errors import InvalidGrant, InvalidRequest, InvalidScope, UnauthorizedClient
from consent.refresh_token import opened, refresh_token

_NARROWING = frozenset({"scope", "authorization_details"})


class RefreshTokenGrant:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def refresh(self, call: Call, parameters: dict[str, str], client: Client) -> Reply:
        services = self._services
        if not client.may_use(REFRESH_TOKEN_GRANT):
            raise UnauthorizedClient("The client may not use this grant")
        text = parameters.get("refresh_token")
        if text is None:
            raise InvalidRequest("refresh_token is missing")
        bound_to = await confirmation(services, call, client)
        named = opened(services.seal, text)
        if named is None:
            raise _invalid_refresh_token()
        consent_id, generation = named
        call.facts["consent"] = consent_id
        if not _NARROWING.isdisjoint(parameters):
            # Asked before anything rotates: who asks for too much keeps the token it has.
            grant = await services.grants.read(consent_id, client.client_id)
            if grant is not None:
                _narrowed(
                    msgspec.json.decode(grant.request, type=AuthenticationRequest), parameters
                )
        refreshed = await services.grants.refresh(
            consent_id=consent_id, generation=generation, client=client, confirmation=bound_to
        )
        if refreshed.outcome != "refreshed":
            raise _invalid_refresh_token(refreshed.outcome)
        request = msgspec.json.decode(refreshed.request, type=AuthenticationRequest)
        response = tokens.token_response(
            _narrowed(request, parameters),
            msgspec.json.decode(refreshed.user),
            access_key=await services.signer(request.access_token_alg),
            id_key=await services.signer(request.id_token_alg),
            issuer=services.settings.issuer,
            jti=f"{tokens.redemption_jti(consent_id)}.{secrets.token_urlsafe(12)}",
            issued_at=int(services.clock()),
            auth_time=refreshed.auth_time_ms // 1_000,
            confirmation=bound_to,
            refresh_token=refresh_token(services.seal, consent_id, refreshed.generation),
        )
        return json_reply(response)


def _invalid_refresh_token(detail: str = "") -> InvalidGrant:
    return InvalidGrant(
        "The refresh token is unknown, expired, revoked or another client's", detail=detail
    )


def _narrowed(request: AuthenticationRequest, parameters: dict[str, str]) -> AuthenticationRequest:
    """D043, D083, T40: never more than was approved, and less only this time."""
    scope = access.scope_values(parameters.get("scope", "")) or request.scope
    if not set(scope) <= set(request.scope):
        raise InvalidScope("A requested scope was not approved")
    details = parameters.get("authorization_details")
    return msgspec.structs.replace(
        request,
        scope=scope,
        authorization_details=narrowed(request.authorization_details, details)
        if details
        else request.authorization_details,
    )
