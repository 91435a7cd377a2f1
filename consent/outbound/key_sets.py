"""
The JWK Sets behind the URLs that clients name, fetched when needed and kept a while (C027).

Every URL is fetched by a task of its own, one at a time, that all who wait for it share: a slow
or failing one delays its own callers and nobody else.
"""

import asyncio
import collections
import dataclasses
import math
from collections.abc import Callable
from typing import Protocol

from consent import jose, policy, strict_json
from consent.errors import TemporarilyUnavailable
from consent.jose import PublicKey
from consent.outbound.client import OutboundFailed

Keys = tuple[PublicKey, ...]


class Client(Protocol):
    async def get_json(self, url: str) -> bytes: ...


@dataclasses.dataclass
class _KeySet:
    """What is known of one URL; times are the clock's, in seconds."""

    keys: Keys = ()
    answered_at: float = -math.inf
    tried_at: float = -math.inf
    reason: str = "connection"  # of the last failure
    fetch: asyncio.Task[None] | None = None
    waiting: int = 0  # callers of that fetch

    def has(self, kid: str | None, now: float) -> bool:
        """Fresh, and with such a key. Without a kid any may be meant."""
        fresh = now - self.answered_at < policy.KEY_SET_FRESH_SECONDS
        return fresh and (kid is None or any(key.kid == kid for key in self.keys))

    def may_be_fetched(self, now: float) -> bool:
        return self.fetch is None and now - self.tried_at >= policy.KEY_SET_REFETCH_SECONDS

    def is_usable(self, now: float) -> bool:
        return now - self.answered_at < policy.KEY_SET_STALE_SECONDS_MAX


class KeySets:
    """Lives on one event loop. `clock` counts seconds and never goes back."""

    def __init__(self, client: Client, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        # The one that was asked for longest ago comes first, and goes first.
        self._sets: collections.OrderedDict[str, _KeySet] = collections.OrderedDict()

    async def keys(self, jwks_uri: str, *, kid: str | None) -> Keys:
        """
        The keys of the set. When it is old or none of them has this `kid` it is asked for again,
        but not sooner than policy.KEY_SET_REFETCH_SECONDS after the last time.

        While it cannot be fetched the last known keys are used, for at most
        policy.KEY_SET_STALE_SECONDS_MAX. Raises OutboundFailed when there are none, and
        TemporarilyUnavailable when too many wait for them already.
        """
        known = self._of(jwks_uri)
        if known.has(kid, self._clock()):
            return known.keys
        if known.may_be_fetched(self._clock()):
            known.fetch = asyncio.create_task(self._fetch(jwks_uri, known))
        if known.fetch:
            await self._wait(known, known.fetch)
        if not known.is_usable(self._clock()):
            raise OutboundFailed(known.reason)
        return known.keys

    async def _wait(self, known: _KeySet, fetch: asyncio.Task[None]) -> None:
        """A client whose keys are slow holds so many requests and no more (T18)."""
        if known.waiting >= policy.KEY_SET_WAITERS_MAX:
            raise TemporarilyUnavailable(detail="too many wait for one key set")
        known.waiting += 1
        try:
            await asyncio.shield(fetch)  # whose caller goes away takes it from nobody
        finally:
            known.waiting -= 1

    def _of(self, jwks_uri: str) -> _KeySet:
        known = self._sets.setdefault(jwks_uri, _KeySet())
        self._sets.move_to_end(jwks_uri)
        if len(self._sets) > policy.KEY_SETS_MAX:
            self._sets.popitem(last=False)
        return known

    async def _fetch(self, jwks_uri: str, known: _KeySet) -> None:
        try:
            body = await self._client.get_json(jwks_uri)
            known.keys = jose.key_set(strict_json.loads(body))
            known.answered_at = self._clock()
        except OutboundFailed as failure:
            known.reason = failure.reason
        except (strict_json.MalformedJSON, jose.UnusableKey):
            known.reason = "malformed_answer"
        finally:
            known.tried_at = self._clock()
            known.fetch = None
