"""What was approved, and how: kept as long as the record of the consent, for its client."""

from typing import NamedTuple

from consent.client import Client
from consent.lifecycle import Event, State, row
from consent.store.connections import Redis
from consent.store.keys import Partition

_APPROVED, _REDEEMED = row(Event.REDEEM)


class Approved(NamedTuple):
    """What was asked (JSON), from when to when, when it was approved, and its `Approval` (JSON)."""

    request: bytes
    created_at_ms: int
    expires_at_ms: int
    approved_at_ms: int
    approval: bytes


class Receipts:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self, consent_id: str, client: Client) -> Approved | str:
        """
        What this client's request was approved with, redeemed or not, or why there is nothing:
        unknown, pending, denied, unreachable, cancelled, expired, unsigned.
        """
        p = Partition.of(consent_id)
        reply = await self._redis.run(
            "read_receipt",
            [p.consent(consent_id), p.story(consent_id), p.receipt(consent_id)],
            client.client_id,
            client.since * 1_000,
            State.PENDING.value,
            _APPROVED,
            _REDEEMED,
        )
        match reply:
            case [b"approved", story, created_at, expires_at, decided_at, approval]:
                return Approved(
                    story.partition(b"\n")[0],
                    int(created_at),
                    int(expires_at),
                    int(decided_at),
                    approval,
                )
            case [outcome]:
                return str(outcome.decode())
        raise AssertionError(f"read_receipt.lua replied {reply[0]}")
