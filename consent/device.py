"""Devices: what a phone sends to enrol and to change, and what is kept of it (auth0-wire 2.3)."""

import re
from typing import Any

import msgspec

from consent.device_key import DeviceKey, UnusableKey, device_key
from consent.errors import DeviceError
from consent.push import Address, AddressKind

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


class Enrollment(msgspec.Struct, frozen=True):
    """The body of an enrol call, validated."""

    identifier: str
    name: str
    service: str
    address: Address
    key: DeviceKey


class Change(msgspec.Struct, frozen=True):
    """The body of a device account's PATCH, validated; None is left as it is."""

    identifier: str | None
    name: str | None
    service: str | None
    address: Address | None


def enrollment(body: dict[str, object], now_ms: int) -> Enrollment:
    """Raises DeviceError invalid_body."""
    service, address = _push_credentials(body.get("push_credentials"), now_ms)
    try:
        key = device_key(body.get("public_key"))
    except UnusableKey as error:
        raise invalid_body(str(error)) from None
    return Enrollment(_text(body, "identifier"), _text(body, "name"), service, address, key)


def change(body: dict[str, object], now_ms: int) -> Change:
    """Raises DeviceError invalid_body."""
    service, address = (
        _push_credentials(body["push_credentials"], now_ms)
        if "push_credentials" in body
        else (None, None)
    )
    return Change(
        _text(body, "identifier") if "identifier" in body else None,
        _text(body, "name") if "name" in body else None,
        service,
        address,
    )


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


def _push_credentials(value: Any, now_ms: int) -> tuple[str, Address]:  # noqa: ANN401
    if not isinstance(value, dict):
        raise invalid_body("push_credentials is missing or not an object")
    service, token = value.get("service"), value.get("token")
    if not isinstance(service, str) or service not in _SERVICES:
        raise invalid_body("push_credentials.service must be APNS, GCM or FID")
    kind = _SERVICES[service]
    if not isinstance(token, str) or not 1 <= len(token) <= _PUSH_TOKEN_MAX:
        raise invalid_body("push_credentials.token is missing or too long")
    if not _PUSH_TOKEN[kind](token):
        raise invalid_body("push_credentials.token has a character that is not allowed")
    return service, Address(kind, token, now_ms)


def _text(body: dict[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= _TEXT_MAX:
        raise invalid_body(f"{name} is missing or not a text of at most 255 characters")
    if not value.isprintable():
        raise invalid_body(f"{name} has a character that cannot be shown")
    return value
