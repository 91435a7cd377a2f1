"""Enrolment tickets: how a person's phone is added."""

import io
import sys

import segno
import typer

from scripts.administration.operator import Operator, asked
from scripts.administration.output import Json, Record, as_json, details
from scripts.administration.users import User, named

app = typer.Typer(
    help="Tickets that people add their phones with.",
    no_args_is_help=True,
)

# The blocks of the code are its light parts; a terminal's own colours may be the other way round.
_WHITE_ON_BLACK, _AS_BEFORE = "\x1b[97;40m", "\x1b[0m"


@app.command()
def create(user: User, *, json: Json = False) -> None:
    """
    A ticket for one user: a QR code to scan with the app, and a link to a page that shows it.

    \b
      scripts/admin tickets create ann@example.com

    Whoever has the ticket adds a phone that answers for this person: give it to nobody else. It
    is good for one phone, until the time that is said here; another one can be made at any time.
    """
    ticket, minutes = asked(lambda operator: _created(operator, user))
    if json:
        print(as_json(ticket))
        return
    print(qr_code(ticket["enrollment_uri"], colours=sys.stdout.isatty()))
    print(details({"link": ticket["ticket_url"], "on the phone": ticket["enrollment_uri"]}))
    print(f"\nScan the code, or open the link, within {minutes:g} minutes.")


def qr_code(text: str, *, colours: bool) -> str:
    """In half blocks: two modules high is one line."""
    out = io.StringIO()
    segno.make(text, micro=False).terminal(out, border=2, compact=True)
    lines = out.getvalue().splitlines()
    return "\n".join(f"{_WHITE_ON_BLACK}{it}{_AS_BEFORE}" if colours else it for it in lines)


async def _created(operator: Operator, user: str) -> tuple[Record, float]:
    body = {"user_id": (await named(operator, user))["user_id"]}
    ticket = await operator.call("POST", "/guardian/enrollments/ticket", body)
    return ticket, operator.services.settings.enrollment_ticket_lifetime_seconds / 60
