"""The load generator against a real listener: every request once, every answer looked at."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from scripts.benchmark.http_load import (
    CONNECTIONS,
    Expected,
    UnexpectedAnswerError,
    send_all,
    send_at_rate,
    send_in_turn,
)

OK = Expected(200, b"fine")
FINE = b"HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 4\r\n\r\nfine"


class Listener:
    """Answers each request, ended by a semicolon, with the same octets, in the given pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.received: list[bytes] = []
        self.transports: list[asyncio.Transport] = []

    def connection(self) -> asyncio.Protocol:
        return _Talk(self)


class _Talk(asyncio.Protocol):
    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._listener.transports.append(transport)

    def data_received(self, data: bytes) -> None:
        assert data.endswith(b";")
        self._listener.received.append(data)
        self._send(list(self._listener.pieces))

    def _send(self, pieces: list[bytes]) -> None:
        self._transport.write(pieces[0])
        if pieces[1:]:  # later, so that they arrive apart
            asyncio.get_running_loop().call_later(0.001, self._send, pieces[1:])


def against(listener: Listener, play: Callable[[int], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(10):
            server = await asyncio.get_running_loop().create_server(
                listener.connection, "127.0.0.1", 0
            )
            try:
                await play(server.sockets[0].getsockname()[1])
            finally:
                server.close()
                for transport in listener.transports:
                    transport.abort()
                await asyncio.sleep(0)

    asyncio.run(run())


@pytest.mark.parametrize("count", [1, CONNECTIONS - 1, CONNECTIONS, 3 * CONNECTIONS + 1])
def test_every_request_is_sent_once(count: int) -> None:
    listener = Listener(FINE)
    requests = [b"%d;" % number for number in range(count)]

    async def play(port: int) -> None:
        assert await send_all(port, requests, OK) > 0

    against(listener, play)
    assert sorted(listener.received) == sorted(requests)
    assert len(listener.transports) == CONNECTIONS


def test_an_answer_in_pieces_is_one_answer() -> None:
    listener = Listener(FINE[:20], FINE[20:-2], FINE[-2:])

    async def play(port: int) -> None:
        await send_all(port, [b"x;"] * 200, OK)

    against(listener, play)
    assert len(listener.received) == 200


@pytest.mark.parametrize(
    "answer",
    [
        FINE.replace(b"200", b"400"),
        FINE.replace(b"fine", b"fail"),
    ],
)
def test_an_answer_that_was_not_expected_ends_the_benchmark_and_is_shown(answer: bytes) -> None:
    async def play(port: int) -> None:
        with pytest.raises(UnexpectedAnswerError) as raised:
            await send_all(port, [b"x;"] * 200, OK)
        assert str(raised.value) == answer.decode()

    against(Listener(answer), play)


def test_an_answer_without_a_body_is_complete_with_its_head() -> None:
    async def play(port: int) -> None:
        await send_all(port, [b"x;"] * 100, Expected(204))

    against(Listener(b"HTTP/1.1 204 No Content\r\n\r\n"), play)


def test_in_turn_each_waits_for_the_one_before_on_one_connection() -> None:
    listener = Listener(FINE[:20], FINE[20:])
    requests = [b"%d;" % number for number in range(30)]

    async def play(port: int) -> None:
        waits = await send_in_turn(port, requests, OK)
        assert len(waits) == len(requests)
        assert min(waits) >= 0.001, "what the listener takes for an answer"

    against(listener, play)
    assert listener.received == requests
    assert len(listener.transports) == 1


def test_in_turn_an_answer_that_was_not_expected_ends_the_benchmark() -> None:
    async def play(port: int) -> None:
        with pytest.raises(UnexpectedAnswerError):
            await send_in_turn(port, [b"x;"] * 3, Expected(404))

    against(Listener(FINE), play)


def test_at_a_rate_requests_leave_in_time_and_every_body_comes_back() -> None:
    async def play(port: int) -> None:
        started = asyncio.get_running_loop().time()
        assert await send_at_rate(port, [b"x;"] * 100, OK, 500) == [b"fine"] * 100
        assert asyncio.get_running_loop().time() - started >= 99 / 500

    against(Listener(FINE), play)


def test_at_a_rate_a_server_that_goes_away_ends_the_benchmark() -> None:
    listener = Listener(FINE)

    async def play(port: int) -> None:
        def go_away() -> None:
            for transport in listener.transports:
                transport.abort()

        asyncio.get_running_loop().call_later(0.1, go_away)
        with pytest.raises(ConnectionResetError):
            await send_at_rate(port, [b"x;"] * 10_000, OK, 500)

    against(listener, play)
