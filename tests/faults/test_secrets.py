"""What leaks when Redis is dumped or a log is read: nothing that opens anything (T22, T24)."""

import json
import re
import secrets
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx2
import msgspec
import pytest
import redis
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from consent import number_matching
from consent.identifiers import b64url, consent_id_of
from consent.mailbox import mailbox_token
from consent.push_providers import WEB_PUSH, FactorRecord, WebPushProvider, unsealed
from consent.seal import Seal
from consent.store import keys
from consent.tenant import TENANT_ID, Tenant
from scripts.doubles.mail import PASSWORD, USER
from scripts.embedded_redis import free_port
from scripts.guardian_messages import notification_from_fcm
from scripts.simulated_phone import CAPABILITIES, Account, SimulatedPhone
from tests.support.mailbox_page import MailboxPage
from tests.support.nod import BOOTSTRAP, CIBA, Nod, OAuthClient, Process, answers, wait_for
from tests.support.provider import ISSUER, Provider, tell
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.xdist_group("secrets")

NUMBER = "canary-number-4711-0815"
# What Redis keeps as it is: where a device is rung, and what a receipt shows to others.
_KEPT = ("push token", "subscription", "signed answer")


class MailServer:
    """The double as its own process; what it says of itself is in no log of Nod."""

    def __init__(self, directory: Path) -> None:
        port, inbox_port = free_port(), free_port()
        self._inbox = f"http://127.0.0.1:{inbox_port}"
        self.url = f"smtp://{quote(USER)}:{quote(PASSWORD)}@127.0.0.1:{port}"
        self.ca_file = directory / "ca.pem"
        options = {"--directory": directory, "--port": port, "--inbox-port": inbox_port}
        arguments = [str(each) for option in options.items() for each in option]
        self._process = Process("scripts.doubles.mail", {}, directory / "log", *arguments)

    def start(self) -> "MailServer":
        self._process.start()
        wait_for(lambda: answers(f"{self._inbox}/count"), "a mail server")
        return self

    def stop(self) -> None:
        self._process.kill()

    def mailbox_token(self, email: str) -> str:
        """What the mail to somebody holds."""
        answer = httpx2.get(f"{self._inbox}/messages/{email}", params={"wait": 10}, timeout=20)
        [mail] = answer.json()["messages"]
        found = re.search(r"&mailbox=(\S+)", mail["text"])
        assert found
        return found[1]


class Phone(SimulatedPhone):
    """Remembers what it has signed."""

    signed_answer = ""

    def challenge_response(
        self,
        challenge: str,
        accept: bool,
        reason: str | None = None,
        **beyond_the_sdks: str,
    ) -> str:
        self.signed_answer = super().challenge_response(
            challenge, accept, reason, **beyond_the_sdks
        )
        return self.signed_answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    started = RedisServer(tmp_path_factory.mktemp("secrets") / "redis").start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    started = MailServer(tmp_path_factory.mktemp("secrets_mail"))
    try:
        yield started.start()
    finally:
        started.stop()


@pytest.fixture(scope="module")
def nod(
    server: RedisServer, mail: MailServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nod]:
    """It may call push services on loopback."""
    directory: Path = tmp_path_factory.mktemp("secrets")
    started = Nod(
        server.url,
        directory,
        log_level="debug",
        outbound_allowed_networks="127.0.0.0/8",
        smtp_url=mail.url,
        smtp_from="nod@example.org",
        smtp_ca_file=str(mail.ca_file),
    ).start()
    yield started
    started.stop()


def played(nod: Nod, mail: MailServer) -> dict[str, str]:
    """Flows that end well and flows that end badly; every secret of theirs, by what it is."""
    client = nod.new_client()
    found = {
        "client secret": client.client_secret,
        "bootstrap secret": BOOTSTRAP[1],
        "password of the mail server": PASSWORD,
    }
    for name, accept in (("approved", True), ("denied", False)):
        user_id = nod.new_user()
        ticket = nod.new_ticket(user_id)
        assert nod.http.get("mfa/enrollment", params={"ticket": ticket}).status_code == 200
        phone = Phone(nod.http, nod.url)
        account = phone.enroll(ticket, push_token=f"canary-push-token-{name}")
        auth_req_id = nod.accepted(client, user_id)
        notification = nod.notified(phone)
        assert phone.fetch(notification.txlnkid, notification.txtkn) is not None
        phone.resolve(notification, accept=accept)
        answer = nod.poll(client, auth_req_id)
        found |= {
            f"ticket, {name}": ticket,
            f"device token, {name}": account.token,
            f"push token, {name}": account.push_token,
            f"auth_req_id, {name}": auth_req_id,
            f"transaction token, {name}": notification.txtkn,
            **_parts("signed answer" if accept else "signed denial", phone.signed_answer),
        }
        if accept:
            found |= {
                kind: answer.json()[kind].rpartition(".")[2]
                for kind in ("access_token", "id_token")
            }
        nod.poll(client, auth_req_id)  # spent, or denied again
        _fail(nod, auth_req_id, client.client_id, ticket)
    return found | _browser(nod, client) | _mailbox(nod, mail) | _matched(nod)


def _parts(what: str, jws: str) -> dict[str, str]:
    """A part alone would tell as much as the whole."""
    _, payload, signature = jws.split(".")
    return {f"{what}, payload": payload, f"{what}, signature": signature}


def _fail(nod: Nod, auth_req_id: str, client_id: str, ticket: str) -> None:
    """The same secrets where they do not belong: refused, and logged without them."""
    form = {"grant_type": CIBA, "auth_req_id": auth_req_id}
    assert nod.http.post("oauth/token", data=form, auth=(client_id, ticket)).status_code == 401
    assert nod.http.post("bc-authorize", data={"login_hint": auth_req_id}).status_code == 401
    for path in (auth_req_id, ticket):
        assert nod.http.get(f"rich-consents/{path}").status_code >= 400
    headers = {"Authorization": f'Ticket id="{ticket}"'}
    answer = nod.http.post("appliance-mfa/api/enroll", json={"x": auth_req_id}, headers=headers)
    assert answer.status_code == 400


def _browser(nod: Nod, client: OAuthClient) -> dict[str, str]:
    """A browser whose push service does not answer, with the right ticket and with a spent one."""
    user_id = nod.new_user()
    ticket = nod.new_ticket(user_id)
    point = (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    )
    path = f"canary-endpoint-{secrets.token_urlsafe(24)}"
    its_keys = {"p256dh": b64url(point), "auth": secrets.token_urlsafe(16)}
    phone = SimulatedPhone(nod.http, nod.url)
    body = {
        "identifier": "browser",
        "name": "Firefox",
        "push_credentials": {
            "service": "WEBPUSH",
            "endpoint": f"https://127.0.0.1:{free_port()}/{path}",
            "keys": its_keys,
        },
        "public_key": phone.public_jwk(),
    }
    headers = {"Authorization": f'Ticket id="{ticket}"'}
    enrolled = nod.http.post("appliance-mfa/api/enroll", json=body, headers=headers)
    assert enrolled.status_code == 201, enrolled.text
    body["public_key"] = SimulatedPhone(nod.http, nod.url).public_jwk()
    again = nod.http.post("appliance-mfa/api/enroll", json=body, headers=headers)
    assert again.status_code >= 400
    consent = f"consents/{consent_id_of(nod.accepted(client, user_id))}"
    wait_for(lambda: nod.admin("GET", consent).json()["attempts"], "an attempt")
    [attempt] = nod.admin("GET", consent).json()["attempts"]
    assert (attempt["provider"], attempt["outcome"]) == ("webpush", "retry")
    return {
        "ticket of a browser": ticket,
        "token of a browser": enrolled.json()["token"],
        "subscription, path": path,
        **{f"subscription, {name}": key for name, key in its_keys.items()},
    }


def _mailbox(nod: Nod, mail: MailServer) -> dict[str, str]:
    """A link that opens once, is refused to another key, and answers."""
    assert nod.admin("PATCH", "tenants/settings", {"mailbox_approval": True}).status_code == 200
    email = f"{uuid.uuid4().hex}@example.com"
    user_id = nod.new_user(email=email, email_verified=True)
    client = nod.new_client(async_approval_notification_channels=["email"])
    auth_req_id = nod.accepted(client, user_id, requested_expiry="3600")
    token = mail.mailbox_token(email)
    headers = {"Authorization": f"Mailbox {token}"}
    phone, other = Phone(nod.http, nod.url), Phone(nod.http, nod.url)
    opened, refused = (
        nod.http.post(
            "appliance-mfa/api/mailbox", json={"public_key": it.public_jwk()}, headers=headers
        )
        for it in (phone, other)
    )
    assert (opened.status_code, refused.status_code) == (201, 409)
    device_id = opened.json()["id"]
    phone.account = Account(
        style="ec",
        base_url=nod.url,
        identifier=device_id,
        push_token="",
        private_key="",
        id=device_id,
        user_id="",
        token="",
        issuer="",
    )
    notification = notification_from_fcm(opened.json()["notification"])
    assert notification is not None
    shown = phone.fetch(notification.txlnkid, notification.txtkn)
    phone.resolve(notification, accept=True, consent=shown)
    assert nod.poll(client, auth_req_id).status_code == 200
    return {
        **_parts("mailbox token", token),
        **_parts("signed answer of a mailbox", phone.signed_answer),
        "transaction token of a mailbox": notification.txtkn,
    }


def _matched(nod: Nod) -> dict[str, str]:
    """A number that is typed, and a receipt of the approval."""
    client, user_id = nod.new_client(number_matching=True), nod.new_user()
    phone = Phone(nod.http, nod.url)
    phone.enroll(nod.new_ticket(user_id), capabilities=CAPABILITIES)
    asked = nod.start_request(client, user_id).json()
    [notification] = phone.pending()
    shown = phone.fetch(notification.txlnkid, notification.txtkn)
    number = asked["matching_number"]
    phone.resolve(notification, accept=True, consent=shown, number=number)
    form = {"auth_req_id": asked["auth_req_id"]}
    receipt = nod.http.post("oauth/receipt", data=form, auth=client.basic)
    assert receipt.status_code == 200, receipt.text
    return {
        **_parts("signed answer with a number", phone.signed_answer),
        **_parts("receipt", receipt.json()["receipt"]),
    }


def _vapid_key(nod: Nod, client: redis.Redis) -> dict[str, str]:
    """Of this installation, as whoever has its secret key can read it."""
    stored = client.hget(keys.FACTORS, WEB_PUSH)
    assert stored is not None
    seal = Seal(nod.environ["NOD_SECRET_KEY"])
    record = msgspec.json.decode(stored, type=FactorRecord)
    pem = unsealed(WEB_PUSH, record, WebPushProvider, seal).private_key
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    number = key.private_numbers().private_value
    return {
        "VAPID key, PEM": pem.splitlines()[1],
        "VAPID key, JWK": b64url(number.to_bytes(32)),
        "VAPID key, number": str(number),
    }


def _audit_events(client: redis.Redis) -> str:
    """What waits to be logged, then the log: nothing is missed that is moved between the two."""
    streams = [*client.scan_iter("nod:*:events"), keys.LOG_RECORDS]
    return repr([client.xrange(stream) for stream in streams])


def test_neither_redis_nor_a_log_holds_what_opens_anything(
    nod: Nod, server: RedisServer, mail: MailServer
) -> None:
    found = played(nod, mail)
    with redis.Redis.from_url(server.url) as client:
        found |= _vapid_key(nod, client)
        directory = Path(client.config_get("dir")["dir"])
        stored = b"".join(path.read_bytes() for path in directory.rglob("*.aof"))
        held = b"".join(
            bytes(key) + (client.dump(key) or b"") for key in client.scan_iter(count=1000)
        )
        told = _audit_events(client)
        for key in client.scan_iter("rq:*"):
            assert not any(value.encode() in key for value in found.values())
    for what, value in found.items():
        assert len(value) > 8, "what is short is found by chance"
        assert value not in nod.logs(), f"a log holds the {what}"
        assert value not in told, f"the audit trail holds the {what}"
        if what.startswith(_KEPT):
            assert value.encode() in stored, f"a search of Redis would not find the {what}"
        else:
            assert value.encode() not in stored, f"the append-only file holds the {what}"
            assert value.encode() not in held, f"Redis holds the {what}"
    assert "gd_mailbox_opened" in told
    assert "mailbox_token" not in nod.logs()
    assert "matching_number" not in nod.logs()
    assert "matching_number" not in told


def test_the_number_is_told_to_the_client_alone(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T36: who reads a log, the audit trail or the record of a request could type it."""
    monkeypatch.setattr(number_matching, "new_matching_number", lambda: NUMBER)

    async def story(nod: Provider) -> None:
        tenant = Tenant(mailbox_approval=True)
        await nod.services.directory.write(keys.TENANT, TENANT_ID, tenant)
        for typed in ("", "43", NUMBER):
            await _ask_and_type(nod, typed)

    with structlog.testing.capture_logs() as lines:
        tell(
            server.url,
            story,
            smtp_url="smtp://127.0.0.1:1",  # nobody writes here
            smtp_from="nod@example.org",
            bootstrap_client_id=BOOTSTRAP[0],
            bootstrap_client_secret=BOOTSTRAP[1],
        )
    assert lines
    assert NUMBER not in json.dumps(lines, default=repr)
    with redis.Redis.from_url(server.database(8)) as client:
        told = _audit_events(client)
    assert "gd_auth_succeed" in told
    assert "gd_auth_rejected" in told
    assert NUMBER not in told


async def _ask_and_type(nod: Provider, typed: str) -> None:
    """A request that is opened from its mail; whoever may look at it sees no number."""
    person = await nod.person(email="ann@example.com", email_verified=True)
    client = await nod.client(number_matching=True, async_approval_notification_channels=["email"])
    asked = await nod.post(
        "bc-authorize",
        client,
        scope="openid",
        binding_message="Pay 10",
        login_hint=json.dumps({"format": "iss_sub", "iss": ISSUER, "sub": person.user_id}),
    )
    assert asked.json()["matching_number"] == NUMBER, asked.text
    consent_id = consent_id_of(asked.json()["auth_req_id"])
    page = MailboxPage(nod)
    opened = await page.open(
        mailbox_token(
            seal=nod.services.seal,
            issuer=ISSUER,
            consent_id=consent_id,
            address="ann@example.com",
            expires_at_seconds=int(nod.now()) + 60,
        )
    )
    shown = await page.fetch()
    answered = await page.resolve(number=typed)
    assert answered.status_code == (204 if typed == NUMBER else 403), answered.text
    records = [await _admin(nod, f"consents/{consent_id}"), await _admin(nod, "consents")]
    for it in (opened, shown, answered, *records):
        assert NUMBER not in it.text
        assert "matching_number" not in it.text
    assert consent_id in records[1].text


async def _admin(nod: Provider, path: str) -> httpx2.Response:
    form = {"grant_type": "client_credentials", "audience": f"{ISSUER}api/v2/"}
    token = await nod.http.post("oauth/token", data=form, auth=BOOTSTRAP)
    headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
    answer = await nod.http.get(f"api/v2/{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def test_the_queue_carries_ids_and_nothing_else(nod: Nod, server: RedisServer) -> None:
    """Finished jobs leave nothing; one that waits holds consent ids, and a word for people."""
    client, user_id = nod.new_client(), nod.new_user()
    nod.new_phone(user_id)
    (worker,) = nod.workers
    worker.kill()
    auth_req_id = nod.accepted(client, user_id, binding_message="canary message")
    try:
        with redis.Redis.from_url(server.url) as queue:
            (key,) = queue.scan_iter("rq:job:*")
            fields = queue.hgetall(key)
        job = b" ".join([*fields.values(), zlib.decompress(fields[b"data"])])
        assert b"canary" not in job
        assert user_id.encode() not in job
        assert auth_req_id.encode() not in job
        assert consent_id_of(auth_req_id).encode() in job
    finally:
        worker.start()
        nod.wait_until_ready()
