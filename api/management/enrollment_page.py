"""Where a ticket's URL leads: the QR code for a phone, and the link for one that reads the page."""

import asyncio
import html

import msgspec
import segno

from api.edge import Call, Reply
from api.services import Services
from consent.identifiers import is_ticket
from consent.management import users
from consent.management.enrollments import enrollment_uri
from consent.management.listing import query

# The address holds the ticket: it goes nowhere else, and nothing else comes in.
_PAGE = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class EnrollmentPage:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, call: Call) -> Reply:
        """GET /mfa/enrollment?ticket=..."""
        ticket = query(call.scope["query_string"]).get("ticket", "")
        people = self._services.people
        person_id = await people.person_of_ticket(ticket) if is_ticket(ticket) else None
        stored = await people.read(person_id) if person_id else None
        if stored is None:
            text = "<p>This link is not valid (any more). Ask for a new one.</p>"
            return Reply(404, _page(text), _PAGE, outcome="unknown_ticket")
        label = users.label(msgspec.json.decode(stored, type=users.User))
        name = await self._services.friendly_name()
        uri = enrollment_uri(ticket, label, name, self._services.settings)
        code = await asyncio.to_thread(_code, uri)  # milliseconds of computing
        return Reply(
            200,
            _page(
                f"<p>Scan this code with the app on your phone:</p><p>{code}</p>"
                f'<p>On the phone itself: <a href="{html.escape(uri)}">add it to the app</a>.</p>'
            ),
            _PAGE,
        )


def _code(uri: str) -> str:
    svg: str = segno.make(uri, micro=False).svg_inline(scale=6)
    return svg


def _page(text: str) -> bytes:
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Enrol a phone</title>'
    viewport = '<meta name="viewport" content="width=device-width">'
    return f"{head}{viewport}<h1>Enrol a phone</h1>{text}</html>".encode()
