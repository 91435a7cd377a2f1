"""/api/v2/users/{id}/refused-clients: who may not ask somebody for now (ours, T36)."""

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller
from api.services import Services
from consent.identifiers import person_id_of
from consent.management import users
from consent.management.refused_clients import not_refused, refused_clients_shown


class RefusedClients:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def read_all(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        person_id = self._person(call)
        if await self._services.people.read(person_id) is None:
            raise users.inexistent_user()
        refusals = await self._services.store.refusals.of(person_id)
        return json_reply(refused_clients_shown(refusals, int(self._services.clock() * 1_000)))

    async def lift(self, call: Call, caller: Caller) -> Reply:
        """The client may ask again at once."""
        client_id = call.path["client_id"]
        event = caller.act.event(user_id=call.path["user_id"], client_id=client_id)
        if not await self._services.store.refusals.lift(self._person(call), client_id, event=event):
            raise not_refused()
        return Reply(204, headers=())

    def _person(self, call: Call) -> str:
        return person_id_of(call.path["user_id"], self._services.settings.partitions)
