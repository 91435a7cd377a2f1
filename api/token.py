"""
POST /oauth/token: what an approval, or a client's own grant, is exchanged for.

The redemption is claimed by the poll that finds the approval, in Redis. Signing follows from the
claim alone; once the answer has left, the claim is marked delivered (CIBA 10.1, A110-A132).
"""

import asyncio
import secrets

import msgspec
import structlog

from api.client_authentication import authenticate
from api.edge import JSON_HEADERS, Call, Reply, json_reply
from api.services import Services
from consent import access, tokens
from consent.authentication_request import AuthenticationRequest
from consent.client import CIBA_GRANT, CLIENT_CREDENTIALS_GRANT, Client
from consent.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidGrant,
    InvalidRequest,
    OAuthError,
    Refusal,
    SlowDown,
    TemporarilyUnavailable,
    UnauthorizedClient,
    UnsupportedGrantType,
    oauth_body,
)
from consent.identifiers import consent_id_of, is_auth_req_id
from consent.store import keys
from consent.store.consents import Polled

log = structlog.get_logger()

_REFUSALS: dict[str, OAuthError] = {
    "unknown": InvalidGrant("The auth_req_id is unknown or was issued to another client"),
    "spent": InvalidGrant("The auth_req_id has been used"),
    "denied": AccessDenied("The end-user denied the authorization request"),
    "unreachable": AccessDenied("None of the devices of the end-user can be reached"),
    "refused": AccessDenied("The end-user may not authorize requests any more"),
    "expired": ExpiredToken("The auth_req_id has expired"),
}


def _fixed(refusal: Refusal) -> Reply:
    return Reply(
        refusal.status,
        msgspec.json.encode(oauth_body(refusal)),
        JSON_HEADERS,
        outcome=refusal.error,
    )


# Most polls hear this; it is written once.
_PENDING = _fixed(AuthorizationPending("The end-user authorization is pending"))


class TokenEndpoint:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._delivering: set[asyncio.Task[None]] = set()

    async def exchange(self, call: Call) -> Reply:
        parameters = call.form_or_json()
        client = await authenticate(self._services, call, parameters)
        match parameters.get("grant_type"):
            case None:
                raise InvalidRequest("grant_type is missing")
            case "urn:openid:params:grant-type:ciba":
                return await self._ciba(call, parameters, client)
            case "client_credentials":
                return await self._client_credentials(parameters, client)
        raise UnsupportedGrantType("The grant_type is not supported")

    async def _ciba(self, call: Call, parameters: dict[str, str], client: Client) -> Reply:
        if not client.may_use(CIBA_GRANT):
            raise UnauthorizedClient("The client may not use this grant")
        auth_req_id = parameters.get("auth_req_id")
        if auth_req_id is None:
            raise InvalidRequest("auth_req_id is missing")
        if not is_auth_req_id(auth_req_id):
            raise _REFUSALS["unknown"]
        consent_id = consent_id_of(auth_req_id)
        polled = await self._services.consents.poll(consent_id, client.client_id)
        if polled.outcome == "pending":
            return _PENDING
        call.facts["consent"] = consent_id
        if polled.outcome == "granted":
            return self._tokens(consent_id, polled)
        if polled.outcome == "slow_down":
            # Decision: the standard's 400 (CIBA 11), with the wait that ends it.
            raise SlowDown(
                "The client polls faster than its interval",
                headers=(("Retry-After", str(polled.interval_seconds)),),
            )
        refusal = _REFUSALS[polled.outcome]
        raise type(refusal)(refusal.description)

    def _tokens(self, consent_id: str, polled: Polled) -> Reply:
        services = self._services
        response = tokens.token_response(
            msgspec.json.decode(polled.request, type=AuthenticationRequest),
            msgspec.json.decode(polled.user),
            key=services.signing_key,
            issuer=services.settings.issuer,
            jti=tokens.redemption_jti(consent_id),
            issued_at=polled.redeemed_at_ms // 1_000,
            auth_time=polled.decided_at_ms // 1_000,
        )
        return json_reply(response)._replace(after=lambda: self._mark_delivered(consent_id))

    def _mark_delivered(self, consent_id: str) -> None:
        task = asyncio.ensure_future(self._delivered(consent_id))
        self._delivering.add(task)
        task.add_done_callback(self._delivering.discard)

    async def _delivered(self, consent_id: str) -> None:
        try:
            await self._services.consents.delivered(consent_id)
        except TemporarilyUnavailable:
            # Unmarked, the claim may be answered once more for a minute, with these same tokens.
            log.warning("delivery_unmarked", consent=consent_id)

    async def _client_credentials(self, parameters: dict[str, str], client: Client) -> Reply:
        if not client.may_use(CLIENT_CREDENTIALS_GRANT):
            raise UnauthorizedClient("The client may not use this grant")
        audience = access.requested_audience(parameters.get("audience"))
        if audience is None:
            raise InvalidRequest("audience is missing")
        services = self._services
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
                key=services.signing_key,
                issuer=services.settings.issuer,
                jti=secrets.token_urlsafe(16),
                issued_at=int(services.clock()),
                lifetime_seconds=resource_server.token_lifetime
                or services.settings.access_token_lifetime_seconds,
            )
        )
