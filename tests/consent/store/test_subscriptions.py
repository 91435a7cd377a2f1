"""Channels that come and go over one connection: nothing is missed without a word."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Connection

from consent.store import subscriptions
from consent.store.connections import Redis
from consent.store.subscriptions import Subscriptions
from tests.support.redis_server import RedisServer
from tests.support.store import opened, run
from tests.support.waiting import until


@asynccontextmanager
async def heard_by(redis: Redis) -> AsyncIterator[tuple[Subscriptions, list[str]]]:
    """Subscriptions, and the names that they have said."""
    channels, heard = redis.subscriptions(), list[str]()
    async with listening(channels, heard):
        yield channels, heard


@asynccontextmanager
async def listening(channels: Subscriptions, heard: list[str]) -> AsyncIterator[None]:
    async def listen() -> None:
        async for channel in channels.heard():
            heard.append(channel)  # noqa: PERF401 - one by one, as they come

    task = asyncio.create_task(listen())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def publish(redis: Redis, channel: str) -> int:
    """To how many."""
    return int(await redis.command("PUBLISH", channel, ""))


def test_a_channel_is_named_when_it_is_heard_and_whenever_something_is_said(
    redis_server: RedisServer,
) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use, heard_by(use.store.redis) as (channels, heard):
            channels.add("one")
            channels.add("two")
            await until(lambda: sorted(heard) == ["one", "two"])
            assert await publish(use.store.redis, "two") == 1
            assert await publish(use.store.redis, "three") == 0
            await until(lambda: len(heard) == 3)
            assert heard[2] == "two"

    run(test)


def test_a_channel_is_heard_for_as_long_as_anybody_wants_it(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use, heard_by(use.store.redis) as (channels, heard):
            channels.add("ours")
            await until(lambda: heard == ["ours"])
            channels.add("ours")
            channels.remove("ours")
            assert await publish(use.store.redis, "ours") == 1
            await until(lambda: heard == ["ours"] * 2)
            channels.remove("ours")
            channels.add("other")
            await until(lambda: heard[2:] == ["other"])
            assert await publish(use.store.redis, "ours") == 0

    run(test)


def test_one_that_comes_back_in_the_same_turn_was_never_away(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use, heard_by(use.store.redis) as (channels, heard):
            channels.add("back")
            await until(lambda: heard == ["back"])
            channels.remove("back")
            channels.add("back")
            channels.add("marker")
            await until(lambda: heard[1:] == ["marker"])
            assert await publish(use.store.redis, "back") == 1

    run(test)


def test_every_channel_is_named_again_after_a_cut(tmp_path: Path) -> None:
    """And those that were added meanwhile."""
    server = RedisServer(tmp_path).start()

    async def test() -> None:
        async with opened(server.url) as use, heard_by(use.store.redis) as (channels, heard):
            channels.add("one")
            await until(lambda: heard == ["one"])
            server.deafen()
            channels.add("two")
            await until(lambda: {*heard[1:]} == {"one", "two"})
            server.kill()
            server.start()
            heard.clear()
            await until(lambda: {*heard} == {"one", "two"})

    try:
        run(test)
    finally:
        server.stop()


def test_a_server_that_falls_silent_is_left(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection may be gone without a word: it is asked, and given up when all is silent."""
    monkeypatch.setattr(subscriptions, "SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(subscriptions, "RECONNECT_SECONDS", 0.01)

    async def test() -> None:
        async with opened(redis_server.url) as use, heard_by(use.store.redis) as (channels, heard):
            await asyncio.sleep(0.2)  # without any channel, too
            channels.add("quiet")
            await until(lambda: heard == ["quiet"])
            await asyncio.sleep(0.3)  # there is nothing to wait for: nothing is to happen
            assert heard == ["quiet"], "who answers is not left"

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(reader)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        closed.append(reader)

    connections: list[asyncio.StreamReader] = []
    closed: list[asyncio.StreamReader] = []

    async def left() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        named: list[str] = []
        silent_server = Subscriptions(lambda: Connection(host="127.0.0.1", port=port, protocol=2))
        async with listening(silent_server, named):
            await until(lambda: len(connections) >= 3)
        assert named == []
        await until(lambda: len(closed) == len(connections))
        server.close()
        await server.wait_closed()

    run(test)
    run(left)


def test_a_refused_subscription_is_tried_again(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as an access list forbids the channel nobody hears it, and nothing breaks."""
    monkeypatch.setattr(subscriptions, "RECONNECT_SECONDS", 0.01)

    async def test() -> None:
        async with opened(redis_server.url) as use:
            redis = use.store.redis
            await redis.command("ACL", "SETUSER", "default", "resetchannels")
            async with heard_by(redis) as (channels, heard):
                channels.add("forbidden")
                await asyncio.sleep(0.1)
                assert heard == []
                await redis.command("ACL", "SETUSER", "default", "allchannels")
                await until(lambda: heard == ["forbidden"])

    run(test)
