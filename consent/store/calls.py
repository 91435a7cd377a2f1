"""Calls that decided consents owe to clients which do not poll: claimed, made, reported."""

import secrets
from typing import NamedTuple

from consent import policy
from consent.lifecycle import Event, row
from consent.store.connections import Redis
from consent.store.keys import Partition

_REDEEM_FROM, _REDEEM_TO = row(Event.REDEEM)


class CallClaim(NamedTuple):
    """
    The lease of a call and what it is about. `state` is approved (a ping), redeemed (tokens are
    to be pushed), denied, unreachable, refused or expired; `callback` is sealed.
    """

    consent_id: str
    attempt: int
    state: str
    callback: bytes
    request: bytes
    person_id: str
    user: bytes
    decided_at_ms: int
    redeemed_at_ms: int
    confirmation: str


class Calls:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def claim(self, consent_id: str) -> CallClaim | None:
        """Lease the call a consent owes, None when there is nothing to do for it."""
        p = Partition.of(consent_id)
        reply = await self._redis.run(
            "claim_call",
            [
                p.consent(consent_id),
                p.calls,
                p.callback(consent_id),
                p.story(consent_id),
                p.prefix,
            ],
            consent_id,
            policy.CALL_LEASE_MS,
            secrets.token_urlsafe(9),
            _REDEEM_FROM,
            _REDEEM_TO,
        )
        if reply[0] != b"claimed":
            return None
        _, attempt, state, callback, story, person, user, decided_at, redeemed_at, cnf = reply
        return CallClaim(
            consent_id,
            attempt,
            state.decode(),
            callback,
            story.partition(b"\n")[0],
            person.decode(),
            user,
            int(decided_at),
            int(redeemed_at),
            cnf.decode(),
        )

    async def report(self, claim: CallClaim, *, outcome: str, retry_in_ms: int, fact: bytes) -> str:
        """
        Record what became of a claimed call (`delivered`, `refused` or `retry`); the reply says
        what is owed now.
        """
        p = Partition.of(claim.consent_id)
        consent_id = claim.consent_id
        reply: bytes = await self._redis.run(
            "report_call",
            [
                p.consent(consent_id),
                p.calls,
                p.callback(consent_id),
                p.stats,
                p.story(consent_id),
            ],
            consent_id,
            claim.attempt,
            outcome,
            retry_in_ms,
            policy.CALLABLE_AFTER_ANSWER_MS,
            fact,
        )
        return reply.decode()
