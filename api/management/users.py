"""/api/v2/users."""

import secrets

import msgspec

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller, body_of
from api.services import Services
from consent.identifiers import person_id_of
from consent.management import users
from consent.transaction import iso_date


class Users:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        wanted = users.new_user(body_of(call))
        user = users.user(
            wanted,
            generated_id=secrets.token_hex(12),
            creation=secrets.token_urlsafe(8),
            created_at=iso_date(int(self._services.clock() * 1_000)),
        )
        created = await self._services.people.create(
            self._person(user.user_id), msgspec.json.encode(user), blocked=wanted.blocked
        )
        if not created:
            raise users.existing_user()
        return json_reply(users.user_shown(user, blocked=wanted.blocked), 201)

    async def read(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        stored = await self._services.people.read_with_block(self._person(call.path["user_id"]))
        if stored is None:
            raise users.inexistent_user()
        user = msgspec.json.decode(stored[0], type=users.User)
        return json_reply(users.user_shown(user, blocked=stored[1]))

    async def delete(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        """Forgets the person and their devices; what they were asked ends."""
        await self._services.people.remove(self._person(call.path["user_id"]))
        return Reply(204, headers=())

    def _person(self, user_id: str) -> str:
        return person_id_of(user_id, self._services.settings.partitions)
