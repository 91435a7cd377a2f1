"""One claim is one attempt: every device is rung, every outcome recorded, whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from consent import policy
from consent.lifecycle import Event
from consent.push import Address, AddressKind, Notification, Push
from consent.store.keys import Partition
from consent.store.lane import StoreUnavailable
from consent.store.notifications import Attempt, Claim, Notifications
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, Person, StoreInUse, opened, run
from workers import notifier as notifier_module
from workers.in_work import InWork
from workers.notifier import Notifier, provider_of
from workers.outcome import Delivered, Outcome, Rejected, RetryAfter, Unregistered


class Provider:
    """Answers each push as the test says, by its address."""

    def __init__(self, answer: Callable[[Push], Outcome]) -> None:
        self._answer = answer
        self.pushes: list[Push] = []
        self.rung: set[str] = set()  # devices

    async def send(self, push: Push) -> Outcome:
        assert isinstance(push.notification, Notification)
        assert push.notification.txlnkid == push.collapse_id
        self.pushes.append(push)
        self.rung.add(push.notification.dai)
        await asyncio.sleep(0)
        return self._answer(push)


def delivered(_push: Push) -> Outcome:
    return Delivered("1")


class Flaky(Notifications):
    """A store that is away for some calls."""

    claims_away = 0
    reports_away = 0

    async def claim(self, consent_id: str) -> Claim | None:
        if self.claims_away:
            self.claims_away -= 1
            raise StoreUnavailable(detail="away")
        return await super().claim(consent_id)

    async def report(self, claim: Claim, attempts: list[Attempt], retry_in_ms: int) -> str:
        if self.reports_away:
            self.reports_away -= 1
            raise StoreUnavailable(detail="away")
        return await super().report(claim, attempts, retry_in_ms)


async def _known(client_id: str) -> bool:
    return client_id == CLIENT


async def _unknown(_client_id: str) -> bool:
    return False


def notifier_of(
    use: StoreInUse,
    provider: Provider | None,
    notifications: Notifications | None = None,
    is_known: Callable[[str], Awaitable[bool]] = _known,
) -> Notifier:
    return Notifier(
        notifications=notifications or use.store.notifications,
        is_known=is_known,
        seal=use.store.seal,
        issuer="https://nod.example/",
        senders={"fcm": provider} if provider else {},
        jitter=lambda: 0.5,
    )


async def notify(notifier: Notifier, *consent_ids: str) -> None:
    await notifier.notify(consent_ids)
    await notifier.settle()


async def outcomes(use: StoreInUse, consent_id: str) -> list[str]:
    read = await use.store.consent_records.read(consent_id)
    assert read is not None
    return [fact.decode().partition('"outcome":"')[2].partition('"')[0] for fact in read[1]]


async def state(use: StoreInUse, consent_id: str) -> str:
    read = await use.store.consent_records.read(consent_id)
    assert read is not None
    return read[0]["state"].decode()


def test_every_device_is_rung_once_however_often_it_is_asked(redis_server: RedisServer) -> None:
    """F21: RQ may run a job twice, and so may a sweeper; the claim decides."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=3)
            consent_id = await person.ask()
            provider = Provider(delivered)
            notifier = notifier_of(use, provider)
            await notify(notifier, *[consent_id] * 5)
            await notify(notifier, consent_id)
            assert len(provider.pushes) == 3
            assert provider.rung == set(person.devices)
            for push in provider.pushes:
                assert push.collapse_id == consent_id
                assert 55 <= push.lifetime_seconds <= 60
            assert await outcomes(use, consent_id) == ["delivered"] * 3

    run(test)


def test_nobody_is_rung_for_a_client_that_has_left(redis_server: RedisServer) -> None:
    """T39: and with nobody told, the request ends at once."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            provider = Provider(delivered)
            await notify(notifier_of(use, provider, is_known=_unknown), consent_id)

            assert provider.pushes == []
            assert await state(use, consent_id) == "unreachable"

    run(test)


def test_nobody_is_rung_for_what_is_over(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person, provider = await use.person(), Provider(delivered)
            consent_id = await person.ask()
            await person.answer(consent_id, Event.DENY)
            await notify(notifier_of(use, provider), consent_id, "000no-such-consent")
            assert provider.pushes == []

    run(test)


def test_a_dead_address_retires_unless_the_notice_is_older(redis_server: RedisServer) -> None:
    """T37: the phone registered again after its old token had died."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            for since_ms, expected, why in ((None, "unregistered", "unreachable"),
                                            (2, "unregistered", "unreachable"),
                                            (0, "retry", "pending")):  # fmt: skip
                person = await use.person()  # registered at 1 ms
                consent_id = await person.ask()
                provider = Provider(lambda _push, since_ms=since_ms: Unregistered(since_ms))  # type: ignore[misc]
                await notify(notifier_of(use, provider), consent_id)
                assert await outcomes(use, consent_id) == [expected]
                assert await state(use, consent_id) == why

    run(test)


def test_a_provider_that_is_not_configured_leaves_the_request_open(
    redis_server: RedisServer,
) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            consent_id = await (await use.person()).ask()
            await notify(notifier_of(use, None), consent_id)
            assert await outcomes(use, consent_id) == ["no_provider"]
            assert await state(use, consent_id) == "pending"

    run(test)


def test_a_defect_costs_one_device_its_push_and_nobody_a_second(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unreported, the other device would be rung again each time the lease runs out (I9)."""
    monkeypatch.setattr(policy, "LEASE_MS", 1)

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            await person.enroll("defect")

            def answer(push: Push) -> Outcome:
                if push.address.value == "defect":
                    raise KeyError("a defect")
                return Delivered("1")

            consent_id, provider = await person.ask(), Provider(answer)
            notifier = notifier_of(use, provider)
            await notify(notifier, consent_id)
            await asyncio.sleep(0.01)
            await notify(notifier, consent_id)
            assert len(provider.pushes) == 2
            assert sorted(await outcomes(use, consent_id)) == ["delivered", "rejected"]

    run(test)


def test_what_cannot_be_claimed_now_stays_owed(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            notifications = Flaky(use.store.redis)
            notifications.claims_away = 1
            consent_id, provider = await (await use.person()).ask(), Provider(delivered)
            notifier = notifier_of(use, provider, notifications)
            await notify(notifier, consent_id)
            assert provider.pushes == []
            await notify(notifier, consent_id)
            assert len(provider.pushes) == 1

    run(test)


def test_a_report_is_made_when_the_store_is_back(redis_server: RedisServer) -> None:
    """Within the lease: the push is not repeated."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            notifications = Flaky(use.store.redis)
            notifications.reports_away = 2
            consent_id, provider = await (await use.person()).ask(), Provider(delivered)
            await notify(notifier_of(use, provider, notifications), consent_id)
            assert await outcomes(use, consent_id) == ["delivered"]
            assert len(provider.pushes) == 1

    run(test)


@pytest.mark.parametrize(
    ("attempt", "advised", "expected_ms"),
    [
        (1, None, 2_000),
        (2, None, 4_000),
        (6, None, 75_000),
        (7, None, 75_000),
        (8, None, 150_000),
        (9_999, None, 3_600_000),
        (1, 30.0, 30_000),
        (3, 1.0, 9_000),
    ],
)
def test_a_retry_waits_our_schedule_or_the_advice_whichever_is_longer(
    redis_server: RedisServer, attempt: int, advised: float | None, expected_ms: int
) -> None:
    waits: list[int] = []

    class Recording(Notifications):
        async def claim(self, consent_id: str) -> Claim | None:
            claim = await super().claim(consent_id)
            assert claim is not None
            return claim._replace(attempt=attempt)

        async def report(self, claim: Claim, attempts: list[Attempt], retry_in_ms: int) -> str:  # noqa: ARG002
            waits.append(retry_in_ms)
            return "retrying"

    async def test() -> None:
        async with opened(redis_server.url) as use:
            consent_id = await (await use.person()).ask()
            provider = Provider(lambda _push: RetryAfter(advised, "busy"))
            recording = Recording(use.store.redis)
            await notify(notifier_of(use, provider, recording), consent_id)

    run(test)
    assert waits == [expected_ms]


def test_no_more_is_begun_than_there_is_room_for(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow provider holds back what is begun, not what has been begun already."""
    monkeypatch.setattr(notifier_module, "InWork", lambda: InWork(2))

    class Slow:
        def __init__(self) -> None:
            self.now = 0
            self.most = 0

        async def send(self, push: Push) -> Outcome:  # noqa: ARG002
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.02)
            self.now -= 1
            return Rejected("no")

    async def test() -> None:
        async with opened(redis_server.url) as use:
            people: list[Person] = [await use.person() for _ in range(6)]
            slow = Slow()
            notifier = notifier_of(use, slow)  # type: ignore[arg-type]
            await notify(notifier, *[await person.ask() for person in people])
            assert slow.most == 2

    run(test)


def test_a_device_that_must_wait_does_not_keep_the_others_waiting(
    redis_server: RedisServer,
) -> None:
    """One address is told to come back in an hour, the other fails for now: that one is owed."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=0)
            waiting, failing = await person.enroll("waiting"), await person.enroll("failing")
            consent_id = await person.ask()
            advice = {"waiting": RetryAfter(3_600, "busy"), "failing": RetryAfter(None, "busy")}
            provider = Provider(lambda push: advice[push.address.value])
            await notify(notifier_of(use, provider), consent_id)
            assert provider.rung == {waiting, failing}
            owed = await use.store.redis.execute(
                "ZSCORE", Partition.of(consent_id).outbox, consent_id
            )
            assert owed is not None
            read = await use.store.consent_records.read(consent_id)
            assert read is not None
            in_ms = float(owed) - int(read[0]["created_at"])
            assert in_ms < 10_000

    run(test)


@pytest.mark.parametrize(
    ("kind", "provider"),
    [
        ("apns", "apns"),
        ("fcm_token", "fcm"),
        ("fcm_fid", "fcm"),
        ("webpush", "webpush"),
        ("pull", "pull"),
        ("email", "email"),
    ],
)
def test_a_kind_of_address_is_rung_by_its_provider(kind: AddressKind, provider: str) -> None:
    """What pulls has none, whatever is configured."""
    assert provider_of(Address(kind, "", 0)) == provider
