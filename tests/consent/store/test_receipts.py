"""What is kept of an approval: for its client alone, however the request has ended since."""

from consent.client import Client
from consent.lifecycle import Event
from consent.store.consents import Answer
from consent.store.keys import Partition
from consent.store.receipts import Approved
from tests.support.domain import a_client
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, THUMBPRINT, Person, StoreInUse, opened, run

OWNER = a_client(client_id=CLIENT)
APPROVAL = b'{"device_id":"d"}'


async def read(use: StoreInUse, consent_id: str, by: Client = OWNER) -> Approved | str:
    return await use.store.receipts.read(consent_id, by)


async def approve(person: Person, consent_id: str) -> None:
    outcome = await person.store.consents.answer(
        consent_id=consent_id,
        person_id=person.person_id,
        device_id=person.devices[0],
        thumbprint=THUMBPRINT,
        answer=Answer(Event.APPROVE, b"{}", APPROVAL),
    )
    assert outcome == "answered"


async def over(use: StoreInUse, consent_id: str) -> None:
    """Its deadline passes; its record is kept."""
    key = Partition.of(consent_id).consent(consent_id)
    await use.store.redis.execute("HSET", key, "expires_at", 1)


def test_an_approval_is_read_before_and_after_its_tokens_and_its_deadline(
    redis_server: RedisServer,
) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            assert await read(use, consent_id) == "pending"
            await approve(person, consent_id)

            approved = await read(use, consent_id)

            assert isinstance(approved, Approved)
            assert (approved.request, approved.approval) == (b'{"asked":1}', APPROVAL)
            assert approved.expires_at_ms - approved.created_at_ms == 60_000
            assert approved.created_at_ms <= approved.approved_at_ms < approved.expires_at_ms
            granted = await use.store.consents.poll(consent_id, CLIENT)
            assert granted.outcome == "granted"
            assert granted.decided_at_ms == approved.approved_at_ms
            await use.store.consents.delivered(consent_id)
            assert await read(use, consent_id) == approved
            await over(use, consent_id)
            assert isinstance(await read(use, consent_id), Approved)

    run(test)


def test_it_is_kept_as_long_as_the_record_and_no_longer(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            await approve(person, consent_id)
            p, redis = Partition.of(consent_id), use.store.redis

            lives = [
                await redis.execute("PTTL", key)
                for key in (p.consent(consent_id), p.receipt(consent_id))
            ]

            assert lives[0] > 60_000
            assert abs(lives[0] - lives[1]) < 1_000

    run(test)


def test_what_was_not_approved_has_none(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            denied, cancelled, late = [await person.ask() for _ in range(3)]
            assert await person.answer(denied, Event.DENY) == "answered"
            await use.store.consent_records.cancel(cancelled, event=b"{}")
            await over(use, late)

            assert await read(use, denied) == "denied"
            assert await read(use, cancelled) == "cancelled"
            assert await read(use, late) == "expired"

    run(test)


def test_an_approval_that_no_device_signed_is_unsigned(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            assert await person.answer(consent_id, Event.APPROVE) == "answered"
            assert await read(use, consent_id) == "unsigned"
            key = Partition.of(consent_id).receipt(consent_id)
            await use.store.redis.execute("DEL", key)
            assert await read(use, consent_id) == "unsigned"

    run(test)


def test_others_learn_nothing(redis_server: RedisServer) -> None:
    """Also a later client of the same id (T39)."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            await approve(person, consent_id)
            seconds, _ = await use.store.redis.command("TIME")
            later = a_client(client_id=CLIENT, since=int(seconds) + 10)

            for by in (a_client(client_id="other"), later):
                assert await read(use, consent_id, by) == "unknown"
            assert await read(use, f"{consent_id[:3]}{'x' * 43}") == "unknown"

    run(test)
