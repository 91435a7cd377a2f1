"""Our signing keys: made once, kept encrypted, published by their public half (decision: ES256)."""

import hashlib

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from consent.identifiers import b64url
from consent.seal import Seal

ALGORITHM = "ES256"


# The nonce of RFC 6979: the same claims give the same token, byte for byte. A redemption whose
# answer may not have left (its process died) is answered again; this is what makes the answer the
# same token set and not a second one.
_ECDSA = ec.ECDSA(SHA256(), deterministic_signing=True)


class StoredKey(msgspec.Struct, frozen=True):
    """As kept in the directory; `sealed` is the private half, encrypted, as base64."""

    kid: str
    alg: str
    public: dict[str, str]
    sealed: bytes


class SigningKey:
    """A private key, parsed once: parsing costs more than a thousand signatures."""

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        self._private_key = private_key
        numbers = private_key.public_key().public_numbers()
        members = {
            "crv": "P-256",
            "kty": "EC",
            "x": b64url(numbers.x.to_bytes(32)),
            "y": b64url(numbers.y.to_bytes(32)),
        }
        canonical = msgspec.json.encode(members)
        self.kid = b64url(hashlib.sha256(canonical).digest())  # RFC 7638
        self.public = members | {"kid": self.kid, "alg": ALGORITHM, "use": "sig"}
        self.public_key = private_key.public_key()
        self._headers: dict[str, str] = {}  # encoded, by typ

    def sign(self, claims: dict[str, object], typ: str) -> str:
        """A compact JWS of the claims (RFC 7515 3.1, ES256 as in RFC 7518 3.4)."""
        header = self._headers.get(typ)
        if header is None:
            members = {"alg": ALGORITHM, "typ": typ, "kid": self.kid}
            header = self._headers[typ] = b64url(msgspec.json.encode(members))
        signed = f"{header}.{b64url(msgspec.json.encode(claims))}"
        r, s = decode_dss_signature(self._private_key.sign(signed.encode(), _ECDSA))
        return f"{signed}.{b64url(r.to_bytes(32) + s.to_bytes(32))}"

    def stored(self, seal: Seal) -> StoredKey:
        der = self._private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return StoredKey(self.kid, ALGORITHM, self.public, seal.encrypt(der, self.kid))


def new_signing_key() -> SigningKey:
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


def opened(stored: StoredKey, seal: Seal) -> SigningKey:
    """Raises SealError when it was sealed with another secret key."""
    private_key = load_der_private_key(seal.decrypt(stored.sealed, stored.kid), password=None)
    assert isinstance(private_key, ec.EllipticCurvePrivateKey)  # noqa: S101 - we made it
    return SigningKey(private_key)
