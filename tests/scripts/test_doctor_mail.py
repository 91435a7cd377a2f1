"""`scripts/admin doctor`: the mail server is tried as far as a mail goes, and none is sent."""

import asyncio
import dataclasses
from pathlib import Path

import pytest
from redis import Redis

from consent.seal import Seal
from consent.settings import Settings, load
from consent.store.connections import open_redis
from consent.store.directory import Directory
from scripts.administration.checks import mail
from scripts.administration.checks.finding import Finding, Level
from scripts.doubles.certificates import write_certificates
from scripts.doubles.mail import MailDouble
from tests.support.redis_server import RedisServer
from workers.outcome import Outcome, Rejected, RetryAfter

SEAL = Seal("k" * 32)


@pytest.fixture
def url(redis_server: RedisServer) -> str:
    url = redis_server.database(4)
    with Redis.from_url(url) as client:
        client.flushdb()
    return url


def settings(smtp_url: str, ca_file: Path | None = None) -> Settings:
    environ = {"NOD_SMTP_URL": smtp_url, "NOD_SMTP_FROM": "nod@example.org"}
    return dataclasses.replace(load(environ), smtp_ca_file=ca_file)


async def found(redis_url: str, known: Settings) -> list[Finding]:
    redis = await open_redis(redis_url)
    try:
        return await mail.mail(known, Directory(redis), SEAL)
    finally:
        await redis.aclose()


def test_a_mail_server_that_lets_us_in_is_well_and_one_that_does_not_is_said(
    url: str, tmp_path: Path
) -> None:
    certificates = write_certificates(tmp_path)

    async def story() -> list[tuple[Level, str]]:
        async with MailDouble(certificates).serving() as double:
            tried = [
                settings(double.url(), certificates.ca_file),
                settings(double.url(password="another"), certificates.ca_file),
                settings(double.url()),
            ]
            each = [finding for known in tried for finding in await found(url, known)]
            assert not double.inbox.count
            return [(it.level, it.text.partition(" ")[2]) for it in each]

    assert asyncio.run(story()) == [
        ("ok", "takes our login"),
        ("failure", "cannot be used (auth)"),
        ("failure", "cannot be used (tls)"),
    ]


def test_nothing_is_said_where_none_is_set(url: str) -> None:
    assert asyncio.run(found(url, load({}))) == []


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        (None, "ok"),
        (Rejected("auth"), "failure"),
        (Rejected("not_supported"), "failure"),
        (RetryAfter(None, "tls"), "failure"),
        (RetryAfter(None, "network"), "failure"),
        (RetryAfter(None, "timeout"), "failure"),
        (RetryAfter(None, "SMTP_421"), "warning"),
        (Rejected("SMTP_554"), "warning"),
    ],
)
def test_whoever_is_not_let_in_hears_why(outcome: Outcome | None, level: Level) -> None:
    finding = mail.finding(settings("smtp://nod:secret-word@mail.example:25"), outcome)

    assert finding.level == level
    assert finding.text.startswith("mail.example:25 ")
    assert "secret-word" not in str(finding)
    assert bool(finding.advice) is (level != "ok")
