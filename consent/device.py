"""Devices: what a phone sends to enrol and to change, and what is kept of it (auth0-wire 2.3)."""

import re
from typing import Any

import msgspec

from consent.device_key import DeviceKey, UnusableKey, device_key
from consent.errors import DeviceError
from consent.push import Address, AddressKind
from consent.shown import DIGEST
from consent.web_push import (
    CheckUrl,
    UnusableSubscription,
    address_value,
    subscription,
    subscription_of,
)

# What an app may do beside Guardian's wire; a server demands of a device what it said it can (T44).
CAPABILITIES = ("number_matching", DIGEST)
_TEXT_MAX = 255
_PUSH_TOKEN_MAX = 4_096
# The word for FCM is still GCM in the Android SDK; FID is FCM's coming kind of address.
_SERVICES: dict[str, AddressKind] = {
    "APNS": "apns",
    "GCM": "fcm_token",
    "FCM": "fcm_token",
    "FID": "fcm_fid",
}
_PUSH_TOKEN = {
    "apns": re.compile(r"[0-9A-Za-z._~-]+").fullmatch,
    "fcm_token": re.compile(r"[0-9A-Za-z:._~-]+").fullmatch,
    "fcm_fid": re.compile(r"[0-9A-Za-z_-]+").fullmatch,
}


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """As stored. `identifier` is the phone's own; answers are issued (`iss`) by it."""

    device_id: str
    user_id: str
    identifier: str
    name: str
    public_key: dict[str, str]
    token_digest: str
    service: str
    enrolled_at_ms: int
    capabilities: list[str] = []  # what its app can do beside Guardian's wire (T44)


class Enrollment(msgspec.Struct, frozen=True):
    """The body of an enrol call, validated."""

    identifier: str
    name: str
    service: str
    address: Address
    key: DeviceKey
    capabilities: list[str]


class Change(msgspec.Struct, frozen=True):
    """The body of a device account's PATCH, validated; None is left as it is."""

    identifier: str | None
    name: str | None
    service: str | None
    address: Address | None


def enrollment(body: dict[str, object], now_ms: int, *, check_url: CheckUrl) -> Enrollment:
    """`check_url` judges the URL of a subscription. Raises DeviceError invalid_body."""
    try:
        key = device_key(body.get("public_key"))
    except UnusableKey as error:
        raise invalid_body(str(error)) from None
    service, address = _push_credentials(
        body.get("push_credentials"), now_ms, thumbprint=key.thumbprint, check_url=check_url
    )
    return Enrollment(
        _text(body, "identifier"),
        _text(body, "name"),
        service,
        address,
        key,
        _capabilities(body.get("capabilities", [])),
    )


def change(body: dict[str, object], now_ms: int, *, thumbprint: str, check_url: CheckUrl) -> Change:
    """`thumbprint` is of the device's key. Raises DeviceError invalid_body."""
    service, address = (
        _push_credentials(
            body["push_credentials"], now_ms, thumbprint=thumbprint, check_url=check_url
        )
        if "push_credentials" in body
        else (None, None)
    )
    return Change(
        _text(body, "identifier") if "identifier" in body else None,
        _text(body, "name") if "name" in body else None,
        service,
        address,
    )


def credentials_shown(service: str, address: Address) -> dict[str, object]:
    """`push_credentials` as the device sent them."""
    match address.kind:
        case "webpush":
            to = subscription_of(address.value)
            its_keys = {"p256dh": to.p256dh, "auth": to.auth}
            return {"service": service, "endpoint": to.endpoint, "keys": its_keys}
        case "pull":
            return {"service": service}
    return {"service": service, "token": address.value}


def address_name(address: Address) -> tuple[bytes, bytes]:
    """An address as stored, and its kind and value alone, which end the stored form."""
    name = msgspec.json.encode([address.kind, address.value])
    stored = b"%d %s" % (address.registered_at_ms, name)
    return stored, name


def address_of(stored: bytes) -> Address:
    """The address in its stored form."""
    registered_at_ms, _, name = stored.partition(b" ")
    kind, value = msgspec.json.decode(name, type=tuple[AddressKind, str])
    return Address(kind, value, int(registered_at_ms))


def invalid_body(message: str) -> DeviceError:
    return DeviceError(400, "invalid_body", message)


def _push_credentials(
    value: Any,  # noqa: ANN401
    now_ms: int,
    *,
    thumbprint: str,
    check_url: CheckUrl,
) -> tuple[str, Address]:
    if not isinstance(value, dict):
        raise invalid_body("push_credentials is missing or not an object")
    match value.get("service"):
        case "WEBPUSH":
            try:
                to = subscription(value, check_url)
            except UnusableSubscription as error:
                raise invalid_body(f"push_credentials.{error}") from None
            return "WEBPUSH", Address("webpush", address_value(to), now_ms)
        case "NONE":
            return "NONE", Address("pull", thumbprint, now_ms)
        case str() as service if service in _SERVICES:
            return service, Address(_SERVICES[service], _push_token(service, value), now_ms)
    raise invalid_body("push_credentials.service must be APNS, GCM, FID, WEBPUSH or NONE")


def _push_token(service: str, credentials: dict[str, object]) -> str:
    token = credentials.get("token")
    if not isinstance(token, str) or not 1 <= len(token) <= _PUSH_TOKEN_MAX:
        raise invalid_body("push_credentials.token is missing or too long")
    if not _PUSH_TOKEN[_SERVICES[service]](token):
        raise invalid_body("push_credentials.token has a character that is not allowed")
    return token


def _capabilities(value: object) -> list[str]:
    """Those that are known; a later app may have others."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise invalid_body("capabilities is not a list of texts")
    return [known for known in CAPABILITIES if known in value]


def _text(body: dict[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= _TEXT_MAX:
        raise invalid_body(f"{name} is missing or not a text of at most 255 characters")
    if not value.isprintable():
        raise invalid_body(f"{name} has a character that cannot be shown")
    return value
