"""/api/v2/consents: what became of one request (ours; Auth0 has no such route)."""

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller
from api.services import Services
from consent.identifiers import is_consent_id
from consent.management import consents


class ConsentRecords:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def read(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        consent_id = call.path["consent_id"]
        stored = (
            await self._services.consents.read(consent_id) if is_consent_id(consent_id) else None
        )
        if stored is None:
            raise consents.inexistent_consent()
        now_ms = int(self._services.clock() * 1_000)
        return json_reply(consents.consent_shown(consent_id, *stored, now_ms))
