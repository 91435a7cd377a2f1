"""A consent as an administrator sees it, at any time."""

import msgspec
import pytest

from consent.authentication_request import AuthenticationRequest
from consent.lifecycle import State
from consent.management.consents import consent_shown

REQUEST = AuthenticationRequest(
    client_id="c",
    client_name="Bank",
    user_id="auth0|u",
    scope=["openid"],
    audience="https://a/",
    binding_message="Pay",
    expires_in=60,
    access_token_lifetime=60,
    id_token_lifetime=60,
)
FIELDS = {
    "request": msgspec.json.encode(REQUEST),
    "created_at": b"1000",
    "expires_at": b"61000",
    "client": b"c",
    "person": b"p",
    "interval": b"5",
    "jti": b"secret",
}


@pytest.mark.parametrize("state", State)
def test_only_what_was_not_ended_expires(state: State) -> None:
    """The deadline itself is late; what was denied or redeemed in time stays so."""
    fields = FIELDS | {"state": state.value.encode()}
    before = consent_shown("id", fields, [], 60_999)
    after = consent_shown("id", fields, [], 61_000)

    may_expire = state in {State.PENDING, State.APPROVED}
    assert before["state"] == state.value
    assert after["state"] == ("expired" if may_expire else state.value)


def test_facts_are_shown_with_their_times_and_nothing_internal_is() -> None:
    shown = consent_shown(
        "id",
        FIELDS | {"state": b"denied", "decided_at": b"2500", "decided_by": b"dev_1"},
        [b'2500 {"event":"answered","accepted":false}'],
        3_000,
    )

    assert shown == {
        "id": "id",
        "state": "denied",
        "client_id": "c",
        "user_id": "auth0|u",
        "audience": "https://a/",
        "scope": ["openid"],
        "binding_message": "Pay",
        "delivery_mode": "poll",
        "created_at": "1970-01-01T00:00:01.000Z",
        "expires_at": "1970-01-01T00:01:01.000Z",
        "decided_at": "1970-01-01T00:00:02.500Z",
        "decided_by": "dev_1",
        "attempts": [
            {"at": "1970-01-01T00:00:02.500Z", "event": "answered", "accepted": False},
        ],
    }
