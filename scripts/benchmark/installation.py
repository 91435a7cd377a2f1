"""A Nod of its own for a part of the benchmark: a Redis, a population, an API, a worker."""

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from consent.settings import load
from consent.store.opening import open_store
from scripts import embedded_redis
from scripts.benchmark import machine
from scripts.benchmark.population import Population

# Limits are raised out of the way: what is counted is counted all the same.
_SETTINGS = {
    "NOD_SECRET_KEY": "a secret key for nothing but the benchmark",
    "NOD_PERSON_REQUESTS_PER_MINUTE_MAX": "1000000",
    "NOD_PERSON_OPEN_REQUESTS_MAX": "1000",
    "NOD_TENANT_OPEN_REQUESTS_MAX": "100000000",
    "NOD_POLL_INTERVAL_SECONDS": "1",
}


class Installation:
    def __init__(
        self, directory: Path, environ: dict[str, str], redis_pid: int, population: Population
    ) -> None:
        self.directory = directory
        self.redis_pid = redis_pid
        self.population = population
        self._environ = environ

    @property
    def port(self) -> int:
        return self.population.settings.port

    @contextlib.contextmanager
    def api(self, core: int | None) -> Iterator[int]:
        """The API on a core, or on all; the value is its pid."""
        command, log = machine.python("api"), self.directory / "api.log"
        with machine.running(command, self._environ, log, core=core, port=self.port) as pid:
            yield pid

    @contextlib.contextmanager
    def worker(self, core: int | None) -> Iterator[int]:
        command, log = machine.python("workers"), self.directory / "worker.log"
        with machine.running(command, self._environ, log, core=core) as pid:
            yield pid


@contextlib.asynccontextmanager
async def installation(directory: Path, **settings: str) -> AsyncIterator[Installation]:
    """An installation with its clients and nobody in it; `settings` by variable."""
    system = {name: value for name, value in os.environ.items() if not name.startswith("NOD_")}
    redis = _redis(directory, system)
    environ = {
        **system,
        **_SETTINGS,
        **settings,
        "NOD_PORT": str(embedded_redis.free_port()),
        "NOD_REDIS_URL": redis.url,
        "NOD_DATA_DIR": str(directory),
    }
    program, log = redis.program, directory / "redis.log"
    with machine.running(program.command, system, log, core=1, cwd=program.cwd) as pid:
        await embedded_redis.wait_until_up(redis.url)
        used = load(environ)
        store = await open_store(used)
        try:
            population = Population(store, used)
            await population.add_clients()
            yield Installation(directory, environ, pid, population)
        finally:
            await store.aclose()


def _redis(directory: Path, environ: dict[str, str]) -> embedded_redis.EmbeddedRedis:
    directory.mkdir(parents=True)
    return embedded_redis.prepare(directory, environ)
