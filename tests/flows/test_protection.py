"""Nobody is worn down or tricked into approving: each protection, attacked (RFC 10027, T1-T44)."""

import json
from typing import NamedTuple
from urllib.parse import quote

import httpx2
import jwt
import pytest

from consent.number_matching import ACR
from scripts.guardian_messages import Notification
from scripts.simulated_phone import PhoneError, SimulatedPhone
from tests.support.nod import Nod, OAuthClient

CAPABILITIES = ("number_matching", "consent_digest")
OTHER_DIGEST = "A" * 43


class Asked(NamedTuple):
    """A request on its way to a phone."""

    phone: SimulatedPhone
    client: OAuthClient
    user_id: str
    auth_req_id: str
    number: str
    notification: Notification

    def refusal(self, **answer: object) -> tuple[int, str]:
        with pytest.raises(PhoneError) as refused:
            self.phone.resolve(self.notification, **answer)  # type: ignore[arg-type]
        return refused.value.status, refused.value.error_code


def an_able_phone(nod: Nod, user_id: str) -> SimulatedPhone:
    phone = SimulatedPhone(nod.http, nod.url)
    phone.enroll(nod.new_ticket(user_id), capabilities=CAPABILITIES)
    return phone


def asked(nod: Nod, *, matching: bool = True, **parameters: str) -> Asked:
    client, user_id = nod.new_client(number_matching=matching), nod.new_user()
    phone = an_able_phone(nod, user_id)
    answer = nod.start_request(client, user_id, **parameters)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    [notification] = phone.pending()
    return Asked(
        phone, client, user_id, body["auth_req_id"], body.get("matching_number", ""), notification
    )


def outcome(nod: Nod, it: Asked) -> str:
    answer = nod.poll(it.client, it.auth_req_id)
    return "tokens" if answer.status_code == 200 else str(answer.json()["error"])


def wrong(number: str) -> str:
    return "10" if number != "10" else "11"


def test_the_number_the_client_shows_is_typed_and_said_in_the_tokens(nod: Nod) -> None:
    """T36, A143: `acr` says what was done."""
    it = asked(nod)
    shown = it.phone.fetch(it.notification.txlnkid, it.notification.txtkn)
    assert shown is not None
    assert shown.number_matching
    assert it.number not in json.dumps(it.notification.txtkn)

    it.phone.resolve(it.notification, accept=True, consent=shown, number=it.number)
    tokens = nod.poll(it.client, it.auth_req_id).json()

    for token in (tokens["id_token"], tokens["access_token"]):
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims["acr"] == ACR


def test_the_number_is_never_shown_to_the_phone(nod: Nod) -> None:
    it = asked(nod)
    path = f"rich-consents/{it.notification.txlnkid}"
    url, token = nod.url + path, it.notification.txtkn
    headers = {
        "Authorization": f"MFA-DPoP {token}",
        "MFA-DPoP": it.phone.proof("GET", url, token),
    }

    shown = nod.http.get(path, headers=headers).json()

    assert shown.pop("number_matching") is True
    members = {name: shown[name] for name in ("requested_details", "client")}
    assert f'"{it.number}"' not in json.dumps(members)
    assert "matching_number" not in json.dumps(shown)


def test_one_wrong_number_is_a_denial_and_there_is_no_second_try(nod: Nod) -> None:
    it = asked(nod)
    shown = it.phone.fetch(it.notification.txlnkid, it.notification.txtkn)

    for _ in range(2):  # a lost answer is sent again, and is told the same
        refused = it.refusal(accept=True, consent=shown, number=wrong(it.number))
        assert refused == (403, "wrong_number")

    late = it.refusal(accept=True, consent=shown, number=it.number)
    assert late == (409, "transaction_already_resolved")
    assert outcome(nod, it) == "access_denied"
    consent = nod.admin("GET", f"consents/{it.notification.txlnkid}").json()
    assert consent["state"] == "denied"
    [answered] = [it for it in consent["attempts"] if it["event"] == "answered"]
    assert (answered["accepted"], answered["reason"]) == (False, "wrong_number")


def test_an_approval_without_the_number_decides_nothing(nod: Nod) -> None:
    """T44: an old app cannot get round it, and the person may still answer with another device."""
    it = asked(nod)
    shown = it.phone.fetch(it.notification.txlnkid, it.notification.txtkn)

    assert it.refusal(accept=True, consent=shown) == (403, "number_required")
    it.phone.resolve(it.notification, accept=True, consent=shown, number=it.number)

    assert outcome(nod, it) == "tokens"


def test_a_denial_needs_no_number(nod: Nod) -> None:
    """A191: it is at least as easy."""
    it = asked(nod)

    it.phone.resolve(it.notification, accept=False)

    assert outcome(nod, it) == "access_denied"


def test_who_has_only_an_old_app_is_not_asked_for_a_number(nod: Nod) -> None:
    client, user_id = nod.new_client(number_matching=True), nod.new_user()
    nod.new_phone(user_id)

    refused = nod.start_request(client, user_id)

    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert "match numbers" in refused.json()["error_description"]


def test_a_request_may_ask_for_it_by_its_acr(nod: Nod) -> None:
    """A044."""
    assert asked(nod, matching=False, acr_values=ACR).number
    assert not asked(nod, matching=False, acr_values="urn:nod:acr:signed-approval").number


def test_what_is_approved_must_be_what_was_shown(nod: Nod) -> None:
    """T31: another digest decides nothing, and keeps nobody from saying no."""
    it = asked(nod, matching=False)

    def answered(accept: bool) -> httpx2.Response:
        response = it.phone.challenge_response(
            it.notification.c, accept, consent_digest=OTHER_DIGEST
        )
        return nod.http.post(
            "appliance-mfa/api/resolve-transaction",
            headers={"Authorization": f"Bearer {it.notification.txtkn}"},
            json={"challenge_response": response},
        )

    refused = answered(accept=True)
    assert (refused.status_code, refused.json()["errorCode"]) == (409, "consent_mismatch")
    assert outcome(nod, it) == "authorization_pending"
    assert answered(accept=False).status_code == 204
    assert nod.poll(it.client, it.auth_req_id).json()["error"] == "access_denied"


def test_an_app_that_signs_digests_cannot_leave_one_out(nod: Nod) -> None:
    """T44."""
    it = asked(nod, matching=False)

    assert it.refusal(accept=True) == (409, "consent_mismatch")
    shown = it.phone.fetch(it.notification.txlnkid, it.notification.txtkn)
    it.phone.resolve(it.notification, accept=True, consent=shown)

    assert outcome(nod, it) == "tokens"


def test_not_me_denies_keeps_the_client_away_and_tells_the_administrator(nod: Nod) -> None:
    """T36."""
    it = asked(nod, matching=False)
    other = nod.accepted(it.client, it.user_id)

    it.phone.resolve(it.notification, accept=False, reason="not_me")

    assert outcome(nod, it) == "access_denied"
    assert nod.poll(it.client, other).json()["error"] == "access_denied"
    refused = nod.start_request(it.client, it.user_id)
    assert (refused.status_code, refused.json()["error"]) == (403, "access_denied")
    assert nod.start_request(nod.new_client(), it.user_id).status_code == 200
    path = f"users/{quote(it.user_id, safe='')}/refused-clients"
    [seen] = nod.admin("GET", path).json()
    assert (seen["client_id"], seen["reason"]) == (it.client.client_id, "not_me")
    metrics = nod.http.get("metrics").text
    counted = next(line for line in metrics.splitlines() if line.startswith("nod_not_me_total"))
    assert float(counted.split()[1]) >= 1
    assert nod.admin("DELETE", f"{path}/{it.client.client_id}").status_code == 204
    assert nod.start_request(it.client, it.user_id).status_code == 200


def test_who_asks_again_after_denials_waits(nod: Nod) -> None:
    """T1, A192: the first denial may be put right at once."""
    it = asked(nod, matching=False)
    it.phone.resolve(it.notification, accept=False)
    nod.accepted(it.client, it.user_id)
    [again] = it.phone.pending()
    it.phone.resolve(again, accept=False)

    refused = nod.start_request(it.client, it.user_id)

    assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert nod.start_request(nod.new_client(), it.user_id).status_code == 200


def test_who_replays_a_denial_as_an_approval_gets_nothing(nod: Nod) -> None:
    """The answer is inside what is signed: nothing beside it changes it."""
    it = asked(nod, matching=False)
    shown = it.phone.fetch(it.notification.txlnkid, it.notification.txtkn)
    denial = it.phone.challenge_response(
        it.notification.c, accept=False, consent_digest=shown.consent_digest if shown else ""
    )

    answer = nod.http.post(
        "appliance-mfa/api/resolve-transaction",
        headers={"Authorization": f"Bearer {it.notification.txtkn}"},
        json={"challenge_response": denial, "auth0_guardian_accepted": True, "accepted": True},
    )

    assert answer.status_code == 204
    assert outcome(nod, it) == "access_denied"
