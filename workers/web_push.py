"""
Web Push (RFC 8030, 8291, 8292): a push becomes an encrypted message, an answer an outcome.

`webpush` encrypts (RFC 8291) and names the headers; it knows nothing of the network. Where to is a
URL that a browser named, so messages leave by the one way out to such URLs (T18).
"""

import re
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from webpush import WebPush, WebPushSubscription

from consent.outbound.client import GuardedClient, OutboundFailed
from consent.push import Push
from consent.push_providers import WebPushProvider
from consent.web_push import (
    PLAINTEXT_OCTETS_MAX,
    application_server_key,
    payload,
    private_key,
    subscription_of,
    topic,
)
from workers.outcome import Delivered, Outcome, Rejected, RetryAfter, Unregistered
from workers.retry_after import retry_after_seconds

# Browsers name few push services: the pushes of many people go to one host.
CONNECTIONS_OF_A_HOST_MAX = 32
VAPID_LIFETIME_SECONDS = 3_600  # RFC 8292 2: at most 24 hours; an hour forgives clocks

_HTTPS_PORT = 443
_MESSAGE_ID = re.compile(r".*/([0-9A-Za-z:%._~=-]{1,128})")
_MAY_PASS = frozenset({"connection", "timeout", "tls", "malformed_answer"})


def outcome_of(status: int, headers: Mapping[str, str], *, now_seconds: float) -> Outcome:
    """
    RFC 8030 5, 7.3 and 8.4, RFC 8292 4.2. `headers` are looked up without regard to case;
    `now_seconds` (epoch) dates Retry-After.
    """
    reason = f"HTTP_{status}"
    match status:
        case HTTPStatus.OK | HTTPStatus.CREATED | HTTPStatus.ACCEPTED | HTTPStatus.NO_CONTENT:
            message_id = _MESSAGE_ID.fullmatch(headers.get("Location", ""))
            return Delivered(message_id[1] if message_id else "")
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return Unregistered(None)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return Rejected("vapid")  # not the address: the key or the clock is ours
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RetryAfter(retry_after_seconds(headers.get("Retry-After"), now_seconds), reason)
    return Rejected(reason)


class WebPushSender:
    """Lives on the event loop it was built on, with a client of its own."""

    def __init__(
        self,
        provider: WebPushProvider,
        *,
        contact: str,
        open_client: Callable[[], GuardedClient],
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        `contact` is an e-mail address; `now` is the wall clock (epoch seconds). Raises ValueError
        for a key that cannot be used.
        """
        public_key = private_key(provider).public_key()
        pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self._encoder = WebPush(provider.private_key.encode(), pem, contact)
        self._encoder.vapid = _Vapid(provider, now)
        self._client = open_client()
        self._now = now

    async def send(self, push: Push) -> Outcome:
        """Never raises for what the network or the push service does."""
        to, plain = subscription_of(push.address.value), payload(push)
        if len(plain) > PLAINTEXT_OCTETS_MAX:
            return Rejected("payload_too_large")
        try:
            subscription = WebPushSubscription(
                endpoint=to.endpoint, keys={"p256dh": to.p256dh, "auth": to.auth}
            )
        except ValueError:  # the library reads URLs more strictly than those who call them
            return Rejected("malformed_address")
        # Both are given each time: what is left out is that of the message before.
        message = self._encoder.get(
            plain, subscription, ttl=push.lifetime_seconds, expiration=VAPID_LIFETIME_SECONDS
        )
        headers = {**message.headers, "topic": topic(push.collapse_id), "urgency": "high"}
        try:
            answer = await self._client.post(to.endpoint, body=message.encrypted, headers=headers)
        except OutboundFailed as error:
            if error.reason in _MAY_PASS:
                return RetryAfter(None, error.reason)
            return Rejected(error.reason)
        return outcome_of(answer.status, answer.headers, now_seconds=self._now())

    async def aclose(self) -> None:
        await self._client.aclose()


class _Vapid:
    """
    In the place of the library's: with the port of the origin, which that leaves out (RFC 8292 2,
    RFC 6454 6.2), a clock that is handed in, and a key that is parsed once.
    """

    def __init__(self, provider: WebPushProvider, now: Callable[[], float]) -> None:
        self._key = private_key(provider)
        self._application_server_key = application_server_key(provider)
        self._now = now

    def get_authorization_header(
        self,
        endpoint: Any,  # noqa: ANN401 - pydantic's URL
        subscriber: str,
        expiration: int,
    ) -> str:
        port = "" if endpoint.port == _HTTPS_PORT else f":{endpoint.port}"
        claims = {
            "aud": f"{endpoint.scheme}://{endpoint.host}{port}",
            "exp": int(self._now()) + expiration,
            "sub": f"mailto:{subscriber}",
        }
        token = jwt.encode(claims, self._key, "ES256")
        return f"vapid t={token}, k={self._application_server_key}"
