"""Clients that could prove to be themselves in every way there is, and are registered for one."""

import base64
import json
import secrets
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import httpx2
import redis
from cryptography import x509

from consent.client import ASSERTION_TYPE
from consent.store import keys
from tests.support import forgery
from tests.support.client_certificates import self_signed
from tests.support.domain import an_ec_key
from tests.support.equipped import authority
from tests.support.nod import CIBA, Nod
from tests.support.refusals import refusal_of
from tests.support.signing_client import KID, public_jwk

METHODS = (
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
)
# Each with a question, and the answer of who asks it and is known: nobody else hears it.
QUESTIONS: dict[str, dict[str, str]] = {
    "bc-authorize": {"scope": "openid", "binding_message": "x", "login_hint": "nobody"},
    "oauth/token": {"grant_type": CIBA, "auth_req_id": "0" * 46},
    "token": {"grant_type": CIBA, "auth_req_id": "0" * 46},
    "oauth/revoke": {"token": "none"},
    "oauth/introspect": {"token": "none"},
    "oauth/receipt": {"auth_req_id": "0" * 46},
}
KNOWN = {
    "bc-authorize": (400, "unknown_user_id"),
    "oauth/token": (400, "invalid_grant"),
    "token": (400, "invalid_grant"),
    "oauth/revoke": (200, ""),
    "oauth/introspect": (200, ""),
    "oauth/receipt": (400, "invalid_grant"),
}
FAILED = (401, "invalid_client", "Client authentication failed")


class Offer(NamedTuple):
    """What a request shows of its client."""

    form: Mapping[str, str]
    headers: Mapping[str, str] = MappingProxyType({})

    def and_also(self, other: "Offer") -> "Offer":
        return Offer({**self.form, **other.form}, {**self.headers, **other.headers})


class AnyMethodClient:
    """All that it could show is registered, whichever method is."""

    def __init__(self, nod: Nod, method: str, /, **metadata: object) -> None:
        now, name = time.time(), f"{secrets.token_hex(8)}.example.com"
        self.nod = nod
        self.method = method
        self.key = an_ec_key()
        self.own_certificate = self_signed("bank", at=now)
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        self.issued_certificate = authority().issue("bank", (names, False), at=now)
        body: dict[str, object] = {
            "name": "Example bank",
            "grant_types": ["refresh_token"] if method == "none" else [CIBA, "refresh_token"],
            "token_endpoint_auth_method": method,
            "tls_client_auth_san_dns": name,
            **metadata,
        }
        if "jwks_uri" not in body:
            certified = public_jwk(self.own_certificate.key) | {"x5c": self.own_certificate.x5c}
            body["jwks"] = {"keys": [public_jwk(self.key) | {"kid": KID}, certified]}
        answer = nod.admin("POST", "clients", body)
        assert answer.status_code == 201, answer.text
        self.client_id: str = answer.json()["client_id"]
        self.secret: str = answer.json().get("client_secret") or secrets.token_urlsafe(64)

    # What it can show

    def offer(self, method: str = "") -> Offer:
        """By the method registered, or by another."""
        match method or self.method:
            case "client_secret_basic":
                return by_header(self.client_id, self.secret)
            case "client_secret_post":
                return Offer({"client_id": self.client_id, "client_secret": self.secret})
            case "client_secret_jwt":
                claims = self.claims()
                return by_assertion(forgery.hs256({"alg": "HS256"}, claims, self.secret.encode()))
            case "private_key_jwt":
                return by_assertion(self.assertion())
            case "tls_client_auth":
                return self.by_certificate(self.issued_certificate.client_cert)
            case "self_signed_tls_client_auth":
                return self.by_certificate(self.own_certificate.escaped)
        return Offer({"client_id": self.client_id})

    def by_certificate(self, header: str) -> Offer:
        return Offer({"client_id": self.client_id}, {"Client-Cert": header})

    def claims(self, **changes: object) -> dict[str, object]:
        """A change to None takes a claim away."""
        claims: dict[str, object] = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.nod.url,
            "iat": int(time.time()),
            "exp": int(time.time()) + 60,
            "jti": secrets.token_urlsafe(16),
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def assertion(self, header: dict[str, object] | None = None, /, **changes: object) -> str:
        """`private_key_jwt`."""
        return forgery.signed(
            {"alg": "ES256", "kid": KID} | (header or {}), self.claims(**changes), self.key
        )

    # What it hears

    def asks(
        self, offer: Offer | None = None, endpoint: str = "oauth/introspect", url: str = ""
    ) -> httpx2.Response:
        return ask(self.nod, self.offer() if offer is None else offer, endpoint, url)

    def change_record(self, **members: object) -> None:
        """As no administrator could; it is published as every change is."""
        with redis.Redis.from_url(self.nod.environ["NOD_REDIS_URL"]) as store:
            stored = store.hget(keys.CLIENTS, self.client_id)
            assert isinstance(stored, bytes)
            store.hset(keys.CLIENTS, self.client_id, json.dumps(json.loads(stored) | members))
            store.publish(keys.CHANGES, f"{keys.CLIENTS} {self.client_id}")


def by_header(client_id: str, secret: str) -> Offer:
    pair = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return Offer({}, {"Authorization": f"Basic {pair}"})


def by_assertion(assertion: str, **also: str) -> Offer:
    return Offer({"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, **also})


def ask(
    nod: Nod, offer: Offer, endpoint: str = "oauth/introspect", url: str = ""
) -> httpx2.Response:
    """The question of an endpoint; `url` is the base of another process of the same Nod."""
    return nod.http.post(
        url + endpoint, data={**QUESTIONS[endpoint], **offer.form}, headers=offer.headers
    )


def is_known(answer: httpx2.Response, endpoint: str = "oauth/introspect") -> bool:
    """Whether it was authenticated. Everybody else hears the same, and no more (A004)."""
    if answer.status_code == 200:
        return KNOWN[endpoint] == (200, "")
    status, error, description = refusal_of(answer)
    if (status, error) == KNOWN[endpoint]:
        return True
    assert (status, error, description) == FAILED
    return False
