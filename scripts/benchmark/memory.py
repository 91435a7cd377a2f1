"""What a request that nobody has answered yet costs in Redis: bytes, people not counted."""

import asyncio
from pathlib import Path

from consent.store import keys
from consent.store.keys import partitions
from consent.store.notifications import Attempt
from scripts.benchmark.figures import Figure, Target
from scripts.benchmark.installation import installation
from scripts.benchmark.population import CLIENT_ID, Asked, Population, in_batches

PEOPLE = 5_000
TARGET = Target(2_048)
SETTLE_SECONDS = 1.0  # Redis gives unused halves of its buffers back in the background


async def measure(directory: Path) -> list[Figure]:
    async with installation(directory) as nod:
        population = nod.population
        people = await population.people(PEOPLE)
        before = await bytes_used(population)
        asked = await population.ask(people, PEOPLE)
        accepted = await bytes_used(population)
        await in_batches(lambda one: _push_and_poll(population, one), asked)
        pushed = await bytes_used(population)
    return [
        Figure("Redis, a request just accepted", (accepted - before) / PEOPLE, "bytes", TARGET),
        Figure("Redis, pushed and polled once", (pushed - before) / PEOPLE, "bytes", TARGET),
    ]


async def _push_and_poll(population: Population, asked: Asked) -> None:
    store = population.store
    claim = await store.notifications.claim(asked.consent_id)
    if claim is None:
        raise RuntimeError("an accepted request owed no notification")
    [(device_id, address)] = claim.addresses
    fact = (
        b'{"event":"push","attempt":1,"device_id":"%s","provider":"fcm","outcome":"delivered",'
        b'"message_id":"0:1234567890123456%%0123456789abcdef"}' % device_id.encode()
    )
    attempt = Attempt(device_id, "delivered", address, "fcm", fact)
    await store.notifications.report(claim, [attempt], 0)
    await store.consents.poll(asked.consent_id, CLIENT_ID)


async def clear_events(population: Population) -> None:
    """
    Forget what would go to the audit log. No worker runs here to move it, and what piles up would
    be counted as if requests, or residents, cost it.
    """
    redis = population.store.redis
    sources = [p.events for p in partitions(population.settings.partitions)]
    for source in (keys.EVENTS, *sources):
        await redis.execute("DEL", source)


async def bytes_used(population: Population) -> int:
    """
    Without the buffers of connections and of the append-only file, which come and go, and without
    the events that a worker would have moved into the log by now.
    """
    await clear_events(population)
    await asyncio.sleep(SETTLE_SECONDS)
    reply: bytes = await population.store.redis.command("INFO", "memory")
    facts = dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
    buffers = int(facts["mem_clients_normal"]) + int(facts["mem_aof_buffer"])
    return int(facts["used_memory"]) - buffers
