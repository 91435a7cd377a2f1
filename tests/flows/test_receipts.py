"""
What was shown is what was signed, through HTTP: the digest a phone must sign, and the receipt that
somebody verifies who knows no more than the published keys.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from consent.receipt import NOT_COVERED
from scripts.guardian_messages import Consent, Notification
from scripts.simulated_phone import CAPABILITIES, PhoneError, SimulatedPhone
from tests.support import receipt_verifier
from tests.support.command_line import CommandLine
from tests.support.nod import Nod, OAuthClient

DETAILS = [{"type": "order", "amount": 25.5, "to": "愛子", "most": 1e21, "items": [1, None]}]


def our_phone(nod: Nod, user_id: str) -> SimulatedPhone:
    phone = SimulatedPhone(nod.http, nod.url)
    phone.enroll(nod.new_ticket(user_id), capabilities=CAPABILITIES)
    return phone


def fetched(nod: Nod, phone: SimulatedPhone) -> tuple[Notification, Consent]:
    notification = nod.notified(phone)
    consent = phone.fetch(notification.txlnkid, notification.txtkn)
    assert consent is not None
    return notification, consent


def receipt(nod: Nod, client: OAuthClient, auth_req_id: str) -> str:
    answer = nod.http.post("oauth/receipt", data={"auth_req_id": auth_req_id}, auth=client.basic)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["receipt"])


def published(nod: Nod) -> Any:  # noqa: ANN401
    return nod.http.get(".well-known/jwks.json").json()


@pytest.fixture
def api(nod: Nod) -> str:
    """An API whose orders are authorized."""
    identifier = f"https://orders.example/{nod.new_user()}"
    body = {
        "name": "Orders",
        "identifier": identifier,
        "authorization_details": [{"type": "order"}],
    }
    answer = nod.admin("POST", "resource-servers", body)
    assert answer.status_code == 201, answer.text
    return identifier


def test_a_stranger_verifies_what_was_approved(nod: Nod, api: str, tmp_path: Path) -> None:
    """By a program that shares no code with us; and by ours, with and without the installation."""
    client, user_id = nod.new_client(), nod.new_user()
    phone = our_phone(nod, user_id)
    auth_req_id = nod.accepted(
        client, user_id, audience=api, authorization_details=json.dumps(DETAILS)
    )
    pending = nod.http.post("oauth/receipt", data={"auth_req_id": auth_req_id}, auth=client.basic)
    assert pending.json()["error"] == "authorization_pending"
    notification, consent = fetched(nod, phone)

    phone.resolve(notification, accept=True, consent=consent)

    text = receipt(nod, client, auth_req_id)
    claims = receipt_verifier.verify(text, published(nod))
    shown = claims["consent"]["requested_details"]
    assert (claims["aud"], claims["sub"]) == (client.client_id, user_id)
    assert shown["authorization_details"] == DETAILS
    assert claims["consent_digest"] == consent.consent_digest
    assert phone.account is not None
    assert claims["device"]["id"] == phone.account.id
    assert nod.poll(client, auth_req_id).status_code == 200
    assert receipt(nod, client, auth_req_id) == text

    kept, jwks = tmp_path / "receipt.jwt", tmp_path / "keys.json"
    kept.write_text(text)
    jwks.write_text(json.dumps(published(nod)))
    offline = CommandLine({}).told("receipt", "verify", str(kept), "--jwks", str(jwks))
    admin = CommandLine({name: it for name, it in nod.environ.items() if name[:4] == "NOD_"})
    assert admin.told("receipt", "verify", str(kept)) == offline
    assert user_id in offline


def test_what_was_not_shown_is_not_approved(nod: Nod) -> None:
    """T31: nothing is decided by an answer to something else, or to nobody knows what."""
    client, user_id = nod.new_client(), nod.new_user()
    phone = our_phone(nod, user_id)
    auth_req_id = nod.accepted(client, user_id)
    notification, consent = fetched(nod, phone)
    other = Consent("", consent.requested_details, "", "", consent_digest="A" * 43)

    for answered in (None, other):
        with pytest.raises(PhoneError) as refused:
            phone.resolve(notification, accept=True, consent=answered)
        assert (refused.value.status, refused.value.error_code) == (409, "consent_mismatch")
    assert nod.poll(client, auth_req_id).json()["error"] == "authorization_pending"

    phone.resolve(notification, accept=True, consent=consent)
    assert receipt_verifier.verify(receipt(nod, client, auth_req_id), published(nod))


def test_the_number_that_was_typed_is_in_the_receipt(nod: Nod) -> None:
    client, user_id = nod.new_client(number_matching=True), nod.new_user()
    phone = our_phone(nod, user_id)
    started = nod.start_request(client, user_id).json()
    notification, consent = fetched(nod, phone)
    assert consent.number_matching

    phone.resolve(notification, accept=True, consent=consent, number=started["matching_number"])

    text = receipt(nod, client, started["auth_req_id"])
    assert receipt_verifier.verify(text, published(nod))["consent"]["number_matching"] is True


@pytest.mark.parametrize("style", ["ios", "android"])
def test_an_app_that_signs_the_challenge_alone_approves_and_its_receipt_says_so(
    nod: Nod,
    tmp_path: Path,
    style: Any,  # noqa: ANN401
) -> None:
    client, user_id = nod.new_client(), nod.new_user()
    phone = nod.new_phone(user_id, style=style)
    auth_req_id = nod.accepted(client, user_id)
    notification, _ = fetched(nod, phone)

    phone.resolve(notification, accept=True)

    assert nod.poll(client, auth_req_id).status_code == 200
    text = receipt(nod, client, auth_req_id)
    with pytest.raises(receipt_verifier.Refused, match="something else"):
        receipt_verifier.verify(text, published(nod))
    kept = tmp_path / "receipt.json"
    kept.write_text(json.dumps({"receipt": text}))
    admin = CommandLine({name: it for name, it in nod.environ.items() if name[:4] == "NOD_"})
    done = admin.run("receipt", "verify", str(kept))
    assert str(done.exception) == f"the receipt does not hold: {NOT_COVERED}"
