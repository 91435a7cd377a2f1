"""What one worker process carries to a provider's double, and how soon after acceptance."""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from api.doorbell import Doorbell
from consent.identifiers import consent_id_of
from consent.store.connections import open_lane
from scripts.benchmark import machine, traffic
from scripts.benchmark.figures import Figure, Target, percentile
from scripts.benchmark.http_load import send_at_rate
from scripts.benchmark.installation import Installation, installation
from scripts.benchmark.population import Population
from scripts.benchmark.providers import WAIT_SECONDS, Provider, apns_double, fcm_double
from scripts.benchmark.traffic import Traffic

WARM_UP = 100
IDLE_SECONDS = 0.1
NOTIFICATIONS = 3_000
STARTS_PER_SECOND = 250
STARTS = 1_500


async def measure(directory: Path) -> list[Figure]:
    figures: list[Figure] = []
    with fcm_double(directory / "fcm-double") as fcm:
        await fcm.wait_for(0)  # its port is open before its credentials are written
        async with installation(directory / "fcm", **fcm.settings) as nod:
            figures += await _throughput(nod, fcm)
        async with installation(directory / "latency", **fcm.settings) as nod:
            figures += await _latency(nod)
    with apns_double(directory / "apns-double") as apple:
        async with installation(directory / "apns", **apple.settings) as nod:
            figures += await _throughput(nod, apple)
    return figures


async def _throughput(nod: Installation, provider: Provider) -> list[Figure]:
    """The worker is held while requests are accepted, then carries them all."""
    population = nod.population
    people = await population.people(WARM_UP + NOTIFICATIONS, provider.kind)
    with nod.worker(0) as pid:
        first = await population.ask(people[:WARM_UP], WARM_UP)
        await _ring(nod, [one.consent_id for one in first])
        await provider.wait_for(WARM_UP)
        await _logged(population)  # what it took to get here is not the load
        os.kill(pid, signal.SIGSTOP)
        asked = await population.ask(people[WARM_UP:], NOTIFICATIONS)
        await _ring(nod, [one.consent_id for one in asked])
        started, used = time.perf_counter(), machine.cpu_seconds(pid)
        os.kill(pid, signal.SIGCONT)
        await provider.wait_for(WARM_UP + NOTIFICATIONS)
        seconds = time.perf_counter() - started
        cpu_us = (machine.cpu_seconds(pid) - used) / NOTIFICATIONS * 1e6
    return [
        Figure(
            f"one worker to {provider.name}",
            NOTIFICATIONS / seconds,
            "pushes/s",
            Target(500, most=False),
        ),
        Figure(f"one worker to {provider.name}", cpu_us, "CPU µs/push"),
    ]


async def _ring(nod: Installation, consent_ids: Sequence[str]) -> None:
    doorbell = Doorbell(open_lane(nod.population.settings.queue_url, scripts=False))
    for consent_id in consent_ids:
        doorbell.ring(consent_id)
    await doorbell.aclose()


async def _logged(population: Population) -> None:
    """Every event of before is in the audit log."""
    async with asyncio.timeout(WAIT_SECONDS):
        while await population.store.audit.backlog():  # noqa: ASYNC110 - it is another process'
            await asyncio.sleep(IDLE_SECONDS)


async def _latency(nod: Installation) -> list[Figure]:
    """From acceptance until the provider has taken the push, both by the clock of Redis."""
    people = await nod.population.people(WARM_UP + STARTS)
    build = Traffic(nod.population)
    requests = [build.start(person) for person in people]
    with nod.api(None), nod.worker(None):
        await _wait_until_handed_over(nod, await _started(nod, requests[:WARM_UP]))
        consent_ids = await _started(nod, requests[WARM_UP:])
        waits_ms = await _wait_until_handed_over(nod, consent_ids)
    name = f"accepted to pushed at {STARTS_PER_SECOND} starts/s"
    return [
        Figure(f"{name}, p50", percentile(waits_ms, 50), "ms"),
        Figure(f"{name}, p99", percentile(waits_ms, 99), "ms", Target(100)),
    ]


async def _started(nod: Installation, requests: Sequence[bytes]) -> list[str]:
    bodies = await send_at_rate(nod.port, requests, traffic.STARTED, STARTS_PER_SECOND)
    return [consent_id_of(msgspec.json.decode(body)["auth_req_id"]) for body in bodies]


async def _wait_until_handed_over(nod: Installation, consent_ids: Sequence[str]) -> list[int]:
    waits_ms = []
    async with asyncio.timeout(WAIT_SECONDS):
        for consent_id in consent_ids:
            while (wait_ms := await _handed_over_after_ms(nod, consent_id)) is None:  # noqa: ASYNC110 - the worker does it
                await asyncio.sleep(0.02)
            waits_ms.append(wait_ms)
    return waits_ms


async def _handed_over_after_ms(nod: Installation, consent_id: str) -> int | None:
    found = await nod.population.store.consent_records.read(consent_id)
    if found is None or "handed_over_at" not in found[0]:
        return None
    return int(found[0]["handed_over_at"]) - int(found[0]["created_at"])
