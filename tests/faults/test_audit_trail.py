"""
The audit trail under faults: every event once, and the chain whole, wherever a worker ends,
whichever reply is lost and however many move at once (I12).
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator

import pytest
import redis as redis_py

from consent.audit.chain import Verdict
from consent.errors import TemporarilyUnavailable
from consent.store import keys
from consent.store.keys import partitions
from tests.support.audited import PARTITIONS, Audited, audited
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import RedisServer
from tests.support.waiting import until
from workers import appender as module

DATABASE = 10
EVENTS = 12


@pytest.fixture
def server(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    """Every event is of a person, and each batch of a few: a move is many commands."""
    monkeypatch.setattr(module, "BATCH_RECORDS", 5)
    with redis_py.Redis.from_url(redis_server.database(DATABASE)) as client:
        client.flushdb()
    return redis_server


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        proxy.url = proxy.url.removesuffix("0") + str(DATABASE)
        yield proxy


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]


async def _moved(use: Audited) -> None:
    """As `append_forever` does it: from the beginning, until nothing is left."""
    await use.appender().take_over()
    while await use.appender().move():
        pass


async def _made_good(use: Audited, names: set[str]) -> None:
    """The next worker comes, and what there is to be is there."""
    await _moved(use)
    assert await use.audit.backlog() == 0
    await use.check_each_once(names)


def _is_ours(command: list[bytes]) -> bool:
    return command[0] in {b"EVALSHA", b"HGETALL", b"XRANGE", b"HGET", b"GET", b"XTRIM"}


def _emptied(use: Audited) -> Awaitable[object]:
    return use.redis.command("FLUSHDB")


@pytest.mark.parametrize("fault", [Fault.HOLD, Fault.SILENCE], ids=["before", "after"])
def test_a_worker_that_ends_at_any_command_loses_and_doubles_nothing(
    server: RedisServer, proxy: Proxy, fault: Fault
) -> None:
    """Ended before a command left for Redis, or after, before it heard: at each one in turn."""

    async def ended_at(place: int) -> bool:
        """Whether the place was reached."""
        seen = 0

        def choose(_number: int, command: list[bytes]) -> Fault | None:
            nonlocal seen
            seen += _is_ours(command)
            return fault if _is_ours(command) and seen == place else None

        proxy.caught.clear()
        async with audited(proxy.url) as use:
            await use.redis.command("PING")  # connected, its scripts loaded
            proxy.choose = choose
            moving = asyncio.ensure_future(_moved(use))
            await until(lambda: proxy.caught.is_set() or moving.done(), pause=0.001)
            moving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await moving
            proxy.choose = lambda _number, _command: None
        return proxy.caught.is_set()

    async def story() -> None:
        place = 0
        async with audited(server.database(DATABASE)) as use:
            while True:
                place += 1
                await _emptied(use)
                names = await use.add_many(EVENTS)
                reached = await ended_at(place)
                await _made_good(use, names)
                if not reached:
                    break
        assert place > EVENTS + 3 * PARTITIONS, "it ended at every command there is"

    run(story)


def test_a_lost_reply_loses_and_doubles_nothing(server: RedisServer, proxy: Proxy) -> None:
    """Every step that writes is carried out, its reply is lost, and it is sent again."""
    repeated: set[bytes] = set()

    def choose(_number: int, command: list[bytes]) -> Fault | None:
        text = b" ".join(command)
        if command[0] not in {b"EVALSHA", b"XTRIM"} or text in repeated:
            return None
        repeated.add(text)
        return Fault.CUT_AFTER

    async def story() -> None:
        async with audited(server.database(DATABASE)) as use:
            names = await use.add_many(EVENTS)
        async with audited(proxy.url) as use:
            proxy.choose = choose
            while True:
                with contextlib.suppress(TemporarilyUnavailable):  # two were lost at once
                    await _made_good(use, names)
                    break
        assert len(repeated) > 3

    run(story)


def test_two_that_move_at_once_take_turns_in_any_order(server: RedisServer, proxy: Proxy) -> None:
    """The lease is no part of it: both move all the time, with replies that come late."""
    chance = random.Random(7)
    proxy.delay_seconds = lambda: chance.random() * 0.004

    async def story() -> None:
        names: set[str] = set()
        is_over = asyncio.Event()

        async def moving(url: str) -> None:
            async with audited(url) as use:
                while not is_over.is_set():
                    await _moved(use)
                    await asyncio.sleep(0)

        async with audited(server.database(DATABASE)) as use:
            both = [
                asyncio.ensure_future(moving(url)) for url in (server.database(DATABASE), proxy.url)
            ]
            for _ in range(25):
                names |= await use.add_many(EVENTS)
            is_over.set()
            await asyncio.gather(*both)
            await _made_good(use, names)

    run(story)


async def _logged(use: Audited) -> None:
    await use.add_many(EVENTS)
    await _moved(use)
    assert await use.verdict() == Verdict(EVENTS)


@pytest.mark.parametrize(
    ("tampering", "fault", "number"),
    [
        (lambda use: _rewritten(use, 4), "was changed: it is no record", 4),
        (
            lambda use: use.redis.execute("XDEL", keys.LOG_RECORDS, "4-0"),
            "is missing",
            4,
        ),
        (
            lambda use: use.redis.execute("XDEL", keys.LOG_RECORDS, f"{EVENTS}-0"),
            "is missing, and all after it",
            EVENTS,
        ),
        (
            lambda use: use.redis.execute("XTRIM", keys.LOG_RECORDS, "MINID", "3-0"),
            "is missing",
            1,
        ),
        (lambda use: use.redis.execute("DEL", keys.LOG_RECORDS), "is missing, and all after it", 1),
        (
            lambda use: use.redis.execute("XADD", keys.LOG_RECORDS, f"{EVENTS + 1}-0", "r", "{}"),
            "is after the end",
            EVENTS + 1,
        ),
    ],
    ids=["changed", "removed", "last removed", "first removed", "all removed", "added"],
)
def test_what_is_done_to_the_log_in_redis_shows(
    server: RedisServer,
    tampering: Callable[[Audited], Awaitable[object]],
    fault: str,
    number: int,
) -> None:
    async def story() -> None:
        async with audited(server.database(DATABASE)) as use:
            await _logged(use)
            await tampering(use)
            verdict = await use.verdict()
            assert (verdict.fault, verdict.number) == (fault, number)

    run(story)


async def _rewritten(use: Audited, number: int) -> None:
    """The records as they were, but for one: who writes the store can build the stream anew."""
    stored = await use.audit.records(1, EVENTS)
    await use.redis.execute("DEL", keys.LOG_RECORDS)
    for place, record in enumerate(stored, 1):
        text = record.replace(b"seccft", b"other ") + b" " if place == number else record
        await use.redis.execute("XADD", keys.LOG_RECORDS, f"{place}-0", "at", 1, "r", text)


def test_events_are_in_the_log_and_nowhere_else(server: RedisServer) -> None:
    async def story() -> None:
        async with audited(server.database(DATABASE)) as use:
            await _logged(use)
            for source in (keys.EVENTS, *[p.events for p in partitions(PARTITIONS)]):
                assert await use.redis.execute("XLEN", source) == 0

    run(story)
