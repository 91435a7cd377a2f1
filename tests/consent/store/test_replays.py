"""What may be used once is used once, by however many at the same time."""

import asyncio

from consent.store.replays import Replays
from consent.used_once import used_once
from tests.support.redis_server import RedisServer
from tests.support.store import opened, run


def test_of_a_hundred_uses_at_once_one_is_the_first(redis_server: RedisServer) -> None:
    """D072, T16."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            replays, used = Replays(use.store.redis), used_once("test", "bank", "race", 60)

            uses = await asyncio.gather(*[replays.first_use(used) for _ in range(100)])

            assert sum(uses) == 1

    run(test)


def test_it_is_forgotten_when_it_would_not_be_accepted_any_more(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            used = used_once("test", "bank", "life", 60)
            await Replays(use.store.redis).first_use(used)

            left = await use.store.redis.execute("PTTL", f"nod:used:{used.name}")

            assert 59_000 < left <= 60_000

    run(test)
