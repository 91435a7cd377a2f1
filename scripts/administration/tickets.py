"""Enrolment tickets: how a person's browser or phone is added."""

import io
import sys

import segno
import typer

from consent.management.enrollments import authenticator_uri
from consent.settings import Settings
from scripts.administration.operator import Operator, asked
from scripts.administration.output import Json, Record, as_json, details
from scripts.administration.users import User, named

app = typer.Typer(
    help="Tickets that people add their authenticators with: a browser, or an app on a phone.",
    no_args_is_help=True,
)

# A browser gives keys and workers to pages of https alone, and to those of its own machine.
ONLY_THIS_MACHINE = (
    "NOD_ISSUER is not https: browsers of this machine can enrol, phones and others cannot."
)
# The blocks of the code are its light parts; a terminal's own colours may be the other way round.
_WHITE_ON_BLACK, _AS_BEFORE = "\x1b[97;40m", "\x1b[0m"


@app.command()
def create(user: User, *, json: Json = False) -> None:
    """
    A ticket for one user: a link, and its QR code, that make a browser their authenticator.

    \b
      scripts/admin tickets create ann@example.com

    Whoever has the ticket adds an authenticator that answers for this person: give it to nobody
    else. It is good for one, until the time that is said here; another can be made at any time.
    """
    ticket, settings = asked(lambda operator: _created(operator, user))
    if json:
        print(as_json(ticket))
        return
    link = authenticator_uri(ticket["ticket_id"], settings)
    print(qr_code(link, colours=sys.stdout.isatty()))
    print(details({"link": link, "for an app": ticket["enrollment_uri"]}))
    print(f"\n{_what_to_do(settings)}")


def _what_to_do(settings: Settings) -> str:
    minutes = f"{settings.enrollment_ticket_lifetime_seconds / 60:g}"
    text = (
        f"Within {minutes} minutes open this link in the browser that is to become the "
        "authenticator, or scan the code with a phone's camera."
    )
    if settings.issuer.startswith("https:"):
        return text
    return f"{text}\n{ONLY_THIS_MACHINE}"


def qr_code(text: str, *, colours: bool) -> str:
    """In half blocks: two modules high is one line."""
    out = io.StringIO()
    segno.make(text, micro=False).terminal(out, border=2, compact=True)
    lines = out.getvalue().splitlines()
    return "\n".join(f"{_WHITE_ON_BLACK}{it}{_AS_BEFORE}" if colours else it for it in lines)


async def _created(operator: Operator, user: str) -> tuple[Record, Settings]:
    body = {"user_id": (await named(operator, user))["user_id"]}
    ticket = await operator.call("POST", "/guardian/enrollments/ticket", body)
    return ticket, operator.services.settings
