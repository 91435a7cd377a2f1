"""/api/v2/clients."""

import msgspec

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller, body_of
from api.services import Services
from consent.access import ClientGrant, client_grant_id, management_audience
from consent.client import Client
from consent.identifiers import digest, new_client_id, new_secret
from consent.management import clients
from consent.management.client_grants import check_held
from consent.management.listing import listing, query
from consent.store import keys


class Clients:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        secret = new_secret()
        client = clients.new_client(body_of(call), client_id=new_client_id(), secret=secret)
        await self._services.directory.create(keys.CLIENTS, client.client_id, client)
        call.facts["subject"] = client.client_id
        return json_reply(clients.client_shown(client, secret), 201)

    async def read_all(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        parameters = query(call.scope["query_string"])
        found = await self._services.directory.read_all(keys.CLIENTS, Client)
        return json_reply(
            listing(
                "clients",
                found,
                lambda client: client.client_id,
                clients.client_shown,
                parameters,
            )
        )

    async def read(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        return json_reply(clients.client_shown(await self._client(call)))

    async def delete(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        await self._services.directory.remove_client(call.path["client_id"])
        return Reply(204, headers=())

    async def rotate_secret(self, call: Call, caller: Caller) -> Reply:
        """A new secret; the old one is good for nothing from now on."""
        client = await self._client(call)
        directory = self._services.directory
        audience = management_audience(self._services.settings.issuer)
        grant_id = client_grant_id(client.client_id, audience)
        # Who makes a client's secret can act as that client.
        check_held(await directory.read(keys.CLIENT_GRANTS, grant_id, ClientGrant), caller.scopes)
        secret = new_secret()
        rotated = msgspec.structs.replace(client, secret_digest=digest(secret))
        if not await directory.replace(keys.CLIENTS, client.client_id, rotated):
            raise clients.inexistent_client()
        call.facts["subject"] = client.client_id
        return json_reply(clients.client_shown(rotated, secret))

    async def _client(self, call: Call) -> Client:
        client = await self._services.client(call.path["client_id"])
        if client is None:
            raise clients.inexistent_client()
        return client
