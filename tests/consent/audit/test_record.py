"""A record of the log: Auth0's shape, what is known, and nothing that is secret."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.audit.chain import GENESIS, chained
from consent.audit.event import Act
from consent.audit.record import (
    DESCRIPTIONS,
    Asked,
    Event,
    Known,
    act_of,
    actor_of,
    record,
    subject_user_id,
)

AT = (1_800_000_000_123, 4)
ISSUER = "https://nod.example/"
ASKED = Asked("c1", "Shop", "auth0|u1", "https://api.example", ["openid", "read"])


def event(code: str, e: bytes | str = "", **fields: str) -> Event:
    text = e.decode() if isinstance(e, bytes) else e
    return Event("nod:{00a}:events", AT, {"t": code, **fields} | ({"e": text} if text else {}))


def recorded(of: Event, known: Known | None = None) -> dict[str, object]:
    return record(of, act_of(of), known or Known(), issuer=ISSUER)


def test_a_start_says_who_was_asked_for_what_by_whom() -> None:
    """W 1.5."""
    start = event("ciba_start_succeeded", consent="00aC", client="c1", person="00aP")

    assert recorded(start, Known(ASKED)) == {
        "date": "2027-01-15T08:00:00.123Z",
        "type": "ciba_start_succeeded",
        "description": "A person was asked",
        "client_id": "c1",
        "client_name": "Shop",
        "user_id": "auth0|u1",
        "audience": "https://api.example",
        "scope": ["openid", "read"],
        "details": {
            "consent_id": "00aC",
            "person": "00aP",
            "body": {
                "audience": "https://api.example",
                "login_hint": '{"format":"iss_sub","iss":"https://nod.example/","sub":"auth0|u1"}',
                "scope": "openid read",
            },
            "notification_channel": "guardian-push",
        },
    }


def test_of_a_request_nothing_else_is_taken() -> None:
    """The binding message is between the client and the person."""
    stored = b'{"client_id":"c1","user_id":"u","binding_message":"Pay 4711","scope":["openid"]}'
    asked = msgspec.json.decode(stored, type=Asked)

    assert "4711" not in str(recorded(event("ciba_start_succeeded"), Known(asked)))


def test_an_act_says_who_did_it_and_from_where() -> None:
    act = Act("Update a client", "admin", "192.0.2.1", "portal/1", "PATCH", "/api/v2/clients/c1")
    change = event("sapi", act.event(client_id="c1"))

    assert recorded(change, Known(client_name="Portal")) == {
        "date": "2027-01-15T08:00:00.123Z",
        "type": "sapi",
        "description": "Update a client",
        "client_id": "admin",
        "client_name": "Portal",
        "ip": "192.0.2.1",
        "user_agent": "portal/1",
        "details": {
            "request": {"method": "PATCH", "path": "/api/v2/clients/c1"},
            "subject": {"client_id": "c1"},
        },
    }
    assert actor_of(change, act_of(change)) == "admin"


def test_who_was_removed_is_named_by_the_act() -> None:
    gone = event("sapi", Act("Delete a user").event(user_id="auth0|u1"), person="00aP")

    assert recorded(gone)["user_id"] == "auth0|u1"
    assert recorded(gone, Known(user_id="auth0|u2"))["user_id"] == "auth0|u2"
    assert subject_user_id({"subject": {"user_id": 7}}) == ""


def test_an_attempt_tells_what_became_of_it() -> None:
    fact = '{"event":"push","provider":"fcm","outcome":"unregistered"}'
    attempt = event("gd_send_pn_failure", fact, consent="00aC", device="dev_1", client="c1")

    assert recorded(attempt)["details"] == {
        "event": "push",
        "provider": "fcm",
        "outcome": "unregistered",
        "consent_id": "00aC",
        "device_id": "dev_1",
    }


def test_what_is_gone_is_not_said() -> None:
    late = recorded(event("ciba_exchange_succeeded", consent="00aC"))

    assert set(late) == {"date", "type", "description", "details"}


@pytest.mark.parametrize("code", DESCRIPTIONS)
def test_every_code_has_its_words(code: str) -> None:
    assert recorded(event(code))["description"] == DESCRIPTIONS[code]


def test_a_code_of_another_version_is_its_own_description() -> None:
    assert recorded(event("new_code"))["description"] == "new_code"


@pytest.mark.parametrize(
    "e", ["{", "[]", "null", "7", '"x"', "[" * 100_000, '{"a":"\\ud800"}', "\ud800", "\x00"]
)
def test_an_event_that_is_malformed_is_a_record_all_the_same(e: str) -> None:
    """Or one bad line would hold up all that come after it."""
    assert recorded(event("sapi", e))["details"] == {"malformed": True}


@given(st.dictionaries(st.sampled_from(["t", "e", "consent", "client", "person", "x"]), st.text()))
def test_whatever_an_event_holds_it_can_be_chained(fields: dict[str, str]) -> None:
    of = Event("nod:{directory}:events", AT, fields)
    sent = {
        name: value.encode(errors="replace").decode() for name, value in of.fields.items()
    }  # as the store reads it

    stored, _ = chained(GENESIS, recorded(of._replace(fields=sent)))

    assert msgspec.json.decode(stored)["n"] == 1


@pytest.mark.parametrize("member", ["description", "client_id", "ip", "user_agent", "subject"])
@pytest.mark.parametrize("value", [7, None, [], {}, True, {"user_id": []}])
def test_a_member_of_another_type_is_as_good_as_none(member: str, value: object) -> None:
    said = recorded(event("sapi", msgspec.json.encode({member: value})))

    assert said["description"] == DESCRIPTIONS["sapi"]
    assert not {"client_id", "ip", "user_agent", "user_id"} & set(said)
