"""What is said on an event stream: the difference, each thing once (HTML 9.2)."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import policy
from consent.errors import DeviceError
from consent.event_stream import (
    Expired,
    Look,
    Pending,
    PendingConsent,
    Resolved,
    Standing,
    event_id,
    events,
    framed,
    next_deadline_ms,
    told_before,
)
from consent.identifiers import consent_id_of, new_auth_req_id
from tests.support.domain import CONSENT_ID, PERSON_ID, assert_says_nothing
from tests.support.event_streams import Heard, Listener

IDS = [consent_id_of(new_auth_req_id(PERSON_ID)) for _ in range(policy.TOLD_AT_ONCE_MAX + 20)]
ONE, TWO, THREE = IDS[:3]


def asked(consent_id: str, expires_at_ms: int = 9_000) -> PendingConsent:
    return PendingConsent(consent_id, 1_000, expires_at_ms)


def look(pending: list[PendingConsent], *told: Standing) -> Look:
    return Look(2_000, stands=True, pending=pending, told=[*told])


def test_what_is_new_is_told_the_oldest_first() -> None:
    assert events(look([asked(TWO), asked(ONE)])) == [
        Pending((ONE,), asked(ONE)),
        Pending((ONE, TWO), asked(TWO)),
    ]


def test_what_was_told_and_is_still_pending_is_not_told_again() -> None:
    """Even when newer requests have taken its place in the list."""
    still = Standing(ONE, "pending", 9_000)

    assert events(look([asked(ONE)], still)) == []
    assert events(look([asked(TWO)], still)) == [Pending((ONE, TWO), asked(TWO))]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("approved", Resolved((TWO,), ONE, "approved")),
        ("redeemed", Resolved((TWO,), ONE, "approved")),
        ("denied", Resolved((TWO,), ONE, "denied")),
        ("cancelled", Resolved((TWO,), ONE, "cancelled")),
        ("unreachable", Resolved((TWO,), ONE, "unreachable")),
        ("expired", Expired((TWO,), ONE)),
    ],
)
def test_what_has_ended_is_told_with_its_end_before_what_is_new(
    state: str, said: Resolved | Expired
) -> None:
    still = Standing(TWO, "pending", 9_000)

    assert events(look([asked(THREE), asked(TWO)], Standing(ONE, state), still)) == [
        said,
        Pending((TWO, THREE), asked(THREE)),
    ]


def test_who_is_asked_more_than_a_stream_tells_hears_the_rest_when_there_is_room() -> None:
    told = [Standing(it, "pending", 9_000) for it in IDS[: policy.TOLD_AT_ONCE_MAX]]

    assert events(look([asked(IDS[-1])], *told)) == []
    told[0] = Standing(told[0].consent_id, "denied")
    assert [type(it) for it in events(look([asked(IDS[-1])], *told))] == [Resolved, Pending]
    assert [
        it.consent.consent_id
        for it in events(look([asked(it) for it in IDS]))
        if isinstance(it, Pending)
    ] == IDS[: policy.TOLD_AT_ONCE_MAX][::-1]


def test_it_looks_again_when_the_first_of_the_told_expires() -> None:
    assert next_deadline_ms(look([])) is None
    assert next_deadline_ms(look([], Standing(ONE, "expired"))) is None
    assert next_deadline_ms(look([asked(ONE, 5_000), asked(TWO, 3_000)])) == 1_000
    assert next_deadline_ms(look([asked(ONE, 5_000)], Standing(TWO, "pending", 2_500))) == 500


def test_an_event_is_one_line_of_data_and_says_where_to_go_on() -> None:
    """A name with line ends in it could otherwise begin an event of its own."""
    octets = framed(
        Pending((ONE, TWO), asked(TWO)), lambda it: {"txlnkid": it.consent_id, "s": "\n"}
    )
    listener = Listener()
    listener.feed(octets)

    assert octets == (
        f'event: pending\nid: {ONE}.{TWO}\ndata: {{"txlnkid":"{TWO}","s":"\\n"}}\n\n'.encode()
    )
    assert listener.heard == [Heard("pending", TWO)]
    assert told_before(listener.last_event_id, PERSON_ID) == (ONE, TWO)
    assert framed(Resolved((), ONE, "denied"), str) == (
        f'event: resolved\nid: -\ndata: {{"txlnkid":"{ONE}","state":"denied"}}\n\n'.encode()
    )
    assert json.loads(framed(Expired((), ONE), str).partition(b"data: ")[2]) == {"txlnkid": ONE}


@given(st.lists(st.sampled_from(IDS), unique=True, max_size=policy.TOLD_AT_ONCE_MAX))
def test_the_id_of_an_event_says_all_that_was_told(told: list[str]) -> None:
    assert told_before(event_id(tuple(told)), PERSON_ID) == tuple(told)


@pytest.mark.parametrize("none", ["", "-"])
def test_who_has_heard_nothing_begins_at_the_beginning(none: str) -> None:
    assert told_before(none, PERSON_ID) == ()


@pytest.mark.parametrize(
    "last_event_id",
    [
        "x",
        ".",
        ONE + ".",
        f"{ONE}.{ONE}",
        f"{ONE}.-",
        f"{ONE}, {TWO}",
        ONE + "\n",
        "fff" + ONE[3:],  # of somebody in another partition
        ONE.replace(ONE[0], "\uff10", 1),
        "\x00",
        "\ud800",
        "1" * 20_000,
        ".".join(IDS[: policy.TOLD_AT_ONCE_MAX + 1]),
        "." * 16_000,
    ],
    ids=range(14),
)
def test_what_is_not_the_id_of_an_event_is_refused(last_event_id: str) -> None:
    with pytest.raises(DeviceError) as refused:
        told_before(last_event_id, PERSON_ID)

    assert (refused.value.status, refused.value.error) == (400, "invalid_request")
    assert_says_nothing(refused.value, ONE)


@given(st.text(max_size=300))
def test_whatever_is_sent_is_an_id_or_refused(last_event_id: str) -> None:
    told: tuple[str, ...] = ()
    with contextlib.suppress(DeviceError):
        told = told_before(last_event_id, PERSON_ID)

    assert told == () or event_id(told) == last_event_id


@given(st.data())
def test_whatever_happens_each_thing_is_told_once(data: st.DataObject) -> None:
    """The truth moves, the stream looks now and then, and is cut after any of its events."""
    ended = st.sampled_from(["approved", "redeemed", "denied", "cancelled", "expired"])
    truth: dict[str, str] = {}
    told: tuple[str, ...] = ()
    heard: list[tuple[str, str]] = []
    left = iter(IDS)
    for _ in range(data.draw(st.integers(1, 12))):
        for _ in range(data.draw(st.integers(0, 3))):
            truth[next(left)] = "pending"
        for consent_id in [it for it, state in truth.items() if state == "pending"]:
            if data.draw(st.booleans()):
                truth[consent_id] = data.draw(ended)
        open_now = [asked(it) for it, state in truth.items() if state == "pending"]
        listed = open_now[::-1][: policy.PENDING_LISTED_MAX]
        said = events(look(listed, *[Standing(it, truth[it], 9_000) for it in told]))
        for event in said[: data.draw(st.integers(0, len(said)))]:
            told = told_before(event_id(event.told), PERSON_ID)
            if isinstance(event, Pending):
                heard.append(("pending", event.consent.consent_id))
            else:
                heard.append((getattr(event, "state", "expired"), event.consent_id))

    assert len({*heard}) == len(heard)
    began = [it for name, it in heard if name == "pending"]
    ends = {it: name for name, it in heard if name != "pending"}
    assert len(ends) + len(began) == len(heard)
    assert {*began} - {*ends} == {*told}
    for consent_id, name in ends.items():
        assert heard.index(("pending", consent_id)) < heard.index((name, consent_id))
        assert truth[consent_id].replace("redeemed", "approved") == name


def test_a_consent_of_the_tests_is_one() -> None:
    assert told_before(CONSENT_ID, PERSON_ID) == (CONSENT_ID,)
