"""
Requests over keep-alive connections, each with one in flight, written so that the server is what
is measured.

A request is octets; of an answer only the status, its length and an expected part are looked at.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

CONNECTIONS = 64
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "


class Expected(NamedTuple):
    """What every answer must be, for a benchmark of refusals measures nothing."""

    status: int
    part: bytes = b""


class UnexpectedAnswerError(Exception):
    """A request was answered with something else; the text is that answer."""


class _Connection(asyncio.Protocol):
    def __init__(
        self,
        expected: Expected,
        answered: Callable[["_Connection", bytes], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._status_line = b"HTTP/1.1 %d " % expected.status
        self._part = expected.part
        self._answered = answered
        self._failed = failed
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def send(self, request: bytes) -> None:
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(_END_OF_HEAD)
        if head < 0 or len(self._received) < head + len(_END_OF_HEAD) + self._length(head):
            return
        answer, self._received = self._received, b""
        if answer.startswith(self._status_line) and self._part in answer:
            self._answered(self, answer[head + len(_END_OF_HEAD) :])
        else:
            self._failed(UnexpectedAnswerError(answer.decode("latin-1")))

    def _length(self, head: int) -> int:
        _, found, rest = self._received[: head + 1].partition(_LENGTH)
        return int(rest.partition(b"\r")[0]) if found else 0

    def connection_lost(self, exc: Exception | None) -> None:
        self._failed(exc or ConnectionResetError("the server closed a connection"))

    def close(self) -> None:
        self._transport.abort()


async def send_all(port: int, requests: Sequence[bytes], expected: Expected) -> float:
    """
    Send each once, the next on a connection as soon as it has its answer; the seconds it took.

    Raises UnexpectedAnswerError, OSError.
    """
    left, missing = iter(requests), len(requests)
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answered(connection: _Connection, _: bytes) -> None:
        nonlocal missing
        missing -= 1
        if (request := next(left, None)) is not None:
            connection.send(request)
        elif missing == 0 and not ended.done():
            ended.set_result(None)

    async with _connections(port, expected, answered, ended) as connections:
        started = time.perf_counter()
        for connection, request in zip(
            connections, itertools.islice(left, CONNECTIONS), strict=False
        ):
            connection.send(request)
        await ended
        return time.perf_counter() - started


async def send_at_rate(
    port: int, requests: Sequence[bytes], expected: Expected, per_second: float
) -> list[bytes]:
    """
    Send each once, at a steady rate for as long as there is an idle connection; the bodies.

    Raises UnexpectedAnswerError, OSError.
    """
    bodies: list[bytes] = []
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    idle: asyncio.Queue[_Connection] = asyncio.Queue()

    def answered(connection: _Connection, body: bytes) -> None:
        bodies.append(body)
        idle.put_nowait(connection)
        if len(bodies) == len(requests) and not ended.done():
            ended.set_result(None)

    async def pace() -> None:
        started = time.perf_counter()
        for number, request in enumerate(requests):
            await asyncio.sleep(started + number / per_second - time.perf_counter())
            (await idle.get()).send(request)

    async with _connections(port, expected, answered, ended) as connections:
        for connection in connections:
            idle.put_nowait(connection)
        pacing = asyncio.create_task(pace())
        try:
            await ended
        finally:
            pacing.cancel()
        return bodies


async def send_in_turn(port: int, requests: Sequence[bytes], expected: Expected) -> list[float]:
    """
    Send one after the other over one connection, with nobody beside it; the seconds each took.

    Raises UnexpectedAnswerError, OSError.
    """
    left, waits = iter(requests), list[float]()
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    sent = 0.0

    def send_next(connection: _Connection) -> None:
        nonlocal sent
        if (request := next(left, None)) is not None:
            sent = time.perf_counter()
            connection.send(request)
        elif not ended.done():
            ended.set_result(None)

    def answered(connection: _Connection, _: bytes) -> None:
        waits.append(time.perf_counter() - sent)
        send_next(connection)

    async with _connections(port, expected, answered, ended, count=1) as [connection]:
        send_next(connection)
        await ended
        return waits


@contextlib.asynccontextmanager
async def _connections(
    port: int,
    expected: Expected,
    answered: Callable[[_Connection, bytes], None],
    ended: asyncio.Future[None],
    count: int = CONNECTIONS,
) -> AsyncIterator[list[_Connection]]:
    def failed(error: Exception) -> None:
        if not ended.done():
            ended.set_exception(error)

    loop = asyncio.get_running_loop()
    opened: list[_Connection] = []
    try:
        for _ in range(count):
            _, connection = await loop.create_connection(
                lambda: _Connection(expected, answered, failed), "127.0.0.1", port
            )
            opened.append(connection)
        yield opened
    finally:
        for connection in opened:
            connection.close()
