"""What leaks when Redis is dumped or a log is read: nothing that opens anything (T22, T24)."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from consent.identifiers import consent_id_of
from scripts.simulated_phone import SimulatedPhone
from tests.support.nod import BOOTSTRAP, CIBA, Nod
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.xdist_group("secrets")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    started = RedisServer(tmp_path_factory.mktemp("secrets") / "redis").start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def nod(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nod]:
    directory: Path = tmp_path_factory.mktemp("secrets")
    started = Nod(server.url, directory, log_level="debug").start()
    yield started
    started.stop()


def played(nod: Nod) -> dict[str, str]:
    """Flows that end well and flows that end badly; every secret of theirs, by what it is."""
    client = nod.new_client()
    secrets = {"client secret": client.client_secret, "bootstrap secret": BOOTSTRAP[1]}
    for name, accept in (("approved", True), ("denied", False)):
        user_id = nod.new_user()
        ticket = nod.new_ticket(user_id)
        phone = SimulatedPhone(nod.http, nod.url)
        account = phone.enroll(ticket, push_token=f"canary-push-token-{name}")
        auth_req_id = nod.accepted(client, user_id)
        notification = nod.notified(phone)
        assert phone.fetch(notification.txlnkid, notification.txtkn) is not None
        phone.resolve(notification, accept=accept)
        answer = nod.poll(client, auth_req_id)
        secrets |= {
            f"ticket, {name}": ticket,
            f"device token, {name}": account.token,
            f"push token, {name}": account.push_token,
            f"auth_req_id, {name}": auth_req_id,
            f"transaction token, {name}": notification.txtkn,
        }
        if accept:
            secrets |= {
                kind: answer.json()[kind].rpartition(".")[2]
                for kind in ("access_token", "id_token")
            }
        nod.poll(client, auth_req_id)  # spent, or denied again
        _fail(nod, secrets[f"auth_req_id, {name}"], client.client_id, ticket)
    return secrets


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


def test_neither_redis_nor_a_log_holds_what_opens_anything(nod: Nod, server: RedisServer) -> None:
    secrets = played(nod)
    with redis.Redis.from_url(server.url) as client:
        directory = Path(client.config_get("dir")["dir"])
        stored = b"".join(path.read_bytes() for path in directory.rglob("*.aof"))
        held = b"".join(
            bytes(key) + (client.dump(key) or b"") for key in client.scan_iter(count=1000)
        )
        for key in client.scan_iter("rq:*"):
            assert not any(value.encode() in key for value in secrets.values())
    assert b"canary-push-token" in stored  # a phone's address is kept: it opens nothing
    for what, value in secrets.items():
        assert value not in nod.logs(), f"a log holds the {what}"
        if not what.startswith("push token"):
            assert value.encode() not in stored, f"the append-only file holds the {what}"
            assert value.encode() not in held, f"Redis holds the {what}"


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
