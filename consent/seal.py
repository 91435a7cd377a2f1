"""
What one secret key protects: records kept recoverable, transaction tokens, challenges.

Each use has its own key, derived from `NOD_SECRET_KEY` (HKDF, RFC 5869), so that none can stand
in for another.
"""

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from consent.identifiers import b64url

_NONCE_BYTES = 12


class SealError(Exception):
    """What is sealed was sealed with another key, or changed since."""


class Seal:
    def __init__(self, secret_key: str) -> None:
        def derive(purpose: str) -> bytes:
            return HKDF(SHA256(), 32, salt=None, info=b"nod " + purpose.encode()).derive(
                secret_key.encode()
            )

        self._cipher = AESGCM(derive("records"))
        self._challenge_key = derive("challenges")
        self._user_code_key = derive("user codes")
        self._refresh_token_key = derive("refresh tokens")
        self.transaction_key = derive("transaction tokens")
        self.nonce_key = derive("DPoP nonces")
        self.audit_key = derive("audit trail")
        self.mailbox_key = derive("mailbox tokens")

    def encrypt(self, plain: bytes, context: str) -> bytes:
        """Nonce and ciphertext; `context` says what it is and must be given again."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, context.encode())

    def decrypt(self, sealed: bytes, context: str) -> bytes:
        """Raises SealError."""
        try:
            return self._cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode()
            )
        except (InvalidTag, ValueError) as error:
            raise SealError(context) from error

    def challenge(self, consent_id: str, device_id: str) -> str:
        """What a device signs: the same whenever it is asked the same, and stored nowhere."""
        message = f"{consent_id} {device_id}".encode()
        return b64url(hmac.digest(self._challenge_key, message, "sha256"))

    def user_code(self, person_id: str, code: str) -> str:
        """How a person's user_code is kept: who steals the records cannot try codes (A041)."""
        return b64url(hmac.digest(self._user_code_key, f"{person_id} {code}".encode(), "sha256"))

    def refresh_token_mac(self, consent_id: str, generation: int) -> str:
        """What proves that a refresh token was issued; none of it is stored (B020)."""
        message = f"{consent_id} {generation}".encode()
        return b64url(hmac.digest(self._refresh_token_key, message, "sha256"))
