"""POST /oauth/token: the grants, each for the clients that may use it."""

from api.ciba_grant import CibaGrant
from api.client_authentication import authenticate
from api.client_credentials_grant import ClientCredentialsGrant
from api.edge import Call, Reply
from api.refresh_token_grant import RefreshTokenGrant
from api.services import Services
from consent.client import REFRESH_TOKEN_GRANT
from consent.errors import InvalidRequest, UnauthorizedClient, UnsupportedGrantType
from consent.profile import run_time_violation


class TokenEndpoint:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._ciba = CibaGrant(services)
        self._client_credentials = ClientCredentialsGrant(services)
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
                return await self._client_credentials.issue(call, parameters, client)
            case "refresh_token":
                return await self._refresh_token.refresh(call, parameters, client)
        raise UnsupportedGrantType("The grant_type is not supported")
