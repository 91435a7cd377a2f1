"""Clients that register themselves: how many may, and when one that was never used goes."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from consent import policy
from consent.client import Client
from consent.identifiers import digest
from consent.registration.initial_access_token import InitialAccessToken
from consent.registration.update import in_use, is_expired
from consent.store import keys
from consent.store.connections import Redis
from consent.store.directory import Directory, indexes

_REGISTERED = "registered"  # the index of the directory they are in


class Quota(NamedTuple):
    """How many clients may be registered in all, and from one address in an hour."""

    in_all: int
    of_address: int


class Refused(NamedTuple):
    """
    `too_many`, `too_many_of_address` and the milliseconds until some may register again, or
    `superseded`: the initial access token is not the one that was read.
    """

    reason: str
    wait_ms: int = 0


class Registrations:
    def __init__(self, redis: Redis, directory: Directory) -> None:
        self._redis = redis
        self._directory = directory

    async def initial_access_token(self, token_id: str) -> InitialAccessToken | None:
        """As it stands now; a copy would be used up twice."""
        stored = await self._redis.execute("HGET", keys.INITIAL_ACCESS_TOKENS, token_id)
        return msgspec.json.decode(stored, type=InitialAccessToken) if stored else None

    async def register(
        self,
        client: Client,
        *,
        address: str,
        quota: Quota,
        token: InitialAccessToken | None,
        event: bytes,
    ) -> Refused | None:
        """Keep a new client, and use its initial access token once. None when that is done."""
        registration = client.registration
        left = token.used() if token else None
        reply = await self._redis.run(
            "register_client",
            [
                keys.CLIENTS,
                keys.INITIAL_ACCESS_TOKENS,
                keys.registrations_from(digest(address)),
                keys.UNUSED_REGISTRATIONS,
            ],
            client.client_id,
            msgspec.json.encode(client),
            "".join(f"{name}\n" for name in indexes(client)),
            _REGISTERED,
            keys.CHANGES,
            event,
            quota.in_all,
            quota.of_address,
            policy.REGISTRATIONS_COUNTED_MS,
            token.id if token else "",
            msgspec.json.encode(token) if token else "",
            msgspec.json.encode(left) if left else "",
            registration.unused_until if registration else 0,
        )
        if reply[0] == b"registered":
            return None
        return Refused(reply[0].decode(), reply[1] if len(reply) > 1 else 0)

    async def count_fetch(self, address: str) -> int:
        """0 when a document may be fetched for this address, or the ms until one may be again."""
        wait_ms: int = await self._redis.run(
            "count_fetch",
            [keys.sector_fetches_from(digest(address))],
            policy.SECTOR_FETCHES_OF_ADDRESS_MAX,
            policy.REGISTRATIONS_COUNTED_MS,
        )
        return wait_ms

    async def first_use(self, client_id: str, *, event: bytes) -> None:
        """It has authenticated, and stays."""
        await self._directory.change(keys.CLIENTS, client_id, Client, in_use, event=event)

    async def sweep_unused(
        self,
        now: float,
        end_client: Callable[[str], Awaitable[object]],
        *,
        most: int = 100,
    ) -> int:
        """
        End clients that were to be used by `now` (seconds) and were not; says how many.

        A minute late, so that no host's clock takes away what another's has just let in. What
        `end_client` did not come to do is done by the next sweep, for the entry goes last.
        """
        until = int(now) - policy.CLOCK_SKEW_SECONDS
        due = await self._redis.execute(
            "ZRANGEBYSCORE", keys.UNUSED_REGISTRATIONS, "-inf", until, "LIMIT", 0, most
        )
        ended = 0
        for member in due:
            client_id = member.decode()
            stored = await self._redis.execute("HGET", keys.CLIENTS, client_id)
            if stored is None or is_expired(msgspec.json.decode(stored, type=Client), until):
                await end_client(client_id)
                ended += 1
            await self._redis.execute("ZREM", keys.UNUSED_REGISTRATIONS, member)
        return ended
