"""Which phone is asking: the bearer tokens and proofs of the device API (auth0-wire 2.3-2.7)."""

import re
from typing import NamedTuple

import msgspec

from api.edge import Call
from api.services import Services
from consent import device_proof
from consent.device import Device
from consent.device_key import DeviceKey, device_key
from consent.errors import DeviceError, InvalidRequest
from consent.identifiers import (
    digest,
    is_ticket,
    person_of_device,
    person_of_mailbox_device,
)
from consent.transaction import Transaction, transaction

_TICKET = re.compile(r'Ticket id="([A-Za-z0-9_-]{1,64})"').fullmatch
_TOKEN_PREFIX = "dt_"  # noqa: S105 - what a device's own bearer token begins with


class KnownDevice(NamedTuple):
    """An enrolled device as read, with what it takes to change it if it is still the same."""

    person_id: str
    device: Device
    key: DeviceKey
    record: bytes


def ticket_of(call: Call) -> str:
    """The enrolment ticket of a request. Raises DeviceError."""
    match = _TICKET(call.header(b"authorization") or "")
    if match is None:
        raise DeviceError(401, "invalid_token", "An enrollment ticket is needed")
    if not is_ticket(match[1]):
        raise no_ticket()
    return match[1]


def no_ticket() -> DeviceError:
    return DeviceError(
        404, "enrollment_transaction_not_found", "The enrollment ticket is unknown or has expired"
    )


def bearer_of(call: Call, scheme: str = "Bearer") -> str:
    """The token after a scheme. Raises DeviceError."""
    found, _, token = (call.header(b"authorization") or "").partition(" ")
    if found.lower() != scheme.lower() or not token:
        raise DeviceError(401, "invalid_bearer_format", f"A {scheme} token is needed")
    return token


async def transaction_of(services: Services, call: Call, scheme: str) -> tuple[str, Transaction]:
    """The verified transaction token of a request, as text and what it says. Raises DeviceError."""
    token = bearer_of(call, scheme)
    opened = transaction(
        token, seal=services.seal, issuer=services.settings.issuer, now=services.clock()
    )
    call.facts["consent"] = opened.consent_id
    if person_of_mailbox_device(opened.device_id) is not None:
        await check_mailbox_allowed(services)
    return token, opened


async def check_mailbox_allowed(services: Services) -> None:
    """Asked at every step, for a tenant may change its mind. Raises DeviceError."""
    if not (await services.tenant()).mailbox_approval:
        raise DeviceError(403, "mailbox_not_allowed", "A mailbox cannot answer here")


def proof_of(services: Services, call: Call, access_token: str, path: str) -> device_proof.Proof:
    """The verified proof beside a token: GET, this URL, this token, now. Raises DeviceError."""
    return device_proof.proof(
        call.header(b"mfa-dpop"),
        http_method="GET",
        http_uri=services.settings.url(path),
        access_token=access_token,
        now=services.clock(),
    )


def new_device_token(device_id: str, secret: str) -> str:
    """A device's own bearer token names the device, so that its digest is found."""
    return f"{_TOKEN_PREFIX}{device_id}.{secret}"


def device_id_of_token(token: str) -> str | None:
    """The device an own bearer token claims to be of, None when it is no such token."""
    device_id = token.removeprefix(_TOKEN_PREFIX).partition(".")[0]
    return device_id if token.startswith(_TOKEN_PREFIX) and person_of_device(device_id) else None


async def device_of(services: Services, call: Call) -> KnownDevice:
    """
    The device a bearer token is of: the token it was given at enrolment, or one it signed.

    Raises DeviceError invalid_token.
    """
    token = bearer_of(call)
    device_id = device_id_of_token(token) or device_proof.unverified_issuer(token) or ""
    known = await known_device(services, device_id)
    if known is None:
        raise _invalid_token("the token names no enrolled device")
    if token.startswith(_TOKEN_PREFIX):
        if digest(token) != known.device.token_digest:
            raise _invalid_token("not the token of this device")
        return known
    audience = services.settings.url("appliance-mfa/api/device-accounts")
    device_proof.check_device_token(
        token,
        key=known.key,
        device_id=device_id,
        user_id=known.device.user_id,
        audiences=(audience, f"{audience}/{device_id}"),
        now=services.clock(),
    )
    return known


async def known_device(services: Services, device_id: str) -> KnownDevice | None:
    person_id = person_of_device(device_id)
    if person_id is None:
        return None
    stored = await services.people.device(person_id, device_id)
    return _as_known(person_id, stored[1]) if stored else None


async def answering_device(services: Services, asked: Transaction) -> KnownDevice | None:
    """What a transaction token is for: an enrolled device, or what was opened from a mail."""
    if person_of_mailbox_device(asked.device_id) is None:
        return await known_device(services, asked.device_id)
    record = await services.mailboxes.device(asked.consent_id, asked.device_id)
    return _as_known(asked.person_id, record) if record else None


def _as_known(person_id: str, record: bytes) -> KnownDevice:
    device = msgspec.json.decode(record, type=Device)
    return KnownDevice(person_id, device, device_key(device.public_key), record)


def json_body(call: Call) -> dict[str, object]:
    """The members of a device call's body. Raises DeviceError invalid_body."""
    try:
        return call.json_object()
    except InvalidRequest as error:
        raise DeviceError(400, "invalid_body", error.description) from None


def _invalid_token(detail: str) -> DeviceError:
    return DeviceError(401, "invalid_token", "Invalid or expired token", detail=detail)
