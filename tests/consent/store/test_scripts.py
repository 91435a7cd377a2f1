"""The scripts as they are loaded."""

import asyncio
import hashlib

from consent.store.scripts import SHA1, SOURCES, load_all
from tests.support.redis_server import RedisServer
from tests.support.store import opened, run


def test_each_is_named_by_the_digest_redis_gives_it() -> None:
    for name, source in SOURCES.items():
        assert SHA1[name] == hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


def test_the_prelude_is_in_front_of_each_and_is_none_itself() -> None:
    assert "prelude" not in SOURCES
    assert all("local function now_ms()" in source for source in SOURCES.values())


def test_all_are_loaded_in_one_flight() -> None:
    """Sent together, then awaited: a connection costs one round trip and not twenty."""
    sent: list[asyncio.Future[bytes]] = []

    def send(*words: str) -> asyncio.Future[bytes]:
        assert words[:2] == ("SCRIPT", "LOAD")
        future = asyncio.get_running_loop().create_future()
        sent.append(future)
        if len(sent) == len(SOURCES):
            for waiting in sent:
                waiting.set_result(b"")
        return future

    asyncio.run(asyncio.wait_for(load_all(send), 5))

    assert len(sent) == len(SOURCES)


def test_a_server_that_forgot_them_is_told_again(redis_server: RedisServer) -> None:
    """2.3: a restart or failover drops the script cache."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            await use.store.redis.command("SCRIPT", "FLUSH")

            assert isinstance(await person.ask(), str)

    run(test)
