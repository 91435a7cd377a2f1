"""POST /oauth/token: the grants, each for the clients that may use it."""

import asyncio
import secrets

from api.ciba_grant import CibaGrant
from api.client_authentication import authenticate
from api.edge import Call, Reply, json_reply
from api.refresh_token_grant import RefreshTokenGrant
from api.sender_constraint import confirmation
from api.services import Services
from consent import access, tokens
from consent.client import CLIENT_CREDENTIALS_GRANT, REFRESH_TOKEN_GRANT, Client
from consent.errors import InvalidRequest, UnauthorizedClient, UnsupportedGrantType
from consent.profile import access_token_alg, run_time_violation
from consent.store import keys


class TokenEndpoint:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._ciba = CibaGrant(services)
        self._refresh_token = RefreshTokenGrant(services)

    async def exchange(self, call: Call) -> Reply:
        parameters = call.form_or_json()
        grant_type = parameters.get("grant_type")
        # A public client has nothing to redeem but a refresh token (B001, D081).
        public_allowed = grant_type == REFRESH_TOKEN_GRANT
        client = await authenticate(self._services, call, parameters, public_allowed=public_allowed)
        if client.profile != "standard" and (violation := run_time_violation(client)):
            raise UnauthorizedClient("The client does not fit its profile", detail=violation)
        match grant_type:
            case None:
                raise InvalidRequest("grant_type is missing")
            case "urn:openid:params:grant-type:ciba":
                return await self._ciba.redeem(call, parameters, client)
            case "client_credentials":
                return await self._client_credentials(call, parameters, client)
            case "refresh_token":
                return await self._refresh_token.refresh(call, parameters, client)
        raise UnsupportedGrantType("The grant_type is not supported")

    async def _client_credentials(
        self, call: Call, parameters: dict[str, str], client: Client
    ) -> Reply:
        if not client.may_use(CLIENT_CREDENTIALS_GRANT):
            raise UnauthorizedClient("The client may not use this grant")
        audience = access.requested_audience(parameters.get("audience"))
        if audience is None:
            raise InvalidRequest("audience is missing")
        services = self._services
        bound_to = await confirmation(services, call, client)
        resource_server, grant = await asyncio.gather(
            services.resource_server(audience),
            services.directory.read(
                keys.CLIENT_GRANTS,
                access.client_grant_id(client.client_id, audience),
                access.ClientGrant,
            ),
        )
        if resource_server is None:
            raise access.no_access()
        scope = access.own_scopes(access.scope_values(parameters.get("scope", "")), grant)
        return json_reply(
            tokens.client_token_response(
                client.client_id,
                audience,
                scope,
                key=await services.signer(access_token_alg(client, resource_server.signing_alg)),
                issuer=services.settings.issuer,
                jti=secrets.token_urlsafe(16),
                issued_at=int(services.clock()),
                lifetime_seconds=resource_server.token_lifetime
                or services.settings.access_token_lifetime_seconds,
                confirmation=bound_to,
            )
        )
