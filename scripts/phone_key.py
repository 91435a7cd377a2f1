"""The key of a simulated phone: RSA as the Guardian SDKs make it, or P-256. Written as they are."""

import base64
from typing import Literal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

Style = Literal["ios", "android", "ec"]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def new(style: Style) -> PrivateKey:
    if style == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def public_jwk(key: PrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    if isinstance(numbers, ec.EllipticCurvePublicNumbers):
        x, y = (encoded(value.to_bytes(32, "big")) for value in (numbers.x, numbers.y))
        return {"kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "x": x, "y": y}
    # Both SDKs keep the sign byte of the ASN.1 integer, so `n` is 257 bytes and begins with 0.
    modulus = encoded(numbers.n.to_bytes(257, "big"))
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "n": modulus, "e": "AQAB"}


def pem(key: PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")


def parsed(pem: str) -> PrivateKey:
    key = serialization.load_pem_private_key(pem.encode("ascii"), password=None)
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise TypeError("a phone's key is RSA or EC")
    return key


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
