"""Notifications that consents owe to phones: found when they are due, claimed, reported."""

import secrets
from typing import NamedTuple

from consent import policy
from consent.lifecycle import Event, State, row
from consent.store.connections import Redis
from consent.store.keys import Partition

_PENDING = State.PENDING.value
_GIVE_UP_FROM, _GIVE_UP_TO = row(Event.GIVE_UP)


class Due(NamedTuple):
    """What owes something: consents a push to a phone, or a call to their client."""

    pushes: list[str]
    calls: list[str]
    notices: list[str]  # device_id: that it was added


class Claim(NamedTuple):
    """The lease of a notification and whom it is for."""

    consent_id: str
    person_id: str
    client_id: str
    attempt: int
    created_at_ms: int
    expires_at_ms: int
    now_ms: int
    addresses: list[tuple[str, bytes]]  # device_id, push address (JSON)


class Attempt(NamedTuple):
    """What became of one push: a row for the administrator, and what it means for the outbox."""

    device_id: str
    outcome: str  # delivered, unregistered, retry, rejected or no_provider
    address: bytes
    provider: str
    fact: bytes


class Notifications:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def due(self, partition: Partition, most: int) -> Due:
        """What a partition owes by now and is leased to nobody."""
        names = [partition.outbox, partition.calls, partition.notices]
        reply = await self._redis.run("due", names, most)
        return Due(*[[owing.decode() for owing in owed] for owed in reply])

    async def claim(self, consent_id: str) -> Claim | None:
        """Lease the notification of a consent, None when there is nothing to do for it."""
        p = Partition.of(consent_id)
        reply = await self._redis.run(
            "claim",
            [p.consent(consent_id), p.outbox, p.addresses()],
            consent_id,
            policy.LEASE_MS,
            _PENDING,
            secrets.token_urlsafe(9),
        )
        if reply[0] != b"claimed":
            return None
        _, attempt, created_at, expires_at, now, person_id, client_id, *addresses = reply
        return Claim(
            consent_id,
            person_id.decode(),
            client_id.decode(),
            attempt,
            int(created_at),
            int(expires_at),
            now,
            [
                (device.decode(), address)
                for device, address in zip(addresses[::2], addresses[1::2], strict=True)
            ],
        )

    async def report(self, claim: Claim, attempts: list[Attempt], retry_in_ms: int) -> str:
        """Record what became of a claim's pushes; the reply says what is owed now."""
        p = Partition.of(claim.consent_id)
        flat: list[str | bytes] = []
        for attempt in attempts:
            flat += attempt
        reply: bytes = await self._redis.run(
            "report",
            [
                p.consent(claim.consent_id),
                p.outbox,
                p.opened,
                p.stats,
                p.addresses(),
                p.open(),
                p.story(claim.consent_id),
            ],
            claim.consent_id,
            claim.attempt,
            retry_in_ms,
            _GIVE_UP_FROM,
            _GIVE_UP_TO,
            policy.FALLBACK_AFTER_MS,
            *flat,
        )
        return reply.decode()
