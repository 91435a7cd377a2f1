"""Our signing keys: made once, kept encrypted, published by their public half (decision: ES256)."""

import hashlib
from collections.abc import Callable
from typing import get_args

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from consent.client import SigningAlgorithm
from consent.identifiers import b64url
from consent.seal import Seal, SealError

ALGORITHM: SigningAlgorithm = "ES256"  # of whoever asks for no other
ALGORITHMS: tuple[SigningAlgorithm, ...] = get_args(SigningAlgorithm)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
_PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

_RSA_BITS = 2_048  # B012
_RSA_EXPONENT = 65_537

# The nonce of RFC 6979: the same claims give the same token, byte for byte. A redemption whose
# answer may not have left (its process died) is answered again; this is what makes the answer the
# same token set and not a second one. RS256 and EdDSA repeat themselves by nature; PS256 salts, so
# its tokens repeat in all but the signature, their `jti` included.
_ECDSA = ec.ECDSA(SHA256(), deterministic_signing=True)
_PSS = padding.PSS(padding.MGF1(SHA256()), salt_length=SHA256.digest_size)  # RFC 7518 3.5


class StoredKey(msgspec.Struct, frozen=True):
    """As kept in the directory; `sealed` is the private half, encrypted, as base64."""

    kid: str
    alg: SigningAlgorithm
    public: dict[str, str]
    sealed: bytes
    signs_from: int = 0  # milliseconds; 0 has always signed


class SigningKey:
    """A private key, parsed once: parsing costs more than a thousand signatures."""

    def __init__(self, private_key: PrivateKey, alg: SigningAlgorithm = ALGORITHM) -> None:
        self._private_key = private_key
        self._signature = _signature(private_key, alg)
        self.alg = alg
        self.public_key = private_key.public_key()
        members = _members(self.public_key)
        canonical = msgspec.json.encode(members)
        self.kid = b64url(hashlib.sha256(canonical).digest())  # RFC 7638
        self.public = members | {"kid": self.kid, "alg": alg, "use": "sig"}
        self._headers: dict[str, str] = {}  # encoded, by typ

    def sign(self, claims: dict[str, object], typ: str) -> str:
        """A compact JWS of the claims (RFC 7515 3.1, RFC 7518 3.3 to 3.5, RFC 8037 3.1)."""
        header = self._headers.get(typ)
        if header is None:
            members = {"alg": self.alg, "typ": typ, "kid": self.kid}
            header = self._headers[typ] = b64url(msgspec.json.encode(members))
        signed = f"{header}.{b64url(msgspec.json.encode(claims))}"
        return f"{signed}.{b64url(self._signature(signed.encode()))}"

    def stored(self, seal: Seal, signs_from: int = 0) -> StoredKey:
        der = self._private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        sealed = seal.encrypt(der, self.kid)
        return StoredKey(self.kid, self.alg, self.public, sealed, signs_from)


def new_signing_key(alg: SigningAlgorithm = ALGORITHM) -> SigningKey:
    """An RSA key takes a tenth of a second and more to find."""
    match alg:
        case "ES256":
            return SigningKey(ec.generate_private_key(ec.SECP256R1()), alg)
        case "EdDSA":
            return SigningKey(ed25519.Ed25519PrivateKey.generate(), alg)
        case "RS256" | "PS256":
            return SigningKey(rsa.generate_private_key(_RSA_EXPONENT, _RSA_BITS), alg)


def opened(stored: StoredKey, seal: Seal) -> SigningKey:
    """Raises SealError when it was sealed with another secret key."""
    # The arithmetic of an RSA key, 40 ms of it, is not checked again: what opens is what we made.
    private_key = load_der_private_key(
        seal.decrypt(stored.sealed, stored.kid),
        password=None,
        unsafe_skip_rsa_key_validation=True,
    )
    try:
        return SigningKey(private_key, stored.alg)  # type: ignore[arg-type]  # one of the three
    except TypeError as error:
        raise SealError(stored.kid) from error


def _signature(private_key: PrivateKey, alg: SigningAlgorithm) -> Callable[[bytes], bytes]:
    """How this key signs. Raises TypeError for a key of another kind."""
    match alg, private_key:
        case "ES256", ec.EllipticCurvePrivateKey() as ec_key:
            return lambda message: _fixed_length(ec_key.sign(message, _ECDSA))
        case "EdDSA", ed25519.Ed25519PrivateKey() as ed_key:
            return ed_key.sign
        case "RS256", rsa.RSAPrivateKey() as rsa_key:
            return lambda message: rsa_key.sign(message, padding.PKCS1v15(), SHA256())
        case "PS256", rsa.RSAPrivateKey() as rsa_key:
            return lambda message: rsa_key.sign(message, _PSS, SHA256())
    raise TypeError(f"no key of {alg}")


def _fixed_length(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return r.to_bytes(32) + s.to_bytes(32)


def _members(public_key: _PublicKey) -> dict[str, str]:
    """The required members in the order of RFC 7638 3.2 (OKP: RFC 8037 2)."""
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        point = public_key.public_numbers()
        x, y = b64url(point.x.to_bytes(32)), b64url(point.y.to_bytes(32))
        return {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    if isinstance(public_key, rsa.RSAPublicKey):
        numbers = public_key.public_numbers()
        return {"e": _shortest(numbers.e), "kty": "RSA", "n": _shortest(numbers.n)}
    x = b64url(public_key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    return {"crv": "Ed25519", "kty": "OKP", "x": x}


def _shortest(number: int) -> str:
    """Base64urlUInt: as many bytes as it needs (RFC 7518 2)."""
    return b64url(number.to_bytes((number.bit_length() + 7) // 8))
