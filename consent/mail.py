"""
The mail of a request, or of a notice: a doorbell as any other, never the question itself.

Pure. The text is English; what is in it besides is the name of this installation, a time and a
link, so that neither the mail server nor a reader over the shoulder learns what is asked. The link
ends in a fragment, which no server and no scanner of links is sent (RFC 3986 3.5): only the page
behind it acts, when a person opened it.
"""

import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from typing import NamedTuple

from consent.identifiers import digest
from consent.push import Notice

_ADDRESS_CHARACTERS_MAX = 254  # RFC 5321 4.5.3.1.3, without the brackets
_NAME_CHARACTERS_MAX = 100
# An addr-spec (RFC 5322 3.4.1) without quotes, comments and literals, which nobody is reached by.
_PARTS = r'[^@\s<>()\[\]\\,;:"]+'
_IS_ADDRESS = re.compile(rf"{_PARTS}@{_PARTS}").fullmatch


class Head(NamedTuple):
    """Of every mail. `name` is this installation's; `id` is what a repetition is known by."""

    name: str
    sender: str
    recipient: str
    id: str


def is_plain_address(text: str) -> bool:
    """One address and nothing beside it; letters may be other than ASCII's (RFC 6531)."""
    return (
        len(text) <= _ADDRESS_CHARACTERS_MAX
        and text.isprintable()  # no control, and no surrogate
        and _IS_ADDRESS(text) is not None
    )


def message_id(head: Head) -> str:
    """The same whenever the same is sent (RFC 5322 3.6.4)."""
    return f"<{digest(head.id)}@{head.sender.partition('@')[2]}>"


def consent_link(issuer: str, consent_id: str, mailbox_token: str = "") -> str:
    """The page of one request; with a token it can be answered by whoever reads the mail."""
    link = f"{issuer}authenticator#consent={consent_id}"
    return f"{link}&mailbox={mailbox_token}" if mailbox_token else link


def request_mail(
    head: Head, *, link: str, expires_at_seconds: int, answers_by_link: bool, now: float
) -> EmailMessage:
    """That a request waits, until when, and where. `answers_by_link`: the link is all it takes."""
    name, end = _shown(head.name), datetime.fromtimestamp(expires_at_seconds, UTC)
    until = f"{end.day} {end:%B %Y, %H:%M} UTC"
    opening = f"A request to {name} waits for your answer."
    see = f"See who asks and for what, and approve or deny it, until {until}:"
    close = (
        "This link answers in your name. Do not forward this mail to anybody."
        if answers_by_link
        else "Only a device that you have added to your account can answer."
    )
    stranger = "If you expected no such request, open the page and say that this was not you."
    text = [opening, see, link, close, stranger]
    anchor = f'<a href="{escape(link)}">Open the request</a>'
    html = [escape(opening), escape(see), anchor, escape(close), escape(stranger)]
    return _mail(head, f"{name}: a request waits for you", text, html, now)


def notice_mail(head: Head, notice: Notice, *, now: float) -> EmailMessage:
    """Words alone (T35)."""
    text = [notice.body, _shown(head.name)]
    return _mail(head, _shown(notice.title), text, [escape(part) for part in text], now)


def _mail(head: Head, subject: str, text: list[str], html: list[str], now: float) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = _mailbox(head.sender, _shown(head.name))
    mail["To"] = _mailbox(head.recipient)
    mail["Subject"] = subject
    mail["Date"] = format_datetime(datetime.fromtimestamp(int(now), UTC))
    mail["Message-ID"] = message_id(head)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 5: nobody's machine answers it
    mail.set_content("\n\n".join(text) + "\n")
    body = "".join(f"<p>{part}</p>\n" for part in html)
    mail.add_alternative(f'<!doctype html>\n<html lang="en">\n{body}</html>\n', subtype="html")
    return mail


def _mailbox(address: str, name: str = "") -> Address:
    local, _, domain = address.partition("@")
    return Address(name, local, domain)


def _shown(text: str) -> str:
    """What an administrator named: on one line, for a header ends where a line does."""
    return "".join(it for it in text if it.isprintable())[:_NAME_CHARACTERS_MAX] or "Nod"
