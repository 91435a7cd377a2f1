"""Real processes over a Redis Cluster, their queue on a server of its own; each may fail alone."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from consent.identifiers import consent_id_of, person_id_of
from consent.store.keys import Partition
from scripts.simulated_phone import SimulatedPhone
from tests.support.cluster import Cluster
from tests.support.held_polls import held_poll, wait_until_polled
from tests.support.nod import Nod, wait_for
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.xdist_group("cluster_flow")
PARTITIONS = 1_024
DEFINITE_SECONDS = 2.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("cluster_flow")).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    started = RedisServer(tmp_path_factory.mktemp("queue")).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def nod(
    cluster: Cluster, queue: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nod]:
    directory: Path = tmp_path_factory.mktemp("cluster_nod")
    started = Nod(
        cluster.url, directory, queue_redis_url=queue.url, partitions=str(PARTITIONS)
    ).start()
    yield started
    started.stop()


def person_on(nod: Nod, cluster: Cluster, node: RedisServer) -> tuple[str, SimulatedPhone]:
    """A person whose partition is that primary's."""
    while True:
        user_id = nod.new_user()
        if cluster.node_of(Partition.of(person_id_of(user_id, PARTITIONS)).outbox) is node:
            return user_id, nod.new_phone(user_id)


def test_a_request_goes_all_the_way_on_every_primary(nod: Nod, cluster: Cluster) -> None:
    client = nod.new_client()
    for node in cluster.nodes:
        user_id, phone = person_on(nod, cluster, node)
        approved, denied = nod.accepted(client, user_id), nod.accepted(client, user_id)
        for number in (0, 1):
            notification = nod.notified(phone, after=number)
            assert phone.fetch(notification.txlnkid, notification.txtkn) is not None
            phone.resolve(notification, accept=notification.txlnkid == consent_id_of(approved))
        assert nod.poll(client, approved).status_code == 200
        assert nod.poll(client, approved).json()["error"] == "invalid_grant"
        assert nod.poll(client, denied).json()["error"] == "access_denied"


def test_a_held_poll_hears_a_decision_on_every_primary(nod: Nod, cluster: Cluster) -> None:
    """Its process listens to one of them; what is published on another reaches it (A125)."""
    client = nod.new_client()
    for node in cluster.nodes:
        user_id, phone = person_on(nod, cluster, node)
        auth_req_id = nod.accepted(client, user_id)
        with (
            redis.Redis.from_url(node.url) as database,
            held_poll(nod, client, auth_req_id, "wait=30") as poll,
        ):
            wait_until_polled(database, auth_req_id)
            phone.resolve(nod.notified(phone), accept=True)
            since = time.monotonic()

            assert poll.response().status == 200
            assert time.monotonic() - since < DEFINITE_SECONDS


def test_a_primary_that_dies_costs_its_own_people_503_and_no_others(
    nod: Nod, cluster: Cluster
) -> None:
    client = nod.new_client()
    # Not the one that keeps the directory: without the clients nobody could be known.
    directory = cluster.node_of("nod:{directory}:clients")
    victim, other = [node for node in cluster.nodes if node is not directory]
    hit, spared = person_on(nod, cluster, victim), person_on(nod, cluster, other)
    waiting = nod.accepted(client, hit[0])
    notification = nod.notified(hit[1])
    victim.kill()
    try:
        for _ in range(2):
            since = time.monotonic()
            refused = nod.start_request(client, hit[0])
            assert time.monotonic() - since < DEFINITE_SECONDS
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "1"
        assert nod.accepted(client, spared[0])
        assert nod.notified(spared[1])
    finally:
        victim.start()
        cluster.wait_until_whole()
    wait_for(lambda: nod.start_request(client, hit[0]).status_code == 200, "the primary's people")
    hit[1].resolve(notification, accept=True)
    assert nod.poll(client, waiting).status_code == 200


def test_phones_ring_while_the_queue_is_away(nod: Nod, queue: RedisServer) -> None:
    """RQ carries, the outbox decides: a lost queue costs a second, even to a worker that starts."""
    client, user_id = nod.new_client(), nod.new_user()
    phone = nod.new_phone(user_id)
    queue.kill()
    try:
        nod.accepted(client, user_id)
        assert nod.notified(phone)
        (worker,) = nod.workers
        worker.kill()
        worker.start()
        nod.accepted(client, user_id)
        assert nod.notified(phone, after=1)
        time.sleep(3)
        nod.accepted(client, user_id)
        assert nod.notified(phone, after=2)
    finally:
        queue.start()
    nod.wait_until_ready()
