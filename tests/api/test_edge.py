"""The edge: what becomes of a call that fails in a way nobody foresaw, and of its header fields."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import structlog.testing
from starlette.applications import Starlette
from starlette.routing import Route

from api.edge import Admission, Call, Endpoint, Handler, Reply, json_reply
from api.protocol import limited_protocol
from consent import policy
from consent.errors import InvalidRequest, oauth_body
from tests.support.domain import settings
from tests.support.raw_http import Server

Fields = list[tuple[bytes, bytes]]


def scope(headers: Fields | None = None) -> dict[str, Any]:
    return {"type": "http", "method": "POST", "path": "/", "headers": headers or []}


def answered(handler: Handler, admission: Admission | None = None) -> tuple[int, dict[str, Any]]:
    """The status and body of an answer."""
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:  # noqa: ANN401 - as ASGI has it
        sent.append(message)

    admission = admission or Admission(settings())
    endpoint = Endpoint("test", {"POST": handler}, oauth_body, admission)
    asyncio.run(endpoint(scope(), receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_an_unforeseen_failure_is_a_server_error_outside_and_a_full_line_inside() -> None:
    """I8, T24: nothing of it is told to the client."""

    async def fails(_: Call) -> Reply:
        raise RuntimeError("canary of the failure")

    with structlog.testing.capture_logs() as lines:
        status, body = answered(fails)

    assert (status, body) == (
        500,
        {"error": "server_error", "error_description": "An unexpected error occurred"},
    )
    [line] = [line for line in lines if line["event"] == "unexpected"]
    assert (line["endpoint"], line["error"]) == ("test", "RuntimeError")


def test_a_failure_leaves_its_place_to_the_next() -> None:
    admission = Admission(settings(concurrent_requests_max="1"))

    async def fails(_: Call) -> Reply:
        raise RuntimeError

    for _ in range(3):
        assert answered(fails, admission)[0] == 500
    assert admission.in_work == 0


def test_who_waits_takes_no_place() -> None:
    admission = Admission(settings(concurrent_requests_max="1"))

    async def waits(call: Call) -> Reply:
        with call.waiting():
            return json_reply({"in_work": admission.in_work})

    assert answered(waits, admission) == (200, {"in_work": 0})
    assert admission.in_work == 0


def call(headers: Fields) -> Call:
    return Call(scope(headers), b"", Admission(settings()))


def test_a_header_that_is_sent_twice_is_refused_when_it_is_read() -> None:
    """Two readers may each pick another one."""
    twice = call([(b"a", b"1"), (b"b", b"x"), (b"a", b"2")])

    assert twice.header(b"b") == "x"
    assert twice.header(b"c") is None
    with pytest.raises(InvalidRequest):
        twice.header(b"a")


def test_a_list_header_may_come_in_parts() -> None:
    """RFC 9110 5.3."""
    parts = call([(b"prefer", b"wait=5"), (b"x", b"y"), (b"prefer", b"respond-async")])

    assert "wait=5" in (parts.list_header(b"prefer") or "")
    assert "respond-async" in (parts.list_header(b"prefer") or "")


class Told:
    """A stream of so many pieces; it knows who ended it."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.ended = asyncio.Event()
        self.closed = 0

    async def octets(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        await self.ended.wait()

    def end(self) -> None:
        self.ended.set()

    def close(self) -> None:
        self.closed += 1


def serving(stream: Told, admission: Admission) -> Server:
    async def begin(_: Call) -> Reply:
        return Reply(200, headers=((b"content-type", b"text/event-stream"),), stream=stream)

    async def not_modified(_: Call) -> Reply:
        return Reply(304, headers=((b"etag", b'"x"'),))

    streaming = Endpoint("stream", {"GET": begin}, oauth_body, admission)
    unchanged = Endpoint("unchanged", {"GET": not_modified}, oauth_body, admission)
    return Server(
        Starlette(routes=[Route("/stream", streaming), Route("/unchanged", unchanged)]),
        http=limited_protocol(5, 65_536),
        loop="uvloop",
    )


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_stream_is_sent_piece_by_piece_and_takes_no_place_of_work() -> None:
    stream, admission = Told(b"one\n", b"two\n"), Admission(settings(concurrent_requests_max="1"))
    server = serving(stream, admission)
    try:
        with server.connect() as client:
            client.send(b"GET /stream HTTP/1.1\r\nHost: nod\r\n\r\n")
            octets = b""
            while not octets.endswith(b"\r\n\r\n4\r\none\n\r\n4\r\ntwo\n\r\n"):
                octets += client.socket.recv(1_000)
            assert b"transfer-encoding: chunked" in octets
            assert b"content-length" not in octets
            assert admission.in_work == 0
            assert stream.closed == 0
        wait_until(lambda: stream.closed == 1)
    finally:
        server.stop()


def test_who_does_not_read_a_stream_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does not read would have to be kept."""
    monkeypatch.setattr(policy, "EVENT_STREAM_DRAIN_SECONDS", 0.1)
    stream = Told(*[b"x" * 1_000_000] * 50)
    server = serving(stream, Admission(settings()))
    try:
        with server.connect() as client:
            client.send(b"GET /stream HTTP/1.1\r\nHost: nod\r\n\r\n")
            wait_until(lambda: stream.closed == 1)
            octets = 0
            with contextlib.suppress(ConnectionResetError):
                while received := len(client.socket.recv(1_000_000)):
                    octets += received
        assert octets < 50_000_000
    finally:
        server.stop()


def test_an_answer_without_content_does_not_say_how_long_it_is() -> None:
    """RFC 9110 8.6: of a 304 it would be the length of what was not sent."""
    server = serving(Told(), Admission(settings()))
    try:
        answer = server.ask(b"GET /unchanged HTTP/1.1\r\nHost: nod\r\nConnection: close\r\n\r\n")
    finally:
        server.stop()

    assert answer.status == 304
    assert answer.headers["etag"] == '"x"'
    assert "content-length" not in answer.headers
    assert "transfer-encoding" not in answer.headers
