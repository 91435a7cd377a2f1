"""
A simulated phone in the terminal: it is rung, shows who asks what, and sends the signed answer.

Declining is what happens when nothing is typed (RFC 10027 6.1.14: at least as easy as approving).
"""

import datetime as dt
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import httpx2
import typer

from consent.settings import Settings, SettingsError, load
from scripts import data_directory, kept_phone
from scripts.guardian_messages import Consent, Notification
from scripts.simulated_phone import CAPABILITIES, NOT_ME, PhoneError, SimulatedPhone

LONG_WAIT_SECONDS = 25.0

Name = Annotated[str, typer.Option("--as", help="which of your simulated phones")]

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        watch()


@app.command()
def enroll(
    ticket: Annotated[str, typer.Argument(help="a ticket, its URL, or the text of the QR code")],
    url: Annotated[str, typer.Option(help="root of the installation")] = "",
    name: Name = "demo",
) -> None:
    """Make a new phone with the ticket."""
    with reported():
        settings = load(os.environ)
        if kept_phone.load(settings.data_dir, name):
            fail(f"the phone {name!r} is enrolled already: unenroll it, or name another with --as")
        base_url = url or settings.issuer
        with kept_phone.http_client(base_url) as http:
            phone = SimulatedPhone(http, base_url if base_url.endswith("/") else f"{base_url}/")
            account = phone.enroll(
                ticket, name=f"Simulated phone {name}", capabilities=CAPABILITIES
            )
        data_directory.make(settings.data_dir)
        kept_phone.save(settings.data_dir, name, phone)
        print(f"enrolled with {account.issuer} as {account.user_id}: {account.id}")


@app.command()
def watch(
    *,
    name: Name = "demo",
    answer: Annotated[
        bool | None, typer.Option("--yes/--no", help="answer everything so, without asking")
    ] = None,
    number: Annotated[
        str, typer.Option(help="with --yes: the number that the application shows")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="answer one request, then end")] = False,
) -> None:
    """Wait for requests and answer them, until Ctrl-C. The default command."""
    with reported(), carried(name) as (settings, phone):
        account = phone.account
        assert account is not None  # noqa: S101 - `carried` has seen to it
        print(f"{account.user_id}'s phone waits for requests of {account.issuer}; Ctrl-C ends it")
        pushes = kept_phone.Pushes(settings.data_dir, account.push_token)
        seen: set[str] = set()
        while True:
            # A push is a doorbell: what is open is always asked of the server itself.
            for notification in phone.pending():
                if notification.txlnkid not in seen:
                    seen.add(notification.txlnkid)
                    treat(phone, notification, answer, number)
                    if once:
                        return
            pushes.wait(LONG_WAIT_SECONDS)


@app.command(name="list")
def list_pending(name: Name = "demo") -> None:
    """Show what is open."""
    with reported(), carried(name) as (_, phone):
        open_requests = phone.pending()
        for notification in open_requests:
            show(consent_of(phone, notification), notification)
        if not open_requests:
            print("nothing is open")


@app.command()
def unenroll(name: Name = "demo") -> None:
    """Remove the phone from its account."""
    with reported(), carried(name) as (settings, phone):
        try:
            phone.unenroll()
        except PhoneError as error:
            if error.status not in {httpx2.codes.UNAUTHORIZED, httpx2.codes.NOT_FOUND}:
                raise
            print(f"the server no longer knew this phone ({error})")
            phone.account = None
        kept_phone.save(settings.data_dir, name, phone)
        print("unenrolled")


def treat(
    phone: SimulatedPhone,
    notification: Notification,
    answer: bool | None,  # noqa: FBT001 - the answer itself
    number: str = "",
) -> None:
    """Show one request and answer it; one that has ended meanwhile is said to have."""
    try:
        consent = consent_of(phone, notification)
        show(consent, notification)
        accept = typer.confirm("approve?", default=False) if answer is None else answer
        reason = None
        if answer is None and accept and consent is not None and consent.number_matching:
            number = typer.prompt("the number that the application shows you")
        if answer is None and not accept:
            reason = typer.prompt(
                f"reason (optional; {NOT_ME}: you started nothing, and who asks is kept away)",
                default="",
                show_default=False,
            )
        phone.resolve(
            notification, accept=accept, reason=reason or None, consent=consent, number=number
        )
    except PhoneError as error:
        print(f"not answered: {error}")
    else:
        print("approved" if accept else "declined")


def consent_of(phone: SimulatedPhone, notification: Notification) -> Consent | None:
    if not notification.txlnkid:
        return None
    return phone.fetch(notification.txlnkid, notification.txtkn)


def show(consent: Consent | None, notification: Notification) -> None:
    print(f"\n--- asked {age(notification.d)} ago")
    if consent is None:
        print("a sign-in, with nothing more to say")
        return
    details = consent.requested_details
    if consent.client is not None:
        print(
            f"  client     {printable(consent.client.name)} ({printable(consent.client.client_id)})"
        )
    print(f"  message    {printable(details.binding_message)}")
    print(f"  scopes     {printable(' '.join(details.scope))}")
    print(f"  audience   {printable(details.audience)}")
    for detail in details.authorization_details:
        print(f"  details    {printable(str(detail))}")
    print(f"  open until {printable(consent.expires_at)}")
    print("Decline what you did not start yourself.")


def age(date: str) -> str:
    """How long ago an ISO 8601 date was."""
    asked = dt.datetime.fromisoformat(date)
    return f"{max(0, round((dt.datetime.now(dt.UTC) - asked).total_seconds()))} s"


def printable(text: str) -> str:
    """What a client wrote must not steer the terminal."""
    return re.sub(r"[^\x20-\x7e\xa0-\uffff]", "?", text)


@contextmanager
def carried(name: str) -> Iterator[tuple[Settings, SimulatedPhone]]:
    settings = load(os.environ)
    account = kept_phone.load(settings.data_dir, name)
    if account is None:
        fail(f"there is no phone {name!r} yet: ./scripts/phone enroll TICKET --as {name}")
    with kept_phone.http_client(account.base_url) as http:
        yield settings, SimulatedPhone(http, account.base_url, account=account)


@contextmanager
def reported() -> Iterator[None]:
    """Refusals and an absent server are one line, and Ctrl-C is an end like any other."""
    try:
        yield
    except (PhoneError, SettingsError, httpx2.HTTPError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        print()


def fail(text: str) -> NoReturn:
    print(f"phone: {text}", file=sys.stderr)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
