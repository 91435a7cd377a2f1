"""
What a device hears of what its person is asked, as server-sent events (HTML 9.2).

A stream is a difference and remembers one thing: the consents it has told as pending and not yet
as ended. They are the id of each of its events, so that a device that was cut off and says which
event was its last (`Last-Event-ID`) hears what has changed since and nothing twice, whoever
answers it.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from consent import policy
from consent.errors import DeviceError
from consent.identifiers import is_consent_id, partition_of
from consent.lifecycle import State

Told = tuple[str, ...]
NOTHING = "-"  # the id that says so: an empty one would not be sent back
_IS_PENDING = State.PENDING.value
GONE = b"event: gone\ndata: {}\n\n"  # the device is removed, or its person blocked
COMMENT = b":\n\n"  # proxies and phones end a connection that is silent
_EXPIRED = "expired"
_APPROVED_ALL_THE_SAME = {State.REDEEMED.value: State.APPROVED.value}


class PendingConsent(NamedTuple):
    consent_id: str
    created_at_ms: int
    expires_at_ms: int


class Standing(NamedTuple):
    """What has become of a consent: a state, or `expired`, which is all there is of a forgotten."""

    consent_id: str
    state: str
    expires_at_ms: int = 0


class Look(NamedTuple):
    """What a person is asked, the newest first, and what has become of what was told."""

    now_ms: int
    stands: bool  # whether the person may be asked and answer: not blocked
    pending: list[PendingConsent]
    told: list[Standing] = []  # noqa: RUF012 - never changed


class Pending(NamedTuple):
    told: Told  # with it
    consent: PendingConsent


class Resolved(NamedTuple):
    told: Told  # without it, as below
    consent_id: str
    state: str


class Expired(NamedTuple):
    told: Told
    consent_id: str


Event = Pending | Resolved | Expired


def told_before(last_event_id: str, person_id: str) -> Told:
    """What the last event of a stream to this person said. Raises DeviceError invalid_request."""
    if last_event_id in {"", NOTHING}:
        return ()
    told = tuple(last_event_id.split(".", policy.TOLD_AT_ONCE_MAX))
    partition = partition_of(person_id)
    if (
        len(told) > policy.TOLD_AT_ONCE_MAX
        or len({*told}) < len(told)
        or not all(is_consent_id(it) and partition_of(it) == partition for it in told)
    ):
        raise DeviceError(400, "invalid_request", "Last-Event-ID is not the id of an event")
    return told


def event_id(told: Told) -> str:
    return ".".join(told) or NOTHING


def events(look: Look) -> list[Event]:
    """What is to be said now: what has ended, then what is new, each in its order."""
    told = tuple(it.consent_id for it in look.told)
    said: list[Event] = []
    for it in look.told:
        if it.state == _IS_PENDING:
            continue
        told = tuple(other for other in told if other != it.consent_id)
        if it.state == _EXPIRED:
            said.append(Expired(told, it.consent_id))
        else:
            state = _APPROVED_ALL_THE_SAME.get(it.state, it.state)
            said.append(Resolved(told, it.consent_id, state))
    known = {it.consent_id for it in look.told}
    new = [it for it in look.pending if it.consent_id not in known]
    # Whoever is asked so much at once hears the newest; the others when there is room again.
    for consent in reversed(new[: policy.TOLD_AT_ONCE_MAX - len(told)]):
        told = (*told, consent.consent_id)
        said.append(Pending(told, consent))
    return said


def next_deadline_ms(look: Look) -> int | None:
    """How long it is until something that is told, or told now, expires: by the clock of Redis."""
    deadlines = [it.expires_at_ms for it in look.pending]
    deadlines += [it.expires_at_ms for it in look.told if it.state == _IS_PENDING]
    return min(deadlines) - look.now_ms if deadlines else None


def framed(event: Event, item: Callable[[PendingConsent], object]) -> bytes:
    """One event as it is sent; `item` is what a list has of a consent. JSON is one line of data."""
    match event:
        case Pending(consent=consent):
            name, data = b"pending", item(consent)
        case Resolved(consent_id=consent_id, state=state):
            name, data = b"resolved", {"txlnkid": consent_id, "state": state}
        case Expired(consent_id=consent_id):
            name, data = b"expired", {"txlnkid": consent_id}
    encoded = msgspec.json.encode(data)
    return b"event: %s\nid: %s\ndata: %s\n\n" % (name, event_id(event.told).encode(), encoded)


def retry_after(ms: int) -> bytes:
    """How long a device is to wait before it comes again; not an event, so it has no id."""
    return b"retry: %d\n\n" % ms
