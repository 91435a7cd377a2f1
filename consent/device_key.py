"""
Public keys of devices: RSA from the Guardian SDKs, EC P-256 from others.

Both SDKs write the modulus with a leading zero byte; the key is the same, so it is taken out
before anything is compared (auth0-wire 2.3).
"""

import msgspec

from consent.jose import PublicKey, UnusableKey, public_key

__all__ = ["DeviceKey", "UnusableKey", "device_key"]


class DeviceKey(msgspec.Struct, frozen=True):
    """A parsed key, the one algorithm it may sign with, and its RFC 7638 thumbprint."""

    public_key: PublicKey
    algorithm: str
    thumbprint: str
    jwk: dict[str, str]


def device_key(jwk: object) -> DeviceKey:
    """Parse a JWK; the algorithm follows from the key, never from the message (T13)."""
    try:
        key = public_key(jwk)
    except UnusableKey as error:
        raise UnusableKey(f"public_key: {error}") from None
    for algorithm in ("RS256", "ES256"):
        if algorithm in key.algorithms:
            own = msgspec.structs.replace(key, algorithms=(algorithm,), kid=None)
            return DeviceKey(own, algorithm, key.thumbprint, key.jwk)
    raise UnusableKey("public_key signs with neither RS256 nor ES256")
