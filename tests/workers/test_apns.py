"""Apple's answers to outcomes, through the real sender against the double (fault matrix F13)."""

import asyncio
import base64
import contextlib
import logging
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from consent.management.push_credentials import push_certificate
from consent.push import Notice
from consent.push_providers import ApnsCertificate, ApnsKey, ApnsProvider
from scripts.doubles import apns as double_module
from scripts.doubles import certificates
from scripts.doubles.apns import DIED_AT_MS, KEY_ID, TEAM_ID, TOPIC, ApnsDouble, ApnsFiles
from scripts.doubles.certificates import write_private_key
from tests.support.pushes import COLLAPSE_ID, EXPIRES_AT_SECONDS, a_push
from workers.apns import ApnsSender, ProviderToken, outcome_of
from workers.outcome import Delivered, Outcome, Rejected, RetryAfter, Unregistered


class Clock:
    def __init__(self) -> None:
        self.seconds = time.time()

    def __call__(self) -> float:
        return self.seconds


class Stage:
    """A double, and senders to it that are closed at the end."""

    def __init__(self, files: ApnsFiles) -> None:
        self.files = files
        self.clock = Clock()
        self.double = ApnsDouble(files, now=self.clock)
        self.url = ""
        self._senders: list[ApnsSender] = []

    def sender(self, *, timeout_seconds: float = 5, **changes: object) -> ApnsSender:
        """`changes` to the provider, or else to how it is reached."""
        credentials = ApnsKey(self.files.key_file.read_text(), KEY_ID, TEAM_ID)
        for name in ("key_id", "team_id"):
            if name in changes:
                credentials = msgspec.structs.replace(credentials, **{name: changes.pop(name)})
        provider = ApnsProvider(
            bundle_id=str(changes.pop("topic", TOPIC)),
            credentials=changes.pop("credentials", credentials),  # type: ignore[arg-type]
        )
        reached: dict[str, object] = {
            "base_url": self.url,
            "ca_file": self.files.ca_file,
            "timeout_seconds": timeout_seconds,
            "now": self.clock,
        }
        self._senders.append(ApnsSender(provider, **(reached | changes)))  # type: ignore[arg-type]
        return self._senders[-1]

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Stage"]:
        async with self.double.serving() as self.url:
            try:
                yield self
            finally:
                for sender in self._senders:
                    await sender.aclose()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ApnsFiles:
    return double_module.write_credentials(tmp_path_factory.mktemp("apns"))


@pytest.fixture
def stage(files: ApnsFiles) -> Stage:
    return Stage(files)


def device(fault: str = "aaaa", number: int = 0) -> str:
    return f"{fault}{number:060x}"


async def send(sender: ApnsSender, fault: str = "aaaa", number: int = 0) -> Outcome:
    return await sender.send(a_push("apns", device(fault, number)))


async def send_many(sender: ApnsSender, count: int, fault: str = "aaaa") -> Counter[str]:
    outcomes = await asyncio.gather(*(send(sender, fault, number) for number in range(count)))
    return Counter(outcome.word for outcome in outcomes)


def test_a_notice_arrives_as_an_alert_without_anything_to_answer(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            words = Notice("New device", "Was it you?")
            push = msgspec.structs.replace(a_push("apns", device()), notification=words)

            assert isinstance(await stage.sender().send(push), Delivered)
            [message] = await stage.double.inbox.after(device())
            assert message["payload"] == {
                "aps": {"alert": msgspec.to_builtins(words), "sound": "default"}
            }

    asyncio.run(run())


def test_a_push_arrives_with_its_deadline_and_its_collapse_id(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            outcome = await send(stage.sender())

            assert isinstance(outcome, Delivered)
            assert len(outcome.message_id) == 36
            [message] = await stage.double.inbox.after(device())
            assert message["apns-push-type"] == "alert"
            assert message["apns-priority"] == "10"
            assert message["apns-expiration"] == str(EXPIRES_AT_SECONDS)
            assert message["apns-collapse-id"] == COLLAPSE_ID
            assert message["payload"]["mfa"]["txlnkid"] == "cns_9f3"  # type: ignore[index]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("dead", Unregistered(DIED_AT_MS)),
        ("bad0", Rejected("BadDeviceToken")),
        ("bad1", Rejected("DeviceTokenNotForTopic")),
        ("4291", RetryAfter(None, "TooManyRequests")),
        ("5001", RetryAfter(None, "HTTP_500")),
        ("5031", RetryAfter(None, "HTTP_503")),
        ("e001", RetryAfter(None, "network")),
        ("e003", RetryAfter(None, "network")),
        ("e004", Rejected("HTTP_400")),
    ],
)
def test_each_fault_is_an_outcome_and_the_next_push_arrives(
    stage: Stage, fault: str, outcome: Outcome
) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()

            assert await send(sender, fault) == outcome
            assert isinstance(await send(sender), Delivered)

    asyncio.run(run())


@pytest.mark.parametrize("fault", ["4291", "5001", "5031", "e001", "e003"])
def test_what_may_work_later_does(stage: Stage, fault: str) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()

            assert isinstance(await send(sender, fault), RetryAfter)
            assert isinstance(await send(sender, fault), Delivered)

    asyncio.run(run())


def test_200_pushes_share_one_connection_that_begins_with_one_stream(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            assert await send_many(stage.sender(), 200) == {"delivered": 200}
            assert len(stage.double.connections) == 1

    asyncio.run(run())


def test_answers_with_a_body_do_not_use_up_the_connection(stage: Stage) -> None:
    """1 300 of them exceed its first flow-control window (RFC 9113 5.2.1)."""

    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()
            for _ in range(13):  # in parts: on a busy machine all at once would time out
                assert await send_many(sender, 100, "dead") == {"unregistered": 100}
            assert len(stage.double.connections) == 1

    asyncio.run(run())


def test_what_a_goaway_left_undone_is_done_on_a_new_connection_and_nothing_twice(
    stage: Stage,
) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()
            await send(sender)

            outcomes = await asyncio.gather(
                *(send(sender, "e000" if number == 50 else "aaaa", number) for number in range(100))
            )

            assert {outcome.word for outcome in outcomes} == {"delivered"}
            assert len(stage.double.connections) == 2
            assert stage.double.inbox.count == 101

    asyncio.run(run())


def test_a_push_without_an_answer_times_out_alone(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender(timeout_seconds=1)
            await send(sender)

            unanswered, others = await asyncio.gather(send(sender, "e002"), send_many(sender, 50))

            assert unanswered == RetryAfter(None, "timeout")
            assert others == {"delivered": 50}

    asyncio.run(run())


def test_pushes_given_up_do_not_use_up_the_streams(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client never resets a stream: those given up would fill a connection for good."""
    monkeypatch.setattr("scripts.doubles.apns_connection.STREAMS_MAX", 4)

    async def run() -> None:
        async with stage.serving():
            sender = stage.sender(timeout_seconds=0.1)
            await send(sender)
            assert await send_many(sender, 4, "e002") == {"retry": 4}

            assert await send_many(sender, 4) == {"delivered": 4}

    asyncio.run(run())


def test_a_cancelled_send_is_cancelled_and_leaves_the_others_alone(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()
            await send(sender)
            cancelled = asyncio.create_task(send(sender, "e002"))
            others = asyncio.create_task(send_many(sender, 50))
            await asyncio.sleep(0)
            cancelled.cancel()

            with pytest.raises(asyncio.CancelledError):
                await cancelled
            assert await others == {"delivered": 50}
            assert isinstance(await send(sender), Delivered)

    asyncio.run(run())


def test_a_connection_closed_while_idle_is_replaced(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()
            await send(sender)
            stage.double.connections[0].drop()

            await send(sender)  # the one that finds out may be lost
            assert isinstance(await send(sender), Delivered)
            assert len(stage.double.connections) == 2

    asyncio.run(run())


def test_the_provider_token_is_shared_and_renewed_after_45_minutes(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()
            await send_many(sender, 20)
            stage.clock.seconds += 44 * 60
            await send_many(sender, 20)
            assert stage.double.provider_tokens == 1

            stage.clock.seconds += 2 * 60
            assert await send_many(sender, 20) == {"delivered": 20}
            assert stage.double.provider_tokens == 2

    asyncio.run(run())


def test_a_token_that_apple_calls_expired_is_renewed_and_the_push_sent_again(stage: Stage) -> None:
    """Our clock is behind Apple's: by theirs the token is too old before it is by ours."""

    async def run() -> None:
        async with stage.serving():
            slow = Clock()
            slow.seconds -= 30 * 60
            sender = stage.sender(now=slow)
            await send(sender)
            slow.seconds += 31 * 60
            stage.clock.seconds += 31 * 60

            assert await send_many(sender, 20) == {"delivered": 20}
            assert stage.double.provider_tokens == 2

    asyncio.run(run())


def test_a_fresh_token_that_is_called_expired_is_kept(stage: Stage) -> None:
    """Renewing it would not help, and Apple refuses renewals within 20 minutes."""

    async def run() -> None:
        async with stage.serving():
            stage.clock.seconds += 2 * 3_600
            sender = stage.sender(now=time.time)

            assert await send(sender) == RetryAfter(None, "ExpiredProviderToken")
            assert await send(sender) == RetryAfter(None, "ExpiredProviderToken")
            assert stage.double.provider_tokens == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"team_id": "OTHERTEAM1"}, "InvalidProviderToken"),
        ({"key_id": "OTHERKEY01"}, "InvalidProviderToken"),
        ({"topic": "org.example.other"}, "TopicDisallowed"),
    ],
)
def test_a_wrong_setting_is_rejected_and_no_address_dies_of_it(
    stage: Stage, change: dict[str, object], reason: str
) -> None:
    async def run() -> None:
        async with stage.serving():
            assert await send(stage.sender(**change)) == Rejected(reason)  # type: ignore[arg-type]

    asyncio.run(run())


@pytest.mark.parametrize("value", ["", "zz" * 32, "aa/../aa", "aa" * 7, "aa" * 101, "a" * 65])
def test_an_address_that_is_not_hexadecimal_never_reaches_a_path(stage: Stage, value: str) -> None:
    async def run() -> None:
        async with stage.serving():
            outcome = await stage.sender().send(a_push("apns", value))

            assert outcome == Rejected("malformed_address")
            assert not stage.double.connections

    asyncio.run(run())


def certificate_of(pkcs_12: bytes) -> ApnsCertificate:
    return push_certificate(base64.b64encode(pkcs_12).decode())


def test_a_certificate_speaks_for_the_provider_without_a_token(stage: Stage) -> None:
    """Shown in every connection, and no file of it is left."""
    credentials = certificate_of(stage.files.push_certificate_file.read_bytes())
    before = set(Path(tempfile.gettempdir()).iterdir())

    async def run() -> None:
        async with stage.serving():
            sender = stage.sender(credentials=credentials)
            assert await send_many(sender, 20) == {"delivered": 20}
            stage.double.connections[0].drop()
            await send(sender)
            assert isinstance(await send(sender), Delivered)

            assert [each.certified_topic for each in stage.double.connections] == [TOPIC] * 2
            assert stage.double.provider_tokens == 0

    asyncio.run(run())
    created = set(Path(tempfile.gettempdir()).iterdir()) - before
    assert not [path for path in created if path.is_file()]


def test_a_wrong_certificate_delivers_nothing_and_no_address_dies_of_it(stage: Stage) -> None:
    """One that is not trusted ends the connection, which may be noticed as that alone."""

    async def run() -> None:
        async with stage.serving():
            stranger = certificate_of(certificates.push_certificate(TOPIC))
            other_app = certificate_of(stage.files.push_certificate_file.read_bytes())

            outcome = await send(stage.sender(credentials=stranger))
            assert outcome in (RetryAfter(None, "tls"), RetryAfter(None, "network"))
            wrong = stage.sender(credentials=other_app, topic="org.example.other")
            assert await send(wrong) == Rejected("TopicDisallowed")

    asyncio.run(run())


def test_an_untrusted_certificate_and_a_closed_port_are_told_apart(stage: Stage) -> None:
    async def run() -> None:
        async with stage.serving():
            untrusted = stage.sender(ca_file=None)
            closed = stage.sender(base_url="https://127.0.0.1:1")

            assert await send(untrusted) == RetryAfter(None, "tls")
            assert await send(closed) == RetryAfter(None, "network")

    asyncio.run(run())


def test_no_log_line_names_a_device_or_a_provider_token(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with stage.serving():
            sender = stage.sender()
            await send(sender)
            await send(sender, "dead")

    with caplog.at_level(logging.DEBUG):
        asyncio.run(run())

    assert device() not in caplog.text
    assert device("dead") not in caplog.text
    assert "bearer" not in caplog.text.lower()


def test_a_reason_apple_does_not_document_is_not_repeated() -> None:
    body = b'{"reason":"<script>"}'

    assert outcome_of(400, {}, body) == Rejected("HTTP_400")
    assert outcome_of(200, {"apns-id": "<script>"}, b"") == Delivered("")


@pytest.mark.parametrize("body", [b'{"reason":"ExpiredToken"}', b"", b"[]", b"\xff"])
def test_any_410_is_a_dead_address_even_without_a_date(body: bytes) -> None:
    assert outcome_of(410, {}, body) == Unregistered(None)


def test_a_provider_token_names_key_team_and_time(files: ApnsFiles) -> None:
    signing = ApnsKey(files.key_file.read_text(), "K", "T")
    token = ProviderToken(signing, lambda: 1_790_000_000.9)

    text = token.current()

    assert jwt.get_unverified_header(text) == {"alg": "ES256", "kid": "K", "typ": "JWT"}
    claims = jwt.decode(text, options={"verify_signature": False})
    assert claims == {"iss": "T", "iat": 1_790_000_000}


def test_a_clock_that_is_set_back_renews_the_provider_token(files: ApnsFiles) -> None:
    """Else the token would be from the future, for Apple, until the clock caught up."""
    clock = Clock()
    token = ProviderToken(ApnsKey(files.key_file.read_text(), "K", "T"), clock)
    first = token.current()
    clock.seconds -= 3_600

    assert token.current() != first


@pytest.mark.parametrize(
    "key",
    [rsa.generate_private_key(65_537, 2_048), ec.generate_private_key(ec.SECP384R1())],
    ids=["RSA", "P-384"],
)
def test_a_key_that_is_not_p256_stops_the_start(tmp_path: Path, key: PrivateKeyTypes) -> None:
    key_file = write_private_key(tmp_path / "apns.p8", key)

    with pytest.raises(ValueError, match="P-256"):
        ProviderToken(ApnsKey(key_file.read_text(), "K", "T"), time.time)
