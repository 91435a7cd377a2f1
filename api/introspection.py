"""POST /oauth/introspect: what a token is, told to those it is meant for (RFC 7662)."""

import msgspec

from api.access_tokens import standing
from api.client_authentication import authenticate
from api.edge import Call, Reply, json_reply
from api.services import Services
from consent.access_token import InvalidAccessToken
from consent.authentication_request import AuthenticationRequest
from consent.client import Client
from consent.errors import InvalidRequest
from consent.introspection import INACTIVE, access_token_shown, may_see, refresh_token_shown
from consent.refresh_token import opened


class Introspection:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def introspect(self, call: Call) -> Reply:
        """`token_type_hint` is not needed: a token says itself what it is (D014)."""
        parameters = call.form()
        client = await authenticate(self._services, call, parameters)
        token = parameters.get("token")
        if token is None:
            raise InvalidRequest("token is missing")
        named = opened(self._services.seal, token)
        if named is None:
            return json_reply(await self._access_token(call, token, client))
        return json_reply(await self._refresh_token(*named, client))

    async def _access_token(self, call: Call, text: str, client: Client) -> dict[str, object]:
        try:
            token, _ = await standing(self._services, text)
        except InvalidAccessToken as error:
            call.facts["detail"] = str(error)
            return INACTIVE
        return access_token_shown(token) if may_see(client, token) else INACTIVE

    async def _refresh_token(
        self, consent_id: str, generation: int, client: Client
    ) -> dict[str, object]:
        grant = await self._services.grants.read(consent_id, client.client_id)
        if grant is None or grant.generation != generation:
            return INACTIVE
        if grant.auth_time_ms < client.since * 1_000:  # granted to another client of its id
            return INACTIVE
        return refresh_token_shown(
            msgspec.json.decode(grant.request, type=AuthenticationRequest),
            grant.expires_at_ms // 1_000,
            self._services.settings.issuer,
        )
