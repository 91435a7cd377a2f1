"""What a device sees of what its person is asked: the list, and what became of what was told."""

import asyncio

import pytest

from consent import policy
from consent.event_stream import Look, Standing
from consent.identifiers import consent_id_of, new_auth_req_id
from consent.lifecycle import Event
from consent.store import keys
from consent.store.connections import LISTENING
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, THUMBPRINT, Person, StoreInUse, opened, run
from tests.support.waiting import until


async def looked(
    use: StoreInUse, person: Person, *told: str, proof: str = "", thumbprint: str = THUMBPRINT
) -> Look | str:
    return await use.store.pending.look(
        person_id=person.person_id,
        device_id=person.devices[0],
        thumbprint=thumbprint,
        proof=proof,
        told=told,
    )


async def found(use: StoreInUse, person: Person, *told: str) -> Look:
    look = await looked(use, person, *told)
    assert isinstance(look, Look)
    return look


def test_what_is_pending_is_listed_the_newest_first_and_not_without_end(
    redis_server: RedisServer,
) -> None:
    async def test() -> None:
        limits = {"person_open_requests_max": 20, "person_requests_per_minute_max": 20}
        async with opened(redis_server.url, **limits) as use:
            person = await use.person()
            asked = [await person.ask(60 + number) for number in range(12)]
            look = await found(use, person)

        assert [it.consent_id for it in look.pending] == asked[
            : -policy.PENDING_LISTED_MAX - 1 : -1
        ]
        assert all(it.created_at_ms <= look.now_ms < it.expires_at_ms for it in look.pending)
        assert look.stands
        assert look.told == []

    run(test)


def test_what_became_of_the_told_is_told_with_it(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person, other = await use.person(), await use.person()
            approved, denied, open_still = [await person.ask() for _ in range(3)]
            cancelled, expired = await person.ask(), await person.ask(life_seconds=1)
            await person.answer(approved, Event.APPROVE)
            await person.answer(denied, Event.DENY)
            await use.store.consent_records.cancel(cancelled, event=b"{}")
            theirs, nobodys = await other.ask(), consent_id_of(new_auth_req_id(person.person_id))
            told = (approved, denied, open_still, cancelled, expired, theirs, nobodys)

            async def is_expired() -> bool:
                return (await found(use, person, expired)).told[0].state == "expired"

            await until(is_expired)
            look = await found(use, person, *told)

        assert [it.consent_id for it in look.told] == [*told]
        assert [it.state for it in look.told] == [
            "approved",
            "denied",
            "pending",
            "cancelled",
            "expired",
            "expired",  # of another person: as if there were none
            "expired",
        ]
        assert look.told[2].expires_at_ms == look.pending[0].expires_at_ms
        assert look.told[4] == Standing(expired, "expired", 0)

    run(test)


def test_an_approval_that_was_redeemed_is_over_all_the_same(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            await person.answer(consent_id, Event.APPROVE)
            assert (await use.store.consents.poll(consent_id, CLIENT)).outcome == "granted"

            assert (await found(use, person, consent_id)).told[0].state == "redeemed"

    run(test)


def test_a_proof_counts_once_and_a_stream_needs_no_second(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            proof = f"proof of {person.person_id}"

            assert isinstance(await looked(use, person, proof=proof), Look)
            assert await looked(use, person, proof=proof) == "replayed"
            assert isinstance(await looked(use, person), Look)
            assert isinstance(await looked(use, person), Look)

    run(test)


def test_only_the_devices_own_key_may_look(redis_server: RedisServer) -> None:
    """And a proof that is of another key is not used up by it."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            proof = f"proof of {person.person_id}"

            assert await looked(use, person, proof=proof, thumbprint="u" * 43) == "unknown_device"
            assert isinstance(await looked(use, person, proof=proof), Look)
            await use.store.people.remove_device(person.person_id, person.devices[0])
            assert await looked(use, person) == "unknown_device"

    run(test)


def test_a_blocked_person_does_not_stand(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            await block(person)
            assert not (await found(use, person)).stands

    run(test)


async def block(person: Person) -> None:
    people = person.store.people
    user = await people.read(person.person_id)
    assert user is not None
    assert await people.change(person.person_id, read=user, user=user, blocked=True)


async def deny(person: Person, consent_id: str) -> None:
    await person.answer(consent_id, Event.DENY)


async def approve(person: Person, consent_id: str) -> None:
    await person.answer(consent_id, Event.APPROVE)


async def cancel(person: Person, consent_id: str) -> None:
    await person.store.consent_records.cancel(consent_id, event=b"{}")


async def end_client(person: Person, _: str) -> None:
    await person.store.end_client(CLIENT, event=b"{}")


async def remove_device(person: Person, _: str) -> None:
    await person.store.people.remove_device(person.person_id, person.devices[0])


async def remove_one_of_two(person: Person, _: str) -> None:
    await person.enroll()
    await remove_device(person, _)


async def remove(person: Person, _: str) -> None:
    await person.store.people.remove(person.person_id)


async def ask(person: Person, _: str) -> None:
    await person.ask()


async def block_them(person: Person, _: str) -> None:
    await block(person)


@pytest.mark.parametrize(
    "change",
    [
        ask,
        approve,
        deny,
        cancel,
        end_client,
        remove_device,
        remove_one_of_two,
        remove,
        block_them,
    ],
    ids=lambda change: change.__name__,
)
def test_whoever_changes_what_a_person_is_asked_says_so(
    redis_server: RedisServer, change: object
) -> None:
    assert callable(change)

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            heard = use.store.redis.messages(keys.PERSON + person.person_id)
            async with asyncio.timeout(10):
                assert await anext(heard) == LISTENING
                await change(person, consent_id)
                assert await anext(heard) == ""

    run(test)
