"""A push provider that is put over HTTP is used by workers that were already running."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from consent.identifiers import consent_id_of
from scripts.doubles.apns import KEY_ID, TEAM_ID, TOPIC
from scripts.simulated_phone import Style
from tests.support.nod import Nod, wait_for
from tests.support.redis_server import RedisServer

PUSH = "guardian/factors/push-notification"
APNS, FCM = f"{PUSH}/providers/apns", f"{PUSH}/providers/fcmv1"


@pytest.fixture(scope="module")
def nod(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nod]:
    """Its settings say where Apple and Google are, and name no credentials."""
    running = Nod(
        redis_server.database(12),
        Path(tmp_path_factory.mktemp("providers")),
        apns=True,
        person_requests_per_minute_max="1000",
        person_open_requests_max="1000",
    )
    for name in ("FCM_CREDENTIALS_FILE", "APNS_KEY_FILE", "APNS_KEY_ID", "APNS_TOPIC"):
        del running.environ[f"NOD_{name}"]
    try:
        yield running.start()
    finally:
        running.stop()


class Person:
    """Somebody with one phone, and a client that asks them."""

    def __init__(self, nod: Nod, style: Style) -> None:
        self._nod = nod
        self._client, self._user_id = nod.new_client(), nod.new_user()
        self.phone = nod.new_phone(self._user_id, style=style)

    def asked(self) -> httpx2.Response:
        return self._nod.start_request(self._client, self._user_id)

    def outcome(self) -> str:
        """What came of ringing them, as the record of the request says."""
        answer = self.asked()
        assert answer.status_code == 200, answer.text
        path = f"consents/{consent_id_of(answer.json()['auth_req_id'])}"
        wait_for(lambda: self._nod.admin("GET", path).json()["attempts"], "an attempt")
        return str(self._nod.admin("GET", path).json()["attempts"][0]["outcome"])

    def wait_until(self, outcome: str) -> None:
        """A worker hears of a change at once, but nobody is told when it has."""
        wait_for(lambda: self.outcome() == outcome, outcome)

    @property
    def pushes(self) -> int:
        return len(self._nod.pushes(self.phone, wait=0))


def put(nod: Nod, path: str, body: object) -> None:
    answer = nod.admin("PUT", path, body)
    assert answer.status_code == 200, answer.text


def remove(nod: Nod, path: str) -> None:
    assert nod.admin("DELETE", path).status_code == 204


def test_a_service_account_is_taken_up_and_let_go_by_a_running_worker(nod: Nod) -> None:
    person = Person(nod, "android")
    assert person.outcome() == "no_provider"

    put(nod, FCM, {"server_credentials": (nod.directory / "fcm.json").read_text()})
    person.wait_until("delivered")
    assert person.pushes == 1

    remove(nod, FCM)
    person.wait_until("no_provider")
    assert nod.admin("GET", FCM).json()["enabled"] is False


def test_apple_is_shown_a_certificate_or_a_signed_token(nod: Nod) -> None:
    person, files = Person(nod, "ios"), nod.directory / "apns"
    assert person.outcome() == "no_provider"

    p12 = base64.b64encode((files / "apns.p12").read_bytes()).decode()
    put(nod, APNS, {"p12": p12, "sandbox": False})
    person.wait_until("delivered")

    signing = {"p8": (files / "apns.p8").read_text(), "key_id": KEY_ID, "team_id": TEAM_ID}
    put(nod, APNS, {**signing, "bundle_id": "org.example.other"})
    person.wait_until("rejected")
    answer = nod.admin("PATCH", APNS, {"bundle_id": TOPIC})
    assert answer.json() == {"sandbox": False, "bundle_id": TOPIC}
    before = person.pushes
    person.wait_until("delivered")
    assert person.pushes == before + 1

    remove(nod, APNS)
    person.wait_until("no_provider")


def test_nobody_is_asked_while_the_factor_is_off(nod: Nod) -> None:
    """As of somebody without a phone (auth0-wire 1.2)."""
    person = Person(nod, "android")
    put(nod, PUSH, {"enabled": False})
    answer = person.asked()
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "notification channels" in answer.json()["error_description"]

    put(nod, PUSH, {"enabled": True})
    assert person.asked().status_code == 200


def test_no_credentials_are_in_the_logs(nod: Nod) -> None:
    account = json.loads((nod.directory / "fcm.json").read_text())
    put(nod, FCM, {"server_credentials": json.dumps(account)})
    p8 = (nod.directory / "apns" / "apns.p8").read_text()
    for key in (account["private_key"], p8):
        assert key.splitlines()[1] not in nod.logs()
    assert account["client_email"] not in nod.logs()
    remove(nod, FCM)
