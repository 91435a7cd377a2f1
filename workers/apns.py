"""
Apple's push service: a push becomes a request, an answer becomes an outcome.

The functions are pure. `ApnsSender` adds one HTTP/2 connection and a clock; it knows neither
requests for consent nor Redis. Source: Apple, "Sending notification requests to APNs" and
"Handling notification responses from APNs".
"""

import asyncio
import logging
import re
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx2
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from consent.push import Push, apns_payload
from consent.push_providers import ApnsCertificate, ApnsKey, ApnsProvider
from workers.outcome import Delivered, Outcome, Rejected, RetryAfter, Unregistered

# Apple refuses a provider token older than an hour and one that is renewed within twenty minutes.
PROVIDER_TOKEN_RENEWED_SECONDS = 45 * 60
PROVIDER_TOKEN_AGE_MIN_SECONDS = 20 * 60

EXPIRED_PROVIDER_TOKEN = RetryAfter(None, "ExpiredProviderToken")
REASONS = frozenset(
    [
        "BadCertificate",
        "BadCertificateEnvironment",
        "BadCollapseId",
        "BadDeviceToken",
        "BadEnvironmentKeyIdInToken",
        "BadExpirationDate",
        "BadMessageId",
        "BadPath",
        "BadPriority",
        "BadTopic",
        "DeviceTokenNotForTopic",
        "DuplicateHeaders",
        "ExpiredProviderToken",
        "ExpiredToken",
        "Forbidden",
        "IdleTimeout",
        "InternalServerError",
        "InvalidProviderToken",
        "InvalidPushType",
        "MethodNotAllowed",
        "MissingDeviceToken",
        "MissingProviderToken",
        "MissingTopic",
        "PayloadEmpty",
        "PayloadTooLarge",
        "ServiceUnavailable",
        "Shutdown",
        "TooManyProviderTokenUpdates",
        "TooManyRequests",
        "TopicDisallowed",
        "Unregistered",
        "UnrelatedKeyIdInToken",
    ]
)
_DEVICE_TOKEN = re.compile(r"(?:[0-9A-Fa-f]{2}){8,100}")
_MESSAGE_ID = re.compile(r"[0-9A-Za-z-]{1,64}")

# These write addresses and provider tokens into their logs: the URL, or every header.
_TALKATIVE_LOGGERS = ("httpx2", "httpcore2", "h2", "hpack")


class _Answer(msgspec.Struct):
    reason: str = ""
    timestamp: int | None = None


def request_headers(push: Push, topic: str) -> dict[str, str]:
    """All but the authorization."""
    return {
        "apns-topic": topic,
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-expiration": str(push.expires_at_seconds),
        "apns-collapse-id": push.collapse_id,
    }


def outcome_of(status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    """Apple's advice to come back in 15 minutes is not taken: no request lives that long.

    Only 410 retires an address. 400 BadDeviceToken does not: a production address sent to the
    sandbox, or the reverse, is answered with it, and one wrong setting would retire every phone.
    """
    if status == httpx2.codes.OK:
        message_id = headers.get("apns-id", "")
        return Delivered(message_id if _MESSAGE_ID.fullmatch(message_id) else "")
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = _Answer()
    reason = answer.reason if answer.reason in REASONS else f"HTTP_{status}"
    if status == httpx2.codes.GONE:
        return Unregistered(answer.timestamp)
    if reason == EXPIRED_PROVIDER_TOKEN.reason:
        return EXPIRED_PROVIDER_TOKEN
    if status == httpx2.codes.TOO_MANY_REQUESTS or status >= httpx2.codes.INTERNAL_SERVER_ERROR:
        return RetryAfter(None, reason)
    return RetryAfter(None, reason) if reason == "IdleTimeout" else Rejected(reason)


def _network_reason(error: BaseException | None) -> str:
    """A certificate that is not trusted is told apart: somebody has to act on it."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return "tls"
        error = error.__context__
    return "network"


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"bearer {token}"}


def _show_certificate(tls: ssl.SSLContext, credentials: ApnsCertificate) -> None:
    """OpenSSL reads it from a file only: one that nobody else may read and that is gone at once."""
    with tempfile.NamedTemporaryFile() as file:  # mkstemp: 0600
        file.write((credentials.certificate + credentials.private_key).encode())
        file.flush()
        tls.load_cert_chain(file.name)


class ProviderToken:
    """The JWT that names the team, signed once and used until it is 45 minutes old.

    Raises ValueError when the key is not a P-256 private key in PEM.
    """

    def __init__(self, signing: ApnsKey, now: Callable[[], float]) -> None:
        key = load_pem_private_key(signing.p8.encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.key_size != 256:  # noqa: PLR2004
            raise ValueError("the APNs key is not a P-256 private key")
        self._key = key
        self._key_id, self._team_id, self._now = signing.key_id, signing.team_id, now
        self._issued_at = 0
        self._text = ""

    def current(self) -> str:
        self._renew(PROVIDER_TOKEN_RENEWED_SECONDS)
        return self._text

    def another(self, refused: str) -> str | None:
        """One to try after that one was called expired; None while Apple bars a renewal."""
        if self._text == refused:
            self._renew(PROVIDER_TOKEN_AGE_MIN_SECONDS)
        return self._text if self._text != refused else None

    def _renew(self, age_seconds: int) -> None:
        now = int(self._now())
        # A token from the future is replaced too: the clock has been set back.
        if not self._text or not 0 <= now - self._issued_at < age_seconds:
            self._issued_at = now
            self._text = jwt.encode(
                {"iss": self._team_id, "iat": now}, self._key, "ES256", {"kid": self._key_id}
            )


class ApnsSender:
    """Lives on one event loop, with one connection that all sends share."""

    def __init__(
        self,
        provider: ApnsProvider,
        *,
        base_url: str,
        ca_file: Path | None,
        timeout_seconds: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        `timeout_seconds` bounds a whole send; `now` is the wall clock (epoch seconds). Raises
        ValueError or ssl.SSLError for credentials that cannot be used.
        """
        for name in _TALKATIVE_LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        self._topic, self._base_url = provider.bundle_id, base_url
        self._timeout_seconds = timeout_seconds
        self._tls = ssl.create_default_context()
        if ca_file is not None:
            self._tls.load_verify_locations(ca_file)
        self._provider_token: ProviderToken | None = None
        if isinstance(provider.credentials, ApnsKey):
            self._provider_token = ProviderToken(provider.credentials, now)
        else:
            _show_certificate(self._tls, provider.credentials)
        self._connection = self._new_connection()

    async def send(self, push: Push) -> Outcome:
        """Never raises for what the network or Apple does."""
        device_token = push.address.value
        if not _DEVICE_TOKEN.fullmatch(device_token):  # it becomes part of a path
            return Rejected("malformed_address")
        path, body = f"/3/device/{device_token}", msgspec.json.encode(apns_payload(push))
        headers = request_headers(push, self._topic)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                if self._provider_token is None:  # the certificate says who we are
                    return await self._post(path, headers, body)
                token = self._provider_token.current()
                outcome = await self._post(path, headers | _bearer(token), body)
                if outcome == EXPIRED_PROVIDER_TOKEN:
                    another = self._provider_token.another(token)
                    if another is not None:
                        outcome = await self._post(path, headers | _bearer(another), body)
                return outcome
        except (TimeoutError, httpx2.TimeoutException):
            return RetryAfter(None, "timeout")
        except httpx2.HTTPError as error:
            return RetryAfter(None, _network_reason(error))

    async def aclose(self) -> None:
        await self._connection.aclose()

    async def _post(self, path: str, headers: dict[str, str], body: bytes) -> Outcome:
        connection = self._connection
        connection.waiting += 1
        request = asyncio.create_task(connection.client.post(path, headers=headers, content=body))
        try:
            response = await asyncio.shield(request)
        except (asyncio.CancelledError, httpx2.LocalProtocolError):
            connection.abandoned.append(request)
            if connection is self._connection:
                self._connection = self._new_connection()
            raise
        finally:
            connection.waiting -= 1
            if connection is not self._connection and not connection.waiting:
                await connection.aclose()
        return outcome_of(response.status_code, response.headers, response.content)

    def _new_connection(self) -> "_Connection":
        client = httpx2.AsyncClient(
            base_url=self._base_url,
            http1=False,
            http2=True,
            verify=self._tls,
            trust_env=False,
            timeout=None,  # a whole send has its own
            # The second is for the moment after GOAWAY. Apple asks that idle ones be kept open.
            limits=httpx2.Limits(max_connections=2, keepalive_expiry=None),
        )
        return _Connection(client)


class _Connection:
    """A client, taken out of use once a request on it is abandoned.

    Where nothing is answered any more the connection is dead. Where the rest is answered the
    stream still counts against the peer's limit, for the client does not reset it. Cancelling
    the request would be worse: half-written frames end every other request of the connection.
    So it is left alone until nobody waits on the connection.
    """

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client
        self.waiting = 0
        self.abandoned: list[asyncio.Task[httpx2.Response]] = []

    async def aclose(self) -> None:
        for request in self.abandoned:
            request.cancel()
        await asyncio.gather(*self.abandoned, return_exceptions=True)
        await self.client.aclose()
