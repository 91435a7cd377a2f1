"""
The directory: clients, resource servers, client grants, keys and what else a tenant is made of.

Read by every request, so each process keeps copies. A write publishes what it changed, and a copy
is dropped the moment that is heard; while a process cannot listen it keeps none. A write is made
to what was read, or not at all, with its event beside it; and every record stands in ordered
indexes, so that a page costs the same however many there are.
"""

import collections
import secrets
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec
import structlog

from consent.access import ClientGrant, ResourceServer, resource_server_id
from consent.audit.event import UNTOLD
from consent.client import Client
from consent.errors import TemporarilyUnavailable
from consent.store import keys
from consent.store.connections import DEAF, LISTENING, Redis

log = structlog.get_logger()
T = TypeVar("T")
COPIES_MAX = 10_000
ALL = ("",)  # the index of all records of a hash
_ATTEMPTS = 16  # of one write, while others change the same record
_GRANTS_REMOVED_AT_ONCE = 500


def indexes(record: object) -> tuple[str, ...]:
    """The names of the indexes a record is listed in."""
    match record:
        case Client():
            party = "first" if record.is_first_party else "third"
            app = f"app {record.app_type}"
            registered = ("registered",) if record.registration else ()
            return (*ALL, party, app, f"{party} {app}", *registered)
        case ClientGrant():
            return (*ALL, f"client {record.client_id}", f"audience {record.audience}")
    return ALL


def _lines(names: Iterable[str]) -> str:
    return "".join(f"{name}\n" for name in names)


def _operation_id() -> str:
    """Names one call, so that its script knows it when it is sent again."""
    return secrets.token_urlsafe(9)


def _contended() -> TemporarilyUnavailable:
    return TemporarilyUnavailable(detail="a record of the directory is changed all the time")


class Directory:
    """`await listen()` runs for as long as copies are to be kept."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        # By hash and id; a whole hash has None for an id.
        self._copies: collections.OrderedDict[tuple[str, str | None], object] = (
            collections.OrderedDict()
        )
        self._listening = False
        self._changes = 0

    async def listen(self) -> None:
        try:
            async for change in self._redis.messages(keys.CHANGES):
                self._changes += 1
                if change in {LISTENING, DEAF}:
                    self._copies.clear()
                    self._listening = change == LISTENING
                else:
                    hash_name, _, record_id = change.partition(" ")
                    self._forget(hash_name, record_id)
        except Exception as error:
            log.exception("directory_deaf", error=type(error).__name__)
            raise
        finally:  # whatever ended it: what nobody hears about may not be kept
            self._changes += 1
            self._listening = False
            self._copies.clear()

    def copy(self, hash_name: str, record_id: str) -> object | None:
        """The copy this process holds, without asking Redis."""
        return self._copies.get((hash_name, record_id))

    async def read(self, hash_name: str, record_id: str, kind: type[T]) -> T | None:
        """A record as its value, None when there is none."""
        copy = self.copy(hash_name, record_id)
        if copy is not None:
            return copy  # type: ignore[return-value]  # a hash holds one kind
        changes = self._changes
        stored = await self._redis.execute("HGET", hash_name, record_id)
        if stored is None:
            return None
        record = msgspec.json.decode(stored, type=kind)
        self._keep((hash_name, record_id), record, changes)
        return record

    async def read_whole(self, hash_name: str, kind: type[T]) -> dict[str, T]:
        """Every record of a short hash by its id; one and the same value until one changes."""
        copy = self._copies.get((hash_name, None))
        if copy is not None:
            return copy  # type: ignore[return-value]  # a hash holds one kind
        changes = self._changes
        flat = await self._redis.execute("HGETALL", hash_name)
        records = {
            record_id.decode(): msgspec.json.decode(record, type=kind)
            for record_id, record in zip(flat[::2], flat[1::2], strict=True)
        }
        self._keep((hash_name, None), records, changes)
        return records

    async def page(
        self, hash_name: str, kind: type[T], index: str = "", *, start: int, count: int
    ) -> tuple[list[T], int]:
        """Records from a rank on, in the order of their ids, and how many there are in all."""
        names = [hash_name, keys.index(hash_name, index)]
        total, *stored = await self._redis.run("page_records", names, "from", start, count)
        return [msgspec.json.decode(record, type=kind) for record in stored], total

    async def page_after(
        self, hash_name: str, kind: type[T], index: str = "", *, after: str, count: int
    ) -> list[T]:
        """Records whose ids come after one, which may be gone."""
        names = [hash_name, keys.index(hash_name, index)]
        _, *stored = await self._redis.run("page_records", names, "after", after, count)
        return [msgspec.json.decode(record, type=kind) for record in stored]

    async def create(
        self, hash_name: str, record_id: str, record: object, *, event: bytes = UNTOLD
    ) -> bool:
        """False when there is another record of that id."""
        return await self._put(hash_name, record_id, b"", record, event)

    async def write(
        self, hash_name: str, record_id: str, record: object, *, event: bytes = UNTOLD
    ) -> None:
        """Whatever stands there."""
        for _ in range(_ATTEMPTS):
            stored = await self._redis.execute("HGET", hash_name, record_id)
            if await self._put(hash_name, record_id, stored or b"", record, event):
                return
        raise _contended()

    async def change(
        self,
        hash_name: str,
        record_id: str,
        kind: type[T],
        changed: Callable[[T], T],
        *,
        event: bytes = UNTOLD,
    ) -> T | None:
        """
        The record after a change, None when there is none. Of changes at once each is made to
        what the other has left; what `changed` raises passes through, and nothing is written.
        """
        for _ in range(_ATTEMPTS):
            stored = await self._redis.execute("HGET", hash_name, record_id)
            if stored is None:
                return None
            record = changed(msgspec.json.decode(stored, type=kind))
            if await self._put(hash_name, record_id, stored, record, event):
                return record
        raise _contended()

    async def create_client_grant(self, grant: ClientGrant, *, event: bytes = UNTOLD) -> str:
        """Replies `created`, `exists`, `unknown_client` or `unknown_resource_server`."""
        reply: bytes = await self._redis.run(
            "create_client_grant",
            [keys.CLIENT_GRANTS, keys.CLIENTS, keys.RESOURCE_SERVERS],
            grant.id,
            msgspec.json.encode(grant),
            "" if grant.default_for else grant.client_id,
            resource_server_id(grant.audience),
            keys.CHANGES,
            event,
            _lines(indexes(grant)),
            _operation_id(),
        )
        self._drop(keys.CLIENT_GRANTS, grant.id)
        return reply.decode()

    async def remove_client(self, client_id: str, *, event: bytes = UNTOLD) -> bool:
        """Remove a client, and its grants before it; False when there was none."""
        return await self._remove(keys.CLIENTS, client_id, Client, f"client {client_id}", event)

    async def remove_resource_server(self, identifier: str, *, event: bytes = UNTOLD) -> bool:
        """Remove a resource server, and every grant for it before; False when there was none."""
        record_id, named = resource_server_id(identifier), f"audience {identifier}"
        return await self._remove(keys.RESOURCE_SERVERS, record_id, ResourceServer, named, event)

    async def remove(
        self, hash_name: str, record_id: str, *, event: bytes = UNTOLD, kind: type | None = None
    ) -> bool:
        """False when there was none. `kind` is that of records with indexes of their own."""
        return await self._remove(hash_name, record_id, kind, "", event)

    async def _remove(
        self, hash_name: str, record_id: str, kind: type | None, granted: str, event: bytes
    ) -> bool:
        attempts = 0
        while attempts < _ATTEMPTS:
            stored = await self._redis.execute("HGET", hash_name, record_id)
            if stored is None:
                return False
            filed = indexes(msgspec.json.decode(stored, type=kind)) if kind else ALL
            reply = await self._redis.run(
                "remove_record",
                [hash_name, keys.CLIENT_GRANTS],
                record_id,
                stored,
                keys.CHANGES,
                event,
                _lines(filed),
                granted,
                _GRANTS_REMOVED_AT_ONCE,
                _operation_id(),
            )
            self._drop(hash_name, record_id)
            if reply in (b"removed", b"unknown"):
                return bool(reply == b"removed")
            attempts += reply == b"superseded"
        raise _contended()

    async def record(self, code: str, *, client: str = "", event: bytes = UNTOLD) -> None:
        """An event that changes nothing in the directory, and is not to be lost."""
        await self._redis.run("record_event", [keys.EVENTS], code, client, event, _operation_id())

    async def _put(
        self, hash_name: str, record_id: str, read: bytes, record: object, event: bytes
    ) -> bool:
        """Write a record if what stands there is what was read (nothing, where that is empty)."""
        former = indexes(msgspec.json.decode(read, type=type(record))) if read else ()
        reply = await self._redis.run(
            "put_record",
            [hash_name],
            record_id,
            msgspec.json.encode(record),
            read,
            keys.CHANGES,
            event,
            _lines(former),
            _lines(indexes(record)),
            _operation_id(),
        )
        self._drop(hash_name, record_id)
        return bool(reply == b"written")

    def _keep(self, name: tuple[str, str | None], value: object, changes: int) -> None:
        """What was read while something changed may be the old record: use it, do not keep it."""
        if self._listening and changes == self._changes:
            self._copies[name] = value
            if len(self._copies) > COPIES_MAX:
                self._copies.popitem(last=False)

    def _drop(self, hash_name: str, record_id: str) -> None:
        self._changes += 1
        self._forget(hash_name, record_id)

    def _forget(self, hash_name: str, record_id: str) -> None:
        self._copies.pop((hash_name, record_id), None)
        self._copies.pop((hash_name, None), None)

    async def now_ms(self) -> int:
        """The clock of Redis, the one for every host (decision 12)."""
        seconds, microseconds = await self._redis.command("TIME")
        return int(seconds) * 1_000 + int(microseconds) // 1_000

    async def fix(self, fact: str, value: str) -> str:
        """Write down what may never change; what was written first is the answer."""
        if await self._redis.execute("HSETNX", keys.FACTS, fact, value):
            return value
        fixed: bytes = await self._redis.execute("HGET", keys.FACTS, fact)
        return fixed.decode()

    async def worker_alive(self, worker: str) -> None:
        """A worker's sign of life, by the clock of Redis."""
        await self._redis.run("worker_alive", [keys.WORKERS], worker)

    async def workers_alive(self, within_ms: int) -> int:
        """How many workers gave a sign of life in the last `within_ms`."""
        count: int = await self._redis.run("workers_alive", [keys.WORKERS], within_ms)
        return count
