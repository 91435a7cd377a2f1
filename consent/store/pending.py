"""What a person has not answered, as their devices see it: asked for once, or watched."""

import secrets

from consent import policy
from consent.event_stream import Look, PendingConsent, Standing, Told
from consent.lifecycle import State
from consent.store.connections import Redis
from consent.store.keys import Partition

_PENDING = State.PENDING.value


class PendingConsents:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def look(
        self,
        *,
        person_id: str,
        device_id: str,
        thumbprint: str,
        proof: str = "",
        told: Told = (),
    ) -> Look | str:
        """
        What a device's person has not answered and what became of what the device was told, or
        why it may not know: `unknown_device`, `replayed`.

        `proof` is the digest of a proof, which is used up; a stream showed its own when it began.
        """
        p = Partition.of(person_id)
        reply = await self._redis.run(
            "pending",
            [
                p.devices(person_id),
                p.proof(proof),
                p.open(person_id),
                p.consent(),
                p.person(person_id),
            ],
            device_id,
            thumbprint,
            policy.PROOF_REMEMBERED_MS,
            secrets.token_urlsafe(9) if proof else "",
            policy.PENDING_LISTED_MAX,
            person_id,
            _PENDING,
            *told,
        )
        if reply[0] != b"pending":
            return str(reply[0].decode())
        _, now, stands, listed, became = reply
        return Look(
            int(now),
            bool(stands),
            [
                PendingConsent(consent_id.decode(), int(created_at), int(expires_at))
                for consent_id, created_at, expires_at in zip(
                    listed[::3], listed[1::3], listed[2::3], strict=True
                )
            ],
            [
                Standing(consent_id, state.decode(), int(expires_at))
                for consent_id, state, expires_at in zip(
                    told, became[::2], became[1::2], strict=True
                )
            ],
        )
