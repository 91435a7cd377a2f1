"""What became of imports is kept for a while."""

import asyncio

from consent.store import keys
from consent.store.import_jobs import ImportJobs
from tests.support.redis_server import RedisServer
from tests.support.store import opened


def test_a_job_is_kept_for_its_life(redis_server: RedisServer) -> None:
    async def story() -> None:
        async with opened(redis_server.url) as used:
            redis = used.store.redis
            jobs = ImportJobs(redis)
            await jobs.keep("job_a", b'{"a":1}', 60_000)
            assert await jobs.read("job_a") == b'{"a":1}'
            assert 59_000 < await redis.execute("PTTL", keys.job("job_a")) <= 60_000
            assert await jobs.read("job_b") is None

    asyncio.run(story())
