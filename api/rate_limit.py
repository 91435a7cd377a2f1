"""How often a client may call the management API (auth0-wire 3.6), in each process."""

import math
from typing import NamedTuple

from consent.errors import Headers, ManagementError

_WINDOW_SECONDS = 60


class Standing(NamedTuple):
    """What is left to a client now, and when all of it will be again (epoch seconds)."""

    limit: int
    remaining: int
    reset: int

    @property
    def headers(self) -> Headers:
        return (
            ("x-ratelimit-limit", str(self.limit)),
            ("x-ratelimit-remaining", str(self.remaining)),
            ("x-ratelimit-reset", str(self.reset)),
        )

    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return tuple((name.encode(), value.encode()) for name, value in self.headers)


class _Bucket(NamedTuple):
    """It held so many calls at that time (epoch seconds), and has leaked since."""

    calls: float
    at: float


class RateLimit:
    """
    A bucket of calls a client, which a minute empties; only who has called lately takes memory.

    It leaks all the time, so the reset is near for who calls little. Auth0's libraries repeat what
    was a conflict (409) and wait for the reset first: they would sleep out a fixed window.
    """

    def __init__(self, calls_per_minute_max: int) -> None:
        self._most = calls_per_minute_max
        self._seconds_a_call = _WINDOW_SECONDS / calls_per_minute_max
        self._swept_at = 0.0
        self._buckets: dict[str, _Bucket] = {}

    def count(self, client_id: str, now: float) -> Standing:
        """One call more. Raises ManagementError too_many_requests (429)."""
        self._sweep(now)
        calls = self._held(client_id, now) + 1
        if calls > self._most:
            seconds = (calls - self._most) * self._seconds_a_call
            wait = ("Retry-After", str(max(1, math.ceil(seconds))))
            raise ManagementError(
                429,
                "too_many_requests",
                "Global limit has been reached",
                headers=(wait, *self._standing(calls - 1, now).headers),
            )
        self._buckets[client_id] = _Bucket(calls, now)
        return self._standing(calls, now)

    def _held(self, client_id: str, now: float) -> float:
        bucket = self._buckets.get(client_id)
        if bucket is None:
            return 0
        leaked = max(0, now - bucket.at) / self._seconds_a_call
        return max(0, bucket.calls - leaked)

    def _standing(self, calls: float, now: float) -> Standing:
        reset = math.ceil(now + calls * self._seconds_a_call)
        return Standing(self._most, int(self._most - calls), reset)

    def _sweep(self, now: float) -> None:
        """Whoever has not called for a minute has an empty bucket."""
        if now - self._swept_at < _WINDOW_SECONDS:
            return
        self._swept_at = now
        oldest = now - _WINDOW_SECONDS
        self._buckets = {name: it for name, it in self._buckets.items() if it.at > oldest}
