"""`scripts/admin` as an operator runs it: a process, its settings, a real Redis."""

import asyncio
import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from consent.seal import Seal
from consent.settings import load
from consent.store import keys
from consent.store.connections import open_redis
from consent.store.directory import Directory
from consent.store.secret_key import secret_key
from consent.store.signing_keys import SigningKeys
from scripts import data_directory, embedded_redis, locks
from scripts.administration import output
from tests.support.command_line import CommandLine, start_once
from tests.support.redis_server import RedisServer

SECRET_KEY = "the secret key of this installation"
KID = re.compile(r"[A-Za-z0-9_-]{43}")


class Terminal:
    """Somebody at a terminal, whose commands are processes."""

    def __init__(self, **settings: str) -> None:
        self.environ = {name: value for name, value in os.environ.items() if name[:4] != "NOD_"}
        self.environ |= environ_of(settings)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "scripts.administration", *arguments],
            cwd=locks.ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )


class Operator(CommandLine):
    def __init__(self, **settings: str) -> None:
        super().__init__(environ_of(settings))

    def listed(self) -> list[dict[str, Any]]:
        return list(self.json("keys", "list"))


def environ_of(settings: dict[str, str]) -> dict[str, str]:
    return {f"NOD_{name.upper()}": value for name, value in settings.items()}


def make_first_key(url: str, key: str) -> str:
    """As the API does when it signs."""

    async def make() -> str:
        redis = await open_redis(url)
        try:
            return (await SigningKeys(Directory(redis), Seal(key)).signer("ES256", 0)).kid
        finally:
            await redis.aclose()

    return asyncio.run(make())


@pytest.fixture
def url(redis_server: RedisServer) -> str:
    url = redis_server.database(4)
    with Redis.from_url(url) as redis:
        redis.flushdb()
    return url


@pytest.fixture
def operator(url: str) -> Operator:
    return Operator(redis_url=url, secret_key=SECRET_KEY)


def seconds_from_now(date: str) -> float:
    return (dt.datetime.fromisoformat(date) - dt.datetime.now(dt.UTC)).total_seconds()


def test_a_key_is_rotated_with_an_overlap_and_removed(operator: Operator, url: str) -> None:
    assert "there is no key yet" in operator.told("keys", "list")
    first = make_first_key(url, SECRET_KEY)

    rotated = operator.told("keys", "rotate", "--alg", "ES256", "--overlap-seconds", "600")

    [kid] = [word for word in rotated.split() if KID.fullmatch(word)]
    following, current = operator.listed()
    assert (following["kid"], following["state"]) == (kid, "upcoming")
    assert (current["kid"], current["state"], current["signs_from"]) == (first, "signing", None)
    assert 570 < seconds_from_now(following["signs_from"]) <= 600
    assert following["published_until"] is None
    assert seconds_from_now(current["published_until"]) > 2_592_000
    assert "rotate first" in operator.refused("keys", "remove", first, "--yes")

    operator.told("keys", "remove", kid, "--yes")

    assert [it["kid"] for it in operator.listed()] == [first]


def test_an_emergency_has_no_overlap(operator: Operator, url: str) -> None:
    first = make_first_key(url, SECRET_KEY)

    row = operator.json("keys", "rotate", "--overlap-seconds", "0")

    assert (row["alg"], row["state"]) == ("ES256", "signing")
    assert {it["kid"]: it["state"] for it in operator.listed()} == {
        row["kid"]: "signing",
        first: "superseded",
    }


def test_the_keys_are_a_table_for_people(operator: Operator, url: str) -> None:
    first = make_first_key(url, SECRET_KEY)

    heading, row = operator.told("keys", "list").splitlines()

    assert heading.split("  ")[0] == "kid"
    assert re.split(" {2,}", row) == [first, "ES256", "signing", "-", "-"]


def test_a_key_is_removed_when_the_operator_says_so(operator: Operator) -> None:
    """Who types nothing changes nothing; a kid may begin with a dash."""
    operator.told("keys", "rotate", "--overlap-seconds", "600")
    [key] = operator.listed()

    asked = operator.run("keys", "remove", key["kid"])

    assert asked.exit_code == 1
    assert key["kid"] in asked.stderr
    assert operator.listed() == [key]
    assert "there is no such key" in operator.refused("keys", "remove", "--yes", "--abc")
    assert operator.run("keys", "remove", key["kid"], typed="y\n").exit_code == 0
    assert operator.listed() == []


def test_another_secret_key_rotates_nothing(operator: Operator, url: str, tmp_path: Path) -> None:
    """Nor does a new one, made because the right one was not found."""
    make_first_key(url, SECRET_KEY)
    stranger = Operator(redis_url=url, secret_key="another secret key of 32 characters")
    elsewhere = Operator(redis_url=url, data_dir=str(tmp_path))

    for who, reason in (
        (stranger, "NOD_SECRET_KEY: is not the one this store was made with"),
        (elsewhere, f"the API's generated one is not in {tmp_path}"),
    ):
        assert reason in who.refused("keys", "rotate")
    assert len(operator.listed()) == 1
    assert not [*tmp_path.iterdir()]


def test_the_installation_of_scripts_run_is_found(tmp_path: Path) -> None:
    """By the files of its data directory, while it is up."""
    operator = Operator(data_dir=str(tmp_path))
    assert f"has its data in {tmp_path}" in operator.refused("keys", "list")
    redis = embedded_redis.prepare(tmp_path, os.environ)
    assert redis.durable
    assert "is not in" in operator.refused("keys", "list")
    key = secret_key(load({"NOD_DATA_DIR": str(tmp_path)}))
    assert "is scripts/run up?" in operator.refused("keys", "list")

    with subprocess.Popen(redis.program.command, cwd=redis.program.cwd) as server:
        try:
            asyncio.run(embedded_redis.wait_until_up(redis.url))
            kid = make_first_key(redis.url, key)
            assert [it["kid"] for it in operator.listed()] == [kid]
        finally:
            server.terminate()


def test_a_redis_that_is_away_is_named() -> None:
    operator = Operator(
        redis_url=f"redis://127.0.0.1:{embedded_redis.free_port()}", secret_key=SECRET_KEY
    )

    assert "the Redis of NOD_REDIS_URL does not answer" in operator.refused("keys", "list")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["keys", "rotate"], "NOD_SECRET_KEY: must have at least 32 characters"),
        (["clients", "list"], "NOD_SECRET_KEY: must have at least 32 characters"),
        (["users", "show", os.fsdecode(b"caf\xe9")], "an argument is not UTF-8"),
    ],
)
def test_what_went_wrong_is_one_line_on_standard_error(arguments: list[str], said: str) -> None:
    done = Terminal(secret_key="short").run(*arguments)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"scripts/admin: {said}\n"


def test_a_terminal_is_told_what_it_asks(url: str) -> None:
    """And nothing else: opening and closing an installation is quiet."""
    start_once(environ_of({"redis_url": url, "secret_key": SECRET_KEY}))
    done = Terminal(redis_url=url, secret_key=SECRET_KEY).run("clients", "list")

    assert (done.returncode, done.stdout, done.stderr) == (0, "there are no clients\n", "")


def test_where_no_api_was_ever_started_that_is_said_at_once(url: str) -> None:
    """Connections that are still being made are no reason to wait."""
    done = Terminal(redis_url=url, secret_key=SECRET_KEY).run("clients", "list")

    said = "scripts/admin: no API was started with this NOD_ISSUER on this Redis yet\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


def test_the_launcher_passes_on_what_it_is_asked(tmp_path: Path) -> None:
    """From wherever it is called, with the environment all commands share."""
    root = tmp_path / "checkout"
    for name in ("scripts/admin", "scripts/environment.sh", "requirements.lock"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(locks.ROOT / name, root / name)
    (root / ".venv/bin").mkdir(parents=True)
    shutil.copy(root / "requirements.lock", root / ".venv/requirements.lock")
    data_directory.write_private(root / ".venv/bin/python", '#!/bin/sh\necho "$PWD" "$@"\n')
    (root / ".venv/bin/python").chmod(0o700)

    done = subprocess.run(
        [root / "scripts/admin", "keys", "list"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines()[-1] == f"{root} -m scripts.administration keys list"


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    rows: list[dict[str, object]] = [
        {"kid": "a", "signs_from": None},
        {"kid": "long name", "signs_from": 7},
    ]

    assert output.table(rows).splitlines() == [
        "kid        signs from",
        "a          -",
        "long name  7",
    ]
    assert output.table([]) == ""


def test_a_rotation_is_the_operators_act_in_the_audit_trail(url: str, operator: Operator) -> None:
    make_first_key(url, SECRET_KEY)
    kid = operator.json("keys", "rotate", "--overlap-seconds", "600")["kid"]
    operator.told("keys", "remove", kid, "--yes")
    with Redis.from_url(url) as redis:
        told = [json.loads(fields[b"e"]) for _, fields in redis.xrange(keys.EVENTS)]
    assert [(it["client_id"], it["description"]) for it in told] == [
        ("nod", "Add a signing key"),
        ("scripts/admin", "Add a signing key"),
        ("scripts/admin", "Remove a signing key"),
    ]
    assert [it["subject"]["kid"] for it in told[1:]] == [kid, kid]
