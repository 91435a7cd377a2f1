"""
Clients that a person has refused, and until when (T1, T36).

They are written where answers are (`answer.lua`) and looked at where requests begin.
"""

import secrets

from consent.management.refused_clients import Refusal
from consent.store.connections import Redis
from consent.store.keys import Partition


class Refusals:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def of(self, person_id: str) -> list[Refusal]:
        """All that are remembered, by client; some may be over."""
        key = Partition.of(person_id).refusals(person_id)
        flat = await self._redis.execute("HGETALL", key)
        found = []
        for client_id, stored in zip(flat[::2], flat[1::2], strict=True):
            until_ms, denials, why = stored.decode().split(" ")
            found.append(Refusal(client_id.decode(), int(until_ms), int(denials), why))
        return sorted(found)

    async def lift(self, person_id: str, client_id: str, *, event: bytes) -> bool:
        """False when the person has not refused this client."""
        key = Partition.of(person_id).refusals(person_id)
        operation_id = secrets.token_urlsafe(9)
        reply = await self._redis.run(
            "lift_refusal", [key], client_id, person_id, event, operation_id
        )
        return bool(reply)
