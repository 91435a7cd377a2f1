"""
The edge: how much of a client's request is read, and for how long, before it is a request.

Knows HTTP/1.1 and uvicorn, nothing of the application. uvicorn by itself reads a header of any
size, waits for the second half of a request forever, and starts the application on the first
half. Here the application starts when the whole body has arrived, so it never waits for a client
that dawdles or leaves, and whatever is over a limit is refused before it costs more than its
octets. A request that arrives in one piece, as nearly all do, needs no timer.

What is relied on in uvicorn, `tests/api/test_protocol.py` states.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httptools
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

# In the scope: whether the client is still there. uvicorn takes an answer to nobody in silence.
IS_CONNECTED = "nod.is_connected"
# In the scope: end the connection now, whatever has not been read of the answer.
HANG_UP = "nod.hang_up"

HEAD_OCTETS_MAX = 16_384  # request line and header fields
HEADERS_MAX = 100

# After a refusal the rest is read and dropped for this long: closing on unread octets resets the
# connection, and the reset overtakes the answer (RFC 9112 9.6).
_LINGER_SECONDS = 1.0


class Refused(Exception):  # noqa: N818
    """What was received ends the connection: a status and an ASCII description for the client."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.description = description


def _head_too_large() -> Refused:
    return Refused(
        431, f"The request head exceeds {HEAD_OCTETS_MAX} octets or {HEADERS_MAX} header fields"
    )


class _OneWrite:
    """
    A transport as an answer sees it: its head waits for its body, and both leave in one write.

    uvicorn writes them one by one; a system call less is a twentieth of a short request.
    """

    __slots__ = ("_head", "_transport", "_waits_for_head", "close", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._waits_for_head = False
        self.close = transport.close
        self.is_closing = transport.is_closing

    def begin(self) -> None:
        self._waits_for_head = True

    def write(self, data: bytes) -> None:
        if self._waits_for_head:
            self._head, self._waits_for_head = data, False
        else:
            self._transport.write(self._head + data if self._head else data)
            self._head = b""

    def end(self) -> None:
        """An answer that has no body has nothing to wait for."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""


class LimitedProtocol(HttpToolsProtocol):
    """One connection. Made by uvicorn, from the class that `limited_protocol` returns."""

    deadline_seconds: float
    body_octets_max: int
    larger_bodies: Mapping[bytes, int]  # of paths that take files

    # The request being received has no cycle until its head is complete, then is `_unstarted`
    # until its body is.
    _unstarted: tuple[httptools_impl.RequestResponseCycle, Any] | None = None
    _octets = 0  # received of it; short by what came in one piece with the end of the last
    _refusal: Refused | None = None  # nothing is read after it
    _timer: asyncio.TimerHandle | None = None  # the deadline; after a refusal, the lingering

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._answer = _OneWrite(transport)
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()  # which would keep all this in memory until it rings
        self._unstarted = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._unset_keepalive_if_required()
        self._octets += len(data)
        try:
            self.parser.feed_data(data)
            if self._octets > HEAD_OCTETS_MAX:
                self._check_octets()
        except httptools.HttpParserUpgrade:
            pass  # declined; the request itself was complete
        except httptools.HttpParserError as error:
            cause = error.__context__
            malformed = Refused(400, "The request is not well-formed HTTP")
            self._refuse(cause if isinstance(cause, Refused) else malformed)
        except Refused as refusal:
            self._refuse(refusal)
        if self._timer is None and not self._is_answering():
            self._start_deadline()

    def _check_octets(self) -> None:
        """A head that does not end, or a body whose framing outweighs it: chunk extensions and
        trailers may take as much again as the body.
        """
        head_is_complete = self.cycle is not None and self.cycle.scope is self.scope
        if not head_is_complete:
            raise _head_too_large()
        if self._octets > HEAD_OCTETS_MAX + 2 * self._body_max():
            raise self._body_too_large()

    def _body_max(self) -> int:
        return max(self.body_octets_max, self.larger_bodies.get(self.url.partition(b"?")[0], 0))

    def _body_too_large(self) -> Refused:
        return Refused(413, f"The request body exceeds {self._body_max()} octets")

    # Called by the parser, which wraps what they raise in an HttpParserError.

    def on_headers_complete(self) -> None:
        octets = len(self.url)
        for name, value in self.headers:
            octets += len(name) + len(value) + 4  # ": " and the end of the line
            if name == b"content-length" and int(value) > self._body_max():
                raise self._body_too_large()
        if octets > HEAD_OCTETS_MAX or len(self.headers) > HEADERS_MAX:
            raise _head_too_large()
        super().on_headers_complete()
        # Trailers come through on_header too, and must not pass for headers (RFC 9110 6.5.1).
        self.headers = []

    def on_body(self, body: bytes) -> None:
        # Not the inherited one: it pauses reading until the application asks for more.
        if len(self.cycle.body) + len(body) > self._body_max():
            raise self._body_too_large()
        self.cycle.body += body

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._octets = 0
        self._stop_timer()
        if self._unstarted is not None:
            cycle, app = self._unstarted
            self._unstarted = None
            self._begin(cycle, app)

    def _begin(self, cycle: httptools_impl.RequestResponseCycle, app: Any) -> None:  # noqa: ANN401
        cycle.transport = self._answer  # type: ignore[assignment]
        cycle.scope[IS_CONNECTED] = lambda: not cycle.disconnected  # type: ignore[literal-required]
        cycle.scope[HANG_UP] = self.transport.abort  # type: ignore[literal-required]
        self._answer.begin()
        super()._start_asgi_task(cycle, app)

    def _start_asgi_task(self, cycle: httptools_impl.RequestResponseCycle, app: Any) -> None:  # noqa: ANN401
        """Called at the end of a request's head, or of the answer it was queued behind."""
        if not cycle.more_body:
            self._begin(cycle, app)
            return
        self._unstarted = (cycle, app)
        if cycle.waiting_for_100_continue:
            cycle.waiting_for_100_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_response_complete(self) -> None:
        self._answer.end()
        super().on_response_complete()
        if self._refusal is not None:
            self._refuse(self._refusal)
        elif self._unstarted is not None:  # its first half waited for this answer
            self._start_deadline()

    def _should_upgrade(self) -> bool:
        return False  # an offer may be declined by ignoring it (RFC 9110 7.8)

    def _is_answering(self) -> bool:
        return (
            self.cycle is not None and not self.cycle.response_complete and self._unstarted is None
        )

    def _start_deadline(self) -> None:
        self._timer = self.loop.call_later(self.deadline_seconds, self._deadline_passed)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _deadline_passed(self) -> None:
        if self._octets == 0 and self._unstarted is None:  # connected, and never said a word
            self.transport.close()
        else:
            self._refuse(
                Refused(408, f"The request was not complete within {self.deadline_seconds:g} s")
            )

    def _refuse(self, refusal: Refused) -> None:
        """Answer and close, after the answers to earlier requests."""
        self._stop_timer()
        self._refusal = refusal
        if self.transport.is_closing():
            return
        if self._is_answering():
            self.flow.pause_reading()
            return
        self._unstarted = None
        self.logger.info(refusal.description)  # static text, nothing of the client
        body = json.dumps(
            {"error": "invalid_request", "error_description": refusal.description}
        ).encode("ascii")
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        self.transport.write(
            STATUS_LINE[refusal.status]
            + b"".join(b"%s: %s\r\n" % header for header in headers)
            + b"\r\n"
            + body
        )
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(_LINGER_SECONDS, self.transport.close)


def limited_protocol(
    request_deadline_seconds: float, body_max_bytes: int, larger: Mapping[bytes, int] = {}
) -> type[LimitedProtocol]:
    """The `http` of a `uvicorn.Config`. The deadline runs from a request's first byte, or from
    the connection's start, to the last byte of its body. It is for requests only: to be silent
    between two of them is uvicorn's `timeout_keep_alive`. There are no WebSockets.
    """

    class Limited(LimitedProtocol):
        deadline_seconds = request_deadline_seconds
        body_octets_max = body_max_bytes
        larger_bodies = larger

    return Limited
