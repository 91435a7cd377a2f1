"""What a client that does not poll is told, and how what it takes to tell it is kept."""

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import tokens
from consent.callback import Callback, opened, ping, push, push_error, sealed
from consent.client import DeliveryMode
from consent.seal import Seal, SealError
from consent.signing_key import new_signing_key
from tests.support.domain import CONSENT_ID, ERROR_CHARACTERS, ISSUER, NOW, SEAL, a_request

BEARER_CHARACTERS = string.ascii_letters + string.digits + "._~+/-="


def a_callback(mode: DeliveryMode = "ping", **changes: str) -> Callback:
    fields: dict[str, Any] = {
        "endpoint": "https://client.example/ciba",
        "auth_req_id": "1c266114-a1be-4252-8ad1-04986c5b9ac1",
        "client_notification_token": "8d67dc78-7faa-4d41-aabd-67707b374255",
        "client_id": "bank",
    }
    return Callback(mode=mode, **(fields | changes))


def test_a_ping_holds_the_auth_req_id_and_nothing_else() -> None:
    """A151, and the body of CIBA 10.2's own example."""
    assert json.loads(ping(a_callback())) == {"auth_req_id": "1c266114-a1be-4252-8ad1-04986c5b9ac1"}


@pytest.mark.parametrize("refresh_token", ["", "a.refresh.token"])
def test_a_push_is_the_token_response_with_the_auth_req_id(refresh_token: str) -> None:
    """A170."""
    key = new_signing_key()
    response = tokens.token_response(
        a_request(),
        {},
        access_key=key,
        id_key=key,
        issuer=ISSUER,
        jti="j",
        issued_at=NOW,
        auth_time=NOW,
        refresh_token=refresh_token,
        auth_req_id=a_callback().auth_req_id,
    )

    body = json.loads(push(a_callback("push"), response))

    names = {"auth_req_id", "access_token", "token_type", "id_token", "expires_in", "scope"}
    assert body.keys() == names | ({"refresh_token"} if refresh_token else set())
    assert body == {"auth_req_id": a_callback().auth_req_id} | response


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("denied", "access_denied"),
        ("refused", "access_denied"),
        ("unreachable", "transaction_failed"),
        ("expired", "expired_token"),
    ],
)
def test_an_error_that_is_pushed_is_one_of_three(state: str, error: str) -> None:
    """A173, CIBA 12."""
    body = json.loads(push_error(a_callback("push"), state))

    assert body.keys() == {"auth_req_id", "error", "error_description"}
    assert body["auth_req_id"] == a_callback().auth_req_id
    assert body["error"] == error
    assert ERROR_CHARACTERS.issuperset(body["error_description"])


@given(st.text(BEARER_CHARACTERS, min_size=1, max_size=1_024))
def test_what_is_sealed_is_opened_as_it_was(token: str) -> None:
    callback = a_callback(client_notification_token=token)

    stored = sealed(callback, SEAL, CONSENT_ID)

    assert opened(stored, SEAL, CONSENT_ID) == callback


def test_what_is_sealed_shows_nothing() -> None:
    """A159."""
    callback = a_callback()

    stored = sealed(callback, SEAL, CONSENT_ID)

    assert callback.client_notification_token.encode() not in stored
    assert callback.auth_req_id.encode() not in stored


def test_what_is_sealed_opens_for_its_own_consent_and_key_alone() -> None:
    stored = sealed(a_callback(), SEAL, CONSENT_ID)

    for seal, consent_id, bytes_ in (
        (Seal("another secret key, for nothing else"), CONSENT_ID, stored),
        (SEAL, CONSENT_ID + "x", stored),
        (SEAL, CONSENT_ID, stored[:-1]),
        (SEAL, CONSENT_ID, b""),
    ):
        with pytest.raises(SealError):
            opened(bytes_, seal, consent_id)
