"""
What is sent to a phone: a doorbell, never the question itself (auth0-wire 2.4).

Pure: from a `Push` to the provider's message. The binding message, the scopes and the
`auth_req_id` are not known here, so that no provider can learn them.
"""

from typing import Literal

import msgspec

# `webpush`: the value is the subscription, see `consent.web_push`. `pull`: a browser that cannot be
# rung and asks by itself; the value is the thumbprint of its key. `email`: never stored, found when
# it is that channel's turn.
AddressKind = Literal["apns", "fcm_token", "fcm_fid", "webpush", "pull", "email"]

APNS_CATEGORY = "com.auth0.notification.authentication"
TITLE = "Sign-in request"
BODY = "Tap to review"


class Address(msgspec.Struct, frozen=True):
    """Where a device can be rung. `registered_at_ms` dates it: an older death notice is void."""

    kind: AddressKind
    value: str
    registered_at_ms: int


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """The keys the Guardian SDKs read. Times are ISO 8601 with three fraction digits and a Z."""

    dai: str  # enrolment id
    txtkn: str  # transaction token
    txlnkid: str  # consent id
    c: str  # challenge
    d: str  # date
    sh: str  # host
    s: dict[str, dict[str, str]] = {}  # source, unknown to a backchannel request
    l: dict[str, str] = {}  # location, the same  # noqa: E741


class Notice(msgspec.Struct, frozen=True):
    """Words alone: something happened that the person should know of (T35)."""

    title: str
    body: str


class Push(msgspec.Struct, frozen=True, kw_only=True):
    address: Address
    notification: Notification | Notice
    collapse_id: str  # a second push of one request replaces the first; at most 64 bytes
    expires_at_seconds: int  # epoch; a provider that cannot deliver by then must drop it
    lifetime_seconds: int  # the same as a duration, at least 1


def apns_payload(push: Push) -> dict[str, object]:
    """The JSON body of an APNs request; the SDK leaves one without `mfa` to the system."""
    if isinstance(push.notification, Notice):
        return {"aps": {"alert": msgspec.to_builtins(push.notification), "sound": "default"}}
    return {
        "aps": {
            "alert": {"title": TITLE, "body": BODY},
            "category": APNS_CATEGORY,
            "sound": "default",
        },
        "mfa": msgspec.to_builtins(push.notification),
    }


def fcm_content(push: Push) -> dict[str, object]:
    """Data, which the app reads, or a notice, which the system shows without it."""
    if isinstance(push.notification, Notice):
        return {"notification": msgspec.to_builtins(push.notification)}
    return {"data": fcm_data(push.notification)}


def fcm_data(notification: Notification) -> dict[str, str]:
    """The flat string map of an FCM data message; `s` and `l` are JSON text."""
    fields: dict[str, object] = msgspec.to_builtins(notification)
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in fields.items()
    }
