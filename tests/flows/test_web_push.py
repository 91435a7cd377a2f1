"""A browser is rung through its push service, and asks by itself when that has forgotten it."""

import base64
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from consent.identifiers import consent_id_of
from consent.web_push import topic
from scripts.embedded_redis import free_port
from scripts.guardian_messages import notification_from_fcm
from scripts.simulated_phone import PhoneError, SimulatedPhone
from tests.support.nod import Nod, OAuthClient, Process, answers, wait_for
from tests.support.provider import Provider, provider, tell
from tests.support.redis_server import RedisServer


class PushService:
    """The double as its own process, and the browsers whose pushes it holds."""

    def __init__(self, directory: Path) -> None:
        port, inbox_port = free_port(), free_port()
        self.ca_file = directory / "ca.pem"
        self._inbox = f"http://127.0.0.1:{inbox_port}"
        options = {"--directory": directory, "--port": port, "--inbox-port": inbox_port}
        arguments = [str(each) for option in options.items() for each in option]
        log = directory / "push_service.log"
        self._process = Process("scripts.doubles.web_push", {}, log, *arguments)

    def start(self) -> None:
        self._process.start()
        wait_for(lambda: answers(f"{self._inbox}/count"), "a push service")

    def stop(self) -> None:
        self._process.kill()

    def subscription(self, name: str, server_key: str) -> dict[str, Any]:
        """As a page sends it."""
        answer = httpx2.post(
            f"{self._inbox}/subscriptions/{name}", json={"applicationServerKey": server_key}
        )
        return {"service": "WEBPUSH", **answer.json()}

    def messages(self, name: str, wait: float = 10) -> list[dict[str, Any]]:
        """What a browser has got and read."""
        answer = httpx2.get(
            f"{self._inbox}/messages/{name}", params={"wait": wait}, timeout=wait + 10
        )
        return list(answer.json()["messages"])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PushService]:
    started = PushService(tmp_path_factory.mktemp("push_service"))
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def nod(
    redis_server: RedisServer, service: PushService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nod]:
    """It may call push services on loopback."""
    running = Nod(
        redis_server.database(16),  # a worker of another installation could not call this service
        Path(tmp_path_factory.mktemp("web_push")),
        outbound_allowed_networks="127.0.0.0/8,::1/128",
        outbound_ca_file=str(service.ca_file),
    )
    try:
        yield running.start()
    finally:
        running.stop()


class Person:
    """Somebody without a device yet, and a client that asks them."""

    def __init__(self, nod: Nod, service: PushService) -> None:
        self._nod, self._service = nod, service
        self.client: OAuthClient = nod.new_client()
        self.user_id = nod.new_user()

    def subscription(self, fault: str = "") -> tuple[str, dict[str, Any]]:
        """A new one: its name at the push service, and what a page says of it."""
        config = self._nod.http.get("authenticator/config.json").json()
        name = f"{fault}{secrets.token_hex(8)}"
        return name, self._service.subscription(name, config["vapid_public_key"])

    def enrolled(self, credentials: dict[str, Any]) -> httpx2.Response:
        """A browser with a key of its own."""
        key = SimulatedPhone(self._nod.http, self._nod.url)
        return self._nod.http.post(
            "appliance-mfa/api/enroll",
            json={
                "identifier": "browser",
                "name": "Firefox on Linux",
                "push_credentials": credentials,
                "public_key": key.public_jwk(),
                "capabilities": ["number_matching", "consent_digest", "holograms"],
            },
            headers={"Authorization": f'Ticket id="{self._nod.new_ticket(self.user_id)}"'},
        )

    def asked(self) -> str:
        return self._nod.accepted(self.client, self.user_id)

    def attempts(self, auth_req_id: str) -> list[dict[str, Any]]:
        """How they were rung, as the record of the request says."""
        path = f"consents/{consent_id_of(auth_req_id)}"
        wait_for(lambda: self._nod.admin("GET", path).json()["attempts"], "an attempt")
        return list(self._nod.admin("GET", path).json()["attempts"])


@pytest.fixture
def person(nod: Nod, service: PushService) -> Person:
    return Person(nod, service)


def test_a_browser_is_rung_and_its_person_approves(
    nod: Nod, service: PushService, person: Person
) -> None:
    """The message is encrypted, signed with the key the page subscribed with, and read there."""
    phone = nod.new_phone(person.user_id)
    name, credentials = person.subscription()
    changed = phone.update(push_credentials=credentials)
    del credentials["expirationTime"]
    assert changed["push_credentials"] == credentials

    auth_req_id = person.asked()

    [message] = service.messages(name)
    consent_id = consent_id_of(auth_req_id)
    assert (message["urgency"], message["topic"]) == ("high", topic(consent_id))
    assert 290 <= int(message["ttl"]) <= 300
    notification = notification_from_fcm(message["payload"]["notification"])
    assert notification is not None
    assert notification.txlnkid == consent_id
    assert "Pay 10" not in str(message), "a doorbell, never the question"
    phone.resolve(notification, accept=True)
    assert nod.poll(person.client, auth_req_id).status_code == 200


def test_a_browser_enrols_with_its_subscription(
    nod: Nod, service: PushService, person: Person
) -> None:
    name, credentials = person.subscription()

    answer = person.enrolled(credentials)
    assert answer.status_code == 201, answer.text
    auth_req_id = person.asked()

    [message] = service.messages(name)
    assert message["payload"]["notification"]["dai"] == answer.json()["id"]
    [attempt] = person.attempts(auth_req_id)
    assert (attempt["provider"], attempt["outcome"]) == ("webpush", "delivered")
    assert credentials["endpoint"] not in nod.logs()


def test_a_subscription_that_is_gone_is_retired_and_its_page_asks_by_itself(
    nod: Nod, person: Person
) -> None:
    """RFC 8030 7.3: and nobody's request ends for it, for the page may be open."""
    _, credentials = person.subscription("gone-")
    assert person.enrolled(credentials).status_code == 201

    outcomes = []
    for _ in range(2):
        auth_req_id = person.asked()
        [attempt] = person.attempts(auth_req_id)
        outcomes.append((attempt["provider"], attempt["outcome"]))
        assert nod.poll(person.client, auth_req_id).json()["error"] == "authorization_pending"

    assert outcomes == [("webpush", "unregistered"), ("pull", "no_provider")]


def test_a_browser_that_cannot_be_rung_is_asked_all_the_same(nod: Nod, person: Person) -> None:
    phone = nod.new_phone(person.user_id)
    changed = phone.update(push_credentials={"service": "NONE"})
    assert changed["push_credentials"] == {"service": "NONE"}

    auth_req_id = person.asked()

    assert [each["outcome"] for each in person.attempts(auth_req_id)] == ["no_provider"]
    [pending] = phone.pending()
    phone.resolve(pending, accept=True)
    assert nod.poll(person.client, auth_req_id).status_code == 200


@pytest.mark.parametrize(
    "endpoint", ["https://10.0.0.1/push", "http://push.example.com/", "https://a.example:8443/"]
)
def test_a_page_cannot_have_the_server_call_where_it_must_not(
    nod: Nod, person: Person, endpoint: str
) -> None:
    """T18, at both ways in."""
    _, credentials = person.subscription()
    credentials["endpoint"] = endpoint

    answer = person.enrolled(credentials)

    assert (answer.status_code, answer.json()["errorCode"]) == (400, "invalid_body")
    assert endpoint not in answer.text
    with pytest.raises(PhoneError) as caught:
        nod.new_phone(person.user_id).update(push_credentials=credentials)
    assert (caught.value.status, caught.value.error_code) == (400, "invalid_body")


def test_the_key_browsers_subscribe_with_outlives_a_start(redis_server: RedisServer) -> None:
    """A new one would silence every browser that subscribed with the old one."""
    found: list[str] = []

    async def story(nod: Provider) -> None:
        found.append(await nod.services.vapid_public_key())

    async def again(nod: Provider) -> None:
        await story(nod)
        async with provider(f"{redis_server.url.rpartition('/')[0]}/8") as restarted:
            await story(restarted)

    tell(redis_server.url, again)

    first, second = found
    assert first == second
    assert base64.urlsafe_b64decode(first + "=")[0] == 4
