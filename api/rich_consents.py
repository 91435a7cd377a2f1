"""The Consent API: what a person is asked, for a phone that proves its key (auth0-wire 2.7)."""

import msgspec

from api.device_authentication import (
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
from consent.identifiers import digest

_SCHEME = "MFA-DPoP"


class RichConsents:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def fetch(self, call: Call) -> Reply:
        """GET rich-consents/{txlinkid}."""
        services = self._services
        token, asked = transaction_of(services, call, _SCHEME)
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
        services, settings = self._services, self._services.settings
        token = bearer_of(call, _SCHEME)
        known = await known_device(services, device_id_of_token(token) or "")
        if known is None or digest(token) != known.device.token_digest:
            raise DeviceError(401, "invalid_token", "Invalid or expired token")
        proof = proof_of(services, call, token, "rich-consents")
        device_id = known.device.device_id
        pending = await services.consents.pending(
            person_id=known.person_id,
            device_id=device_id,
            thumbprint=proof.thumbprint,
            proof=proof.digest,
        )
        if isinstance(pending, str):
            raise _not_proven(pending)
        listed = []
        for consent in pending:
            notification = transaction.notification(
                seal=services.seal,
                issuer=settings.issuer,
                consent_id=consent.consent_id,
                device_id=device_id,
                created_at_ms=consent.created_at_ms,
                expires_at_ms=consent.expires_at_ms,
            )
            expires_at = transaction.iso_date(consent.expires_at_ms)
            listed.append(msgspec.to_builtins(notification) | {"expires_at": expires_at})
        return json_reply(listed)


def _unknown() -> DeviceError:
    return DeviceError(404, "login_transaction_not_found", "There is no such transaction")


def _not_proven(outcome: str) -> DeviceError:
    return device_proof.invalid_proof(
        {"unknown_device": "not the key of the device", "replayed": "the proof was used"}[outcome]
    )
