"""Channels in turn: who is claimed, when the next one is used, and when nobody is left (W 1.5)."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consent import policy
from consent.push import AddressKind
from consent.store.consents import Refused, Terms
from consent.store.keys import Partition
from consent.store.notifications import Attempt, Claim
from tests.support.redis_server import RedisServer
from tests.support.store import THUMBPRINT, Person, StoreInUse, opened, run

ADDRESS = b'0 ["email","aiko@example.com"]'
BOTH = Terms(channels=("push", "email"))


@asynccontextmanager
async def a_person(
    url: str, devices: int = 1, *, verified: bool = True
) -> AsyncIterator[tuple[StoreInUse, Person]]:
    async with opened(url) as use:
        person = await use.person(devices)
        user = {"user_id": person.user_id, "email": "aiko@example.com", "email_verified": verified}
        read = await use.store.people.read(person.person_id)
        assert read is not None
        assert await use.store.people.change(
            person.person_id, read=read, user=json.dumps(user).encode()
        )
        yield use, person


async def claimed(use: StoreInUse, consent_id: str) -> Claim:
    claim = await use.store.notifications.claim(consent_id)
    assert claim is not None
    return claim


async def reported(use: StoreInUse, claim: Claim, outcome: str) -> str:
    attempts = [
        Attempt(device, outcome, address, "fcm", b"{}") for device, address in claim.addresses
    ]
    return await use.store.notifications.report(claim, attempts, 2_000)


async def later(use: StoreInUse, consent_id: str) -> None:
    """The time of the next channel has come."""
    p = Partition.of(consent_id)
    await use.store.redis.execute("HSET", p.consent(consent_id), "widens_at", 1)
    await use.store.redis.execute("ZADD", p.outbox, 1, consent_id)


async def due_in_ms(use: StoreInUse, consent_id: str) -> float | None:
    due = await use.store.redis.execute("ZSCORE", Partition.of(consent_id).outbox, consent_id)
    seconds, microseconds = await use.store.redis.command("TIME")
    return None if due is None else float(due) - int(seconds) * 1_000 - int(microseconds) / 1_000


def test_the_second_channel_is_used_when_nobody_has_looked(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with a_person(redis_server.url) as (use, person):
            consent_id = await person.ask(terms=BOTH)
            first = await claimed(use, consent_id)
            assert [device for device, _ in first.addresses] == person.devices
            assert await reported(use, first, "delivered") == "widening"
            wait_ms = await due_in_ms(use, consent_id)
            assert wait_ms is not None
            assert policy.FALLBACK_AFTER_MS - 2_000 < wait_ms <= policy.FALLBACK_AFTER_MS
            assert await use.store.notifications.claim(consent_id) is None

            await later(use, consent_id)
            second = await claimed(use, consent_id)
            assert second.addresses == [("email", ADDRESS)]
            assert await reported(use, second, "delivered") == "told"
            assert await due_in_ms(use, consent_id) is None

    run(test)


def test_who_has_looked_is_not_told_again(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with a_person(redis_server.url) as (use, person):
            consent_id = await person.ask(terms=BOTH)
            await reported(use, await claimed(use, consent_id), "delivered")
            question = await use.store.consents.fetch(
                consent_id=consent_id,
                person_id=person.person_id,
                device_id=person.devices[0],
                thumbprint=THUMBPRINT,
                proof=consent_id,
            )
            assert question.outcome == "question"
            await later(use, consent_id)
            claim = await claimed(use, consent_id)

            assert claim.addresses == []
            assert await reported(use, claim, "delivered") == "told"

    run(test)


def test_a_channel_that_was_of_no_use_from_the_start_is_not_waited_for(
    redis_server: RedisServer,
) -> None:
    async def test() -> None:
        async with a_person(redis_server.url, verified=False) as (use, person):
            claim = await claimed(use, await person.ask(terms=BOTH))
            assert await reported(use, claim, "delivered") == "told"

    run(test)


def test_the_page_of_a_mailbox_can_do_all_that_is_asked_of_a_device(
    redis_server: RedisServer,
) -> None:
    async def test() -> None:
        async with a_person(redis_server.url, devices=0) as (_, person):
            terms = Terms(channels=("mailbox",), capability="number_matching")
            assert isinstance(await person.ask(terms=terms), str)

    run(test)


def test_a_retry_uses_no_further_channel_before_its_time(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with a_person(redis_server.url) as (use, person):
            consent_id = await person.ask(terms=BOTH)
            assert await reported(use, await claimed(use, consent_id), "retry") == "retrying"
            await use.store.redis.execute("ZADD", Partition.of(consent_id).outbox, 1, consent_id)
            again = await claimed(use, consent_id)
            assert [device for device, _ in again.addresses] == person.devices

    run(test)


def test_who_can_be_written_to_no_more_is_unreachable_at_once(redis_server: RedisServer) -> None:
    """The address was taken from the record after the request was accepted."""

    async def test() -> None:
        async with a_person(redis_server.url, devices=0) as (use, person):
            consent_id = await person.ask(terms=Terms(channels=("mailbox",)))
            read = await use.store.people.read(person.person_id)
            assert read is not None
            assert await use.store.people.change(person.person_id, read=read, user=b"{}")
            claim = await claimed(use, consent_id)
            assert claim.addresses == []
            assert await reported(use, claim, "delivered") == "unreachable"

    run(test)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [("delivered", "fcm_token"), ("no_provider", "pull"), ("unregistered", "webpush")],
)
def test_what_one_device_knows_counts_when_another_fails_later(
    redis_server: RedisServer, outcome: str, kind: AddressKind
) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=0)
            knows, fails = await person.enroll(kind=kind), await person.enroll()
            consent_id = await person.ask()
            for outcomes, verdict in (
                ({knows: outcome, fails: "retry"}, "retrying"),
                ({knows: "rejected", fails: "rejected"}, "told"),
            ):
                await use.store.redis.execute(
                    "ZADD", Partition.of(consent_id).outbox, 1, consent_id
                )
                claim = await claimed(use, consent_id)
                attempts = [
                    Attempt(device, outcomes[device], address, "fcm", b"{}")
                    for device, address in claim.addresses
                ]
                assert await use.store.notifications.report(claim, attempts, 2_000) == verdict

    run(test)


def test_a_short_request_does_not_cut_what_is_open_for_days(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            await person.ask(life_seconds=policy.REQUESTED_EXPIRY_SECONDS_MAX_EMAIL)
            await person.ask(life_seconds=1)
            key = Partition.of(person.person_id).open(person.person_id)
            kept_ms = await use.store.redis.execute("PTTL", key)
            assert kept_ms > (policy.REQUESTED_EXPIRY_SECONDS_MAX_EMAIL - 60) * 1_000

    run(test)


@pytest.mark.parametrize(("devices", "verdict"), [(0, "unreachable"), (1, "told")])
def test_without_a_mail_server_only_a_device_can_ask_by_itself(
    redis_server: RedisServer, devices: int, verdict: str
) -> None:
    """It was taken away after the request was accepted: who has a mailbox alone waits in vain."""

    async def test() -> None:
        async with a_person(redis_server.url, devices) as (use, person):
            consent_id = await person.ask(terms=Terms(channels=("mailbox",)))
            assert await reported(use, await claimed(use, consent_id), "no_provider") == verdict

    run(test)


@pytest.mark.parametrize("outcome", ["unregistered", "rejected"])
def test_a_channel_that_fails_for_good_gives_way_at_once(
    redis_server: RedisServer, outcome: str
) -> None:
    async def test() -> None:
        async with a_person(redis_server.url) as (use, person):
            consent_id = await person.ask(terms=BOTH)
            assert await reported(use, await claimed(use, consent_id), outcome) == "widening"
            wait_ms = await due_in_ms(use, consent_id)
            assert wait_ms is not None
            assert wait_ms <= 0
            mail = await claimed(use, consent_id)
            assert mail.addresses == [("email", ADDRESS)]
            # The last one fails as well: a definite end, at once.
            assert await reported(use, mail, "rejected") == "unreachable"

    run(test)


def test_a_phone_that_is_still_owed_is_tried_beside_the_mail(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with a_person(redis_server.url) as (use, person):
            consent_id = await person.ask(terms=BOTH)
            assert await reported(use, await claimed(use, consent_id), "retry") == "retrying"
            wait_ms = await due_in_ms(use, consent_id)
            assert wait_ms is not None
            assert wait_ms <= 2_000
            await later(use, consent_id)
            claim = await claimed(use, consent_id)

            assert [device for device, _ in claim.addresses] == [*person.devices, "email"]

    run(test)


def test_a_claim_that_is_sent_again_reaches_no_further(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with a_person(redis_server.url) as (use, person):
            terms = Terms(channels=("email", "push"))
            consent_id = await person.ask(terms=terms)
            first = await claimed(use, consent_id)
            assert first.addresses == [("email", ADDRESS)]
            reports = [await reported(use, first, "delivered") for _ in range(2)]
            assert reports == ["widening", "widening"]
            await later(use, consent_id)
            p = Partition.of(consent_id)
            arguments = (consent_id, policy.LEASE_MS, "pending", "one call")
            keys = [p.consent(consent_id), p.outbox, p.addresses()]
            replies = [await use.store.redis.run("claim", keys, *arguments) for _ in range(2)]

            assert replies[0][7:8] == replies[1][7:8] == [person.devices[0].encode()]
            reached = await use.store.redis.execute("HGET", p.consent(consent_id), "reached")
            assert reached == b"2"

    run(test)


@pytest.mark.parametrize(
    ("channels", "devices", "verified", "accepted"),
    [
        (("push", "email"), 1, False, True),  # by push alone
        (("push", "email"), 0, True, False),  # a link would open no device of theirs
        (("push", "mailbox"), 0, True, True),  # reading the mailbox is enough
        (("mailbox",), 0, False, False),
        (("email",), 1, True, True),
        (("email",), 1, False, False),
    ],
    ids=str,
)
def test_who_can_be_told_by_no_channel_is_not_asked(
    redis_server: RedisServer,
    channels: tuple[str, ...],
    devices: int,
    verified: bool,
    accepted: bool,
) -> None:
    async def test() -> None:
        async with a_person(redis_server.url, devices, verified=verified) as (_, person):
            answer = await person.ask(terms=Terms(channels=channels))

            assert answer == Refused("no_device") or isinstance(answer, str)
            assert isinstance(answer, str) is accepted

    run(test)


def test_a_browser_whose_subscription_died_asks_by_itself(redis_server: RedisServer) -> None:
    """It is not unreachable: its page may be open, and the next request is accepted."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=0)
            await person.enroll(kind="webpush")
            consent_id = await person.ask()
            claim = await claimed(use, consent_id)
            assert await reported(use, claim, "unregistered") == "told"
            p = Partition.of(person.person_id)
            address = await use.store.redis.execute(
                "HGET", p.addresses(person.person_id), person.devices[0]
            )

            assert address.partition(b" ")[2] == f'["pull","{THUMBPRINT}"]'.encode()
            assert isinstance(await person.ask(), str)

    run(test)


def test_of_two_requests_to_a_subscription_that_died_neither_is_given_up(
    redis_server: RedisServer,
) -> None:
    """Both are being sent when the first hears of it: the page asks for both by itself."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=0)
            await person.enroll(kind="webpush")
            first, second = [await claimed(use, await person.ask()) for _ in range(2)]
            assert await reported(use, first, "unregistered") == "told"
            assert await reported(use, second, "unregistered") == "retrying"

            outbox = Partition.of(person.person_id).outbox
            await use.store.redis.execute("ZADD", outbox, 1, second.consent_id)
            again = await claimed(use, second.consent_id)
            assert await reported(use, again, "no_provider") == "told"

    run(test)


def test_an_address_that_died_while_another_took_its_place_is_rung_again(
    redis_server: RedisServer,
) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            claim = await claimed(use, await person.ask())
            p = Partition.of(person.person_id)
            new = b'5 ["fcm_token","new"]'
            await use.store.redis.execute(
                "HSET", p.addresses(person.person_id), person.devices[0], new
            )

            assert await reported(use, claim, "unregistered") == "retrying"

    run(test)


def test_what_waits_for_days_keeps_nobody_out_who_asks_for_minutes(
    redis_server: RedisServer,
) -> None:
    """T1: five of each, and each says when there will be room."""

    async def test() -> None:
        async with a_person(redis_server.url) as (use, person):
            recent = Partition.of(person.person_id).recent(person.person_id)
            for _ in range(5):
                assert isinstance(await person.ask(86_400, terms=BOTH), str)
            await use.store.redis.execute("DEL", recent)
            sixth = await person.ask(86_400, terms=BOTH)
            assert sixth.why == "too_many_open"
            assert 86_390_000 < sixth.wait_ms <= 86_400_000
            for _ in range(5):
                assert isinstance(await person.ask(300), str)
            await use.store.redis.execute("DEL", recent)
            short = await person.ask(300)
            assert short.why == "too_many_open"
            assert short.wait_ms <= 300_000

    run(test)


def test_nobody_is_written_to_without_end(redis_server: RedisServer) -> None:
    """T1: then by push alone where that is allowed, else not at all for a while."""

    async def test() -> None:
        async with a_person(redis_server.url) as (use, person):
            mailed = Partition.of(person.person_id).mailed(person.person_id)
            now = await now_ms(use)
            for number in range(policy.MAILS_OF_A_PERSON_PER_HOUR_MAX):
                await use.store.redis.execute("ZADD", mailed, now - 1_000_000, str(number))
            refused = await person.ask(terms=Terms(channels=("email",)))
            assert refused.why == "too_many_mails"
            assert 2_590_000 < refused.wait_ms <= 2_600_000
            consent_id = await person.ask(terms=BOTH)
            p = Partition.of(consent_id)
            channels = await use.store.redis.execute("HGET", p.consent(consent_id), "channels")
            assert channels == b"push"

    run(test)


def test_who_may_be_written_to_is_counted_for_an_hour(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with a_person(redis_server.url) as (use, person):
            mailed = Partition.of(person.person_id).mailed(person.person_id)
            await person.ask()
            assert await use.store.redis.execute("ZCARD", mailed) == 0
            await person.ask(terms=BOTH)
            assert await use.store.redis.execute("ZCARD", mailed) == 1
            assert 3_590_000 < await use.store.redis.execute("PTTL", mailed) <= 3_600_000

    run(test)


async def now_ms(use: StoreInUse) -> int:
    seconds, microseconds = await use.store.redis.command("TIME")
    return int(seconds) * 1_000 + int(microseconds) // 1_000
