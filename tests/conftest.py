"""A real Redis and a whole Nod, one of each for every test process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.support.distribution import FileByFile, grouped_by_whole_nod, longest_first
from tests.support.nod import Nod
from tests.support.redis_server import RedisServer

# Other processes share the machine: how long one example took says nothing of the code.
settings.register_profile("nod", deadline=None, max_examples=50)
settings.load_profile("nod")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items)
    grouped_by_whole_nod(items)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileByFile | None:  # noqa: ANN401
    if config.getvalue("dist") != "loadgroup":
        return None
    config.option.loadscopereorder = False  # not by how many tests there are: they are in order
    return FileByFile(config, log)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def nod(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nod]:
    """Shared: a test brings its own people and clients, and disturbs nobody else's."""
    running = Nod(redis_server.database(1), Path(tmp_path_factory.mktemp("nod")), apns=True)
    try:
        yield running.start()
    finally:
        running.stop()
