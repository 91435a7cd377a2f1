"""/api/v2/users."""

import secrets

import msgspec

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller, body_of
from api.services import Services
from consent.identifiers import person_id_of
from consent.management import users
from consent.transaction import iso_date

_ATTEMPTS = 8  # of one change, while others change the same user


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
        person_id = self._person(user.user_id)
        created = await self._services.people.create(
            person_id,
            msgspec.json.encode(user),
            blocked=wanted.blocked,
            user_code=self._mac(person_id, wanted.user_code) or "",
            hints=users.hints(user),
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

    async def change(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        """Of changes at once each is merged into what the other has left."""
        wanted = users.user_change(body_of(call))
        person_id = self._person(call.path["user_id"])
        for _ in range(_ATTEMPTS):
            stored = await self._services.people.read_with_block(person_id)
            if stored is None:
                raise users.inexistent_user()
            read, blocked = stored
            user = users.changed_user(
                msgspec.json.decode(read, type=users.User),
                wanted,
                updated_at=iso_date(int(self._services.clock() * 1_000)),
            )
            if await self._services.people.change(
                person_id,
                read=read,
                user=msgspec.json.encode(user),
                blocked=wanted.blocked,
                user_code=self._mac(person_id, wanted.user_code),
                hints=users.hints(user),
            ):
                now_blocked = blocked if wanted.blocked is None else wanted.blocked
                return json_reply(users.user_shown(user, blocked=now_blocked))
        raise users.conflicting_changes()

    async def delete(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        """Forgets the person and their devices; what they were asked ends."""
        await self._services.people.remove(self._person(call.path["user_id"]))
        return Reply(204, headers=())

    def _mac(self, person_id: str, code: str | None) -> str | None:
        """How a code is kept; none stays none, and what takes a code away does."""
        return self._services.seal.user_code(person_id, code) if code else code

    def _person(self, user_id: str) -> str:
        return person_id_of(user_id, self._services.settings.partitions)
