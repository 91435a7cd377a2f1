"""What is owed is found by the sweeper, whoever lost it, and whatever part of the store is away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

import pytest

from consent.lifecycle import Event
from consent.store.directory import Directory
from consent.store.keys import Partition
from consent.store.lane import StoreUnavailable
from consent.store.notifications import Due, Notifications
from tests.support.callbacks import ask, make_due
from tests.support.redis_server import RedisServer
from tests.support.store import StoreInUse, opened, run
from tests.support.waiting import until
from workers.sweeper import sweep_forever


class Recorder:
    """Stands where a notifier would."""

    def __init__(self) -> None:
        self.notified: list[str] = []

    async def notify(self, consent_ids: Iterable[str]) -> None:
        self.notified += consent_ids


class HalfAway(Notifications):
    """A store one of whose partitions is on a server that is away."""

    away = ""
    defect = False

    async def due(self, partition: Partition, most: int) -> Due:
        if self.defect:
            raise AssertionError("a defect")
        if partition is Partition.of(self.away):
            raise StoreUnavailable(detail="away")
        return await super().due(partition, most)


class Away(Directory):
    async def worker_alive(self, worker: str) -> None:  # noqa: ARG002
        raise StoreUnavailable(detail="away")


async def _make_due(use: StoreInUse, consent_id: str) -> None:
    await use.store.redis.execute("ZADD", Partition.of(consent_id).outbox, 0, consent_id)


@contextlib.asynccontextmanager
async def sweeping(
    use: StoreInUse,
    notifications: Notifications,
    directory: Directory,
    to: Recorder,
    *,
    calls_to: Recorder | None = None,
    notices_to: Recorder | None = None,
) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.ensure_future(
        sweep_forever(
            notifications=notifications,
            directory=directory,
            notifier=to,  # type: ignore[arg-type]  # all that is called is notify
            client_notifier=calls_to or Recorder(),  # type: ignore[arg-type]  # the same
            notice_giver=notices_to or Recorder(),  # type: ignore[arg-type]  # the same
            partition_count=use.settings.partitions,
            worker="sweeping",
        )
    )
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, AssertionError):
            await task


def test_what_is_overdue_is_found_and_a_sign_of_life_given(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person, recorder = await use.person(), Recorder()
            overdue, answered = await person.ask(), await person.ask()
            not_yet = await person.ask()
            for consent_id in (overdue, answered):
                await _make_due(use, consent_id)
            await person.answer(answered, Event.DENY)
            async with sweeping(use, use.store.notifications, use.store.directory, recorder):
                await until(lambda: overdue in recorder.notified)
            assert answered not in recorder.notified
            assert not_yet not in recorder.notified
            assert await use.store.directory.workers_alive(10_000) > 0

    run(test)


def test_a_call_that_is_owed_is_found_like_a_notification(redis_server: RedisServer) -> None:
    """Its job was lost, or the worker that had claimed it."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person, to, calls_to = await use.person(), Recorder(), Recorder()
            owed, not_yet = await ask(use, person, "ping"), await ask(use, person, "ping")
            for asked in (owed, not_yet):
                await person.answer(asked.consent_id, Event.DENY)
            await use.store.calls.claim(not_yet.consent_id)  # leased
            await make_due(use, owed.consent_id)
            async with sweeping(
                use, use.store.notifications, use.store.directory, to, calls_to=calls_to
            ):
                await until(lambda: owed.consent_id in calls_to.notified)
            assert not_yet.consent_id not in calls_to.notified
            assert owed.consent_id not in to.notified

    run(test)


def test_a_notice_that_is_owed_is_found_by_the_sweeper_alone(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person, to, notices_to = await use.person(devices=3), Recorder(), Recorder()
            _, leased, added = person.devices
            await use.store.notices.claim(leased)
            parts = use.store.notifications, use.store.directory
            async with sweeping(use, *parts, to, notices_to=notices_to):
                await until(lambda: added in notices_to.notified)
            assert leased not in notices_to.notified
            assert added not in to.notified

    run(test)


def test_a_partition_that_is_away_costs_the_others_nothing(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            recorder, notifications = Recorder(), HalfAway(use.store.redis)
            hit, spared = await use.person(), await use.person()
            while hit.person_id[:3] == spared.person_id[:3]:
                spared = await use.person()
            owed = [await hit.ask(), await spared.ask()]
            for consent_id in owed:
                await _make_due(use, consent_id)
            notifications.away = hit.person_id
            async with sweeping(use, notifications, Away(use.store.redis), recorder):
                await until(lambda: owed[1] in recorder.notified)
                assert owed[0] not in recorder.notified
                notifications.away = "fff"
                await until(lambda: owed[0] in recorder.notified)

    run(test)


def test_a_defect_ends_the_sweeping(redis_server: RedisServer) -> None:
    """A worker that cannot sweep must not look alive: its end is for the supervisor to see."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            notifications = HalfAway(use.store.redis)
            notifications.defect = True
            async with sweeping(use, notifications, use.store.directory, Recorder()) as task:
                with pytest.raises(AssertionError, match="a defect"):
                    await asyncio.wait_for(task, 10)

    run(test)
