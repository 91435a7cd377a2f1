"""The log in the store: added to at its end, once, and cut at its beginning."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import redis as redis_py

from consent.audit import chain
from consent.audit.chain import GENESIS, Head
from consent.audit.record import Event
from consent.store import audit, keys
from consent.store.audit import Audit
from consent.store.connections import Redis, open_redis
from consent.store.keys import Partition
from tests.support.redis_server import RedisServer

PARTITIONS = 4
SOURCE = Partition("001").events


class Opened:
    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.audit = Audit(redis, PARTITIONS)

    async def add(self, source: str, *fields: str) -> None:
        await self.redis.execute("XADD", source, "*", "t", "sapi", *fields)

    async def append(
        self, follows: Head, count: int = 1, moved: dict[str, tuple[int, int]] | None = None
    ) -> tuple[str, Head]:
        records, end = [], follows
        for number in range(count):
            stored, end = chain.chained(end, {"type": f"{number}"})
            records.append(stored)
        outcome = await self.audit.append(
            follows, records, end=end, end_mac="mac", moved=moved or {}
        )
        return outcome, end


Story = Callable[[Opened], Awaitable[None]]


@pytest.fixture
def told(redis_server: RedisServer) -> Callable[[Story], None]:
    url = redis_server.database(8)
    with redis_py.Redis.from_url(url) as client:
        client.flushdb()

    @asynccontextmanager
    async def opened() -> AsyncIterator[Opened]:
        redis = await open_redis(url)
        try:
            yield Opened(redis)
        finally:
            await redis.aclose()

    async def run(story: Story) -> None:
        async with opened() as use:
            await story(use)

    return lambda story: asyncio.run(run(story))


def test_events_come_from_every_source_in_the_order_of_their_time(
    told: Callable[[Story], None],
) -> None:
    async def story(use: Opened) -> None:
        for number, source in enumerate([SOURCE, keys.EVENTS, Partition("003").events, SOURCE]):
            await use.add(source, "client", str(number))
            await asyncio.sleep(0.002)  # the ids are of different milliseconds

        unmoved = await use.audit.unmoved({})

        assert [event.fields["client"] for event in unmoved.events] == ["0", "1", "2", "3"]
        assert (unmoved.away, unmoved.is_all) == (0, True)
        assert await use.audit.backlog() == 4
        first, *rest = unmoved.events
        assert first.source == SOURCE
        later = await use.audit.unmoved({SOURCE: first.id})
        assert later.events == rest

    told(story)


def test_what_is_no_text_is_read_all_the_same(told: Callable[[Story], None]) -> None:
    async def story(use: Opened) -> None:
        await use.redis.execute("XADD", SOURCE, "*", b"t\xff", b"\xff\x00")
        [event] = (await use.audit.unmoved({})).events
        assert event.fields == {"t�": "�\x00"}

    told(story)


def test_a_record_follows_the_end_or_is_not_added(told: Callable[[Story], None]) -> None:
    async def story(use: Opened) -> None:
        outcome, end = await use.append(GENESIS, 3, {SOURCE: (7, 1)})
        assert (outcome, end.number) == ("appended", 3)
        state = await use.audit.state()
        assert (state.end, state.end_mac, state.anchor) == (end, "mac", GENESIS)
        assert state.moved == {SOURCE: (7, 1)}

        assert (await use.append(GENESIS, 3, {SOURCE: (7, 1)}))[0] == "appended"  # repeated
        assert (await use.append(GENESIS, 2))[0] == "superseded"
        assert (await use.append(Head(3, "another")))[0] == "superseded"
        assert (await use.append(Head(4, end.hash)))[0] == "superseded"
        assert (await use.audit.state()) == state
        assert await use.audit.last_number() == 3

        outcome, end = await use.append(end, 1, {keys.EVENTS: (8, 0)})
        assert outcome == "appended"
        assert (await use.audit.state()).moved == {SOURCE: (7, 1), keys.EVENTS: (8, 0)}
        numbers = [chain.members_of(it)["n"] for it in await use.audit.records(2, 4)]  # type: ignore[index]
        assert numbers == [2, 3, 4]
        newest = await use.audit.records(1, 3, newest_first=True)
        assert [chain.members_of(it)["n"] for it in newest] == [3, 2, 1]  # type: ignore[index]
        assert await use.audit.record(9) is None

    told(story)


def test_a_forged_record_after_the_end_blocks_the_log(told: Callable[[Story], None]) -> None:
    async def story(use: Opened) -> None:
        _, end = await use.append(GENESIS)
        await use.redis.execute("XADD", keys.LOG_RECORDS, "5-0", "r", "forged")

        assert (await use.append(end))[0] == "blocked"
        assert (await use.audit.state()).end == end
        assert await use.audit.last_number() == 5

    told(story)


def test_what_was_moved_leaves_its_source_and_nothing_else_does(
    told: Callable[[Story], None],
) -> None:
    async def story(use: Opened) -> None:
        for _ in range(3):
            await use.add(SOURCE)
        await use.add(keys.EVENTS)
        events = [it for it in (await use.audit.unmoved({})).events if it.source == SOURCE]

        for _ in range(2):  # its reply may be lost
            await use.audit.remove_moved({SOURCE: events[1].id})

        left = (await use.audit.unmoved({})).events
        assert [it for it in left if it.source == SOURCE] == events[2:]
        assert len(left) == 2

    told(story)


def test_the_log_is_cut_up_to_a_record_that_is_remembered(told: Callable[[Story], None]) -> None:
    async def story(use: Opened) -> None:
        _, end = await use.append(GENESIS, 5)
        record = chain.members_of(await use.audit.record(3) or b"")
        assert record is not None
        anchor = Head(3, record["hash"])

        for _ in range(2):
            await use.audit.cut(anchor, "seal")
        await use.audit.cut(Head(2, "older"), "seal")  # from somebody who is late

        state = await use.audit.state()
        assert (state.anchor, state.anchor_mac, state.end) == (anchor, "seal", end)
        assert len(await use.audit.records(1, 9)) == 2
        await use.audit.cut(end, "seal")
        assert await use.audit.records(1, 9) == []
        assert (await use.append(end))[0] == "appended"

    told(story)


def test_a_record_is_found_by_the_time_it_was_added(told: Callable[[Story], None]) -> None:
    async def story(use: Opened) -> None:
        assert await use.audit.first_since(0) == 1
        _, end = await use.append(GENESIS, 10)
        await asyncio.sleep(0.005)
        between = await use.audit.now_ms()
        await asyncio.sleep(0.005)
        await use.append(end, 10)

        assert await use.audit.first_since(0) == 1
        assert await use.audit.first_since(between) == 11
        assert await use.audit.first_since(int(time.time() * 1_000) + 60_000) == 21
        await use.redis.execute("XDEL", keys.LOG_RECORDS, "11-0", "12-0")  # found all the same
        assert await use.audit.first_since(between) in {11, 12, 13}

    told(story)


def test_a_lease_is_one_workers_until_it_runs_out(told: Callable[[Story], None]) -> None:
    async def story(use: Opened) -> None:
        assert await use.audit.hold_lease("one")
        assert await use.audit.hold_lease("one")
        assert not await use.audit.hold_lease("two")
        await use.redis.execute("DEL", keys.LOG_APPENDER)
        assert await use.audit.hold_lease("two")

    told(story)


def test_who_was_asked_is_read_from_the_first_line_of_the_story(
    told: Callable[[Story], None],
) -> None:
    async def story(use: Opened) -> None:
        request = '{"client_id":"c","user_id":"u","scope":["openid"],"binding_message":"m"}'
        await use.redis.execute("SET", Partition("001").story("001a"), f"{request}\n17 {{}}")
        await use.redis.execute("HSET", Partition("001").person("001p"), "user", '{"user_id":"u"}')

        asked = await use.audit.asked(["001a", "001gone"])

        assert {it: (known.client_id, known.user_id) for it, known in asked.items()} == {
            "001a": ("c", "u")
        }
        assert await use.audit.user_ids(["001p", "001gone"]) == {"001p": "u"}

    told(story)


def test_a_source_is_read_a_part_at_a_time(
    told: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "EVENTS_READ_MAX", 2)
    monkeypatch.setattr(audit, "EVENTS_OF_A_SOURCE_MIN", 2)

    async def story(use: Opened) -> None:
        for number in range(5):
            await use.add(SOURCE, "client", str(number))
        moved: dict[str, tuple[int, int]] = {}
        seen: list[Event] = []
        while not (read := await use.audit.unmoved(moved)).is_all:
            seen += read.events
            moved = {SOURCE: seen[-1].id}
        assert [it.fields["client"] for it in [*seen, *read.events]] == list("01234")

    told(story)
