"""A management API for each test, over the one Redis."""

from collections.abc import Callable

import pytest

from tests.support.management import Story, tell
from tests.support.redis_server import RedisServer


@pytest.fixture
def told(redis_server: RedisServer) -> Callable[[Story], None]:
    return lambda story: tell(redis_server.url, story)
