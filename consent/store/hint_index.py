"""
How a person is found by an e-mail address or a phone number.

The index lies in other slots than the people it finds, so it is written in steps of its own: an
entry is made before the person and goes after them. One that is left over is harmless, for what a
person is found by is a field of theirs, decided with their record, and is compared when they are
found. In the end the index is given what stands there once more, so that of two changes at once
neither takes away what the other has made.
"""

from collections.abc import Collection

import msgspec

from consent.identifiers import digest
from consent.login_hint import LoginHint
from consent.store import keys
from consent.store.connections import Redis
from consent.store.keys import Partition


class _Named(msgspec.Struct):
    """Of a user's record, whose it is."""

    user_id: str


class HintIndex:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

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

    async def of(self, person_id: str) -> list[str]:
        """The digests a person is found by."""
        key = Partition.of(person_id).person(person_id)
        return _split_hints(await self._redis.execute("HGET", key, "hints"))

    async def enter(self, person_id: str, digests: Collection[str]) -> None:
        for name in digests:
            await self._redis.execute("SADD", keys.hint(name), person_id)

    async def settle(self, person_id: str, digests: Collection[str]) -> None:
        """Of entries that stood or were to stand, those stay that do."""
        for name in set(digests).difference(await self.of(person_id)):
            await self._redis.execute("SREM", keys.hint(name), person_id)
        await self.enter(person_id, await self.of(person_id))


def _split_hints(stored: bytes | None) -> list[str]:
    return stored.decode().split() if stored else []


def digests_of(hints: Collection[LoginHint]) -> list[str]:
    return [_digest(hint.kind, hint.value) for hint in hints]


def _digest(kind: str, value: str) -> str:
    # Neither kind holds a space.
    return digest(f"{kind} {value}")
