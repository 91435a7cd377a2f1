"""/api/v2/connections: where users come from."""

import secrets

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller, body_of
from api.management.lists import directory_list, known_list
from api.services import Services
from consent.management import connections
from consent.management.listing import query, repeatable, selection
from consent.store import keys
from consent.tenant import STRATEGY, Connection, connection_id


class Connections:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, call: Call, caller: Caller) -> Reply:
        wanted = connections.new_connection(body_of(call), creation=secrets.token_urlsafe(8))
        event = caller.act.event(connection_id=wanted.id)
        if not await self._services.directory.create(
            keys.CONNECTIONS, wanted.id, wanted, event=event
        ):
            raise connections.existing_connection()
        return json_reply(connections.connection_shown(wanted), 201)

    async def read_all(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        strategies, parameters = repeatable(call.scope["query_string"], "strategy")
        known = await self._known(strategies, parameters.get("name"))
        if known is not None:
            return known_list(
                known,
                parameters,
                name="connections",
                id_of=lambda connection: connection.id,
                shown=connections.connection_shown,
            )
        return await directory_list(
            self._services.directory,
            keys.CONNECTIONS,
            Connection,
            parameters,
            name="connections",
            id_of=lambda connection: connection.id,
            shown=connections.connection_shown,
        )

    async def _known(
        self, strategies: list[str], name: str | None
    ) -> list[Connection | None] | None:
        """The ones that may be meant, None when it is all of them."""
        if strategies and STRATEGY not in strategies:
            return []
        if name is None:
            return None
        return [
            await self._services.directory.read(keys.CONNECTIONS, connection_id(name), Connection)
        ]

    async def read(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        selected = selection(query(call.scope["query_string"]))
        found = await self._services.directory.read(keys.CONNECTIONS, call.path["id"], Connection)
        if found is None:
            raise connections.inexistent_connection()
        return json_reply(selected(connections.connection_shown(found)))

    async def change(self, call: Call, caller: Caller) -> Reply:
        body, name = body_of(call), call.path["id"]
        changed = await self._services.directory.change(
            keys.CONNECTIONS,
            name,
            Connection,
            lambda stored: connections.changed_connection(stored, body),
            event=caller.act.event(connection_id=name),
        )
        if changed is None:
            raise connections.inexistent_connection()
        return json_reply(connections.connection_shown(changed))

    async def delete(self, call: Call, caller: Caller) -> Reply:
        """Only one without users: they would be of nowhere."""
        services, name = self._services, call.path["id"]
        found = await services.directory.read(keys.CONNECTIONS, name, Connection)
        if found is not None:
            of_it = await services.people_lists.find_all("connection", found.name.lower(), most=1)
            if of_it:
                raise connections.connection_in_use()
            event = caller.act.event(connection_id=name)
            await services.directory.remove(keys.CONNECTIONS, name, event=event)
        return Reply(204, headers=())
