"""Clients that are called back, and their endpoints, for as long as a test lasts."""

import asyncio
import contextlib
import os
import queue
import secrets
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, NamedTuple

import redis
from aiohttp import web

from consent.identifiers import consent_id_of
from consent.store.keys import Partition
from scripts.doubles.certificates import Certificates
from scripts.doubles.client_endpoint import ClientEndpoint, Received
from scripts.simulated_phone import SimulatedPhone
from tests.support.nod import Nod, OAuthClient, wait_for

CALL_SECONDS = 10.0
Inside = Callable[[Received], object]


class Listening:
    """An endpoint that is up. `inside` is done before the answer to a call leaves."""

    def __init__(self) -> None:
        self.url = ""
        self.inside: Inside = lambda _: None
        self._calls: queue.Queue[Received] = queue.Queue()

    def take(self, call: Received) -> None:
        self.inside(call)
        self._calls.put(call)

    def next(self) -> Received:
        """The next call, waited for."""
        return self._calls.get(timeout=CALL_SECONDS)

    def is_quiet(self) -> bool:
        """There was no other call."""
        return self._calls.empty()


class _Endpoint(ClientEndpoint):
    def __init__(
        self, certificates: Certificates, answers: tuple[int | str, ...], listening: Listening
    ) -> None:
        super().__init__(certificates, *answers)
        self._listening = listening

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Received(request.method, request.path, headers, await request.read())
        await asyncio.to_thread(self._listening.take, call)
        return await super()._receive(request)


class Endpoints:
    """An event loop in a thread, and the endpoints on it."""

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    @contextlib.contextmanager
    def listening(
        self, *answers: int | str, certificates: Certificates | None = None
    ) -> Iterator[Listening]:
        """Answers in their turn, as ClientEndpoint has them."""
        listening = Listening()
        endpoint = _Endpoint(certificates or self._certificates, answers, listening)
        serving = self._serving(endpoint)
        self._run(anext(serving))
        listening.url = endpoint.url
        try:
            yield listening
        finally:
            self._run(serving.aclose())

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _serving(self, endpoint: ClientEndpoint) -> AsyncGenerator[None, None]:
        async with endpoint.serving():
            yield

    def _run(self, work: Any) -> None:  # noqa: ANN401 - a coroutine
        asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)


class Asked(NamedTuple):
    """A request whose client is called back, and who was asked."""

    nod: Nod
    client: OAuthClient
    phone: SimulatedPhone
    auth_req_id: str
    bearer_token: str
    acknowledged: dict[str, Any]

    @property
    def consent_id(self) -> str:
        return consent_id_of(self.auth_req_id)

    def decide(self, *, accept: bool = True) -> None:
        [notification] = self.phone.pending()
        self.phone.resolve(notification, accept=accept)

    def record(self) -> dict[str, Any]:
        return dict(self.nod.admin("GET", f"consents/{self.consent_id}").json())

    def calls(self) -> list[tuple[int, str, str]]:
        """Number, outcome and reason of each call, as an administrator sees them."""
        return [
            (fact["attempt"], fact["outcome"], fact.get("reason", ""))
            for fact in self.record()["attempts"]
            if fact["event"] == "call"
        ]

    def calls_when_over(self) -> list[tuple[int, str, str]]:
        """The same when nothing is owed any more, nor kept to call with (A159)."""
        p = Partition.of(self.consent_id)
        with redis.Redis.from_url(self.nod.environ["NOD_REDIS_URL"]) as database:

            def is_over() -> bool:
                return database.zscore(p.calls, self.consent_id) is None

            wait_for(is_over, "the end of the calls")
            assert not database.exists(p.callback(self.consent_id))
        return self.calls()

    def make_due(self) -> None:
        """As if the lease of a call had run out, or the wait for the next one was over."""
        calls = Partition.of(self.consent_id).calls
        with redis.Redis.from_url(self.nod.environ["NOD_REDIS_URL"]) as database:
            assert database.zadd(calls, {self.consent_id: 0}, xx=True, ch=True) == 1


def ask(
    nod: Nod,
    endpoint: str,
    mode: str,
    *,
    push_token: str | None = None,
    headers: dict[str, str] | None = None,
    scope: str = "openid",
    **metadata: object,
) -> Asked:
    client = nod.new_client(
        backchannel_token_delivery_mode=mode,
        backchannel_client_notification_endpoint=endpoint,
        **metadata,
    )
    user_id = nod.new_user()
    phone = nod.new_phone(user_id, push_token=push_token)
    bearer_token = secrets.token_urlsafe(24)
    form = {
        "scope": scope,
        "binding_message": "Pay 10",
        "login_hint": nod.login_hint(user_id),
        "client_notification_token": bearer_token,
    }
    answer = nod.http.post("bc-authorize", data=form, auth=client.basic, headers=headers)
    assert answer.status_code == 200, answer.text
    acknowledged = answer.json()
    return Asked(nod, client, phone, acknowledged["auth_req_id"], bearer_token, acknowledged)


@contextlib.contextmanager
def paused(pid: int) -> Iterator[None]:
    """A process that does nothing for as long as it lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
