"""
The browser behind a push subscription: its keys, and how it reads a message (RFC 8188, 8291).

Written from the receiving side with the primitives alone: it shares no code with what encrypts.
"""

import base64
import hmac
import secrets
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CURVE = ec.SECP256R1()
_SALT_OCTETS = 16
_HEADER_OCTETS = 21  # the salt, the size of a record, the length of the sender's key
_POINT_OCTETS = 65
_TAG_OCTETS = 16
_LAST_RECORD = 2  # RFC 8188 2: the delimiter before the padding


class Undecryptable(Exception):  # noqa: N818 - said of the message
    """A browser would drop it in silence."""


class Browser:
    """One subscription as its browser has it: the keys, and what it was bound to."""

    def __init__(self, server_key: str = "", *, key: int = 0, auth: bytes = b"") -> None:
        """`key` and `auth` are those of an example; else they are new."""
        self.server_key = server_key
        self._key = ec.derive_private_key(key, CURVE) if key else ec.generate_private_key(CURVE)
        self._auth = auth or secrets.token_bytes(16)
        self._point = _point(self._key.public_key())

    @property
    def keys(self) -> dict[str, str]:
        return {"p256dh": encoded(self._point), "auth": encoded(self._auth)}

    def decrypted(self, body: bytes) -> bytes:
        """RFC 8188 2.1, RFC 8291 3.4: one record. Raises Undecryptable."""
        if len(body) < _HEADER_OCTETS + _POINT_OCTETS + _TAG_OCTETS + 1:
            raise Undecryptable("too short")
        salt, rest = body[:_SALT_OCTETS], body[_HEADER_OCTETS:]
        record_size, id_octets = struct.unpack("!LB", body[_SALT_OCTETS:_HEADER_OCTETS])
        sender, record = rest[:id_octets], rest[id_octets:]
        if id_octets != _POINT_OCTETS or len(record) > record_size:
            raise Undecryptable("not one record of a sender with a key")
        try:
            theirs = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, sender)
        except ValueError:
            raise Undecryptable("the sender's key is no point") from None
        shared = self._key.exchange(ec.ECDH(), theirs)
        info = b"WebPush: info\0" + self._point + sender
        keying = _expanded(_extracted(self._auth, shared), info, 32)
        pseudorandom = _extracted(salt, keying)
        cipher = AESGCM(_expanded(pseudorandom, b"Content-Encoding: aes128gcm\0", 16))
        nonce = _expanded(pseudorandom, b"Content-Encoding: nonce\0", 12)
        try:
            padded = cipher.decrypt(nonce, record, None).rstrip(b"\0")
        except InvalidTag:
            raise Undecryptable("it was not encrypted for this browser") from None
        if not padded or padded[-1] != _LAST_RECORD:
            raise Undecryptable("its padding is none")
        return padded[:-1]


def _extracted(salt: bytes, keying: bytes) -> bytes:
    """HKDF-Extract (RFC 5869 2.2)."""
    return hmac.digest(salt, keying, "sha256")


def _expanded(pseudorandom: bytes, info: bytes, octets: int) -> bytes:
    """HKDF-Expand (RFC 5869 2.3), of at most one block."""
    return hmac.digest(pseudorandom, info + b"\x01", "sha256")[:octets]


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
