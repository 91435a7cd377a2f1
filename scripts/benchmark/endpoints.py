"""
Each endpoint beside a bare route: every round has a stretch of each, one after the other, so that
whatever else the machine does in the meantime meets all of them.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple

from scripts import embedded_redis
from scripts.benchmark import machine, traffic
from scripts.benchmark.figures import EndpointFigures, Round, Target, endpoint_figures
from scripts.benchmark.http_load import Expected, send_all
from scripts.benchmark.installation import installation
from scripts.benchmark.population import KEY_CLIENT_ID, Population
from scripts.benchmark.traffic import Traffic

ROUNDS = 5
FEW_PENDING = 4_000
PEOPLE = 500
SETTLE_SECONDS = 0.1  # what a request leaves to be done after its answer is its cost, too


class Stretch(NamedTuple):
    """The requests of one scenario in one round."""

    name: str
    pid: int
    port: int
    expected: Expected
    requests: Sequence[bytes]


TARGETS = {
    "pending poll": Target(1.3),
    "start": Target(2.5),
    "redemption": Target(2.5),
}


async def measure(directory: Path, pending: int) -> list[EndpointFigures]:
    """`pending` is how many open requests the second poll is among."""
    measured: dict[str, list[Round]] = {}
    async with _servers(directory, pending) as servers:
        await _round(servers, 0.1)  # connections, caches and code paths are warm after it
        for _ in range(ROUNDS):
            for name, one in await _round(servers, 1.0):
                measured.setdefault(name, []).append(one)
    bare = measured["bare route"]
    return [
        endpoint_figures(name, rounds, bare, TARGETS.get(name.partition(" among")[0]))
        for name, rounds in measured.items()
    ]


class _Servers(NamedTuple):
    bare: tuple[int, int]  # pid and port
    nod: tuple[int, int]
    crowded: tuple[int, int]
    population: Population
    polled: list[bytes]
    bare_requests: list[bytes]
    polled_in_crowd: list[bytes]
    pending: int


@contextlib.asynccontextmanager
async def _servers(directory: Path, pending: int) -> AsyncIterator[_Servers]:
    bare_port = embedded_redis.free_port()
    bare_command = machine.python("scripts.benchmark.bare", str(bare_port))
    async with (
        installation(directory / "nod") as nod,
        installation(directory / "crowded") as crowded,
    ):
        with (
            machine.running(
                bare_command, os.environ, directory / "bare.log", core=0, port=bare_port
            ) as bare_pid,
            nod.api(0) as nod_pid,
            crowded.api(0) as crowded_pid,
        ):
            few = await _some_pending(nod.population, FEW_PENDING)
            many = await _some_pending(crowded.population, pending)
            yield _Servers(
                bare=(bare_pid, bare_port),
                nod=(nod_pid, nod.port),
                crowded=(crowded_pid, crowded.port),
                population=nod.population,
                polled=few,
                bare_requests=[one.replace(b" /oauth/token ", b" /bare ") for one in few],
                polled_in_crowd=many,
                pending=pending,
            )


async def _some_pending(population: Population, count: int) -> list[bytes]:
    """Polls of `FEW_PENDING` of so many open requests."""
    people = await population.people(max(PEOPLE, count // 900))
    asked = await population.ask(people, count)
    build = Traffic(population)
    return [build.poll(one) for one in asked[:: max(1, count // FEW_PENDING)][:FEW_PENDING]]


async def _round(servers: _Servers, scale: float) -> list[tuple[str, Round]]:
    return [
        (stretch.name, await _measured(stretch)) for stretch in await _stretches(servers, scale)
    ]


async def _stretches(servers: _Servers, scale: float) -> list[Stretch]:
    def share(count: int) -> int:
        return int(count * scale)

    population, build = servers.population, Traffic(servers.population)
    people = await population.people(PEOPLE)
    asked = await population.ask(people, share(2_000 + 1_000 + 1_000))
    redeemed, fetched, answered = asked[: share(2_000)], asked[-share(1_000) :], []
    answered = asked[share(2_000) : -share(1_000)]
    await population.approve(redeemed)
    by_key = await population.ask(people, share(2_000), KEY_CLIENT_ID)
    name = f"pending poll among {servers.pending:,}"
    polls = share(FEW_PENDING)
    return [
        Stretch("bare route", *servers.bare, traffic.BARE, servers.bare_requests[:polls]),
        Stretch("pending poll", *servers.nod, traffic.PENDING, servers.polled[:polls]),
        Stretch(name, *servers.crowded, traffic.PENDING, servers.polled_in_crowd[:polls]),
        Stretch(
            "pending poll, private_key_jwt",
            *servers.nod,
            traffic.PENDING,
            [build.signed_poll(one) for one in by_key],
        ),
        Stretch(
            "start",
            *servers.nod,
            traffic.STARTED,
            [build.start(people[n % PEOPLE]) for n in range(share(2_500))],
        ),
        Stretch(
            "redemption", *servers.nod, traffic.REDEEMED, [build.poll(one) for one in redeemed]
        ),
        Stretch("consent fetch", *servers.nod, traffic.FETCHED, [build.fetch(a) for a in fetched]),
        Stretch("answer", *servers.nod, traffic.ANSWERED, [build.answer(a) for a in answered]),
    ]


async def _measured(stretch: Stretch) -> Round:
    used = machine.cpu_seconds(stretch.pid)
    seconds = await send_all(stretch.port, stretch.requests, stretch.expected)
    await asyncio.sleep(SETTLE_SECONDS)
    return Round(len(stretch.requests), seconds, machine.cpu_seconds(stretch.pid) - used)
