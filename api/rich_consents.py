"""The Consent API: what a person is asked, for a phone that proves its key (auth0-wire 2.7)."""

import functools

import msgspec

from api import event_stream
from api.device_authentication import (
    KnownDevice,
    bearer_of,
    device_id_of_token,
    known_device,
    proof_of,
    transaction_of,
)
from api.edge import Call, Reply, json_reply
from api.services import Services
from consent import device_proof, prompt, transaction
from consent.authentication_request import AuthenticationRequest
from consent.errors import DeviceError
from consent.event_stream import Look, PendingConsent, told_before
from consent.identifiers import digest

_SCHEME = "MFA-DPoP"


class RichConsents:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def fetch(self, call: Call) -> Reply:
        """GET rich-consents/{txlinkid}."""
        services = self._services
        token, asked = await transaction_of(services, call, _SCHEME)
        consent_id = call.path["consent_id"]
        proof = proof_of(services, call, token, f"rich-consents/{consent_id}")
        if consent_id != asked.consent_id:
            raise _unknown()
        question = await services.consents.fetch(
            consent_id=consent_id,
            person_id=asked.person_id,
            device_id=asked.device_id,
            thumbprint=proof.thumbprint,
            proof=proof.digest,
        )
        match question.outcome:
            case "question":
                request = msgspec.json.decode(question.request, type=AuthenticationRequest)
                if await services.client(request.client_id) is None:
                    raise _unknown()  # T39: who asked has left
                return json_reply(
                    prompt.rich_consent(
                        consent_id, request, question.created_at_ms, question.expires_at_ms
                    )
                )
            case "unknown" | "over":
                raise _unknown()
            case "expired":
                raise transaction.expired()
        raise _not_proven(question.outcome)

    async def pending(self, call: Call) -> Reply:
        """GET rich-consents: what a push would have carried, for a phone that missed it."""
        known, proof = await self._proven(call, "rich-consents")
        look = await self._services.pending.look(
            person_id=known.person_id,
            device_id=known.device.device_id,
            thumbprint=proof.thumbprint,
            proof=proof.digest,
        )
        if isinstance(look, str):
            raise _not_proven(look)
        reply = json_reply([self._item(known, consent) for consent in look.pending])
        tag = f'"{digest(reply.body.decode())}"'
        headers = (*reply.headers, (b"etag", tag.encode()))
        if _matches(call.list_header(b"if-none-match"), tag):
            return Reply(304, b"", headers[1:])
        return reply._replace(headers=headers)

    async def events(self, call: Call) -> Reply:
        """GET rich-consents/events: the same as it changes, after the event that came last."""
        services = self._services
        known, proof = await self._proven(call, "rich-consents/events")
        told = told_before(call.header(b"last-event-id") or "", known.person_id)
        look = functools.partial(
            services.pending.look,
            person_id=known.person_id,
            device_id=known.device.device_id,
            thumbprint=proof.thumbprint,
        )
        stream = services.event_streams.open(known.person_id, known.device.device_id)
        try:
            first = _permitted(await look(proof=proof.digest, told=told))
        except BaseException:
            stream.close()
            raise
        services.event_streams.admit(stream)
        stream.follow(first, lambda told: look(told=told), functools.partial(self._item, known))
        return Reply(200, headers=event_stream.HEADERS, stream=stream)

    async def _proven(self, call: Call, path: str) -> tuple[KnownDevice, device_proof.Proof]:
        """The device whose own token this is, and its proof for this path. Raises DeviceError."""
        token = bearer_of(call, _SCHEME)
        known = await known_device(self._services, device_id_of_token(token) or "")
        if known is None or digest(token) != known.device.token_digest:
            raise DeviceError(401, "invalid_token", "Invalid or expired token")
        return known, proof_of(self._services, call, token, path)

    def _item(self, known: KnownDevice, consent: PendingConsent) -> dict[str, object]:
        """What a push would have carried, and until when."""
        notification = transaction.notification(
            seal=self._services.seal,
            issuer=self._services.settings.issuer,
            consent_id=consent.consent_id,
            device_id=known.device.device_id,
            created_at_ms=consent.created_at_ms,
            expires_at_ms=consent.expires_at_ms,
        )
        expires_at = transaction.iso_date(consent.expires_at_ms)
        listed: dict[str, object] = msgspec.to_builtins(notification)
        return listed | {"expires_at": expires_at}


def _permitted(look: Look | str) -> Look:
    if isinstance(look, str):
        raise _not_proven(look)
    if not look.stands:
        raise DeviceError(403, "user_blocked", "The user is blocked")
    return look


def _matches(if_none_match: str, tag: str) -> bool:
    """RFC 9110 13.1.2: compared weakly, for a 304 promises no more."""
    known = {it.strip().removeprefix("W/") for it in if_none_match.split(",")}
    return tag in known or "*" in known


def _unknown() -> DeviceError:
    return DeviceError(404, "login_transaction_not_found", "There is no such transaction")


def _not_proven(outcome: str) -> DeviceError:
    return device_proof.invalid_proof(
        {"unknown_device": "not the key of the device", "replayed": "the proof was used"}[outcome]
    )
