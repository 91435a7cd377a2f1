"""/api/v2/resource-servers: each found by its id, or by its identifier."""

import secrets

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller, body_of
from api.management.lists import directory_list, known_list
from api.services import Services
from consent.access import ResourceServer
from consent.management import resource_servers
from consent.management.listing import repeatable
from consent.store import keys


class ResourceServers:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, call: Call, caller: Caller) -> Reply:
        services = self._services
        wanted = resource_servers.new_resource_server(
            body_of(call), creation=secrets.token_urlsafe(8)
        )
        # The audience of tokens for nobody in particular is ours too.
        is_ours = wanted.identifier == services.settings.url("userinfo")
        event = caller.act.event(audience=wanted.identifier)
        if is_ours or not await services.directory.create(
            keys.RESOURCE_SERVERS, wanted.id, wanted, event=event
        ):
            raise resource_servers.existing_resource_server()
        await services.signer(wanted.signing_alg)  # its key is published before the first token
        return json_reply(resource_servers.resource_server_shown(wanted), 201)

    async def read_all(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        identifiers, parameters = repeatable(call.scope["query_string"], "identifiers")
        if identifiers:
            return known_list(
                [await self._services.resource_server(each) for each in identifiers],
                parameters,
                name="resource_servers",
                id_of=lambda resource_server: resource_server.id,
                shown=resource_servers.resource_server_shown,
            )
        return await directory_list(
            self._services.directory,
            keys.RESOURCE_SERVERS,
            ResourceServer,
            parameters,
            name="resource_servers",
            id_of=lambda resource_server: resource_server.id,
            shown=resource_servers.resource_server_shown,
        )

    async def read(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        found = await self._found(call.path["id"])
        if found is None:
            raise resource_servers.inexistent_resource_server()
        return json_reply(resource_servers.resource_server_shown(found))

    async def change(self, call: Call, caller: Caller) -> Reply:
        """Of changes at once each is merged into what the other has left."""
        services, body = self._services, body_of(call)
        found = await self._found(call.path["id"])
        if found is None:
            raise resource_servers.inexistent_resource_server()
        changed = await services.directory.change(
            keys.RESOURCE_SERVERS,
            found.id,
            ResourceServer,
            lambda stored: resource_servers.changed_resource_server(stored, body),
            event=caller.act.event(audience=found.identifier),
        )
        if changed is None:
            raise resource_servers.inexistent_resource_server()
        await services.signer(changed.signing_alg)
        return json_reply(resource_servers.resource_server_shown(changed))

    async def delete(self, call: Call, caller: Caller) -> Reply:
        found = await self._found(call.path["id"])
        if found is not None:
            if found.is_system:
                raise resource_servers.system_resource_server("deleted")
            await self._services.directory.remove_resource_server(
                found.identifier, event=caller.act.event(audience=found.identifier)
            )
        return Reply(204, headers=())

    async def _found(self, name: str) -> ResourceServer | None:
        found = await self._services.directory.read(keys.RESOURCE_SERVERS, name, ResourceServer)
        return found or await self._services.resource_server(name)
