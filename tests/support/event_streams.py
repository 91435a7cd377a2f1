"""What a device makes of an event stream (HTML 9.2.6): whole events, and the id of the last one."""

import json
import socket
import ssl
import time
from collections.abc import Callable
from typing import NamedTuple, Self

import httptools

from scripts.simulated_phone import SimulatedPhone

PATH = "rich-consents/events"


class Heard(NamedTuple):
    name: str  # pending, resolved, expired, gone
    consent_id: str = ""
    state: str = ""


class Listener:
    """A device across all its connections: what it has heard, and what it shows now."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.last_event_id = ""
        self.retry_ms = 0
        self.comments = 0
        self.connect()

    def connect(self) -> None:
        """What was cut off in the middle of an event was no event."""
        self._received = b""

    def feed(self, octets: bytes) -> None:
        self._received += octets
        *blocks, self._received = self._received.split(b"\n\n")
        for block in blocks:
            self._hear(block.decode())

    @property
    def shown(self) -> set[str]:
        """What a page that follows every event shows as pending."""
        shown = set()
        for it in self.heard:
            if it.name == "pending":
                shown.add(it.consent_id)
            else:
                shown.discard(it.consent_id)
        return shown

    def of(self, consent_id: str) -> list[Heard]:
        return [it for it in self.heard if it.consent_id == consent_id]

    def _hear(self, block: str) -> None:
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            assert name not in fields, "one line of each field"
            fields[name] = value.removeprefix(" ")
        if "retry" in fields:
            self.retry_ms = int(fields["retry"])
        if "" in fields:
            self.comments += 1
        if "event" not in fields:
            return
        self.last_event_id = fields.get("id", self.last_event_id)
        data = json.loads(fields["data"])
        self.heard.append(Heard(fields["event"], data.get("txlnkid", ""), data.get("state", "")))


class Connection:
    """A phone's stream over a socket of its own; what it hears goes to its listener."""

    def __init__(
        self,
        address: tuple[str, int],
        headers: dict[str, str],
        listener: Listener | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.listener = listener or Listener()
        self.listener.connect()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.is_complete = False
        self._parser = httptools.HttpResponseParser(self)
        self.socket = socket.create_connection(address, timeout=10)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=address[0])
        fields = {"Host": f"{address[0]}:{address[1]}", "Accept": "text/event-stream", **headers}
        if self.listener.last_event_id:
            fields.setdefault("Last-Event-ID", self.listener.last_event_id)
        lines = [f"GET /{PATH} HTTP/1.1", *[f"{name}: {it}" for name, it in fields.items()]]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, octets: bytes) -> None:
        self.body += octets
        if self.status == 200:
            self.listener.feed(octets)

    def on_message_complete(self) -> None:
        self.is_complete = True

    def until(self, condition: Callable[[], bool], seconds: float = 10) -> float:
        """Read until it holds; the seconds it took."""
        since = time.monotonic()
        while not condition():
            left = since + seconds - time.monotonic()
            assert left > 0, f"not heard: {self.listener.heard} {self.body[-300:]!r}"
            self.socket.settimeout(left)
            try:
                octets = self.socket.recv(65_536)
            except TimeoutError:
                continue
            assert octets, f"the server ended the connection after {self.body[-300:]!r}"
            self._parser.feed_data(octets)
        return time.monotonic() - since

    def shows(self, *consent_ids: str, seconds: float = 10) -> float:
        return self.until(lambda: self.listener.shown == {*consent_ids}, seconds)

    def refused(self) -> tuple[int, str]:
        self.until(lambda: self.is_complete)
        return self.status, json.loads(self.body)["errorCode"]


def proven(phone: SimulatedPhone, path: str = PATH) -> dict[str, str]:
    """What a phone shows to be let in: its own token, and a proof for this path."""
    assert phone.account is not None
    token = phone.account.token
    return {
        "Authorization": f"MFA-DPoP {token}",
        "MFA-DPoP": phone.proof("GET", phone.base_url + path, token),
    }
