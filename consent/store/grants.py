"""What was granted for longer than an answer: refresh tokens, and tokens that were revoked."""

import secrets
from typing import NamedTuple

from consent import policy
from consent.client import Client
from consent.profile import is_public, rotates_refresh_tokens
from consent.store.connections import Redis
from consent.store.keys import Partition
from consent.tokens import redemption_jti

# A mark outlives every token it speaks of, by the clock of whoever verifies them.
_TOKEN_LIFE_MS = (policy.TOKEN_LIFE_SECONDS_MAX + policy.CLOCK_SKEW_SECONDS) * 1_000


class Refreshed(NamedTuple):
    """
    `outcome` is unknown (or another client's), refused (the person may not be answered for any
    more), reused (and so revoked) or refreshed; what follows is there when it is refreshed.
    """

    outcome: str
    generation: int = 0
    request: bytes = b""
    user: bytes = b""
    auth_time_ms: int = 0


class Grant(NamedTuple):
    """What the refresh token of a generation stands for."""

    generation: int
    request: bytes
    auth_time_ms: int
    expires_at_ms: int


class Grants:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def refresh(
        self, *, consent_id: str, generation: int, client: Client, confirmation: str = ""
    ) -> Refreshed:
        """
        Use the refresh token of a generation (D080-D082, X07).

        `confirmation` is the key of the client's proof: a public client's refresh token is bound
        to the first one it shows (D054).
        """
        p = Partition.of(consent_id)
        reply = await self._redis.run(
            "refresh_grant",
            [p.grant(consent_id), p.person(), _family(p, redemption_jti(consent_id))],
            client.client_id,
            generation,
            secrets.token_urlsafe(9),
            "1" if rotates_refresh_tokens(client) else "",
            client.refresh_token.leeway * 1_000,
            _TOKEN_LIFE_MS,
            confirmation if is_public(client) else "-",
            client.since * 1_000,
        )
        match reply:
            case [b"refreshed", current, request, user, auth_time_ms]:
                return Refreshed("refreshed", current, request, user, int(auth_time_ms))
            case [outcome]:
                return Refreshed(outcome.decode())
        raise AssertionError(f"refresh_grant.lua replied {reply[0]}")

    async def read(self, consent_id: str, client_id: str) -> Grant | None:
        """What a client's refresh token stands for, None when for nothing (any more)."""
        p = Partition.of(consent_id)
        reply = await self._redis.run("read_grant", [p.grant(consent_id), p.person()], client_id)
        if reply[0] != b"stands":
            return None
        _, generation, request, auth_time_ms, expires_at_ms = reply
        return Grant(int(generation), request, int(auth_time_ms), expires_at_ms)

    async def revoke(self, consent_id: str, client_id: str) -> bool:
        """Revoke a client's refresh token with all that came from it (D021, D022)."""
        p = Partition.of(consent_id)
        reply = await self._redis.run(
            "revoke_grant",
            [p.grant(consent_id), _family(p, redemption_jti(consent_id))],
            client_id,
            _TOKEN_LIFE_MS,
        )
        return bool(reply)

    async def revoke_token(
        self, owner_id: str, jti: str, life_seconds: float, client_id: str
    ) -> None:
        """
        Revoke one access token of a client for the rest of its life. `owner_id` is the person_id
        of its `sub`, which for a client's own token only says where the mark is.
        """
        life_ms = int((life_seconds + policy.CLOCK_SKEW_SECONDS) * 1_000)
        key = Partition.of(owner_id).revoked(jti)
        await self._redis.run("revoke_token", [key], life_ms, client_id)

    async def person_of_token(self, person_id: str, jti: str, auth_time: int) -> bytes | None:
        """
        The user (JSON) a person's access token is about; None when it was revoked, or they are
        blocked or gone (T39). `auth_time` is in seconds.
        """
        p = Partition.of(person_id)
        family, _, _ = jti.partition(".")
        reply = await self._redis.run(
            "token_stands",
            [p.person(person_id), p.revoked(jti), _family(p, family)],
            auth_time * 1_000 + 999,  # they may have approved until the end of that second
        )
        return bytes(reply[1]) if reply[0] == b"stands" else None

    async def is_revoked(self, owner_id: str, jti: str) -> bool:
        """Whether a client's own access token was revoked."""
        return bool(await self._redis.execute("EXISTS", Partition.of(owner_id).revoked(jti)))


def _family(p: Partition, jti: str) -> str:
    """The mark of every access token of an approval: the `jti` of the first begins them all."""
    return p.revoked(f"{jti}.*")
