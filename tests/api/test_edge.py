"""The edge: what becomes of a call that fails in a way nobody foresaw, and of its header fields."""

import asyncio
import json
from typing import Any

import pytest
import structlog.testing

from api.edge import Admission, Call, Endpoint, Handler, Reply, json_reply
from consent.errors import InvalidRequest, oauth_body
from tests.support.domain import settings

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
