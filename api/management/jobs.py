"""/api/v2/jobs: users imported by the hundred."""

import asyncio
import secrets

import msgspec

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller, body_of, check_scope
from api.management.user_records import UserRecords
from api.multipart import MalformedMultipart, multipart
from api.services import Services
from consent.audit.event import Act
from consent.errors import ManagementError
from consent.identifiers import person_id_of
from consent.management import user_import
from consent.management.payload import invalid_body
from consent.management.user_import import Failure, Job, Result, Wanted
from consent.management.users import Term, User, existing_user, unknown_connection, user_change
from consent.store import keys
from consent.store.import_jobs import ImportJobs
from consent.tenant import USERS, Connection, connection_id
from consent.transaction import iso_date

_AT_ONCE = 32  # users of one import; others have their turns in between
_ALIKE_MAX = 100  # of other connections, who are known by the same
_FORM = "multipart/form-data"


class Jobs:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._jobs = ImportJobs(services.store.redis)

    async def import_users(self, call: Call, caller: Caller) -> Reply:
        """Answered when all is done; whoever was imported before a failure stays so."""
        asked = user_import.users_import(_body(call))
        if asked.upsert:  # nobody changes users without the scope that changes one
            check_scope("update:users", caller)
        wanted_id = asked.connection_id or connection_id(USERS)
        connection = await self._services.directory.read(keys.CONNECTIONS, wanted_id, Connection)
        if connection is None:
            raise unknown_connection()
        result = await import_users(
            self._services, asked.users, connection.name, upsert=asked.upsert, act=caller.act
        )
        created_at = iso_date(int(self._services.clock() * 1_000))
        job_id = f"job_{secrets.token_urlsafe(16)}"
        job = user_import.job(job_id, created_at, connection.id, asked, result)
        await self._jobs.keep(job_id, msgspec.json.encode(job), user_import.JOB_LIFE_MS)
        return json_reply(job.shown, 202)

    async def read(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        return json_reply((await self._job(call.path["id"])).shown)

    async def read_errors(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        return json_reply((await self._job(call.path["id"])).errors)

    async def _job(self, job_id: str) -> Job:
        stored = await self._jobs.read(job_id) if user_import.is_job_id(job_id) else None
        if stored is None:
            raise user_import.inexistent_job()
        return msgspec.json.decode(stored, type=Job)


def _body(call: Call) -> dict[str, object]:
    """Raises ManagementError invalid_body."""
    if call.media_type() != _FORM:
        return body_of(call)
    try:
        parts = multipart(call.body, call.header(b"content-type") or "")
    except MalformedMultipart as error:
        raise invalid_body(f"The form is malformed: {error.reason}") from None
    return user_import.form_body(parts)


async def import_users(
    services: Services, entries: list[object], connection: str, *, upsert: bool, act: Act
) -> Result:
    """
    Users, as an export has them, made users of a connection. One who is there already fails or,
    with `upsert`, is changed. Each is imported, or fails, alone; a store that goes away ends it
    with TemporarilyUnavailable.
    """
    importer = _Importer(services, connection, upsert=upsert, act=act)
    failures: list[Failure] = []
    for first in range(0, len(entries), _AT_ONCE):
        some = entries[first : first + _AT_ONCE]
        failures += filter(None, await asyncio.gather(*map(importer.take, some)))
    warnings = user_import.warnings(entries)
    return Result(importer.inserted, importer.updated, failures, warnings)


class _Importer:
    def __init__(self, services: Services, connection: str, *, upsert: bool, act: Act) -> None:
        self._services = services
        self._records = UserRecords(services)
        self._connection = connection
        self._upsert = upsert
        self._act = act
        self._taken: set[Term] = set()
        self.inserted = 0
        self.updated = 0

    async def take(self, entry: object) -> Failure | None:
        """One user of the file. What is refused is that user alone."""
        try:
            await self._put(user_import.wanted(entry, self._connection))
        except ManagementError as refusal:
            return user_import.failure(entry, refusal)
        return None

    async def _put(self, wanted: Wanted) -> None:
        known_by = user_import.known_by(wanted.user)
        if known_by in self._taken:
            raise user_import.duplicated_user("The user is in the file twice.")
        self._taken.add(known_by)
        user_id = await self._user_id(known_by)
        if user_id is None:
            await self._records.create(wanted.user, self._act)
            self.inserted += 1
        elif self._upsert:
            await self._records.change(user_id, user_change(wanted.body), self._act)
            self.updated += 1
        else:
            raise existing_user()

    async def _user_id(self, known_by: Term) -> str | None:
        """Of the one who is there already. Raises ManagementError when there are several."""
        people, lists = self._services.people, self._services.people_lists
        if known_by.field == "user_id":
            person_id = person_id_of(known_by.value, self._services.settings.partitions)
            return known_by.value if await people.read(person_id) is not None else None
        found = await lists.find_all(*known_by, most=_ALIKE_MAX)
        users = [msgspec.json.decode(user, type=User) for user, _ in await lists.read_many(found)]
        there = [user.user_id for user in users if user.connection == self._connection]
        if len(there) > 1:
            raise user_import.duplicated_user("Several users are known by this: give a user_id.")
        return there[0] if there else None
