"""
People in lists: all of a tenant, or those who have something in common.

The order is that of the person_ids, which begin with the partition: a list is that of the first
partition, then that of the second, and so on. So a page is found by counting, and costs the same
in any tenant: a command for each partition, all in one pipeline, and one for each person shown.
"""

import asyncio
import itertools
from collections.abc import Callable
from typing import NamedTuple

from consent.identifiers import partition_of
from consent.store.connections import Redis
from consent.store.keys import Partition, partitions
from consent.store.lane import Argument

_SHARE_MIN = 8
Command = tuple[str, str, *tuple[Argument, ...]]
Names = Callable[[Partition, int, int], Command]  # from a rank of a partition's list, so many


class Listed(NamedTuple):
    """A person of a list: their record (JSON), and whether they are blocked."""

    user: bytes
    blocked: bool


class PeopleLists:
    def __init__(self, redis: Redis, partition_count: int) -> None:
        self._redis = redis
        self._partitions = partitions(partition_count)

    async def page(self, start: int, count: int) -> tuple[list[Listed], int]:
        """People from a rank on, and how many there are in all."""
        return await self._page(start, count, await self._sizes(), _members)

    async def page_after(self, person_id: str, count: int) -> list[Listed]:
        """People who come after one, who may be gone; after nobody where that is empty."""
        sizes, start = await self._sizes(), 0
        if person_id:
            last = Partition.of(person_id)
            before = int(partition_of(person_id), 16)
            start = sum(sizes[:before]) + await self._redis.execute(
                "ZLEXCOUNT", last.people, "-", f"[{person_id}"
            )
        found, _ = await self._page(start, count, sizes, _members)
        return found

    async def page_of(
        self, field: str, value: str, start: int, count: int, *, after: str = "", most: int
    ) -> tuple[list[Listed], int]:
        """
        Of those who have this term, the first `most`: who stands from a rank on, or comes after
        one of them, and how many they are.
        """
        least, greatest = _range(field, value)
        sizes = await asyncio.gather(
            *[
                self._redis.execute("ZLEXCOUNT", partition.found_by, least, greatest)
                for partition in self._partitions
            ]
        )
        if after:
            last = Partition.of(after).found_by
            start = sum(sizes[: int(partition_of(after), 16)]) + await self._redis.execute(
                "ZLEXCOUNT", last, least, f"{least}{after}"
            )

        def command(partition: Partition, begin: int, size: int) -> Command:
            return ("ZRANGEBYLEX", partition.found_by, least, greatest, "LIMIT", begin, size)

        found, total = await self._page(start, min(count, most - start), sizes, command)
        return found, min(total, most)

    async def find_all(
        self, field: str, value: str, *, prefix: bool = False, most: int
    ) -> list[str]:
        """
        The person_ids of those who have this term, or one that begins so; `most` at most.

        Each partition is asked for its share at first. Few are found by most terms; of a term that
        many have, no more is read than was asked for and as much again.
        """
        least, greatest = _range(field, value, prefix=prefix)
        share = max(most // len(self._partitions), _SHARE_MIN)

        async def read(partition: Partition, count: int) -> list[bytes]:
            names: list[bytes] = await self._redis.execute(
                "ZRANGEBYLEX", partition.found_by, least, greatest, "LIMIT", 0, count
            )
            return names

        parts = await asyncio.gather(*[read(partition, share) for partition in self._partitions])
        found: list[str] = []
        for partition, part in zip(self._partitions, parts, strict=True):
            left = most - len(found)
            names = await read(partition, left) if len(part) == share < left else part
            found += sorted(map(_person_of, names))
            if len(found) >= most:
                break
        return found[:most]

    async def read_many(self, person_ids: list[str]) -> list[Listed]:
        """Those of them who are (still) there."""
        stored = await asyncio.gather(
            *[
                self._redis.execute(
                    "HMGET", Partition.of(person_id).person(person_id), "user", "blocked"
                )
                for person_id in person_ids
            ]
        )
        return [Listed(user, blocked is not None) for user, blocked in stored if user]

    async def _sizes(self) -> list[int]:
        return await asyncio.gather(
            *[self._redis.execute("ZCARD", partition.people) for partition in self._partitions]
        )

    async def _page(
        self, start: int, count: int, sizes: list[int], command: Names
    ) -> tuple[list[Listed], int]:
        """Of lists of these sizes, one of each partition, what stands from a rank on."""
        wanted: list[str] = []
        firsts = itertools.accumulate(sizes[:-1], initial=0)
        for partition, first, size in zip(self._partitions, firsts, sizes, strict=True):
            begin, end = max(start - first, 0), min(start + count - first, size)
            if begin < end:
                names = await self._redis.execute(*command(partition, begin, end - begin))
                wanted += map(_person_of, names)
        return await self.read_many(wanted), sum(sizes)


def _members(partition: Partition, begin: int, count: int) -> Command:
    return ("ZRANGE", partition.people, begin, begin + count - 1)


def _range(field: str, value: str, *, prefix: bool = False) -> tuple[str, bytes]:
    """Where a term, or what begins with it, stands in `found_by`."""
    least = f"[{field}\t{value}" + ("" if prefix else "\t")
    return least, b"%b\xff" % least.encode()


def _person_of(name: bytes) -> str:
    """Of a term or of a member."""
    return name.decode().rpartition("\t")[2]
