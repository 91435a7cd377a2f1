"""
A Redis server: that it keeps what it was given, has room for more, and answers in time.

Of a Cluster each primary is looked at. What a managed service hides cannot be seen, and that is
said; it is no failure.
"""

import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from consent.store.connections import CLUSTER_SCHEMES
from scripts.administration.checks.finding import Finding, failure, graded, ok, warning

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
ROUND_TRIPS = 20
VERSION_MIN = (7, 0)
SKEW_SECONDS_WARN, SKEW_SECONDS_FAIL = 2.0, 30.0
LATENCY_MS_WARN, LATENCY_MS_FAIL = 10.0, 250.0
MEMORY_WARN, MEMORY_FAIL = 0.75, 0.9
REPLICA_LAG_SECONDS_WARN = 10

_UNSEEN = "ask the provider of the service how it is set"
_AS_THE_STORE = "set appendonly yes and appendfsync always in its configuration"

Client = redis.asyncio.Redis


class Server(NamedTuple):
    """`name` is what findings call it; a queue's keeps nothing that cannot be done without."""

    name: str
    client: Client
    is_queue: bool = False

    def check(self, what: str) -> str:
        return f"{self.name} {what}"


@asynccontextmanager
async def servers(url: str, name: str, *, is_queue: bool = False) -> AsyncIterator[list[Server]]:
    """Each primary of what the URL names. Raises RedisError, OSError, ValueError (the URL)."""
    async with contextlib.AsyncExitStack() as stack:

        async def opened(node_url: str) -> Client:
            client: Client = redis.asyncio.Redis.from_url(
                node_url,
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 0),
            )
            stack.push_async_callback(client.aclose)
            await client.ping()
            return client

        parts = urlsplit(url)
        if parts.scheme not in CLUSTER_SCHEMES:
            yield [Server(name, await opened(url), is_queue)]
            return
        parts = parts._replace(scheme=CLUSTER_SCHEMES[parts.scheme])
        credentials, at, seed = parts.netloc.rpartition("@")
        asked = await opened(urlunsplit(parts))
        seen = await asked.execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
        primaries = {_node(primary, seed) for _, _, primary, *_ in seen}
        yield [
            Server(
                f"{name} {node}",
                await opened(urlunsplit(parts._replace(netloc=f"{credentials}{at}{node}"))),
            )
            for node in sorted(primaries)
        ]


def _node(primary: list[Any], seed: str) -> str:
    """Where an address is unknown to the cluster, it is that of the node which was asked."""
    host = primary[0].decode() if primary[0] else str(urlsplit(f"//{seed}").hostname)
    return f"[{host}]:{primary[1]}" if ":" in host else f"{host}:{primary[1]}"


async def health(server: Server) -> list[Finding]:
    """All that is to be said of one server."""
    try:
        information: dict[str, Any] = await server.client.info()
    except ResponseError:
        information = {}
    configured = await configuration(server.client)
    found = [
        version(server, information),
        persistence(server, information, configured),
        eviction(server, information, configured),
        memory(server, information),
        replication(server, information),
        await skew(server),
        await latency(server),
    ]
    return [finding for finding in found if finding is not None]


async def configuration(client: Client) -> dict[str, str]:
    """What may be seen of it, which of a managed service is nothing."""
    seen: dict[str, str] = {}
    for name in ("save", "appendfsync", "maxmemory-policy"):
        with contextlib.suppress(ResponseError):
            answer = await client.config_get(name)
            seen |= {str(member): str(value) for member, value in answer.items()}
    return seen


def version(server: Server, information: dict[str, Any]) -> Finding:
    name = server.check("version")
    if "valkey_version" in information:
        return ok(name, f"Valkey {information['valkey_version']}")
    text = str(information.get("redis_version", ""))
    try:
        numbers = tuple(int(part) for part in text.split(".")[:2])
    except ValueError:
        return warning(
            name, "cannot be seen", "Redis 7.0 or Valkey 7.2 is the least that is needed"
        )
    if numbers < VERSION_MIN:
        return failure(name, f"Redis {text} is too old", "use Redis 7.0 or later, or Valkey")
    return ok(name, f"Redis {text}")


def persistence(server: Server, information: dict[str, Any], configured: dict[str, str]) -> Finding:
    """Whether what was answered outlives the server: every write on disk before its answer."""
    name = server.check("persistence")
    if server.is_queue:
        return ok(name, "not needed: what is owed to phones and clients is in the state's Redis")
    appends, snapshots = information.get("aof_enabled"), configured.get("save")
    if appends is None:
        return warning(name, "cannot be seen", _UNSEEN)
    if appends:
        return _appending(name, information, configured)
    if snapshots is None:
        text = "no append-only file; whether there are snapshots cannot be seen"
        return warning(name, text, _UNSEEN)
    if not snapshots:
        return failure(name, "none: a restart forgets everything", _AS_THE_STORE)
    if information.get("rdb_last_bgsave_status") == "err":
        return failure(name, "the last snapshot failed", "see its log: is the disk full?")
    return warning(name, "snapshots alone: the minutes since the last are lost", _AS_THE_STORE)


def _appending(name: str, information: dict[str, Any], configured: dict[str, str]) -> Finding:
    if information.get("aof_last_write_status") == "err":
        return failure(name, "writing the append-only file fails", "see its log: is the disk full?")
    match configured.get("appendfsync"):
        case "always":
            return ok(name, "append-only file, written before each answer")
        case "everysec":
            text = "append-only file, written every second: a crash of its machine loses one"
            return warning(name, text, "set appendfsync always")
        case None:
            text = "append-only file; how often it is written cannot be seen"
            return warning(name, text, _UNSEEN)
    text = "append-only file, written when the system likes: a crash of its machine loses it"
    return failure(name, text, "set appendfsync always")


def eviction(server: Server, information: dict[str, Any], configured: dict[str, str]) -> Finding:
    """What is thrown away when memory is short: requests and people, unless it is nothing."""
    name = server.check("eviction")
    policy = configured.get("maxmemory-policy") or information.get("maxmemory_policy")
    if policy is None:
        return warning(name, "cannot be seen", f"it must be noeviction: {_UNSEEN}")
    if policy == "noeviction":
        return ok(name, policy)
    text = f"{policy}: short of memory it would throw records away"
    return failure(name, text, "set maxmemory-policy noeviction")


def memory(server: Server, information: dict[str, Any]) -> Finding:
    name, used = server.check("memory"), information.get("used_memory")
    limit = information.get("maxmemory") or information.get("total_system_memory")
    if not isinstance(used, int) or not isinstance(limit, int) or not limit:
        return warning(name, "cannot be seen", _UNSEEN)
    whose = "its limit" if information.get("maxmemory") else "the machine's, for it has no limit"
    text = f"{_mebibytes(used)} of {_mebibytes(limit)} ({whose})"
    advice = "give it more: full, it refuses every request"
    return graded(name, used / limit, text, advice, warn=MEMORY_WARN, fail=MEMORY_FAIL)


def _mebibytes(size: int) -> str:
    return f"{size / 1_048_576:,.0f} MiB".replace(",", " ")


def replication(server: Server, information: dict[str, Any]) -> Finding:
    name = server.check("replication")
    if information.get("role") == "slave":
        text = "this is a replica, which takes no writes"
        return failure(name, text, "name the primary in the URL")
    replicas = [
        information[f"slave{number}"]
        for number in range(int(information.get("connected_slaves", 0)))
        if isinstance(information.get(f"slave{number}"), dict)
    ]
    if not replicas:
        return ok(name, "no replica")
    lag = max(int(replica.get("lag", 0)) for replica in replicas)
    behind = [each for each in replicas if each.get("state") != "online"]
    text = f"{len(replicas)} replicas, {len(behind)} not in step, the last heard of {lag} s ago"
    if behind or lag > REPLICA_LAG_SECONDS_WARN:
        return warning(name, text, "a failover now would lose writes: see the replicas' logs")
    return ok(name, text)


async def skew(server: Server) -> Finding:
    """Deadlines are Redis' to judge and tokens are dated by the API: one time for both."""
    name, before = server.check("clock"), time.time()
    seconds, microseconds = await server.client.time()
    apart = seconds + microseconds / 1_000_000 - (before + time.time()) / 2
    return clock(name, apart)


def clock(name: str, seconds_apart: float) -> Finding:
    """`seconds_apart` is how far the server's clock is ahead of this host's."""
    side = "ahead of" if seconds_apart > 0 else "behind"
    text = f"{abs(seconds_apart):.3f} s {side} this host's"
    advice = "let both hosts keep their time by NTP"
    away = abs(seconds_apart)
    return graded(name, away, text, advice, warn=SKEW_SECONDS_WARN, fail=SKEW_SECONDS_FAIL)


async def latency(server: Server) -> Finding:
    taken = []
    for _ in range(ROUND_TRIPS):
        start = time.perf_counter()
        await server.client.ping()
        taken.append((time.perf_counter() - start) * 1_000)
    typical = statistics.median(taken)
    text = f"{typical:.2f} ms a round trip, {max(taken):.2f} ms at most"
    advice = "every request waits for it: put it near the API"
    name = server.check("latency")
    return graded(name, typical, text, advice, warn=LATENCY_MS_WARN, fail=LATENCY_MS_FAIL)


def unreachable(name: str, error: Exception) -> Iterable[Finding]:
    """Said without its text, which may hold the URL and its password."""
    reason = {
        "AuthenticationError": "it refuses the user or the password",
        "ResponseError": "it refuses",
        "TimeoutError": "no answer in time",
        "ValueError": "its URL is malformed",
    }.get(type(error).__name__, "there is no connection")
    return [failure(name, reason, "see its URL, and whether it is up and lets this host in")]


UNREACHABLE = (RedisError, OSError, ValueError)
