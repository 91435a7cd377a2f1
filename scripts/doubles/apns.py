"""
Apple's push service over loopback: TLS and HTTP/2 as the provider API describes it.

The first four hexadecimal digits of a device token choose what happens to it:

    dead    410 Unregistered, dated `DIED_AT_MS`
    bad0    400 BadDeviceToken
    bad1    400 DeviceTokenNotForTopic
    429N    429 TooManyRequests for the first N pushes
    500N    500 with an empty body, 503N the same
    e000    GOAWAY for the first push, which is then refused with its whole connection
    e001    RST_STREAM for the first push
    e002    never an answer
    e003    the connection is dropped on the first push
    e004    400 with a body that is not JSON

As Apple does, a connection allows one stream until its first authorised push.
`python -m scripts.doubles.apns --directory D` writes the credentials into D and serves.
"""

import argparse
import asyncio
import contextlib
import json
import re
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs12

from scripts.doubles.apns_connection import Answer, ApnsConnection, Headers
from scripts.doubles.certificates import push_certificate, write_certificates, write_private_key
from scripts.doubles.inbox import Inbox

KEY_ID = "NODKEY0001"
TEAM_ID = "NODTEAM001"
TOPIC = "org.example.nod"
DIED_AT_MS = 1_790_000_000_000
PAYLOAD_MAX_BYTES = 4_096
COLLAPSE_ID_MAX_BYTES = 64
PROVIDER_TOKEN_AGE_MAX_SECONDS = 3_600
PROVIDER_TOKEN_AGE_MIN_SECONDS = 1_200


class ApnsFiles(NamedTuple):
    key_file: Path
    ca_file: Path
    server_cert_file: Path
    server_key_file: Path
    push_certificate_file: Path


def write_credentials(directory: Path) -> ApnsFiles:
    """A provider's signing key and push certificate, and the certificates of the double."""
    key = ec.generate_private_key(ec.SECP256R1())
    key_file = write_private_key(directory / "apns.p8", key)
    push_certificate_file = directory / "apns.p12"
    push_certificate_file.touch(mode=0o600)
    push_certificate_file.write_bytes(push_certificate(TOPIC))
    return ApnsFiles(key_file, *write_certificates(directory), push_certificate_file)


class ApnsDouble:
    """Lives on one event loop. `now` is the wall clock it judges provider tokens by."""

    def __init__(self, files: ApnsFiles, *, now: Callable[[], float] = time.time) -> None:
        key = load_pem_private_key(files.key_file.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("APNs keys are elliptic")
        self._provider_key = key.public_key()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(files.server_cert_file, files.server_key_file)
        self._tls.set_alpn_protocols(["h2"])
        self._ask_for_certificate(files.push_certificate_file.read_bytes())
        self._now = now
        self._issued_at: dict[str, float] = {}  # of the provider tokens whose signature holds
        self._attempts: Counter[str] = Counter()
        self.inbox = Inbox()
        self.connections: list[ApnsConnection] = []

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[str]:
        """Serve while the context lasts; its value is the base URL."""
        server = await asyncio.get_running_loop().create_server(
            lambda: ApnsConnection(self), "127.0.0.1", port, ssl=self._tls
        )
        try:
            yield f"https://localhost:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for each in self.connections:
                each.drop()

    @property
    def provider_tokens(self) -> int:
        """How many different ones have been used."""
        return len(self._issued_at)

    def answer(self, headers: Headers, body: bytes, connection: ApnsConnection) -> Answer:
        """Judge one request as Apple does; what is accepted goes into the inbox."""
        device_token = headers[":path"].removeprefix("/3/device/")
        if headers[":method"] != "POST":
            return 405, {"reason": "MethodNotAllowed"}
        if refused := self._authorise(headers, connection) or _fault_of_message(headers, body):
            return refused
        if not re.fullmatch(r"(?:[0-9A-Fa-f]{2}){8,100}", device_token):
            return 400, {"reason": "BadDeviceToken"}
        if refused := self._scripted(device_token):
            return refused
        names = ("apns-push-type", "apns-priority", "apns-expiration", "apns-collapse-id")
        self.inbox.put(
            device_token,
            {"payload": json.loads(body), **{name: headers.get(name) for name in names}},
        )
        return 200, b""

    def attempt(self, device_token: str) -> int:
        self._attempts[device_token] += 1
        return self._attempts[device_token]

    def _scripted(self, device_token: str) -> Answer | None:
        match device_token[:4]:
            case "dead":
                return 410, {"reason": "Unregistered", "timestamp": DIED_AT_MS}
            case "bad0":
                return 400, {"reason": "BadDeviceToken"}
            case "bad1":
                return 400, {"reason": "DeviceTokenNotForTopic"}
            case "e004":
                return 400, b"<html>"
        status, times = device_token[:3], int(device_token[3], 16)
        if status not in {"429", "500", "503"} or self.attempt(device_token) > times:
            return None
        return int(status), {"reason": "TooManyRequests"} if status == "429" else b""

    def _ask_for_certificate(self, pkcs_12: bytes) -> None:
        """Who shows it may do without a provider token."""
        _, certificate, _ = pkcs12.load_key_and_certificates(pkcs_12, None)
        if certificate is None:
            raise TypeError("no push certificate")
        self._tls.load_verify_locations(cadata=certificate.public_bytes(Encoding.DER))
        self._tls.verify_mode = ssl.CERT_OPTIONAL

    def _authorise(self, headers: Headers, connection: ApnsConnection) -> Answer | None:
        """
        The certificate: for this app. The provider token: signed with our key, within the hour,
        not renewed too often.
        """
        if connection.certified_topic:
            mine = headers.get("apns-topic") == connection.certified_topic
            return None if mine else (400, {"reason": "TopicDisallowed"})
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return 403, {"reason": "MissingProviderToken"}
        if token not in self._issued_at:
            try:
                header = jwt.get_unverified_header(token)
                claims = jwt.decode(
                    token, self._provider_key, ["ES256"], options={"verify_iat": False}
                )
            except jwt.InvalidTokenError:
                return 403, {"reason": "InvalidProviderToken"}
            issued_at = claims.get("iat")
            named = (header.get("kid"), claims.get("iss"))
            if named != (KEY_ID, TEAM_ID) or not isinstance(issued_at, int):
                return 403, {"reason": "InvalidProviderToken"}
            self._issued_at[token] = issued_at
        if abs(self._now() - self._issued_at[token]) > PROVIDER_TOKEN_AGE_MAX_SECONDS:
            return 403, {"reason": "ExpiredProviderToken"}
        if token != connection.provider_token:
            before = self._issued_at.get(connection.provider_token, 0)
            if self._issued_at[token] - before < PROVIDER_TOKEN_AGE_MIN_SECONDS:
                return 429, {"reason": "TooManyProviderTokenUpdates"}
            connection.provider_token = token
        return None


def _fault_of_message(headers: Headers, body: bytes) -> Answer | None:
    if headers.get("apns-topic") != TOPIC:
        return 400, {"reason": "TopicDisallowed" if "apns-topic" in headers else "MissingTopic"}
    if headers.get("apns-push-type") != "alert":
        return 400, {"reason": "InvalidPushType"}
    if headers.get("apns-priority") not in {"1", "5", "10"}:
        return 400, {"reason": "BadPriority"}
    if not re.fullmatch(r"[0-9]{1,10}", headers.get("apns-expiration", "")):
        return 400, {"reason": "BadExpirationDate"}
    if len(headers.get("apns-collapse-id", "").encode()) > COLLAPSE_ID_MAX_BYTES:
        return 400, {"reason": "BadCollapseId"}
    if len(body) > PAYLOAD_MAX_BYTES:
        return 413, {"reason": "PayloadTooLarge"}
    try:
        payload = json.loads(body)
    except ValueError:
        payload = None
    if not isinstance(payload, dict) or not isinstance(payload.get("aps"), dict):
        return 400, {"reason": "PayloadEmpty"}
    return None


async def _serve(double: ApnsDouble, port: int, inbox_port: int) -> None:
    app = web.Application()
    app.add_routes(double.inbox.routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", inbox_port).start()
    async with double.serving(port) as url:
        print(f"APNs double at {url}, its inbox at http://127.0.0.1:{inbox_port}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--port", type=int, default=9443)
    parser.add_argument("--inbox-port", type=int, default=9444)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    double = ApnsDouble(write_credentials(arguments.directory))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(double, arguments.port, arguments.inbox_port))
