"""
The edge: from an ASGI call to a handler's arguments, and from its result or refusal to an answer.

`Endpoint` is the one place where an exception becomes a response. A handler takes a `Call` and
returns a `Reply`, or raises a `Refusal`; anything else it raises is a `server_error` outside and
a full log line inside.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from api.metrics import REQUESTS
from api.protocol import HANG_UP, IS_CONNECTED
from consent import forms, policy
from consent.errors import (
    InvalidRequest,
    MethodNotAllowed,
    PayloadTooLarge,
    Refusal,
    ServerError,
    TemporarilyUnavailable,
)
from consent.settings import Settings
from consent.strict_json import MalformedJSON, loads_object

log = structlog.get_logger()

JSON_HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_WITHOUT_CONTENT = {204, 304}  # nor do they say how long it is (RFC 9110 8.6)
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
# What a waiting client hears is counted, not logged: it is most of the traffic.
_NOT_LOGGED = {"authorization_pending", "slow_down", "health", "not_ready"}


class Stream(Protocol):
    """What goes on being answered: octets as they come, until it or the client ends it."""

    def octets(self) -> AsyncIterator[bytes]: ...

    def end(self) -> None:
        """The client has left."""

    def close(self) -> None:
        """Called once, when nothing of it is sent any more."""


class Reply(NamedTuple):
    """
    A response: `body` is JSON bytes, or a `stream` follows; `after` is called once it has left for
    the client.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = JSON_HEADERS
    after: Callable[[], None] | None = None
    outcome: str = "ok"
    stream: Stream | None = None


def json_reply(value: object, status: int = 200) -> Reply:
    return Reply(status, msgspec.json.encode(value))


class Call:
    """One request: its headers and body, and what its log line will say of it."""

    __slots__ = ("admission", "body", "facts", "fields", "headers", "path", "scope")

    def __init__(self, scope: Scope, body: bytes, admission: "Admission") -> None:
        self.scope = scope
        self.admission = admission
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]
        self.fields: dict[bytes, bytes] = dict(self.headers)  # by name; see `header`
        self.path: dict[str, str] = scope.get("path_params", {})
        self.body = body
        self.facts: dict[str, object] = {}

    def header(self, name: bytes) -> str | None:
        """The value of a header; sent twice it is refused, for two readers may pick each one."""
        found = self.fields.get(name)
        if found is None:
            return None
        if len(self.fields) != len(self.headers) and self._is_repeated(name):
            raise InvalidRequest("A header is repeated")
        return found.decode("latin-1")

    def list_header(self, name: bytes) -> str:
        """The value of a header that is a list, which may come in parts (RFC 9110 5.3)."""
        return ", ".join(value.decode("latin-1") for it, value in self.headers if it == name)

    def _is_repeated(self, name: bytes) -> bool:
        return sum(header == name for header, _ in self.headers) > 1

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """While a call does nothing but wait it takes no place of one that has work to do."""
        self.admission.in_work -= 1
        try:
            yield
        finally:
            self.admission.in_work += 1

    def is_connected(self) -> bool:
        """Whether somebody is still there to be answered."""
        connected: bool = self.scope.get(IS_CONNECTED, _always)()
        return connected

    def media_type(self) -> str:
        """What the body says it is, without parameters, in lower case; empty if it does not."""
        return (self.header(b"content-type") or "").partition(";")[0].strip().lower()

    def form(self) -> dict[str, str]:
        """The parameters of a form body. Raises InvalidRequest."""
        return self._form(self.media_type())

    def _form(self, media_type: str) -> dict[str, str]:
        if media_type != _FORM:
            raise InvalidRequest(f"The body must be {_FORM}")
        try:
            return forms.parse(self.body)
        except forms.MalformedForm as error:
            raise InvalidRequest(f"The form is malformed: {error.reason}") from error

    def json_object(self) -> dict[str, object]:
        """The members of a JSON body. Raises InvalidRequest."""
        if self.media_type() != _JSON:
            raise InvalidRequest(f"The body must be {_JSON}")
        try:
            return loads_object(self.body)
        except MalformedJSON as error:
            raise InvalidRequest(f"The JSON is malformed: {error.reason}") from None

    def form_or_json(self) -> dict[str, str]:
        """Parameters as the token endpoint takes them: a form, or JSON with text members."""
        media_type = self.media_type()
        if media_type != _JSON:
            return self._form(media_type)
        members = {name: value for name, value in self.json_object().items() if value is not None}
        for value in members.values():
            if not isinstance(value, str):
                raise InvalidRequest("A parameter is not a text")
        return {name: str(value) for name, value in members.items() if value != ""}


Handler = Callable[[Call], Awaitable[Reply]]
Shape = Callable[[Refusal], dict[str, object]]


class Admission:
    """How many requests are in work; past the bound the next is shed at once (A106)."""

    def __init__(self, settings: Settings) -> None:
        self.in_work = 0
        self.most = settings.concurrent_requests_max
        self.body_bytes_max = settings.request_body_max_bytes


class Endpoint:
    """An ASGI application: one path, a handler for each method, one shape of errors."""

    def __init__(
        self,
        name: str,
        handlers: dict[str, Handler],
        shape: Shape,
        admission: Admission,
        body_bytes_max: int = 0,
    ) -> None:
        self._name = name
        self._handlers = handlers
        self._shape = shape
        self._admission = admission
        self._body_bytes_max = max(admission.body_bytes_max, body_bytes_max)
        self._allow = ((b"allow", ", ".join(sorted(handlers)).encode()),)
        self._counters: dict[str, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        call = Call(scope, b"", self._admission)
        self._admission.in_work += 1
        try:
            reply = await self._answered(call, receive)
        finally:
            self._admission.in_work -= 1
        if reply.stream is not None:
            self._record(call, reply, time.perf_counter() - started)
            await _streamed(reply.stream, reply, call, receive, send)
            return
        headers = [*reply.headers]
        if reply.status not in _WITHOUT_CONTENT:
            headers.append((b"content-length", b"%d" % len(reply.body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
        if reply.after is not None and call.is_connected():
            reply.after()
        self._record(call, reply, time.perf_counter() - started)

    async def _answered(self, call: Call, receive: Receive) -> Reply:
        try:
            if self._admission.in_work > self._admission.most:
                raise TemporarilyUnavailable(detail="too many requests in work")  # noqa: TRY301
            handler = self._handlers.get(call.scope["method"])
            if handler is None:
                return Reply(
                    405,
                    self._error(MethodNotAllowed("The method is not allowed here")),
                    JSON_HEADERS + self._allow,
                    outcome="method_not_allowed",
                )
            call.body = await _body(receive, self._body_bytes_max)
            return await handler(call)
        except Refusal as refusal:
            return self._refused(call, refusal)
        except Exception as error:
            log.exception("unexpected", endpoint=self._name, error=type(error).__name__)
            return self._refused(call, ServerError("An unexpected error occurred"))

    def _refused(self, call: Call, refusal: Refusal) -> Reply:
        if refusal.detail:
            call.facts["detail"] = refusal.detail
        headers = tuple((name.encode(), value.encode()) for name, value in refusal.headers)
        return Reply(
            refusal.status, self._error(refusal), JSON_HEADERS + headers, outcome=refusal.error
        )

    def _error(self, refusal: Refusal) -> bytes:
        return msgspec.json.encode(self._shape(refusal))

    def _record(self, call: Call, reply: Reply, seconds: float) -> None:
        counter = self._counters.get(reply.outcome)
        if counter is None:
            counter = self._counters[reply.outcome] = REQUESTS.labels(self._name, reply.outcome)
        counter.inc()
        if reply.outcome not in _NOT_LOGGED:
            log.info(
                "request",
                endpoint=self._name,
                outcome=reply.outcome,
                status=reply.status,
                ms=round(seconds * 1_000, 1),
                **call.facts,
            )


async def _streamed(stream: Stream, reply: Reply, call: Call, receive: Receive, send: Send) -> None:
    """Send as it comes. Whoever does not read is hung up on, and takes no memory for long."""
    left = asyncio.ensure_future(receive())  # there is nothing more to receive but the end
    left.add_done_callback(lambda _: stream.end())
    try:
        headers = [*reply.headers]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        async for octets in stream.octets():
            async with asyncio.timeout(policy.EVENT_STREAM_DRAIN_SECONDS):
                await send({"type": "http.response.body", "body": octets, "more_body": True})
        async with asyncio.timeout(policy.EVENT_STREAM_DRAIN_SECONDS):
            await send({"type": "http.response.body", "body": b""})
    except TimeoutError:
        log.info("reader_too_slow", **call.facts)
        call.scope[HANG_UP]()
        await left
    finally:
        left.cancel()
        stream.close()


def _always() -> bool:
    return True


async def _body(receive: Receive, most: int) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > most:
            break
    if len(body) > most:
        raise PayloadTooLarge("The body is too large")
    return body
