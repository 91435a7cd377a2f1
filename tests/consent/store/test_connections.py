"""The way to Redis: a single server, and a Cluster of three on which all of the store works."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
import redis

from consent.lifecycle import Event
from consent.store.connections import DEAF, LISTENING, open_redis
from consent.store.keys import Partition
from consent.store.lane import StoreUnavailable
from scripts.embedded_redis import free_port
from tests.consent.store import (
    test_calls,
    test_consent_records,
    test_consents,
    test_directory,
    test_grants,
    test_pending,
    test_people,
    test_registrations,
)
from tests.support.audited import audited
from tests.support.cluster import Cluster
from tests.support.redis_server import RedisServer
from tests.support.store import Person, StoreInUse, opened, run
from tests.support.waiting import until

pytestmark = pytest.mark.xdist_group("cluster")
DEFINITE_SECONDS = 2.0
MANY = {"person_requests_per_minute_max": 1_000, "person_open_requests_max": 1_000}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("cluster")).start()
    yield started
    started.stop()


# They look through all keys there are, which no command of a Cluster does.
_OF_ONE_SERVER = {
    test_people.test_an_entry_that_is_left_over_finds_nobody,
    test_people.test_a_creation_that_came_too_late_leaves_no_entry,
}


def promises(*modules: ModuleType) -> list[Callable[[Cluster], None]]:
    """The tests of these modules that need a Redis and nothing else."""
    return [
        value
        for module in modules
        for name, value in vars(module).items()
        if name.startswith("test_") and value.__annotations__.keys() == {"redis_server", "return"}
        if value not in _OF_ONE_SERVER
    ]


@pytest.mark.parametrize(
    "promise",
    promises(
        test_consents,
        test_consent_records,
        test_calls,
        test_grants,
        test_pending,
        test_people,
        test_directory,
        test_registrations,
    ),
    ids=lambda test: test.__name__,
)
def test_the_store_keeps_its_promises_on_a_cluster(
    promise: Callable[[Cluster], None], cluster: Cluster
) -> None:
    """Every key of a script lies in one slot, or the cluster would refuse it."""
    promise(cluster)


def test_the_log_is_added_to_and_cut_on_a_cluster(cluster: Cluster) -> None:
    async def test() -> None:
        async with audited(cluster.database(0)) as use:
            names = await use.add_many(20)
            await use.directory.record("seccft", client="c", event=b"{}")
            await use.appender().move()
            await use.check_each_once(names | {"c"})
            assert await use.audit.first_since(0) == 1
            await use.appender().cut(-1)
            assert (await use.audit.state()).anchor.number == len(names) + 1
            await use.check_whole(0)

    run(test)


def test_the_partitions_are_spread_over_the_primaries(cluster: Cluster) -> None:
    async def test() -> None:
        async with opened(cluster.url) as use:
            for _ in range(24):
                await (await use.person()).ask()
            assert (await use.store.consent_records.stats()) is not None

    run(test)
    for node in cluster.nodes:
        with redis.Redis.from_url(node.url) as client:
            assert any(client.scan_iter("nod:{0*:consent:*"))


async def _people_by_node(use: StoreInUse, cluster: Cluster) -> dict[int, Person]:
    """A person on every primary, by the primary's port."""
    people: dict[int, Person] = {}
    while len(people) < len(cluster.nodes):
        person = await use.person()
        people.setdefault(cluster.node_of(Partition.of(person.person_id).outbox).port, person)
    return people


def test_a_primary_that_dies_takes_its_own_partitions_and_no_others(cluster: Cluster) -> None:
    """Its people hear 503 within 2 s, all others are served; when it is back, so are they."""

    async def test() -> None:
        async with opened(cluster.url, **MANY) as use:
            people = await _people_by_node(use, cluster)
            asked = {port: await person.ask() for port, person in people.items()}
            victim = cluster.nodes[1]
            victim.kill()
            try:
                for _ in range(2):  # before the others have noticed, and after
                    for port, person in people.items():
                        since = time.monotonic()
                        outcomes = await asyncio.gather(
                            *[person.ask() for _ in range(20)], return_exceptions=True
                        )
                        took = time.monotonic() - since
                        expected = StoreUnavailable if port == victim.port else str
                        assert {type(outcome) for outcome in outcomes} == {expected}
                        assert took < DEFINITE_SECONDS
            finally:
                await asyncio.to_thread(victim.start)
                await asyncio.to_thread(cluster.wait_until_whole)

            async def serves_again() -> bool:
                try:
                    return isinstance(await people[victim.port].ask(), str)
                except StoreUnavailable:
                    return False

            await until(serves_again)
            for port, person in people.items():
                assert await person.answer(asked[port], Event.DENY) == "answered"

    run(test)


def test_a_cluster_that_is_away_is_waited_for(cluster: Cluster) -> None:
    """Nobody to ask which primary has what: unavailable, and no other error."""

    async def test() -> None:
        with pytest.raises(StoreUnavailable):
            await open_redis(f"redis+cluster://127.0.0.1:{free_port()}")

        for node in cluster.nodes:
            node.process.send_signal(signal.SIGSTOP)
        try:
            since = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await open_redis(cluster.url)
            assert time.monotonic() - since < DEFINITE_SECONDS
        finally:
            for node in cluster.nodes:
                node.process.send_signal(signal.SIGCONT)
            await asyncio.to_thread(cluster.wait_until_whole)

    run(test)


def test_a_slot_that_moves_is_followed(cluster: Cluster) -> None:
    """A partition is handed from one primary to another while it is in use."""

    async def test() -> None:
        async with opened(cluster.url, **MANY) as use:
            person = (await _people_by_node(use, cluster))[cluster.nodes[0].port]
            consent_id = await person.ask()
            await asyncio.to_thread(
                cluster.move, Partition.of(person.person_id).outbox, cluster.nodes[2]
            )
            assert isinstance(await person.ask(), str)
            assert await person.answer(consent_id, Event.APPROVE) == "answered"

    run(test)


@pytest.mark.parametrize("kind", ["single", "cluster"])
def test_what_is_published_is_heard_and_deafness_is_told(
    kind: str, cluster: Cluster, redis_server: RedisServer
) -> None:
    async def test() -> None:
        url = cluster.url if kind == "cluster" else redis_server.url
        connection = await open_redis(url)
        try:
            messages = connection.messages("test-channel")
            async with asyncio.timeout(10):
                assert await anext(messages) == LISTENING
                await connection.command("PUBLISH", "test-channel", "said")
                assert await anext(messages) == "said"
                (cluster if kind == "cluster" else redis_server).deafen()
                assert await anext(messages) == DEAF
                assert await anext(messages) == LISTENING
        finally:
            await connection.aclose()

    run(test)


def test_channels_come_and_go_over_any_node(cluster: Cluster) -> None:
    """Whatever it is published on: the bus carries it."""

    async def test() -> None:
        connection = await open_redis(cluster.url)
        try:
            channels = connection.subscriptions()
            channels.add("one")
            heard = channels.heard()
            async with asyncio.timeout(10):
                assert await anext(heard) == "one"
                for node in cluster.nodes:
                    with redis.Redis.from_url(node.url) as client:
                        client.publish("one", "")
                    assert await anext(heard) == "one"
                channels.add("two")
                assert await anext(heard) == "two"
                cluster.deafen()
                assert {await anext(heard), await anext(heard)} == {"one", "two"}
        finally:
            await connection.aclose()

    run(test)


def test_a_server_that_forgot_the_scripts_is_told_them_again(
    cluster: Cluster, redis_server: RedisServer
) -> None:
    async def test() -> None:
        for url, servers in (
            (redis_server.url, [redis_server]),
            (cluster.url, cluster.nodes),
        ):
            async with opened(url) as use:
                person = await use.person()
                for server in servers:
                    with redis.Redis.from_url(server.url) as administrator:
                        administrator.script_flush()
                assert isinstance(await person.ask(), str)

    run(test)
