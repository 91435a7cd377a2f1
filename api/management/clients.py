"""/api/v2/clients."""

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller, body_of
from api.services import Services
from consent.access import ClientGrant, client_grant_id, management_audience
from consent.client import Client
from consent.client_metadata import uses_secret, with_new_secret
from consent.identifiers import new_client_id
from consent.management import clients
from consent.management.client_grants import check_held
from consent.management.listing import listing, query
from consent.outbound.address import checked_url
from consent.settings import networks, ports
from consent.store import keys


class Clients:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        services = self._services
        described = clients.new_client(
            body_of(call), client_id=new_client_id(), check_url=self._check_url
        )
        client, secret = with_new_secret(described, services.seal)
        # The first key of an algorithm is published before its first token is asked for.
        await services.signer(client.jwt_configuration.alg)
        await services.directory.create(keys.CLIENTS, client.client_id, client)
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
        if not uses_secret(client):
            raise clients.no_client_secret()
        rotated, secret = with_new_secret(client, self._services.seal)
        if not await directory.replace(keys.CLIENTS, client.client_id, rotated):
            raise clients.inexistent_client()
        call.facts["subject"] = client.client_id
        return json_reply(clients.client_shown(rotated, secret))

    def _check_url(self, url: str) -> None:
        """By its text: where its name leads is looked at when it is called."""
        settings = self._services.settings
        checked_url(
            url,
            allowed_networks=networks(settings.outbound_allowed_networks),
            ports=ports(settings.outbound_ports),
        )

    async def _client(self, call: Call) -> Client:
        client = await self._services.client(call.path["client_id"])
        if client is None:
            raise clients.inexistent_client()
        return client
