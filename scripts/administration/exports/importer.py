"""
Takes records over, each by the rules of the management API, and says what became of each.

A record that is here already as it is in the export is left alone, so that an import can be made
again: after a fault, or to take over what came to the export since.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from api.services import Services
from consent.access import (
    MANAGEMENT_SCOPES,
    ClientGrant,
    ResourceServer,
    client_grant_id,
    resource_server_id,
)
from consent.audit.event import Act
from consent.client import Client
from consent.client_metadata import keeps_secret_sealed, uses_secret
from consent.errors import ManagementError
from consent.identifiers import digest
from consent.management.client_grants import (
    ClientGrantChange,
    changed_client_grant,
    check_grantable,
    new_client_grant,
)
from consent.management.clients import changed_client, inexistent_client, new_client
from consent.management.connections import changed_connection, new_connection
from consent.management.payload import payload
from consent.management.resource_servers import (
    changed_resource_server,
    inexistent_resource_server,
    new_resource_server,
)
from consent.management.users import unknown_connection
from consent.store import keys
from consent.tenant import Connection, connection_id
from scripts.administration.exports.reading import Entry, Kind
from scripts.administration.exports.translation import (
    TRANSLATIONS,
    NotWanted,
    Record,
    Translated,
    Unimportable,
    identity,
)
from scripts.administration.exports.users import Users
from scripts.administration.operator import CLIENT_ID, Refused, at

AT_ONCE = 64  # users, who are many; of the rest one rests on another
Action = Literal["created", "updated", "unchanged", "skipped", "failed"]
EXISTS = "it is here already, and another: --upsert makes it as the export has it"
SECRETLESS = "the export does not hold its secret: `clients rotate-secret` makes it one"


class Outcome(NamedTuple):
    """What became of a record; `said` is why, or what is another here; `left` is not kept here."""

    kind: Kind | None
    id: str
    action: Action
    said: str = ""
    left: tuple[str, ...] = ()


class Caller(Protocol):
    """The management API in process (see `operator`)."""

    services: Services

    async def call(self, method: str, path: str, body: object = None) -> Any: ...  # noqa: ANN401


class Place(NamedTuple):
    """Where a kind of record is kept, and the rules it is written by."""

    path: str
    hash_name: str
    kind: type
    id_of: Callable[[Record], str]
    new: Callable[[Record], Any]
    changed: Callable[[Any, Record], Any]


PLACES: dict[Kind, Place] = {
    "connection": Place(
        "connections",
        keys.CONNECTIONS,
        Connection,
        lambda body: connection_id(str(body["name"])),
        lambda body: new_connection(body, creation=""),
        changed_connection,
    ),
    "resource server": Place(
        "resource-servers",
        keys.RESOURCE_SERVERS,
        ResourceServer,
        lambda body: resource_server_id(str(body["identifier"])),
        lambda body: new_resource_server(body, creation=""),
        changed_resource_server,
    ),
}


class Importer:
    """`dry_run` writes nothing, and takes what would be there to be there."""

    def __init__(self, operator: Caller, *, dry_run: bool, upsert: bool) -> None:
        self._operator = operator
        self._services = operator.services
        self._dry_run = dry_run
        self._upsert = upsert
        self._act = Act("Import from an export", client_id=CLIENT_ID)
        self._users = Users(operator.services, self._act, dry_run=dry_run, upsert=upsert)
        self._planned: dict[tuple[str, str], object] = {}  # by hash and id, in a dry run
        self._connections: set[str] = set()  # names that are known to be there

    async def outcomes(self, entries: Iterable[Entry]) -> AsyncIterator[Outcome]:
        """In the order of the entries. Raises TemporarilyUnavailable for a store that goes away."""
        for kind, run in itertools.groupby(entries, key=lambda entry: entry.kind):
            at_once = AT_ONCE if kind == "user" else 1
            while batch := [*itertools.islice(run, at_once)]:
                for entry in batch:
                    if entry.kind == "user" and (made := await self._connection_of(entry)):
                        yield made
                for outcome in await asyncio.gather(*map(self._taken, batch)):
                    yield outcome

    async def _taken(self, entry: Entry) -> Outcome:
        if entry.kind is None:
            return Outcome(None, entry.place, "failed", entry.fault)
        try:
            translated = TRANSLATIONS[entry.kind](entry.record)
            action, said = await self._put(entry.kind, translated)
        except NotWanted as reason:
            name = identity(entry.kind, entry.record) or entry.place
            return Outcome(entry.kind, name, "skipped", str(reason))
        except (Unimportable, ManagementError, Refused) as refusal:
            name = identity(entry.kind, entry.record) or entry.place
            return Outcome(entry.kind, name, "failed", str(refusal))
        notes = "; ".join(filter(None, (said, *translated.notes)))
        return Outcome(entry.kind, translated.id, action, notes, tuple(translated.left))

    async def _put(self, kind: Kind, wanted: Translated) -> tuple[Action, str]:
        match kind:
            case "user":
                if wanted.body["connection"] not in self._connections:
                    raise unknown_connection()
                return await self._users.put(wanted)
            case "client":
                return await self._client(wanted)
            case "client grant":
                return await self._client_grant(wanted.body)
        return await self._placed(PLACES[kind], wanted.body)

    async def _connection_of(self, entry: Entry) -> Outcome | None:
        """A connection that users name and no export brought is made for them."""
        try:
            name = str(TRANSLATIONS["user"](entry.record).body["connection"])
        except Unimportable:
            return None  # it is said of the user
        if name in self._connections:
            return None
        place = PLACES["connection"]
        body: Record = {"name": name}
        made = None
        if await self._read(place.hash_name, place.id_of(body), Connection) is None:
            try:
                await self._placed(place, body)
            except (ManagementError, Refused):
                return None  # nor is it there for the user
            made = Outcome("connection", name, "created", "users name it")
        self._connections.add(name)
        return made

    async def _placed(self, place: Place, body: Record) -> tuple[Action, str]:
        record_id = place.id_of(body)
        stored = await self._read(place.hash_name, record_id, place.kind)
        if stored is None:
            await self._create(place.path, place.hash_name, record_id, place.new(body), body)
            return "created", ""
        return await self._change(
            at(place.path, record_id), stored, place.changed(stored, body), body
        )

    async def _client_grant(self, body: Record) -> tuple[Action, str]:
        wanted = new_client_grant(body, creation="")
        record_id = client_grant_id(wanted.client_id, wanted.audience, wanted.subject_type)
        api_id = resource_server_id(wanted.audience)
        api = await self._read(keys.RESOURCE_SERVERS, api_id, ResourceServer)
        if api is None:
            raise inexistent_resource_server()
        if await self._read(keys.CLIENTS, wanted.client_id, Client) is None:
            raise inexistent_client()
        check_grantable(wanted, api, frozenset(MANAGEMENT_SCOPES))
        stored = await self._read(keys.CLIENT_GRANTS, record_id, ClientGrant)
        if stored is None:
            await self._create("client-grants", keys.CLIENT_GRANTS, record_id, wanted, body)
            return "created", ""
        scope: Record = {"scope": wanted.scope}
        change = payload(scope, ClientGrantChange)
        changed = changed_client_grant(stored, change, api, frozenset(MANAGEMENT_SCOPES))
        return await self._change(at("client-grants", record_id), stored, changed, scope)

    async def _client(self, wanted: Translated) -> tuple[Action, str]:
        """It keeps its id and its secret, so that the application goes on unchanged."""
        client_id, directory = wanted.id, self._services.directory
        if client_id == self._services.settings.bootstrap_client_id:
            return "skipped", "it is the client of NOD_BOOTSTRAP_CLIENT_ID"
        event = self._act.event(client_id=client_id)
        stored = await self._read(keys.CLIENTS, client_id, Client)
        if stored is None:
            client = self._with_secret(self._described(client_id, wanted.body), wanted.given)
            # Whatever a former client of this id was granted stays its own.
            since = await directory.now_ms() // 1_000
            client = msgspec.structs.replace(client, since=since)
            if self._dry_run:
                self._planned[keys.CLIENTS, client_id] = client
            else:
                await self._services.signer(client.jwt_configuration.alg)
                await directory.create(keys.CLIENTS, client_id, client, event=event)
            lacks = uses_secret(client) and not client.secret_digest
            return "created", SECRETLESS if lacks else ""

        def changed(former: Client) -> Client:
            client, _ = changed_client(
                former,
                wanted.body,
                seal=self._services.seal,
                check_url=self._services.check_url,
            )
            return self._with_secret(client, wanted.given)

        if _is_same_client(stored, changed(stored)):
            return "unchanged", ""
        if not self._upsert:
            return "skipped", EXISTS
        if not self._dry_run:
            await self._services.signer(changed(stored).jwt_configuration.alg)
            await directory.change(keys.CLIENTS, client_id, Client, changed, event=event)
        return "updated", ""

    def _described(self, client_id: str, body: Record) -> Client:
        """It was written for the answers of Auth0 (W 1.3), so those are its profile."""
        return new_client(
            body | {"profile": "auth0"}, client_id=client_id, check_url=self._services.check_url
        )

    def _with_secret(self, client: Client, given: Record) -> Client:
        secret = given.get("client_secret")
        if not isinstance(secret, str) or not uses_secret(client):
            return client
        sealed = b""
        if keeps_secret_sealed(client):
            sealed = self._services.seal.encrypt(secret.encode(), client.client_id)
        return msgspec.structs.replace(client, secret_digest=digest(secret), secret_sealed=sealed)

    async def _create(
        self, path: str, hash_name: str, record_id: str, record: object, body: Record
    ) -> None:
        if self._dry_run:
            self._planned[hash_name, record_id] = record
        else:
            await self._operator.call("POST", at(path), body)

    async def _change(
        self, path: str, stored: object, changed: object, body: Record
    ) -> tuple[Action, str]:
        if changed == stored:
            return "unchanged", ""
        if not self._upsert:
            return "skipped", EXISTS
        if not self._dry_run:
            await self._operator.call("PATCH", path, body)
        return "updated", ""

    async def _read(self, hash_name: str, record_id: str, kind: type) -> Any:  # noqa: ANN401
        planned = self._planned.get((hash_name, record_id))
        return planned or await self._services.directory.read(hash_name, record_id, kind)


def _is_same_client(one: Client, other: Client) -> bool:
    """A secret that is sealed is sealed anew each time: its digest says whether it is another."""
    return msgspec.structs.replace(one, secret_sealed=other.secret_sealed) == other
