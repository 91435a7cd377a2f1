"""/api/v2/resource-servers: each found by its id, or by its identifier."""

import secrets

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller, body_of
from api.services import Services
from consent.access import ResourceServer
from consent.management import resource_servers
from consent.management.listing import listing, query
from consent.store import keys


class ResourceServers:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        services = self._services
        wanted = resource_servers.new_resource_server(
            body_of(call), creation=secrets.token_urlsafe(8)
        )
        # The audience of tokens for nobody in particular is ours too.
        is_ours = wanted.identifier == services.settings.url("userinfo")
        if is_ours or not await services.directory.create(keys.RESOURCE_SERVERS, wanted.id, wanted):
            raise resource_servers.existing_resource_server()
        await services.signer(wanted.signing_alg)  # its key is published before the first token
        return json_reply(resource_servers.resource_server_shown(wanted), 201)

    async def read_all(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        parameters = query(call.scope["query_string"])
        found = await self._services.directory.read_all(keys.RESOURCE_SERVERS, ResourceServer)
        return json_reply(
            listing(
                "resource_servers",
                found,
                lambda resource_server: resource_server.id,
                resource_servers.resource_server_shown,
                parameters,
            )
        )

    async def read(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        found = await self._found(call.path["id"])
        if found is None:
            raise resource_servers.inexistent_resource_server()
        return json_reply(resource_servers.resource_server_shown(found))

    async def delete(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        found = await self._found(call.path["id"])
        if found is not None:
            if found.is_system:
                raise resource_servers.system_resource_server()
            await self._services.directory.remove_resource_server(found.identifier)
        return Reply(204, headers=())

    async def _found(self, name: str) -> ResourceServer | None:
        found = await self._services.directory.read(keys.RESOURCE_SERVERS, name, ResourceServer)
        return found or await self._services.resource_server(name)
