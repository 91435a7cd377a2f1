"""Signed texts as no honest library makes them."""

import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.utils import der_to_raw_signature

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def part(value: object) -> str:
    """Base64url of a text, of octets, or of the JSON of anything else."""
    text = value if isinstance(value, str | bytes) else json.dumps(value)
    data = text.encode() if isinstance(text, str) else text
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: object, claims: object, key: PrivateKey) -> str:
    """A valid signature over whatever header and claims; a text stands for itself."""
    message = f"{part(header)}.{part(claims)}"
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(message.encode(), padding.PKCS1v15(), SHA256())
    else:
        der = key.sign(message.encode(), ec.ECDSA(SHA256()))
        signature = der_to_raw_signature(der, key.curve)
    return f"{message}.{part(signature)}"


def hs256(header: object, claims: object, secret: bytes) -> str:
    message = f"{part(header)}.{part(claims)}"
    return f"{message}.{part(hmac.digest(secret, message.encode(), hashlib.sha256))}"


def unsigned(header: object, claims: object) -> str:
    return f"{part(header)}.{part(claims)}."
