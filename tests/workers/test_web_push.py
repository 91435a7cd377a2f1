"""A push service's answers to outcomes, through the real sender against the double (F14)."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from consent.outbound.client import GuardedClient
from consent.push import Notice, Push
from consent.push_providers import WebPushProvider
from consent.settings import networks
from consent.web_push import (
    Subscription,
    address_value,
    application_server_key,
    new_web_push_provider,
    topic,
)
from scripts.doubles.certificates import Certificates, write_certificates
from scripts.doubles.web_push import WebPushDouble
from scripts.doubles.web_push_browser import Browser
from tests.support.pushes import COLLAPSE_ID, LIFETIME_SECONDS, a_push
from workers.outcome import Delivered, Outcome, Rejected, RetryAfter, Unregistered
from workers.web_push import CONNECTIONS_OF_A_HOST_MAX, WebPushSender, outcome_of

NOW_SECONDS = 1_790_000_000.0
PROVIDER = new_web_push_provider()
SERVER_KEY = application_server_key(PROVIDER)
LOOPBACK = networks("127.0.0.0/8,::1/128")


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return write_certificates(tmp_path_factory.mktemp("push_service"))


class Stage:
    """A double, and senders to it that are closed at the end."""

    def __init__(self, files: Certificates) -> None:
        self.double = WebPushDouble(files)
        self._ca_file = files.ca_file
        self._senders: list[WebPushSender] = []

    def sender(
        self,
        provider: WebPushProvider = PROVIDER,
        *,
        timeout_seconds: float = 5,
        late_seconds: float = 0,
        contact: str = "nod@nod.example.com",
        trusted: Path | None = None,
        is_open: bool = True,
    ) -> WebPushSender:
        sender = WebPushSender(
            provider,
            contact=contact,
            open_client=lambda: GuardedClient(
                allowed_networks=LOOPBACK if is_open else (),
                ca_file=trusted or self._ca_file,
                timeout_seconds=timeout_seconds,
                connections_of_a_host_max=CONNECTIONS_OF_A_HOST_MAX,
            ),
            now=lambda: time.time() + late_seconds,
        )
        self._senders.append(sender)
        return sender

    def push(self, name: str, *, server_key: str = SERVER_KEY) -> Push:
        said = self.double.subscribe(name, server_key)
        return push_to(Subscription(said["endpoint"], **said["keys"]))

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Stage"]:
        async with self.double.serving():
            try:
                yield self
            finally:
                for sender in self._senders:
                    await sender.aclose()


@pytest.fixture
def stage(files: Certificates) -> Stage:
    return Stage(files)


def push_to(subscription: Subscription) -> Push:
    return a_push("webpush", address_value(subscription))


async def send(stage: Stage, sender: WebPushSender, name: str) -> Outcome:
    return await sender.send(stage.push(name))


def test_a_push_arrives_for_its_browser_alone_with_its_life_topic_and_urgency(
    stage: Stage,
) -> None:
    """Encrypted, signed for this service's origin, and read by a browser (RFC 8291, 8292)."""

    async def run() -> None:
        async with stage.serving():
            push = stage.push("page")

            outcome = await stage.sender().send(push)

            assert isinstance(outcome, Delivered)
            assert len(outcome.message_id) == 16
            [arrived] = await stage.double.inbox.after("page")
            assert arrived == {
                "payload": {"notification": msgspec.to_builtins(push.notification)},
                "ttl": str(LIFETIME_SECONDS),
                "topic": topic(COLLAPSE_ID),
                "urgency": "high",
            }
            assert stage.double.refusals == []

    asyncio.run(run())


def test_words_arrive_as_a_notice(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            words = Notice("New device", "\u65b0\u3057\u3044\u7aef\u672b")
            push = msgspec.structs.replace(stage.push("page"), notification=words)

            assert isinstance(await stage.sender().send(push), Delivered)
            [arrived] = await stage.double.inbox.after("page")
            assert arrived["payload"] == {"notice": msgspec.to_builtins(words)}

    asyncio.run(run())


def test_what_does_not_fit_one_record_is_not_sent(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            long = Notice("", "x" * 4_000)
            push = msgspec.structs.replace(stage.push("page"), notification=long)

            assert await stage.sender().send(push) == Rejected("payload_too_large")
            assert not stage.double.connections

    asyncio.run(run())


def test_the_largest_that_fits_is_read(stage: Stage) -> None:
    """RFC 8291 4: 3 993 octets."""

    async def run() -> None:
        async with stage.serving():
            empty = len(msgspec.json.encode({"notice": Notice("", "")}))
            full = Notice("", "x" * (3_993 - empty))
            push = msgspec.structs.replace(stage.push("page"), notification=full)

            assert isinstance(await stage.sender().send(push), Delivered)
            assert len(await stage.double.inbox.after("page")) == 1

    asyncio.run(run())


def test_each_message_has_its_own_life_and_keys(stage: Stage) -> None:
    """The library keeps what it was given last."""

    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()
            long, short = stage.push("long"), stage.push("short")
            short = msgspec.structs.replace(short, lifetime_seconds=1)
            for push in (long, short, long):
                assert isinstance(await sender.send(push), Delivered)

            inbox = stage.double.inbox
            assert [each["ttl"] for each in await inbox.after("short")] == ["1"]
            assert [each["ttl"] for each in await inbox.after("long")] == ["120", "120"]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("gone-a", Unregistered(None)),
        ("status-404-a", Unregistered(None)),
        ("status-400-a", Rejected("HTTP_400")),
        ("status-413-a", Rejected("HTTP_413")),
        ("status-401-a", Rejected("vapid")),
        ("status-403-a", Rejected("vapid")),
        ("status-301-a", Rejected("HTTP_301")),
        ("status-307-a", Rejected("HTTP_307")),
        ("quota-1-a", RetryAfter(7.0, "HTTP_429")),
        ("status-429-a", RetryAfter(None, "HTTP_429")),
        ("status-500-a", RetryAfter(None, "HTTP_500")),
        ("status-502-a", RetryAfter(None, "HTTP_502")),
        ("status-503-a", RetryAfter(None, "HTTP_503")),
        ("reset-a", RetryAfter(None, "connection")),
    ],
)
def test_each_fault_is_an_outcome_and_the_next_push_arrives(
    stage: Stage, name: str, outcome: Outcome
) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()
            stage.push("elsewhere")

            assert await send(stage, sender, name) == outcome
            assert isinstance(await send(stage, sender, "page"), Delivered)
            assert stage.double.inbox.count == 1, "a redirect is not followed (T18)"

    asyncio.run(run())


@pytest.mark.parametrize("name", ["quota-1-a", "reset-a"])
def test_what_may_work_later_does(stage: Stage, name: str) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()

            assert isinstance(await send(stage, sender, name), RetryAfter)
            assert isinstance(await send(stage, sender, name), Delivered)

    asyncio.run(run())


def test_a_date_to_retry_after_is_counted_from_now(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            outcome = await send(stage, stage.sender(), "quota-date-1")

            assert isinstance(outcome, RetryAfter)
            assert outcome.seconds is not None
            assert 55 < outcome.seconds <= 60

    asyncio.run(run())


def test_a_service_that_is_silent_is_given_up_in_time(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender(timeout_seconds=0.3)

            assert await send(stage, sender, "silent-a") == RetryAfter(None, "timeout")
            assert isinstance(await stage.sender().send(stage.push("page")), Delivered)

    asyncio.run(run())


def test_a_service_that_is_away_or_not_trusted_may_come_back(stage: Stage, tmp_path: Path) -> None:
    async def run() -> None:
        async with stage.serving():
            push = stage.push("page")
            stranger = stage.sender(trusted=write_certificates(tmp_path).ca_file)
            assert await stranger.send(push) == RetryAfter(None, "tls")
        late = stage.sender()
        assert await late.send(push) == RetryAfter(None, "connection")
        await late.aclose()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("https://169.254.169.254/latest", "forbidden_url"),
        ("http://push.example.com/", "forbidden_url"),
        ("https://push.example.com:8443/", "forbidden_url"),
        ("https://xn--/", "malformed_address"),
    ],
)
def test_an_endpoint_that_leads_to_a_neighbour_leads_nowhere(
    stage: Stage, endpoint: str, reason: str
) -> None:
    """T18: it was judged when it was named, and is again."""

    async def run() -> None:
        async with stage.serving():
            keys = Browser().keys
            push = push_to(Subscription(endpoint, **keys))

            assert await stage.sender(is_open=False).send(push) == Rejected(reason)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ({"provider": new_web_push_provider()}, "another server than the one"),
        ({"contact": "nod@localhost"}, "nobody can be written to"),
        ({"late_seconds": -7_200}, "ExpiredSignatureError"),
        ({"late_seconds": 86_400}, "more than a day"),
    ],
    ids=["another key", "no contact", "late", "early"],
)
def test_credentials_that_are_refused_do_not_retire_the_address(
    stage: Stage, options: dict[str, object], refusal: str
) -> None:
    """RFC 8292 2, 4.2: the fault is ours."""

    async def run() -> None:
        async with stage.serving():
            outcome = await send(stage, stage.sender(**options), "page")  # type: ignore[arg-type]

            assert outcome == Rejected("vapid")
            [said] = stage.double.refusals
            assert refusal in said

    asyncio.run(run())


def test_100_concurrent_pushes_share_few_connections(stage: Stage) -> None:
    """Browsers name few push services: no more than those of a host, and no push waits in vain."""

    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()
            pushes = [stage.push(f"page-{number}") for number in range(100)]

            outcomes = await asyncio.gather(*map(sender.send, pushes))

            assert Counter(outcome.word for outcome in outcomes) == {"delivered": 100}
            assert len(stage.double.connections) <= CONNECTIONS_OF_A_HOST_MAX
            assert stage.double.inbox.count == 100

    asyncio.run(run())


def test_no_log_line_names_a_subscription_or_a_key(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()
            for name in ("secret", "gone-secret", "status-500-secret"):
                await send(stage, sender, name)

    with caplog.at_level(logging.DEBUG):
        asyncio.run(run())

    assert "secret" not in caplog.text
    assert SERVER_KEY not in caplog.text


def test_a_key_that_cannot_be_used_is_noticed_at_once(stage: Stage) -> None:
    with pytest.raises(ValueError, match="PEM"):
        stage.sender(WebPushProvider(private_key="no key"))


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (200, {}, Delivered("")),
        (201, {"Location": "https://push.example.com/m/0:16%2b-_"}, Delivered("0:16%2b-_")),
        (201, {"Location": "/m/" + "a" * 129}, Delivered("")),
        (201, {"Location": "https://push.example.com/m/<script>"}, Delivered("")),
        (201, {"Location": "abc"}, Delivered("")),
        (202, {"Location": "/m/abc"}, Delivered("abc")),
        (204, {}, Delivered("")),
        (205, {}, Rejected("HTTP_205")),
        (406, {"Retry-After": "9"}, Rejected("HTTP_406")),
        (429, {"Retry-After": "soon"}, RetryAfter(None, "HTTP_429")),
        (503, {"Retry-After": "9"}, RetryAfter(9.0, "HTTP_503")),
        (599, {}, RetryAfter(None, "HTTP_599")),
    ],
)
def test_only_a_status_and_two_headers_are_taken_from_an_answer(
    status: int, headers: dict[str, str], outcome: Outcome
) -> None:
    assert outcome_of(status, headers, now_seconds=NOW_SECONDS) == outcome
