"""The names of the keys: one slot for all that one step touches."""

import re

from consent.identifiers import new_auth_req_id, person_id_of
from consent.store import keys
from consent.store.keys import Partition, partitions

PERSON = person_id_of("auth0|u1", 16)


def tags(names: list[str]) -> set[str]:
    """What Redis Cluster hashes: the text in the first braces."""
    return {re.findall(r"\{([^}]+)\}", name)[0] for name in names}


def test_all_of_a_persons_keys_are_in_one_slot() -> None:
    p = Partition.of(PERSON)

    names = [
        p.outbox,
        p.opened,
        p.stats,
        p.consent("c"),
        p.open("p"),
        p.recent("p"),
        p.person("p"),
        p.devices("p"),
        p.addresses("p"),
        p.ticket("t"),
        p.proof("d"),
        p.receipt("c"),
        p.notices,
        p.notice("d"),
    ]

    assert tags(names) == {PERSON[:3]}
    assert len(set(names)) == len(names)


def test_a_request_is_found_by_its_id_alone() -> None:
    assert Partition.of(new_auth_req_id(PERSON)) is Partition.of(PERSON)


def test_the_directory_is_in_one_slot() -> None:
    names = [
        keys.CLIENTS,
        keys.RESOURCE_SERVERS,
        keys.CLIENT_GRANTS,
        keys.KEYS,
        keys.FACTS,
        keys.WORKERS,
    ]

    assert tags(names) == {"directory"}
    assert len(set(names)) == len(names)


def test_the_sweeper_walks_every_partition() -> None:
    prefixes = [partition.prefix for partition in partitions(16)]

    assert len(set(prefixes)) == 16
    assert Partition.of(PERSON).prefix in prefixes
