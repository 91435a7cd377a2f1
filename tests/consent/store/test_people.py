"""People and their devices, step by step; the races are in test_consents.py."""

from functools import partial

from consent import policy
from consent.device import address_name
from consent.identifiers import new_device_id, new_ticket
from consent.push import Address
from tests.support.redis_server import RedisServer
from tests.support.store import THUMBPRINT, Person, opened, run


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
    """Of two changes from the same record, one counts; the same one again is a repetition."""

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
            claim = await use.store.consents.claim(consent_id)
            assert claim is not None
            assert [device for device, _ in claim.addresses] == person.devices[1:]

    run(test)
