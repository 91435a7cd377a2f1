"""
How a client that does not poll hears of the end: what is kept to call it, and what it is told
(CIBA 10.2, 10.3, 12).

Kept sealed, for it holds the client's bearer token and the `auth_req_id`; gone when the call has
been made (A159).
"""

import msgspec

from consent.client import DeliveryMode
from consent.seal import Seal


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """As it was when the request was accepted: a later registration changes nothing (T38)."""

    mode: DeliveryMode
    endpoint: str
    auth_req_id: str
    client_notification_token: str
    client_id: str
    client_since: int = 0  # of the client that asked; one with another is another client


def sealed(callback: Callback, seal: Seal, consent_id: str) -> bytes:
    return seal.encrypt(msgspec.json.encode(callback), f"callback {consent_id}")


def opened(stored: bytes, seal: Seal, consent_id: str) -> Callback:
    """Raises SealError when it was sealed with another secret key."""
    return msgspec.json.decode(seal.decrypt(stored, f"callback {consent_id}"), type=Callback)


def ping(callback: Callback) -> bytes:
    """A151: the `auth_req_id` and nothing else; what became of it is asked for."""
    return msgspec.json.encode({"auth_req_id": callback.auth_req_id})


def push(callback: Callback, token_response: dict[str, object]) -> bytes:
    """A170."""
    return msgspec.json.encode({"auth_req_id": callback.auth_req_id, **token_response})


_ERRORS = {
    "denied": ("access_denied", "The end-user denied the authorization request"),
    "refused": ("access_denied", "The end-user may not authorize requests any more"),
    "unreachable": ("transaction_failed", "None of the devices of the end-user can be reached"),
    "cancelled": ("access_denied", "The request was cancelled by an administrator"),
    "expired": ("expired_token", "The auth_req_id has expired"),
}


def push_error(callback: Callback, state: str) -> bytes:
    """A173: `state` is denied, refused, unreachable, cancelled or expired."""
    error, description = _ERRORS[state]
    return msgspec.json.encode(
        {
            "auth_req_id": callback.auth_req_id,
            "error": error,
            "error_description": description,
        }
    )
