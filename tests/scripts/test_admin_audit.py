"""`scripts/admin audit`: what an operator can prove, take away and watch."""

import asyncio
import datetime as dt
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from typer.testing import CliRunner

from consent.audit.chain import GENESIS
from consent.store import keys
from consent.store.audit import Audit, LogState
from scripts.administration import audit
from scripts.administration.installation import AdministrationError
from tests.support.audited import SECRET_KEY, Audited, audited
from tests.support.redis_server import RedisServer

COUNT = 9


class Operator:
    def __init__(self, url: str) -> None:
        self.url = url

    def logged(self, story: Callable[[Audited], Awaitable[object]]) -> None:
        async def run() -> None:
            async with audited(self.url) as use:
                await story(use)

        asyncio.run(run())

    def told(self, *arguments: str, typed: bytes = b"") -> str:
        done = CliRunner().invoke(audit.app, arguments, input=typed)
        assert done.exit_code == 0, done.output
        return done.stdout

    def refused(self, *arguments: str, typed: bytes = b"") -> str:
        done = CliRunner().invoke(audit.app, arguments, input=typed)
        assert done.exit_code == 1
        assert isinstance(done.exception, AdministrationError)  # one line, as __main__ prints it
        return str(done.exception)


@pytest.fixture
def operator(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    """Nothing of it stays, for the next in this database may have another number of partitions."""
    url = redis_server.database(11)
    with Redis.from_url(url) as redis:
        redis.flushdb()
    monkeypatch.setenv("NOD_REDIS_URL", url)
    monkeypatch.setenv("NOD_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("NOD_PARTITIONS", "4")
    yield Operator(url)
    with Redis.from_url(url) as redis:
        redis.flushdb()


async def happened(use: Audited) -> None:
    await use.add_many(COUNT)
    await use.appender().move()


def exported(operator: Operator, *arguments: str) -> list[bytes]:
    return operator.told("export", *arguments).encode().splitlines(keepends=True)


def test_a_whole_trail_is_proved(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "READ_AT_ONCE", 4)
    assert operator.told("verify").startswith("whole: 0 records")
    operator.logged(happened)

    assert operator.told("verify").startswith(f"whole: {COUNT} records; the last is {COUNT}")
    said = json.loads(operator.told("verify", "--json"))
    assert (said["whole"], said["checked"], said["end"]["number"]) == (True, COUNT, COUNT)


@pytest.mark.parametrize(
    ("tampering", "reason"),
    [
        (lambda r: r.xdel(keys.LOG_RECORDS, "4-0"), "record 4 is missing"),
        (
            lambda r: r.xtrim(keys.LOG_RECORDS, minid="3-0", approximate=False),
            "record 1 is missing",
        ),
        (lambda r: r.xdel(keys.LOG_RECORDS, f"{COUNT}-0"), f"record {COUNT} is missing, and all"),
        (lambda r: r.delete(keys.LOG_RECORDS), "record 1 is missing, and all"),
        (lambda r: r.xadd(keys.LOG_RECORDS, {"r": "{}"}, f"{COUNT + 1}-0"), "is after the end"),
        (lambda r: r.hset(keys.LOG_STATE, "number", 4), "the end of the log is forged"),
        (lambda r: r.hset(keys.LOG_STATE, "hash", "x"), "the end of the log is forged"),
        (lambda r: r.hdel(keys.LOG_STATE, "mac"), "the end of the log is forged"),
        (
            lambda r: r.hset(keys.LOG_STATE, mapping={"anchor_number": 3, "anchor_hash": "x"}),
            "the anchor of the log is forged",
        ),
        (lambda r: r.delete(keys.LOG_STATE), "has begun before, and is gone"),
        (lambda r: r.delete(keys.LOG_STATE, keys.LOG_RECORDS), "has begun before, and is gone"),
    ],
)
def test_a_broken_trail_is_named(
    operator: Operator, tampering: Callable[[Redis], object], reason: str
) -> None:
    operator.logged(happened)
    with Redis.from_url(operator.url) as redis:
        tampering(redis)

    assert reason in operator.refused("verify")
    assert "the audit trail is broken" in operator.refused("verify", "--json")
    if "after the end" not in reason:  # of that nothing is exported
        assert "the audit trail is broken" in operator.refused("export")


def test_another_installation_proves_nothing(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.logged(happened)
    monkeypatch.setenv("NOD_SECRET_KEY", "another" * 8)

    assert "has no seal of this key" in operator.refused("verify")


def test_what_retention_has_left_is_whole(operator: Operator) -> None:
    async def cut(use: Audited) -> None:
        await happened(use)
        await asyncio.sleep(0.002)
        await use.appender().cut(0)
        await happened(use)

    operator.logged(cut)

    assert operator.told("verify").startswith(f"whole: {COUNT} records; the last is {2 * COUNT}")
    assert len(exported(operator)) == COUNT + 1


def test_an_export_is_proved_without_the_store(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.logged(happened)
    lines = exported(operator)
    file = tmp_path / "audit.jsonl"
    file.write_bytes(b"".join(lines))
    monkeypatch.setenv("NOD_REDIS_URL", "redis://127.0.0.1:1")

    assert [json.loads(line).get("n") for line in lines] == [*range(1, COUNT + 1), None]
    assert operator.told("verify", "--file", str(file)).startswith(f"whole: {COUNT} records")
    assert operator.told("verify", "--file", "-", typed=b"".join(lines)).startswith("whole")


def test_an_export_of_some_days_is_proved_too(operator: Operator) -> None:
    operator.logged(happened)
    today = dt.datetime.now(dt.UTC)
    yesterday, tomorrow = (f"{today + dt.timedelta(days):%Y-%m-%d}" for days in (-1, 1))

    for arguments, count in (
        (("--from", yesterday), COUNT),
        (("--from", yesterday, "--to", tomorrow), COUNT),
        (("--from", tomorrow), 0),
        (("--to", yesterday), 0),
        (("--from", yesterday, "--to", "2001"), 0),
    ):
        lines = exported(operator, *arguments)
        assert len(lines) == count + 1
        proof = operator.told("verify", "--file", "-", typed=b"".join(lines))
        assert proof.startswith(f"whole: {count} records")
    assert "a date is written" in operator.refused("export", "--from", "yesterday")


def test_a_part_of_the_log_follows_what_comes_before_it(operator: Operator) -> None:
    moments: list[dt.datetime] = []

    async def twice(use: Audited) -> None:
        for _ in range(3):
            await happened(use)
            await asyncio.sleep(1.1 if len(moments) < 2 else 0)
            moments.append(dt.datetime.now(dt.UTC))

    operator.logged(twice)
    first, second = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in moments[:2])

    later = exported(operator, "--from", first)
    middle = exported(operator, "--from", first, "--to", second)

    assert json.loads(later[-1])["export"]["after"]["number"] == COUNT
    for lines in (later, middle):
        assert operator.told("verify", "--file", "-", typed=b"".join(lines)).startswith("whole")


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (lambda lines: lines[:0], "does not end with the seal"),
        (lambda lines: lines[:-1], "does not end with the seal"),
        (lambda lines: lines[1:], "record 1 is missing"),
        (lambda lines: lines[-1:], "record 1 is missing"),
        (lambda lines: [*lines[:3], *lines[4:]], "record 4 is missing"),
        (lambda lines: [*lines[:-2], lines[-1]], f"record {COUNT} is missing"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "record 1 is missing"),
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], "record 3 is not in its"),
        (lambda lines: [b"\xff\n", *lines[1:]], "record 1 was changed"),
        (lambda lines: [*lines[:4], lines[4].replace(b"sec", b"bad"), *lines[5:]], "5 was changed"),
        (lambda lines: [*lines[:-1], lines[-1].replace(b'"number":0', b'"number":1')], "forged"),
        (lambda lines: [*lines[:-1], b'{"export":{"after":{},"end":{},"mac":""}}'], "the seal"),
        (lambda lines: [*lines[:-1], b"[" * 100_000], "the seal"),
        (lambda lines: [*lines[:-1], lines[-2], lines[-1]], "is after the end"),
    ],
)
def test_an_export_that_was_changed_proves_nothing(
    operator: Operator, forge: Callable[[list[bytes]], list[bytes]], reason: str
) -> None:
    operator.logged(happened)
    forged = b"".join(forge(exported(operator)))

    assert reason in operator.refused("verify", "--file", "-", typed=forged)


def test_what_happens_is_shown_with_the_newest_last(operator: Operator) -> None:
    operator.logged(happened)

    heading, *rows = operator.told("tail", "--lines", "3").splitlines()
    records = [json.loads(line) for line in operator.told("tail", "--json").splitlines()]

    assert heading.split()[:4] == ["date", "type", "client", "id"]
    assert len(rows) == 3
    assert records[-1]["client_id"] in rows[-1]
    assert [it["n"] for it in records] == [*range(1, COUNT + 1)]


def test_following_goes_on_with_what_is_new(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "FOLLOW_SECONDS", 0)
    turns = 0

    class Ending(Audit):
        async def state(self) -> LogState:
            nonlocal turns
            turns += 1
            if turns == 4:
                async with audited(operator.url) as use:
                    await happened(use)
            if turns == 7:
                raise KeyboardInterrupt
            return await super().state()

    operator.logged(happened)
    monkeypatch.setattr(audit, "Audit", Ending)

    lines = operator.told("tail", "--follow", "--json").splitlines()

    assert [json.loads(line)["n"] for line in lines] == [*range(1, 2 * COUNT + 1)]


def test_a_trail_that_is_cut_while_it_is_read_is_read_again(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(Audit):
        turns = 0

        async def state(self) -> LogState:
            state = await super().state()
            Late.turns += 1
            return state if Late.turns > 1 else state._replace(anchor=GENESIS, anchor_mac="")

        async def first_since(self, ms: int) -> int:  # noqa: ARG002
            return 1

    async def cut(use: Audited) -> None:
        await happened(use)
        await asyncio.sleep(0.002)
        await use.appender().cut(0)
        await happened(use)

    operator.logged(cut)
    monkeypatch.setattr(audit, "Audit", Late)

    assert operator.told("verify").startswith(f"whole: {COUNT} records")
    Late.turns = 0
    assert "try again" in operator.refused("export")
