"""The client credentials grant (RFC 6749 4.4, auth0-wire 3.6): what a client gets for itself."""

import asyncio
import secrets
from typing import Any
from urllib.parse import urlsplit

from api.edge import Call, Reply, json_reply
from api.remote_address import remote_address
from api.sender_constraint import confirmation
from api.services import Services
from consent import access, third_party, tokens
from consent.audit.event import Act
from consent.client import CLIENT_CREDENTIALS_GRANT, Client, failed
from consent.credentials_exchange import Exchange, Outcome, Request, without_credentials
from consent.errors import InvalidRequest, ManagementError, ServerError, UnauthorizedClient
from consent.management.clients import changed_client
from consent.profile import access_token_alg
from consent.store import keys


class ClientCredentialsGrant:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._hostname = urlsplit(services.settings.issuer).hostname or ""

    async def issue(self, call: Call, parameters: dict[str, str], client: Client) -> Reply:
        services = self._services
        if not client.may_use(CLIENT_CREDENTIALS_GRANT):
            raise UnauthorizedClient("The client may not use this grant")
        tenant = await services.tenant()
        if not third_party.may_use_grant(client, tenant, CLIENT_CREDENTIALS_GRANT):
            raise UnauthorizedClient("The client may not use this grant", detail="third-party")
        asked = access.requested_audience(parameters.get("audience"))
        audience = asked or tenant.default_audience
        if not audience:
            raise InvalidRequest("audience is missing")
        bound_to = await confirmation(services, call, client)
        resource_server, grant = await asyncio.gather(
            services.resource_server(audience), self._grant(client, audience)
        )
        if resource_server is None or grant is None:
            raise access.no_access()
        requested = access.scope_values(parameters.get("scope", ""))
        third_party.check_registered_scope(client, requested)
        scope = third_party.within_registered_scope(client, access.own_scopes(requested, grant))
        request = self._request(call, parameters)
        exchange = Exchange(
            client=client,
            request=request,
            audience=audience,
            tenant_id=self._hostname,
            requested_scopes=requested,
            allowed=frozenset(grant.scope),
            changed=self._changed,
        )
        outcome = await services.actions.apply(exchange, Outcome(scope=scope))
        await self._change_client(call, exchange, outcome)
        response = tokens.client_token_response(
            client.client_id,
            audience,
            outcome.scope,
            key=await services.signer(access_token_alg(client, resource_server.signing_alg)),
            issuer=services.settings.issuer,
            jti=secrets.token_urlsafe(16),
            issued_at=int(services.clock()),
            lifetime_seconds=resource_server.token_lifetime
            or services.settings.access_token_lifetime_seconds,
            confirmation=bound_to,
            custom_claims=outcome.custom_claims,
        )
        # Before it is answered: a token that the audit trail does not know of is nobody's.
        await services.directory.record(
            "seccft",
            client=client.client_id,
            event=_act(call, request, client, "Client credentials exchange").event(
                client_id=client.client_id, audience=audience, scope=" ".join(outcome.scope)
            ),
        )
        return json_reply(response)

    async def _grant(self, client: Client, audience: str) -> access.ClientGrant | None:
        services = self._services
        if not third_party.may_use_audience(client, audience, services.settings.issuer):
            return None
        grants = await asyncio.gather(
            *(
                services.directory.read(keys.CLIENT_GRANTS, grant_id, access.ClientGrant)
                for grant_id in third_party.client_grant_ids(client, audience)
            )
        )
        return third_party.own_grant(grants, audience)

    def _request(self, call: Call, parameters: dict[str, str]) -> Request:
        return Request(
            body=without_credentials(parameters),
            hostname=self._hostname,
            ip=remote_address(self._services, call),
            method=call.scope["method"],
            user_agent=call.header(b"user-agent") or "",
        )

    def _changed(self, client: Client, change: dict[str, Any]) -> Client:
        """The rules of PATCH /clients/{id}, in which a secret is none of an action's business."""
        services = self._services
        changed, _ = changed_client(
            client, change, seal=services.seal, check_url=services.check_url
        )
        return changed

    async def _change_client(self, call: Call, exchange: Exchange, outcome: Outcome) -> None:
        """What actions changed of the client is written before its token is; if it differs."""
        client, change = exchange.client, outcome.client_change
        if exchange.after(change) == client:
            return
        act = _act(call, exchange.request, client, "Action changed a client")
        try:
            changed = await self._services.directory.change(
                keys.CLIENTS,
                client.client_id,
                Client,
                lambda stored: self._changed(stored, change),
                event=act.event(client_id=client.client_id),
            )
        except ManagementError as refusal:  # it was changed meanwhile, and has no room for this
            raise ServerError(
                "The exchange could not be completed", detail=refusal.description
            ) from None
        if changed is None:
            raise failed(detail="the client was removed")


def _act(call: Call, request: Request, client: Client, description: str) -> Act:
    return Act(
        description,
        client_id=client.client_id,
        ip=request.ip,
        user_agent=request.user_agent,
        method=request.method,
        path=call.scope["path"],
    )
