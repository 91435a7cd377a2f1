"""
Event streams: what is pending for a device, as it changes.

Whoever changes what a person is asked says so on the person's channel; the person's streams then
look, as each does when something it has told expires, and send the difference. One subscription a
process hears for all its streams, so that a quiet one costs nothing but a comment now and then.
"""

import asyncio
import contextlib
import enum
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from api.metrics import EVENT_STREAMS
from consent import event_stream as wire
from consent import policy
from consent.errors import TemporarilyUnavailable
from consent.event_stream import Look, PendingConsent, Told
from consent.store import keys
from consent.store.connections import Redis

log = structlog.get_logger()
HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx passes on what it gets
)
_LOOK_SECONDS_MIN = 0.005  # a timer may ring before the clock of Redis says so
_STORE_AWAY_SECONDS = 1.0


class End(enum.Enum):
    """Why a stream ends before its device is gone, and what it says last."""

    LEFT = b""  # nobody reads it any more
    GIVEN_WAY = wire.retry_after(policy.EVENT_STREAM_GIVEN_WAY_RETRY_MS)
    STOPPING = wire.retry_after(policy.EVENT_STREAM_RETRY_MS)


class EventStream:
    """One stream, from `EventStreams.open` to its `close`."""

    def __init__(
        self, channel: str, device_id: str, close: Callable[["EventStream"], None]
    ) -> None:
        self.channel = channel
        self.device_id = device_id
        self._close = close
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._end: End | None = None
        self._look_at = 0.0

    def follow(
        self,
        first: Look,
        look: Callable[[Told], Awaitable[Look | str]],
        item: Callable[[PendingConsent], object],
    ) -> None:
        """
        `first` was looked at after the stream was opened, so that nothing lies between; `look`
        tells what is pending and what became of what was told; `item` is one of a list's.
        """
        self._first, self._look, self._item = first, look, item

    def wake(self) -> None:
        """There may be something to say."""
        self._woken.set()

    def end(self, why: End = End.LEFT) -> None:
        self._end = self._end or why
        self._woken.set()

    def close(self) -> None:
        self._close(self)

    async def octets(self) -> AsyncIterator[bytes]:
        """What is sent, until the stream has ended."""
        octets = wire.retry_after(policy.EVENT_STREAM_RETRY_MS) + self._said(self._first)
        while True:
            if octets:
                yield octets
                comment_at = self._loop.time() + policy.EVENT_STREAM_COMMENT_SECONDS
            await self._wait(min(self._look_at, comment_at))
            if self._end is not None:
                yield self._end.value
                return
            octets = b""
            if self._woken.is_set() or self._loop.time() >= self._look_at:
                self._woken.clear()
                self._look_at = self._loop.time() + _STORE_AWAY_SECONDS
                with contextlib.suppress(TemporarilyUnavailable):
                    found = await self._look(self._told)
                    if isinstance(found, str) or not found.stands:
                        yield wire.GONE
                        return
                    octets = self._said(found)
            elif self._loop.time() >= comment_at:
                octets = wire.COMMENT

    async def _wait(self, until: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._woken.wait()

    def _said(self, look: Look) -> bytes:
        """The events of a look, which are told from now on; and when to look again."""
        events = wire.events(look)
        self._told = events[-1].told if events else tuple(it.consent_id for it in look.told)
        left_ms = wire.next_deadline_ms(look)
        seconds: float = policy.EVENT_STREAM_LOOK_SECONDS_MAX
        if left_ms is not None:
            seconds = min(seconds, max(left_ms / 1_000, _LOOK_SECONDS_MIN))
        self._look_at = self._loop.time() + seconds
        return b"".join([wire.framed(event, self._item) for event in events])


class EventStreams:
    """`await listen()` runs for as long as there may be streams, at most `most` of them."""

    def __init__(self, redis: Redis, most: int) -> None:
        self._subscriptions = redis.subscriptions()
        self._most = most
        self._of_channel: dict[str, list[EventStream]] = {}
        self._of_device: dict[str, list[EventStream]] = {}
        self.count = 0
        self._ending = False

    async def listen(self) -> None:
        try:
            async for channel in self._subscriptions.heard():
                for stream in self._of_channel.get(channel, ()):
                    stream.wake()
        except Exception as error:
            log.exception("event_streams_deaf", error=type(error).__name__)
            raise

    def open(self, person_id: str, device_id: str) -> EventStream:
        """A stream that is woken from now on. Raises TemporarilyUnavailable."""
        if self.count >= self._most or self._ending:
            raise TemporarilyUnavailable(detail="no more event streams are held")
        stream = EventStream(keys.PERSON + person_id, device_id, self._close)
        self._of_channel.setdefault(stream.channel, []).append(stream)
        self._subscriptions.add(stream.channel)
        self.count += 1
        EVENT_STREAMS.inc()
        return stream

    def admit(self, stream: EventStream) -> None:
        """It is the device's, which has proven its key: of too many the oldest gives way."""
        beside = self._of_device.setdefault(stream.device_id, [])
        if len(beside) >= policy.EVENT_STREAMS_OF_A_DEVICE_MAX:
            beside.pop(0).end(End.GIVEN_WAY)
        beside.append(stream)

    def end(self) -> None:
        """The process stops: every stream ends now, and none begins any more."""
        self._ending = True
        for streams in self._of_channel.values():
            for stream in streams:
                stream.end(End.STOPPING)

    def _close(self, stream: EventStream) -> None:
        self.count -= 1
        EVENT_STREAMS.dec()
        self._subscriptions.remove(stream.channel)
        _forget(self._of_channel, stream.channel, stream)
        _forget(self._of_device, stream.device_id, stream)


def _forget(streams: dict[str, list[EventStream]], name: str, stream: EventStream) -> None:
    held = streams.get(name, [])
    if stream in held:
        held.remove(stream)
    if not held:
        streams.pop(name, None)
