"""
Processes killed at the worst moments, chosen by a proxy that sees every command to Redis.

A worker between its claim and its send, or between the provider's answer and its report; an API
between the claim of a redemption and its answer, or between its answer and the mark of delivery.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
import redis

from consent import policy
from consent.identifiers import consent_id_of
from consent.store.keys import Partition
from consent.store.scripts import SHA1
from consent.tokens import redemption_jti
from scripts.guardian_messages import Notification
from scripts.simulated_phone import SimulatedPhone
from tests.support.nod import CIBA, Nod, OAuthClient, wait_for
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.xdist_group("crash_points")
# The lease runs out, a sweeper comes by, and a process has been started again meanwhile.
RUNG_AGAIN_SECONDS = policy.LEASE_MS / 1_000 + 4


class Proxied:
    """A Nod with one worker; every command of its processes passes the proxy."""

    def __init__(self, nod: Nod, proxy: Proxy, server: RedisServer) -> None:
        self.nod, self.proxy, self.server = nod, proxy, server
        self.client: OAuthClient = nod.new_client()

    def phone(self) -> tuple[str, SimulatedPhone]:
        user_id = self.nod.new_user()
        return user_id, self.nod.new_phone(user_id)

    def arm(self, script: str, fault: Fault, consent_id: str) -> None:
        """From now on this script on this consent meets the fault."""
        sha1, name = SHA1[script].encode(), consent_id.encode()

        def choose(_number: int, command: list[bytes]) -> Fault | None:
            hit = command[:2] == [b"EVALSHA", sha1] and any(name in word for word in command)
            return fault if hit else None

        self.proxy.caught.clear()
        self.proxy.choose = choose

    def disarm(self) -> None:
        self.proxy.choose = lambda _number, _command: None

    def field(self, consent_id: str, field: str) -> str:
        with redis.Redis.from_url(self.server.url) as client:
            key = Partition.of(consent_id).consent(consent_id)
            return (client.hget(key, field) or b"").decode()

    def restart_worker(self) -> None:
        (worker,) = self.nod.workers
        worker.kill()
        self.disarm()
        worker.start()

    def restart_api(self) -> None:
        self.nod.api.kill()
        self.disarm()
        self.nod.api.start()
        self.nod.wait_until_ready()

    def redeemed(self, auth_req_id: str) -> dict[str, Any]:
        """Poll as a client does until there are tokens."""
        answers: list[httpx2.Response] = []

        def is_redeemed() -> bool:
            answers.append(self.nod.poll(self.client, auth_req_id))
            assert answers[-1].status_code == 200 or answers[-1].json()["error"] == "slow_down"
            return bool(answers[-1].status_code == 200)

        wait_for(is_redeemed, "the token set")
        return dict(answers[-1].json())


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    directory: Path = tmp_path_factory.mktemp("crash_points")
    server = RedisServer(directory / "redis").start()
    with Proxy(server.port) as proxy:
        nod = Nod(proxy.url, directory / "nod", poll_interval_seconds="1").start()
        yield Proxied(nod, proxy, server)
        nod.stop()
    server.stop()


def _approve(phone: SimulatedPhone, notification: Notification) -> None:
    phone.resolve(notification, accept=True)


def test_a_worker_killed_around_its_send_is_made_good(proxied: Proxied) -> None:
    """
    F3, I9: killed after the provider has accepted and before the report, the phone is rung once
    more; killed after the claim and before the send, it is rung for the first time. Both are
    over within the lease and one sweep, and each is one request with one token set.
    """
    nod = proxied.nod
    (told_user, told_phone), (untold_user, untold_phone) = proxied.phone(), proxied.phone()

    # The consent's id is not known before it is accepted, so every report waits.
    proxied.arm("report", Fault.HOLD, "")
    told = nod.accepted(proxied.client, told_user)
    assert len(nod.pushes(told_phone)) == 1
    assert proxied.proxy.caught.wait(10)
    killed_at = time.monotonic()
    proxied.restart_worker()

    proxied.arm("claim", Fault.SILENCE, "")
    untold = nod.accepted(proxied.client, untold_user)
    assert proxied.proxy.caught.wait(10)
    assert nod.pushes(untold_phone, wait=0) == []
    untold_killed_at = time.monotonic()
    proxied.restart_worker()

    again = nod.pushes(told_phone, after=1, wait=RUNG_AGAIN_SECONDS)
    told_after = time.monotonic() - killed_at
    first = nod.pushes(untold_phone, wait=RUNG_AGAIN_SECONDS)
    untold_after = time.monotonic() - untold_killed_at
    assert len(again) == 1
    assert len(first) == 1
    assert told_after < RUNG_AGAIN_SECONDS
    assert untold_after < RUNG_AGAIN_SECONDS

    for auth_req_id, phone in ((told, told_phone), (untold, untold_phone)):
        wait_for(lambda id_=auth_req_id: proxied.field(consent_id_of(id_), "handed_over_at") != "",
                 "the report")  # fmt: skip
        assert proxied.field(consent_id_of(auth_req_id), "state") == "pending"
        _approve(phone, nod.notified(phone))
        assert proxied.redeemed(auth_req_id)["access_token"]
    assert len(nod.pushes(told_phone, wait=0)) == 2
    assert len(nod.pushes(untold_phone, wait=0)) == 1


def test_an_api_killed_between_claim_and_answer_does_not_eat_the_approval(
    proxied: Proxied,
) -> None:
    """F1, T6: the next poll gets the token set of the claim that was made, and nobody another."""
    nod = proxied.nod
    user_id, phone = proxied.phone()
    auth_req_id = nod.accepted(proxied.client, user_id)
    consent_id = consent_id_of(auth_req_id)
    _approve(phone, nod.notified(phone))
    proxied.arm("poll", Fault.SILENCE, consent_id)
    with pytest.raises(httpx2.TransportError), httpx2.Client(base_url=nod.url) as http:
        _poll_and_kill(proxied, http, auth_req_id)
    redeemed_at_ms = int(proxied.field(consent_id, "redeemed_at"))
    assert proxied.field(consent_id, "state") == "redeemed"
    proxied.disarm()
    nod.api.start()
    nod.wait_until_ready()

    tokens = proxied.redeemed(auth_req_id)
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert (claims["jti"], claims["iat"]) == (redemption_jti(consent_id), redeemed_at_ms // 1_000)
    wait_for(lambda: proxied.field(consent_id, "delivered_at") != "", "the mark")
    assert nod.poll(proxied.client, auth_req_id).json()["error"] == "invalid_grant"


def _poll_and_kill(proxied: Proxied, http: httpx2.Client, auth_req_id: str) -> None:
    """Send a poll and kill the API while it waits for the reply to its claim."""

    def kill() -> None:
        proxied.proxy.caught.wait(10)
        proxied.nod.api.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        form = {
            "grant_type": CIBA,
            "auth_req_id": auth_req_id,
            **proxied.client.post,
        }
        http.post("oauth/token", data=form)
    finally:
        killer.join()


def test_an_api_killed_before_the_mark_of_delivery_repeats_the_same_tokens(
    proxied: Proxied,
) -> None:
    """T5: byte for byte the same token set to the same client, and then nothing any more."""
    nod = proxied.nod
    user_id, phone = proxied.phone()
    auth_req_id = nod.accepted(proxied.client, user_id)
    consent_id = consent_id_of(auth_req_id)
    _approve(phone, nod.notified(phone))
    proxied.arm("delivered", Fault.HOLD, consent_id)
    first = nod.poll(proxied.client, auth_req_id)
    assert first.status_code == 200
    assert proxied.proxy.caught.wait(10)
    assert proxied.field(consent_id, "delivered_at") == ""
    proxied.restart_api()

    stranger = nod.new_client()
    assert nod.poll(stranger, auth_req_id).json()["error"] == "invalid_grant"
    second = proxied.redeemed(auth_req_id)
    assert second["access_token"] == first.json()["access_token"]
    assert second["id_token"] == first.json()["id_token"]
    wait_for(lambda: proxied.field(consent_id, "delivered_at") != "", "the mark")
    assert nod.poll(proxied.client, auth_req_id).json()["error"] == "invalid_grant"


def test_a_client_that_hung_up_before_its_answer_finds_it_when_it_polls_again(
    proxied: Proxied,
) -> None:
    """An answer that left for nobody is no delivery."""
    nod = proxied.nod
    user_id, phone = proxied.phone()
    auth_req_id = nod.accepted(proxied.client, user_id)
    consent_id = consent_id_of(auth_req_id)
    _approve(phone, nod.notified(phone))
    proxied.proxy.delay_seconds = lambda: 0.5
    form = {"grant_type": CIBA, "auth_req_id": auth_req_id, **proxied.client.post}
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"{nod.url}oauth/token", data=form, timeout=0.25)
    wait_for(lambda: proxied.field(consent_id, "state") == "redeemed", "the claim")
    proxied.proxy.delay_seconds = lambda: 0.0

    assert proxied.redeemed(auth_req_id)["access_token"]
    assert nod.poll(proxied.client, auth_req_id).json()["error"] == "invalid_grant"
