"""
The life cycle of a consent: the table, and nothing that could do IO.

Two rules. What changes a state is a row of `TRANSITIONS`, and nothing else; a missing row is a
refusal. And this file does not know how a row is applied: the row travels to Redis as an
argument (`row`), where a script compares and changes in one step, so that the rules are not
written twice and two processes cannot both win.

Expiry is not a row. A consent has a deadline, and whoever looks decides by the clock of Redis:
`pending` past its deadline is expired, and so is `approved` that nobody redeemed in time. Nothing
is written at that moment, so nothing can be late (CIBA 11, A119).

Orthogonal facts are not states: whether a phone was rung, whether it fetched the question, whether
the client has received its answer. They are times beside the state.

    pending      the person has been asked
    approved     a device of theirs signed yes
    denied       a device of theirs signed no
    unreachable  no device of theirs can be rung any more; ends before its deadline
    cancelled    an administrator withdrew it, or its client is gone
    redeemed     the client has claimed its one token set
"""

import enum


class State(enum.StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"
    REDEEMED = "redeemed"


class Event(enum.StrEnum):
    APPROVE = "approve"
    DENY = "deny"
    GIVE_UP = "give_up"
    CANCEL = "cancel"
    REDEEM = "redeem"


TRANSITIONS: dict[State, dict[Event, State]] = {
    State.PENDING: {
        Event.APPROVE: State.APPROVED,
        Event.DENY: State.DENIED,
        Event.GIVE_UP: State.UNREACHABLE,
        Event.CANCEL: State.CANCELLED,
    },
    State.APPROVED: {Event.REDEEM: State.REDEEMED},
    State.DENIED: {},
    State.UNREACHABLE: {},
    State.CANCELLED: {},
    State.REDEEMED: {},
}

CAUSES = {
    Event.APPROVE: "a device signs yes",
    Event.DENY: "a device signs no",
    Event.GIVE_UP: "no device can be rung",
    Event.CANCEL: "an administrator cancels",
    Event.REDEEM: "the client claims its tokens",
}


def row(event: Event) -> tuple[str, str]:
    """The states an event leads from and to, as the scripts take them."""
    [(source, target)] = [
        (state, events[event]) for state, events in TRANSITIONS.items() if event in events
    ]
    return source.value, target.value


def next_state(state: State, event: Event) -> State | None:
    """The state after the event, or None where the event is refused and changes nothing."""
    return TRANSITIONS[state].get(event)


def diagram() -> str:
    """The table as a Mermaid state diagram, for README.md."""
    lines = ["stateDiagram-v2", "    [*] --> pending: accepted"]
    for state, events in TRANSITIONS.items():
        lines += [f"    {state} --> {target}: {CAUSES[event]}" for event, target in events.items()]
    lines += ["    pending --> expired: deadline", "    approved --> expired: deadline"]
    ended = [state for state, events in TRANSITIONS.items() if not events]
    lines += [f"    {state} --> [*]" for state in [*ended, "expired"]]
    return "\n".join(lines)
