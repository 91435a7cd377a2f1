"""A store with a log: events put into it, and what became of them."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from consent.audit import chain
from consent.audit.chain import END, Verdict
from consent.client import Client
from consent.seal import Seal
from consent.store import keys
from consent.store.audit import Audit
from consent.store.connections import Redis, open_redis
from consent.store.directory import Directory
from consent.store.keys import partitions
from workers.appender import Appender

ISSUER = "https://nod.example/"
SECRET_KEY = "k" * 32
PARTITIONS = 4


class Audited:
    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.partitions = PARTITIONS
        self.audit = Audit(redis, PARTITIONS)
        self.directory = Directory(redis)
        self.audit_key = Seal(SECRET_KEY).audit_key

    def appender(self, audit: Audit | None = None) -> Appender:
        return Appender(audit or self.audit, self.directory, self.audit_key, ISSUER)

    async def add(self, source: str, code: str, **fields: str | bytes) -> None:
        flat = [text for field in fields.items() for text in field]
        await self.redis.execute("XADD", source, "*", "t", code, *flat)

    async def add_many(self, count: int) -> set[str]:
        """As many events as that, in every slot; each is of a client of its own."""
        names = {secrets.token_hex(8) for _ in range(count)}
        sources = [keys.EVENTS, *[p.events for p in partitions(PARTITIONS)]]
        for number, name in enumerate(sorted(names)):
            await self.add(sources[number % len(sources)], "seccft", client=name)
        return names

    async def write_client(self, client: Client) -> None:
        await self.directory.write(keys.CLIENTS, client.client_id, client)

    async def records(self) -> list[dict[str, Any]]:
        stored = await self.audit.records(1, await self.audit.last_number())
        return [msgspec.json.decode(it) for it in stored]

    async def verdict(self) -> Verdict:
        state = await self.audit.state()
        assert chain.is_sealed(self.audit_key, END, state.end, state.end_mac)
        stored = await self.audit.records(1, await self.audit.last_number())
        return chain.verify(stored, start=state.anchor, end=state.end)

    async def check_whole(self, count: int) -> None:
        assert await self.verdict() == Verdict(count)

    async def check_each_once(self, names: set[str]) -> None:
        found = [it["client_id"] for it in await self.records()]
        assert sorted(found) == sorted(names)
        await self.check_whole(len(names))


@asynccontextmanager
async def audited(redis_url: str) -> AsyncIterator[Audited]:
    redis = await open_redis(redis_url)
    try:
        yield Audited(redis)
    finally:
        await redis.aclose()
