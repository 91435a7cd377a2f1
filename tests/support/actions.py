"""Credentials-exchange actions: an exchange, functions for a setting to name, and a URL."""

import asyncio
import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

from consent.client import Client
from consent.credentials_exchange import Api, Event, Exchange, Outcome, Request
from consent.management.clients import changed_client
from tests.support.domain import SEAL, a_client

SECRET = "the secret of the calls to the URL"
NAMESPACE = "https://example.com/"
BEFORE = Outcome(scope=["read", "write"])


def an_exchange() -> Exchange:
    return Exchange(
        client=a_client(client_metadata={"team": "blue"}),
        request=Request({"grant_type": "client_credentials"}, "nod.example", "::1", "POST", "x/1"),
        audience="https://api.example/",
        tenant_id="nod.example",
        requested_scopes=["read"],
        allowed=frozenset({"read", "write", "admin"}),
        changed=_changed,
    )


def _changed(client: Client, change: dict[str, Any]) -> Client:
    return changed_client(client, change, seal=SEAL, check_url=lambda _: None)[0]


# Functions that NOD_CREDENTIALS_EXCHANGE_ACTIONS can name


def rename_for_the_portal(event: Event, api: Api) -> None:
    """What a developer portal's action does: the client is called after its application."""
    metadata = event.client.metadata
    if "konnect_application_id" in metadata:
        parts = ("konnect_portal_id", "konnect_developer_id", "konnect_application_id")
        api.client.set_name("+".join(metadata[part] for part in parts))
        api.client.set_metadata("renamed", "yes")


def name_after_the_application(event: Event, api: Api) -> None:
    """The same, and nothing else of the client is touched (auth0-wire 3.8)."""
    parts = ("konnect_portal_id", "konnect_developer_id", "konnect_application_id")
    if event.client.metadata.keys() >= set(parts):
        api.client.set_name("+".join(event.client.metadata[part] for part in parts))


async def obey(event: Event, api: Api) -> None:
    """Does what the request asks for in parameters of its own."""
    await asyncio.sleep(0)
    match event.request.body.get("action"):
        case "deny":
            api.access.deny("invalid_scope", "Not on Sundays")
        case "fail":
            raise RuntimeError
        case "claim":
            api.access_token.set_custom_claim(f"{NAMESPACE}team", event.client.metadata["team"])
            api.access_token.set_custom_claim("sub", "somebody else")
        case "widen":
            api.transaction.add_target_scope(event.request.body["wanted"])


class ActionUrl:
    """An operator's server: `status`, `body` and `waits_for` are what it answers next."""

    def __init__(self) -> None:
        self.status = 200
        self.body: bytes = b"{}"
        self.waits_for: threading.Event | None = None
        self.hangs_up = 0  # on this many calls, without a word
        self.calls: list[tuple[dict[str, str], bytes]] = []

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body)["event"] for _, body in self.calls]

    def answers(self, value: object, status: int = 200) -> None:
        self.status, self.body = status, json.dumps(value).encode()

    @contextlib.contextmanager
    def serving(self) -> Iterator["ActionUrl"]:
        told = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                told.calls.append((headers | {"x-peer": str(self.client_address)}, body))
                if told.waits_for is not None:
                    told.waits_for.wait(20)
                if told.hangs_up:
                    told.hangs_up -= 1
                    self.close_connection = True
                    return
                self.send_response(told.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(told.body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(told.body)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}/action"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            if self.waits_for is not None:
                self.waits_for.set()
            server.shutdown()
            thread.join()
            server.server_close()
