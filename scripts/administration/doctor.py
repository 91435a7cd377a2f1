"""`doctor`: whether an installation is well, in a line for each thing that can be wrong."""

import asyncio
import dataclasses
import datetime as dt
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

import structlog
import typer

from consent.seal import Seal
from consent.settings import Secret, Settings
from consent.store.connections import open_redis
from consent.store.directory import Directory
from scripts.administration.checks import discovery, mail, providers, server, surroundings, work
from scripts.administration.checks.finding import Finding, examined, failure
from scripts.administration.installation import (
    AdministrationError,
    embedded_url,
    known_secret_key,
)
from scripts.administration.output import Json, as_json

_STATE, _QUEUE = "redis", "queue's redis"


def doctor(*, json: Json = False) -> None:
    """
    Check this installation: settings, Redis, clocks, workers, providers, certificates.

    One line for each: ok, warning (somebody should look) or failure (somebody has to), and what to
    do. Nothing is changed, and no phone rings: providers are tried with an address of nobody. Run
    it where the API and the workers run, with their environment, for it sees what they see.

    \b
    After an installation, a move or an update; the exit code is 1 if anything fails:
      scripts/admin doctor
    In a monitoring:
      scripts/admin doctor --json
    """
    found = asyncio.run(_collected(json=json))
    if json:
        print(as_json([finding._asdict() for finding in found]))
    if any(finding.level == "failure" for finding in found):
        raise typer.Exit(1)


async def _collected(*, json: bool) -> list[Finding]:
    _log_nothing()
    found = []
    async for finding in examination(os.environ):
        found.append(finding)
        if not json:
            print(line(finding), flush=True)
    return found


def _log_nothing() -> None:
    """What goes wrong is a finding here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.ERROR)


def line(finding: Finding) -> str:
    """One line, whatever is in it: `failure  redis eviction: ...; set ...`."""
    text = f"{finding.level:<7}  {finding.check}: {finding.text}"
    if finding.advice:
        text += f"; {finding.advice}"
    return "".join(it if it.isprintable() else "?" for it in text)


async def examination(environ: Mapping[str, str]) -> AsyncIterator[Finding]:
    """All findings, from the ground up: what rests on something that is away is not checked."""
    settings, found = surroundings.settings_load(environ)
    for finding in found:
        yield finding
    if settings is None:
        return
    checks: list[tuple[str, Callable[[], Awaitable[Iterable[Finding]]]]] = [
        ("surroundings", lambda: _surroundings(settings)),
        (discovery.NAME, lambda: discovery.issuer(settings)),
        (_STATE, lambda: _state(settings)),
        (_QUEUE, lambda: _queue(settings)),
    ]
    for name, check in checks:
        for finding in await examined(name, check):
            yield finding


async def _surroundings(settings: Settings) -> list[Finding]:
    now = dt.datetime.now(dt.UTC)
    return [
        *surroundings.secret_key(settings),
        *surroundings.server_certificate(settings, now),
        *surroundings.authorities(settings, now),
        *surroundings.trusted_token_issuers(settings),
        *surroundings.actions(settings),
        *surroundings.trusted_proxies(settings),
    ]


async def _state(given: Settings) -> list[Finding]:
    """The servers that keep the state, and then what is in them."""
    try:
        url = given.redis_url or embedded_url(given.data_dir)
    except AdministrationError as error:
        return [failure(_STATE, str(error), "set NOD_REDIS_URL, or start scripts/run")]
    try:
        async with server.servers(url, _STATE) as servers:
            found = [finding for each in servers for finding in await server.health(each)]
    except server.UNREACHABLE as error:
        return [*server.unreachable(_STATE, error)]
    try:
        secret_key = known_secret_key(given)
    except AdministrationError:
        return found  # it was said of the secret key
    settings = dataclasses.replace(given, redis_url=Secret(url), secret_key=Secret(secret_key))
    return found + await _installation(settings)


async def _installation(settings: Settings) -> list[Finding]:
    redis = await open_redis(settings.redis_url)
    try:
        directory = Directory(redis)
        now_ms = await directory.now_ms()
        checks: list[tuple[str, Callable[[], Awaitable[Iterable[Finding]]]]] = [
            ("partitions", lambda: work.partitions(settings, redis)),
            ("signing keys", lambda: work.signing_keys(directory, settings.secret_key)),
            ("workers", lambda: work.workers(directory)),
            ("outbox", lambda: work.owed(settings, redis, now_ms)),
            ("audit trail", lambda: work.audit_trail(settings, redis, now_ms)),
            (
                "push providers",
                lambda: providers.providers(settings, directory, Seal(settings.secret_key)),
            ),
            (mail.NAME, lambda: mail.mail(settings, directory, Seal(settings.secret_key))),
        ]
        return [it for name, check in checks for it in await examined(name, check)]
    finally:
        await redis.aclose()


async def _queue(settings: Settings) -> list[Finding]:
    """Its own server where it has one, and in any case what is in it."""
    try:
        url = settings.queue_url or embedded_url(settings.data_dir)
    except AdministrationError:
        return []  # it was said of the state's
    try:
        async with server.servers(url, _QUEUE, is_queue=True) as servers:
            found = []
            for each in servers:
                if url != settings.redis_url and settings.queue_redis_url:
                    found += await server.health(each)
                found += await work.queue(each)
            return found
    except server.UNREACHABLE as error:
        return [*server.unreachable(_QUEUE, error)]
