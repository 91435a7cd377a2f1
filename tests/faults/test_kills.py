"""
kill -9 of any process, at any moment, under load: nothing that was accepted is lost.

What the clients, the phones and the provider saw is compared in the end (I1, I2, I3, I8, I9, I10).
`TEST_KILLS` sets how many processes are killed.
"""

import collections
import dataclasses
import itertools
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx2
import jwt
import pytest

from consent.identifiers import consent_id_of
from scripts.guardian_messages import Notification, notification_from_fcm
from scripts.simulated_phone import PhoneError, SimulatedPhone
from tests.support.nod import CIBA, Nod, OAuthClient, Process, wait_for
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.xdist_group("kills")
KILLS = int(os.environ.get("TEST_KILLS", "25"))
PEOPLE = 12
PATIENCE_SECONDS = 30.0  # no step of a request takes longer, whatever dies
RECOVERY_SECONDS = 5.0
DEFINITE_SECONDS = 2.0
EXPECTED_STATUS = {200, 201, 204, 400, 403, 404, 409, 429, 503}


@dataclasses.dataclass
class World:
    nod: Nod
    server: RedisServer


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory: Path = tmp_path_factory.mktemp("kills")
    server = RedisServer(directory / "redis").start()
    nod = Nod(
        server.url,
        directory / "nod",
        workers=2,
        poll_interval_seconds="1",
        person_requests_per_minute_max="1000",
        person_open_requests_max="1000",
    ).start()
    yield World(nod, server)
    nod.stop()
    server.stop()


@dataclasses.dataclass
class Request:
    """One request as its client saw it."""

    auth_req_id: str
    approve: bool
    accepted_at: float
    pushed_at: float = 0.0
    access_tokens: list[str] = dataclasses.field(default_factory=list)
    errors: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    @property
    def consent_id(self) -> str:
        return consent_id_of(self.auth_req_id)


class Load:
    """People who are asked, each in a thread, by a client that does not give up."""

    def __init__(self, nod: Nod) -> None:
        self.nod = nod
        self.client: OAuthClient = nod.new_client()
        self.requests: list[Request] = []
        self.statuses: collections.Counter[int] = collections.Counter()
        self.defects: list[BaseException] = []
        self._stop = threading.Event()
        self._http = httpx2.Client(
            base_url=nod.url, timeout=10, event_hooks={"response": [self._count]}
        )
        self._fcm = httpx2.Client(base_url=nod.fcm_url, timeout=20)
        users = [nod.new_user() for _ in range(PEOPLE)]
        self.phones = [nod.new_phone(user_id) for user_id in users]
        self._threads = [
            threading.Thread(target=self._live, args=(user_id, phone))
            for user_id, phone in zip(users, self.phones, strict=True)
        ]

    def _count(self, response: httpx2.Response) -> None:
        self.statuses[response.status_code] += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever has begun is brought to its end."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _live(self, user_id: str, phone: SimulatedPhone) -> None:
        own = SimulatedPhone(self._http, self.nod.url, account=phone.account)
        try:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                self._one(user_id, own, approve=number % 3 != 2)
        except BaseException as error:  # noqa: BLE001 - the test raises it
            self.defects.append(error)

    def _one(self, user_id: str, phone: SimulatedPhone, *, approve: bool) -> None:
        answer = self._insist(lambda: start(self._http, self.nod, self.client, user_id))
        request = Request(answer.json()["auth_req_id"], approve, time.monotonic())
        self.requests.append(request)
        notification = self._rung(phone, request)
        self._insist(lambda: phone.resolve(notification, accept=approve))
        self._insist(lambda: self._end(request))

    def _insist(self, step: Callable[[], Any]) -> Any:  # noqa: ANN401 - typed by its step
        """Repeat what a dead process or a busy one did not answer."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                result = step()
                if result is not Again:
                    return result
            except httpx2.TransportError:
                pass
            except PhoneError as error:
                assert error.status == 503, error  # noqa: PT017 - others are its business
            assert time.monotonic() < deadline, "this took too long"
            time.sleep(0.05)

    def _rung(self, phone: SimulatedPhone, request: Request) -> Notification:
        deadline = time.monotonic() + PATIENCE_SECONDS
        seen = 0
        while True:
            for message in self.messages(phone, after=seen, wait=5):
                seen += 1
                notification = notification_from_fcm(message["data"])
                if notification is not None and notification.txlnkid == request.consent_id:
                    request.pushed_at = time.monotonic()
                    return notification
            assert time.monotonic() < deadline, "a phone was never rung"

    def messages(self, phone: SimulatedPhone, *, after: int = 0, wait: float = 0) -> list[Any]:
        assert phone.account is not None
        answer = self._fcm.get(
            f"/messages/{phone.account.push_token}", params={"after": after, "wait": wait}
        )
        return list(answer.json()["messages"])

    def _end(self, request: Request) -> Any:  # noqa: ANN401 - what was answered, or Again
        form = {"grant_type": CIBA, "auth_req_id": request.auth_req_id}
        answer = self._http.post("oauth/token", data=form, auth=self.client.basic)
        if answer.status_code == 200:
            request.access_tokens.append(answer.json()["access_token"])
            return answer
        error = answer.json()["error"]
        request.errors[error] += 1
        return Again if error in {"slow_down", "temporarily_unavailable"} else answer

    def close(self) -> None:
        self._http.close()
        self._fcm.close()

    def check_again(self) -> None:
        """Every client polls once more, now that everything is over."""
        for request in self.requests:
            self._insist(partial(self._end, request))


class Again:
    """A step has been answered, but not for good."""


def start(http: httpx2.Client, nod: Nod, client: OAuthClient, user_id: str) -> Any:  # noqa: ANN401 - the answer, or Again
    form = {"scope": "openid", "binding_message": "1", "login_hint": nod.login_hint(user_id)}
    answer = http.post("bc-authorize", data=form, auth=client.basic)
    assert answer.status_code in {200, 503}, answer.text
    return answer if answer.status_code == 200 else Again


def _kill_and_start(processes: list[Process]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.start()


def test_nothing_accepted_is_lost_whatever_is_killed(world: World) -> None:
    nod = world.nod
    chance = random.Random(7)
    worker_kills: list[float] = []
    everything = [nod.api, *nod.workers]
    killed = 0
    with Load(nod) as load:
        while killed < KILLS:
            time.sleep(chance.uniform(0.2, 0.9))
            victims = chance.choice([*[[process] for process in everything], everything])
            _kill_and_start(victims)
            killed += len(victims)
            worker_kills += [time.monotonic()] * len([v for v in victims if v is not nod.api])
    _kill_and_start(everything)
    since = time.monotonic()
    nod.wait_until_ready()
    recovery_seconds = time.monotonic() - since
    load.check_again()
    pushes = collections.Counter(
        message["data"]["txlnkid"] for phone in load.phones for message in load.messages(phone)
    )
    load.close()

    assert load.defects == []
    requests = load.requests
    delays = sorted(request.pushed_at - request.accepted_at for request in requests)
    sys.stdout.write(
        f"\n{killed} killed, {len(requests)} requests, {sum(pushes.values())} pushes, slowest push"
        f" {delays[-1]:.1f} s, recovery {recovery_seconds:.1f} s, answers {dict(load.statuses)}\n"
    )
    assert len(requests) >= 2 * KILLS
    assert load.statuses.keys() <= EXPECTED_STATUS
    for request in requests:
        crashes = len([at for at in worker_kills if request.accepted_at - 1 < at])
        assert 1 <= pushes[request.consent_id] <= 1 + crashes
        if request.approve:
            assert len(set(request.access_tokens)) == 1
            (jti,) = {
                jwt.decode(token, options={"verify_signature": False})["jti"]
                for token in request.access_tokens
            }
            assert jti
        else:
            assert request.access_tokens == []
            assert request.errors["access_denied"] >= 1
    # A repeated push is the exception: it takes a kill between the send and its report.
    repeated = [consent_id for consent_id, count in pushes.items() if count > 1]
    assert len(repeated) <= len(worker_kills)
    assert recovery_seconds < RECOVERY_SECONDS


def _start_ended(process: Process) -> bool:
    """As a supervisor would: a process that has ended is started again."""
    if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return False
    process.end()
    process.start()
    return True


@pytest.mark.parametrize("away_seconds", [1.0, 3.0])
def test_while_redis_is_away_everybody_is_told_to_come_back(
    world: World, away_seconds: float
) -> None:
    """F9: 503 with Retry-After within two seconds and no other error; then all goes on."""
    nod = world.nod
    client, user_id = nod.new_client(), nod.new_user()
    phone = nod.new_phone(user_id)
    accepted = [nod.accepted(client, user_id) for _ in range(3)]
    world.server.kill()
    back_at = time.monotonic() + away_seconds
    while time.monotonic() < back_at:
        for ask in (
            partial(nod.start_request, client, user_id),
            partial(nod.poll, client, accepted[0]),
            partial(nod.http.get, "readyz"),
        ):
            since = time.monotonic()
            answer = ask()
            assert time.monotonic() - since < DEFINITE_SECONDS
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            assert answer.json()["error"] in {"temporarily_unavailable", "not_ready"}
    assert nod.http.get("healthz").status_code == 200
    world.server.start()
    since = time.monotonic()
    nod.wait_until_ready()
    wait_for(lambda: nod.start_request(client, user_id).status_code == 200, "a start")
    assert time.monotonic() - since < RECOVERY_SECONDS
    restarted = [_start_ended(worker) for worker in nod.workers]
    sys.stdout.write(f"\naway {away_seconds} s, workers that ended: {sum(restarted)}\n")

    wanted = {consent_id_of(auth_req_id) for auth_req_id in accepted}
    wait_for(lambda: wanted <= {push["data"]["txlnkid"] for push in nod.pushes(phone, wait=0)},
             "the pushes of what was accepted before")  # fmt: skip
    for auth_req_id in accepted:
        assert nod.poll(client, auth_req_id).json()["error"] == "authorization_pending"


def test_what_was_acknowledged_survives_the_kill_of_redis(world: World) -> None:
    """F6: under load, five times; every accepted request is known afterwards, and rung."""
    nod = world.nod
    client = nod.new_client()
    # One person each time: a quick machine asks one of them too often.
    people = [nod.new_user() for _ in range(5)]
    phones = [nod.new_phone(user_id) for user_id in people]
    accepted: list[str] = []
    for user_id in people:
        stop = threading.Event()

        def keep_starting(stop: threading.Event = stop, user_id: str = user_id) -> None:
            with httpx2.Client(base_url=nod.url, timeout=10) as http:
                while not stop.is_set():
                    answer = start(http, nod, client, user_id)
                    if answer is not Again:
                        accepted.append(answer.json()["auth_req_id"])

        starters = [threading.Thread(target=keep_starting) for _ in range(4)]
        for starter in starters:
            starter.start()
        before = len(accepted)
        wait_for(lambda before=before: len(accepted) > before + 10, "the load")
        world.server.kill()
        stop.set()
        for starter in starters:
            starter.join()
        world.server.start()
        nod.wait_until_ready()
    for worker in nod.workers:
        _start_ended(worker)
    assert len(accepted) > 50
    for auth_req_id in accepted:
        assert nod.poll(client, auth_req_id).json()["error"] == "authorization_pending"
    wanted = {consent_id_of(auth_req_id) for auth_req_id in accepted}
    wait_for(
        lambda: (
            wanted <= {p["data"]["txlnkid"] for phone in phones for p in nod.pushes(phone, wait=0)}
        ),
        "every push",
        30,
    )
