"""/api/v2/client-grants: what a client may ask of an audience for itself, or for people."""

import secrets

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller, body_of
from api.management.lists import directory_list, known_list
from api.services import Services
from consent.access import ClientGrant
from consent.management import client_grants
from consent.management.clients import inexistent_client
from consent.management.listing import query
from consent.management.payload import payload
from consent.management.resource_servers import inexistent_resource_server
from consent.store import keys


class ClientGrants:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, call: Call, caller: Caller) -> Reply:
        services = self._services
        grant = client_grants.new_client_grant(body_of(call), creation=secrets.token_urlsafe(8))
        resource_server = await services.resource_server(grant.audience)
        if resource_server is None:
            raise inexistent_resource_server()
        client_grants.check_grantable(grant, resource_server, caller.scopes)
        event = caller.act.event(grant_id=grant.id, client_id=grant.client_id)
        match await services.directory.create_client_grant(grant, event=event):
            case "created":
                return json_reply(client_grants.client_grant_shown(grant), 201)
            case "exists":
                raise client_grants.existing_client_grant()
            case "unknown_client":
                raise inexistent_client()
            case "unknown_resource_server":
                raise inexistent_resource_server()
            case reply:
                raise AssertionError(f"create_client_grant.lua replied {reply}")

    async def read_all(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        parameters = query(call.scope["query_string"])
        client_id, audience = client_grants.filters(parameters)
        if client_id is not None and audience is not None:
            return await self._of_both(client_id, audience, parameters)
        index = "" if audience is None else f"audience {audience}"
        return await directory_list(
            self._services.directory,
            keys.CLIENT_GRANTS,
            ClientGrant,
            parameters,
            name="client_grants",
            id_of=lambda grant: grant.id,
            shown=client_grants.client_grant_shown,
            index=index if client_id is None else f"client {client_id}",
        )

    async def _of_both(self, client_id: str, audience: str, parameters: dict[str, str]) -> Reply:
        """At most one for each kind of subject, whose ids are known."""
        directory = self._services.directory
        found = [
            await directory.read(keys.CLIENT_GRANTS, grant_id, ClientGrant)
            for grant_id in client_grants.possible_ids(client_id, audience)
        ]
        return known_list(
            found,
            parameters,
            name="client_grants",
            id_of=lambda grant: grant.id,
            shown=client_grants.client_grant_shown,
        )

    async def read(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        return json_reply(client_grants.client_grant_shown(await self._grant(call)))

    async def change(self, call: Call, caller: Caller) -> Reply:
        """Other scopes; what the client has asked for meanwhile keeps those it was given."""
        services = self._services
        wanted = payload(body_of(call), client_grants.ClientGrantChange)
        audience = (await self._grant(call)).audience
        resource_server = await services.resource_server(audience)
        if resource_server is None:
            raise client_grants.inexistent_client_grant()
        found = resource_server

        def changed(grant: ClientGrant) -> ClientGrant:
            return client_grants.changed_client_grant(grant, wanted, found, caller.scopes)

        grant_id = call.path["id"]
        grant = await services.directory.change(
            keys.CLIENT_GRANTS,
            grant_id,
            ClientGrant,
            changed,
            event=caller.act.event(grant_id=grant_id),
        )
        if grant is None:
            raise client_grants.inexistent_client_grant()
        return json_reply(client_grants.client_grant_shown(grant))

    async def delete(self, call: Call, caller: Caller) -> Reply:
        grant_id = call.path["id"]
        await self._services.directory.remove(
            keys.CLIENT_GRANTS,
            grant_id,
            event=caller.act.event(grant_id=grant_id),
            kind=ClientGrant,
        )
        return Reply(204, headers=())

    async def _grant(self, call: Call) -> ClientGrant:
        grant = await self._services.directory.read(
            keys.CLIENT_GRANTS, call.path["id"], ClientGrant
        )
        if grant is None:
            raise client_grants.inexistent_client_grant()
        return grant
