"""
One connection that all concurrent requests share.

Commands issued in one turn of the event loop leave as one write, and replies are handed out in
order as they arrive: no pool, no lock, no round trip of one waiting for another's. redis-py
opens the connection (TLS, AUTH, SELECT); after that the bytes are hiredis' business.

A connection that breaks, or whose oldest reply is overdue, is replaced, and what was in flight
is sent once more: every script in this package may be sent twice. What still finds no server
within `PATIENCE_SECONDS` fails with `StoreUnavailable`.
"""

import asyncio
import collections
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import hiredis
import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from consent.errors import TemporarilyUnavailable
from consent.store.ending import ended

log = structlog.get_logger()
PATIENCE_SECONDS = 1.0  # a reply later than this means the connection is dead
WAITING_MAX = 20_000  # commands in flight; more is overload, to be shed early
RECONNECT_SECONDS = 0.1
# Errors that pass by themselves: the same command may succeed in a moment.
_PASSING = (
    "LOADING",
    "READONLY",
    "MASTERDOWN",
    "MISCONF",
    "OOM",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "BUSY",
    "NOREPLICAS",
)

Argument = str | bytes | int
Reply = Any


class StoreUnavailable(TemporarilyUnavailable):
    """Redis is away or refuses for now."""


class StoreError(Exception):
    """Redis refused for good: a defect, not a state of the world."""


class _Command:
    __slots__ = ("bytes", "future", "retried", "since")

    def __init__(self, packed: bytes, future: asyncio.Future[Reply], since: float) -> None:
        self.bytes = packed
        self.future = future
        self.since = since
        self.retried = False


class Lane:
    """
    Commands to one server. `connect` makes an unconnected redis-py connection; `on_connect`
    is awaited with `send` before anything else leaves (scripts are loaded there).
    """

    def __init__(
        self,
        connect: Callable[[], AbstractConnection],
        on_connect: Callable[[Callable[..., Awaitable[Reply]]], Awaitable[None]] | None = None,
    ) -> None:
        self._connect = connect
        self._on_connect = on_connect
        self._connection: AbstractConnection | None = None
        self._ready = False
        self._away = False
        self._unsent: list[_Command] = []
        self._in_flight: collections.deque[_Command] = collections.deque()
        self._flush_due = False
        self._loop = asyncio.get_running_loop()
        self._reader = self._loop.create_task(self._keep_connected())
        self._watch = self._loop.call_later(PATIENCE_SECONDS / 4, self._check_patience)

    def execute(self, *arguments: Argument) -> asyncio.Future[Reply]:
        """Send one command; the future ends with its reply, StoreUnavailable or StoreError."""
        future: asyncio.Future[Reply] = self._loop.create_future()
        if len(self._unsent) + len(self._in_flight) >= WAITING_MAX:
            future.set_exception(StoreUnavailable(detail="too many commands in flight"))
            return future
        packed = _packed(arguments)
        self._unsent.append(_Command(packed, future, self._loop.time()))
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)
        return future

    async def aclose(self) -> None:
        self._watch.cancel()
        await ended(self._reader)
        await self._disconnect()
        for command in [*self._in_flight, *self._unsent]:
            _fail(command, "the store was closed")
        self._in_flight.clear()
        self._unsent = []

    def _flush(self) -> None:
        self._flush_due = False
        if self._ready and self._unsent:
            commands, self._unsent = self._unsent, []
            self._write(commands)

    def _write(self, commands: list[_Command]) -> None:
        self._in_flight.extend(commands)
        assert self._connection is not None  # noqa: S101 - ready means connected
        # A connection that has just closed refuses to write; its end sends these again.
        with contextlib.suppress(RuntimeError):  # uvloop's way of saying so
            self._connection._writer.write(  # type: ignore[union-attr]  # noqa: SLF001
                b"".join([command.bytes for command in commands])
            )

    async def _keep_connected(self) -> None:
        while True:
            try:
                await self._serve_one_connection()
            except (
                RedisError,
                OSError,
                StoreUnavailable,
                StoreError,
                hiredis.HiredisError,
            ) as error:
                if not self._away:  # once, not for each attempt to get it back
                    self._away = True
                    log.warning("redis_away", error=type(error).__name__)
                await self._lose_connection()
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _serve_one_connection(self) -> None:
        self._connection = connection = self._connect()
        # Not wait_for: on Python 3.11 it may swallow the cancellation that closes this lane.
        async with asyncio.timeout(PATIENCE_SECONDS):
            await connection.connect()  # type: ignore[no-untyped-call]
        self._parser = hiredis.Reader(replyError=StoreError)
        reading = self._loop.create_task(self._read())
        try:
            if self._on_connect is not None:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._on_connect(self._send_now)
            self._ready = True
            if self._away:
                self._away = False
                log.info("redis_back")
            self._flush()
            await reading
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    def _send_now(self, *arguments: Argument) -> asyncio.Future[Reply]:
        future: asyncio.Future[Reply] = self._loop.create_future()
        command = _Command(_packed(arguments), future, self._loop.time())
        command.retried = True  # it prepares this connection and means nothing to the next
        self._write([command])
        return future

    async def _read(self) -> None:
        try:
            while True:
                await self._read_some()
        finally:
            if not self._ready:  # what prepares the connection need not wait for replies
                for command in self._in_flight:
                    _fail(command, "the connection was lost")

    async def _read_some(self) -> None:
        assert self._connection is not None  # noqa: S101 - only called while connected
        data = await self._connection._reader.read(65_536)  # type: ignore[union-attr]  # noqa: SLF001
        if not data:
            raise ConnectionResetError("Redis closed the connection")
        self._parser.feed(data)
        while (reply := self._parser.gets()) is not False:
            if not self._in_flight:
                raise ConnectionResetError("Redis replied to nothing")
            future = self._in_flight.popleft().future
            if future.done():  # its request was cancelled; the reply is still in its place
                continue
            if isinstance(reply, StoreError):
                future.set_exception(_as_exception(reply))
            else:
                future.set_result(reply)

    def _check_patience(self) -> None:
        now = self._loop.time()
        if self._in_flight and now - self._in_flight[0].since > PATIENCE_SECONDS:
            self._close_transport()
        if not self._ready:  # what is in flight then prepares the connection, and is its affair
            overdue = [c for c in self._unsent if now - c.since > PATIENCE_SECONDS]
            self._unsent = self._unsent[len(overdue) :]
            for command in overdue:
                _fail(command, "no connection")
        self._watch = self._loop.call_later(PATIENCE_SECONDS / 4, self._check_patience)

    def _close_transport(self) -> None:
        if self._connection is not None and self._connection._writer is not None:  # noqa: SLF001
            self._connection._writer.transport.abort()  # noqa: SLF001

    async def _lose_connection(self) -> None:
        self._ready = False
        await self._disconnect()
        again: list[_Command] = []
        for command in self._in_flight:
            overdue = self._loop.time() - command.since > PATIENCE_SECONDS
            if command.retried or overdue:
                _fail(command, "the connection was lost")
            else:
                command.retried = True
                again.append(command)
        self._in_flight.clear()
        self._unsent = again + self._unsent

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)


def _packed(arguments: tuple[Argument, ...]) -> bytes:
    packed: bytes = hiredis.pack_command(arguments)  # type: ignore[arg-type]  # its stub: 1-tuples
    return packed


def _fail(command: _Command, detail: str) -> None:
    if not command.future.done():
        command.future.set_exception(StoreUnavailable(detail=detail))


def _as_exception(error: StoreError) -> Exception:
    text = str(error)
    if text.startswith(_PASSING):
        return StoreUnavailable(detail=text.split(" ", 1)[0])
    return error
