"""A consent is bound to one key by its mail, once, whoever races; and that key answers it alone."""

import asyncio
import json

import msgspec
import pytest

from consent.device import Device
from consent.identifiers import new_mailbox_device_id
from consent.lifecycle import Event
from consent.store.consents import Answer, Terms
from consent.store.keys import Partition
from consent.store.mailboxes import Opened
from consent.store.notifications import Attempt
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, Person, StoreInUse, opened, run

KEY, OTHER_KEY = "m" * 43, "o" * 43
EMAIL = "ann@example.com"


def record(device_id: str) -> bytes:
    """Of a page that has just been opened."""
    device = Device(
        device_id=device_id,
        user_id="auth0|u1",
        identifier=device_id,
        name="Mailbox",
        public_key={},
        token_digest="",
        service="NONE",
        enrolled_at_ms=9_999_999_999_999,
    )
    return msgspec.json.encode(device)


async def a_reader(use: StoreInUse) -> Person:
    """Somebody who can be written to."""
    person = await use.person()
    await write(use, person, email=EMAIL, email_verified=True)
    return person


async def write(use: StoreInUse, person: Person, **profile: object) -> None:
    read = await use.store.people.read(person.person_id)
    assert read is not None
    user = json.dumps({"user_id": person.user_id} | profile).encode()
    assert await use.store.people.change(person.person_id, read=read, user=user)


async def open_by(use: StoreInUse, person: Person, consent_id: str, key: str = KEY) -> Opened:
    device_id = new_mailbox_device_id(person.person_id)
    return await use.store.mailboxes.open(
        consent_id=consent_id,
        person_id=person.person_id,
        address=EMAIL,
        device_id=device_id,
        thumbprint=key,
        record=record(device_id),
    )


async def answer_by(
    use: StoreInUse, person: Person, consent_id: str, device_id: str, key: str = KEY
) -> str:
    return await use.store.consents.answer(
        consent_id=consent_id,
        person_id=person.person_id,
        device_id=device_id,
        thumbprint=key,
        answer=Answer(Event.APPROVE, b"{}", request=b'{"approved":1}'),
    )


def test_the_first_key_is_bound_and_gets_the_same_device_whenever_it_asks(
    redis_server: RedisServer,
) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await a_reader(use)
            consent_id = await person.ask()
            assert await use.store.mailboxes.person_of(consent_id) == person.person_id

            first = await open_by(use, person, consent_id)
            assert first.outcome == "opened"
            assert await open_by(use, person, consent_id) == first
            assert await open_by(use, person, consent_id, OTHER_KEY) == Opened("conflict")
            stored = await use.store.mailboxes.device(consent_id, first.device_id)
            assert stored == record(first.device_id)
            assert await use.store.mailboxes.device(await person.ask(), first.device_id) is None

            redis, p = use.store.redis, Partition.of(consent_id)
            lives = [
                await redis.execute("PTTL", key)
                for key in (p.mailbox(consent_id), p.consent(consent_id))
            ]
            assert abs(lives[0] - lives[1]) < 1_000
            events = await redis.execute("XRANGE", p.events, "-", "+")
            told = [fields for _, fields in events if b"gd_mailbox_opened" in fields]
            assert len([it for it in told if consent_id.encode() in it]) == 1

    run(test)


def test_of_sixteen_keys_that_race_one_is_bound(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await a_reader(use)
            consent_id = await person.ask()
            outcomes = await asyncio.gather(
                *[open_by(use, person, consent_id, f"{n:043d}") for n in range(16)]
            )

        assert sorted(it.outcome for it in outcomes) == ["conflict"] * 15 + ["opened"]

    run(test)


@pytest.mark.parametrize(
    "profile",
    [
        {"email": "ann@example.org", "email_verified": True},
        {"email": "Ann@example.com", "email_verified": True},  # written otherwise than was read
        {"email": EMAIL, "email_verified": False},
        {"email": EMAIL, "email_verified": "true"},
        {"email": EMAIL},
        {"email": None, "email_verified": True},
        {"email_verified": True},
    ],
    ids=range(7),
)
def test_nothing_opens_from_a_mailbox_that_is_not_the_persons_any_more(
    redis_server: RedisServer, profile: dict[str, object]
) -> None:
    """Decided in the step that binds, whatever was read before; who has opened it keeps it."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await a_reader(use)
            unopened, mine = await person.ask(), await person.ask()
            first = await open_by(use, person, mine)
            await write(use, person, **profile)

            assert await open_by(use, person, unopened) == Opened("unknown")
            key = Partition.of(unopened).mailbox(unopened)
            assert await use.store.redis.execute("EXISTS", key) == 0
            assert await open_by(use, person, mine, OTHER_KEY) == Opened("unknown")
            assert await open_by(use, person, mine) == first  # the same call, sent again
            assert await answer_by(use, person, mine, first.device_id) == "answered"

    run(test)


def test_nothing_opens_for_who_has_left(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await a_reader(use)
            consent_id = await person.ask()
            assert await use.store.people.remove(person.person_id)
            assert await open_by(use, person, consent_id) == Opened("unknown")

    run(test)


def test_what_waits_for_nobody_does_not_open(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person, stranger = await a_reader(use), await a_reader(use)
            consent_id = await person.ask()
            assert await open_by(use, stranger, consent_id) == Opened("unknown")
            assert await use.store.mailboxes.person_of(consent_id[:-1] + "_") is None

            assert await person.answer(consent_id, Event.DENY) == "answered"
            assert await open_by(use, person, consent_id) == Opened("over")

            late = await person.ask()
            redis = use.store.redis
            await redis.execute("HSET", Partition.of(late).consent(late), "expires_at", 1)
            assert await open_by(use, person, late) == Opened("expired")

            blocked = await person.ask()
            key = Partition.of(blocked).person(person.person_id)
            await redis.execute("HSET", key, "blocked", "1")
            assert await open_by(use, person, blocked) == Opened("blocked")

    run(test)


def test_what_was_opened_answers_its_own_consent_alone(redis_server: RedisServer) -> None:
    """And does not wait as a device does that has just joined others (T35)."""

    async def test() -> None:
        async with opened(redis_server.url, new_device_cool_off_seconds=3_600) as use:
            person = await a_reader(use)
            consent_id, other = await person.ask(), await person.ask()
            device_id = (await open_by(use, person, consent_id)).device_id

            assert await answer_by(use, person, other, device_id) == "unknown_device"
            wrong = await answer_by(use, person, consent_id, device_id, OTHER_KEY)
            assert wrong == "unknown_device"
            assert await answer_by(use, person, consent_id, device_id) == "answered"
            assert await answer_by(use, person, consent_id, device_id) == "repeated"

            polled = await use.store.consents.poll(consent_id, CLIENT)
            assert polled.outcome == "granted"
            assert polled.request == b'{"approved":1}'
            _, facts = await use.store.consent_records.read(consent_id) or ({}, [])
            assert [fact.partition(b" ")[2] for fact in facts] == [b"{}"]

    run(test)


def test_what_was_approved_stands_in_place_of_what_was_asked_before_all_that_was_told(
    redis_server: RedisServer,
) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await a_reader(use)
            consent_id = await person.ask()
            claim = await use.store.notifications.claim(consent_id)
            assert claim is not None
            [(phone, address)] = claim.addresses
            attempt = Attempt(phone, "delivered", address, "fcm", b'{"event":"push"}')
            await use.store.notifications.report(claim, [attempt], 2_000)
            device_id = (await open_by(use, person, consent_id)).device_id
            assert await answer_by(use, person, consent_id, device_id) == "answered"

            read = await use.store.consent_records.read(consent_id)
            assert read is not None
            fields, facts = read
            assert fields["request"] == b'{"approved":1}'
            assert [fact.partition(b" ")[2] for fact in facts] == [b'{"event":"push"}', b"{}"]

    run(test)


def test_a_client_that_is_pushed_its_tokens_gets_them_too(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await a_reader(use)
            consent_id = await person.ask(terms=Terms(mode="push", callback=b"sealed"))
            device_id = (await open_by(use, person, consent_id)).device_id
            assert await answer_by(use, person, consent_id, device_id) == "call"

            claim = await use.store.calls.claim(consent_id)
            assert claim is not None
            assert claim.state == "redeemed"

    run(test)
