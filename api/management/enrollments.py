"""Enrolments of people's devices: /api/v2/guardian/enrollments and below /api/v2/users."""

import msgspec

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller, body_of
from api.services import Services
from consent.device import Device
from consent.identifiers import new_ticket, person_id_of, person_of_device
from consent.management import enrollments, users


class Enrollments:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def create_ticket(self, call: Call, caller: Caller) -> Reply:
        """A ticket a phone of this user, and of nobody else, can enrol with once (T34)."""
        services, settings = self._services, self._services.settings
        wanted = enrollments.new_ticket_wanted(body_of(call))
        person_id = person_id_of(wanted.user_id, settings.partitions)
        stored = await services.people.read(person_id)
        if stored is None:
            raise users.inexistent_user()
        ticket = new_ticket(person_id)
        life_ms = settings.enrollment_ticket_lifetime_seconds * 1_000
        event = caller.act.event(user_id=wanted.user_id)
        if not await services.people.create_ticket(ticket, person_id, life_ms, event=event):
            raise users.inexistent_user()
        label = users.label(msgspec.json.decode(stored, type=users.User))
        name = await services.friendly_name()
        return json_reply(enrollments.ticket_shown(ticket, label, name, settings))

    async def of_user(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        person_id = self._person(call)
        if await self._services.people.read(person_id) is None:
            raise users.inexistent_user()
        devices = await self._services.people.devices(person_id)
        shown = [_shown(record, address) for record, address in devices.values()]
        return json_reply(sorted(shown, key=lambda enrollment: str(enrollment["enrolled_at"])))

    async def delete_of_user(self, call: Call, caller: Caller) -> Reply:
        """Every device of a user; asked again it removes what was left, or came since."""
        person_id = self._person(call)
        for device_id in await self._services.people.devices(person_id):
            event = caller.act.event(user_id=call.path["user_id"], enrollment_id=device_id)
            await self._services.people.remove_device(person_id, device_id, event=event)
        return Reply(204, headers=())

    async def read(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        device_id = call.path["id"]
        person_id = person_of_device(device_id)
        devices = await self._services.people.devices(person_id) if person_id else {}
        if device_id not in devices:
            raise enrollments.enrollment_not_found()
        return json_reply(_shown(*devices[device_id]))

    async def delete(self, call: Call, caller: Caller) -> Reply:
        device_id = call.path["id"]
        person_id = person_of_device(device_id)
        event = caller.act.event(enrollment_id=device_id)
        if person_id is None or not await self._services.people.remove_device(
            person_id, device_id, event=event
        ):
            raise enrollments.enrollment_not_found()
        return Reply(204, headers=())

    def _person(self, call: Call) -> str:
        return person_id_of(call.path["user_id"], self._services.settings.partitions)


def _shown(record: bytes, address: bytes | None) -> dict[str, object]:
    device = msgspec.json.decode(record, type=Device)
    return enrollments.enrollment_shown(device, push_reachable=address is not None)
