"""The provider a worker rings through is the one configured at that moment."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from consent.push_providers import (
    APNS,
    APNS_SANDBOX_URL,
    FCM,
    PUSH,
    WEB_PUSH,
    ApnsKey,
    ApnsProvider,
    FactorRecord,
    ServiceAccount,
    sealed,
)
from consent.seal import Seal, SealError
from consent.settings import Settings
from consent.store import keys
from consent.store.lane import StoreUnavailable
from consent.web_push import Subscription, address_value, new_web_push_provider
from scripts.doubles.certificates import write_certificates
from scripts.doubles.fcm import FcmDouble, bound_socket, write_credentials
from scripts.doubles.web_push import WebPushDouble
from tests.support.pushes import a_push
from tests.support.redis_server import RedisServer
from tests.support.store import StoreInUse, opened, run
from workers.outcome import Delivered, NoProvider, Outcome, RetryAfter
from workers.senders import ConfiguredSender, apns_base_url, senders

A_PUSH = a_push("fcm_token", "phone")
ONE, OTHER, BAD = (FactorRecord(sealed=name) for name in (b"one", b"other", b"bad"))


class Fake:
    """Delivers in its own name, when it may."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.may_send = asyncio.Event()
        self.may_send.set()
        self.begun = asyncio.Event()
        self.closed = 0

    async def send(self, push: object) -> Outcome:  # noqa: ARG002
        self.begun.set()
        await self.may_send.wait()
        assert not self.closed
        return Delivered(self.name)

    async def aclose(self) -> None:
        self.closed += 1


class Stage:
    def __init__(self, *, of_settings: bool = True) -> None:
        self.factors: dict[str, FactorRecord] = {}
        self.away = False
        self.opened: list[Fake] = []
        self.of_settings = Fake("settings") if of_settings else None
        self.sender = ConfiguredSender(
            FCM, self._read, of_settings=self.of_settings, opened=self._open
        )

    async def _read(self) -> dict[str, FactorRecord]:
        if self.away:
            raise StoreUnavailable(detail="away")
        return dict(self.factors)

    def _open(self, record: FactorRecord) -> Fake:
        if record == BAD:
            raise SealError("push provider")
        self.opened.append(Fake(record.sealed.decode()))
        return self.opened[-1]

    async def sent_by(self) -> str:
        outcome = await self.sender.send(A_PUSH)
        return outcome.message_id if isinstance(outcome, Delivered) else outcome.word


def test_the_stored_provider_wins_and_without_it_that_of_the_settings_is_back() -> None:
    async def test() -> None:
        stage = Stage()
        assert await stage.sent_by() == "settings"
        stage.factors = {FCM: ONE, APNS: BAD}
        assert [await stage.sent_by() for _ in range(3)] == ["one"] * 3
        assert len(stage.opened) == 1
        stage.factors = {FCM: OTHER}
        assert await stage.sent_by() == "other"
        stage.factors = {}
        assert await stage.sent_by() == "settings"

        assert [each.closed for each in stage.opened] == [1, 1]
        await stage.sender.aclose()
        assert stage.of_settings is not None
        assert stage.of_settings.closed == 1

    asyncio.run(test())


def test_what_is_being_sent_is_finished_before_its_provider_is_closed() -> None:
    async def test() -> None:
        stage = Stage()
        stage.factors = {FCM: ONE}
        await stage.sent_by()
        [replaced] = stage.opened
        replaced.may_send.clear()
        replaced.begun.clear()
        sending = [asyncio.create_task(stage.sent_by()) for _ in range(2)]
        await replaced.begun.wait()
        await asyncio.sleep(0)

        stage.factors = {FCM: OTHER}
        assert await stage.sent_by() == "other"
        assert not replaced.closed
        replaced.may_send.set()
        assert await asyncio.gather(*sending) == ["one", "one"]
        assert [each.closed for each in stage.opened] == [1, 0]

        await stage.sender.aclose()
        assert [each.closed for each in stage.opened] == [1, 1]

    asyncio.run(test())


def test_a_record_that_cannot_be_used_is_said_once_and_not_stood_in_for() -> None:
    """A push of another app than the one that was put would ring nobody, and look delivered."""

    async def test() -> None:
        stage = Stage()
        stage.factors = {FCM: BAD}
        with capture_logs() as logs:
            assert [await stage.sent_by() for _ in range(3)] == ["no_provider"] * 3
        [said] = logs
        assert (said["event"], said["log_level"]) == ("push_provider_unusable", "error")
        assert said["error"] == "SealError"

        stage.factors = {FCM: ONE}
        assert await stage.sent_by() == "one"

    asyncio.run(test())


def test_nobody_is_rung_while_the_factor_is_off() -> None:
    async def test() -> None:
        stage = Stage()
        for factors in ({}, {FCM: ONE}):
            stage.factors = {**factors, PUSH: FactorRecord(enabled=False)}
            assert await stage.sent_by() == "no_provider"
            stage.factors = dict(factors)
            assert await stage.sent_by() != "no_provider"

    asyncio.run(test())


def test_without_any_provider_the_phone_has_to_ask() -> None:
    async def test() -> None:
        assert await Stage(of_settings=False).sent_by() == "no_provider"

    asyncio.run(test())


def test_a_store_that_is_away_costs_nobody_their_push() -> None:
    async def test() -> None:
        stage = Stage()
        stage.away = True
        assert await stage.sender.send(A_PUSH) == RetryAfter(None, "store_away")
        stage.away = False
        assert await stage.sent_by() == "settings"

    asyncio.run(test())


@pytest.mark.parametrize(
    ("settings", "sandbox", "url"),
    [
        (Settings(), False, "https://api.push.apple.com"),
        (Settings(), True, APNS_SANDBOX_URL),
        (Settings(apns_base_url="https://localhost:1"), False, "https://localhost:1"),
        (Settings(apns_base_url="https://localhost:1"), True, "https://localhost:1"),
    ],
)
def test_the_sandbox_is_apples_unless_the_settings_name_a_host(
    settings: Settings, *, sandbox: bool, url: str
) -> None:
    provider = ApnsProvider(bundle_id="b", sandbox=sandbox, credentials=ApnsKey("pem", "K", "T"))

    assert apns_base_url(provider, settings) == url


@contextlib.asynccontextmanager
async def listening(use: StoreInUse) -> AsyncIterator[None]:
    task = asyncio.create_task(use.store.directory.listen())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def test_an_account_that_is_put_is_used_at_the_next_push(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async def test() -> None:
        listener, url = bound_socket()
        file = write_credentials(tmp_path, url)
        account = msgspec.convert(json.loads(file.read_text()), ServiceAccount)
        double = FcmDouble(file)
        async with (
            opened(redis_server.url, fcm_base_url=url) as use,
            listening(use),
            double.serving(listener),
        ):
            directory, seal = use.store.directory, use.store.seal
            for name in (FCM, WEB_PUSH):  # other installations have used this server
                await directory.remove(keys.FACTORS, name)
            with capture_logs() as logs:
                async with senders(use.settings, directory, seal) as by_name:
                    assert [each["event"] for each in logs] == ["no_provider_configured"]
                    assert by_name.keys() == {"apns", "fcm", "webpush"}
                    assert await by_name["fcm"].send(A_PUSH) == NoProvider()
                    await directory.write(keys.FACTORS, FCM, sealed(FCM, account, seal))
                    assert isinstance(await by_name["fcm"].send(A_PUSH), Delivered)
                    stranger = sealed(FCM, account, Seal("j" * 32))
                    await directory.write(keys.FACTORS, FCM, stranger)
                    assert await by_name["fcm"].send(A_PUSH) == NoProvider()
                    await directory.remove(keys.FACTORS, FCM)
            assert double.inbox.count == 1

    run(test)


def test_browsers_are_rung_as_soon_as_there_is_a_key_and_not_while_the_factor_is_off(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async def test() -> None:
        files = write_certificates(tmp_path)
        values = {"outbound_allowed_networks": "127.0.0.0/8", "outbound_ca_file": files.ca_file}
        async with (
            opened(redis_server.url, **values) as use,
            listening(use),
            WebPushDouble(files).serving() as double,
        ):
            directory, seal = use.store.directory, use.store.seal
            said = double.subscribe("page")
            subscription = Subscription(said["endpoint"], **said["keys"])
            push = a_push("webpush", address_value(subscription))
            await directory.remove(keys.FACTORS, WEB_PUSH)
            async with senders(use.settings, directory, seal) as by_name:
                assert await by_name["webpush"].send(push) == NoProvider()
                record = sealed(WEB_PUSH, new_web_push_provider(), seal)
                await directory.write(keys.FACTORS, WEB_PUSH, record)
                assert isinstance(await by_name["webpush"].send(push), Delivered)
                await directory.write(keys.FACTORS, PUSH, FactorRecord(enabled=False))
                assert await by_name["webpush"].send(push) == NoProvider()
            for name in (PUSH, WEB_PUSH):
                await directory.remove(keys.FACTORS, name)
            assert double.inbox.count == 1

    run(test)


def test_a_wrong_key_of_the_settings_stops_the_start(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "apns.p8").write_text("no key")
    values = {"apns_key_file": tmp_path / "apns.p8", "apns_key_id": "K", "apns_team_id": "T"}

    async def test() -> None:
        async with opened(redis_server.url, **values, apns_topic="org.example") as use:
            with pytest.raises(ValueError, match="PEM"):
                async with senders(use.settings, use.store.directory, use.store.seal):
                    pass

    run(test)
