"""What happens is in the log, once, each record after the one before."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import redis as redis_py

from consent.audit import chain
from consent.audit.chain import ANCHOR, GENESIS, Head
from consent.audit.event import Act
from consent.client import Client
from consent.lifecycle import Event
from consent.store import keys
from consent.store.audit import Audit, LogState, Unmoved
from consent.store.keys import Partition
from consent.store.lane import StoreUnavailable
from tests.support.audited import ISSUER, Audited, audited
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, opened
from tests.support.waiting import until
from workers import appender as module
from workers.appender import Appender, LogRefusedError, append_forever

Story = Callable[[Audited], Awaitable[None]]
Told = Callable[[Story], None]


@pytest.fixture
def told(redis_server: RedisServer) -> Told:
    url = redis_server.database(9)
    with redis_py.Redis.from_url(url) as client:
        client.flushdb()

    async def run(story: Story) -> None:
        async with audited(url) as use:
            await story(use)

    return lambda story: asyncio.run(run(story))


def test_events_of_every_slot_become_records(told: Told) -> None:
    async def story(use: Audited) -> None:
        request = {
            "client_id": "c1",
            "client_name": "Shop",
            "user_id": "auth0|u1",
            "scope": ["openid"],
            "audience": "api",
            "binding_message": "Pay 4711",
        }
        p = Partition("001")
        await use.redis.execute("SET", p.story("001c"), msgspec.json.encode(request) + b"\n7 {}")
        await use.redis.execute("HSET", p.person("001p"), "user", '{"user_id":"auth0|u2"}')
        await use.add(p.events, "ciba_start_succeeded", consent="001c", client="c1", person="001p")
        await use.add(p.events, "gd_enrollment_complete", person="001p", device="dev_1")
        await use.write_client(Client(client_id="admin", name="Portal", secret_digest=""))
        act = Act("Create a client", "admin", "192.0.2.1", "portal/1").event(client_id="c2")
        await use.add(keys.EVENTS, "sapi", e=act)

        assert await use.appender().move() is False

        by_type = {
            it["type"]: it for it in await use.records() if "client_name" in it or "user_id" in it
        }
        start, enrolled = by_type["ciba_start_succeeded"], by_type["gd_enrollment_complete"]
        change = by_type["sapi"]
        assert (start["user_id"], start["client_name"]) == ("auth0|u1", "Shop")
        assert enrolled["user_id"] == "auth0|u2"
        assert (change["client_name"], change["ip"]) == ("Portal", "192.0.2.1")
        assert "4711" not in str(start)
        assert ISSUER in start["details"]["body"]["login_hint"]
        await use.check_whole(4)
        assert await use.audit.backlog() == 0

    told(story)


def test_nothing_to_move_moves_nothing(told: Told) -> None:
    async def story(use: Audited) -> None:
        assert await use.appender().move() is False
        assert (await use.audit.state()).end == GENESIS

    told(story)


def test_a_backlog_is_moved_in_batches(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_RECORDS", 7)

    async def story(use: Audited) -> None:
        await use.add_many(60)
        await use.appender().move()
        await use.check_whole(60)

    told(story)


def test_two_at_once_move_every_event_once(told: Told) -> None:
    async def story(use: Audited) -> None:
        names: set[str] = set()
        for _ in range(5):
            names |= await use.add_many(20)
            await asyncio.gather(*[use.appender().move() for _ in range(4)])
        while await use.audit.backlog():
            await use.appender().move()
        await use.check_each_once(names)

    told(story)


@pytest.mark.parametrize(("count", "has_more"), [(9, False), (5, True)])
def test_one_that_is_late_adds_nothing(told: Told, count: int, has_more: bool) -> None:
    """
    It has read the state and the events; meanwhile another has moved them. The same events in
    the same place are the same records: then it is as if it had added them itself.
    """

    async def story(use: Audited) -> None:
        names = await use.add_many(9)
        past, unmoved = [await use.audit.state()], await use.audit.unmoved({})

        class Past(Audit):
            async def state(self) -> LogState:
                return past.pop() if past else await super().state()

            async def unmoved(self, moved: Any) -> Unmoved:  # noqa: ANN401, ARG002
                return unmoved._replace(events=unmoved.events[:count])

        late = use.appender(Past(use.redis, use.partitions))
        await use.appender().move()

        assert await late.move() is has_more
        await use.check_each_once(names)

    told(story)


@pytest.mark.parametrize("field", ["number", "hash", "mac"])
def test_an_end_that_was_forged_is_not_built_upon(told: Told, field: str) -> None:
    """Or the next record would make the forgery genuine; what happens waits in its stream."""

    async def story(use: Audited) -> None:
        await use.add_many(3)
        await use.appender().move()
        forged = "2" if field == "number" else "x" * 43
        await use.redis.execute("HSET", keys.LOG_STATE, field, forged)
        await use.add_many(2)

        with pytest.raises(LogRefusedError, match="not sealed"):
            await use.appender().move()
        assert await use.audit.backlog() == 2
        assert await use.audit.last_number() == 3

    told(story)


def test_a_record_forged_after_the_end_stops_the_log(told: Told) -> None:
    async def story(use: Audited) -> None:
        await use.add_many(1)
        await use.redis.execute("XADD", keys.LOG_RECORDS, "3-0", "r", "{}")
        with pytest.raises(LogRefusedError, match="after its end"):
            await use.appender().move()
        assert await use.audit.backlog() == 1

    told(story)


def test_a_log_that_is_gone_does_not_begin_again(told: Told) -> None:
    """Or it would be whole the next moment, and nobody the wiser."""

    async def story(use: Audited) -> None:
        await use.add_many(2)
        await use.appender().move()
        for key in (keys.LOG_RECORDS, keys.LOG_STATE):
            await use.redis.execute("DEL", key)
        await use.add_many(1)
        with pytest.raises(LogRefusedError, match="gone"):
            await use.appender().move()
        assert await use.audit.backlog() == 1

    told(story)


def test_that_a_log_has_begun_is_said_by_the_next_worker_if_not_by_the_first(told: Told) -> None:
    async def story(use: Audited) -> None:
        class Ended(Audit):
            async def begin(self) -> None:
                raise StoreUnavailable

        await use.add_many(1)
        with pytest.raises(StoreUnavailable):
            await use.appender(Ended(use.redis, use.partitions)).move()
        await use.redis.execute("RENAME", keys.LOG_STATE, "nod:{log}:kept")
        assert not await use.audit.is_gone()
        await use.redis.execute("RENAME", "nod:{log}:kept", keys.LOG_STATE)
        await use.appender().take_over()
        await use.redis.execute("DEL", keys.LOG_STATE)
        assert await use.audit.is_gone()

    told(story)


def test_what_an_ended_worker_left_behind_is_removed_and_not_moved_again(told: Told) -> None:
    async def story(use: Audited) -> None:
        names = await use.add_many(4)

        class Ended(Audit):
            async def remove_moved(self, moved: Any) -> None:  # noqa: ANN401, ARG002
                raise StoreUnavailable

        ended = use.appender(Ended(use.redis, use.partitions))
        with pytest.raises(StoreUnavailable):
            await ended.move()
        assert await use.audit.backlog() == 4

        following = use.appender()
        await following.take_over()
        assert await use.audit.backlog() == 0
        await following.move()
        await use.check_each_once(names)

    told(story)


def test_a_source_that_is_away_holds_up_nobody_else(told: Told) -> None:
    async def story(use: Audited) -> None:
        class HalfAway(Audit):
            async def _unmoved_of(self, source: str, after: tuple[int, int]) -> Any:  # noqa: ANN401
                if source == keys.EVENTS:
                    raise StoreUnavailable
                return await super()._unmoved_of(source, after)

        await use.add(keys.EVENTS, "sapi", client="away")
        await use.add(Partition("001").events, "srrt", client="there")
        await use.appender(HalfAway(use.redis, use.partitions)).move()
        assert [it["client_id"] for it in await use.records()] == ["there"]
        await use.appender().move()
        assert [it["client_id"] for it in await use.records()] == ["there", "away"]

    told(story)


def test_retention_cuts_what_is_old_and_the_rest_still_verifies(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CUT_AT_ONCE", 2)

    async def story(use: Audited) -> None:
        await use.add_many(7)
        await use.appender().move()
        await asyncio.sleep(0.005)
        boundary = await use.audit.now_ms()
        await use.add_many(3)
        await use.appender().move()

        class Later(Audit):
            async def now_ms(self) -> int:
                return boundary + 86_400_000

        appender = use.appender(Later(use.redis, use.partitions))
        await appender.cut(2)
        assert (await use.audit.state()).anchor == GENESIS
        for _ in range(2):
            await appender.cut(1)

        state = await use.audit.state()
        assert state.anchor.number == 7
        assert chain.is_sealed(use.audit_key, ANCHOR, state.anchor, state.anchor_mac)
        await use.check_whole(3)
        await use.add_many(1)
        await use.appender().move()
        await use.check_whole(4)

    told(story)


def test_retention_does_not_cut_over_a_record_that_was_changed(told: Told) -> None:
    async def story(use: Audited) -> None:
        await use.add_many(2)
        await use.appender().move()
        await use.redis.execute("DEL", keys.LOG_RECORDS)
        for entry_id in ("1-0", "2-0"):
            await use.redis.execute("XADD", keys.LOG_RECORDS, entry_id, "at", 1, "r", "forged")
        with pytest.raises(LogRefusedError, match="record 1"):
            await use.appender().cut(-1)

    told(story)


def test_retention_believes_the_chain_and_not_what_stands_beside_it(told: Told) -> None:
    """Or records that were made to look old would go, and the rest would still be whole."""

    async def story(use: Audited) -> None:
        await use.add_many(3)
        await use.appender().move()
        stored = await use.audit.records(1, 3)
        await use.redis.execute("DEL", keys.LOG_RECORDS)
        for number, record in enumerate(stored, 1):
            await use.redis.execute("XADD", keys.LOG_RECORDS, f"{number}-0", "at", 1, "r", record)
        await use.appender().cut(1)
        assert (await use.audit.state()).anchor == GENESIS
        await use.check_whole(3)

    told(story)


def test_a_full_redis_is_waited_for_and_is_nobodys_forgery(told: Told) -> None:
    async def story(use: Audited) -> None:
        names = await use.add_many(3)
        await use.redis.command("CONFIG", "SET", "maxmemory", 1)
        try:
            with pytest.raises(StoreUnavailable):
                await use.appender().move()
        finally:
            await use.redis.command("CONFIG", "SET", "maxmemory", 0)
        await use.appender().move()
        await use.check_each_once(names)

    told(story)


@asynccontextmanager
async def appending(use: Audited, worker: str, audit: Audit | None = None) -> AsyncIterator[None]:
    task = asyncio.create_task(
        append_forever(
            audit=audit or use.audit,
            directory=use.directory,
            audit_key=use.audit_key,
            issuer=ISSUER,
            retention_days=30,
            worker=worker,
        )
    )
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_a_worker_takes_over_where_another_has_ended(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PERIOD_SECONDS", 0.01)

    async def story(use: Audited) -> None:
        async def is_moved() -> bool:
            return await use.audit.backlog() == 0

        names = await use.add_many(5)
        async with appending(use, "one"):
            await until(is_moved)
            async with appending(use, "two"):
                names |= await use.add_many(5)
                await until(is_moved)
        holder = await use.redis.execute("GET", keys.LOG_APPENDER)
        assert holder == b"one"
        names |= await use.add_many(5)
        await use.redis.execute("DEL", keys.LOG_APPENDER)  # its lease has run out
        async with appending(use, "two"):
            await until(is_moved)
        await use.check_each_once(names)

    told(story)


def test_what_is_away_or_forged_is_waited_for(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PERIOD_SECONDS", 0.01)
    monkeypatch.setattr(module, "_REFUSED_SECONDS", 0.01)

    async def story(use: Audited) -> None:
        class Troubled(Audit):
            states = 0

            async def state(self) -> LogState:
                self.states += 1
                if self.states == 2:
                    raise StoreUnavailable
                state = await super().state()
                return state._replace(end=Head(1, "forged")) if self.states == 3 else state

        names = await use.add_many(2)
        troubled = Troubled(use.redis, use.partitions)
        async with appending(use, "one", troubled):

            async def is_moved() -> bool:
                return await use.audit.backlog() == 0

            await until(is_moved)
        assert troubled.states >= 4
        await use.check_each_once(names)

    told(story)


def test_a_request_is_followed_from_the_question_to_the_tokens(redis_server: RedisServer) -> None:
    """What the scripts of the store write is what this reads."""
    url = redis_server.database(9)
    with redis_py.Redis.from_url(url) as client:
        client.flushdb()

    async def story() -> None:
        async with opened(url) as use:
            person = await use.person()
            consent_id = await person.ask()
            await person.answer(consent_id, Event.APPROVE)
            assert (await use.store.consents.poll(consent_id, CLIENT)).outcome == "granted"
            audit = Audit(use.store.redis, use.settings.partitions)
            appender = Appender(audit, use.store.directory, use.store.seal.audit_key, ISSUER)
            await appender.move()

            records = [msgspec.json.decode(it) for it in await audit.records(1, 100)]

        assert [it["type"] for it in records] == [
            "sapi",
            "gd_ticket_creation",
            "gd_enrollment_complete",
            "ciba_start_succeeded",
            "gd_auth_succeed",
            "ciba_exchange_succeeded",
        ]
        assert {it["user_id"] for it in records} == {person.user_id}
        asked = records[3:]
        assert {it["client_id"] for it in asked} == {CLIENT}
        assert {it["details"]["consent_id"] for it in asked} == {consent_id}
        assert records[4]["details"]["device_id"] == person.devices[0]

    asyncio.run(story())
