"""A client with a key of its own: what it signs to be itself, to ask, and to bind its tokens."""

import functools
import secrets
import time
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from consent.client import ASSERTION_TYPE
from tests.support import forgery
from tests.support.domain import an_ec_key, an_rsa_key
from tests.support.nod import CIBA, Nod

REQUEST_ALG = "backchannel_authentication_request_signing_alg"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
KID = "the client's key"

# What the profile wants of a client (B001-B013).
FAPI: dict[str, object] = {
    "profile": "fapi-ciba",
    "token_endpoint_auth_method": "private_key_jwt",
    "dpop_bound_access_tokens": True,
}


def jws(header: object, claims: object, key: PrivateKey) -> str:
    """ES256, or PS256, over whatever header and claims; a text or octets stand for themselves."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return forgery.signed(header, claims, key)
    message = f"{forgery.part(header)}.{forgery.part(claims)}"
    salted = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
    return f"{message}.{forgery.part(key.sign(message.encode(), salted, SHA256()))}"


def public_jwk(key: PrivateKey) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return ECAlgorithm.to_jwk(key.public_key(), as_dict=True)


def key_of(alg: str) -> PrivateKey:
    return an_rsa_key() if alg == "PS256" else an_ec_key()


@functools.cache
def a_stranger(alg: str) -> PrivateKey:
    """A key of nobody we know."""
    if alg == "PS256":
        return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    return ec.generate_private_key(ec.SECP256R1())


class SigningClient:
    """Registered with one key and one algorithm; a change to None takes a member away."""

    def __init__(self, nod: Nod, alg: str = "ES256", /, **metadata: object) -> None:
        self._nod = nod
        self.alg = alg
        self.key = key_of(alg)
        self.proof_key = an_ec_key()
        body: dict[str, object] = {
            "name": "Example bank",
            "grant_types": [CIBA, "refresh_token"],
            "jwks": {"keys": [public_jwk(self.key) | {"kid": KID}]},
            REQUEST_ALG: alg,
            **metadata,
        }
        answer = nod.admin("POST", "clients", body)
        assert answer.status_code == 201, answer.text
        self.client_id: str = answer.json()["client_id"]
        self.client_secret: str = answer.json().get("client_secret", "")

    # What it signs

    def header(self, **changes: object) -> dict[str, object]:
        return _changed({"alg": self.alg, "kid": KID, "typ": "JWT"}, changes)

    def claims(self, **changes: object) -> dict[str, object]:
        """Of a request object that is in order but for who is asked."""
        now = int(time.time())
        claims = {
            "iss": self.client_id,
            "aud": self._nod.url,
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "jti": secrets.token_urlsafe(16),
            "scope": "openid",
            "binding_message": "Pay 10",
        }
        return _changed(claims, changes)

    def request(self, **changes: object) -> str:
        return jws(self.header(), self.claims(**changes), self.key)

    def assertion(self, **changes: object) -> str:
        """`private_key_jwt` (RFC 7523 3)."""
        now = int(time.time())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self._nod.url,
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_urlsafe(16),
        }
        return jws(self.header(typ=None), _changed(claims, changes), self.key)

    def proof(self, method: str, path: str) -> dict[str, str]:
        """The header of a DPoP proof (RFC 9449 4.2)."""
        claims = {
            "jti": secrets.token_urlsafe(8),
            "htm": method,
            "htu": self._nod.url + path,
            "iat": int(time.time()),
        }
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(self.proof_key)}
        return {"DPoP": jws(header, claims, self.proof_key)}

    # What it sends

    def authentication(self) -> dict[str, str]:
        if self.client_secret:
            return {"client_id": self.client_id, "client_secret": self.client_secret}
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion()}

    def post(
        self, path: str, form: dict[str, str], headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        return self._nod.http.post(path, data=form | self.authentication(), headers=headers)

    def send(self, request: str, **beside: str) -> httpx2.Response:
        return self.post("bc-authorize", {"request": request, **beside})

    def ask(self, **claims: object) -> httpx2.Response:
        return self.send(self.request(**claims))

    def poll(self, auth_req_id: str) -> httpx2.Response:
        """With a proof where the profile wants the tokens bound."""
        proof = None if self.client_secret else self.proof("POST", "oauth/token")
        return self.post("oauth/token", {"grant_type": CIBA, "auth_req_id": auth_req_id}, proof)


def _changed(members: dict[str, Any], changes: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in (members | changes).items() if value is not None}
