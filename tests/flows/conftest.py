"""The second Nod of the flows: the shared one leaves the options that are settings off."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.equipped import equipped
from tests.support.nod import Nod
from tests.support.redis_server import RedisServer


@pytest.fixture(scope="session")
def equipped_nod(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nod]:
    """Shared as well: a test brings its own people and clients."""
    running = equipped(redis_server.database(14), Path(tmp_path_factory.mktemp("equipped")))
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(scope="session")
def own_nod(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nod]:
    """Its processes may be ended, its signing keys rotated; and its proofs hold nonces."""
    directory = Path(tmp_path_factory.mktemp("own"))
    running = Nod(redis_server.database(13), directory, dpop_nonce_required="1")
    try:
        yield running.start()
    finally:
        running.stop()
