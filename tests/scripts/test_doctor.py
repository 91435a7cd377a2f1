"""`scripts/admin doctor`: what is wrong with an installation is said, and what to do."""

import asyncio
import contextlib
import datetime as dt
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
import typer
from cryptography.hazmat.primitives.asymmetric import ec
from redis import Redis
from typer.testing import CliRunner

from consent import jobs
from consent.push_providers import PUSH, WEB_PUSH, FactorRecord, sealed
from consent.seal import Seal
from consent.settings import Settings
from consent.settings import load as load_settings
from consent.store import keys
from consent.store.connections import open_redis
from consent.store.directory import Directory
from consent.store.signing_keys import SigningKeys
from consent.web_push import new_web_push_provider
from scripts.administration import doctor
from scripts.administration.checks import discovery, providers, server, surroundings, work
from scripts.administration.checks.finding import Finding, Level, examined, ok
from scripts.doubles import apns as apns_double
from scripts.doubles import fcm as fcm_double
from scripts.doubles.certificates import LIFETIME, write_certificates, write_private_key
from tests.support.cluster import Cluster
from tests.support.redis_server import RedisServer
from workers.outcome import Delivered, NoProvider, Outcome, Rejected, RetryAfter, Unregistered

SECRET_KEY = "the secret key of this installation"
NOW = dt.datetime.now(dt.UTC)
ISSUER = "https://nod.example/"


@pytest.fixture
def url(redis_server: RedisServer) -> str:
    url = redis_server.database(4)
    with Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    logging.disable(logging.NOTSET)


def settings(**values: object) -> Settings:
    environ = {"NOD_REDIS_URL": "redis://127.0.0.1", "NOD_SECRET_KEY": SECRET_KEY}
    return load_settings(environ | {f"NOD_{name.upper()}": str(it) for name, it in values.items()})


def levels(found: Any) -> dict[str, Level]:  # noqa: ANN401
    return {finding.check: finding.level for finding in found}


def run(story: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401
    return asyncio.run(story())  # type: ignore[arg-type]


# Settings and files


def test_each_setting_that_is_wrong_is_named() -> None:
    wrong = {"NOD_PORT": "no", "NOD_ISSUER": "nod", "NOD_REDIS_UR": "x", "NOD_LOG_LEVEL": "loud"}

    known, found = surroundings.settings_load(wrong)

    assert known is None
    assert {finding.text.split(" ")[0] for finding in found} == {*wrong}
    assert {finding.level for finding in found} == {"failure"}


def test_a_setting_that_is_missing_ends_the_search_for_others() -> None:
    known, found = surroundings.settings_load({"NOD_BOOTSTRAP_CLIENT_ID": "admin"})

    assert known is None
    assert [finding.text for finding in found] == [
        "NOD_BOOTSTRAP_CLIENT_SECRET set together with its client id"
    ]


def test_settings_that_can_be_used_are_handed_on() -> None:
    known, found = surroundings.settings_load({"NOD_PORT": "8001"})

    assert known is not None
    assert levels(found) == {"settings": "ok"}


def test_a_secret_key_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    of_file = load_settings({"NOD_DATA_DIR": str(tmp_path)})
    assert levels(surroundings.secret_key(of_file)) == {"secret key": "failure"}

    path.write_text("k" * 48)
    for mode, directory_mode, wanted in (
        (0o600, 0o700, {"secret key": "ok"}),
        (0o640, 0o700, {"secret key": "failure"}),
        (0o604, 0o750, {"secret key": "failure"}),
        (0o600, 0o770, {"secret key": "ok", "data directory": "failure"}),
    ):
        path.chmod(mode)
        tmp_path.chmod(directory_mode)
        assert levels(surroundings.secret_key(of_file)) == wanted

    assert levels(surroundings.secret_key(settings(data_dir=tmp_path))) == {"secret key": "ok"}


@pytest.mark.parametrize(
    ("now", "level"),
    [
        (NOW, "ok"),
        (NOW + LIFETIME - dt.timedelta(days=10), "warning"),
        (NOW + LIFETIME + dt.timedelta(hours=1), "failure"),
        (NOW - dt.timedelta(days=1), "failure"),
    ],
)
def test_certificates_are_to_be_renewed_in_time(
    tmp_path: Path, now: dt.datetime, level: Level
) -> None:
    ca_file, cert_file, key_file = write_certificates(tmp_path)
    serving = settings(tls_cert_file=cert_file, tls_key_file=key_file, apns_ca_file=ca_file)

    assert levels(surroundings.server_certificate(serving, now)) == {"TLS certificate": level}
    assert levels(surroundings.authorities(serving, now)) == {"NOD_APNS_CA_FILE": level}


def test_a_certificate_has_its_own_key_and_authorities_are_certificates(tmp_path: Path) -> None:
    ca_file, cert_file, _ = write_certificates(tmp_path)
    another = write_private_key(tmp_path / "other.pem", ec.generate_private_key(ec.SECP256R1()))
    wrong = settings(tls_cert_file=cert_file, tls_key_file=another, outbound_ca_file=another)

    assert levels(surroundings.server_certificate(wrong, NOW)) == {"TLS certificate": "failure"}
    assert levels(surroundings.authorities(wrong, NOW)) == {"NOD_OUTBOUND_CA_FILE": "failure"}
    assert not [*surroundings.server_certificate(settings(), NOW)]
    assert not [*surroundings.authorities(settings(), NOW)]
    assert ca_file.is_file()


@pytest.mark.parametrize(
    "member", ["login_hint_token_issuers_file", "software_statement_issuers_file"]
)
def test_trusted_issuers_are_readable(tmp_path: Path, member: str) -> None:
    path = tmp_path / "issuers.json"
    for text, level in (("{", "failure"), ('[{"issuer": ""}]', "failure"), ("[]", "ok")):
        path.write_text(text)
        found = levels(surroundings.trusted_token_issuers(settings(**{member: path})))
        assert found == {f"NOD_{member.upper()}": level}
    assert not [*surroundings.trusted_token_issuers(settings())]


def test_the_functions_of_actions_load() -> None:
    name = "NOD_CREDENTIALS_EXCHANGE_ACTIONS"

    def found(text: str) -> dict[str, Level]:
        return levels(surroundings.actions(settings(credentials_exchange_actions=text)))

    assert found("operator:add") == {name: "ok"}
    assert found("no_such_module:add") == {name: "failure"}
    assert not [*surroundings.actions(settings())]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, {"trusted proxies": "ok"}),
        ({"issuer": ISSUER}, {"trusted proxies": "warning"}),
        ({"issuer": ISSUER, "trusted_proxies": "10.1.0.0/16"}, {"trusted proxies": "ok"}),
        ({"trusted_proxies": "0.0.0.0/0"}, {"trusted proxies": "failure"}),
        ({"trusted_proxies": "127.0.0.1, ::/0"}, {"trusted proxies": "failure"}),
        ({"host": "0.0.0.0", "issuer": "http://localhost/"}, {"listening": "warning"}),
    ],
)
def test_who_is_believed_about_others_is_few(
    values: dict[str, object], wanted: dict[str, Level]
) -> None:
    assert levels(surroundings.trusted_proxies(settings(**values))).items() >= wanted.items()


# The issuer


def answering(status: int, body: bytes) -> httpx2.MockTransport:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert str(request.url) == f"{ISSUER}.well-known/openid-configuration"
        return httpx2.Response(status, content=body, headers={"Location": "https://evil.example"})

    return httpx2.MockTransport(answer)


@pytest.mark.parametrize(
    ("status", "body", "level"),
    [
        (200, json.dumps({"issuer": ISSUER}).encode(), "ok"),
        (200, json.dumps({"issuer": ISSUER.rstrip("/")}).encode(), "failure"),
        (200, b"<html>", "failure"),
        (200, b'{"issuer":' * 100_000, "failure"),
        (302, b"", "failure"),
        (404, b"", "failure"),
        (502, b"", "failure"),
    ],
)
def test_the_issuer_names_itself(status: int, body: bytes, level: Level) -> None:
    async def story() -> list[Finding]:
        return await discovery.issuer(settings(issuer=ISSUER), answering(status, body))

    assert levels(run(story)) == {"issuer": level}


def test_an_issuer_that_is_not_reached_from_here_may_be_from_elsewhere() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no", request=request)

    async def story() -> list[Finding]:
        return await discovery.issuer(settings(issuer=ISSUER), httpx2.MockTransport(refuse))

    assert levels(run(story)) == {"issuer": "warning"}


# Redis

CLIENT: Any = None
STATE = server.Server("redis", CLIENT)
QUEUE = server.Server("queue", CLIENT, is_queue=True)


@pytest.mark.parametrize(
    ("information", "level"),
    [
        ({"redis_version": "7.0.15"}, "ok"),
        ({"redis_version": "8.2.1"}, "ok"),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.0"}, "ok"),
        ({"redis_version": "6.2.14"}, "failure"),
        ({"redis_version": "managed"}, "warning"),
        ({}, "warning"),
    ],
)
def test_the_version_is_one_that_is_known_to_do(information: dict[str, Any], level: Level) -> None:
    assert server.version(STATE, information).level == level


@pytest.mark.parametrize(
    ("information", "configured", "level"),
    [
        ({"aof_enabled": 1}, {"appendfsync": "always"}, "ok"),
        ({"aof_enabled": 1}, {"appendfsync": "everysec"}, "warning"),
        ({"aof_enabled": 1}, {"appendfsync": "no"}, "failure"),
        ({"aof_enabled": 1}, {}, "warning"),
        (
            {"aof_enabled": 1, "aof_last_write_status": "err"},
            {"appendfsync": "always"},
            "failure",
        ),
        ({"aof_enabled": 0}, {"save": ""}, "failure"),
        ({"aof_enabled": 0}, {"save": "60 1"}, "warning"),
        ({"aof_enabled": 0, "rdb_last_bgsave_status": "err"}, {"save": "60 1"}, "failure"),
        ({"aof_enabled": 0}, {}, "warning"),
        ({}, {}, "warning"),
    ],
)
def test_what_was_answered_outlives_the_server(
    information: dict[str, Any], configured: dict[str, str], level: Level
) -> None:
    assert server.persistence(STATE, information, configured).level == level
    assert server.persistence(QUEUE, information, configured).level == "ok"


@pytest.mark.parametrize(
    ("information", "configured", "level"),
    [
        ({}, {"maxmemory-policy": "noeviction"}, "ok"),
        ({"maxmemory_policy": "noeviction"}, {}, "ok"),
        ({}, {"maxmemory-policy": "allkeys-lru"}, "failure"),
        ({"maxmemory_policy": "volatile-ttl"}, {}, "failure"),
        ({}, {}, "warning"),
    ],
)
def test_nothing_may_be_thrown_away_for_want_of_memory(
    information: dict[str, Any], configured: dict[str, str], level: Level
) -> None:
    assert server.eviction(STATE, information, configured).level == level


@pytest.mark.parametrize(
    ("information", "level"),
    [
        ({"used_memory": 50, "maxmemory": 100}, "ok"),
        ({"used_memory": 80, "maxmemory": 100}, "warning"),
        ({"used_memory": 95, "maxmemory": 100}, "failure"),
        ({"used_memory": 95, "maxmemory": 0, "total_system_memory": 1_000}, "ok"),
        ({"used_memory": 95}, "warning"),
        ({}, "warning"),
    ],
)
def test_there_is_room_for_more(information: dict[str, Any], level: Level) -> None:
    assert server.memory(STATE, information).level == level


@pytest.mark.parametrize(
    ("information", "level"),
    [
        ({"role": "master", "connected_slaves": 0}, "ok"),
        ({"connected_slaves": 1, "slave0": {"state": "online", "lag": 0}}, "ok"),
        ({"connected_slaves": 1, "slave0": {"state": "online", "lag": 60}}, "warning"),
        ({"connected_slaves": 1, "slave0": {"state": "wait_bgsave", "lag": 0}}, "warning"),
        ({"role": "slave"}, "failure"),
        ({}, "ok"),
    ],
)
def test_replicas_are_in_step(information: dict[str, Any], level: Level) -> None:
    assert server.replication(STATE, information).level == level


@pytest.mark.parametrize(
    ("apart", "level"),
    [(0.2, "ok"), (-1.9, "ok"), (2.5, "warning"), (-29, "warning"), (31, "failure")],
)
def test_the_clocks_agree(apart: float, level: Level) -> None:
    assert server.clock("clock", apart).level == level


async def health(url: str) -> list[Finding]:
    async with server.servers(url, "redis") as servers:
        return [finding for each in servers for finding in await server.health(each)]


def test_a_server_that_keeps_everything_is_well(redis_server: RedisServer) -> None:
    found = run(lambda: health(redis_server.url))

    what = ("version", "persistence", "eviction", "memory", "replication", "clock", "latency")
    assert set(levels(found)) == {f"redis {name}" for name in what}
    assert levels(found)["redis persistence"] == "ok"
    assert "failure" not in levels(found).values()


def test_what_a_service_hides_cannot_be_seen_and_is_no_failure(redis_server: RedisServer) -> None:
    with Redis.from_url(redis_server.url) as client:
        client.execute_command("ACL SETUSER tenant on >pw ~* &* +@all -config -info")
    url = redis_server.url.replace("redis://", "redis://tenant:pw@")

    found = run(lambda: health(url))

    unseen = {finding.check for finding in found if finding.text == "cannot be seen"}
    assert unseen == {f"redis {it}" for it in ("version", "persistence", "eviction", "memory")}
    assert "failure" not in levels(found).values()


def test_every_primary_of_a_cluster_is_looked_at(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path).start()
    try:
        found = run(lambda: health(cluster.url))
    finally:
        cluster.stop()

    ports = {finding.check.split(" ")[1] for finding in found}
    assert ports == {f"127.0.0.1:{node.port}" for node in cluster.nodes}


def test_a_server_that_is_not_reached_keeps_its_password_to_itself(
    redis_server: RedisServer,
) -> None:
    with Redis.from_url(redis_server.url) as client:
        client.execute_command("ACL SETUSER tenant on >pw ~* +@all")
    for url, reason in (
        (redis_server.url.replace("redis://", "redis://tenant:wrongpass@"), "the password"),
        ("redis://:wrongpass@127.0.0.1:1", "no connection"),
        ("redis://:wrongpass@127.0.0.1:port", "malformed"),
    ):
        try:
            run(lambda url=url: health(url))  # type: ignore[misc]
        except server.UNREACHABLE as error:
            [finding] = server.unreachable("redis", error)
            assert finding.level == "failure"
            assert reason in finding.text
            assert "wrongpass" not in doctor.line(finding)
        else:
            pytest.fail(f"{reason}: it was reached")


# What is in it


async def in_store(
    url: str, check: Callable[[Directory, Any], Awaitable[list[Finding]]]
) -> dict[str, Level]:
    opened = await open_redis(url)
    try:
        return levels(await check(Directory(opened), opened))
    finally:
        await opened.aclose()


def test_the_partitions_are_those_of_the_first_start(url: str) -> None:
    async def check(_: Directory, opened: Any) -> list[Finding]:  # noqa: ANN401
        return await work.partitions(settings(), opened)

    for fixed, level in ((None, "ok"), ("16", "ok"), ("32", "failure")):
        if fixed:
            with Redis.from_url(url) as client:
                client.hset(keys.FACTS, "partitions", fixed)
        assert run(lambda: in_store(url, check)) == {"partitions": level}


def test_the_secret_key_opens_the_signing_keys(url: str) -> None:
    async def made(directory: Directory, _: object) -> list[Finding]:
        await SigningKeys(directory, Seal(SECRET_KEY)).signer("ES256", 0)
        return await work.signing_keys(directory, SECRET_KEY)

    async def of_another(directory: Directory, _: object) -> list[Finding]:
        return await work.signing_keys(directory, "another secret key of 32 characters")

    assert run(lambda: in_store(url, of_another)) == {"signing keys": "ok"}
    assert run(lambda: in_store(url, made)) == {"signing keys": "ok"}
    assert run(lambda: in_store(url, of_another)) == {"signing keys": "failure"}


def test_without_a_worker_no_phone_rings(url: str) -> None:
    async def check(directory: Directory, _: object) -> list[Finding]:
        return await work.workers(directory)

    async def check_of_one(directory: Directory, _: object) -> list[Finding]:
        await directory.worker_alive("a worker")
        return await work.workers(directory)

    assert run(lambda: in_store(url, check)) == {"workers": "failure"}
    assert run(lambda: in_store(url, check_of_one)) == {"workers": "ok"}


@pytest.mark.parametrize(("late_ms", "level"), [(0, "ok"), (20_000, "warning"), (3e5, "failure")])
@pytest.mark.parametrize("name", ["notifications", "calls to clients", "notices"])
def test_what_is_owed_is_not_overdue(url: str, name: str, late_ms: float, level: Level) -> None:
    p = keys.partitions(16)[3]
    outboxes = {"notifications": p.outbox, "calls to clients": p.calls, "notices": p.notices}

    async def check(directory: Directory, opened: Any) -> list[Finding]:  # noqa: ANN401
        now_ms = await directory.now_ms()
        await opened.execute("ZADD", outboxes[name], str(now_ms - late_ms), "a consent")
        await opened.execute("ZADD", outboxes[name], str(now_ms + 60_000), "another")
        return await work.owed(settings(), opened, now_ms)

    assert run(lambda: in_store(url, check)) == dict.fromkeys(outboxes, "ok") | {name: level}


@pytest.mark.parametrize(("late_ms", "level"), [(0, "ok"), (60_000, "warning"), (9e5, "failure")])
def test_events_reach_the_log_in_time(url: str, late_ms: float, level: Level) -> None:
    async def check(directory: Directory, opened: Any) -> list[Finding]:  # noqa: ANN401
        now_ms = await directory.now_ms()
        event = (keys.EVENTS, f"{now_ms - int(late_ms)}-1", "t", "sapi")
        await opened.execute("XADD", *event)
        return await work.audit_trail(settings(), opened, now_ms)

    assert run(lambda: in_store(url, check)) == {"audit trail": level}


def test_jobs_that_wait_or_failed_are_counted(url: str) -> None:
    async def found() -> list[Finding]:
        async with server.servers(url, "queue", is_queue=True) as [queue]:
            return await work.queue(queue)

    assert levels(run(found)) == {"queue": "ok", "failed jobs": "ok"}
    with Redis.from_url(url) as client:
        client.rpush(f"rq:queue:{jobs.QUEUE}", *map(str, range(200)))
        client.zadd(f"rq:failed:{jobs.QUEUE}", {"job": 4e9, "one of long ago": 1.0})
    assert levels(run(found)) == {"queue": "warning", "failed jobs": "warning"}


# Providers

APNS, FCM = providers.PROVIDERS


@pytest.mark.parametrize(
    ("provider", "outcome", "level"),
    [
        (APNS, Rejected("BadDeviceToken"), "ok"),
        (APNS, Unregistered(None), "ok"),
        (APNS, Rejected("InvalidProviderToken"), "failure"),
        (APNS, Rejected("TopicDisallowed"), "failure"),
        (APNS, RetryAfter(None, "ExpiredProviderToken"), "failure"),
        (APNS, RetryAfter(None, "TooManyRequests"), "warning"),
        (APNS, RetryAfter(None, "tls"), "failure"),
        (FCM, Rejected("INVALID_ARGUMENT"), "ok"),
        (FCM, Unregistered(None), "ok"),
        (FCM, Delivered(""), "ok"),
        (FCM, Rejected("credentials_refused"), "failure"),
        (FCM, Rejected("HTTP_403"), "failure"),
        (FCM, Rejected("HTTP_404"), "failure"),
        (FCM, RetryAfter(None, "UNAUTHENTICATED"), "failure"),
        (FCM, RetryAfter(30.0, "QUOTA_EXCEEDED"), "warning"),
        (FCM, RetryAfter(None, "HTTP_500"), "warning"),
        (FCM, RetryAfter(None, "token_unavailable"), "failure"),
        (FCM, RetryAfter(None, "network"), "failure"),
    ],
)
def test_an_answer_to_a_push_to_nobody_tells_of_the_credentials(
    provider: providers.Provider, outcome: Outcome, level: Level
) -> None:
    [finding] = providers.credentials(provider, outcome, is_stored=False)

    assert finding.level == level


def test_a_provider_that_is_not_configured_is_none_unless_it_is_stored() -> None:
    assert not [*providers.credentials(APNS, NoProvider(), is_stored=False)]
    [finding] = providers.credentials(APNS, NoProvider(), is_stored=True)
    assert finding.level == "failure"


class Doubles:
    """Apple and Google on loopback, with credentials they know."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.apns = apns_double.write_credentials(directory)
        self.inbox_count = 0

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Settings]:
        listener, fcm_url = fcm_double.bound_socket()
        account = fcm_double.write_credentials(self._directory, fcm_url)
        google = fcm_double.FcmDouble(account)
        apple = apns_double.ApnsDouble(self.apns)
        async with google.serving(listener), apple.serving() as apns_url:
            yield settings(
                fcm_credentials_file=account,
                fcm_base_url=fcm_url,
                apns_key_file=self.apns.key_file,
                apns_key_id=apns_double.KEY_ID,
                apns_team_id=apns_double.TEAM_ID,
                apns_topic=apns_double.TOPIC,
                apns_base_url=apns_url,
                apns_ca_file=self.apns.ca_file,
            )
            self.inbox_count = google.inbox.count + apple.inbox.count


async def provider_levels(url: str, known: Settings) -> dict[str, Level]:
    async def check(directory: Directory, _: object) -> list[Finding]:
        return await providers.providers(known, directory, Seal(SECRET_KEY))

    return await in_store(url, check)


def test_credentials_that_providers_know_are_told_from_others(url: str, tmp_path: Path) -> None:
    doubles = Doubles(tmp_path)
    another = tmp_path / "another"
    another.mkdir()
    stranger = write_private_key(another / "apns.p8", ec.generate_private_key(ec.SECP256R1()))

    async def story() -> tuple[dict[str, Level], dict[str, Level]]:
        async with doubles.serving() as known:
            token_url = json.loads(known.fcm_credentials_file.read_text())["token_uri"]  # type: ignore[union-attr]
            account = fcm_double.write_credentials(another, token_url.removesuffix("/token"))
            wrong = settings(
                **{
                    name: getattr(known, name)
                    for name in (
                        "fcm_base_url",
                        "apns_key_id",
                        "apns_team_id",
                        "apns_topic",
                        "apns_base_url",
                        "apns_ca_file",
                    )
                },
                apns_key_file=stranger,
                fcm_credentials_file=account,
            )
            return await provider_levels(url, known), await provider_levels(url, wrong)

    right, wrong = run(story)

    assert right == {"push provider apns": "ok", "push provider fcm": "ok"}
    assert wrong == {"push provider apns": "failure", "push provider fcm": "failure"}
    assert doubles.inbox_count == 0, "no phone rings"


def test_a_provider_that_is_away_is_a_failure(url: str, tmp_path: Path) -> None:
    files = apns_double.write_credentials(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    away = settings(
        fcm_credentials_file=fcm_double.write_credentials(tmp_path, f"http://127.0.0.1:{port}"),
        fcm_base_url=f"http://127.0.0.1:{port}",
        apns_key_file=files.key_file,
        apns_key_id="K",
        apns_team_id="T",
        apns_topic="t",
        apns_base_url=f"https://127.0.0.1:{port}",
    )

    found = run(lambda: provider_levels(url, away))

    assert found == {"push provider apns": "failure", "push provider fcm": "failure"}


def test_files_that_hold_no_credentials_are_named(url: str, tmp_path: Path) -> None:
    path = tmp_path / "nothing"
    path.write_text("{}")
    wrong = settings(
        fcm_credentials_file=path,
        apns_key_file=path,
        apns_key_id="K",
        apns_team_id="T",
        apns_topic="t",
    )

    assert run(lambda: provider_levels(url, wrong)) == {
        "NOD_APNS_KEY_FILE": "failure",
        "NOD_FCM_CREDENTIALS_FILE": "failure",
    }


def test_what_an_administrator_put_or_switched_off_is_seen(url: str) -> None:
    async def stored(directory: Directory, _: object) -> list[Finding]:
        await directory.write(keys.FACTORS, "apns", FactorRecord(sealed=b"of another secret key"))
        return await providers.providers(settings(), directory, Seal(SECRET_KEY))

    async def switched_off(directory: Directory, _: object) -> list[Finding]:
        await directory.write(keys.FACTORS, PUSH, FactorRecord(enabled=False))
        return await providers.providers(settings(), directory, Seal(SECRET_KEY))

    async def with_a_key(directory: Directory, _: object) -> list[Finding]:
        key = sealed(WEB_PUSH, new_web_push_provider(), Seal(SECRET_KEY))
        await directory.write(keys.FACTORS, WEB_PUSH, key)
        return await providers.providers(settings(), directory, Seal(SECRET_KEY))

    async def with_anothers(directory: Directory, _: object) -> list[Finding]:
        key = sealed(WEB_PUSH, new_web_push_provider(), Seal("j" * 32))
        await directory.write(keys.FACTORS, WEB_PUSH, key)
        return await providers.providers(settings(), directory, Seal(SECRET_KEY))

    assert run(lambda: provider_levels(url, settings())) == {"push provider": "warning"}
    assert run(lambda: in_store(url, stored)) == {"push provider apns": "failure"}
    assert run(lambda: in_store(url, with_anothers))["push provider webpush"] == "failure"
    assert run(lambda: in_store(url, with_a_key)) == {
        "push provider apns": "failure",
        "push provider webpush": "ok",
    }
    assert run(lambda: in_store(url, switched_off)) == {"push provider": "warning"}


# The command


def examine(url: str, *arguments: str, **values: str) -> Any:  # noqa: ANN401
    app = typer.Typer()
    app.command()(doctor.doctor)
    environ = {
        "NOD_REDIS_URL": url,
        "NOD_SECRET_KEY": SECRET_KEY,
        "NOD_ISSUER": "http://127.0.0.1:1/",
    }
    environ |= {f"NOD_{name.upper()}": value for name, value in values.items()}
    return CliRunner(env=environ).invoke(app, arguments)


def test_every_finding_is_one_line_and_a_failure_ends_with_one(url: str) -> None:
    done = examine(url)

    assert done.exit_code == 1, "there is no worker"
    lines = done.stdout.splitlines()
    assert {line.split(" ")[0] for line in lines} <= {"ok", "warning", "failure"}
    [failure] = [line for line in lines if line.startswith("failure")]
    assert failure.startswith("failure  workers: none is alive: no phone is rung; start one")
    assert done.stderr == ""


def test_an_installation_without_a_failure_ends_with_zero(url: str) -> None:
    async def live(directory: Directory, _: object) -> list[Finding]:
        await directory.worker_alive("a worker")
        return []

    run(lambda: in_store(url, live))

    done = examine(url, "--json")

    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert {tuple(finding) for finding in found} == {("check", "level", "text", "advice")}
    checks = {finding["check"] for finding in found}
    assert checks >= {"settings", "secret key", "issuer", "redis clock", "queue", "push provider"}


def test_a_redis_that_is_away_is_said_and_the_rest_is_checked(tmp_path: Path) -> None:
    done = examine("redis://127.0.0.1:1", data_dir=str(tmp_path))

    assert done.exit_code == 1
    assert "failure  redis: there is no connection" in done.stdout
    assert "warning  issuer:" in done.stdout


def test_nothing_but_settings_is_said_of_settings_that_do_not_load(url: str) -> None:
    done = examine(url, port="no", workers="1000")

    assert done.exit_code == 1
    assert [line.split(" ")[3] for line in done.stdout.splitlines()] == ["NOD_PORT", "NOD_WORKERS"]


def test_a_check_that_breaks_is_a_failure_and_not_the_end() -> None:
    async def broken() -> list[Finding]:
        raise KeyError("what it found")

    found = run(lambda: examined("a check", broken))

    assert levels(found) == {"a check": "failure"}
    assert "KeyError" in found[0].text


def test_a_line_is_one_line_whatever_is_in_it() -> None:
    assert doctor.line(ok("a", "b\n\x1b[2J")) == "ok       a: b??[2J"
