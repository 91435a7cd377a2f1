"""
Google's push service over loopback: the OAuth token endpoint and FCM's `messages:send`.

How an address (a token or an installation id) begins chooses what happens to it:

    unregistered-       404 UNREGISTERED
    sender-mismatch-    403 SENDER_ID_MISMATCH
    forbidden-          403 without an FCM code: a missing permission
    third-party-        401 THIRD_PARTY_AUTH_ERROR
    quota-N-            429 with `Retry-After: 7` the first N times
    quota-date-         429 with Retry-After as a date, a minute from now
    status-CODE-        that status, with an HTML body
    not-json-           200 with an HTML body
    slow-               200, one byte a second
    reset-              the connection is reset the first time

`python -m scripts.doubles.fcm --directory D --port N` keeps the credentials in D and serves.
"""

import argparse
import asyncio
import contextlib
import json
import re
import secrets
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from scripts.doubles.inbox import Inbox

PROJECT = "nod-loopback"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
AUDIENCE = "https://oauth2.googleapis.com/token"  # what google-auth writes whatever the token_uri
DATA_MAX_BYTES = 4_096
RETRY_AFTER_SECONDS = 7


def write_credentials(directory: Path, base_url: str, *, project: str = PROJECT) -> Path:
    """A service account (JSON) whose tokens are issued at that base URL."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    path = directory / "fcm.json"
    path.touch(mode=0o600)
    account = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": "loopback",
        "private_key": pem,
        "client_email": f"nod@{project}.iam.gserviceaccount.com",
        "token_uri": f"{base_url}/token",
    }
    path.write_text(json.dumps(account))
    return path


def kept_credentials(directory: Path, base_url: str) -> Path:
    """Those of an earlier start at that URL, if any: the senders still use them."""
    path = directory / "fcm.json"
    if path.exists() and json.loads(path.read_text())["token_uri"] == f"{base_url}/token":
        return path
    return write_credentials(directory, base_url)


class FcmDouble:
    """Lives on one event loop."""

    def __init__(self, credentials_file: Path, *, token_lifetime_seconds: int = 3_600) -> None:
        account = json.loads(credentials_file.read_text())
        self._email = account["client_email"]
        key = load_pem_private_key(account["private_key"].encode(), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("a service account signs with RSA")
        self._key = key.public_key()
        self._token_lifetime_seconds = token_lifetime_seconds
        self._valid_tokens: set[str] = set()
        self._attempts: Counter[str] = Counter()
        self.inbox = Inbox()
        self.tokens_issued = 0
        self.connections: set[object] = set()

    @contextlib.asynccontextmanager
    async def serving(self, listener: socket.socket) -> AsyncIterator[None]:
        """Serve on a bound socket while the context lasts."""
        app = web.Application()
        app.add_routes(
            [
                web.post("/token", self._issue_token),
                web.post("/v1/projects/{project}/messages:send", self._send),
                *self.inbox.routes(),
            ]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        try:
            yield
        finally:
            await runner.cleanup()

    def revoke_tokens(self) -> None:
        self._valid_tokens.clear()

    async def _issue_token(self, request: web.Request) -> web.Response:
        """The JWT bearer grant (RFC 7523) as Google's service accounts use it."""
        form = await request.post()
        try:
            claims = jwt.decode(str(form.get("assertion")), self._key, ["RS256"], audience=AUDIENCE)
        except jwt.InvalidTokenError:
            claims = {}
        if claims.get("iss") != self._email or SCOPE not in str(claims.get("scope")).split():
            return web.json_response({"error": "invalid_grant"}, status=HTTPStatus.BAD_REQUEST)
        token = f"ya29.{secrets.token_urlsafe(32)}"
        self._valid_tokens.add(token)
        self.tokens_issued += 1
        return web.json_response(
            {
                "access_token": token,
                "expires_in": self._token_lifetime_seconds,
                "token_type": "Bearer",
            }
        )

    async def _send(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        self.connections.add(transport and transport.get_extra_info("peername"))
        try:
            body = json.loads(await request.read())
        except ValueError:
            return _error(HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._valid_tokens:
            return _error(HTTPStatus.UNAUTHORIZED)
        if request.match_info["project"] != PROJECT:
            return _error(HTTPStatus.NOT_FOUND)
        target = _target_of(body)
        if target is None:
            return _error(HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT")
        if (scripted := await self._scripted(request, target)) is not None:
            return scripted
        self.inbox.put(target, body["message"])
        name = f"projects/{PROJECT}/messages/0:{time.time_ns()}%{secrets.token_hex(8)}"
        return web.json_response({"name": name})

    async def _scripted(self, request: web.Request, target: str) -> web.StreamResponse | None:
        self._attempts[target] += 1
        fault, _, parameter = target.rpartition("-")[0].partition("-")
        refusals = {
            "unregistered": (HTTPStatus.NOT_FOUND, "UNREGISTERED"),
            "sender-mismatch": (HTTPStatus.FORBIDDEN, "SENDER_ID_MISMATCH"),
            "forbidden": (HTTPStatus.FORBIDDEN, None),
            "third-party": (HTTPStatus.UNAUTHORIZED, "THIRD_PARTY_AUTH_ERROR"),
        }
        for prefix, (status, code) in refusals.items():
            if target.startswith(f"{prefix}-"):
                return _error(status, code)
        match fault:
            case "quota" if parameter == "date":
                until = formatdate(time.time() + 60, usegmt=True)
                return _error(HTTPStatus.TOO_MANY_REQUESTS, "QUOTA_EXCEEDED", until)
            case "quota" if self._attempts[target] <= int(parameter):
                return _error(
                    HTTPStatus.TOO_MANY_REQUESTS, "QUOTA_EXCEEDED", str(RETRY_AFTER_SECONDS)
                )
            case "status":
                return web.Response(status=int(parameter), text="<html>")
            case "not":
                return web.Response(text="<html>", content_type="text/html")
            case "slow":
                return await _one_byte_a_second(request)
            case "reset" if self._attempts[target] == 1:
                return _reset(request)
        return None


def _target_of(body: object) -> str | None:
    """The address of a well-formed message, judged as strictly as Google's JSON parser."""
    match body:
        case {"message": dict() as message, **rest} if rest.keys() <= {"validate_only"}:
            pass
        case _:
            return None
    targets = [message[name] for name in ("token", "fid") if name in message]
    contents = [message[name] for name in ("data", "notification") if name in message]
    android = message.get("android", {})
    known = {"token", "fid", "data", "notification", "android"}
    if not message.keys() <= known or len(targets) != 1 or len(contents) != 1:
        return None
    [data] = contents
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        return None
    if "notification" in message and not data.keys() <= {"title", "body", "image"}:
        return None
    if sum(len(name.encode()) + len(data[name].encode()) for name in data) > DATA_MAX_BYTES:
        return None
    if not isinstance(android, dict) or not (
        android.keys() <= {"priority", "ttl", "collapse_key"}
        and android.get("priority", "HIGH") in {"HIGH", "NORMAL"}
        and re.fullmatch(r"[0-9]{1,7}s", str(android.get("ttl", "0s")))
        and isinstance(android.get("collapse_key", ""), str)
    ):
        return None
    return targets[0] if isinstance(targets[0], str) and targets[0] else None


def _error(
    status: HTTPStatus, code: str | None = None, retry_after: str | None = None
) -> web.Response:
    kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
    error = {
        "code": int(status),
        "message": status.phrase,
        "status": status.name,
        "details": [{"@type": kind, "errorCode": code}] if code else [],
    }
    headers = {"Retry-After": retry_after} if retry_after else {}
    return web.json_response({"error": error}, status=status, headers=headers)


async def _one_byte_a_second(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for character in b'{"name":':
        await response.write(bytes([character]))
        await asyncio.sleep(1)
    return response


def _reset(request: web.Request) -> web.Response:
    """Close with RST instead of FIN: a linger of no time (socket(7))."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()


def bound_socket(port: int = 0) -> tuple[socket.socket, str]:
    """A listener on loopback, and the base URL it will answer at."""
    listener = socket.create_server(("127.0.0.1", port))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


async def _serve(double: FcmDouble, listener: socket.socket) -> None:
    async with double.serving(listener):
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--port", type=int, default=9080)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    bound, url = bound_socket(arguments.port)
    file = kept_credentials(arguments.directory, url)
    print(f"FCM double at {url}, its service account in {file}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(FcmDouble(file), bound))
