"""
The directory: clients, resource servers, client grants and keys.

Few and read by every request, so each process keeps copies. A write publishes what it changed,
and a copy is dropped the moment that is heard; while a process cannot listen it keeps none.
"""

import collections
from typing import TypeVar

import msgspec
import structlog

from consent.access import ClientGrant, resource_server_id
from consent.store import keys
from consent.store.connections import DEAF, LISTENING, Redis

log = structlog.get_logger()
T = TypeVar("T")
COPIES_MAX = 10_000


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

    async def read_all(self, hash_name: str, kind: type[T]) -> list[T]:
        """Every record of a hash, as stored now."""
        flat = await self._redis.execute("HGETALL", hash_name)
        return [msgspec.json.decode(record, type=kind) for record in flat[1::2]]

    async def create(self, hash_name: str, record_id: str, record: object) -> bool:
        """False when there is another record of that id."""
        return await self._put(hash_name, record_id, msgspec.json.encode(record), "new")

    async def write(self, hash_name: str, record_id: str, record: object) -> None:
        await self._put(hash_name, record_id, msgspec.json.encode(record), "")

    async def replace(self, hash_name: str, record_id: str, record: object) -> bool:
        """False when there is no record of that id (any more)."""
        return await self._put(hash_name, record_id, msgspec.json.encode(record), "known")

    async def create_client_grant(self, grant: ClientGrant) -> str:
        """Replies `created`, `exists`, `unknown_client` or `unknown_resource_server`."""
        reply: bytes = await self._redis.run(
            "create_client_grant",
            [keys.CLIENT_GRANTS, keys.CLIENTS, keys.RESOURCE_SERVERS],
            grant.id,
            msgspec.json.encode(grant),
            grant.client_id,
            resource_server_id(grant.audience),
            keys.CHANGES,
        )
        self._drop(keys.CLIENT_GRANTS, grant.id)
        return reply.decode()

    async def remove_client(self, client_id: str) -> None:
        """Remove a client and its grants in one step."""
        await self._remove_granted(keys.CLIENTS, client_id, "client_id", client_id)

    async def remove_resource_server(self, identifier: str) -> None:
        """Remove a resource server and every grant for it in one step."""
        await self._remove_granted(
            keys.RESOURCE_SERVERS, resource_server_id(identifier), "audience", identifier
        )

    async def _remove_granted(
        self, hash_name: str, record_id: str, member: str, value: str
    ) -> None:
        named = msgspec.json.encode({member: value})[1:-1]
        removed: list[bytes] = await self._redis.run(
            "remove_granted", [hash_name, keys.CLIENT_GRANTS], record_id, named, keys.CHANGES
        )
        self._drop(hash_name, record_id)
        for grant_id in removed:
            self._drop(keys.CLIENT_GRANTS, grant_id.decode())

    async def remove(self, *records: tuple[str, str]) -> int:
        """Remove records, each a hash and an id, in one step; says how many there were."""
        removed: int = await self._redis.run(
            "remove_records",
            [hash_name for hash_name, _ in records],
            keys.CHANGES,
            *[record_id for _, record_id in records],
        )
        for record in records:
            self._drop(*record)
        return removed

    async def _put(
        self, hash_name: str, record_id: str, record: bytes, expected: str | bytes
    ) -> bool:
        reply = await self._redis.run(
            "put_record", [hash_name], record_id, record, expected, keys.CHANGES
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
