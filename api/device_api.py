"""/appliance-mfa/api: what the Guardian SDKs call to enrol, to change, to leave and to answer."""

import hmac

import msgspec

from api.device_authentication import (
    KnownDevice,
    answering_device,
    device_of,
    json_body,
    new_device_token,
    no_ticket,
    ticket_of,
    transaction_of,
)
from api.edge import Call, Reply, json_reply
from api.services import Services
from consent import device, device_proof, mailbox, number_matching, prompt, transaction
from consent.authentication_request import AuthenticationRequest
from consent.errors import DeviceError
from consent.identifiers import digest, new_device_id, new_secret, person_of_mailbox_device
from consent.lifecycle import Event
from consent.management import users
from consent.push import Address
from consent.shown import DIGEST, consent_digest
from consent.store.consents import Answer

_UNKNOWN_TRANSACTION = "login_transaction_not_found"


class DeviceApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def enroll(self, call: Call) -> Reply:
        """POST enroll: a ticket is used up, a device is known (auth0-wire 2.3)."""
        services, settings = self._services, self._services.settings
        ticket = ticket_of(call)
        now_ms = int(services.clock() * 1_000)
        wanted = device.enrollment(json_body(call), now_ms, check_url=services.check_url)
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
            capabilities=wanted.capabilities,
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
        await self._own_address(device_id, wanted.address)
        call.facts["device"] = device_id
        return json_reply(
            {
                "id": device_id,
                "url": settings.url("appliance-mfa"),
                "issuer": await services.friendly_name(),
                "user_id": user_id,
                "account": users.label(msgspec.json.decode(user, type=users.User)),
                "token": token,
            },
            201,
        )

    async def change(self, call: Call) -> Reply:
        """PATCH device-accounts/{id}: a new name, identifier or push address (2.6)."""
        services = self._services
        known = await device_of(services, call)
        _check_own(call, known.device.device_id)
        changed = device.change(
            json_body(call),
            int(services.clock() * 1_000),
            thumbprint=known.key.thumbprint,
            check_url=services.check_url,
        )
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
            await self._own_address(record.device_id, changed.address)
        body: dict[str, object] = {
            "id": record.device_id,
            "identifier": record.identifier,
            "name": record.name,
        }
        if changed.address:
            body["push_credentials"] = device.credentials_shown(record.service, changed.address)
        return json_reply(body)

    async def _own_address(self, device_id: str, address: Address) -> None:
        """
        An address has one owner (T37). The key of what pulls is none: others may know it, from a
        receipt say, and whoever enrols with it must not take it from who has it.
        """
        if address.kind != "pull":
            await self._services.people.own_address(device_id, device.address_name(address)[1])

    async def leave(self, call: Call) -> Reply:
        """DELETE device-accounts/{id}."""
        known = await device_of(self._services, call)
        _check_own(call, known.device.device_id)
        await self._services.people.remove_device(known.person_id, known.device.device_id)
        return Reply(204, headers=())

    async def resolve(self, call: Call) -> Reply:
        """POST resolve-transaction: the person's signed answer (auth0-wire 2.5)."""
        services = self._services
        _, asked = await transaction_of(services, call, "Bearer")
        body = json_body(call)
        known = await answering_device(services, asked)
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
        question = await services.consent_records.asked(asked.consent_id)
        # Who asked may have left since: there is nobody to answer (T39).
        if question is None or await services.client(question.client_id) is None:
            raise DeviceError(404, _UNKNOWN_TRANSACTION, "There is no such transaction")
        request = msgspec.json.decode(question.request, type=AuthenticationRequest)
        shown = prompt.shown(
            asked.consent_id, request, question.created_at_ms, question.expires_at_ms
        )
        _check_digest(decision, shown, known.device)
        matched = _number_matched(decision, request)
        answer = _answer(decision, known, str(body["challenge_response"]), matched=matched)
        if person_of_mailbox_device(asked.device_id):
            answer = answer._replace(request=msgspec.json.encode(mailbox.approved(request)))
        outcome = await services.consents.answer(
            consent_id=asked.consent_id,
            person_id=asked.person_id,
            device_id=asked.device_id,
            thumbprint=known.key.thumbprint,
            answer=answer,
        )
        call.facts |= {"accepted": answer.event is Event.APPROVE, "answer": outcome}
        if outcome == "call":
            services.doorbell.call_client(asked.consent_id)
        _check_answered(outcome)
        if not matched:
            raise DeviceError(403, "wrong_number", "The number is wrong; the request was denied")
        return Reply(204, headers=())


def _check_digest(
    decision: device_proof.Decision, shown: dict[str, object], by: device.Device
) -> None:
    """
    T31: what is approved is what was shown. An app that knows digests must sign one (T44). A denial
    counts whatever was shown: who changes it on the way must not keep anybody from saying no.
    """
    if not decision.accepted or not (decision.consent_digest or DIGEST in by.capabilities):
        return
    signed, right = decision.consent_digest.encode(), consent_digest(shown).encode()
    if not hmac.compare_digest(signed, right):
        raise DeviceError(409, "consent_mismatch", "What was signed is not what was asked")


def _number_matched(decision: device_proof.Decision, request: AuthenticationRequest) -> bool:
    """T36: of an approval that needs a number, whether it is the one the client shows."""
    if not decision.accepted or not request.matching_number:
        return True
    if not decision.matching_number:
        raise DeviceError(403, "number_required", "The number the client shows is needed")
    return number_matching.matches(decision.matching_number, request.matching_number)


def _answer(
    decision: device_proof.Decision, known: KnownDevice, signed: str, *, matched: bool
) -> Answer:
    """What the store is told: the one wrong number there may be is a denial (T36)."""
    accepted = decision.accepted and matched
    reason = decision.reason if matched else "wrong_number"
    fact = {"event": "answered", "device_id": known.device.device_id, "accepted": accepted}
    if reason:
        fact["reason"] = reason
    if not accepted:
        return Answer(Event.DENY, msgspec.json.encode(fact), not_me=decision.not_me)
    receipt = {
        "device_id": known.device.device_id,
        "public_key": known.key.jwk,
        "challenge_response": signed,
    }
    return Answer(Event.APPROVE, msgspec.json.encode(fact), msgspec.json.encode(receipt))


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
        case "cooling_off":
            raise DeviceError(
                403, "device_cooling_off", "The device was added too recently to approve"
            )
        case "blocked":
            raise DeviceError(403, "user_blocked", "The user is blocked")
        case "unknown_device":
            raise DeviceError(404, "device_account_not_found", "The device is not enrolled")
        case "unknown":
            raise DeviceError(404, _UNKNOWN_TRANSACTION, "There is no such transaction")
    raise AssertionError(f"answer.lua replied {outcome}")
