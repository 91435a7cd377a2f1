"""
A browser's push service over loopback, and the browser behind it: https, RFC 8030 to 8292.

What is sent to a subscription is judged as strictly as by the strictest of the services, decrypted
as by the browser, and put into an inbox. It is written from the receiving side with the primitives
alone: it shares no code with what sends.

How the name of a subscription begins chooses what happens to it:

    gone-           410
    status-CODE-    that status, with an HTML body; a redirect leads to another subscription
    quota-N-        429 with `Retry-After: 7` the first N times
    quota-date-     429 with Retry-After as a date, a minute from now
    silent-         never an answer
    reset-          the connection is reset the first time

`python -m scripts.doubles.web_push --directory D --port N --inbox-port M` writes its certificates
into D and serves: https for whoever pushes, http for whoever plays the browser:

    POST /subscriptions/{name}    a new PushSubscription, bound to the `applicationServerKey` of the
                                  body if there is one
    and the paths of the inbox, whose addresses are those names
"""

import argparse
import asyncio
import contextlib
import json
import re
import secrets
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from scripts.doubles.certificates import Certificates, write_certificates
from scripts.doubles.inbox import Inbox
from scripts.doubles.web_push_browser import CURVE, Browser, Undecryptable, decoded

RETRY_AFTER_SECONDS = 7
RECORD_OCTETS_MAX = 4_096  # RFC 8291 4, RFC 8030 7.2
VAPID_SECONDS_MAX = 86_400  # RFC 8292 2


class WebPushDouble:
    """Lives on one event loop."""

    def __init__(self, certificates: Certificates) -> None:
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(certificates.server_cert_file, certificates.server_key_file)
        self._stopping = asyncio.Event()
        self._attempts: Counter[str] = Counter()
        self._browsers: dict[str, Browser] = {}
        self._origin = ""
        self.inbox = Inbox()
        self.refusals: list[str] = []  # why, of what no push service would take
        self.connections: set[object] = set()

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0, inbox_port: int = 0) -> AsyncIterator["WebPushDouble"]:
        listener = socket.create_server(("127.0.0.1", port))
        self._origin = f"https://localhost:{listener.getsockname()[1]}"
        service, behind = web.Application(), web.Application()
        service.add_routes([web.post("/push/{name}", self._receive)])
        behind.add_routes(
            [web.post("/subscriptions/{name}", self._subscribe), *self.inbox.routes()]
        )
        runners = [
            web.AppRunner(app, access_log=None, shutdown_timeout=0) for app in (service, behind)
        ]
        for runner in runners:
            await runner.setup()
        await web.SockSite(runners[0], listener, ssl_context=self._tls).start()
        await web.TCPSite(runners[1], "127.0.0.1", inbox_port).start()
        try:
            yield self
        finally:
            self._stopping.set()
            for runner in runners:
                await runner.cleanup()

    def subscribe(self, name: str, server_key: str = "") -> dict[str, Any]:
        """PushManager.subscribe(): a new subscription as toJSON() says it."""
        browser = self._browsers[name] = Browser(server_key)
        return {
            "endpoint": f"{self._origin}/push/{name}",
            "expirationTime": None,
            "keys": browser.keys,
        }

    async def _subscribe(self, request: web.Request) -> web.Response:
        wanted = await request.json() if request.can_read_body else {}
        name, server_key = request.match_info["name"], str(wanted.get("applicationServerKey", ""))
        return web.json_response(self.subscribe(name, server_key), status=HTTPStatus.CREATED)

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        transport = request.transport
        self.connections.add(transport and transport.get_extra_info("peername"))
        if (scripted := await self._scripted(request, name)) is not None:
            return scripted
        browser = self._browsers.get(name)
        if browser is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        server_key, refusal = _vapid(request.headers.get("Authorization", ""), self._origin)
        if not refusal and browser.server_key not in {"", server_key}:
            refusal = "another server than the one that was subscribed to"
        if refusal:
            self.refusals.append(refusal)
            return web.Response(status=HTTPStatus.FORBIDDEN)
        body = await request.read()
        if refusal := _fault_of_message(request, body):
            self.refusals.append(refusal)
            return web.Response(status=HTTPStatus.BAD_REQUEST)
        if len(body) > RECORD_OCTETS_MAX:
            return web.Response(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            said = json.loads(browser.decrypted(body))
        except (Undecryptable, ValueError) as error:
            self.refusals.append(str(error))
        else:
            names = ("TTL", "Topic", "Urgency")
            headers = {name.lower(): request.headers.get(name) for name in names}
            self.inbox.put(name, {"payload": said, **headers})
        message = f"{self._origin}/message/{secrets.token_urlsafe(12)}"
        return web.Response(status=HTTPStatus.CREATED, headers={"Location": message})

    async def _scripted(self, request: web.Request, name: str) -> web.Response | None:
        self._attempts[name] += 1
        fault, _, parameter = name.rpartition("-")[0].partition("-")
        match fault:
            case "gone":
                return web.Response(status=HTTPStatus.GONE)
            case "status":
                elsewhere = {"Location": f"{self._origin}/push/elsewhere"}
                return web.Response(status=int(parameter), text="<html>", headers=elsewhere)
            case "quota" if parameter == "date":
                return _too_many(formatdate(time.time() + 60, usegmt=True))
            case "quota" if self._attempts[name] <= int(parameter):
                return _too_many(str(RETRY_AFTER_SECONDS))
            case "silent":
                await self._stopping.wait()
            case "reset" if self._attempts[name] == 1 and request.transport is not None:
                connection = request.transport.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                request.transport.abort()
                return web.Response()
        return None


def _vapid(authorization: str, origin: str) -> tuple[str, str]:
    """The key a message names itself with, and why it is refused, if it is (RFC 8292 2, 3)."""
    found = re.fullmatch(r"vapid t=([A-Za-z0-9_.-]+), ?k=([A-Za-z0-9_-]{87})", authorization)
    if found is None:
        return "", "no VAPID credentials"
    token, server_key = found.groups()
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, decoded(server_key))
        claims = jwt.decode(
            token, key, ["ES256"], audience=origin, options={"require": ["aud", "exp", "sub"]}
        )
    except (ValueError, jwt.InvalidTokenError) as error:
        return "", f"VAPID: {type(error).__name__}"
    if claims["exp"] > time.time() + VAPID_SECONDS_MAX:
        return "", "VAPID: it lives for more than a day"
    if not re.fullmatch(r"mailto:[^@\s]+@[^@\s]+\.[a-z]+", str(claims["sub"])):
        return "", "VAPID: nobody can be written to"
    return server_key, ""


def _fault_of_message(request: web.Request, body: bytes) -> str:
    headers = request.headers
    if headers.get("Content-Encoding") != "aes128gcm" or not body:
        return "not a message of aes128gcm (RFC 8291 4)"
    if not re.fullmatch(r"[0-9]{1,10}", headers.get("TTL", "")):
        return "no TTL (RFC 8030 5.2)"
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", headers.get("Topic", "none")):
        return "the Topic is none (RFC 8030 5.4)"
    if headers.get("Urgency", "normal") not in {"very-low", "low", "normal", "high"}:
        return "the Urgency is none (RFC 8030 5.3)"
    return ""


def _too_many(retry_after: str) -> web.Response:
    return web.Response(status=HTTPStatus.TOO_MANY_REQUESTS, headers={"Retry-After": retry_after})


async def _serve(double: WebPushDouble, port: int, inbox_port: int) -> None:
    async with double.serving(port, inbox_port):
        print(f"push service at https://localhost:{port}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--port", type=int, default=9445)
    parser.add_argument("--inbox-port", type=int, default=9446)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    double = WebPushDouble(write_certificates(arguments.directory))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(double, arguments.port, arguments.inbox_port))
