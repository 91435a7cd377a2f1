"""
Where a ticket's URL leads: the code of the link that makes a browser an authenticator, the link
itself, and beneath it what an authenticator app enrols with.

The page works without its script, which does nothing but say when the ticket was used.
"""

import asyncio
from html import escape

import msgspec
import segno

from api.authenticator.security_headers import SECURITY_HEADERS
from api.authenticator.words import Words, words
from api.device_authentication import ticket_of
from api.edge import Call, Reply, json_reply
from api.services import Services
from consent.identifiers import is_ticket
from consent.management import users
from consent.management.enrollments import authenticator_uri, enrollment_uri
from consent.management.listing import query

# The address holds the ticket: it goes nowhere else, and nothing else comes in.
_PAGE = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"vary", b"accept-language"),
    *SECURITY_HEADERS,
)


class EnrollmentPage:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, call: Call) -> Reply:
        """GET /mfa/enrollment?ticket=..."""
        services = self._services
        told = words(call.list_header(b"accept-language"))
        ticket = query(call.scope["query_string"]).get("ticket", "")
        status, user = await self._status(ticket)
        if status == "gone":
            return Reply(404, _page(told, _said(told.gone)), _PAGE, outcome="unknown_ticket")
        if status == "used":
            return Reply(200, _page(told, _said(told.used)), _PAGE, outcome="used_ticket")
        label = users.label(msgspec.json.decode(user, type=users.User))
        name = await services.friendly_name()
        uris = (
            authenticator_uri(ticket, services.settings),
            enrollment_uri(ticket, label, name, services.settings),
        )
        code, app_code = await asyncio.to_thread(_codes, *uris)  # milliseconds each
        link, app_link = map(escape, uris)
        account = told.account.format(
            account=f"<bdi>{escape(label)}</bdi>", name=f"<bdi>{escape(name)}</bdi>"
        )
        is_https = services.settings.issuer.startswith("https:")
        body = f"""
<p class="account">{account}</p>
<div id="ways">
<section class="panel" aria-labelledby="here"><h2 id="here">{told.here}</h2>
<p><a class="primary" data-test="use-this-browser" href="{link}">{told.use_this_browser}</a></p>
</section>
<section class="panel" aria-labelledby="phone"><h2 id="phone">{told.phone}</h2>
<p>{told.scan if is_https else told.needs_https}</p>
<div class="qr" role="img" aria-label="{told.code}" data-test="code">{code}</div>
</section>
<details class="panel"><summary>{told.app}</summary>
<p>{told.scan_with_app}</p>
<div class="qr" role="img" aria-label="{told.app_code}">{app_code}</div>
<p><a href="{app_link}" data-test="app-link">{told.add_to_app}</a></p>
</details>
</div>
<p id="status" role="status" data-used="{told.used}" data-gone="{told.gone}">{told.waiting}</p>
<script type="module" src="/authenticator/enrollment.js"></script>"""
        return Reply(200, _page(told, body), _PAGE)

    async def status(self, call: Call) -> Reply:
        """GET /mfa/enrollment/status, with the ticket as the header of an enrolment has it."""
        status, _ = await self._services.people.ticket_status(ticket_of(call))
        return json_reply({"status": status})

    async def _status(self, ticket: str) -> tuple[str, bytes]:
        if not is_ticket(ticket):
            return "gone", b""
        return await self._services.people.ticket_status(ticket)


def _codes(*texts: str) -> list[str]:
    """Dark on light in every colour scheme: half of the cameras read nothing else."""
    return [
        segno.make(text, micro=False).svg_inline(scale=6, light="#fff", omitsize=True)
        for text in texts
    ]


def _said(text: str) -> str:
    return f'\n<p id="status" role="status">{text}</p>'


def _page(told: Words, body: str) -> bytes:
    return f"""<!doctype html>
<html lang="{told.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{told.title}</title>
<link rel="icon" href="/authenticator/icon.svg">
<link rel="stylesheet" href="/authenticator/style.css">
<link rel="stylesheet" href="/authenticator/enrollment.css">
</head>
<body class="enrollment">
<main>
<h1>{told.title}</h1>{body}
</main>
</body>
</html>
""".encode()
