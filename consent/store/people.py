"""People and their devices: one method a step, each decided in Redis."""

from collections.abc import Collection

import msgspec

from consent import policy
from consent.identifiers import digest, person_of_device
from consent.lifecycle import Event, row
from consent.login_hint import LoginHint
from consent.store import keys
from consent.store.connections import Redis
from consent.store.keys import Partition

_OPEN, _ENDED = row(Event.GIVE_UP)
THUMBPRINT_CHARACTERS = 43


class _Named(msgspec.Struct):
    """Of a user's record, whose it is."""

    user_id: str


class People:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def create(
        self,
        person_id: str,
        user: bytes,
        *,
        blocked: bool = False,
        user_code: str = "",
        hints: Collection[LoginHint] = (),
    ) -> bool:
        """
        False when the person is there already; one who is blocked cannot be asked.

        `user_code` is a MAC; `hints` are what the person is found by, in their normal form.
        """
        key, digests = Partition.of(person_id).person(person_id), _digests(hints)
        await self._index(person_id, digests)
        reply = await self._redis.run(
            "create_person", [key], user, "1" if blocked else "", user_code, " ".join(digests)
        )
        await self._settle(person_id, digests)
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
    ) -> bool:
        """
        Replace a person's record if it is still the one that was read.

        None leaves what is beside the record as it is; an empty `user_code` takes it away.
        """
        key, digests = Partition.of(person_id).person(person_id), _digests(hints)
        former = await self._indexed(person_id)
        await self._index(person_id, digests)
        reply = await self._redis.run(
            "change_person",
            [key],
            read,
            user,
            "" if blocked is None else str(int(blocked)),
            "" if user_code is None else user_code or "-",
            " ".join(digests),
        )
        await self._settle(person_id, [*former, *digests])
        return bool(reply == b"changed")

    async def find(self, kind: str, value: str) -> str | None:
        """The user id of the one person who has this e-mail address or phone number."""
        wanted, found = _digest(kind, value), None
        for member in await self._redis.execute("SMEMBERS", keys.hint(wanted)):
            person_id = member.decode()
            # An entry alone proves nothing: the person may have gone, or changed since.
            key = Partition.of(person_id).person(person_id)
            user, hints = await self._redis.execute("HMGET", key, "user", "hints")
            if user is None or wanted not in _split_hints(hints):
                continue
            if found is not None:
                return None
            found = msgspec.json.decode(user, type=_Named).user_id
        return found

    async def read(self, person_id: str) -> bytes | None:
        key = Partition.of(person_id).person(person_id)
        user: bytes | None = await self._redis.execute("HGET", key, "user")
        return user

    async def read_with_block(self, person_id: str) -> tuple[bytes, bool] | None:
        """A person and whether they are blocked."""
        key = Partition.of(person_id).person(person_id)
        user, blocked = await self._redis.execute("HMGET", key, "user", "blocked")
        return (user, blocked is not None) if user else None

    async def remove(self, person_id: str) -> bool:
        """Forget a person and their devices, and end what they were asked."""
        p = Partition.of(person_id)
        former = await self._indexed(person_id)
        reply = await self._redis.run(
            "remove_person",
            [
                p.person(person_id),
                p.devices(person_id),
                p.addresses(person_id),
                p.recent(person_id),
            ],
            p.prefix,
            person_id,
            _OPEN,
            _ENDED,
        )
        await self._settle(person_id, former)
        return bool(reply)

    # The index of hints lies in other slots than the people it finds, so it is written in steps of
    # its own: an entry is made before the person and goes after them. One that is left over is
    # harmless, for what a person is found by is a field of theirs, decided with their record, and
    # is compared when they are found. In the end the index is given what stands there once more,
    # so that of two changes at once neither takes away what the other has made.

    async def _indexed(self, person_id: str) -> list[str]:
        """The digests a person is found by."""
        key = Partition.of(person_id).person(person_id)
        return _split_hints(await self._redis.execute("HGET", key, "hints"))

    async def _index(self, person_id: str, digests: Collection[str]) -> None:
        for name in digests:
            await self._redis.execute("SADD", keys.hint(name), person_id)

    async def _settle(self, person_id: str, digests: Collection[str]) -> None:
        """Of entries that stood or were to stand, those stay that do."""
        for name in set(digests).difference(await self._indexed(person_id)):
            await self._redis.execute("SREM", keys.hint(name), person_id)
        await self._index(person_id, await self._indexed(person_id))

    async def create_ticket(self, ticket: str, person_id: str, life_ms: int) -> bool:
        """False when there is no such person."""
        p = Partition.of(person_id)
        reply = await self._redis.run(
            "create_ticket", [p.ticket(digest(ticket)), p.person(person_id)], person_id, life_ms
        )
        return bool(reply == b"created")

    async def person_of_ticket(self, ticket: str) -> str | None:
        key = Partition.of(ticket).ticket(digest(ticket))
        person_id: bytes | None = await self._redis.execute("HGET", key, "person")
        return person_id.decode() if person_id else None

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

    async def remove_device(self, person_id: str, device_id: str) -> bool:
        p = Partition.of(person_id)
        reply = await self._redis.run(
            "remove_device",
            [p.devices(person_id), p.addresses(person_id)],
            device_id,
            p.prefix,
            person_id,
            _OPEN,
            _ENDED,
        )
        return bool(reply)


def _split(stored: bytes) -> tuple[str, bytes]:
    return stored[:THUMBPRINT_CHARACTERS].decode(), stored[THUMBPRINT_CHARACTERS:]


def _split_hints(stored: bytes | None) -> list[str]:
    return stored.decode().split() if stored else []


def _digests(hints: Collection[LoginHint]) -> list[str]:
    return [_digest(hint.kind, hint.value) for hint in hints]


def _digest(kind: str, value: str) -> str:
    # Neither kind holds a space.
    return digest(f"{kind} {value}")
