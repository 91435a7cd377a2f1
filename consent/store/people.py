"""
People and their devices: one method a step, each decided in Redis.

Lists of people are `people_lists`; how a hint finds one is `hint_index`.
"""

import secrets
from collections.abc import Collection, Iterable

from consent import policy
from consent.audit.event import UNTOLD
from consent.identifiers import digest, person_of_device
from consent.lifecycle import Event, row
from consent.login_hint import LoginHint
from consent.management.users import Term
from consent.store import keys
from consent.store.connections import Redis
from consent.store.hint_index import HintIndex, digests_of
from consent.store.keys import Partition

_OPEN, _ENDED = row(Event.GIVE_UP)
THUMBPRINT_CHARACTERS = 43


class People:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.hints = HintIndex(redis)

    async def create(
        self,
        person_id: str,
        user: bytes,
        *,
        blocked: bool = False,
        user_code: str = "",
        hints: Collection[LoginHint] = (),
        terms: Collection[Term] = (),
        event: bytes = UNTOLD,
    ) -> bool:
        """
        False when the person is there already; one who is blocked cannot be asked.

        `user_code` is a MAC; `hints` are what the person is found by when they are to be asked,
        in their normal form, `terms` what they are found by in the lists of administrators.
        """
        p, digests = Partition.of(person_id), digests_of(hints)
        await self.hints.enter(person_id, digests)
        reply = await self._redis.run(
            "create_person",
            [p.person(person_id), p.people, p.found_by],
            user,
            "1" if blocked else "",
            user_code,
            " ".join(digests),
            person_id,
            _lines(terms),
            event,
            secrets.token_urlsafe(9),
        )
        await self.hints.settle(person_id, digests)
        return bool(reply == b"created")

    async def change(
        self,
        person_id: str,
        *,
        read: bytes,
        user: bytes,
        blocked: bool | None = None,
        user_code: str | None = None,
        hints: Collection[LoginHint] = (),
        terms: Collection[Term] = (),
        event: bytes = UNTOLD,
    ) -> bool:
        """
        Replace a person's record if it is still the one that was read.

        None leaves what is beside the record as it is; an empty `user_code` takes it away.
        """
        p, digests = Partition.of(person_id), digests_of(hints)
        former = await self.hints.of(person_id)
        await self.hints.enter(person_id, digests)
        reply = await self._redis.run(
            "change_person",
            [p.person(person_id), p.found_by],
            read,
            user,
            "" if blocked is None else str(int(blocked)),
            "" if user_code is None else user_code or "-",
            " ".join(digests),
            person_id,
            _lines(terms),
            event,
            secrets.token_urlsafe(9),
        )
        await self.hints.settle(person_id, [*former, *digests])
        return bool(reply == b"changed")

    async def read(self, person_id: str) -> bytes | None:
        key = Partition.of(person_id).person(person_id)
        user: bytes | None = await self._redis.execute("HGET", key, "user")
        return user

    async def read_with_block(self, person_id: str) -> tuple[bytes, bool] | None:
        """A person and whether they are blocked."""
        key = Partition.of(person_id).person(person_id)
        user, blocked = await self._redis.execute("HMGET", key, "user", "blocked")
        return (user, blocked is not None) if user else None

    async def remove(self, person_id: str, *, event: bytes = UNTOLD) -> bool:
        """Forget a person and their devices, and end what they were asked."""
        p = Partition.of(person_id)
        former = await self.hints.of(person_id)
        reply = await self._redis.run(
            "remove_person",
            [
                p.person(person_id),
                p.devices(person_id),
                p.addresses(person_id),
                p.recent(person_id),
                p.people,
                p.found_by,
                p.refusals(person_id),
                p.mailed(person_id),
            ],
            p.prefix,
            person_id,
            _OPEN,
            _ENDED,
            event,
            secrets.token_urlsafe(9),
        )
        await self.hints.settle(person_id, former)
        return bool(reply)

    async def create_ticket(
        self, ticket: str, person_id: str, life_ms: int, *, event: bytes = UNTOLD
    ) -> bool:
        """False when there is no such person."""
        p = Partition.of(person_id)
        names = [p.ticket(digest(ticket)), p.person(person_id)]
        reply = await self._redis.run("create_ticket", names, person_id, life_ms, event)
        return bool(reply == b"created")

    async def person_of_ticket(self, ticket: str) -> str | None:
        key = Partition.of(ticket).ticket(digest(ticket))
        person_id: bytes | None = await self._redis.execute("HGET", key, "person")
        return person_id.decode() if person_id else None

    async def ticket_status(self, ticket: str) -> tuple[str, bytes]:
        """`open` or `used`, and the user (JSON) it is for; `gone`, and nothing."""
        p = Partition.of(ticket)
        reply = await self._redis.run("read_ticket", [p.ticket(digest(ticket))], p.prefix)
        return reply[0].decode(), reply[1] if len(reply) > 1 else b""

    async def enroll(
        self,
        *,
        ticket: str,
        person_id: str,
        device_id: str,
        thumbprint: str,
        record: bytes,
        address: bytes,
        address_name: bytes,
    ) -> tuple[str, bytes]:
        """
        Use a ticket up for a device. Replies `enrolled` and the user (JSON), or
        `unknown_ticket`, `used_ticket`, `too_many_devices`.
        """
        p = Partition.of(person_id)
        reply = await self._redis.run(
            "enroll",
            [
                p.ticket(digest(ticket)),
                p.person(person_id),
                p.devices(person_id),
                p.addresses(person_id),
                p.notices,
            ],
            person_id,
            device_id,
            thumbprint.encode() + record,
            address,
            address_name,
            policy.DEVICES_OF_A_PERSON_MAX,
        )
        return reply[0].decode(), reply[1] if len(reply) > 1 else b""

    async def own_address(self, device_id: str, address_name: bytes) -> None:
        """
        An address has one owner, the one who registered it last: a phone that was sold, or has
        another user now, rings for nobody else (T37). Two steps, for the former owner may be in
        another partition; between them a push may still reach this phone, and says nothing.
        """
        key = keys.address_owner(digest(address_name.decode()))
        former: bytes = await self._redis.run("own_address", [key], device_id)
        person_id = person_of_device(former.decode())
        if person_id is not None:
            addresses = Partition.of(person_id).addresses(person_id)
            await self._redis.run("release_address", [addresses], former, address_name)

    async def device(self, person_id: str, device_id: str) -> tuple[str, bytes] | None:
        """The thumbprint of a device's key and its record (JSON)."""
        key = Partition.of(person_id).devices(person_id)
        stored = await self._redis.execute("HGET", key, device_id)
        return _split(stored) if stored else None

    async def devices(self, person_id: str) -> dict[str, tuple[bytes, bytes | None]]:
        """Every device of a person: its record and, while it is thought alive, its address."""
        p = Partition.of(person_id)
        records = await self._redis.execute("HGETALL", p.devices(person_id))
        addresses = await self._redis.execute("HGETALL", p.addresses(person_id))
        alive = dict(zip(addresses[::2], addresses[1::2], strict=True))
        return {
            device_id.decode(): (_split(stored)[1], alive.get(device_id))
            for device_id, stored in zip(records[::2], records[1::2], strict=True)
        }

    async def change_device(
        self,
        *,
        person_id: str,
        device_id: str,
        thumbprint: str,
        read: bytes,
        record: bytes,
        address: bytes = b"",
        address_name: bytes = b"",
    ) -> bool:
        """Replace a device's record if it is still the one that was read."""
        p = Partition.of(person_id)
        prefix = thumbprint.encode()
        reply = await self._redis.run(
            "change_device",
            [p.devices(person_id), p.addresses(person_id)],
            device_id,
            prefix + read,
            prefix + record,
            address,
            address_name,
        )
        return bool(reply == b"changed")

    async def remove_device(self, person_id: str, device_id: str, *, event: bytes = UNTOLD) -> bool:
        p = Partition.of(person_id)
        reply = await self._redis.run(
            "remove_device",
            [p.devices(person_id), p.addresses(person_id)],
            device_id,
            p.prefix,
            person_id,
            _OPEN,
            _ENDED,
            event,
            secrets.token_urlsafe(9),
        )
        return bool(reply)


def _split(stored: bytes) -> tuple[str, bytes]:
    return stored[:THUMBPRINT_CHARACTERS].decode(), stored[THUMBPRINT_CHARACTERS:]


def _lines(terms: Iterable[Term]) -> str:
    return "".join(f"{term.field}\t{term.value}\n" for term in terms)
