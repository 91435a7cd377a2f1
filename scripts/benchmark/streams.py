"""What it costs to have many phones on event streams, and how soon each hears what it is asked."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmark import machine
from scripts.benchmark.figures import Figure, Target, percentile
from scripts.benchmark.holding import BYTES_OF_A_HEAD_MAX, Connection, commands_run, resident_bytes
from scripts.benchmark.http_load import send_at_rate
from scripts.benchmark.installation import Installation, installation
from scripts.benchmark.population import Person, in_batches, own_token
from scripts.benchmark.traffic import PENDING, Traffic, request

PHONES = 1_000
HEARD = 300  # one after the other
POLLS, POLLS_PER_SECOND = 3_000, 500
REQUESTS_OF_A_PERSON = 10
QUIET_SECONDS = 3.0
PATIENCE_SECONDS = 20
PATH = "rich-consents/events"


class Stream:
    """A phone that listens; `heard` counts what it was told as pending."""

    def __init__(self, person: Person, connection: Connection) -> None:
        self.person = person
        self.heard = 0
        self._reader, self._writer = connection
        self._told = asyncio.Event()
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while octets := await self._reader.read(BYTES_OF_A_HEAD_MAX):
            self.heard += octets.count(b"event: pending")
            self._told.set()

    async def close(self) -> None:
        self.reading.cancel()
        await asyncio.wait([self.reading])
        self._writer.close()

    async def hears(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.heard < count:
                self._told.clear()
                await self._told.wait()


async def measure(directory: Path) -> list[Figure]:
    async with installation(directory) as nod:
        population = nod.population
        people = await population.people(PHONES)
        others = await population.people(POLLS // REQUESTS_OF_A_PERSON)
        beside = [Traffic(population).poll(it) for it in await population.ask(others, POLLS)]
        with nod.api(0) as pid:
            before = resident_bytes(pid)
            streams = await in_batches(lambda person: _stream(nod, person), people)
            memory = resident_bytes(pid) - before
            commands, used = await commands_run(nod), machine.cpu_seconds(pid)
            await asyncio.sleep(QUIET_SECONDS)
            quiet = await commands_run(nod) - commands
            cpu = (machine.cpu_seconds(pid) - used) / QUIET_SECONDS
            used = machine.cpu_seconds(pid)
            await population.ask(people, PHONES)
            await asyncio.gather(*[stream.hears(1) for stream in streams])
            woken = (machine.cpu_seconds(pid) - used) / PHONES
            alone_ms = await _heard_ms(nod, streams[:HEARD])
            load = asyncio.create_task(send_at_rate(nod.port, beside, PENDING, POLLS_PER_SECOND))
            beside_ms = await _heard_ms(nod, streams[HEARD : 2 * HEARD])
            await load
            for stream in streams:
                await stream.close()
    name, loaded = f"{PHONES:,} event streams", f"beside {POLLS_PER_SECOND} polls/s"
    return [
        Figure(f"{name}, memory of the API, each", memory / PHONES / 1_024, "KiB"),
        Figure(f"{name}, CPU of the API while nothing happens", cpu * 100, "% of a core"),
        Figure(f"{name}, scripts run in {QUIET_SECONDS:.0f} s", quiet, "", Target(0)),
        Figure(f"{name}, CPU of the API to tell one of a request", woken * 1e6, "µs"),
        Figure(f"{name}, asked to heard, p50", percentile(alone_ms, 50), "ms"),
        Figure(f"{name}, asked to heard, p99", percentile(alone_ms, 99), "ms"),
        Figure(f"{name}, {loaded}, p50", percentile(beside_ms, 50), "ms"),
        Figure(f"{name}, {loaded}, p99", percentile(beside_ms, 99), "ms", Target(1_000)),
    ]


async def _stream(nod: Installation, person: Person) -> Stream:
    """Opened, and answered."""
    settings, token = nod.population.settings, own_token(person)
    proof = nod.population.phone(person).proof("GET", settings.url(PATH), token)
    headers = {"Authorization": f"MFA-DPoP {token}", "MFA-DPoP": proof}
    reader, writer = await asyncio.open_connection("127.0.0.1", nod.port)
    writer.write(request("GET", f"/{PATH}", f"127.0.0.1:{nod.port}", headers=headers))
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_SECONDS)
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"a stream was answered {head!r}")
    return Stream(person, (reader, writer))


async def _heard_ms(nod: Installation, streams: Sequence[Stream]) -> list[float]:
    """One after the other, from the call that asks to the event that says so."""
    waits_ms = []
    for stream in streams:
        count, started = stream.heard + 1, time.perf_counter()
        await nod.population.ask([stream.person], 1)
        await stream.hears(count)
        waits_ms.append((time.perf_counter() - started) * 1_000)
    return waits_ms
