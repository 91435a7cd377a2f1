"""Who is told that a device was added, and until when: decided in Redis (T35)."""

import json
import secrets
from typing import Any

import pytest

from consent import policy
from consent.device import address_name, address_of
from consent.identifiers import new_device_id, person_id_of
from consent.push import Address, AddressKind
from consent.store.keys import Partition
from consent.store.notices import NoticeClaim
from consent.store.notifications import Attempt
from tests.support.redis_server import RedisServer
from tests.support.store import THUMBPRINT, Person, StoreInUse, opened, run

RETRY_IN_MS = 2_000


def attempts(claim: NoticeClaim, outcome: str) -> list[Attempt]:
    return [Attempt(told, outcome, address, "fcm", b"{}") for told, address in claim.addresses]


async def told(use: StoreInUse, claim: NoticeClaim, outcome: str) -> str:
    return await use.store.notices.report(claim, attempts(claim, outcome), RETRY_IN_MS)


async def owed(use: StoreInUse, person: Person) -> list[str]:
    """The devices of a person whose notice is due."""
    due = await use.store.notifications.due(Partition.of(person.person_id), 10_000)
    return [device_id for device_id in due.notices if device_id in person.devices]


async def claimed(use: StoreInUse, device_id: str) -> NoticeClaim:
    claim = await use.store.notices.claim(device_id)
    assert claim is not None
    return claim


async def pass_time(use: StoreInUse, device_id: str, ms: int) -> None:
    """By moving into the past what is known of a notice."""
    p = Partition.of(device_id[4:])
    await use.store.redis.execute("ZINCRBY", p.notices, -ms, device_id)
    if await use.store.redis.execute("EXISTS", p.notice(device_id)):
        await use.store.redis.execute("HINCRBY", p.notice(device_id), "expires_at", -ms)


async def events(use: StoreInUse, person: Person) -> list[dict[str, str]]:
    """What the audit trail says of pushes to this person, oldest first."""
    entries = await use.store.redis.execute(
        "XRANGE", Partition.of(person.person_id).events, "-", "+"
    )
    flat = [[text.decode() for text in fields] for _, fields in entries]
    known = [dict(zip(it[::2], it[1::2], strict=True)) for it in flat]
    return [
        it for it in known if it.get("person") == person.person_id and it["t"].startswith("gd_send")
    ]


def test_the_others_are_owed_notice_of_each_device_but_the_first(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            assert await owed(use, person) == []
            second, third = await person.enroll(), await person.enroll()
            assert await owed(use, person) == [second, third]

            claim = await claimed(use, third)
            assert {device for device, _ in claim.addresses} == {person.devices[0], second}
            assert (claim.person_id, claim.attempt) == (person.person_id, 1)
            left_ms = claim.expires_at_ms - claim.now_ms
            assert policy.NOTICE_LIFE_MS - 10_000 < left_ms <= policy.NOTICE_LIFE_MS
            assert await told(use, claim, "delivered") == "done"
            assert await owed(use, person) == [second]
            assert await use.store.notices.claim(third) is None

    run(test)


def test_a_phone_that_is_enrolled_again_is_no_other_device(redis_server: RedisServer) -> None:
    """Its address has moved: nobody else is there to be told."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person, token = await use.person(devices=0), secrets.token_hex(8)
            await person.enroll(token)
            again = await person.enroll(token)
            assert await owed(use, person) == []

            other = await person.enroll()
            assert await owed(use, person) == [other]
            once_more = await person.enroll(token)
            claim = await claimed(use, once_more)
            assert [device for device, _ in claim.addresses] == [other]
            assert again not in [device for device, _ in claim.addresses]

    run(test)


@pytest.mark.parametrize(
    ("user", "is_told"),
    [
        ({"email": "me@example.com", "email_verified": True}, True),
        ({"email": "me@example.com", "email_verified": False}, False),
        ({"email": "me@example.com"}, False),
        ({"email_verified": True}, False),
    ],
)
def test_an_e_mail_address_is_told_once_it_is_known_to_be_theirs(
    redis_server: RedisServer, user: dict[str, Any], is_told: bool
) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            user_id = f"auth0|{secrets.token_hex(8)}"
            person = Person(use.store, user_id, person_id_of(user_id, use.settings.partitions))
            record = json.dumps({"user_id": user_id, **user}).encode()
            assert await use.store.people.create(person.person_id, record)
            for _ in range(2):
                await person.enroll()

            addresses = dict((await claimed(use, person.devices[1])).addresses)
            assert ("email" in addresses) == is_told
            if is_told:
                assert address_of(addresses["email"]) == Address("email", "me@example.com", 0)

    run(test)


def test_one_worker_gives_it_until_its_lease_runs_out(redis_server: RedisServer) -> None:
    """F3: who dies between claim and report has it given again; who is late reports and no more."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=2)
            added = person.devices[1]
            first = await claimed(use, added)
            assert await use.store.notices.claim(added) is None
            assert await owed(use, person) == []

            await pass_time(use, added, policy.LEASE_MS)
            assert await owed(use, person) == [added]
            second = await claimed(use, added)
            assert second.attempt == 2
            assert second.addresses == first.addresses
            assert await told(use, first, "retry") == "superseded"
            assert await told(use, second, "delivered") == "done"
            assert await owed(use, person) == []

    run(test)


@pytest.mark.parametrize("outcome", ["delivered", "rejected", "no_provider", "unregistered"])
def test_who_was_told_or_can_never_be_is_not_told_again(
    redis_server: RedisServer, outcome: str
) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=3)
            added, late = person.devices[2], person.devices[1]
            claim = await claimed(use, added)
            mixed = [
                attempt._replace(outcome="retry" if attempt.device_id == late else outcome)
                for attempt in attempts(claim, outcome)
            ]
            assert await use.store.notices.report(claim, mixed, RETRY_IN_MS) == "retrying"
            assert await use.store.notices.claim(added) is None

            await pass_time(use, added, RETRY_IN_MS)
            again = await claimed(use, added)
            assert [device for device, _ in again.addresses] == [late]
            assert await told(use, again, "delivered") == "done"

    run(test)


@pytest.mark.parametrize(("kind", "then"), [("fcm_token", None), ("webpush", "pull")])
def test_a_dead_address_is_retired(
    redis_server: RedisServer, kind: AddressKind, then: str | None
) -> None:
    """T37; the page of a browser asks by itself."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=0)
            dead = await person.enroll(secrets.token_hex(8), kind)
            claim = await claimed(use, await person.enroll())
            assert await told(use, claim, "unregistered") == "done"

            _, address = (await use.store.people.devices(person.person_id))[dead]
            kept = address and address_of(address)
            assert (kept and (kept.kind, kept.value)) == (then and (then, THUMBPRINT))

    run(test)


def test_an_address_that_has_changed_meanwhile_stays(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=2)
            claim = await claimed(use, person.devices[1])
            address, name = address_name(Address("fcm_token", secrets.token_hex(8), 2))
            assert await use.store.people.change_device(
                person_id=person.person_id,
                device_id=person.devices[0],
                thumbprint=THUMBPRINT,
                read=b"{}",
                record=b"{}",
                address=address,
                address_name=name,
            )
            await told(use, claim, "unregistered")
            assert (await use.store.people.devices(person.person_id))[person.devices[0]] == (
                b"{}",
                address,
            )

    run(test)


@pytest.mark.parametrize("leaves", ["the new device", "the only other", "the person"])
@pytest.mark.parametrize("when", ["before", "while it is given"])
def test_nobody_is_told_of_a_device_that_is_gone(
    redis_server: RedisServer, leaves: str, when: str
) -> None:
    async def leave(use: StoreInUse, person: Person) -> None:
        match leaves:
            case "the person":
                assert await use.store.people.remove(person.person_id)
            case "the new device":
                assert await use.store.people.remove_device(person.person_id, person.devices[1])
            case _:
                assert await use.store.people.remove_device(person.person_id, person.devices[0])

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=2)
            added = person.devices[1]
            if when != "before":
                claim = await claimed(use, added)
                await leave(use, person)
                assert await told(use, claim, "retry") == "retrying"
                await pass_time(use, added, RETRY_IN_MS)
            else:
                await leave(use, person)
            assert await use.store.notices.claim(added) is None
            assert await owed(use, person) == []

    run(test)


def test_it_is_tried_for_a_day(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=2)
            added = person.devices[1]
            claim = await claimed(use, added)
            assert await told(use, claim, "retry") == "retrying"
            await pass_time(use, added, policy.NOTICE_LIFE_MS - RETRY_IN_MS // 2)
            last = await claimed(use, added)
            assert await told(use, last, "retry") == "out_of_time"
            assert await owed(use, person) == []

            never = await person.enroll()  # nobody swept for a day
            await pass_time(use, never, policy.NOTICE_LIFE_MS)
            assert await use.store.notices.claim(never) is None
            assert await owed(use, person) == []

    run(test)


def test_what_it_remembers_goes_after_a_day(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=2)
            await claimed(use, person.devices[1])
            key = Partition.of(person.person_id).notice(person.devices[1])
            ttl = await use.store.redis.execute("PTTL", key)
            assert 0 < ttl <= policy.NOTICE_LIFE_MS + policy.LEASE_MS

    run(test)


def test_each_attempt_writes_one_event_for_each_who_was_to_be_told(
    redis_server: RedisServer,
) -> None:
    """I12: also when the report is sent twice, its reply having been lost."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=2)
            added, other = person.devices[1], person.devices[0]
            claim = await claimed(use, added)
            for _ in range(2):
                assert await told(use, claim, "retry") == "retrying"
            await pass_time(use, added, RETRY_IN_MS)
            again = await claimed(use, added)
            for _ in range(2):
                assert await told(use, again, "delivered") == "done"

            written = [(it["t"], it["device"]) for it in await events(use, person)]
            assert written == [("gd_send_pn_failure", other), ("gd_send_pn", other)]

    run(test)


def test_a_report_after_all_is_forgotten_changes_nothing(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=2)
            claim = await claimed(use, person.devices[1])
            key = Partition.of(person.person_id).notice(person.devices[1])
            await use.store.redis.execute("DEL", key)
            assert await told(use, claim, "delivered") == "over"
            assert await events(use, person) == []

    run(test)


@pytest.mark.parametrize("device_id", ["", "dev_", "x" * 300, "cns_1", "dev_\x00"])
def test_what_is_no_device_is_owed_no_notice(redis_server: RedisServer, device_id: str) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            assert await use.store.notices.claim(device_id) is None
            unknown = new_device_id(person_id_of("auth0|nobody", use.settings.partitions))
            assert await use.store.notices.claim(unknown) is None

    run(test)
