"""POST /oauth/revoke: a client gives up a token, or what was stolen of it (RFC 7009)."""

from api.access_tokens import owner_of, verified
from api.client_authentication import authenticate
from api.edge import Call, Reply
from api.services import Services
from consent.access_token import InvalidAccessToken, NoAccessToken
from consent.client import Client
from consent.errors import InvalidRequest, UnsupportedTokenType
from consent.refresh_token import opened

# D020: the same for what was revoked and for what never was a token; nobody learns which.
_DONE = Reply(200, headers=((b"cache-control", b"no-store"),))


class Revocation:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def revoke(self, call: Call) -> Reply:
        """`token_type_hint` is not needed: a token says itself what it is (D023)."""
        parameters = call.form_or_json()
        client = await authenticate(self._services, call, parameters, public_allowed=True)
        token = parameters.get("token")
        if token is None:
            raise InvalidRequest("token is missing")
        named = opened(self._services.seal, token)
        if named is None:
            await self._revoke_access_token(token, client)
        else:
            consent_id, _ = named  # any generation: whoever holds one may end the family
            await self._services.grants.revoke(consent_id, client.client_id)
        return _DONE

    async def _revoke_access_token(self, text: str, client: Client) -> None:
        services = self._services
        try:
            token = await verified(services, text)
        except NoAccessToken as error:
            raise UnsupportedTokenType(
                "Only access tokens and refresh tokens are revoked", detail=str(error)
            ) from None
        except InvalidAccessToken:
            return  # nothing that could still be used
        if token.client_id == client.client_id:  # D021
            life_seconds = token.exp - services.clock()
            await services.grants.revoke_token(
                owner_of(services, token), token.jti, life_seconds, token.client_id
            )
