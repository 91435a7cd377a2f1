"""People and their devices, step by step; the races are in test_consents.py."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

from consent import policy
from consent.device import address_name
from consent.identifiers import new_device_id, new_ticket, person_id_of
from consent.login_hint import LoginHint
from consent.push import Address
from consent.store.connections import Redis
from consent.store.keys import Partition
from consent.store.people import People
from tests.support.redis_server import RedisServer
from tests.support.store import THUMBPRINT, Person, StoreInUse, opened, run
from tests.support.waiting import until


def _address(value: str, registered_at_ms: int = 1) -> tuple[bytes, bytes]:
    return address_name(Address("fcm_token", value, registered_at_ms))


async def _enroll(person: Person, ticket: str) -> str:
    address, name = _address("token")
    outcome, _ = await person.store.people.enroll(
        ticket=ticket,
        person_id=person.person_id,
        device_id=new_device_id(person.person_id),
        thumbprint=THUMBPRINT,
        record=b"{}",
        address=address,
        address_name=name,
    )
    return outcome


def test_a_person_is_created_once(redis_server: RedisServer) -> None:
    """The same record again is the same call, repeated; another one is a conflict."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=0)
            user = await use.store.people.read(person.person_id)
            assert user is not None
            assert await use.store.people.create(person.person_id, user)
            assert not await use.store.people.create(person.person_id, b'{"user_id":"other"}')
            assert await use.store.people.read(person.person_id) == user

    run(test)


def test_a_person_who_leaves_leaves_nothing(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=2)
            assert await use.store.people.remove(person.person_id)
            assert await use.store.people.read(person.person_id) is None
            assert await use.store.people.devices(person.person_id) == {}
            assert not await use.store.people.remove(person.person_id)
            # Who takes the same user_id again inherits no device.
            assert await use.store.people.create(person.person_id, b'{"user_id":"x"}')
            assert (await person.ask()).why == "no_device"

    run(test)


def test_a_ticket_is_for_a_known_person(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=0)
            ticket = new_ticket(person.person_id)
            assert await use.store.people.create_ticket(ticket, person.person_id, 60_000)
            assert await use.store.people.person_of_ticket(ticket) == person.person_id
            assert await use.store.people.person_of_ticket(new_ticket(person.person_id)) is None
            assert await _enroll(person, new_ticket(person.person_id)) == "unknown_ticket"
            await use.store.people.remove(person.person_id)
            assert await _enroll(person, ticket) == "unknown_ticket"
            assert not await use.store.people.create_ticket(ticket, person.person_id, 60_000)

    run(test)


def test_a_ticket_is_not_for_who_has_the_user_id_next(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            people, person = use.store.people, await use.person(devices=0)
            ticket = new_ticket(person.person_id)
            assert await people.create_ticket(ticket, person.person_id, 60_000)
            assert await people.remove(person.person_id)
            removed_at = await use.store.directory.now_ms()

            async def is_later() -> bool:
                return await use.store.directory.now_ms() > removed_at

            await until(is_later)
            assert await people.create(person.person_id, b'{"user_id":"x"}')
            assert await people.ticket_status(ticket) == ("gone", b"")
            assert await _enroll(person, ticket) == "unknown_ticket"

    run(test)


def test_what_became_of_a_ticket_is_told_with_whose_it_is(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            people, person = use.store.people, await use.person(devices=0)
            ticket = new_ticket(person.person_id)
            assert await people.ticket_status(ticket) == ("gone", b"")
            await people.create_ticket(ticket, person.person_id, 60_000)
            user = await people.read(person.person_id)
            assert await people.ticket_status(ticket) == ("open", user)
            assert await _enroll(person, ticket) == "enrolled"
            assert await people.ticket_status(ticket) == ("used", user)
            await people.remove(person.person_id)
            assert await people.ticket_status(ticket) == ("gone", b"")

    run(test)


def test_a_ticket_of_one_person_names_no_other(redis_server: RedisServer) -> None:
    """T34, even within one partition."""

    async def test() -> None:
        async with opened(redis_server.url, partitions=16) as use:
            person = await use.person(devices=0)
            ticket = new_ticket(person.person_id)
            await use.store.people.create_ticket(ticket, person.person_id, 60_000)
            neighbour = await use.person(devices=0)
            while neighbour.person_id[:3] != person.person_id[:3]:
                neighbour = await use.person(devices=0)
            assert await _enroll(neighbour, ticket) == "unknown_ticket"
            assert await _enroll(person, ticket) == "enrolled"

    run(test)


def test_a_ticket_ends_with_its_life(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=0)
            ticket = new_ticket(person.person_id)
            await use.store.people.create_ticket(ticket, person.person_id, 1)
            while await use.store.people.person_of_ticket(ticket) is not None:
                pass
            assert await _enroll(person, ticket) == "unknown_ticket"

    run(test)


def test_a_person_has_only_so_many_devices(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=policy.DEVICES_OF_A_PERSON_MAX)
            ticket = new_ticket(person.person_id)
            await use.store.people.create_ticket(ticket, person.person_id, 60_000)
            assert await _enroll(person, ticket) == "too_many_devices"
            assert await use.store.people.remove_device(person.person_id, person.devices[0])
            assert await _enroll(person, ticket) == "enrolled"

    run(test)


def test_a_push_address_has_one_owner_among_a_persons_devices(redis_server: RedisServer) -> None:
    """The same phone enrolled again: the old enrolment is not rung any more (T37)."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=0)
            old = await person.enroll("the same phone")
            new = await person.enroll("the same phone")
            other = await person.enroll("phone")  # its name ends the other's; it is another
            devices = await use.store.people.devices(person.person_id)
            rung = {device for device, (_, address) in devices.items() if address is not None}
            assert devices.keys() == {old, new, other}
            assert rung == {new, other}

    run(test)


def test_a_device_changes_only_from_what_was_read(redis_server: RedisServer) -> None:
    """Of two changes from the same record, one counts."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            (device_id,) = person.devices
            address, name = _address("moved", 2)
            change = partial(
                use.store.people.change_device,
                person_id=person.person_id,
                device_id=device_id,
                thumbprint=THUMBPRINT,
            )
            assert await change(read=b"{}", record=b'{"name":"a"}')
            assert await change(read=b"{}", record=b'{"name":"a"}')
            assert not await change(read=b"{}", record=b'{"name":"b"}')
            assert await change(
                read=b'{"name":"a"}', record=b'{"name":"c"}', address=address, address_name=name
            )
            assert await use.store.people.device(person.person_id, device_id) == (
                THUMBPRINT, b'{"name":"c"}',
            )  # fmt: skip
            devices = await use.store.people.devices(person.person_id)
            assert devices == {device_id: (b'{"name":"c"}', address)}

    run(test)


def test_a_device_that_is_gone_is_not_brought_back_by_a_change(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            (device_id,) = person.devices
            assert await use.store.people.remove_device(person.person_id, device_id)
            changed = await use.store.people.change_device(
                person_id=person.person_id,
                device_id=device_id,
                thumbprint=THUMBPRINT,
                read=b"{}",
                record=b'{"name":"a"}',
            )
            assert not changed
            assert await use.store.people.device(person.person_id, device_id) is None
            assert not await use.store.people.remove_device(person.person_id, device_id)

    run(test)


def test_one_device_of_two_leaves_and_what_is_asked_stays(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=2)
            consent_id = await person.ask()
            await use.store.people.remove_device(person.person_id, person.devices[0])
            claim = await use.store.notifications.claim(consent_id)
            assert claim is not None
            assert [device for device, _ in claim.addresses] == person.devices[1:]

    run(test)


JANE = LoginHint("email", "jane@example.com")
JOHN = LoginHint("email", "john@example.com")
PHONE = LoginHint("phone_number", "+4915112345")


@asynccontextmanager
async def _emptied(redis_server: RedisServer) -> AsyncIterator[StoreInUse]:
    """A store in which nobody is known."""
    async with opened(redis_server.database(6)) as use:
        await use.store.redis.command("FLUSHDB")
        yield use


async def _field(use: StoreInUse, person_id: str, name: str) -> bytes | None:
    key = Partition.of(person_id).person(person_id)
    value: bytes | None = await use.store.redis.execute("HGET", key, name)
    return value


async def _entries(use: StoreInUse) -> int:
    """All that is in the index of hints."""
    return sum(
        [
            await use.store.redis.execute("SCARD", key.decode())
            for key in await use.store.redis.command("KEYS", "nod:hint:*")
        ]
    )


async def _known(use: StoreInUse, user_id: str, *hints: LoginHint) -> tuple[str, bytes]:
    """Somebody new: the person_id and the record."""
    person_id = person_id_of(user_id, use.settings.partitions)
    user = json.dumps({"user_id": user_id}).encode()
    assert await use.store.people.create(person_id, user, hints=hints)
    return person_id, user


async def _found(people: People, hint: LoginHint) -> str | None:
    return await people.hints.find(hint.kind, hint.value)


def test_a_person_is_found_by_address_as_long_as_they_have_it(redis_server: RedisServer) -> None:
    """A028."""

    async def test() -> None:
        async with _emptied(redis_server) as use:
            people = use.store.people
            person_id, user = await _known(use, "auth0|jane", JANE, PHONE)
            assert [await _found(people, it) for it in (JANE, PHONE, JOHN)] == [
                "auth0|jane", "auth0|jane", None,
            ]  # fmt: skip
            # The kind is part of what is looked for.
            assert await people.hints.find("phone_number", JANE.value) is None

            assert await people.change(person_id, read=user, user=user, hints=[JOHN, PHONE])
            assert [await _found(people, it) for it in (JANE, PHONE, JOHN)] == [
                None, "auth0|jane", "auth0|jane",
            ]  # fmt: skip

            await people.remove(person_id)
            assert [await _found(people, it) for it in (JANE, PHONE, JOHN)] == [None] * 3
            assert await _entries(use) == 0

    run(test)


def test_an_address_of_two_people_finds_nobody(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with _emptied(redis_server) as use:
            people = use.store.people
            await _known(use, "auth0|jane", PHONE)
            partner, _ = await _known(use, "auth0|partner", PHONE)
            assert await _found(people, PHONE) is None
            await people.remove(partner)
            assert await _found(people, PHONE) == "auth0|jane"

    run(test)


def test_an_entry_that_is_left_over_finds_nobody(redis_server: RedisServer) -> None:
    """A process that dies between the steps leaves one: what it names is asked."""

    async def test() -> None:
        async with _emptied(redis_server) as use:
            people, redis = use.store.people, use.store.redis
            jane, _ = await _known(use, "auth0|jane", JANE)
            [entry] = await redis.command("KEYS", "nod:hint:*")
            john, _ = await _known(use, "auth0|john", JOHN)
            gone = person_id_of("auth0|gone", use.settings.partitions)
            await redis.execute("SADD", entry.decode(), john, gone)
            assert await _found(people, JANE) == "auth0|jane"
            await redis.execute("DEL", Partition.of(jane).person(jane))
            assert await _found(people, JANE) is None

    run(test)


def test_a_creation_that_came_too_late_leaves_no_entry(redis_server: RedisServer) -> None:
    """And takes none away from who is there."""

    async def test() -> None:
        async with _emptied(redis_server) as use:
            people = use.store.people
            person_id, _ = await _known(use, "auth0|jane", JANE)
            assert not await people.create(person_id, b'{"user_id":"x"}', hints=[JANE, JOHN])
            assert await _found(people, JANE) == "auth0|jane"
            assert await _entries(use) == 1
            assert not await people.change(person_id, read=b"x", user=b"y", hints=[JOHN])
            assert await _found(people, JANE) == "auth0|jane"
            assert await _entries(use) == 1

    run(test)


class _Shuffled:
    """Redis, that takes the commands of steps at once one by one, in any order."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[asyncio.Future[None]] = []
        self._busy = False
        self.sent: list[str] = []

    async def execute(self, *arguments: Any) -> Any:  # noqa: ANN401
        self.sent.append(arguments[0])
        return await self._in_turn(self._redis.execute, *arguments)

    async def run(self, *arguments: Any) -> Any:  # noqa: ANN401
        return await self._in_turn(self._redis.run, *arguments)

    async def _in_turn(self, command: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:  # noqa: ANN401
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn
        try:
            return await command(*arguments)
        finally:
            self._busy = False

    async def at_once(self, *steps: Coroutine[Any, Any, None]) -> None:
        tasks = [asyncio.ensure_future(step) for step in steps]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            if self._waiting and not self._busy:
                self._busy = True
                # More often than not whoever was last goes on, so that others are far behind.
                number = secrets.choice([-1, -1, secrets.randbelow(len(self._waiting))])
                self._waiting.pop(number).set_result(None)
        await asyncio.gather(*tasks)


def test_of_steps_at_once_none_makes_a_person_hard_to_find(redis_server: RedisServer) -> None:
    """Who stands in the end is found by what stands with them, and by nothing else."""

    async def test() -> None:
        async with _emptied(redis_server) as use:
            redis = _Shuffled(use.store.redis)
            people = People(cast("Redis", redis))
            person_id = person_id_of("auth0|jane", use.settings.partitions)
            hints = {b"JANE": JANE, b"JOHN": JOHN}

            def user(name: bytes) -> bytes:
                unique = secrets.token_hex(8).encode()
                return b'{"user_id":"auth0|jane","n":"%s %s"}' % (name, unique)

            async def create(name: bytes) -> None:
                await people.create(person_id, user(name), hints=[hints[name]])

            async def change(name: bytes) -> None:
                read = await people.read(person_id)
                if read is not None:
                    changed, hint = user(name), hints[name]
                    await people.change(person_id, read=read, user=changed, hints=[hint])

            async def remove() -> None:
                await people.remove(person_id)

            for _ in range(150):
                await redis.at_once(remove(), create(b"JANE"), change(b"JOHN"), change(b"JANE"))
                stands = await use.store.people.read(person_id)
                for name, hint in hints.items():
                    expected = "auth0|jane" if stands and name in stands else None
                    assert await _found(use.store.people, hint) == expected

    run(test)


def test_who_keeps_an_address_is_found_meanwhile_too(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with _emptied(redis_server) as use:
            redis = _Shuffled(use.store.redis)
            people = People(cast("Redis", redis))
            person_id, read = await _known(use, "auth0|jane", JANE, PHONE)

            async def change() -> None:
                assert await people.change(person_id, read=read, user=b"{}", hints=[JANE, PHONE])

            await redis.at_once(change())
            assert "SADD" in redis.sent
            assert "SREM" not in redis.sent

    run(test)


def test_a_person_changes_only_from_what_was_read(redis_server: RedisServer) -> None:
    """Of two changes from the same record, one counts."""

    async def test() -> None:
        async with _emptied(redis_server) as use:
            people = use.store.people
            person_id, read = await _known(use, "auth0|jane")
            change = partial(people.change, person_id)
            first, second = b'{"user_id":"auth0|jane","n":1}', b'{"user_id":"auth0|jane","n":2}'
            assert await change(read=read, user=first, blocked=True)
            assert not await change(read=read, user=first, blocked=True)
            assert not await change(read=read, user=second, blocked=False)
            assert await people.read_with_block(person_id) == (first, True)
            assert await change(read=first, user=second)
            assert await people.read_with_block(person_id) == (second, True)
            assert await change(read=second, user=first, blocked=False)
            assert await people.read_with_block(person_id) == (first, False)
            await people.remove(person_id)
            assert not await change(read=first, user=second)
            assert await people.read(person_id) is None

    run(test)


def test_a_new_user_code_forgives_what_was_wrong_for_the_former(redis_server: RedisServer) -> None:
    """A039: and no other change does."""

    async def test() -> None:
        async with _emptied(redis_server) as use:
            people, names = use.store.people, ("code", "code_failures", "code_locked_until")
            person_id, user = await _known(use, "auth0|jane")
            assert await _field(use, person_id, "code") is None

            async def codes() -> list[bytes | None]:
                return [await _field(use, person_id, name) for name in names]

            for code, expected in (("mac", b"mac"), ("other", b"other"), ("", None)):
                key = Partition.of(person_id).person(person_id)
                await use.store.redis.execute(
                    "HSET", key, "code_failures", 4, "code_locked_until", 99
                )
                assert await people.change(person_id, read=user, user=user, blocked=False)
                assert (await codes())[1:] == [b"4", b"99"]
                assert await people.change(person_id, read=user, user=user, user_code=code)
                assert await codes() == [expected, None, None]

    run(test)


def test_a_person_is_known_since_the_clock_of_redis_says(redis_server: RedisServer) -> None:
    """Who takes a user id again is somebody else; a repeated call is not, and no change is."""

    async def test() -> None:
        async with _emptied(redis_server) as use:
            person_id, user = await _known(use, "auth0|jane")
            since = await _field(use, person_id, "since")
            assert since is not None
            seconds, _ = await use.store.redis.command("TIME")
            assert abs(int(seconds) * 1_000 - int(since)) < 60_000
            assert await use.store.people.create(person_id, user)
            assert await use.store.people.change(person_id, read=user, user=b"{}", blocked=True)
            assert await _field(use, person_id, "since") == since

    run(test)
