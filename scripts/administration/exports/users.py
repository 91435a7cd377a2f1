"""Users of an export: each keeps their id, whoever their provider was."""

import secrets
from typing import Literal

import msgspec

from api.management.user_records import UserRecords
from api.services import Services
from consent.audit.event import Act
from consent.identifiers import person_id_of
from consent.management import users
from consent.management.users import User
from consent.transaction import iso_date
from scripts.administration.exports.translation import Translated

Put = tuple[Literal["created", "updated", "unchanged", "skipped"], str]
EXISTS = "the user is here already, and another: --upsert takes over what the export says"


class Users:
    def __init__(self, services: Services, act: Act, *, dry_run: bool, upsert: bool) -> None:
        self._services = services
        self._records = UserRecords(services)
        self._act = act
        self._dry_run = dry_run
        self._upsert = upsert

    async def put(self, wanted: Translated) -> Put:
        """Raises ManagementError."""
        user = self._new(wanted)
        change = users.user_change(wanted.body)
        person_id = person_id_of(user.user_id, self._services.settings.partitions)
        stored = await self._services.people.read_with_block(person_id)
        if stored is None:
            await self._create(person_id, user, blocked=bool(change.blocked))
            return "created", ""
        former, blocked = msgspec.json.decode(stored[0], type=User), stored[1]
        changed = users.changed_user(former, change, updated_at=former.updated_at)
        if changed == former and change.blocked in (None, blocked):
            return "unchanged", ""
        if not self._upsert:
            return "skipped", EXISTS
        if not self._dry_run:
            await self._records.change(user.user_id, change, self._act)
        return "updated", ""

    def _new(self, wanted: Translated) -> User:
        """By the rules of POST /users, which makes ids of its own provider alone."""
        now = iso_date(int(self._services.clock() * 1_000))
        user = users.user(
            users.new_user(wanted.body),
            generated_id="",
            creation=secrets.token_urlsafe(8),
            created_at=str(wanted.given.get("created_at", now)),
        )
        return msgspec.structs.replace(user, user_id=wanted.id, updated_at=now)

    async def _create(self, person_id: str, user: User, *, blocked: bool) -> None:
        if self._dry_run:
            return
        created = await self._services.people.create(
            person_id,
            msgspec.json.encode(user),
            blocked=blocked,
            hints=users.hints(user),
            terms=users.terms(user),
            event=self._act.event(user_id=user.user_id),
        )
        if not created:
            raise users.existing_user()
