"""/api/v2/consents: what an administrator sees of one request."""

import pytest

from consent.identifiers import consent_id_of, person_id_of
from tests.support.management import check_refused
from tests.support.nod import Nod


def test_a_consent_is_followed_from_the_question_to_the_tokens(nod: Nod) -> None:
    client, user_id = nod.new_client(), nod.new_user()
    phone = nod.new_phone(user_id)
    auth_req_id = nod.accepted(client, user_id, binding_message="Pay 4711")
    path = f"consents/{consent_id_of(auth_req_id)}"
    notification = nod.notified(phone)

    pending = nod.admin("GET", path).json()

    assert pending["state"] == "pending"
    assert (pending["client_id"], pending["user_id"]) == (client.client_id, user_id)
    assert pending["binding_message"] == "Pay 4711"
    assert pending["scope"] == ["openid"]
    assert pending["created_at"] < pending["expires_at"]
    assert "decided_at" not in pending

    phone.resolve(notification, accept=True)
    approved = nod.admin("GET", path).json()
    assert approved["state"] == "approved"
    assert phone.account is not None
    assert approved["decided_by"] == phone.account.id
    assert approved["decided_at"] >= approved["created_at"]
    events = [attempt for attempt in approved["attempts"] if attempt.get("event") == "answered"]
    assert [event["accepted"] for event in events] == [True]
    assert all(attempt["at"].endswith("Z") for attempt in approved["attempts"])

    assert nod.poll(client, auth_req_id).status_code == 200
    redeemed = nod.admin("GET", path)
    assert redeemed.json()["state"] == "redeemed"
    assert auth_req_id not in redeemed.text


@pytest.mark.parametrize(
    "consent_id",
    [
        "x",
        "*",
        "%7D",
        "a%0Ab",
        "a%00b",
        "%FF",
        "x" * 8_000,
        consent_id_of(f"{person_id_of('auth0|nobody', 16)[:3]}{'x' * 43}"),
    ],
)
def test_an_id_that_is_not_one_finds_no_consent(nod: Nod, consent_id: str) -> None:
    """T28."""
    answer = nod.admin("GET", f"consents/{consent_id}")

    assert check_refused(answer, 404, "inexistent_consent") == "The consent does not exist."
