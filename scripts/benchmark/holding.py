"""What it costs to hold many polls until the decision, and how soon each hears of its own."""

import asyncio
import resource
import subprocess
import time
from pathlib import Path

from scripts.benchmark import machine
from scripts.benchmark.figures import Figure, Target, percentile
from scripts.benchmark.installation import Installation, installation
from scripts.benchmark.population import Asked
from scripts.benchmark.traffic import Traffic

HELD = 10_000
APPROVED = 500
QUIET_SECONDS = 3.0
AT_ONCE = 1_000
FILES_BESIDE = 500  # what a process has open besides the polls
BYTES_OF_A_HEAD_MAX = 65_536
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def measure(directory: Path) -> list[Figure]:
    held = min(HELD, _files_allowed() - FILES_BESIDE)
    async with installation(directory, NOD_LONG_POLLS_MAX=str(HELD)) as nod:
        population = nod.population
        asked = await population.ask(await population.people(max(1, held // 500)), held)
        build = Traffic(population)
        with nod.api(0) as pid:
            before = resident_bytes(pid)
            connections = [await asyncio.open_connection("127.0.0.1", nod.port) for _ in asked]
            asking = await commands_run(nod)
            polls = [build.held_poll(one) for one in asked]
            for n in range(0, held, AT_ONCE):  # a burst of all of them would be shed
                for (_, writer), poll in list(zip(connections, polls, strict=True))[
                    n : n + AT_ONCE
                ]:
                    writer.write(poll)
                await _wait_for_commands(nod, asking + min(held, n + AT_ONCE))
            memory = resident_bytes(pid) - before
            commands, used = await commands_run(nod), machine.cpu_seconds(pid)
            await asyncio.sleep(QUIET_SECONDS)
            quiet = await commands_run(nod) - commands
            cpu = (machine.cpu_seconds(pid) - used) / QUIET_SECONDS
            waits_ms = await _approved(nod, connections, asked)
        for _, writer in connections:
            writer.close()
    name = f"{held:,} polls held"
    return [
        Figure(f"{name}, memory of the API", memory / 2**20, "MiB", Target(1_024)),
        Figure(f"{name}, CPU of the API while they wait", cpu * 100, "% of a core"),
        Figure(f"{name}, scripts run in {QUIET_SECONDS:.0f} s", quiet, "", Target(0)),
        Figure(f"{name}, approved to answered, p50", percentile(waits_ms, 50), "ms"),
        Figure(f"{name}, approved to answered, p99", percentile(waits_ms, 99), "ms"),
    ]


async def _approved(
    nod: Installation, connections: list[Connection], asked: list[Asked]
) -> list[float]:
    """One after the other, from the call that answers to the octets that say so; milliseconds."""
    waits_ms = []
    step = max(1, len(asked) // APPROVED)
    for (reader, _), one in list(zip(connections, asked, strict=True))[::step]:
        started = time.perf_counter()
        await nod.population.approve([one])
        head = await asyncio.wait_for(reader.read(BYTES_OF_A_HEAD_MAX), 10)
        waits_ms.append((time.perf_counter() - started) * 1_000)
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"a held poll was answered {head[:200]!r}")
    return waits_ms


async def _wait_for_commands(nod: Installation, count: int) -> None:
    """Until every poll has asked once."""
    async with asyncio.timeout(20):
        while await commands_run(nod) < count:  # noqa: ASYNC110 - the API does it
            await asyncio.sleep(0.02)


async def commands_run(nod: Installation) -> int:
    """How often a script has run."""
    reply: bytes = await nod.population.store.redis.command("INFO", "commandstats")
    for line in reply.decode().splitlines():
        if line.startswith("cmdstat_evalsha:"):
            return int(line.partition("calls=")[2].partition(",")[0])
    return 0


def _files_allowed() -> int:
    """As many as the operating system lets a process open; the API inherits it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def resident_bytes(pid: int) -> int:
    command = ["ps", "-o", "rss=", "-p", str(pid)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(shown) * 1_024
