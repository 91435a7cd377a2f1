"""The table: every state and event, so that a new one fails here until it is decided."""

import itertools

import pytest

from consent.lifecycle import CAUSES, TRANSITIONS, Event, State, diagram, next_state, row

LEGAL = {
    (State.PENDING, Event.APPROVE): State.APPROVED,
    (State.PENDING, Event.DENY): State.DENIED,
    (State.PENDING, Event.GIVE_UP): State.UNREACHABLE,
    (State.PENDING, Event.CANCEL): State.CANCELLED,
    (State.APPROVED, Event.REDEEM): State.REDEEMED,
}


@pytest.mark.parametrize(("state", "event"), [*itertools.product(State, Event)])
def test_a_pair_leads_where_it_should_or_nowhere(state: State, event: Event) -> None:
    """T7, I5: what is not a row is refused; final states have none."""
    assert next_state(state, event) is LEGAL.get((state, event))


@pytest.mark.parametrize("event", Event)
def test_an_event_travels_to_redis_as_its_one_row(event: Event) -> None:
    [expected] = [(state.value, after.value) for (state, e), after in LEGAL.items() if e is event]

    assert row(event) == expected
    assert all(type(state) is str for state in row(event))


def test_only_an_approval_is_ever_redeemed() -> None:
    """I3: no path from a denial, or from nobody being reached, to tokens."""
    before_redeemed = {state for state, events in TRANSITIONS.items() if Event.REDEEM in events}

    assert before_redeemed == {State.APPROVED}


def test_the_diagram_shows_every_row_and_the_deadlines() -> None:
    assert diagram().splitlines() == [
        "stateDiagram-v2",
        "    [*] --> pending: accepted",
        "    pending --> approved: a device signs yes",
        "    pending --> denied: a device signs no",
        "    pending --> unreachable: no device can be rung",
        "    pending --> cancelled: an administrator cancels",
        "    approved --> redeemed: the client claims its tokens",
        "    pending --> expired: deadline",
        "    approved --> expired: deadline",
        "    denied --> [*]",
        "    unreachable --> [*]",
        "    cancelled --> [*]",
        "    redeemed --> [*]",
        "    expired --> [*]",
    ]


def test_the_table_knows_every_state_and_every_cause() -> None:
    assert TRANSITIONS.keys() == set(State)
    assert CAUSES.keys() == set(Event)
