"""What a person has denied is remembered with who asked (T1, T36), and what guards an approval."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consent import policy
from consent.device import address_name
from consent.identifiers import new_device_id, new_ticket
from consent.lifecycle import Event
from consent.push import Address
from consent.store.consents import Answer, Refused, Terms
from consent.store.keys import Partition
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, THUMBPRINT, Person, StoreInUse, opened, run

DENIED, APPROVED = b'{"event":"answered","accepted":false}', b'{"event":"answered"}'


@asynccontextmanager
async def a_person(url: str, devices: int = 1, **settings: object) -> AsyncIterator[Person]:
    many = {"person_requests_per_minute_max": 1_000, "person_open_requests_max": 100}
    async with opened(url, **(many | settings)) as use:
        yield await use.person(devices)


async def answered(person: Person, answer: Answer, consent_id: str = "", device: int = 0) -> str:
    return await person.answer(consent_id or await asked(person), answer, device)


async def asked(person: Person, terms: Terms | None = None) -> str:
    consent_id = await person.ask(terms=terms) if terms else await person.ask()
    assert isinstance(consent_id, str), consent_id
    return consent_id


async def redis(person: Person, command: str, *arguments: str | int) -> object:
    key = Partition.of(person.person_id).refusals(person.person_id)
    return await person.store.redis.execute(command, key, *arguments)


def test_the_first_denial_may_be_asked_again_and_every_further_waits_longer(
    redis_server: RedisServer,
) -> None:
    """What was wrong may be put right; who goes on asking is worn down instead (T1)."""

    async def test() -> None:
        async with a_person(redis_server.url) as person:
            waits = []
            for _ in range(5):
                assert await answered(person, Answer(Event.DENY, DENIED)) == "answered"
                refused = await person.ask()
                waits.append(refused.wait_ms if isinstance(refused, Refused) else 0)
                if isinstance(refused, Refused):
                    assert refused.why == "denied_before"
                # The wait passes: the record says when it is over.
                count = len(waits)
                await redis(person, "HSET", CLIENT, f"{await now_ms(person)} {count} denied_before")

        assert waits[0] == 0
        for wait, expected in zip(waits[1:], (30_000, 60_000, 120_000, 240_000), strict=True):
            assert expected - 2_000 < wait <= expected

    run(test)


async def now_ms(person: Person) -> int:
    seconds, microseconds = await person.store.redis.command("TIME")
    return int(seconds) * 1_000 + int(microseconds) // 1_000


def test_the_longest_wait_has_a_bound(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with a_person(redis_server.url) as person:
            consent_id = await asked(person)
            await redis(person, "HSET", CLIENT, f"{await now_ms(person)} 2000 denied_before")
            assert await answered(person, Answer(Event.DENY, DENIED), consent_id) == "answered"
            refused = await person.ask()

        assert isinstance(refused, Refused)
        assert policy.DENIAL_WAIT_MS_MAX - 2_000 < refused.wait_ms <= policy.DENIAL_WAIT_MS_MAX

    run(test)


def test_denials_are_forgotten_and_their_record_goes(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with a_person(redis_server.url) as person:
            long_ago = await now_ms(person) - policy.DENIALS_REMEMBERED_MS - 1_000
            await redis(person, "HSET", CLIENT, f"{long_ago} 7 denied_before")
            await redis(person, "HSET", "another", f"{long_ago} 7 not_me")
            await answered(person, Answer(Event.DENY, DENIED))

            assert isinstance(await person.ask(), str)
            assert await redis(person, "HLEN") == 1
            kept_ms = await redis(person, "PTTL")
            assert isinstance(kept_ms, int)
            assert 0 < kept_ms <= policy.DENIALS_REMEMBERED_MS

    run(test)


def test_an_approval_clears_what_was_denied(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with a_person(redis_server.url) as person:
            held = await asked(person)
            for _ in range(2):
                consent_id = await asked(person)
                await answered(person, Answer(Event.DENY, DENIED), consent_id)
            assert isinstance(await person.ask(), Refused)
            assert await answered(person, Answer(Event.APPROVE, APPROVED), held) == "answered"

            assert isinstance(await person.ask(), str)

    run(test)


def test_who_was_not_expected_stays_away_and_takes_the_rest_along(
    redis_server: RedisServer,
) -> None:
    """T36: at once, for as long as it is set, and an approval of what is older changes nothing."""

    async def test() -> None:
        async with a_person(redis_server.url, not_me_block_seconds=7_200) as person:
            others = [await asked(person) for _ in range(3)]
            not_me = Answer(Event.DENY, DENIED, not_me=True)
            first = await asked(person)
            assert await answered(person, not_me, first) == "answered"
            assert await answered(person, not_me, first) == "repeated"

            refused = await person.ask()
            assert refused.why == "not_me"
            assert 7_190_000 < refused.wait_ms <= 7_200_000
            for consent_id in [first, *others]:
                polled = await person.store.consents.poll(consent_id, CLIENT)
                assert polled.outcome == "denied"
            late = await answered(person, Answer(Event.APPROVE, APPROVED), others[0])
            assert late == "conflict"
            assert (await person.ask()).why == "not_me"

    run(test)


def test_not_me_is_heard_although_another_device_has_denied_already(
    redis_server: RedisServer,
) -> None:
    """T36: who presses it is told that the client stays away, and that is so."""

    async def test() -> None:
        async with a_person(redis_server.url, devices=2) as person:
            first, other = await asked(person), await asked(person)
            not_me = Answer(Event.DENY, DENIED, not_me=True)
            assert await answered(person, Answer(Event.DENY, DENIED), first) == "answered"
            for _ in range(2):
                assert await answered(person, not_me, first, device=1) == "repeated"

            assert (await person.ask()).why == "not_me"
            assert (await person.store.consents.poll(other, CLIENT)).outcome == "denied"
            read = await person.store.consent_records.read(first)
            assert read is not None
            assert len(read[1]) == 2  # what each has said, once
            events = await person.store.redis.execute(
                "XRANGE", Partition.of(first).events, "-", "+"
            )
            told = [fields for _, fields in events if first.encode() in fields]
            codes = [fields[fields.index(b"t") + 1] for fields in told]
            assert codes == [b"ciba_start_succeeded", b"gd_auth_rejected", b"gd_auth_not_me"]

    run(test)


async def asked_by(person: Person, client_id: str) -> str | Refused:
    consent_id = f"{person.person_id[:3]}{secrets.token_urlsafe(32)}"
    refused = await person.store.consents.accept(
        consent_id=consent_id,
        client_id=client_id,
        person_id=person.person_id,
        request=b"{}",
        life_seconds=60,
    )
    return refused or consent_id


def test_another_client_may_still_ask_and_another_person_be_asked(
    redis_server: RedisServer,
) -> None:
    """What is open of another client stays open, and its denials are its own."""

    async def test() -> None:
        async with opened(redis_server.url, person_requests_per_minute_max=100) as use:
            person, neighbour = await use.person(), await use.person()
            for name in ("a third", "a fourth"):
                denied = await asked_by(person, name)
                assert isinstance(denied, str)
                await answered(person, Answer(Event.DENY, DENIED), denied)
            assert isinstance(await asked_by(person, "a fourth"), str)
            of_another = await asked_by(person, "another")
            assert isinstance(of_another, str)
            await answered(person, Answer(Event.DENY, DENIED, not_me=True))

            assert (await use.store.consents.poll(of_another, "another")).outcome == "pending"
            assert await answered(person, Answer(Event.DENY, DENIED), of_another) == "answered"
            assert isinstance(await asked_by(person, "another"), str)  # it was the first of its own
            # Nor does it shorten what is remembered of the first.
            kept_ms = await redis(person, "PTTL")
            assert isinstance(kept_ms, int)
            assert kept_ms > use.settings.not_me_block_seconds * 1_000
            assert isinstance(await neighbour.ask(), str)

    run(test)


def test_who_gets_the_user_id_next_has_denied_nothing(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            await answered(person, Answer(Event.DENY, DENIED, not_me=True))
            await use.store.people.remove(person.person_id)
            user = json.dumps({"user_id": person.user_id}).encode()
            assert await use.store.people.create(person.person_id, user)
            await person.enroll()

            assert isinstance(await person.ask(), str)

    run(test)


def test_of_sixty_four_answers_one_counts_as_a_denial(redis_server: RedisServer) -> None:
    """However often it is sent: a denial is counted once."""

    async def test() -> None:
        async with a_person(redis_server.url) as person:
            consent_id = await asked(person)
            answer = Answer(Event.DENY, DENIED)
            replies = await asyncio.gather(
                *[answered(person, answer, consent_id) for _ in range(64)]
            )
            assert replies.count("answered") == 1

            assert isinstance(await person.ask(), str)

    run(test)


async def enrolled(use: StoreInUse, person: Person, **record: object) -> str:
    """A device whose record says when it came, and what it can do."""
    ticket, device_id = new_ticket(person.person_id), new_device_id(person.person_id)
    assert await use.store.people.create_ticket(ticket, person.person_id, 60_000)
    address, name = address_name(Address("fcm_token", secrets.token_hex(8), 1))
    outcome, _ = await use.store.people.enroll(
        ticket=ticket,
        person_id=person.person_id,
        device_id=device_id,
        thumbprint=THUMBPRINT,
        record=json.dumps(record).encode(),
        address=address,
        address_name=name,
    )
    assert outcome == "enrolled"
    person.devices.append(device_id)
    return device_id


def test_a_device_that_joined_others_may_deny_at_once_and_approve_later(
    redis_server: RedisServer,
) -> None:
    """T35: the first device is trusted at once, or nobody could begin."""

    async def test() -> None:
        async with opened(redis_server.url, new_device_cool_off_seconds=3_600) as use:
            person = await use.person(devices=0)
            now = await now_ms(person)
            for age_ms in (1_000, 500, 3_700_000, 3_650_000):
                await enrolled(use, person, enrolled_at_ms=now - age_ms)
            approve = Answer(Event.APPROVE, APPROVED)
            consent_id = await asked(person)

            assert await answered(person, approve, consent_id, device=1) == "cooling_off"
            assert await answered(person, approve, consent_id, device=0) == "cooling_off"
            assert await answered(person, approve, consent_id, device=2) == "answered"
            assert await answered(person, approve, device=3) == "answered"
            consent_id = await asked(person)
            assert await answered(person, Answer(Event.DENY, DENIED), consent_id, device=1) == (
                "answered"
            )
            # With the older ones gone it is the first.
            for older in person.devices[2:]:
                await use.store.people.remove_device(person.person_id, older)
            assert await answered(person, approve, device=0) == "answered"

    run(test)


def test_what_no_device_could_approve_is_not_asked(redis_server: RedisServer) -> None:
    """T44: an app that cannot match numbers is not asked to."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=0)
            await enrolled(use, person, enrolled_at_ms=1, capabilities=["consent_digest"])
            await enrolled(use, person, enrolled_at_ms=1)
            terms = Terms(capability="number_matching")
            assert await person.ask(terms=terms) == Refused("no_able_device")
            await enrolled(use, person, enrolled_at_ms=1, capabilities=["number_matching"])

            assert isinstance(await person.ask(terms=terms), str)

    run(test)


def test_an_approval_leaves_what_its_receipt_is_made_of(redis_server: RedisServer) -> None:
    """With the life of the record, and a denial leaves none."""

    async def test() -> None:
        async with a_person(redis_server.url) as person:
            approved, denied = await asked(person), await asked(person)
            evidence = b'{"device_id":"x"}'
            await answered(person, Answer(Event.APPROVE, APPROVED, evidence), approved)
            await answered(person, Answer(Event.DENY, DENIED), denied)
            p, store = Partition.of(person.person_id), person.store.redis

            assert await store.execute("GET", p.receipt(approved)) == evidence
            left = await store.execute("PTTL", p.receipt(approved))
            assert abs(left - await store.execute("PTTL", p.consent(approved))) < 1_000
            assert await store.execute("EXISTS", p.receipt(denied)) == 0

    run(test)
