"""A Nod with every option that is a setting, and what it takes to use them."""

import functools
import json
import time
from pathlib import Path

import msgspec
import redis

from consent.seal import Seal
from consent.signing_key import SigningKey, StoredKey, new_signing_key, opened
from consent.store import keys
from tests.support.client_certificates import Issued, an_authority
from tests.support.nod import Nod

# The best first; the first is not what it is by default.
ACR_VALUES = ("urn:example:acr:high", "urn:example:acr:substantial", "urn:example:acr:low")
HINT_ISSUER = "https://bank.example"


@functools.cache
def hint_key() -> SigningKey:
    """Of the one issuer whose `login_hint_token` is believed."""
    return new_signing_key("ES256")


@functools.cache
def authority() -> Issued:
    """Of the certificates of `tls_client_auth` clients."""
    return an_authority(at=time.time())


def equipped(redis_url: str, directory: Path) -> Nod:
    issuers, authorities = directory / "issuers.json", directory / "clients.pem"
    directory.mkdir(parents=True, exist_ok=True)
    issuers.write_text(json.dumps([{"issuer": HINT_ISSUER, "jwks": {"keys": [hint_key().public]}}]))
    authorities.write_bytes(authority().pem)
    nod = Nod(
        redis_url,
        directory,
        acr_values=" ".join(ACR_VALUES),
        login_hint_token_issuers_file=str(issuers),
        client_certificate_ca_file=str(authorities),
        trusted_proxies="127.0.0.1",
        person_requests_per_minute_max="1000",
        person_open_requests_max="1000",
    )
    # Another name of the same server, so that what discovery names there answers.
    nod.environ["NOD_MTLS_BASE_URL"] = f"http://localhost:{nod.port}/"
    return nod


def our_key(nod: Nod) -> SigningKey:
    """The key a Nod signs with, out of its store: for tokens that time alone would make."""
    with redis.Redis.from_url(nod.environ["NOD_REDIS_URL"]) as store:
        stored = store.hget(keys.KEYS, "current")
    assert isinstance(stored, bytes)
    seal = Seal(nod.environ["NOD_SECRET_KEY"])
    return opened(msgspec.json.decode(stored, type=StoredKey), seal)
