"""
A record of the log: an event of the store in the shape of Auth0's log events.

Pure. What an event does not carry, and is not known any more when it is moved, its record does not
say. No secret, no `auth_req_id` and no binding message is ever in one: of a request the members
named here are taken, and no others.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from consent.transaction import iso_date

DESCRIPTIONS = {
    "ciba_start_succeeded": "A person was asked",
    "ciba_exchange_succeeded": "An approval was exchanged for tokens",
    "ciba_cancelled": "A request was cancelled",
    "ciba_unreachable": "A request ended: no device of the person could be reached",
    "ciba_ping": "A client was told that its request has an answer",
    "ciba_ping_failure": "A client could not be told that its request has an answer",
    "ciba_push": "A client was sent the answer to its request",
    "ciba_push_failure": "A client could not be sent the answer to its request",
    "gd_send_pn": "A push notification was sent",
    "gd_send_pn_failure": "A push notification could not be sent",
    "gd_auth_succeed": "A person approved",
    "gd_auth_rejected": "A person denied",
    "gd_auth_not_me": "A person denied what they had not expected",
    "gd_mailbox_opened": "The link of a mail was opened",
    "gd_enrollment_complete": "A device was enrolled",
    "gd_unenroll": "A device was removed",
    "gd_update_device_account": "A device was updated",
    "gd_ticket_creation": "An enrolment ticket was created",
    "seccft": "Client credentials were exchanged for an access token",
    "sertft": "A refresh token was exchanged for an access token",
    "srrt": "A refresh token was revoked",
    "srat": "An access token was revoked",
    "sapi": "A change through the management API",
}
_OF_THE_RECORD = ("description", "client_id", "ip", "user_agent")  # what an act says; rest: details


class Event(NamedTuple):
    """An entry of a source: its stream, its id in it and its fields."""

    source: str
    id: tuple[int, int]  # of the stream: milliseconds by the clock of Redis, and a number
    fields: Mapping[str, str]


class Asked(msgspec.Struct, frozen=True):
    """Of an authentication request, what the log may say."""

    client_id: str = ""
    client_name: str = ""
    user_id: str = ""
    audience: str = ""
    scope: list[str] = []


class Known(NamedTuple):
    """What is known beside an event while it is moved."""

    asked: Asked = Asked()
    user_id: str = ""
    client_name: str = ""


NOTHING_KNOWN = Known()


def act_of(event: Event) -> dict[str, Any]:
    """The members of its `e`; what is none is said to be so, for the log must not stand still."""
    text = event.fields.get("e", "{}")
    try:
        members = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        members = None
    return members if isinstance(members, dict) else {"malformed": True}


def actor_of(event: Event, act: Mapping[str, Any]) -> str:
    """The client an event is an act of."""
    return _text(act.get("client_id")) or event.fields.get("client", "")


def subject_user_id(act: Mapping[str, Any]) -> str:
    """The user an act names itself: who has just been removed is found nowhere else."""
    subject = act.get("subject")
    return _text(subject.get("user_id")) if isinstance(subject, dict) else ""


def record(
    event: Event, act: Mapping[str, Any], known: Known = NOTHING_KNOWN, *, issuer: str = ""
) -> dict[str, object]:
    """The members of the record, but for its place in the chain; none is empty."""
    code, asked = event.fields.get("t", ""), known.asked
    members: dict[str, object] = {
        "date": iso_date(event.id[0]),
        "type": code,
        "description": _text(act.get("description")) or DESCRIPTIONS.get(code, code),
        "client_id": actor_of(event, act) or asked.client_id,
        "client_name": known.client_name or asked.client_name,
        "user_id": asked.user_id or known.user_id or subject_user_id(act),
        "ip": _text(act.get("ip")),
        "user_agent": _text(act.get("user_agent")),
        "audience": asked.audience,
        "scope": asked.scope,
        "details": _details(event, act, asked, issuer),
    }
    return {name: value for name, value in members.items() if value}


def _details(event: Event, act: Mapping[str, Any], asked: Asked, issuer: str) -> dict[str, object]:
    code, fields = event.fields.get("t", ""), event.fields
    details = {name: value for name, value in act.items() if name not in _OF_THE_RECORD}
    for name, field in (("consent_id", "consent"), ("person", "person"), ("device_id", "device")):
        if fields.get(field):
            details[name] = fields[field]
    if code == "ciba_start_succeeded" and asked.user_id:
        # W 1.5: what a start is logged with.
        hint = {"format": "iss_sub", "iss": issuer, "sub": asked.user_id}
        details["body"] = {
            "audience": asked.audience,
            "login_hint": msgspec.json.encode(hint).decode(),
            "scope": " ".join(asked.scope),
        }
        details["notification_channel"] = "guardian-push"
    return details


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
