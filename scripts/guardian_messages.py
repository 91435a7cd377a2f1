"""
What a phone reads, as strictly as the Guardian SDKs read it: the push of either provider, the
consent, the enrolment code. Written from the phone's side: shares nothing with the server.
"""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import rfc8785

from scripts.phone_key import encoded

APNS_CATEGORY = "com.auth0.notification.authentication"


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """What a push says. The SDKs ignore a message in which one of these is not a string."""

    dai: str
    txtkn: str
    c: str
    d: str
    sh: str
    txlnkid: str = ""  # empty: a plain second factor, there is no consent to fetch
    expires_at: str = ""  # told by the list of what is pending, never by a push


class RequestedDetails(msgspec.Struct, frozen=True):
    audience: str
    scope: list[str] = []
    binding_message: str = ""
    authorization_details: list[dict[str, Any]] = []


class Client(msgspec.Struct, frozen=True):
    client_id: str
    name: str


class Consent(msgspec.Struct, frozen=True):
    """`GET /rich-consents/{id}`; iOS decodes the dates from strings only."""

    id: str
    requested_details: RequestedDetails
    created_at: str
    expires_at: str
    # Our additions: a person must see who asks (RFC 10027 6.1.14), whether a number is to be typed,
    # and what their phone signs.
    client: Client | None = None
    number_matching: bool = False
    consent_digest: str = ""


def notification_from_fcm(data: Mapping[str, object]) -> Notification | None:
    """The flat data map of an FCM message; None if it is not one for the SDK."""
    try:
        return msgspec.convert(dict(data), Notification)
    except msgspec.ValidationError:
        return None


def notification_from_apns(payload: Mapping[str, Any]) -> Notification | None:
    """The nested payload of an APNs message; None if it is not one for the SDK."""
    if payload.get("aps", {}).get("category") != APNS_CATEGORY:
        return None
    return notification_from_fcm(payload.get("mfa", {}))


def ticket_in(text: str) -> str:
    """The ticket of an enrolment QR code or ticket URL, or the bare ticket itself."""
    query = parse_qs(urlsplit(text).query)
    for name in ("enrollment_tx_id", "ticket"):
        if name in query:
            return query[name][0]
    return text


def consent_digest(answer: Mapping[str, Any]) -> str:
    """base64url(SHA-256(JCS)) of what is shown (RFC 8785): all but the server's own digest."""
    shown = {name: value for name, value in answer.items() if name != "consent_digest"}
    return encoded(hashlib.sha256(rfc8785.dumps(shown)).digest())
