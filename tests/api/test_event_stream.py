"""Streams of what is pending: what wakes them, what they say, how many there may be."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api import event_stream
from api.event_stream import EventStream, EventStreams
from api.metrics import REGISTRY
from consent import policy
from consent.errors import TemporarilyUnavailable
from consent.event_stream import Look, PendingConsent, Told, told_before
from consent.lifecycle import Event
from consent.store.keys import Partition
from tests.support.event_streams import Heard, Listener
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import RedisServer
from tests.support.store import THUMBPRINT, Person, StoreInUse, opened, run
from tests.support.waiting import until

CUTS = 1_000
MANY = {"person_open_requests_max": 50, "person_requests_per_minute_max": 100_000}


def item(consent: PendingConsent) -> object:
    return {"txlnkid": consent.consent_id}


@asynccontextmanager
async def process(
    redis_url: str, most: int = 10, **limits: int
) -> AsyncIterator[tuple[StoreInUse, EventStreams]]:
    async with opened(redis_url, **limits) as use:
        streams = EventStreams(use.store.redis, most)
        task = asyncio.create_task(streams.listen())
        try:
            yield use, streams
        finally:
            task.cancel()
            await asyncio.wait([task])


async def begun(
    use: StoreInUse, streams: EventStreams, person: Person, told: Told = (), device: int = 0
) -> EventStream:
    async def look(told: Told) -> Look | str:
        return await use.store.pending.look(
            person_id=person.person_id,
            device_id=person.devices[device],
            thumbprint=THUMBPRINT,
            told=told,
        )

    stream = streams.open(person.person_id, person.devices[device])
    try:
        first = await look(told)
        assert isinstance(first, Look)
    except BaseException:
        stream.close()
        raise
    streams.admit(stream)
    stream.follow(first, look, item)
    return stream


class Connected(Listener):
    """A listener and the stream it listens to."""

    def __init__(self, stream: EventStream) -> None:
        super().__init__()
        self.stream = stream
        self.ended = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async with contextlib.aclosing(self.stream.octets()) as octets:  # type: ignore[type-var]
            async for piece in octets:
                self.feed(piece)
        self.stream.close()


@asynccontextmanager
async def listening(
    use: StoreInUse, streams: EventStreams, person: Person, told: Told = (), device: int = 0
) -> AsyncIterator[Connected]:
    connected = Connected(await begun(use, streams, person, told, device))
    try:
        yield connected
    finally:
        connected.stream.end()
        await connected.ended


Test = Callable[[StoreInUse, EventStreams, Person, Connected], Awaitable[None]]


def in_use(redis_url: str, test: Test, **limits: int) -> None:
    """With somebody who has two devices and listens with the first."""

    async def story() -> None:
        async with process(redis_url, **limits) as (use, streams):
            person = await use.person(devices=2)
            async with listening(use, streams, person) as device:
                await test(use, streams, person, device)

    run(story)


def held_in_metrics() -> float:
    return REGISTRY.get_sample_value("nod_event_streams_open") or 0


ENDINGS = {
    "approved": lambda person, it: person.answer(it, Event.APPROVE, device=1),
    "denied": lambda person, it: person.answer(it, Event.DENY, device=1),
    "cancelled": lambda person, it: person.store.consent_records.cancel(it, event=b"{}"),
}


@pytest.mark.parametrize("state", ENDINGS)
def test_what_is_asked_appears_and_what_is_answered_elsewhere_disappears(
    redis_server: RedisServer, state: str
) -> None:
    async def test(
        _use: StoreInUse, _streams: EventStreams, person: Person, device: Connected
    ) -> None:
        consent_id = await person.ask()
        await until(lambda: device.shown == {consent_id}, seconds=1)
        await ENDINGS[state](person, consent_id)
        await until(lambda: device.shown == set(), seconds=1)
        assert device.heard == [
            Heard("pending", consent_id),
            Heard("resolved", consent_id, state),
        ]
        assert device.retry_ms == policy.EVENT_STREAM_RETRY_MS

    in_use(redis_server.url, test)


def test_what_expires_is_said_by_the_clock_of_redis_and_not_before(
    redis_server: RedisServer,
) -> None:
    """Nobody says anything at that moment; the stream looks by itself."""

    async def test(
        use: StoreInUse, _streams: EventStreams, person: Person, device: Connected
    ) -> None:
        consent_id = await person.ask(life_seconds=1)
        later = await person.ask(life_seconds=60)
        await until(lambda: device.shown == {consent_id, later})
        read = await use.store.consent_records.read(consent_id)
        assert read is not None
        await until(lambda: device.shown == {later}, pause=0.001)
        seconds, micros = await use.store.redis.command("TIME")
        now_ms = int(seconds) * 1_000 + int(micros) // 1_000

        assert device.of(consent_id) == [Heard("pending", consent_id), Heard("expired", consent_id)]
        assert 0 <= now_ms - int(read[0]["expires_at"]) < 500

    in_use(redis_server.url, test)


def test_a_stream_says_what_was_asked_between_its_opening_and_the_subscription(
    redis_server: RedisServer,
) -> None:
    """Its first look was too early, its subscription too late: to be heard is a reason to look."""

    async def test() -> None:
        async with process(redis_server.url) as (use, streams):
            person = await use.person()
            stream = await begun(use, streams, person)
            consent_id = await person.ask()
            device = Connected(stream)
            await until(lambda: device.shown == {consent_id}, seconds=1)
            stream.end()
            await device.ended

    run(test)


def test_events_come_in_the_order_of_what_happened(redis_server: RedisServer) -> None:
    async def test(
        _use: StoreInUse, _streams: EventStreams, person: Person, device: Connected
    ) -> None:
        expected = []
        for number in range(20):
            consent_id = await person.ask()
            await until(lambda: consent_id in device.shown)  # noqa: B023 - awaited in its turn
            await person.answer(consent_id, [Event.DENY, Event.APPROVE][number % 2], device=1)
            state = ["denied", "approved"][number % 2]
            expected += [Heard("pending", consent_id), Heard("resolved", consent_id, state)]
        await until(lambda: not device.shown)
        assert device.heard == expected

    in_use(redis_server.url, test, **MANY)


async def remove_the_device(person: Person) -> None:
    await person.store.people.remove_device(person.person_id, person.devices[0])


async def remove_the_person(person: Person) -> None:
    await person.store.people.remove(person.person_id)


async def block_the_person(person: Person) -> None:
    people = person.store.people
    user = await people.read(person.person_id) or b""
    assert await people.change(person.person_id, read=user, user=user, blocked=True)


@pytest.mark.parametrize(
    "gone",
    [remove_the_device, remove_the_person, block_the_person],
    ids=lambda gone: gone.__name__,
)
def test_a_stream_ends_with_its_device_or_person(
    redis_server: RedisServer, gone: Callable[[Person], Awaitable[None]]
) -> None:
    """And says so, and nothing after it: what another device is asked is not its business."""

    async def test(
        _use: StoreInUse, _streams: EventStreams, person: Person, device: Connected
    ) -> None:
        await until(lambda: device.retry_ms > 0)
        await gone(person)
        async with asyncio.timeout(1):
            await device.ended
        assert device.heard == [Heard("gone")]

    in_use(redis_server.url, test)


def test_other_devices_of_a_person_go_on(redis_server: RedisServer) -> None:
    async def test(
        use: StoreInUse, streams: EventStreams, person: Person, device: Connected
    ) -> None:
        async with listening(use, streams, person, device=1) as other:
            await remove_the_device(person)
            await device.ended
            consent_id = await person.ask()
            await until(lambda: other.shown == {consent_id})

    in_use(redis_server.url, test)


def test_of_too_many_streams_of_a_device_the_oldest_gives_way(redis_server: RedisServer) -> None:
    """And comes again after a while only, or five pages would chase each other for ever."""

    async def test(
        use: StoreInUse, streams: EventStreams, person: Person, device: Connected
    ) -> None:
        async with contextlib.AsyncExitStack() as held:
            beside = [
                await held.enter_async_context(listening(use, streams, person))
                for _ in range(policy.EVENT_STREAMS_OF_A_DEVICE_MAX)
            ]
            other = await held.enter_async_context(listening(use, streams, person, device=1))
            await device.ended
            consent_id = await person.ask()
            await until(lambda: all(it.shown == {consent_id} for it in [*beside, other]))

        assert device.heard == []
        assert device.retry_ms == policy.EVENT_STREAM_GIVEN_WAY_RETRY_MS
        assert {it.retry_ms for it in beside} == {policy.EVENT_STREAM_RETRY_MS}

    in_use(redis_server.url, test)


def test_a_process_holds_so_many_streams_and_no_more(redis_server: RedisServer) -> None:
    async def test() -> None:
        before = held_in_metrics()
        async with process(redis_server.url, most=2) as (use, streams):
            person = await use.person()
            async with listening(use, streams, person), listening(use, streams, person):
                assert held_in_metrics() == before + 2
                with pytest.raises(TemporarilyUnavailable) as refused:
                    await begun(use, streams, person)
                assert ("Retry-After", "1") in refused.value.headers
            async with listening(use, streams, person) as device:
                consent_id = await person.ask()
                await until(lambda: device.shown == {consent_id})
            assert streams.count == 0
            assert held_in_metrics() == before

    run(test)


def test_a_process_that_stops_lets_go_and_holds_no_more(redis_server: RedisServer) -> None:
    """U7: the device goes on with the next process, from where it was."""

    async def test(
        use: StoreInUse, streams: EventStreams, person: Person, device: Connected
    ) -> None:
        consent_id = await person.ask()
        await until(lambda: device.shown == {consent_id})
        streams.end()
        await device.ended
        with pytest.raises(TemporarilyUnavailable):
            await begun(use, streams, person)
        assert device.heard == [Heard("pending", consent_id)]

    in_use(redis_server.url, test)


def test_a_quiet_stream_sends_a_comment_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And asks Redis nothing for it."""
    monkeypatch.setattr(policy, "EVENT_STREAM_COMMENT_SECONDS", 0.02)

    async def test(
        use: StoreInUse, _streams: EventStreams, _person: Person, device: Connected
    ) -> None:
        await until(lambda: device.comments > 0)
        before = await scripts_run(use)
        seen = device.comments
        await until(lambda: device.comments >= seen + 5)
        assert await scripts_run(use) == before
        assert device.heard == []

    server = RedisServer(tmp_path).start()
    try:
        in_use(server.url, test)
    finally:
        server.stop()


async def scripts_run(use: StoreInUse) -> str:
    told = (await use.store.redis.command("INFO", "commandstats")).decode()
    [line] = [line for line in told.splitlines() if line.startswith("cmdstat_evalsha:")]
    return str(line.split(",")[0])


def test_what_happens_while_the_subscription_is_cut_is_said_when_it_is_back(
    tmp_path: Path,
) -> None:
    """Again and again: a message that nobody heard is no loss."""
    server = RedisServer(tmp_path).start()

    async def test(
        _use: StoreInUse, _streams: EventStreams, person: Person, device: Connected
    ) -> None:
        for _ in range(2):
            server.deafen()
            consent_id = await person.ask()
            await until(lambda: device.shown == {consent_id}, pause=0.001)  # noqa: B023
            server.deafen()
            await person.answer(consent_id, Event.APPROVE, device=1)
            await until(lambda: device.shown == set(), pause=0.001)
        assert len(device.heard) == 4

    try:
        in_use(server.url, test)
    finally:
        server.stop()


def test_a_stream_outlives_a_redis_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hears what has changed as soon as there is a Redis again."""
    monkeypatch.setattr(event_stream, "_STORE_AWAY_SECONDS", 0.05)
    server = RedisServer(tmp_path).start()

    async def test(
        _use: StoreInUse, _streams: EventStreams, person: Person, device: Connected
    ) -> None:
        consent_id = await person.ask()
        await until(lambda: device.shown == {consent_id})
        server.kill()
        device.stream.wake()
        server.start()
        await person.answer(consent_id, Event.APPROVE, device=1)
        await until(lambda: device.shown == set())
        assert device.of(consent_id)[1:] == [Heard("resolved", consent_id, "approved")]

    try:
        in_use(server.url, test)
    finally:
        server.stop()


def test_a_message_the_bus_of_a_cluster_lost_is_made_good_in_time(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "EVENT_STREAM_LOOK_SECONDS_MAX", 0.05)

    async def test() -> None:
        async with opened(redis_server.url) as use:
            deaf = EventStreams(use.store.redis, 10)  # it never listens
            person = await use.person()
            async with listening(use, deaf, person) as device:
                consent_id = await person.ask()
                await until(lambda: device.shown == {consent_id})

    run(test)


def test_lost_replies_of_redis_change_nothing_of_what_is_said(redis_server: RedisServer) -> None:
    repeated: set[bytes] = set()

    def choose(_number: int, command: list[bytes]) -> Fault | None:
        text = b" ".join(command)
        if command[0] != b"EVALSHA" or text in repeated:
            return None
        repeated.add(text)
        return Fault.CUT_AFTER

    async def test(
        _use: StoreInUse, _streams: EventStreams, person: Person, device: Connected
    ) -> None:
        consent_id = await person.ask()
        await until(lambda: device.shown == {consent_id})
        await person.answer(consent_id, Event.DENY, device=1)
        await until(lambda: device.shown == set())
        assert len(device.heard) == 2

    with Proxy(redis_server.port) as proxy:
        proxy.choose = choose
        in_use(proxy.url, test)


async def heard_until_it_is_cut(
    listener: Listener, stream: EventStream, chance: random.Random
) -> None:
    """The octets of a stream up to any one of them; a piece of an event is none."""
    listener.connect()
    octets_left = int(chance.expovariate(1 / 400))
    try:
        async with contextlib.aclosing(stream.octets()) as pieces:  # type: ignore[type-var]
            async for octets in pieces:
                listener.feed(octets[:octets_left])
                octets_left -= len(octets)
                if octets_left < 0:
                    return
    finally:
        stream.close()


async def life_of_requests(
    person: Person, listener: Listener, truth: dict[str, str], chance: random.Random, count: int
) -> None:
    """So many are asked and end one way or another, seen or unseen by the device."""

    async def one(number: int) -> None:
        # That they were denied before is no reason here to be refused (T1).
        refusals = Partition.of(person.person_id).refusals(person.person_id)
        await person.store.redis.execute("DEL", refusals)
        expires = number % 10 == 0
        consent_id = await person.ask(life_seconds=1 if expires else 60)
        assert isinstance(consent_id, str)
        truth[consent_id] = "expired" if expires else chance.choice([*ENDINGS])
        if chance.random() < 0.8:
            await until(lambda: consent_id in listener.shown or bool(listener.of(consent_id)))
        if not expires:
            await ENDINGS[truth[consent_id]](person, consent_id)

    for begin in range(0, count, 10):
        await asyncio.gather(*[one(number) for number in range(begin, begin + 10)])


def test_a_stream_cut_a_thousand_times_loses_nothing_and_says_nothing_twice(
    tmp_path: Path,
) -> None:
    """Resumed by two processes in turn, whose subscriptions are cut as well."""
    chance, listener, truth, cuts = random.Random(5), Listener(), dict[str, str](), 0
    server = RedisServer(tmp_path).start()

    async def test() -> None:
        nonlocal cuts
        async with process(server.url, **MANY) as one, process(server.url, **MANY) as other:
            person = await one[0].person(devices=2)
            life = asyncio.create_task(life_of_requests(person, listener, truth, chance, 300))
            while cuts < CUTS or not life.done() or listener.shown:
                use, streams = chance.choice([one, other])
                told = told_before(listener.last_event_id, person.person_id)
                stream = await begun(use, streams, person, told)
                hearing = heard_until_it_is_cut(listener, stream, chance)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(chance.random() * 0.01):
                        await hearing
                cuts += 1
                if cuts % 200 == 0:
                    server.deafen()
            await life
            assert one[1].count == other[1].count == 0

    try:
        run(test)
    finally:
        server.stop()
    assert cuts >= CUTS
    assert len({*listener.heard}) == len(listener.heard)
    assert sum(it.name == "pending" for it in listener.heard) > len(truth) / 2
    for consent_id, state in truth.items():
        end = Heard("resolved", consent_id, state)
        if state == "expired":
            end = Heard("expired", consent_id)
        # Nothing, where nobody listened between its beginning and its end.
        assert listener.of(consent_id) in ([], [Heard("pending", consent_id), end])
