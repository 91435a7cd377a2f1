"""
The store's way to Redis: a single server or a Cluster, from a URL.

`Redis.run` sends a script to the server that holds its keys; `Redis.execute` one command. A
Cluster is a lane to each of its primaries.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis.asyncio
from redis.asyncio.connection import AbstractConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from consent.store.lane import Argument, Lane, Reply, StoreError, StoreUnavailable
from consent.store.scripts import SHA1, load_all
from consent.store.subscriptions import Subscriptions

CLUSTER_SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
CONNECT_TIMEOUT_SECONDS = 0.5
MOVES_MAX = 4
DEFAULT_PORT = 6379
LISTENING, DEAF = "\x00listening", "\x00deaf"  # no message begins with a NUL


class Redis:
    """A single server. Opened on the running event loop; `aclose` ends it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lane = open_lane(url)

    async def start(self) -> None:
        """Nothing to learn from a single server; it may even be away."""

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
        async for message in _messages(lambda: self._url, channel):
            yield message

    def subscriptions(self) -> Subscriptions:
        """Channels that come and go."""
        return Subscriptions(lambda: _connection(self._url))

    async def aclose(self) -> None:
        await self._lane.aclose()


class Cluster(Redis):
    """
    A Redis Cluster: every script's keys lie in one slot, so one primary decides.

    A primary that has given a slot away names its heir, and is believed. One that does not answer
    has the others asked, once for all who wait, while its people are told to come back.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._parts = parts._replace(scheme=CLUSTER_SCHEMES[parts.scheme])
        self._seed = _node(parts.hostname or "localhost", parts.port or DEFAULT_PORT)
        self._nodes = {self._seed}
        self._owners: list[str] = [self._seed] * REDIS_CLUSTER_HASH_SLOTS
        self._lanes: dict[str, Lane] = {}
        self._learning: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Learn which primary holds which slot; raises StoreUnavailable when none answers."""
        await self._learn()

    async def execute(self, command: str, key: str, *arguments: Argument) -> Reply:
        return await self._routed(key, command, key, *arguments)

    async def run(self, script: str, keys: list[str], *arguments: Argument) -> Reply:
        return await self._routed(keys[0], "EVALSHA", SHA1[script], len(keys), *keys, *arguments)

    async def command(self, *arguments: Argument) -> Reply:
        return await self._routed("", *arguments)

    async def messages(self, channel: str) -> AsyncIterator[str]:
        async for message in _messages(self._any_url, channel):
            yield message

    def subscriptions(self) -> Subscriptions:
        return Subscriptions(lambda: _connection(self._any_url()))

    def _any_url(self) -> str:
        """Any node tells what is said anywhere."""
        return self._url_of(secrets.choice([*self._nodes]))

    async def _routed(self, key: str, *arguments: Argument) -> Reply:
        slot = key_slot(key.encode())
        for _ in range(MOVES_MAX):
            node = self._owners[slot]
            lane = self._lane_to(node)
            try:
                return await lane.execute(*arguments)
            except StoreUnavailable:
                if self._learning is None:
                    self._learning = asyncio.ensure_future(self._learn_again())
                raise
            except StoreError as error:
                match str(error).split(" "):
                    case ["NOSCRIPT", *_]:
                        await load_all(lane.execute)
                    case ["MOVED", _, heir]:
                        host, _, port = heir.rpartition(":")
                        self._owners[slot] = _node(host or _host(node), int(port))
                    case ["ASK", *_]:  # it is being moved: over in a moment
                        raise StoreUnavailable(detail="the slot is moving") from error
                    case _:
                        raise
        raise StoreUnavailable(detail="the slot keeps moving")

    async def _learn_again(self) -> None:
        try:
            with contextlib.suppress(StoreUnavailable):
                await self._learn()
        finally:
            self._learning = None

    async def _learn(self) -> None:
        """Ask one node after the other which primary holds which slot, until one answers."""
        for node in [*self._nodes]:
            try:
                ranges = await self._lane_to(node).execute("CLUSTER", "SLOTS")
            except StoreUnavailable:
                continue
            nodes = {self._seed}
            for first, last, *holders in ranges:
                names = [_node((h[0] or b"").decode() or _host(node), h[1]) for h in holders]
                self._owners[first : last + 1] = [names[0]] * (last + 1 - first)
                nodes.update(names)
            self._nodes = nodes
            for gone in self._lanes.keys() - nodes:
                await self._lanes.pop(gone).aclose()
            return
        raise StoreUnavailable(detail="no node of the cluster answers")

    def _lane_to(self, node: str) -> Lane:
        lane = self._lanes.get(node)
        if lane is None:
            lane = self._lanes[node] = open_lane(self._url_of(node))
        return lane

    def _url_of(self, node: str) -> str:
        credentials, at, _ = self._parts.netloc.rpartition("@")
        return urlunsplit(self._parts._replace(netloc=f"{credentials}{at}{node}"))

    async def aclose(self) -> None:
        if self._learning is not None:
            self._learning.cancel()
            await asyncio.wait([self._learning])
        await asyncio.gather(*[lane.aclose() for lane in self._lanes.values()])


def _node(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _host(node: str) -> str:
    return node.rpartition(":")[0].strip("[]")


async def open_redis(url: str) -> Redis:
    """Connect to what the URL names; a single server that is away is waited for in use."""
    connection = Cluster(url) if urlsplit(url).scheme in CLUSTER_SCHEMES else Redis(url)
    try:
        await connection.start()
    except BaseException:
        await connection.aclose()
        raise
    return connection


def open_lane(url: str, *, scripts: bool = True) -> Lane:
    return Lane(lambda: _connection(url), load_all if scripts else None)


def _connection(url: str) -> AbstractConnection:
    """Not connected yet."""
    options: dict[str, Any] = {**parse_url(url)}
    kind = options.pop("connection_class", redis.asyncio.Connection)
    options |= {
        "protocol": 2,
        "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
        # With one redis-py writes under wait_for, which on Python 3.11 may swallow the cancellation
        # that closes a lane; a lane has a patience of its own.
        "socket_timeout": None,
    }
    connection: AbstractConnection = kind(**options)
    return connection


async def _messages(url: Callable[[], str], channel: str) -> AsyncIterator[str]:
    while True:
        try:
            async with _subscribed(url(), channel) as listening:
                while True:
                    # Asking with a timeout is what makes redis-py ping a silent connection.
                    message = await listening.get_message(timeout=5)
                    if message is None:
                        continue
                    if message["type"] == "subscribe":
                        yield LISTENING
                    elif message["type"] == "message":
                        yield message["data"].decode(errors="replace")
        except (redis.exceptions.RedisError, OSError):
            yield DEAF
            await asyncio.sleep(CONNECT_TIMEOUT_SECONDS)


@asynccontextmanager
async def _subscribed(url: str, channel: str) -> AsyncIterator[redis.asyncio.client.PubSub]:
    """A subscription whose loss shows at once: redis-py would hide it, and what was missed."""
    client = redis.asyncio.Redis.from_url(
        url,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        health_check_interval=5,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        async with client.pubsub() as listening:
            await listening.subscribe(channel)
            yield listening
    finally:
        await client.aclose()
