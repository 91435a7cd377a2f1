"""Polls that are held: what wakes them, how many there may be, and what they cost (A125)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from api.long_polls import LongPolls, Woken, preferred_seconds
from api.metrics import REGISTRY
from consent import policy
from consent.lifecycle import Event
from consent.store.connections import Redis
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, StoreInUse, opened, run
from tests.support.waiting import until

LONG = 10  # seconds, in which every decision is heard
MANY = 10_000
OURS = {"cmdstat_info", "cmdstat_ping"}  # asking what it costs, and redis-py's sign of life


@asynccontextmanager
async def listening(redis: Redis, most: int = 10) -> AsyncIterator[LongPolls]:
    polls = LongPolls(redis, most)
    task = asyncio.create_task(polls.listen())
    try:
        await until(lambda: holds(polls))
        yield polls
    finally:
        task.cancel()
        await asyncio.wait([task])


def holds(polls: LongPolls) -> bool:
    with polls.hold("nobody's") as hold:
        return hold is not None


def held_in_metrics() -> float | None:
    return REGISTRY.get_sample_value("nod_long_polls_held")


def in_use(
    server: RedisServer, test: Callable[[StoreInUse, LongPolls], Awaitable[None]], most: int = 10
) -> None:
    async def story() -> None:
        async with opened(server.url) as use, listening(use.store.redis, most) as polls:
            await test(use, polls)

    run(story)


@pytest.mark.parametrize("event", [Event.APPROVE, Event.DENY])
def test_a_decision_wakes_the_polls_of_its_consent(redis_server: RedisServer, event: Event) -> None:
    async def test(use: StoreInUse, polls: LongPolls) -> None:
        person = await use.person()
        consent_id = await person.ask()
        with polls.hold(consent_id) as one, polls.hold(consent_id) as another:
            assert one
            assert another
            waiting = asyncio.gather(one.wait(LONG), another.wait(LONG))
            await person.answer(consent_id, event)
            assert {*await waiting} == {Woken.DECIDED}

    in_use(redis_server, test)


def test_a_consent_that_ends_unanswered_wakes_its_polls(redis_server: RedisServer) -> None:
    """With the last device goes what was asked."""

    async def test(use: StoreInUse, polls: LongPolls) -> None:
        person = await use.person()
        with polls.hold(await person.ask()) as hold:
            assert hold
            await use.store.people.remove_device(person.person_id, person.devices[0])
            assert await hold.wait(LONG) is Woken.DECIDED

    in_use(redis_server, test)


def test_a_decision_between_the_poll_and_the_wait_is_heard(redis_server: RedisServer) -> None:
    """Who is held before it polls misses nothing; asked again it is the same poll (A116)."""

    async def test(use: StoreInUse, polls: LongPolls) -> None:
        person, consents = await use.person(), use.store.consents
        consent_id = await person.ask()
        operation_id = consents.operation_id()
        with polls.hold(consent_id) as hold, polls.hold(consent_id) as witness:
            assert hold
            assert witness
            first = await consents.poll(consent_id, CLIENT, operation_id=operation_id, held=True)
            await person.answer(consent_id, Event.APPROVE)
            assert await witness.wait(LONG) is Woken.DECIDED
            assert await hold.wait(0) is Woken.DECIDED
            second = await consents.poll(consent_id, CLIENT, operation_id=operation_id, held=True)

        assert (first.outcome, second.outcome) == ("pending", "granted")
        assert 0 < first.left_ms <= 60_000

    in_use(redis_server, test)


def test_a_poll_nobody_decides_waits_for_as_long_as_it_is_told(redis_server: RedisServer) -> None:
    """And another's decision is not its own."""

    async def test(use: StoreInUse, polls: LongPolls) -> None:
        person = await use.person()
        own, other = await person.ask(), await person.ask()
        with polls.hold(own) as hold, polls.hold(other) as witness:
            assert hold
            assert witness
            await person.answer(other, Event.DENY)
            assert await witness.wait(LONG) is Woken.DECIDED
            assert await hold.wait(0) is Woken.ELAPSED

    in_use(redis_server, test)


def test_who_may_have_missed_a_decision_is_woken_to_ask_again(tmp_path: Path) -> None:
    """A lost subscription: nothing is held until there is another."""
    server = RedisServer(tmp_path).start()

    async def test(use: StoreInUse, polls: LongPolls) -> None:
        person = await use.person()
        consent_id = await person.ask()
        with polls.hold(consent_id) as hold:
            assert hold
            server.deafen()
            assert await hold.wait(LONG) is Woken.DEAF
            assert not holds(polls)
        await until(lambda: holds(polls))
        with polls.hold(consent_id) as hold:
            assert hold
            await person.answer(consent_id, Event.DENY)
            assert await hold.wait(LONG) is Woken.DECIDED

    try:
        in_use(server, test)
    finally:
        server.stop()


def test_who_does_not_listen_holds_nothing(redis_server: RedisServer) -> None:
    """Before it listens, and when it has stopped: its polls are answered as they come."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            polls = LongPolls(use.store.redis, 10)
            assert not holds(polls)
            listening_task = asyncio.create_task(polls.listen())
            await until(lambda: holds(polls))
            with polls.hold("some consent") as hold:
                assert hold
                waiting = asyncio.ensure_future(hold.wait(LONG))
                listening_task.cancel()
                assert await waiting is Woken.DEAF
            assert not holds(polls)

    run(test)


def test_a_process_that_stops_lets_go_and_holds_no_more(redis_server: RedisServer) -> None:
    """U7: and who was held before the end hears it even when it waits after."""

    async def test(_use: StoreInUse, polls: LongPolls) -> None:
        with polls.hold("one") as one, polls.hold("another") as another:
            assert one
            assert another
            waiting = asyncio.ensure_future(one.wait(LONG))
            polls.end()
            assert await waiting is Woken.ENDING
            assert await another.wait(LONG) is Woken.ENDING
        assert not holds(polls)

    in_use(redis_server, test)


@pytest.mark.parametrize("most", [1, 3])
def test_so_many_are_held_and_no_more(redis_server: RedisServer, most: int) -> None:
    """Decision 11: the next is answered as any other poll, until one has left."""

    async def test(_use: StoreInUse, polls: LongPolls) -> None:
        before = held_in_metrics()
        assert before is not None
        with ExitStack() as held:
            for number in range(most):
                assert held.enter_context(polls.hold(f"consent {number}"))
            assert not holds(polls)
            assert polls.count == most
            assert held_in_metrics() == before + most
        assert holds(polls)
        assert polls.count == 0
        assert held_in_metrics() == before

    in_use(redis_server, test, most)


def test_ten_thousand_held_polls_cost_redis_nothing(tmp_path: Path) -> None:
    """Decision 11: not when they begin, not while they wait, and not when they are let go."""
    server = RedisServer(tmp_path).start()

    async def commands(redis: Redis) -> dict[str, str]:
        """How often each command was called since the server began."""
        told = (await redis.command("INFO", "commandstats")).decode()
        lines = [line.split(":", 1) for line in told.splitlines() if line.startswith("cmdstat_")]
        return {name: text.split(",")[0] for name, text in lines if name not in OURS}

    async def test(use: StoreInUse, polls: LongPolls) -> None:
        person = await use.person()
        consent_id = await person.ask()
        before = await commands(use.store.redis)
        with ExitStack() as held:
            waits = []
            for number in range(MANY - 1):
                hold = held.enter_context(polls.hold(f"consent {number}"))
                assert hold
                waits.append(asyncio.ensure_future(hold.wait(LONG)))
            own = held.enter_context(polls.hold(consent_id))
            assert own
            assert await own.wait(0.05) is Woken.ELAPSED
            assert not holds(polls)
            assert await commands(use.store.redis) == before

            polls.end()
            assert {*await asyncio.gather(*waits)} == {Woken.ENDING}
        assert await commands(use.store.redis) == before

    try:
        in_use(server, test, most=MANY)
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("prefer", "registered", "seconds"),
    [
        ("wait=20", 0, 20),
        ("wait=0", 20, 0),
        ('wait="7"', 0, 7),
        ("respond-async, wait=7", 0, 7),
        ("wait=9999", 0, policy.LONG_POLL_SECONDS_MAX),
        ("wait=-1", 5, 5),
        ("wait=1.5", 5, 5),
        ("wait", 5, 5),
        ("await=7", 5, 5),
        ("wait=\u0667", 5, 5),
        ("", 5, 5),
        ("", 3_600, policy.LONG_POLL_SECONDS_MAX),
        ("x" * 250 + ";wait=20", 5, 5),
    ],
)
def test_a_client_says_for_how_long_or_is_held_as_registered(
    prefer: str, registered: int, seconds: int
) -> None:
    """RFC 7240 2 and 4.3: a preference that cannot be read is none."""
    assert preferred_seconds(prefer, registered) == seconds
