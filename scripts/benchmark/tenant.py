"""
A large tenant beside a small one: the same requests to both, in turns.

Under load it is CPU of the API that counts; how long one waits is asked with nobody beside it, so
that what Redis does for it shows.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from scripts.benchmark import machine, residents, traffic
from scripts.benchmark.figures import (
    Figure,
    Target,
    TenantFigures,
    Visit,
    percentile,
    tenant_figures,
)
from scripts.benchmark.http_load import send_all, send_at_rate, send_in_turn
from scripts.benchmark.installation import Installation, installation
from scripts.benchmark.population import CLIENT_SECRET
from scripts.benchmark.residents import Bytes, Size
from scripts.benchmark.tenant_traffic import Scenario, TenantTraffic
from scripts.benchmark.traffic import Traffic

SMALL = Size(clients=100, users=100)
LARGE = Size(clients=100_000, users=1_000_000)
TARGET = Target(1.3)
ROUNDS = 5
UNDER_LOAD = 300
IN_TURN = 100
PHONES = 50
_ADMINISTRATOR = "benchmark-administrator"
_SETTINGS = {
    "NOD_BOOTSTRAP_CLIENT_ID": _ADMINISTRATOR,
    "NOD_BOOTSTRAP_CLIENT_SECRET": CLIENT_SECRET,
    "NOD_MANAGEMENT_REQUESTS_PER_MINUTE_MAX": "10000000",
}


class _Side(NamedTuple):
    """One of the two tenants."""

    nod: Installation
    pid: int
    traffic: TenantTraffic

    async def visit(self, scenario: Scenario, under_load: int, in_turn: int) -> Visit:
        requests = [scenario.build(n) for n in range(under_load + in_turn)]
        used = machine.cpu_seconds(self.pid)
        await send_all(self.nod.port, requests[:under_load], scenario.expected)
        cpu_us = (machine.cpu_seconds(self.pid) - used) / under_load * 1e6
        waits = await send_in_turn(self.nod.port, requests[under_load:], scenario.expected)
        return Visit(cpu_us, percentile(waits, 50) * 1_000)


async def measure(
    directory: Path,
    large: Size = LARGE,
    *,
    rounds: int = ROUNDS,
    under_load: int = UNDER_LOAD,
    in_turn: int = IN_TURN,
) -> tuple[list[TenantFigures], list[Figure]]:
    small_visits: dict[str, list[Visit]] = {}
    large_visits: dict[str, list[Visit]] = {}
    async with (
        _side(directory / "small", SMALL) as (few, _),
        _side(directory / "large", large) as (many, bytes_of_each),
    ):
        sides = ((few, small_visits), (many, large_visits))
        for number in range(-1, rounds):  # the first is to get warm
            scenarios = [await side.traffic.scenarios(under_load + in_turn) for side, _ in sides]
            for pair in zip(*scenarios, strict=True):
                for (side, visits), scenario in zip(sides, pair, strict=True):
                    visit = await side.visit(scenario, under_load, in_turn)
                    if number >= 0:
                        visits.setdefault(scenario.name, []).append(visit)
            for side, _ in sides:
                await side.traffic.tidy()
    return [
        tenant_figures(name, small, large_visits[name], TARGET)
        for name, small in small_visits.items()
    ], _memory(large, bytes_of_each)


def _memory(size: Size, bytes_of_each: Bytes) -> list[Figure]:
    return [
        Figure(f"Redis, one of {size.clients:,} clients", bytes_of_each.client, "bytes"),
        Figure("Redis, its client grant", bytes_of_each.client_grant, "bytes"),
        Figure(f"Redis, one of {size.users:,} users", bytes_of_each.user, "bytes"),
    ]


@contextlib.asynccontextmanager
async def _side(directory: Path, size: Size) -> AsyncIterator[tuple[_Side, Bytes]]:
    async with installation(directory, **_SETTINGS) as nod:
        bytes_of_each = await residents.fill(nod.population, size)
        phones = [await nod.population.enroll(residents.user_id(n)) for n in range(PHONES)]
        await _settled(nod)
        with nod.api(0) as pid:
            build = Traffic(nod.population)
            audience = nod.population.settings.url("api/v2/")
            asked = [build.own_token(_ADMINISTRATOR, audience)]
            [body] = await send_at_rate(nod.port, asked, traffic.GRANTED, 1)
            token = msgspec.json.decode(body)["access_token"]
            requests = TenantTraffic(nod.population, size, token, phones)
            yield _Side(nod, pid, requests), bytes_of_each


async def _settled(nod: Installation) -> None:
    """Redis writes its log anew while it grows: that is not to be measured."""
    while True:
        reply: bytes = await nod.population.store.redis.command("INFO", "persistence")
        if b"aof_rewrite_in_progress:0" in reply and b"aof_rewrite_scheduled:0" in reply:
            return
        await asyncio.sleep(0.2)
