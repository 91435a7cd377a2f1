"""
Web Push: the subscription a browser names, and what its page is sent (RFC 8030, 8291, 8292).

A subscription is a URL of the browser's push service and two keys, for which its messages are
encrypted: the service reads nothing but when, and to which subscription.
"""

import base64
import binascii
import hashlib
import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from consent.identifiers import b64url
from consent.outbound.address import ForbiddenUrl
from consent.push import Notice, Push
from consent.push_providers import WebPushProvider

PLAINTEXT_OCTETS_MAX = 3_993  # RFC 8291 4: one record of 4 096 octets, with its header and tag
TOPIC_CHARACTERS = 32  # RFC 8030 5.4: at most, of base64url
_AUTH_OCTETS = 16  # RFC 8291 3.2
_POINT_OCTETS = 65  # uncompressed, of P-256 (RFC 8291 3.1)
_KEY_CHARACTERS_MAX = 88  # of a point in base64
_NOBODYS_CONTACT = "nod@example.com"

CheckUrl = Callable[[str], object]  # raises ForbiddenUrl


class Subscription(msgspec.Struct, frozen=True):
    """A PushSubscription; its keys in base64url without padding."""

    endpoint: str
    p256dh: str
    auth: str


class UnusableSubscription(Exception):  # noqa: N818 - said of the subscription
    """The message is ASCII, names the member at fault and repeats nothing that was sent."""


def subscription(credentials: dict[str, object], check_url: CheckUrl) -> Subscription:
    """
    What a browser's PushSubscription.toJSON() says, of whose URL `check_url` judges (T18).

    Raises UnusableSubscription.
    """
    endpoint, its_keys = credentials.get("endpoint"), credentials.get("keys")
    if not isinstance(endpoint, str):
        raise UnusableSubscription("endpoint is missing or not a text")
    if not isinstance(its_keys, dict):
        raise UnusableSubscription("keys is missing or not an object")
    try:
        check_url(endpoint)
    except ForbiddenUrl as error:
        raise UnusableSubscription(f"endpoint {error.reason}") from None
    point, secret = _octets(its_keys.get("p256dh")), _octets(its_keys.get("auth"))
    if not _is_point(point):
        raise UnusableSubscription("keys.p256dh is not an uncompressed point of P-256")
    if len(secret) != _AUTH_OCTETS:
        raise UnusableSubscription("keys.auth is not 16 octets in base64url")
    return Subscription(endpoint, b64url(point), b64url(secret))


def address_value(to: Subscription) -> str:
    """A subscription as the value of an address; none of its parts has a space."""
    return f"{to.endpoint} {to.p256dh} {to.auth}"


def subscription_of(value: str) -> Subscription:
    """The subscription in the value of an address."""
    endpoint, p256dh, auth = value.split(" ")
    return Subscription(endpoint, p256dh, auth)


def payload(push: Push) -> bytes:
    """What the page's service worker gets, as JSON: a notification or words alone."""
    said = push.notification
    return msgspec.json.encode({"notice" if isinstance(said, Notice) else "notification": said})


def topic(collapse_id: str) -> str:
    """A second message of one topic replaces the first (RFC 8030 5.4)."""
    return b64url(hashlib.sha256(collapse_id.encode()).digest())[:TOPIC_CHARACTERS]


def new_web_push_provider() -> WebPushProvider:
    """What names this installation to push services, whose subscriptions are bound to it."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return WebPushProvider(private_key=pem.decode())


def application_server_key(provider: WebPushProvider) -> str:
    """The public half as browsers take it (RFC 8292 3.2): an uncompressed point in base64url."""
    key = private_key(provider).public_key()
    return b64url(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def private_key(provider: WebPushProvider) -> ec.EllipticCurvePrivateKey:
    """Raises ValueError when it is none of P-256."""
    key = load_pem_private_key(provider.private_key.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ValueError("the VAPID key is not a P-256 private key")
    return key


def contact(configured: str, issuer: str) -> str:
    """
    The e-mail address push services may write to (RFC 8292 2.1). A host that has no mail gets a
    reserved one: some services refuse the whole message for `localhost` or a number.
    """
    host = urlsplit(issuer).hostname or ""
    return configured or (f"nod@{host}" if _may_have_mail(host) else _NOBODYS_CONTACT)


def _may_have_mail(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host
    return False


def _is_point(octets: bytes) -> bool:
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), octets)
    except ValueError:
        return False
    return len(octets) == _POINT_OCTETS


def _octets(value: object) -> bytes:
    """Of base64url, padded or not; none of what is no such text."""
    if not isinstance(value, str) or not value.isascii() or len(value) > _KEY_CHARACTERS_MAX:
        return b""
    text = value.rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return b""
