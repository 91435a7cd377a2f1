"""Every other device of a person is told that one was added, and their mailbox (T35)."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable

import pytest

from consent import policy
from consent.identifiers import person_id_of
from consent.push import Notice, Push
from consent.store.keys import Partition
from consent.store.lane import StoreUnavailable
from consent.store.notices import NoticeClaim, Notices
from consent.store.notifications import Attempt
from tests.support.redis_server import RedisServer
from tests.support.store import Person, StoreInUse, opened, run
from workers import reporting
from workers.notices import NoticeGiver
from workers.outcome import Delivered, Outcome, Rejected, RetryAfter

WORDS = Notice(
    "A device was added",
    "A new device can now answer requests for your account at Example Bank."
    " If this was not you, tell your administrator.",
)


class Provider:
    """Answers each push as the test says."""

    def __init__(self, answer: Callable[[Push], Outcome] = lambda _: Delivered("1")) -> None:
        self._answer = answer
        self.pushes: list[Push] = []

    async def send(self, push: Push) -> Outcome:
        self.pushes.append(push)
        await asyncio.sleep(0)
        return self._answer(push)

    @property
    def rung(self) -> list[str]:
        return [push.address.value for push in self.pushes]


class Flaky(Notices):
    """A store that is away for some calls."""

    claims_away = 0
    reports_away = 0

    async def claim(self, device_id: str) -> NoticeClaim | None:
        if self.claims_away:
            self.claims_away -= 1
            raise StoreUnavailable(detail="away")
        return await super().claim(device_id)

    async def report(self, claim: NoticeClaim, attempts: list[Attempt], retry_in_ms: int) -> str:
        if self.reports_away:
            self.reports_away -= 1
            raise StoreUnavailable(detail="away")
        return await super().report(claim, attempts, retry_in_ms)


async def _name() -> str:
    return "Example Bank"


def giver_of(use: StoreInUse, notices: Notices | None = None, **senders: Provider) -> NoticeGiver:
    return NoticeGiver(
        notices=notices or use.store.notices,
        friendly_name=_name,
        senders={**senders},
        jitter=lambda: 0.5,
    )


async def give(giver: NoticeGiver, *device_ids: str) -> None:
    await giver.notify(device_ids)
    await giver.settle()


async def due_in_ms(use: StoreInUse, device_id: str) -> float | None:
    key = Partition.of(device_id[4:]).notices
    due = await use.store.redis.execute("ZSCORE", key, device_id)
    return float(due) - time.time() * 1_000 if due else None


async def make_due(use: StoreInUse, device_id: str) -> None:
    await use.store.redis.execute("ZADD", Partition.of(device_id[4:]).notices, 1, device_id)


async def mailed(use: StoreInUse) -> Person:
    """Somebody whose e-mail address is known to be theirs, with two devices."""
    user_id = f"auth0|{secrets.token_hex(8)}"
    person = Person(use.store, user_id, person_id_of(user_id, use.settings.partitions))
    user = {"user_id": user_id, "email": "me@example.com", "email_verified": True}
    assert await use.store.people.create(person.person_id, json.dumps(user).encode())
    for name in ("old", "new"):
        await person.enroll(f"{name}-{user_id[6:]}")
    return person


def test_each_other_device_is_told_once_in_words(redis_server: RedisServer) -> None:
    """And by two workers, each of which sweeps: the claim decides."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person, provider = await use.person(devices=0), Provider()
            tokens = [secrets.token_hex(8) for _ in range(3)]
            for token in tokens:
                await person.enroll(token)
            added = person.devices[2]
            await asyncio.gather(*[give(giver_of(use, fcm=provider), added, added) for _ in "ab"])

            assert sorted(provider.rung) == sorted(tokens[:2])
            for push in provider.pushes:
                assert push.notification == WORDS
                assert push.collapse_id == added
                assert 86_390 <= push.lifetime_seconds <= 86_400
            assert await due_in_ms(use, added) is None

    run(test)


@pytest.mark.parametrize("can_mail", [True, False])
def test_their_mailbox_is_told_where_there_is_mail(
    redis_server: RedisServer, *, can_mail: bool
) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person, phones, mail = await mailed(use), Provider(), Provider()
            senders = {"fcm": phones} | ({"email": mail} if can_mail else {})
            await give(giver_of(use, None, **senders), person.devices[1])

            assert len(phones.pushes) == 1
            assert mail.rung == (["me@example.com"] if can_mail else [])
            assert await due_in_ms(use, person.devices[1]) is None

    run(test)


def test_who_could_not_be_told_yet_is_told_later(redis_server: RedisServer) -> None:
    """Who was told is not told again meanwhile; a defect costs one its notice, and no other."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await mailed(use)
            outcomes: list[Outcome] = [RetryAfter(7.0, "HTTP_503"), Delivered("1")]
            phones, mail = Provider(lambda _: outcomes.pop(0)), Provider(_a_defect)
            added, giver = person.devices[1], giver_of(use, fcm=phones, email=mail)
            await give(giver, added)
            due = await due_in_ms(use, added)
            assert due is not None
            assert 6_000 < due <= 7_000

            await give(giver, added)  # it is not due
            await make_due(use, added)
            await give(giver, added)
            assert (len(phones.pushes), len(mail.pushes)) == (2, 1)
            assert await due_in_ms(use, added) is None

    run(test)


def _a_defect(_push: Push) -> Outcome:
    raise AssertionError("a defect")


def test_a_provider_that_refuses_for_good_is_not_asked_again(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=2)
            provider = Provider(lambda _: Rejected("INVALID_ARGUMENT"))
            await give(giver_of(use, fcm=provider), person.devices[1])
            assert await due_in_ms(use, person.devices[1]) is None

    run(test)


def test_a_worker_that_dies_before_its_report_has_it_given_again(redis_server: RedisServer) -> None:
    """F3: at least once; the collapse id makes the second one take the place of the first."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person, provider = await use.person(devices=2), Provider()
            added = person.devices[1]
            flaky = Flaky(use.store.redis)
            flaky.reports_away = 1_000
            dying = asyncio.ensure_future(give(giver_of(use, flaky, fcm=provider), added))
            while not provider.pushes:  # noqa: ASYNC110 - another task appends to it
                await asyncio.sleep(0.001)
            dying.cancel()
            due = await due_in_ms(use, added)
            assert due is not None
            assert 0 < due <= policy.LEASE_MS

            await make_due(use, added)
            await give(giver_of(use, fcm=provider), added)
            first, second = provider.pushes
            assert first.collapse_id == second.collapse_id
            assert await due_in_ms(use, added) is None

    run(test)


def test_a_store_that_is_away_costs_no_notice_and_repeats_none(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "FIRST_PAUSE_SECONDS", 0.001)

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person, provider = await use.person(devices=2), Provider()
            added, flaky = person.devices[1], Flaky(use.store.redis)
            flaky.claims_away, flaky.reports_away = 1, 2
            giver = giver_of(use, flaky, fcm=provider)
            await give(giver, added)
            assert provider.pushes == []

            await give(giver, added)
            await give(giver, added)
            assert len(provider.pushes) == 1
            assert await due_in_ms(use, added) is None

    run(test)
