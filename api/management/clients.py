"""/api/v2/clients."""

from collections.abc import Callable

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller, body_of
from api.management.lists import directory_list
from api.services import Services
from consent.access import ClientGrant, client_grant_id, management_audience
from consent.client import Client
from consent.client_metadata import uses_secret, with_new_secret
from consent.identifiers import new_client_id
from consent.management import clients
from consent.management.client_grants import check_held
from consent.management.listing import boolean, invalid_query, query, selection
from consent.store import keys


class Clients:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, call: Call, caller: Caller) -> Reply:
        services = self._services
        described = clients.new_client(
            body_of(call), client_id=new_client_id(), check_url=services.check_url
        )
        client, secret = with_new_secret(described, services.seal)
        # The first key of an algorithm is published before its first token is asked for.
        await services.signer(client.jwt_configuration.alg)
        event = caller.act.event(client_id=client.client_id)
        await services.directory.create(keys.CLIENTS, client.client_id, client, event=event)
        call.facts["subject"] = client.client_id
        return json_reply(clients.client_shown(client, secret), 201)

    async def read_all(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        parameters = query(call.scope["query_string"])
        return await directory_list(
            self._services.directory,
            keys.CLIENTS,
            Client,
            parameters,
            name="clients",
            id_of=lambda client: client.client_id,
            shown=clients.client_shown,
            index=_index(parameters),
        )

    async def read(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        selected = selection(query(call.scope["query_string"]))
        client = await self._services.client(call.path["client_id"])
        if client is None:
            raise clients.inexistent_client()
        return json_reply(selected(clients.client_shown(client)))

    async def change(self, call: Call, caller: Caller) -> Reply:
        """Of changes at once each is merged into what the other has left."""
        services, body, secret = self._services, body_of(call), None

        def changed(client: Client) -> Client:
            nonlocal secret
            client, secret = clients.changed_client(
                client, body, seal=services.seal, check_url=services.check_url
            )
            return client

        client = await self._change(call, caller, changed)
        await services.signer(client.jwt_configuration.alg)
        return json_reply(clients.client_shown(client, secret))

    async def delete(self, call: Call, caller: Caller) -> Reply:
        client_id = call.path["client_id"]
        await self._services.store.end_client(
            client_id, event=caller.act.event(client_id=client_id)
        )
        return Reply(204, headers=())

    async def rotate_secret(self, call: Call, caller: Caller) -> Reply:
        """A new secret; the old one is good for nothing from now on."""
        secret: str | None = None

        def rotated(client: Client) -> Client:
            nonlocal secret
            if not uses_secret(client):
                raise clients.no_client_secret()
            client, secret = with_new_secret(client, self._services.seal)
            return client

        client = await self._change(call, caller, rotated)
        return json_reply(clients.client_shown(client, secret))

    async def _change(
        self, call: Call, caller: Caller, changed: Callable[[Client], Client]
    ) -> Client:
        client_id = call.path["client_id"]
        await self._check_held(client_id, caller)
        event = caller.act.event(client_id=client_id)
        client = await self._services.directory.change(
            keys.CLIENTS, client_id, Client, changed, event=event
        )
        if client is None:
            raise clients.inexistent_client()
        call.facts["subject"] = client_id
        return client

    async def _check_held(self, client_id: str, caller: Caller) -> None:
        """Who decides how a client proves to be itself can act as that client."""
        audience = management_audience(self._services.settings.issuer)
        grant = await self._services.directory.read(
            keys.CLIENT_GRANTS, client_grant_id(client_id, audience), ClientGrant
        )
        check_held(grant, caller.scopes)


def _index(parameters: dict[str, str]) -> str:
    """The index that is for these filters. Raises ManagementError invalid_query_string."""
    if "q" in parameters:
        raise invalid_query("q is not a parameter of clients; is_first_party and app_type are")
    app = f"app {parameters['app_type']}" if "app_type" in parameters else ""
    if "is_first_party" not in parameters:
        return app
    party = "first" if boolean(parameters, "is_first_party", default=True) else "third"
    return f"{party} {app}".strip()
