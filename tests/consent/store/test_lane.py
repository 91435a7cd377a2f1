"""The shared connection: every caller gets its own reply or hears soon that there is none."""

import asyncio
import itertools
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
import uvloop

from consent.store import lane as lane_module
from consent.store.connections import open_lane
from consent.store.lane import Lane, Reply, StoreError, StoreUnavailable
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import RedisServer
from tests.support.waiting import until

Test = Callable[[], Coroutine[Any, Any, None]]
Run = Callable[[Test], None]
DEFINITE_SECONDS = 2.0  # by then a command has its reply, or has failed


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """The API runs on uvloop, the workers on asyncio: the lane must do on both."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else None

    def run(test: Test) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.get_loop().set_exception_handler(_fail)
            runner.run(test())
        assert _unhandled == []

    _unhandled.clear()
    return run


_unhandled: list[dict[str, Any]] = []


def _fail(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    _unhandled.append(context)


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[Proxy]:
    with Proxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("own")).start()
    yield server
    server.stop()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all that is waited for is that the lane gives up."""
    monkeypatch.setattr(lane_module, "PATIENCE_SECONDS", 0.4)


@asynccontextmanager
async def opened(url: str, *, scripts: bool = False) -> AsyncIterator[Lane]:
    lane = open_lane(url, scripts=scripts)
    try:
        yield lane
    finally:
        await lane.aclose()


async def outcome_of(lane: Lane, *command: str) -> tuple[Reply, float]:
    """The reply or the error, and after how many seconds it was known."""
    since = time.monotonic()
    try:
        reply = await lane.execute(*command)
    except StoreUnavailable as error:
        reply = error
    return reply, time.monotonic() - since


def test_ten_thousand_replies_reach_their_own_callers(run: Run, proxy: Proxy) -> None:
    """Callers give up at random moments; nobody is handed another's reply (CVE-2023-28858)."""
    chance = random.Random(1)
    proxy.delay_seconds = lambda: chance.random() * 0.01

    async def call(lane: Lane, number: int) -> bool:
        try:
            async with asyncio.timeout(chance.choice([None, None, chance.random() * 0.3])):
                assert await lane.execute("ECHO", str(number)) == str(number).encode()
        except TimeoutError:
            return False
        return True

    async def test() -> None:
        async with opened(proxy.url) as lane:
            answered = 0
            for first in range(0, 10_000, 500):
                calls = [call(lane, number) for number in range(first, first + 500)]
                answered += sum(await asyncio.gather(*calls))
        assert 1_000 < answered < 10_000

    run(test)


@pytest.mark.parametrize("k", [1, 2, 7, 60])
def test_whatever_breaks_every_caller_gets_its_own_reply_or_an_error(
    run: Run, proxy: Proxy, k: int
) -> None:
    """F22: every k-th command loses its connection, before or after it was carried out."""
    faults = itertools.cycle([Fault.CUT_BEFORE, Fault.CUT_AFTER])
    counter = itertools.count(1)

    def choose(_number: int, command: list[bytes]) -> Fault | None:
        return next(faults) if command[0] == b"ECHO" and next(counter) % k == 0 else None

    proxy.choose = choose

    async def test() -> None:
        async with opened(proxy.url) as lane:
            outcomes = []
            for first in range(0, 60, 20):
                calls = [outcome_of(lane, "ECHO", str(n)) for n in range(first, first + 20)]
                outcomes += await asyncio.gather(*calls)
            proxy.choose = lambda _number, _command: None
            assert await lane.execute("ECHO", "afterwards") == b"afterwards"
        for number, (reply, seconds) in enumerate(outcomes):
            assert reply == str(number).encode() or isinstance(reply, StoreUnavailable)
            assert seconds < DEFINITE_SECONDS
        if k > 40:  # one break among so many is repaired without anybody noticing
            assert [r for r, _ in outcomes if isinstance(r, StoreUnavailable)] == []

    run(test)


@pytest.mark.usefixtures("impatient")
def test_a_silent_connection_is_given_up(run: Run, proxy: Proxy) -> None:
    """A reply that never comes ends in an error; the next command finds a new connection."""
    armed = iter([Fault.SILENCE])
    proxy.choose = lambda _number, command: next(armed, None) if command[0] == b"ECHO" else None

    async def test() -> None:
        async with opened(proxy.url) as lane:
            outcomes = await asyncio.gather(*[outcome_of(lane, "ECHO", "x") for _ in range(50)])
            assert await lane.execute("ECHO", "afterwards") == b"afterwards"
        for reply, seconds in outcomes:
            assert isinstance(reply, StoreUnavailable)
            assert seconds < DEFINITE_SECONDS

    run(test)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_hangs_and_wakes_crosses_no_replies(
    run: Run, own_server: RedisServer
) -> None:
    async def test() -> None:
        async with opened(own_server.url) as lane:
            await lane.execute("PING")
            own_server.process.send_signal(signal.SIGSTOP)
            try:
                during = [outcome_of(lane, "ECHO", f"during {n}") for n in range(20)]
                for reply, seconds in await asyncio.gather(*during):
                    assert isinstance(reply, StoreUnavailable)
                    assert seconds < DEFINITE_SECONDS
            finally:
                own_server.process.send_signal(signal.SIGCONT)
            after = await asyncio.gather(*[lane.execute("ECHO", f"{n}") for n in range(20)])
        assert after == [b"%d" % number for number in range(20)]

    run(test)


def test_a_server_that_is_away_is_found_again(run: Run, own_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(own_server.url, scripts=True) as lane:
            await lane.execute("PING")
            own_server.kill()
            reply, seconds = await outcome_of(lane, "PING")
            assert isinstance(reply, StoreUnavailable)
            assert seconds < DEFINITE_SECONDS
            await asyncio.to_thread(own_server.start)
            assert await lane.execute("PING") == b"PONG"

    run(test)


@pytest.mark.usefixtures("impatient")
def test_what_is_asked_while_a_connection_is_prepared_disturbs_nothing(
    run: Run, proxy: Proxy
) -> None:
    """
    Impatient callers fail while the scripts are being loaded on a slow connection; the replies of
    the loading still find their place, and the lane serves the next.
    """
    loads = itertools.count()

    def choose(_number: int, command: list[bytes]) -> Fault | None:
        # The first two connections break in the middle of their preparation.
        return Fault.CUT_AFTER if command[0] == b"SCRIPT" and next(loads) in {3, 9} else None

    proxy.choose = choose
    proxy.delay_seconds = lambda: 0.08

    async def test() -> None:
        async with opened(proxy.url, scripts=True) as lane:
            outcomes = []
            for _ in range(20):
                outcomes.append(asyncio.ensure_future(outcome_of(lane, "ECHO", "early")))
                await asyncio.sleep(0.04)
            for reply, seconds in await asyncio.gather(*outcomes):
                assert reply == b"early" or isinstance(reply, StoreUnavailable)
                assert seconds < DEFINITE_SECONDS
            proxy.delay_seconds = lambda: 0.0

            async def answers() -> bool:
                return bool((await outcome_of(lane, "ECHO", "afterwards"))[0] == b"afterwards")

            await until(answers)

    run(test)


def test_a_connection_that_breaks_while_prepared_is_replaced_at_once(
    run: Run, proxy: Proxy
) -> None:
    loads = itertools.count()
    proxy.choose = lambda _number, command: (
        Fault.CUT_AFTER if command[0] == b"SCRIPT" and next(loads) == 2 else None
    )

    async def test() -> None:
        async with opened(proxy.url, scripts=True) as lane:
            reply, seconds = await outcome_of(lane, "PING")
        assert reply == b"PONG"
        assert seconds < lane_module.PATIENCE_SECONDS / 2

    run(test)


def test_more_than_can_be_in_flight_is_shed_at_once(
    run: Run, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_module, "WAITING_MAX", 10)

    async def test() -> None:
        async with opened(redis_server.url) as lane:
            calls = [lane.execute("PING") for _ in range(11)]
            assert isinstance(calls[10].exception(), StoreUnavailable)
            assert await asyncio.gather(*calls[:10]) == [b"PONG"] * 10

    run(test)


def test_a_refusal_that_passes_is_told_from_a_defect(run: Run, own_server: RedisServer) -> None:
    """A full server will have room again; a wrong command stays wrong (F18)."""

    async def test() -> None:
        async with opened(own_server.url) as lane:
            await lane.execute("CONFIG", "SET", "maxmemory", "1")
            with pytest.raises(StoreUnavailable) as full:
                await lane.execute("SET", "key", "value")
            with pytest.raises(StoreError, match="unknown command"):
                await lane.execute("NO-SUCH-COMMAND")
        assert full.value.detail == "OOM"

    run(test)


def test_a_reply_nobody_asked_for_costs_the_connection_only(
    run: Run, redis_server: RedisServer
) -> None:
    """A message on a subscribed connection is the way to provoke it."""

    async def test() -> None:
        async with opened(redis_server.url) as lane:
            channel = f"test-{id(lane)}"
            await lane.execute("SUBSCRIBE", channel)
            with redis.Redis.from_url(redis_server.url) as publisher:
                assert publisher.publish(channel, "unasked") == 1
                await until(lambda: not publisher.pubsub_numsub(channel)[0][1])
            assert await lane.execute("ECHO", "afterwards") == b"afterwards"

    run(test)


def test_what_waits_when_the_lane_is_closed_is_told(run: Run, proxy: Proxy) -> None:
    proxy.choose = lambda _number, command: Fault.SILENCE if command[0] == b"ECHO" else None

    async def test() -> None:
        lane = open_lane(proxy.url, scripts=False)
        await lane.execute("PING")
        waiting = lane.execute("ECHO", "x")
        await asyncio.sleep(0)
        await lane.aclose()
        with pytest.raises(StoreUnavailable):
            await waiting

    run(test)
