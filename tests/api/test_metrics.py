"""What /metrics tells, as Prometheus reads it."""

import re

from prometheus_client.parser import text_string_to_metric_families

from api.metrics import BOUNDS_MS, REQUESTS, exposition
from consent.store.scripts import SOURCES

NAME = "accepted_to_handed_over"


def samples(
    stats: dict[str, int], depth: int = 0, workers: int = 0, backlog: int = 0
) -> dict[str, float]:
    """Each line of the exposition by its name and labels."""
    text = exposition(stats, depth, workers, backlog).decode()
    return {
        sample.name + "".join(f" {k}={v}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_buckets_are_cumulative_as_prometheus_counts() -> None:
    """Redis counts each observation once, in the bucket it falls in."""
    stats = {f"{NAME}:50": 2, f"{NAME}:250": 3, f"{NAME}:inf": 1, f"{NAME}:sum": 1_500}

    told = samples(stats)

    at = f"nod_{NAME}_seconds_bucket le="
    assert [told[f"{at}{le}"] for le in ("0.05", "0.1", "0.25", "300.0", "+Inf")] == [2, 2, 5, 5, 6]
    assert told[f"nod_{NAME}_seconds_count"] == 6
    assert told[f"nod_{NAME}_seconds_sum"] == 1.5


def test_a_histogram_nobody_has_filled_is_empty_and_there() -> None:
    assert samples({})[f"nod_{NAME}_seconds_count"] == 0


def test_pushes_are_told_by_provider_and_outcome() -> None:
    told = samples({"push:fcm:delivered": 5, "push:apns:unregistered": 1, "fetched": 9})

    assert told["nod_pushes_total outcome=delivered provider=fcm"] == 5
    assert told["nod_pushes_total outcome=unregistered provider=apns"] == 1


def test_calls_to_clients_are_told_by_mode_and_outcome() -> None:
    told = samples({"call:ping:delivered": 4, "call:push:retry": 2, "push:fcm:delivered": 1})

    assert told["nod_calls_total mode=ping outcome=delivered"] == 4
    assert told["nod_calls_total mode=push outcome=retry"] == 2
    assert told["nod_pushes_total outcome=delivered provider=fcm"] == 1


def test_the_queue_and_the_workers_are_told() -> None:
    told = samples({}, depth=7, workers=2)

    assert (told["nod_queue_depth"], told["nod_workers_alive"]) == (7, 2)


def test_requests_of_this_process_are_told_beside_them() -> None:
    REQUESTS.labels("token", "a_test_of_metrics").inc(3)

    told = samples({})

    assert told["nod_requests_total endpoint=token outcome=a_test_of_metrics"] == 3


def test_the_scripts_count_in_the_same_buckets() -> None:
    """The bounds are written in Lua once more: the two are held together here."""
    found = re.search(r"local BOUNDS = \{([^}]+)\}", SOURCES["accept"])

    assert found
    assert tuple(int(number) for number in found[1].split(",")) == BOUNDS_MS
