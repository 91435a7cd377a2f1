"""Mailboxes: the one key that may answer a consent because its page was opened from its mail."""

from typing import NamedTuple

from consent.lifecycle import State
from consent.store.connections import Redis
from consent.store.keys import Partition
from consent.store.people import THUMBPRINT_CHARACTERS


class Opened(NamedTuple):
    """`outcome` is opened, or why not: unknown, over, expired, blocked, conflict."""

    outcome: str
    device_id: str = ""
    created_at_ms: int = 0
    expires_at_ms: int = 0


class Mailboxes:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def person_of(self, consent_id: str) -> str | None:
        """Who is asked, which never changes; None when there is no such consent."""
        key = Partition.of(consent_id).consent(consent_id)
        person_id: bytes | None = await self._redis.execute("HGET", key, "person")
        return person_id.decode() if person_id else None

    async def device(self, consent_id: str, device_id: str) -> bytes | None:
        """The record (JSON) of the key that was bound to a consent."""
        key = Partition.of(consent_id).mailbox(consent_id)
        stored: bytes | None = await self._redis.execute("HGET", key, device_id)
        return stored[THUMBPRINT_CHARACTERS:] if stored else None

    async def open(
        self,
        *,
        consent_id: str,
        person_id: str,
        address: str,
        device_id: str,
        thumbprint: str,
        record: bytes,
    ) -> Opened:
        """
        Bind a key to a consent, while `address` is the verified one of the person; the same key
        again gets the device it has.
        """
        p = Partition.of(consent_id)
        reply = await self._redis.run(
            "open_mailbox",
            [p.consent(consent_id), p.person(person_id), p.mailbox(consent_id)],
            consent_id,
            person_id,
            device_id,
            thumbprint.encode() + record,
            State.PENDING.value,
            address,
        )
        if reply[0] != b"opened":
            return Opened(reply[0].decode())
        return Opened("opened", reply[1].decode(), int(reply[2]), int(reply[3]))
