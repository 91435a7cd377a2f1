"""
Channels that come and go, all over one connection of their own.

What is published while nobody hears it is lost, so each channel that begins to be heard is named
once: when it was added, and again after the connection was away. Whoever hears the name of a
channel looks for what has changed; what is said in it does not matter.
"""

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import hiredis
import redis
from redis.asyncio.connection import AbstractConnection

SILENCE_SECONDS = 5.0  # then the server is asked for a sign of life, and has as long to give it
RECONNECT_SECONDS = 0.5
_READ_OCTETS = 65_536


class Subscriptions:
    """`connect` makes an unconnected redis-py connection; `heard` is what is listened to."""

    def __init__(self, connect: Callable[[], AbstractConnection]) -> None:
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._wanted: collections.Counter[str] = collections.Counter()
        self._subscribed: set[str] = set()
        self._connection: AbstractConnection | None = None
        self._is_due = False

    def add(self, channel: str) -> None:
        """It is named as soon as it is heard; one that is heard already is not named again."""
        self._wanted[channel] += 1
        self._change()

    def remove(self, channel: str) -> None:
        """As often as it was added, and it is heard no more."""
        self._wanted[channel] -= 1
        if self._wanted[channel] == 0:
            del self._wanted[channel]
            self._change()

    async def heard(self) -> AsyncIterator[str]:
        """Names of channels, for ever: something was published, or may have been."""
        while True:
            with contextlib.suppress(redis.exceptions.RedisError, OSError, hiredis.HiredisError):
                async with self._connected() as connection:
                    async for channel in _messages(connection):
                        yield channel
            await asyncio.sleep(RECONNECT_SECONDS)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AbstractConnection]:
        connection = self._connect()
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
            self._connection = connection
            self._send_changes()
            yield connection
        finally:
            self._connection = None
            self._subscribed = set()
            with contextlib.suppress(redis.exceptions.RedisError, OSError):
                await connection.disconnect(nowait=True)

    def _change(self) -> None:
        """What changes in one turn of the event loop leaves as one write."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._send_changes)

    def _send_changes(self) -> None:
        self._is_due = False
        if self._connection is None:
            return
        wanted = {*self._wanted}
        _write(self._connection, "SUBSCRIBE", *wanted - self._subscribed)
        _write(self._connection, "UNSUBSCRIBE", *self._subscribed - wanted)
        self._subscribed = wanted


async def _messages(connection: AbstractConnection) -> AsyncIterator[str]:
    """The channel of each message and each subscription. Raises OSError when all is silent."""
    parser, is_asked = hiredis.Reader(), False
    while True:
        try:
            # Not wait_for: on Python 3.11 it may swallow a cancellation.
            async with asyncio.timeout(SILENCE_SECONDS):
                data = await connection._reader.read(_READ_OCTETS)  # type: ignore[union-attr]  # noqa: SLF001
        except TimeoutError:
            if is_asked:
                raise ConnectionResetError("Redis is silent") from None
            is_asked = True
            _write(connection, "PING", "")
            continue
        if not data:
            raise ConnectionResetError("Redis closed the connection")
        is_asked = False
        parser.feed(data)
        while (message := parser.gets()) is not False:
            if isinstance(message, hiredis.ReplyError):
                raise ConnectionResetError("Redis refused a subscription")
            # A pong is a text for as long as there are no channels.
            if isinstance(message, list) and message[0] in {b"message", b"subscribe"}:
                yield message[1].decode()


def _write(connection: AbstractConnection, command: str, *arguments: str) -> None:
    if not arguments:
        return
    packed = hiredis.pack_command((command, *arguments))  # type: ignore[arg-type]  # its stub: 1-tuples
    # A connection that has just closed refuses to write; its reader hears of the end.
    with contextlib.suppress(RuntimeError):  # uvloop's way of saying so
        connection._writer.write(packed)  # type: ignore[union-attr]  # noqa: SLF001
