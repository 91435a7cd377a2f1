"""
The store's way to Redis: a single server or a Cluster, from a URL.

`Redis.run` sends a script to the server that holds its keys; `Redis.execute` one command. A
Cluster is a lane to each of its primaries: redis-py knows the topology, and a server that says
the slot has moved has it asked again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis.asyncio
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import parse_url

from consent.store.lane import Argument, Lane, Reply, StoreError, StoreUnavailable
from consent.store.scripts import SHA1, load_all

CLUSTER_SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
CONNECT_TIMEOUT_SECONDS = 0.5
MOVES_MAX = 4
LISTENING, DEAF = "\x00listening", "\x00deaf"  # no message begins with a NUL


class Redis:
    """A single server. Opened on the running event loop; `aclose` ends it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lane = open_lane(url)

    async def start(self) -> None:
        """Nothing to learn from a single server; it may even be away."""

    def _lane_of(self, key: str) -> Lane:  # noqa: ARG002 - one server has every key
        return self._lane

    async def execute(self, command: str, key: str, *arguments: Argument) -> Reply:
        return await self._lane.execute(command, key, *arguments)

    async def run(self, script: str, keys: list[str], *arguments: Argument) -> Reply:
        """Run a script of this folder; its reply is the decision."""
        lane = self._lane
        try:
            return await lane.execute("EVALSHA", SHA1[script], len(keys), *keys, *arguments)
        except StoreError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
            await load_all(lane.execute)
            return await lane.execute("EVALSHA", SHA1[script], len(keys), *keys, *arguments)

    async def command(self, *arguments: Argument) -> Reply:
        """A command about the server, not about a key."""
        return await self._lane.execute(*arguments)

    async def messages(self, channel: str) -> AsyncIterator[str]:
        """What is published to a channel; LISTENING and DEAF tell when it is being heard."""
        async for message in _messages(self._url, channel):
            yield message

    async def aclose(self) -> None:
        await self._lane.aclose()


class Cluster(Redis):
    """A Redis Cluster: every script's keys lie in one slot, so one primary decides."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url = urlunsplit(parts._replace(scheme=CLUSTER_SCHEMES[parts.scheme]))
        self._topology = RedisCluster.from_url(self._url)
        self._lanes: dict[str, Lane] = {}
        self._learning = asyncio.Lock()

    async def start(self) -> None:
        """Learn which primary holds which slot; raises StoreUnavailable when none answers."""
        try:
            await self._topology.initialize()
        except (redis.exceptions.RedisError, OSError) as error:
            raise StoreUnavailable(detail=type(error).__name__) from error

    def _lane_of(self, key: str) -> Lane:
        node = self._topology.get_node_from_key(key)
        if node is None:
            raise StoreUnavailable(detail="no primary for the slot")
        lane = self._lanes.get(node.name)
        if lane is None:
            parts = urlsplit(self._url)
            credentials = parts.netloc.rpartition("@")[0]
            netloc = f"{credentials}@{node.name}" if credentials else node.name
            lane = self._lanes[node.name] = open_lane(urlunsplit(parts._replace(netloc=netloc)))
        return lane

    async def execute(self, command: str, key: str, *arguments: Argument) -> Reply:
        return await self._routed(key, command, key, *arguments)

    async def run(self, script: str, keys: list[str], *arguments: Argument) -> Reply:
        return await self._routed(keys[0], "EVALSHA", SHA1[script], len(keys), *keys, *arguments)

    async def command(self, *arguments: Argument) -> Reply:
        return await self._routed("", *arguments)

    async def _routed(self, key: str, *arguments: Argument) -> Reply:
        """Follow the slot where it has gone. A repeated script answers as it did the first time."""
        for attempt in range(MOVES_MAX):
            try:
                lane = self._lane_of(key)
            except redis.exceptions.RedisClusterException as error:
                raise StoreUnavailable(detail="no primary for the slot") from error
            try:
                return await lane.execute(*arguments)
            except StoreUnavailable:
                if attempt + 1 == MOVES_MAX:
                    raise
                await self._learn_again(attempt)
            except StoreError as error:
                if str(error).startswith("NOSCRIPT"):
                    await load_all(lane.execute)
                elif str(error).startswith(("MOVED", "ASK")):
                    await self._learn_again(attempt)
                else:
                    raise
        raise StoreUnavailable(detail="the slot keeps moving")

    async def _learn_again(self, attempt: int) -> None:
        async with self._learning:
            await asyncio.sleep(0.1 * attempt)
            with contextlib.suppress(redis.exceptions.RedisError, OSError):
                await self._topology.nodes_manager.initialize()

    async def aclose(self) -> None:
        await asyncio.gather(*[lane.aclose() for lane in self._lanes.values()])
        await self._topology.aclose()


async def open_redis(url: str) -> Redis:
    """Connect to what the URL names; a single server that is away is waited for in use."""
    connection = Cluster(url) if urlsplit(url).scheme in CLUSTER_SCHEMES else Redis(url)
    await connection.start()
    return connection


def open_lane(url: str, *, scripts: bool = True) -> Lane:
    options: dict[str, Any] = {**parse_url(url)}
    kind = options.pop("connection_class", redis.asyncio.Connection)
    return Lane(
        lambda: kind(**options, protocol=2, socket_connect_timeout=CONNECT_TIMEOUT_SECONDS),
        load_all if scripts else None,
    )


async def _messages(url: str, channel: str) -> AsyncIterator[str]:
    client = redis.asyncio.Redis.from_url(url, socket_timeout=None, health_check_interval=5)
    try:
        while True:
            try:
                async with client.pubsub() as listening:
                    await listening.subscribe(channel)
                    while True:
                        # Asking with a timeout is what makes redis-py ping a silent connection.
                        message = await listening.get_message(timeout=5)
                        if message is None:
                            continue
                        if message["type"] == "subscribe":
                            yield LISTENING
                        elif message["type"] == "message":
                            yield message["data"].decode()
            except (redis.exceptions.RedisError, OSError):
                yield DEAF
                await asyncio.sleep(CONNECT_TIMEOUT_SECONDS)
    finally:
        await client.aclose()
