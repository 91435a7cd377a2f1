"""
Consents as administrators see and end them: one by one, or in lists, the newest first.

In each partition they stand in the order in which their records will go (their deadline and the
retention after it), which is that of their acceptance but for requests of unlike lives. A list is
merged from those of the partitions; where it goes on is a place in that order.
"""

import asyncio
import heapq
from typing import NamedTuple

from consent.lifecycle import Event, row
from consent.management.consents import Place
from consent.store.connections import Redis
from consent.store.keys import Partition, partitions

_CANCEL_FROM, _CANCEL_TO = row(Event.CANCEL)
_LOOKED_AT_ONCE = 500


class Asked(NamedTuple):
    """What a client asked: the request as JSON, and from when to when, in milliseconds."""

    client_id: str
    request: bytes
    created_at_ms: int
    expires_at_ms: int


class ConsentRecords:
    def __init__(self, redis: Redis, partition_count: int) -> None:
        self._redis = redis
        self._partitions = partitions(partition_count)

    async def cancel(self, consent_id: str, *, event: bytes) -> str:
        """
        End what nobody has answered: `cancelled`, `call` (and its client is to be called back),
        `over` or `unknown`.
        """
        p = Partition.of(consent_id)
        reply: bytes = await self._redis.run(
            "cancel",
            [p.consent(consent_id)],
            p.prefix,
            consent_id,
            _CANCEL_FROM,
            _CANCEL_TO,
            event,
        )
        return reply.decode()

    async def end_of_client(self, client_id: str) -> None:
        """End what a client that has left has asked, and nobody has answered."""
        await asyncio.gather(*[self._end_of_client(p, client_id) for p in self._partitions])

    async def _end_of_client(self, p: Partition, client_id: str) -> None:
        rank, looked_at = 0, _LOOKED_AT_ONCE
        while looked_at == _LOOKED_AT_ONCE:
            looked_at, gone = await self._redis.run(
                "end_of_client",
                [p.opened],
                p.prefix,
                client_id,
                _CANCEL_FROM,
                _CANCEL_TO,
                rank,
                _LOOKED_AT_ONCE,
            )
            rank += looked_at - gone

    async def read(self, consent_id: str) -> tuple[dict[str, bytes], list[bytes]] | None:
        """A consent's fields and its facts ("<ms> <JSON>" each), for an administrator."""
        p = Partition.of(consent_id)
        flat = await self._redis.execute("HGETALL", p.consent(consent_id))
        story = await self._redis.execute("GET", p.story(consent_id))
        if not flat or not story:
            return None
        names = [name.decode() for name in flat[::2]]
        request, *facts = story.split(b"\n")
        return dict(zip(names, flat[1::2], strict=True)) | {"request": request}, facts

    async def stats(self) -> dict[str, int]:
        """Counters of all partitions, added up."""
        total: dict[str, int] = {}
        for partition in self._partitions:
            flat = await self._redis.execute("HGETALL", partition.stats)
            for name, count in zip(flat[::2], flat[1::2], strict=True):
                total[name.decode()] = total.get(name.decode(), 0) + int(count)
        return total

    async def asked(self, consent_id: str) -> Asked | None:
        """What was asked, in one round trip; None when there is no such consent."""
        p = Partition.of(consent_id)
        fields = self._redis.execute(
            "HMGET", p.consent(consent_id), "client", "created_at", "expires_at"
        )
        # Neither changes once it is written, so both need not be read in one step.
        (client_id, created_at, expires_at), story = await asyncio.gather(
            fields, self._redis.execute("GET", p.story(consent_id))
        )
        if client_id is None or story is None:
            return None
        return Asked(
            client_id.decode(), story.partition(b"\n")[0], int(created_at), int(expires_at)
        )

    async def newest(
        self, most: int, *, before: Place | None = None, person_id: str = ""
    ) -> list[Place]:
        """The `most` newest that come before a place, of one person's partition or of all."""
        wanted = [Partition.of(person_id)] if person_id else self._partitions
        found = await asyncio.gather(*[self._of(it, most, before) for it in wanted])
        return heapq.nlargest(most, [place for part in found for place in part])

    async def _of(self, partition: Partition, most: int, before: Place | None) -> list[Place]:
        """What stands at the same time as the place is read with it, and left out here."""
        count = most
        while True:
            flat = await self._redis.execute(
                "ZREVRANGEBYSCORE",
                partition.accepted,
                "+inf" if before is None else before.gone_at_ms,
                "-inf",
                "WITHSCORES",
                "LIMIT",
                0,
                count,
            )
            read = [
                Place(int(float(score)), consent_id.decode())
                for consent_id, score in zip(flat[::2], flat[1::2], strict=True)
            ]
            found = [place for place in read if before is None or place < before]
            if len(found) >= most or len(read) < count:
                return found[:most]
            count += len(read) - len(found)
