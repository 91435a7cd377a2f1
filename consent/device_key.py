"""
Public keys of devices: RSA from the Guardian SDKs, EC P-256 from others.

Both SDKs write the modulus with a leading zero byte; the key is the same, so it is taken out
before anything is compared (auth0-wire 2.3).
"""

import base64

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from consent.identifiers import digest

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
RSA_BITS_MIN, RSA_BITS_MAX = 2_048, 4_096
_EXPONENT_MAX = 2**32
_COORDINATE_BYTES = 32


class UnusableKey(Exception):  # noqa: N818 - said of the key
    """Not a public key of a kind that is accepted; the text says why, in ASCII."""


class DeviceKey(msgspec.Struct, frozen=True):
    """A parsed key, the one algorithm it may sign with, and its RFC 7638 thumbprint."""

    public_key: PublicKey
    algorithm: str
    thumbprint: str
    jwk: dict[str, str]


def device_key(jwk: object) -> DeviceKey:
    """Parse a JWK; the algorithm follows from the key, never from the message (T13)."""
    if not isinstance(jwk, dict):
        raise UnusableKey("public_key is not an object")
    if "d" in jwk or "k" in jwk:
        raise UnusableKey("public_key holds a private or symmetric key")
    match jwk.get("kty"):
        case "RSA":
            return _rsa(jwk)
        case "EC":
            return _ec(jwk)
    raise UnusableKey("public_key is neither RSA nor EC")


def _rsa(jwk: dict[str, object]) -> DeviceKey:
    n, e = _integer(jwk, "n"), _integer(jwk, "e")
    if not RSA_BITS_MIN <= n.bit_length() <= RSA_BITS_MAX:
        raise UnusableKey("the RSA key has fewer than 2048 or more than 4096 bits")
    if e < 3 or e % 2 == 0 or e > _EXPONENT_MAX or n % 2 == 0:  # noqa: PLR2004 - RFC 8017 3.1
        raise UnusableKey("the RSA key is not valid")
    if jwk.get("alg", "RS256") != "RS256":
        raise UnusableKey("an RSA key signs with RS256")
    members = {"e": _text(e), "kty": "RSA", "n": _text(n)}
    return DeviceKey(
        rsa.RSAPublicNumbers(e, n).public_key(), "RS256", _thumbprint(members), members
    )


def _ec(jwk: dict[str, object]) -> DeviceKey:
    if jwk.get("crv") != "P-256":
        raise UnusableKey("the EC key is not on P-256")
    if jwk.get("alg", "ES256") != "ES256":
        raise UnusableKey("a P-256 key signs with ES256")
    x, y = _integer(jwk, "x"), _integer(jwk, "y")
    numbers = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1())
    try:
        key = numbers.public_key()
    except ValueError:
        raise UnusableKey("the EC key is not a point of P-256") from None
    if key.public_numbers() != numbers:  # beyond the field, where a point has many names
        raise UnusableKey("the EC key has a coordinate out of range")
    members = {
        "crv": "P-256",
        "kty": "EC",
        "x": _text(x, _COORDINATE_BYTES),
        "y": _text(y, _COORDINATE_BYTES),
    }
    return DeviceKey(key, "ES256", _thumbprint(members), members)


def _integer(jwk: dict[str, object], name: str) -> int:
    text = jwk.get(name)
    if not isinstance(text, str) or not 1 <= len(text) <= 1_024:  # noqa: PLR2004 - > RSA_BITS_MAX
        raise UnusableKey(f"public_key.{name} is missing or has a wrong type or length")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise UnusableKey(f"public_key.{name} is not base64url") from None
    return int.from_bytes(data)


def _text(number: int, length: int = 0) -> str:
    data = number.to_bytes(length or (number.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _thumbprint(members: dict[str, str]) -> str:
    """RFC 7638 3: the required members in lexicographic order, no white space."""
    return digest(msgspec.json.encode(members).decode())
