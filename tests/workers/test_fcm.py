"""Google's answers to outcomes, through the real sender against the double (fault matrix F12)."""

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from consent.push import AddressKind, Notice
from scripts.doubles.fcm import FcmDouble, bound_socket, write_credentials
from tests.support.pushes import COLLAPSE_ID, a_push
from tests.support.waiting import until
from workers.fcm import CONNECTIONS_MAX, FcmSender, message, outcome_of
from workers.outcome import Delivered, Outcome, Rejected, RetryAfter, Unregistered

NOW_SECONDS = 1_790_000_000.0


class Stage:
    """A double, and senders to it that are closed at the end."""

    def __init__(self, directory: Path) -> None:
        self._listener, self.url = bound_socket()
        self.credentials_file = write_credentials(directory, self.url)
        self.double = FcmDouble(self.credentials_file)
        self._senders: list[FcmSender] = []

    def sender(
        self, *, timeout_seconds: float = 5, credentials_file: Path | None = None, url: str = ""
    ) -> FcmSender:
        sender = FcmSender(
            json.loads((credentials_file or self.credentials_file).read_text()),
            base_url=url or self.url,
            timeout_seconds=timeout_seconds,
        )
        self._senders.append(sender)
        return sender

    def changed_credentials(self, **changes: str) -> Path:
        account = json.loads(self.credentials_file.read_text())
        path = self.credentials_file.with_name("changed.json")
        path.write_text(json.dumps({**account, **changes}))
        return path

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Stage"]:
        async with self.double.serving(self._listener):
            try:
                yield self
            finally:
                for sender in self._senders:
                    await sender.aclose()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


async def send(sender: FcmSender, value: str, kind: AddressKind = "fcm_token") -> Outcome:
    return await sender.send(a_push(kind, value))


async def send_many(sender: FcmSender, count: int) -> Counter[str]:
    outcomes = await asyncio.gather(*(send(sender, f"phone-{number}") for number in range(count)))
    return Counter(outcome.word for outcome in outcomes)


@pytest.mark.parametrize(("kind", "field"), [("fcm_token", "token"), ("fcm_fid", "fid")])
def test_a_push_arrives_as_data_alone_with_its_lifetime_and_collapse_key(
    stage: Stage, kind: AddressKind, field: str
) -> None:
    async def run() -> None:
        async with stage.serving():
            outcome = await send(stage.sender(), "phone", kind)

            assert isinstance(outcome, Delivered)
            assert outcome.message_id.startswith("0:")
            [arrived] = await stage.double.inbox.after("phone")
            assert arrived.keys() == {field, "data", "android"}
            assert arrived["android"] == {
                "priority": "HIGH",
                "ttl": "120s",
                "collapse_key": COLLAPSE_ID,
            }

    asyncio.run(run())


def test_a_notice_arrives_as_a_notification_that_the_system_shows(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            push = msgspec.structs.replace(
                a_push("fcm_token", "phone"), notification=Notice("New device", "Was it you?")
            )

            assert isinstance(await stage.sender().send(push), Delivered)
            [arrived] = await stage.double.inbox.after("phone")
            assert arrived["notification"] == {"title": "New device", "body": "Was it you?"}
            assert "data" not in arrived

    asyncio.run(run())


@pytest.mark.parametrize(
    ("address", "outcome"),
    [
        ("unregistered-1", Unregistered(None)),
        ("sender-mismatch-1", Rejected("SENDER_ID_MISMATCH")),
        ("forbidden-1", Rejected("HTTP_403")),
        ("third-party-1", Rejected("THIRD_PARTY_AUTH_ERROR")),
        ("quota-1-a", RetryAfter(7.0, "QUOTA_EXCEEDED")),
        ("status-302-a", Rejected("HTTP_302")),
        ("status-413-a", Rejected("HTTP_413")),
        ("status-429-a", RetryAfter(None, "HTTP_429")),
        ("status-500-a", RetryAfter(None, "HTTP_500")),
        ("status-502-a", RetryAfter(None, "HTTP_502")),
        ("status-503-a", RetryAfter(None, "HTTP_503")),
        ("status-504-a", RetryAfter(None, "HTTP_504")),
        ("not-json-1", RetryAfter(None, "malformed_answer")),
        ("reset-1", RetryAfter(None, "network")),
    ],
)
def test_each_fault_is_an_outcome_and_the_next_push_arrives(
    stage: Stage, address: str, outcome: Outcome
) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()

            assert await send(sender, address) == outcome
            assert isinstance(await send(sender, "phone"), Delivered)

    asyncio.run(run())


@pytest.mark.parametrize("address", ["quota-1-a", "reset-1"])
def test_what_may_work_later_does(stage: Stage, address: str) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()

            assert isinstance(await send(sender, address), RetryAfter)
            assert isinstance(await send(sender, address), Delivered)

    asyncio.run(run())


def test_a_date_to_retry_after_is_counted_from_now(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            outcome = await send(stage.sender(), "quota-date-1")

            assert isinstance(outcome, RetryAfter)
            assert outcome.seconds is not None
            assert 55 < outcome.seconds <= 60

    asyncio.run(run())


def test_a_project_that_does_not_exist_kills_no_address(stage: Stage) -> None:
    """It is a 404 as well, but of the configuration."""

    async def run() -> None:
        async with stage.serving():
            sender = stage.sender(credentials_file=stage.changed_credentials(project_id="other"))

            assert await send(sender, "phone") == Rejected("HTTP_404")

    asyncio.run(run())


def test_an_answer_that_trickles_is_given_up_in_time(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender(timeout_seconds=0.5)
            started = time.monotonic()

            assert await send(sender, "slow-1") == RetryAfter(None, "timeout")
            assert time.monotonic() - started < 1.5
            assert isinstance(await send(sender, "phone"), Delivered)

    asyncio.run(run())


def test_200_concurrent_pushes_share_few_connections_and_one_token(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()

            assert await send_many(sender, 200) == {"delivered": 200}
            assert len(stage.double.connections) <= CONNECTIONS_MAX
            assert stage.double.tokens_issued == 1

            assert await send_many(sender, 50) == {"delivered": 50}
            assert len(stage.double.connections) <= CONNECTIONS_MAX

    asyncio.run(run())


def test_a_token_that_google_no_longer_takes_is_replaced_once_for_all(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()
            await send(sender, "phone")
            stage.double.revoke_tokens()

            assert await send_many(sender, 100) == {"delivered": 100}
            assert stage.double.tokens_issued == 2

    asyncio.run(run())


def test_a_token_that_is_never_taken_is_not_fetched_without_end(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()

            assert await send(sender, "status-401-a") == RetryAfter(None, "UNAUTHENTICATED")
            assert stage.double.tokens_issued == 2

    asyncio.run(run())


def test_a_token_near_its_end_is_used_while_the_next_is_fetched(tmp_path: Path) -> None:
    """google-auth calls a token stale 225 seconds before its end."""
    listener, url = bound_socket()
    credentials_file = write_credentials(tmp_path, url)
    double = FcmDouble(credentials_file, token_lifetime_seconds=200)

    async def run() -> None:
        async with double.serving(listener):
            account = json.loads(credentials_file.read_text())
            sender = FcmSender(account, base_url=url, timeout_seconds=5)
            await send(sender, "phone")
            assert await send_many(sender, 20) == {"delivered": 20}
            await until(lambda: double.tokens_issued == 2)
            await sender.aclose()

    asyncio.run(run())


def test_credentials_that_google_refuses_are_rejected(stage: Stage) -> None:
    """The service account was deleted, or its key is another: no retry will help."""

    async def run() -> None:
        async with stage.serving():
            changed = stage.changed_credentials(client_email="deleted@example.org")

            assert await send(stage.sender(credentials_file=changed), "phone") == Rejected(
                "credentials_refused"
            )

    asyncio.run(run())


@pytest.mark.parametrize("path", ["/count", "/nothing"])
def test_a_token_endpoint_that_answers_nonsense_may_recover(stage: Stage, path: str) -> None:
    async def run() -> None:
        async with stage.serving():
            changed = stage.changed_credentials(token_uri=f"{stage.url}{path}")

            assert await send(stage.sender(credentials_file=changed), "phone") == RetryAfter(
                None, "token_unavailable"
            )

    asyncio.run(run())


def test_a_token_endpoint_that_moved_is_not_followed(stage: Stage) -> None:
    """T18: its URL was looked at when it was put, where it points to was not."""

    async def moved(request: web.Request) -> web.Response:  # noqa: ARG001
        return web.Response(status=307, headers={"Location": f"{stage.url}/token"})

    async def run() -> None:
        listener, url = bound_socket()
        app = web.Application()
        app.router.add_post("/token", moved)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        async with stage.serving():
            changed = stage.changed_credentials(token_uri=f"{url}/token")

            assert await send(stage.sender(credentials_file=changed), "phone") == RetryAfter(
                None, "token_unavailable"
            )
            assert stage.double.tokens_issued == 0
        await runner.cleanup()

    asyncio.run(run())


def test_a_token_endpoint_that_is_silent_or_gone_is_given_up_in_time(stage: Stage) -> None:
    async def run() -> None:
        silent = socket.create_server(("127.0.0.1", 0))
        async with stage.serving():
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/token"
            hung = stage.sender(
                timeout_seconds=0.3, credentials_file=stage.changed_credentials(token_uri=url)
            )
            assert await send(hung, "phone") in {
                RetryAfter(None, "timeout"),
                RetryAfter(None, "token_unavailable"),
            }

            silent.close()
            gone = stage.sender(credentials_file=stage.changed_credentials(token_uri=url))
            assert await send(gone, "phone") == RetryAfter(None, "token_unavailable")

    asyncio.run(run())


def test_a_closed_port_is_a_matter_of_the_network(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender(url="http://127.0.0.1:1")

            assert await send(sender, "phone") == RetryAfter(None, "network")

    asyncio.run(run())


def test_a_server_that_does_not_speak_tls_is_told_apart(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender(url=stage.url.replace("http:", "https:"))

            assert await send(sender, "phone") == RetryAfter(None, "tls")

    asyncio.run(run())


def test_a_cancelled_send_is_cancelled_and_leaves_the_others_alone(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()
            cancelled = asyncio.create_task(send(sender, "slow-1"))
            others = asyncio.create_task(send_many(sender, 20))
            await asyncio.sleep(0)  # the one cancelled has begun to fetch the token for all
            cancelled.cancel()

            with pytest.raises(asyncio.CancelledError):
                await cancelled
            assert await others == {"delivered": 20}

    asyncio.run(run())


def test_no_log_line_names_an_address_or_a_token(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()
            await send(sender, "phone-secret")
            await send(sender, "unregistered-secret")

    with caplog.at_level(logging.DEBUG):
        asyncio.run(run())

    assert "secret" not in caplog.text
    assert "ya29." not in caplog.text


def test_an_address_of_another_provider_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        message(a_push("apns", "00" * 32))


@pytest.mark.parametrize(
    ("status", "headers", "body", "outcome"),
    [
        (404, {}, b"", Rejected("HTTP_404")),
        (404, {}, b'{"error":{"details":"x"}}', Rejected("HTTP_404")),
        (400, {}, b'{"error":{"details":[{"errorCode":"<script>"}]}}', Rejected("HTTP_400")),
        (
            400,
            {},
            b'{"error":{"details":[{"@type":"x"},{"errorCode":"INVALID_ARGUMENT"}]}}',
            Rejected("INVALID_ARGUMENT"),
        ),
        (413, {"Retry-After": "9"}, b"", RetryAfter(9.0, "HTTP_413")),
        (503, {"Retry-After": "9"}, b"\xff", RetryAfter(9.0, "HTTP_503")),
        (200, {}, b'{"name":"projects/p/messages/0:1%2"}', Delivered("0:1%2")),
        (200, {}, b'{"name":"projects/p/messages/<script>"}', RetryAfter(None, "malformed_answer")),
        (200, {}, b"{}", RetryAfter(None, "malformed_answer")),
        (200, {}, b"[]", RetryAfter(None, "malformed_answer")),
    ],
)
def test_only_documented_words_are_taken_from_an_answer(
    status: int, headers: dict[str, str], body: bytes, outcome: Outcome
) -> None:
    assert outcome_of(status, headers, body, now_seconds=NOW_SECONDS) == outcome
