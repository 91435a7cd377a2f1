"""
What /metrics tells (Prometheus).

Requests are counted here, in the process. The life of a consent is counted in Redis, by the
scripts that change it, so that it is one truth for every process and survives them all; it is
read when asked for.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "nod_requests", "Requests by endpoint and outcome", ["endpoint", "outcome"], registry=REGISTRY
)
LONG_POLLS = Gauge(
    "nod_long_polls_held", "Polls this process holds until the decision", registry=REGISTRY
)
EVENT_STREAMS = Gauge(
    "nod_event_streams_open", "Event streams to devices this process holds", registry=REGISTRY
)

_HISTOGRAMS = {
    "accepted_to_handed_over": "From acceptance to the first push a provider took",
    "handed_over_to_fetched": "From then until a phone asked what it is about",
    "fetched_to_decided": "From then until the person answered",
}
# The bounds of prelude.lua, in milliseconds.
BOUNDS_MS = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000)


def exposition(stats: dict[str, int], queue_depth: int, workers: int, backlog: int) -> bytes:
    """Everything, in Prometheus' text format."""
    shared = CollectorRegistry()
    shared.register(_Shared(stats, queue_depth, workers, backlog))
    return generate_latest(REGISTRY) + generate_latest(shared)


class _Shared(Collector):
    def __init__(self, stats: dict[str, int], queue_depth: int, workers: int, backlog: int) -> None:
        self._stats = stats
        self._queue_depth = queue_depth
        self._workers = workers
        self._backlog = backlog

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("nod_queue_depth", "Jobs waiting", value=self._queue_depth)
        yield GaugeMetricFamily("nod_workers_alive", "Workers alive", value=self._workers)
        yield GaugeMetricFamily(
            "nod_audit_backlog", "Events that are not in the log yet", value=self._backlog
        )
        pushes = CounterMetricFamily(
            "nod_pushes", "Push attempts by provider and outcome", labels=["provider", "outcome"]
        )
        for name, count in sorted(self._stats.items()):
            if name.startswith("push:"):
                pushes.add_metric(name.split(":")[1:], count)
        yield pushes
        calls = CounterMetricFamily(
            "nod_calls", "Calls to clients by mode and outcome", labels=["mode", "outcome"]
        )
        for name, count in sorted(self._stats.items()):
            if name.startswith("call:"):
                calls.add_metric(name.split(":")[1:], count)
        yield calls
        yield CounterMetricFamily(
            "nod_not_me",
            "Requests denied by a person who had not expected them",
            value=self._stats.get("not_me", 0),
        )
        for name, text in _HISTOGRAMS.items():
            yield self._histogram(name, text)

    def _histogram(self, name: str, text: str) -> HistogramMetricFamily:
        total, buckets = 0, []
        for bound in BOUNDS_MS:
            total += self._stats.get(f"{name}:{bound}", 0)
            buckets.append((str(bound / 1_000), float(total)))
        total += self._stats.get(f"{name}:inf", 0)
        buckets.append(("+Inf", float(total)))
        return HistogramMetricFamily(
            f"nod_{name}_seconds",
            text,
            buckets=buckets,
            sum_value=self._stats.get(f"{name}:sum", 0) / 1_000,
        )
