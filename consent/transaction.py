"""
The transaction token (`txtkn`): what a push carries so that one device may ask about one consent.

A JWT signed by and for ourselves. It alone opens nothing: fetching needs a proof of the device's
key beside it, and answering a signature (auth0-wire 2.4; T10).
"""

from datetime import UTC, datetime
from typing import NamedTuple

import jwt

from consent import policy
from consent.errors import DeviceError
from consent.identifiers import is_consent_id, person_of_device, person_of_mailbox_device
from consent.push import Notification
from consent.seal import Seal

_ALGORITHM = "HS256"
_TYPE = "txtkn+jwt"


class Transaction(NamedTuple):
    """A verified token: who may ask about what."""

    consent_id: str
    device_id: str
    person_id: str


def notification(
    *,
    seal: Seal,
    issuer: str,
    consent_id: str,
    device_id: str,
    created_at_ms: int,
    expires_at_ms: int,
) -> Notification:
    """What the phone is sent, or lists, for one consent."""
    expires_at = -(-expires_at_ms // 1_000)
    token = jwt.encode(
        {
            "iss": issuer,
            "txid": consent_id,
            "dai": device_id,
            "iat": created_at_ms // 1_000,
            "exp": expires_at,
        },
        seal.transaction_key,
        algorithm=_ALGORITHM,
        headers={"typ": _TYPE},
    )
    return Notification(
        dai=device_id,
        txtkn=token,
        txlnkid=consent_id,
        c=seal.challenge(consent_id, device_id),
        d=iso_date(created_at_ms),
        sh=_host(issuer),
    )


def transaction(token: str, *, seal: Seal, issuer: str, now: float) -> Transaction:
    """Verify a transaction token. Raises DeviceError invalid_token, transaction_expired."""
    invalid = DeviceError(401, "invalid_token", "Invalid or expired token")
    if len(token) > policy.SIGNED_INPUT_CHARACTERS_MAX:
        raise invalid
    try:
        # Time is an argument here, so PyJWT is told to leave exp and iat to the lines below.
        decoded = jwt.decode_complete(
            token,
            seal.transaction_key,
            algorithms=[_ALGORITHM],
            issuer=issuer,
            options={
                "verify_exp": False,
                "verify_iat": False,
                "require": ["exp", "iat", "txid", "dai"],
            },
        )
    except jwt.InvalidTokenError as error:
        raise DeviceError(
            401, "invalid_token", "Invalid or expired token", detail=type(error).__name__
        ) from None
    claims = decoded["payload"]
    person_id = person_of_device(claims["dai"]) or person_of_mailbox_device(claims["dai"])
    if decoded["header"].get("typ") != _TYPE or person_id is None:
        raise invalid
    if not is_consent_id(claims["txid"]):
        raise invalid
    if now >= claims["exp"] + policy.CLOCK_SKEW_SECONDS:  # Redis has the last word on expiry
        raise expired()
    return Transaction(claims["txid"], claims["dai"], person_id)


def expired() -> DeviceError:
    return DeviceError(410, "transaction_expired", "The transaction has expired")


def iso_date(ms: int) -> str:
    """Exactly three fraction digits and a Z: the Android SDK parses nothing else."""
    moment = datetime.fromtimestamp(ms // 1_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1_000:03d}Z"


def _host(issuer: str) -> str:
    """The bare host; with a port the whole URL, for Android's parser refuses `host:port`."""
    base = issuer.rstrip("/")
    host = base.partition("://")[2]
    return base if ":" in host else host
