"""Enrolments and the tickets that lead to them (auth0-wire 3.5, 2.2)."""

from typing import Literal
from urllib.parse import quote

import msgspec

from consent.device import Device
from consent.errors import ManagementError
from consent.management.payload import RequiredText, Text, invalid_body, payload
from consent.settings import Settings
from consent.transaction import iso_date


class NewTicket(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /guardian/enrollments/ticket."""

    user_id: RequiredText
    send_mail: bool = False
    email: Text = ""
    factor: Literal["push-notification"] = "push-notification"


def new_ticket_wanted(body: dict[str, object]) -> NewTicket:
    """Raises ManagementError invalid_body."""
    wanted = payload(body, NewTicket)
    if wanted.send_mail:
        raise invalid_body("'Sending mail is not supported' on property send_mail.")
    return wanted


def ticket_shown(
    ticket: str, label: str, friendly_name: str, settings: Settings
) -> dict[str, object]:
    """Auth0's two members, and what a QR code or a link on the phone itself must say."""
    return {
        "ticket_id": ticket,
        "ticket_url": settings.url(f"mfa/enrollment?ticket={ticket}"),
        "enrollment_uri": enrollment_uri(ticket, label, friendly_name, settings),
    }


def enrollment_uri(ticket: str, label: str, friendly_name: str, settings: Settings) -> str:
    """What the Guardian SDKs enrol with."""
    account = f"{quote(friendly_name, safe='')}:{quote(label, safe='')}"
    base_url = quote(settings.issuer.rstrip("/"), safe="")
    return f"otpauth://totp/{account}?enrollment_tx_id={ticket}&base_url={base_url}"


def authenticator_uri(ticket: str, settings: Settings) -> str:
    """
    What makes a browser an authenticator. The ticket is in the fragment, which is sent to nobody
    and stands in no log (T34).
    """
    return settings.url(f"authenticator#ticket={ticket}")


def enrollment_shown(stored: Device, *, push_reachable: bool) -> dict[str, object]:
    """One device; `push_reachable` is ours: a push address is known that has not died."""
    return {
        "id": stored.device_id,
        "status": "confirmed",
        "type": "push-notification",
        "name": stored.name,
        "identifier": stored.identifier,
        "auth_method": "guardian",
        "enrolled_at": iso_date(stored.enrolled_at_ms),
        "push_reachable": push_reachable,
    }


def enrollment_not_found() -> ManagementError:
    return ManagementError(404, "enrollment_not_found", "Enrollment not found")
