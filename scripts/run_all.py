"""
Everything Nod needs, in the foreground: Redis, the API, its workers, and one request played
against them.

What a person should read goes to standard output. The processes' logs go to standard error as
they are or, where that is a terminal, to `NOD_DATA_DIR/nod.log`: nobody can read both at once.
Exit code 0 after Ctrl-C or SIGTERM, 1 when the start failed, 2 when a setting is wrong.
"""

import asyncio
import dataclasses
import errno
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

import httpx2

from consent.settings import Settings, SettingsError, load
from scripts import data_directory, embedded_redis
from scripts.supervisor import Program, Supervisor

READY_SECONDS = 30.0


class StartError(Exception):
    """The start failed; the text says why."""


@dataclasses.dataclass
class Run:
    """What one run adds to the settings it was given."""

    settings: Settings
    environ: dict[str, str]  # of every process
    redis: embedded_redis.EmbeddedRedis | None = None
    double_url: str | None = None


def main(environ: Mapping[str, str]) -> int:
    try:
        settings = load(environ)
    except SettingsError as error:
        complain(str(error))
        return 2
    try:
        data_directory.make(settings.data_dir)
        with data_directory.hold(settings.data_dir) as lock:
            refuse_taken_port(settings)
            run = prepared(settings, environ, lock.fileno())
            asyncio.run(serve(run, lock.fileno()))
    except (StartError, data_directory.DirectoryHeldError, OSError) as error:
        complain(str(error))
        return 1
    return 0


def prepared(settings: Settings, environ: Mapping[str, str], lock: int) -> Run:
    """Fill in what is unset: a Redis, a management client, somewhere for pushes to go."""
    run = Run(settings, {**environ, "PYTHONUNBUFFERED": "1"})
    if not settings.redis_url:
        run.redis = embedded_redis.prepare(settings.data_dir, environ, (lock,))
        run.environ["NOD_REDIS_URL"] = run.redis.url
    if not settings.bootstrap_client_id:
        run.environ |= bootstrap_client(settings)
    double_file = settings.data_dir / "double.json"
    double_file.unlink(missing_ok=True)
    if settings.demo and not (settings.fcm_credentials_file or settings.apns_key_file):
        run.double_url = f"http://127.0.0.1:{embedded_redis.free_port()}"
        run.environ["NOD_FCM_CREDENTIALS_FILE"] = str(double_directory(settings) / "fcm.json")
        run.environ["NOD_FCM_BASE_URL"] = run.double_url
        data_directory.write_json(double_file, {"url": run.double_url})
    return run


def log_descriptor(settings: Settings) -> int:
    if not sys.stderr.isatty():
        return sys.stderr.fileno()
    return os.open(log_file(settings), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def log_file(settings: Settings) -> Path:
    return settings.data_dir / "nod.log"


def double_directory(settings: Settings) -> Path:
    """Where the double keeps the service account it accepts."""
    return settings.data_dir / "double"


def bootstrap_client(settings: Settings) -> dict[str, str]:
    """The management client of this directory, made at its first run."""
    path = settings.data_dir / "bootstrap.json"
    client: dict[str, str] | None = data_directory.read_json(path)
    if client is None:
        client = {
            "client_id": f"bootstrap-{secrets.token_hex(8)}",
            "client_secret": secrets.token_urlsafe(32),
        }
        data_directory.write_json(path, client)
    return {f"NOD_BOOTSTRAP_{name.upper()}": value for name, value in client.items()}


def refuse_taken_port(settings: Settings) -> None:
    """Said here in one line; the API could only end, again and again."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            place = f"port {settings.port} of {settings.host}"
            if error.errno == errno.EADDRINUSE:
                raise StartError(
                    f"NOD_PORT: {place} is taken by another program; choose another port"
                ) from None
            raise StartError(f"NOD_HOST, NOD_PORT: {place}: {error.strerror}") from None


async def serve(run: Run, lock: int) -> None:
    """Start all of it and keep it alive until a signal. Raises `StartError`."""
    supervisor = Supervisor(complain, log_descriptor(run.settings))
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    stopped = asyncio.create_task(stopping.wait())
    started = asyncio.create_task(start(run, supervisor, lock))
    try:
        await asyncio.wait({started, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if started.done():
            started.result()
            await stopped
        tell("stopping")
    finally:
        started.cancel()
        stopped.cancel()
        await supervisor.stop()


async def start(run: Run, supervisor: Supervisor, lock: int) -> None:
    def python(name: str, *module: str, **options: Any) -> Program:  # noqa: ANN401
        command = (sys.executable, "-m", *module)
        return Program(
            name=name, command=command, environ=run.environ, inherited=(lock,), **options
        )

    if run.redis:
        tell(redis_line(run))
        supervisor.start(run.redis.program)
        await unless_refused(supervisor, embedded_redis.wait_until_up(run.redis.url))
    if run.double_url:
        port, directory = run.double_url.rpartition(":")[2], str(double_directory(run.settings))
        arguments = ("--port", port, "--directory", directory)
        supervisor.start(python("fcm-double", "scripts.doubles.fcm", *arguments))
        await unless_refused(supervisor, answering(f"{run.double_url}/count"))
    workers = [python(f"worker-{n + 1}", "workers") for n in range(run.settings.workers)]
    supervisor.start(python("api", "api"), *workers)
    await unless_refused(supervisor, answering(f"{local_url(run.settings)}readyz"))
    tell(banner(run))
    if run.double_url:
        stdout = sys.stdout.fileno()
        supervisor.start(python("demonstration", "scripts.demonstration", once=True, stdout=stdout))


async def unless_refused(supervisor: Supervisor, ready: Awaitable[None]) -> None:
    """Wait until ready, but not for a process that has ended of its own will."""
    waiting = asyncio.ensure_future(ready)
    either: set[asyncio.Future[Any]] = {waiting, supervisor.refused}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            raise StartError(f"{supervisor.refused.result()}; its reason is above")
        waiting.result()
    except TimeoutError:
        raise StartError("the embedded Redis did not answer") from None
    finally:
        waiting.cancel()


async def answering(url: str, seconds: float = READY_SECONDS) -> None:
    """Return when the URL answers 200. Raises `StartError` with the last answer."""
    last = "there was no answer"
    # The certificate is for the public name; this asks our own process over its own address.
    async with httpx2.AsyncClient(verify=False, trust_env=False, timeout=5) as http:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        answer = await http.get(url)
                    except httpx2.TransportError:
                        pass
                    else:
                        if answer.status_code == httpx2.codes.OK:
                            return
                        last = f"{answer.status_code} {answer.text}"
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise StartError(f"not ready after {seconds:g} s: {url}: {last}") from None


def local_url(settings: Settings) -> str:
    """Where this machine reaches the API, which the issuer need not tell."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    scheme = "https" if settings.tls_cert_file else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}/"


def redis_line(run: Run) -> str:
    if run.redis and run.redis.durable:
        return f"embedded Redis: {run.redis.server}, its data in {run.settings.data_dir}/redis"
    return (
        "NOT DURABLE: no Redis or Valkey server was found, so fakeredis stands in. What is stored "
        "is gone when this ends, and any account of this machine can read it. Set NOD_REDIS_URL, "
        "or install valkey-server or redis-server."
    )


def banner(run: Run) -> str:
    """Where it is, how to manage it, and where pushes go."""
    issuer = run.settings.issuer
    lines = [f"Nod is ready at {issuer} (see {issuer}.well-known/openid-configuration)"]
    if not run.settings.bootstrap_client_id:
        lines.append(f"management client: in {run.settings.data_dir}/bootstrap.json")
    if sys.stderr.isatty():
        lines.append(f"logs: tail -f {log_file(run.settings)}")
    if run.double_url:
        lines.append(
            "NO REAL PHONE WILL RING: pushes to apps go to a double on this machine, not to Google "
            "or Apple, until NOD_FCM_CREDENTIALS_FILE or NOD_APNS_KEY_FILE is set; browsers are "
            "rung for real"
        )
    elif not (run.settings.fcm_credentials_file or run.settings.apns_key_file):
        lines.append("no push provider is set: apps must ask by themselves what is pending")
    return "\n".join(lines)


def tell(text: str) -> None:
    print(text, flush=True)


def complain(text: str) -> None:
    print(f"scripts/run: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(os.environ))
