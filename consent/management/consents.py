"""A consent as an administrator sees it: where it stands and what became of each attempt."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from consent.authentication_request import AuthenticationRequest
from consent.errors import ManagementError
from consent.identifiers import is_consent_id
from consent.lifecycle import State
from consent.management.listing import invalid_query
from consent.transaction import iso_date


class Place(NamedTuple):
    """Where a consent stands in lists: the time its record goes (ms), and its id."""

    gone_at_ms: int
    consent_id: str


_MAY_EXPIRE = (State.PENDING, State.APPROVED)
_TIMES = (
    "created_at",
    "expires_at",
    "handed_over_at",
    "fetched_at",
    "decided_at",
    "redeemed_at",
    "delivered_at",
)


def consent_shown(
    consent_id: str, fields: Mapping[str, bytes], facts: list[bytes], now_ms: int
) -> dict[str, object]:
    """`fields` and `facts` as the store keeps them; expiry is what the clock makes of them."""
    request = msgspec.json.decode(fields["request"], type=AuthenticationRequest)
    state = State(fields["state"].decode())
    is_expired = state in _MAY_EXPIRE and now_ms >= int(fields["expires_at"])
    shown: dict[str, object] = {
        "id": consent_id,
        "state": "expired" if is_expired else state.value,
        "client_id": request.client_id,
        "user_id": request.user_id,
        "audience": request.audience,
        "scope": request.scope,
        "binding_message": request.binding_message,
        "delivery_mode": fields.get("mode", b"poll").decode(),
    }
    for name in ("acr", "authorization_details", "request_context"):
        if value := getattr(request, name):
            shown[name] = value
    shown |= {name: iso_date(int(fields[name])) for name in _TIMES if name in fields}
    if "decided_by" in fields:
        shown["decided_by"] = fields["decided_by"].decode()
    shown["attempts"] = [_fact(fact) for fact in facts]
    return shown


def _fact(stored: bytes) -> dict[str, object]:
    ms, _, fact = stored.partition(b" ")
    members: dict[str, object] = msgspec.json.decode(fact)
    return {"at": iso_date(int(ms))} | members


def place(text: str) -> Place | None:
    """A checkpoint as it was shown, None to begin. Raises ManagementError invalid_query_string."""
    gone_at, _, consent_id = text.partition(".")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", gone_at) or not is_consent_id(consent_id):
        raise invalid_query("from must be the next of an answer")
    return Place(int(gone_at), consent_id)


def place_shown(last: Place) -> str:
    return f"{last.gone_at_ms}.{last.consent_id}"


def consent_over() -> ManagementError:
    return ManagementError(409, "consent_over", "The consent is not pending any more.")


def inexistent_consent() -> ManagementError:
    return ManagementError(404, "inexistent_consent", "The consent does not exist.")
