"""
The factor push-notification and its providers, as an administrator leaves them in the directory.

One hash, one kind of record: whether the factor is on, and a provider with its credentials, all
of it sealed (decision 9). What is sealed here was read when it was put, so a worker has only to
unseal it. While no provider is stored, the one of the settings is used.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from consent.seal import Seal

PUSH = "push-notification"
APNS = "apns"
FCM = "fcmv1"
WEB_PUSH = "webpush"
APNS_SANDBOX_URL = "https://api.sandbox.push.apple.com"


class FactorRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record of the hash: the factor's has `enabled`, a provider's what is `sealed`."""

    enabled: bool = True
    sealed: bytes = b""


class ApnsKey(msgspec.Struct, frozen=True, tag="p8"):
    """Signs the JWT that names the team: a P-256 private key in PEM."""

    p8: str
    key_id: str
    team_id: str


class ApnsCertificate(msgspec.Struct, frozen=True, tag="p12"):
    """Names the app in TLS: a certificate and its private key in PEM."""

    certificate: str
    private_key: str


class ApnsProvider(msgspec.Struct, frozen=True, kw_only=True):
    bundle_id: str  # the topic
    sandbox: bool = False
    credentials: ApnsKey | ApnsCertificate


class ServiceAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Of Firebase, as Google hands it out, without the members nobody reads."""

    project_id: str
    private_key_id: str = ""
    private_key: str  # PEM
    client_email: str
    token_uri: str


class WebPushProvider(msgspec.Struct, frozen=True, kw_only=True):
    """The VAPID key, made at the first start: who subscribed is bound to it (RFC 8292 4)."""

    private_key: str  # P-256 in PEM


Provider = ApnsProvider | ServiceAccount | WebPushProvider
ProviderT = TypeVar("ProviderT", bound=Provider)


def push_enabled(factors: Mapping[str, FactorRecord]) -> bool:
    """Whether anybody may be rung, by all records of the hash."""
    return factors.get(PUSH, FactorRecord()).enabled


def sealed(name: str, provider: Provider, seal: Seal) -> FactorRecord:
    return FactorRecord(sealed=seal.encrypt(msgspec.json.encode(provider), _context(name)))


def unsealed(name: str, record: FactorRecord, kind: type[ProviderT], seal: Seal) -> ProviderT:
    """Raises SealError when it was sealed with another secret key."""
    return msgspec.json.decode(seal.decrypt(record.sealed, _context(name)), type=kind)


def _context(name: str) -> str:
    return f"push provider {name}"
