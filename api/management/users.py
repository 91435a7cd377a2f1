"""/api/v2/users."""

import msgspec

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller, body_of
from api.management.user_records import UserRecords
from api.services import Services
from consent.identifiers import person_id_of
from consent.management import users
from consent.management.listing import query, selection


class Users:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._records = UserRecords(services)

    async def create(self, call: Call, caller: Caller) -> Reply:
        wanted = users.new_user(body_of(call))
        return json_reply(await self._records.create(wanted, caller.act), 201)

    async def read(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        selected = selection(query(call.scope["query_string"]))
        stored = await self._services.people.read_with_block(self._person(call.path["user_id"]))
        if stored is None:
            raise users.inexistent_user()
        user = msgspec.json.decode(stored[0], type=users.User)
        return json_reply(selected(users.user_shown(user, blocked=stored[1])))

    async def change(self, call: Call, caller: Caller) -> Reply:
        wanted = users.user_change(body_of(call))
        user_id = call.path["user_id"]
        return json_reply(await self._records.change(user_id, wanted, caller.act))

    async def delete(self, call: Call, caller: Caller) -> Reply:
        """Forgets the person and their devices; what they were asked ends."""
        user_id = call.path["user_id"]
        event = caller.act.event(user_id=user_id)
        await self._services.people.remove(self._person(user_id), event=event)
        return Reply(204, headers=())

    def _person(self, user_id: str) -> str:
        return person_id_of(user_id, self._services.settings.partitions)
