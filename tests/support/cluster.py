"""A Redis Cluster of three primaries on loopback."""

import time
from pathlib import Path

import redis

from scripts.embedded_redis import free_port
from tests.support.redis_server import RedisServer

SLOTS = 16_384
NODES = 3


class Cluster:
    """Each primary holds a third of the slots; one that dies takes its own with it, no more."""

    def __init__(self, directory: Path) -> None:
        self.buses = [free_port() for _ in range(NODES)]
        self.nodes = [
            RedisServer(
                directory / str(number),
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                str(bus),
                "--cluster-node-timeout",
                "1000",
                "--cluster-require-full-coverage",
                "no",
            )
            for number, bus in enumerate(self.buses)
        ]

    def database(self, _number: int) -> str:
        """A Cluster has one database: who wants one of its own finds it empty."""
        for node in self.nodes:
            with redis.Redis.from_url(node.url) as client:
                client.flushdb()
        return self.url

    @property
    def url(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.nodes[0].port}"

    def start(self) -> "Cluster":
        for node in self.nodes:
            node.start()
        for number, node in enumerate(self.nodes):
            first, end = (SLOTS * n // NODES for n in (number, number + 1))
            with redis.Redis.from_url(node.url) as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", first, end - 1)
                for other, bus in zip(self.nodes, self.buses, strict=True):
                    client.execute_command("CLUSTER MEET", "127.0.0.1", other.port, bus)
        self.wait_until_whole()
        return self

    def wait_until_whole(self) -> None:
        """Every node knows of every slot."""
        deadline = time.monotonic() + 20
        while not all(self._is_whole(node) for node in self.nodes):
            assert time.monotonic() < deadline, "the cluster did not form"
            time.sleep(0.05)

    def _is_whole(self, node: RedisServer) -> bool:
        with redis.Redis.from_url(node.url) as client:
            info = client.execute_command("CLUSTER INFO")
        return bool(
            info["cluster_state"] == "ok"
            and info["cluster_slots_ok"] == str(SLOTS)
            and info["cluster_known_nodes"] == str(NODES)
        )

    def node_of(self, key: str) -> RedisServer:
        with redis.Redis.from_url(self.nodes[0].url) as client:
            slot = int(client.execute_command("CLUSTER KEYSLOT", key))
        return next(
            node for number, node in enumerate(self.nodes) if slot < SLOTS * (number + 1) // NODES
        )

    def move(self, key: str, target: RedisServer) -> None:
        """Hand the key's slot, with all that is in it, to another primary."""
        source = self.node_of(key)
        with (
            redis.Redis.from_url(source.url) as giver,
            redis.Redis.from_url(target.url) as taker,
        ):
            slot = giver.execute_command("CLUSTER KEYSLOT", key)
            giver_id, taker_id = (c.execute_command("CLUSTER MYID") for c in (giver, taker))
            taker.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", giver_id)
            giver.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", taker_id)
            while moving := giver.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
                giver.execute_command(
                    "MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *moving
                )
            for client in (taker, giver):
                client.execute_command("CLUSTER SETSLOT", slot, "NODE", taker_id)

    def deafen(self) -> None:
        for node in self.nodes:
            node.deafen()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()
