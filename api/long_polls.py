"""
Polls that are held until the decision (CIBA 10.1, A125; decision 11).

Who decides publishes the consent's id; one subscription a process hears them all, so that a held
poll costs nothing while it waits. Whoever cannot listen holds nothing: its polls are answered as
they come.
"""

import asyncio
import contextlib
import enum
import re
from collections.abc import Iterator

import structlog

from api.metrics import LONG_POLLS
from consent import policy
from consent.store import keys
from consent.store.connections import DEAF, LISTENING, Redis

log = structlog.get_logger()
_PREFERS_WAIT = re.compile(
    r"(?:^|,)\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*(?:[,;]|$)", re.ASCII | re.IGNORECASE
).search
_PREFER_CHARACTERS_MAX = 256


def preferred_seconds(prefer: str, registered: int) -> int:
    """For how long a poll is to be held: `Prefer: wait=N` (RFC 7240 2, 4.3), or as registered."""
    wanted = _PREFERS_WAIT(prefer) if len(prefer) <= _PREFER_CHARACTERS_MAX else None
    return min(int(wanted[1]) if wanted else registered, policy.LONG_POLL_SECONDS_MAX)


class Woken(enum.Enum):
    DECIDED = "decided"
    ELAPSED = "elapsed"
    DEAF = "deaf"  # a decision may have been missed
    ENDING = "ending"


class Hold:
    """One held poll."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[Woken] = self._loop.create_future()

    def wake(self, why: Woken) -> None:
        if not self._woken.done():
            self._woken.set_result(why)

    async def wait(self, seconds: float) -> Woken:
        timer = self._loop.call_later(seconds, self.wake, Woken.ELAPSED)
        try:
            return await self._woken
        finally:
            timer.cancel()


class LongPolls:
    """`await listen()` runs for as long as polls are to be held, at most `most` of them."""

    def __init__(self, redis: Redis, most: int) -> None:
        self._redis = redis
        self._most = most
        self._held: dict[str, list[Hold]] = {}
        self.count = 0
        self._listening = False
        self._ending = False

    async def listen(self) -> None:
        try:
            async for message in self._redis.messages(keys.DECIDED):
                if message in {LISTENING, DEAF}:
                    self._listening = message == LISTENING
                    self._wake_all(Woken.DEAF)
                else:
                    for hold in self._held.get(message, ()):
                        hold.wake(Woken.DECIDED)
        except Exception as error:
            log.exception("long_polls_deaf", error=type(error).__name__)
            raise
        finally:
            self._listening = False
            self._wake_all(Woken.DEAF)

    @contextlib.contextmanager
    def hold(self, consent_id: str) -> Iterator[Hold | None]:
        """
        Hold a poll of this consent; None when it cannot be. It hears every decision from now on,
        so the poll itself comes after.
        """
        if self.count >= self._most or not self._listening or self._ending:
            yield None
            return
        hold = Hold()
        held = self._held.setdefault(consent_id, [])
        held.append(hold)
        self.count += 1
        LONG_POLLS.inc()
        try:
            yield hold
        finally:
            self.count -= 1
            LONG_POLLS.dec()
            held.remove(hold)
            if not held:
                del self._held[consent_id]

    def end(self) -> None:
        """The process stops: who waits is answered now, and nobody waits any more."""
        self._ending = True
        self._wake_all(Woken.ENDING)

    def _wake_all(self, why: Woken) -> None:
        for held in self._held.values():
            for hold in held:
                hold.wake(why)
