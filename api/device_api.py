"""/appliance-mfa/api: what the Guardian SDKs call to enrol, to change, to leave and to answer."""

import msgspec

from api.device_authentication import (
    device_of,
    json_body,
    known_device,
    new_device_token,
    no_ticket,
    ticket_of,
    transaction_of,
)
from api.edge import Call, Reply, json_reply
from api.services import Services
from consent import device, device_proof, transaction
from consent.errors import DeviceError
from consent.identifiers import digest, new_device_id, new_secret
from consent.lifecycle import Event

_UNKNOWN_TRANSACTION = "login_transaction_not_found"


class DeviceApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def enroll(self, call: Call) -> Reply:
        """POST enroll: a ticket is used up, a device is known (auth0-wire 2.3)."""
        services, settings = self._services, self._services.settings
        ticket = ticket_of(call)
        now_ms = int(services.clock() * 1_000)
        wanted = device.enrollment(json_body(call), now_ms)
        person_id = await services.people.person_of_ticket(ticket)
        user = await services.people.read(person_id) if person_id else None
        if person_id is None or user is None:
            raise no_ticket()
        user_id: str = msgspec.json.decode(user)["user_id"]
        device_id = new_device_id(person_id)
        token = new_device_token(device_id, new_secret())
        address, address_name = device.address_name(wanted.address)
        record = device.Device(
            device_id=device_id,
            user_id=user_id,
            identifier=wanted.identifier,
            name=wanted.name,
            public_key=wanted.key.jwk,
            token_digest=digest(token),
            service=wanted.service,
            enrolled_at_ms=now_ms,
        )
        outcome, _ = await services.people.enroll(
            ticket=ticket,
            person_id=person_id,
            device_id=device_id,
            thumbprint=wanted.key.thumbprint,
            record=msgspec.json.encode(record),
            address=address,
            address_name=address_name,
        )
        match outcome:
            case "unknown_ticket":
                raise no_ticket()
            case "used_ticket":
                raise DeviceError(409, "enrollment_conflict", "The ticket has been used")
            case "too_many_devices":
                raise DeviceError(409, "enrollment_conflict", "The user has too many devices")
        await services.people.own_address(device_id, address_name)
        call.facts["device"] = device_id
        return json_reply(
            {
                "id": device_id,
                "url": settings.url("appliance-mfa"),
                "issuer": await services.friendly_name(),
                "user_id": user_id,
                "token": token,
            },
            201,
        )

    async def change(self, call: Call) -> Reply:
        """PATCH device-accounts/{id}: a new name, identifier or push address (2.6)."""
        services = self._services
        known = await device_of(services, call)
        _check_own(call, known.device.device_id)
        changed = device.change(json_body(call), int(services.clock() * 1_000))
        record = msgspec.structs.replace(
            known.device,
            identifier=changed.identifier or known.device.identifier,
            name=changed.name or known.device.name,
            service=changed.service or known.device.service,
        )
        address, name = device.address_name(changed.address) if changed.address else (b"", b"")
        if not await services.people.change_device(
            person_id=known.person_id,
            device_id=record.device_id,
            thumbprint=known.key.thumbprint,
            read=known.record,
            record=msgspec.json.encode(record),
            address=address,
            address_name=name,
        ):
            raise DeviceError(409, "enrollment_conflict", "The device was changed meanwhile")
        if changed.address:
            await services.people.own_address(record.device_id, name)
        body: dict[str, object] = {
            "id": record.device_id,
            "identifier": record.identifier,
            "name": record.name,
        }
        if changed.address:
            body["push_credentials"] = {"service": record.service, "token": changed.address.value}
        return json_reply(body)

    async def leave(self, call: Call) -> Reply:
        """DELETE device-accounts/{id}."""
        known = await device_of(self._services, call)
        _check_own(call, known.device.device_id)
        await self._services.people.remove_device(known.person_id, known.device.device_id)
        return Reply(204, headers=())

    async def resolve(self, call: Call) -> Reply:
        """POST resolve-transaction: the person's signed answer (auth0-wire 2.5)."""
        services = self._services
        _, asked = transaction_of(services, call, "Bearer")
        body = json_body(call)
        known = await known_device(services, asked.device_id)
        if known is None:
            raise DeviceError(404, "device_account_not_found", "The device is not enrolled")
        decision = device_proof.decision(
            body.get("challenge_response"),
            key=known.key,
            identifier=known.device.identifier,
            challenge=services.seal.challenge(asked.consent_id, asked.device_id),
            audience=services.settings.url("appliance-mfa/api/resolve-transaction"),
            now=services.clock(),
        )
        # Who asked may have left since: there is nobody to answer (T39).
        client_id = await services.consent_records.client_of(asked.consent_id)
        if not client_id or await services.client(client_id) is None:
            raise DeviceError(404, _UNKNOWN_TRANSACTION, "There is no such transaction")
        fact = {"event": "answered", "device_id": asked.device_id, "accepted": decision.accepted}
        if decision.reason:
            fact["reason"] = decision.reason
        outcome = await services.consents.answer(
            consent_id=asked.consent_id,
            person_id=asked.person_id,
            device_id=asked.device_id,
            thumbprint=known.key.thumbprint,
            event=Event.APPROVE if decision.accepted else Event.DENY,
            fact=msgspec.json.encode(fact),
        )
        call.facts |= {"accepted": decision.accepted, "answer": outcome}
        if outcome == "call":
            services.doorbell.call_client(asked.consent_id)
        _check_answered(outcome)
        return Reply(204, headers=())


def _check_own(call: Call, device_id: str) -> None:
    if call.path["device_id"] != device_id:
        raise DeviceError(404, "device_account_not_found", "The device is not enrolled")


def _check_answered(outcome: str) -> None:
    """The one answer that counts, or the same again, is a success; all else says why not."""
    match outcome:
        case "answered" | "call" | "repeated":
            return
        case "expired":
            raise transaction.expired()
        case "conflict":
            raise DeviceError(
                409, "transaction_already_resolved", "The transaction was resolved differently"
            )
        case "blocked":
            raise DeviceError(403, "user_blocked", "The user is blocked")
        case "unknown_device":
            raise DeviceError(404, "device_account_not_found", "The device is not enrolled")
        case "unknown":
            raise DeviceError(404, _UNKNOWN_TRANSACTION, "There is no such transaction")
    raise AssertionError(f"answer.lua replied {outcome}")
