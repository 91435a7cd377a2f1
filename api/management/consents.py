"""/api/v2/consents: what became of requests (ours; Auth0 has no such route)."""

import asyncio

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller
from api.services import Services
from consent.identifiers import is_consent_id, person_id_of
from consent.lifecycle import State
from consent.management import consents
from consent.management.listing import (
    PAGE_ITEMS_DEFAULT,
    PAGE_ITEMS_MAX,
    Shown,
    checkpoint_shown,
    invalid_query,
    number,
    query,
)

_READ_AT_ONCE = 100
_READ_MAX = 1_000  # of one call that filters; where it stopped, the next goes on
_FILTERS = ("client_id", "user_id", "state")
_STATES = {*State, "expired"}


class ConsentRecords:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def read(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        shown = await self._shown(call.path["consent_id"])
        if shown is None:
            raise consents.inexistent_consent()
        return json_reply(shown)

    async def read_all(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        """The newest first; an answer may hold fewer than `take` and still name a `next`."""
        parameters = query(call.scope["query_string"])
        take = number(parameters, "take", PAGE_ITEMS_DEFAULT, 1, PAGE_ITEMS_MAX)
        last = consents.place(parameters.get("from", ""))
        wanted = {name: parameters[name] for name in _FILTERS if name in parameters}
        if wanted.get("state", State.PENDING) not in _STATES:
            raise invalid_query("state must be a state of a consent")
        person_id = ""
        if "user_id" in wanted:
            person_id = person_id_of(wanted["user_id"], self._services.settings.partitions)
        items: list[Shown] = []
        for _ in range(_READ_MAX // _READ_AT_ONCE):
            places = await self._services.consent_records.newest(
                _READ_AT_ONCE, before=last, person_id=person_id
            )
            records = await asyncio.gather(*[self._shown(place.consent_id) for place in places])
            for place, shown in zip(places, records, strict=True):
                if len(items) == take:
                    return self._part(items, last)
                last = place
                if shown and all(shown[name] == text for name, text in wanted.items()):
                    items.append(shown)
            if len(places) < _READ_AT_ONCE:
                return self._part(items, None)
        return self._part(items, last)

    async def cancel(self, call: Call, caller: Caller) -> Reply:
        """End what nobody has answered: the client hears of it as it hears of a denial."""
        consent_id = call.path["consent_id"]
        if not is_consent_id(consent_id):
            raise consents.inexistent_consent()
        event = caller.act.event(consent_id=consent_id)
        match await self._services.consent_records.cancel(consent_id, event=event):
            case "unknown":
                raise consents.inexistent_consent()
            case "over":
                raise consents.consent_over()
            case "call":
                self._services.doorbell.call_client(consent_id)
        return await self.read(call, caller)

    def _part(self, items: list[Shown], last: consents.Place | None) -> Reply:
        return json_reply(
            checkpoint_shown("consents", items, consents.place_shown(last) if last else None)
        )

    async def _shown(self, consent_id: str) -> Shown | None:
        stored = (
            await self._services.consent_records.read(consent_id)
            if is_consent_id(consent_id)
            else None
        )
        if stored is None:
            return None
        return consents.consent_shown(consent_id, *stored, int(self._services.clock() * 1_000))
