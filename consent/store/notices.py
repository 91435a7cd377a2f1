"""Notices that a device was added (T35), which its person's other devices are owed."""

import secrets
from typing import NamedTuple

from consent import policy
from consent.identifiers import person_of_device
from consent.store.connections import Redis
from consent.store.keys import Partition
from consent.store.notifications import Attempt


class NoticeClaim(NamedTuple):
    """The lease of a notice and who is to be told."""

    device_id: str  # of the one that was added
    person_id: str
    attempt: int
    expires_at_ms: int
    now_ms: int
    addresses: list[tuple[str, bytes]]  # device_id, or `email`, and its address as stored


class Notices:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def claim(self, device_id: str) -> NoticeClaim | None:
        """Lease the notice of a device, None when there is nothing to do for it."""
        person_id = person_of_device(device_id)
        if person_id is None:
            return None
        p = Partition.of(person_id)
        reply = await self._redis.run(
            "claim_notice",
            [
                p.notices,
                p.notice(device_id),
                p.devices(person_id),
                p.addresses(person_id),
                p.person(person_id),
            ],
            device_id,
            policy.LEASE_MS,
            policy.NOTICE_LIFE_MS,
            secrets.token_urlsafe(9),
        )
        if reply[0] != b"claimed":
            return None
        _, attempt, expires_at, now, *flat = reply
        addresses = [
            (device.decode(), address)
            for device, address in zip(flat[::2], flat[1::2], strict=True)
        ]
        return NoticeClaim(device_id, person_id, attempt, expires_at, now, addresses)

    async def report(self, claim: NoticeClaim, attempts: list[Attempt], retry_in_ms: int) -> str:
        """Record who was told and who was not; the reply says what is owed now."""
        p = Partition.of(claim.person_id)
        flat: list[str | bytes] = []
        for attempt in attempts:
            flat += attempt
        reply: bytes = await self._redis.run(
            "report_notice",
            [
                p.notice(claim.device_id),
                p.notices,
                p.stats,
                p.addresses(claim.person_id),
                p.devices(claim.person_id),
            ],
            claim.device_id,
            claim.attempt,
            retry_in_ms,
            claim.person_id,
            *flat,
        )
        return reply.decode()
