"""A user made or changed: the one way of the routes and of imports."""

import secrets

import msgspec

from api.services import Services
from consent.audit.event import Act
from consent.identifiers import person_id_of
from consent.management import users
from consent.management.listing import Shown
from consent.store import keys
from consent.tenant import Connection, connection_id
from consent.transaction import iso_date

_ATTEMPTS = 8  # of one change, while others change the same user


class UserRecords:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, wanted: users.NewUser, act: Act) -> Shown:
        """The user as they are shown. Raises ManagementError."""
        connection = connection_id(wanted.connection)
        if await self._services.directory.read(keys.CONNECTIONS, connection, Connection) is None:
            raise users.unknown_connection()
        user = users.user(
            wanted,
            generated_id=secrets.token_hex(12),
            creation=secrets.token_urlsafe(8),
            created_at=self._now(),
        )
        person_id = self._person(user.user_id)
        created = await self._services.people.create(
            person_id,
            users.encoded(user),
            blocked=wanted.blocked,
            user_code=self._mac(person_id, wanted.user_code) or "",
            hints=users.hints(user),
            terms=users.terms(user),
            event=act.event(user_id=user.user_id),
        )
        if not created:
            raise users.existing_user()
        return users.user_shown(user, blocked=wanted.blocked)

    async def change(self, user_id: str, wanted: users.UserChange, act: Act) -> Shown:
        """
        The user as they are shown; of changes at once each is merged into what the other has left.
        Raises ManagementError.
        """
        person_id = self._person(user_id)
        for _ in range(_ATTEMPTS):
            stored = await self._services.people.read_with_block(person_id)
            if stored is None:
                raise users.inexistent_user()
            read, blocked = stored
            user = users.changed_user(
                msgspec.json.decode(read, type=users.User), wanted, updated_at=self._now()
            )
            if await self._services.people.change(
                person_id,
                read=read,
                user=users.encoded(user),
                blocked=wanted.blocked,
                user_code=self._mac(person_id, wanted.user_code),
                hints=users.hints(user),
                terms=users.terms(user),
                event=act.event(user_id=user.user_id),
            ):
                now_blocked = blocked if wanted.blocked is None else wanted.blocked
                return users.user_shown(user, blocked=now_blocked)
        raise users.conflicting_changes()

    def _now(self) -> str:
        return iso_date(int(self._services.clock() * 1_000))

    def _mac(self, person_id: str, code: str | None) -> str | None:
        """How a code is kept; none stays none, and what takes a code away does."""
        return self._services.seal.user_code(person_id, code) if code else code

    def _person(self, user_id: str) -> str:
        return person_id_of(user_id, self._services.settings.partitions)
