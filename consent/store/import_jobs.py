"""Jobs that imported users: what became of them is kept for a day."""

from consent.store import keys
from consent.store.connections import Redis


class ImportJobs:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def keep(self, job_id: str, job: bytes, life_ms: int) -> None:
        await self._redis.execute("SET", keys.job(job_id), job, "PX", life_ms)

    async def read(self, job_id: str) -> bytes | None:
        job: bytes | None = await self._redis.execute("GET", keys.job(job_id))
        return job
