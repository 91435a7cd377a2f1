"""
One HTTP/2 connection of the APNs double: its framing, and the faults that are made of framing.

What a request deserves is decided by `scripts.doubles.apns`.
"""

import asyncio
import json
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

if TYPE_CHECKING:
    from scripts.doubles.apns import ApnsDouble

STREAMS_MAX = 1_000

Headers = Mapping[str, str]
Answer = tuple[int, dict[str, object] | bytes]


class ApnsConnection(asyncio.Protocol):
    """One TLS connection: HTTP/2 framing and the faults that are made of it."""

    def __init__(self, double: "ApnsDouble") -> None:
        self._double = double
        self._requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        self._unsent: list[tuple[int, bytes]] = []  # bodies that wait for the peer's window
        self.provider_token = ""
        self.certified_topic = ""  # of the certificate that was shown, if any
        self._trusted = self._gone = False
        self.answered = 0
        self._h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        self._h2.local_settings = h2.settings.Settings(
            client=False, initial_values={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1}
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._double.connections.append(self)
        shown = transport.get_extra_info("peercert") or {}
        for ((name, value),) in shown.get("subject", ()):
            if name == "userId":
                self.certified_topic = value
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        if self._gone:
            return
        try:
            for event in self._h2.receive_data(data):
                if not self._gone and not self._transport.is_closing():
                    self._handle(event)
        except h2.exceptions.ProtocolError:
            self._flush()
            self._transport.close()
        self._flush()

    def drop(self) -> None:
        self._transport.abort()

    def _flush(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._h2.data_to_send())

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                self._requests[event.stream_id] = (_text(event.headers), bytearray())
            case h2.events.DataReceived():
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if event.stream_id in self._requests:
                    self._requests[event.stream_id][1].extend(event.data)
            case h2.events.StreamEnded():
                self._respond(event.stream_id, *self._requests.pop(event.stream_id))
            case h2.events.StreamReset():
                self._requests.pop(event.stream_id, None)
            case h2.events.WindowUpdated():
                self._send_bodies()
            case h2.events.ConnectionTerminated():
                self._transport.close()

    def _respond(self, stream_id: int, headers: dict[str, str], body: bytearray) -> None:
        device_token = headers[":path"].rpartition("/")[2]
        fault = device_token[:4]
        if fault == "e002":
            return
        if fault in {"e000", "e001", "e003"} and self._double.attempt(device_token) == 1:
            if fault == "e000":
                self._h2.close_connection(last_stream_id=max(stream_id - 2, 0))
                self._gone = True  # what else comes is read, lest a reset overtakes the answers
            elif fault == "e001":
                self._h2.reset_stream(stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
            else:
                self.drop()
            return
        status, answer = self._double.answer(headers, bytes(body), self)
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        head = [(":status", str(status)), ("apns-id", str(uuid.uuid4()).upper())]
        self._h2.send_headers(stream_id, head, end_stream=not content)
        self.answered += 1
        if content:
            self._unsent.append((stream_id, content))
            self._send_bodies()
        if status == HTTPStatus.OK and not self._trusted:
            self._trusted = True
            streams = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
            self._h2.update_settings({streams: STREAMS_MAX})

    def _send_bodies(self) -> None:
        """A peer that never acknowledges DATA gets no more of it (RFC 9113 5.2)."""
        while self._unsent:
            stream_id, content = self._unsent[0]
            if self._h2.local_flow_control_window(stream_id) < len(content):
                return
            del self._unsent[0]
            self._h2.send_data(stream_id, content, end_stream=True)


def _text(headers: list[Any]) -> dict[str, str]:
    """`header_encoding` makes them strings, which h2's types do not know."""
    return dict(headers)
