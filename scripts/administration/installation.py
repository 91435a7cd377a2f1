"""
The installation a command is for: its Redis and its secret key, from the same settings as the
API's, or those of the `scripts/run` that is up.
"""

import asyncio
import dataclasses
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

from consent.errors import TemporarilyUnavailable
from consent.seal import Seal
from consent.settings import Secret, Settings, SettingsError, load
from consent.store.connections import Redis, open_redis
from consent.store.directory import Directory
from consent.store.lane import StoreError
from consent.store.secret_key import secret_key

T = TypeVar("T")


class AdministrationError(Exception):
    """A command cannot do what it was asked to; the text says why."""


@dataclasses.dataclass(frozen=True)
class Installation:
    directory: Directory
    seal: Seal


def asked(question: Callable[[Installation], Awaitable[T]]) -> T:
    """What the installation of the environment answers. Raises AdministrationError and others."""

    async def ask() -> T:
        async with opened(os.environ) as installation:
            return await question(installation)

    return asyncio.run(ask())


@asynccontextmanager
async def opened(environ: Mapping[str, str]) -> AsyncIterator[Installation]:
    """Raises SettingsError, and AdministrationError also for a Redis that goes away."""
    async with reached(environ) as (settings, redis):
        yield Installation(Directory(redis), Seal(settings.secret_key))


@asynccontextmanager
async def reached(environ: Mapping[str, str]) -> AsyncIterator[tuple[Settings, Redis]]:
    """
    The settings, whole, and the Redis they lead to, which answers. Raises SettingsError, and
    AdministrationError also for a Redis that goes away.
    """
    given = load(environ)
    url = given.redis_url or embedded_url(given.data_dir)
    settings = dataclasses.replace(
        given, redis_url=Secret(url), secret_key=Secret(known_secret_key(given))
    )
    try:
        redis = await open_redis(url)
        try:
            await redis.command("PING")
            yield settings, redis
        finally:
            await redis.aclose()
    except TemporarilyUnavailable:
        raise AdministrationError(unanswered(given)) from None


def embedded_url(data_dir: Path) -> str:
    """The server that `scripts/run` started with this directory. Raises AdministrationError."""
    try:
        text = (data_dir / "redis" / "redis.conf").read_text()
    except OSError:
        raise AdministrationError(
            f"NOD_REDIS_URL is unset, and no embedded Redis of scripts/run has its data in "
            f"{data_dir} (NOD_DATA_DIR)"
        ) from None
    directives = dict(line.split(" ", 1) for line in text.splitlines())
    return f"redis://:{directives['requirepass']}@{directives['bind']}:{directives['port']}/0"


def known_secret_key(settings: Settings) -> str:
    """Never a new one: it would open nothing of an installation that has another."""
    if not settings.secret_key and not (settings.data_dir / "secret.key").is_file():
        raise AdministrationError(
            f"NOD_SECRET_KEY is unset, and the API's generated one is not in {settings.data_dir} "
            f"(NOD_DATA_DIR)"
        )
    return secret_key(settings)


def unanswered(settings: Settings) -> str:
    if settings.redis_url:
        return "the Redis of NOD_REDIS_URL does not answer"
    return (
        f"NOD_REDIS_URL is unset, and the embedded Redis of {settings.data_dir} does not answer: "
        f"is scripts/run up?"
    )


@contextmanager
def reported() -> Iterator[None]:
    """What went wrong is one line on standard error, and exit code 1."""
    try:
        yield
    except (AdministrationError, SettingsError) as error:
        text = str(error)
    except StoreError as error:
        text = f"Redis refuses: {error}"
    else:
        return
    print(f"scripts/admin: {text}", file=sys.stderr)
    sys.exit(1)
