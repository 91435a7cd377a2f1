"""
The log of the tenant, and the streams of events that are moved into it.

An event stands in the slot of the change it is about, a record in the log's own: two steps. The
first adds records and says in the same moment how far each source has been moved; only then is
what was moved removed from the source. A crash between them, or a reply that is lost, leaves what
was moved where it was, and it is not moved again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from consent.audit.chain import GENESIS, Head
from consent.audit.record import Asked, Event
from consent.store import keys
from consent.store.connections import Redis
from consent.store.keys import Partition, partitions
from consent.store.lane import StoreUnavailable

LEASE_MS = 5_000
EVENTS_READ_MAX = 8_000  # in one turn, of all sources together
EVENTS_OF_A_SOURCE_MIN = 8
_NOWHERE = (0, 0)
_BEGUN = "log_begun"


class LogState(NamedTuple):
    """Where the log ends and begins, each with its seal, and how far every source is moved."""

    end: Head
    end_mac: str
    anchor: Head
    anchor_mac: str
    moved: Mapping[str, tuple[int, int]]


class Unmoved(NamedTuple):
    """Events in the order of their time; `away` sources could not be read, `is_all` of the rest."""

    events: list[Event]
    away: int
    is_all: bool


class _Person(msgspec.Struct, frozen=True):
    user_id: str = ""


class Audit:
    def __init__(self, redis: Redis, partition_count: int) -> None:
        self._redis = redis
        self._sources = [keys.EVENTS, *[p.events for p in partitions(partition_count)]]
        self._read_max = max(EVENTS_READ_MAX // len(self._sources), EVENTS_OF_A_SOURCE_MIN)

    async def hold_lease(self, worker: str) -> bool:
        """Whether this worker is the one that moves; that it is alone is a matter of cost only."""
        reply = await self._redis.run("hold_lease", [keys.LOG_APPENDER], worker, LEASE_MS)
        return bool(reply)

    async def state(self) -> LogState:
        flat = await self._redis.execute("HGETALL", keys.LOG_STATE)
        stored = {
            name.decode(): value.decode(errors="replace")
            for name, value in zip(flat[::2], flat[1::2], strict=True)
        }
        return LogState(
            Head(int(stored.get("number", 0)), stored.get("hash", "")),
            stored.get("mac", ""),
            Head(int(stored.get("anchor_number", 0)), stored.get("anchor_hash", "")),
            stored.get("anchor_mac", ""),
            {
                name.removeprefix("moved:"): _id(value)
                for name, value in stored.items()
                if name.startswith("moved:")
            },
        )

    async def is_gone(self) -> bool:
        """Whether there was a record once, and is nothing now: a log begins but once."""
        has_begun = await self._redis.execute("HEXISTS", keys.FACTS, _BEGUN)
        return bool(has_begun) and (await self.state()).end == GENESIS

    async def begin(self) -> None:
        await self._redis.execute("HSETNX", keys.FACTS, _BEGUN, "1")

    async def unmoved(self, moved: Mapping[str, tuple[int, int]]) -> Unmoved:
        """A source whose server is away costs the others nothing."""
        read = await asyncio.gather(
            *[self._unmoved_of(source, moved.get(source, _NOWHERE)) for source in self._sources],
            return_exceptions=True,
        )
        events: list[Event] = []
        away, is_all = 0, True
        for found in read:
            if isinstance(found, StoreUnavailable):
                away += 1
            elif isinstance(found, BaseException):
                raise found
            else:
                events += found
                is_all = is_all and len(found) < self._read_max
        events.sort(key=lambda event: event.id)
        return Unmoved(events, away, is_all)

    async def _unmoved_of(self, source: str, after: tuple[int, int]) -> list[Event]:
        entries = await self._redis.execute(
            "XRANGE", source, f"({_text(after)}", "+", "COUNT", self._read_max
        )
        return [Event(source, _id(entry_id), _fields(flat)) for entry_id, flat in entries]

    async def append(
        self,
        follows: Head,
        records: Sequence[bytes],
        *,
        end: Head,
        end_mac: str,
        moved: Mapping[str, tuple[int, int]],
    ) -> str:
        """
        Add records to the log if it still ends where they begin; `moved` is of the sources they
        came from. Replies appended, superseded or blocked.
        """
        positions = [text for source, at in moved.items() for text in (source, _text(at))]
        reply = await self._redis.run(
            "append_records",
            [keys.LOG_RECORDS, keys.LOG_STATE],
            follows.number,
            follows.hash,
            end.hash,
            end_mac,
            len(records),
            *records,
            *positions,
        )
        outcome: bytes = reply[0]
        return outcome.decode()

    async def remove_moved(self, moved: Mapping[str, tuple[int, int]]) -> None:
        """Take out of the sources what stands in the log. One that is away keeps it for now."""
        done = await asyncio.gather(
            *[
                self._redis.execute("XTRIM", source, "MINID", _text((at[0], at[1] + 1)))
                for source, at in moved.items()
            ],
            return_exceptions=True,
        )
        for failure in done:
            if isinstance(failure, BaseException) and not isinstance(failure, StoreUnavailable):
                raise failure

    async def asked(self, consent_ids: Sequence[str]) -> dict[str, Asked]:
        """What consents were about, of those that are kept."""
        of_each: dict[Partition, list[str]] = {}
        for consent_id in consent_ids:
            of_each.setdefault(Partition.of(consent_id), []).append(consent_id)
        stories = await asyncio.gather(
            *[self._redis.execute("MGET", *map(p.story, ids)) for p, ids in of_each.items()]
        )
        return {
            consent_id: msgspec.json.decode(story.partition(b"\n")[0], type=Asked)
            for ids, found in zip(of_each.values(), stories, strict=True)
            for consent_id, story in zip(ids, found, strict=True)
            if story
        }

    async def user_ids(self, person_ids: Sequence[str]) -> dict[str, str]:
        """Who people are, of those that are known."""
        users = await asyncio.gather(
            *[self._redis.execute("HGET", Partition.of(it).person(it), "user") for it in person_ids]
        )
        return {
            person_id: msgspec.json.decode(user, type=_Person).user_id
            for person_id, user in zip(person_ids, users, strict=True)
            if user
        }

    async def records(self, first: int, last: int, *, newest_first: bool = False) -> list[bytes]:
        """The records between two numbers, both included."""
        ends = [f"{number}-0" for number in (first, last)]
        command = "XREVRANGE" if newest_first else "XRANGE"
        entries = await self._redis.execute(
            command, keys.LOG_RECORDS, *(reversed(ends) if newest_first else ends)
        )
        return [_record(flat) for _, flat in entries]

    async def record(self, number: int) -> bytes | None:
        found = await self.records(number, number)
        return found[0] if found else None

    async def last_number(self) -> int:
        """Of the last record there is, whatever the end says."""
        entries = await self._redis.execute("XREVRANGE", keys.LOG_RECORDS, "+", "-", "COUNT", 1)
        return _id(entries[0][0])[0] if entries else 0

    async def first_since(self, ms: int) -> int:
        """The number of the first record added at that time or later, or the next one's."""
        number: int = await self._redis.run(
            "first_record_since", [keys.LOG_RECORDS, keys.LOG_STATE], ms
        )
        return number

    async def cut(self, anchor: Head, anchor_mac: str) -> None:
        """Forget the records up to this one."""
        await self._redis.run(
            "cut_records", [keys.LOG_RECORDS, keys.LOG_STATE], *anchor, anchor_mac
        )

    async def backlog(self) -> int:
        """How many events wait to be moved."""
        lengths = await asyncio.gather(
            *[self._redis.execute("XLEN", source) for source in self._sources]
        )
        return sum(lengths)

    async def now_ms(self) -> int:
        """The clock of Redis, by which records are added."""
        seconds, microseconds = await self._redis.command("TIME")
        return int(seconds) * 1_000 + int(microseconds) // 1_000


def _record(flat: Sequence[bytes]) -> bytes:
    return next((flat[i + 1] for i in range(0, len(flat) - 1, 2) if flat[i] == b"r"), b"")


def _fields(flat: Sequence[bytes]) -> dict[str, str]:
    return {
        flat[i].decode(errors="replace"): flat[i + 1].decode(errors="replace")
        for i in range(0, len(flat), 2)
    }


def _id(text: bytes | str) -> tuple[int, int]:
    ms, _, number = (text.decode() if isinstance(text, bytes) else text).partition("-")
    return int(ms), int(number)


def _text(at: tuple[int, int]) -> str:
    return f"{at[0]}-{at[1]}"
