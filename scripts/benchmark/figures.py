"""
From what was counted to what is reported: medians, spreads, ratios, targets.

Pure. Machines are noisy, so everything is measured in rounds; what is told is the median of the
rounds and their extremes, and a ratio is one of two numbers of the same round.
"""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import msgspec


class Round(NamedTuple):
    """One stretch of requests: how many, how long it took, what the server used for it."""

    requests: int
    seconds: float
    cpu_seconds: float

    @property
    def cpu_us(self) -> float:
        return self.cpu_seconds / self.requests * 1e6

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


class Spread(msgspec.Struct, frozen=True):
    median: float
    least: float
    most: float


class Target(msgspec.Struct, frozen=True):
    """A bound a figure should keep; `most` says on which side of it."""

    bound: float
    most: bool = True

    def is_met(self, value: float) -> bool:
        return value <= self.bound if self.most else value >= self.bound


class EndpointFigures(msgspec.Struct, frozen=True):
    """CPU µs a request, requests a second, and the CPU relative to the bare route's."""

    name: str
    cpu_us: Spread
    per_second: Spread
    ratio: Spread
    target: Target | None = None


class Figure(msgspec.Struct, frozen=True):
    """Anything else that was measured, in its unit."""

    name: str
    value: float
    unit: str
    target: Target | None = None


class Visit(NamedTuple):
    """A stretch of requests to one tenant: CPU µs of each, and the median of their waits in ms."""

    cpu_us: float
    wait_ms: float


class TenantFigures(msgspec.Struct, frozen=True):
    """What a request costs in a small tenant and in a large one; ratios of the same round."""

    name: str
    small_cpu_us: float
    large_cpu_us: float
    cpu_ratio: Spread
    small_wait_ms: float
    large_wait_ms: float
    wait_ratio: Spread
    target: Target

    @property
    def worst(self) -> float:
        return max(self.cpu_ratio.median, self.wait_ratio.median)


def tenant_figures(
    name: str, small: Sequence[Visit], large: Sequence[Visit], target: Target
) -> TenantFigures:
    """Both in the order of the rounds."""
    rounds = list(zip(small, large, strict=True))
    return TenantFigures(
        name=name,
        small_cpu_us=statistics.median(one.cpu_us for one in small),
        large_cpu_us=statistics.median(one.cpu_us for one in large),
        cpu_ratio=spread([many.cpu_us / few.cpu_us for few, many in rounds]),
        small_wait_ms=statistics.median(one.wait_ms for one in small),
        large_wait_ms=statistics.median(one.wait_ms for one in large),
        wait_ratio=spread([many.wait_ms / few.wait_ms for few, many in rounds]),
        target=target,
    )


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def endpoint_figures(
    name: str, rounds: Sequence[Round], bare: Sequence[Round], target: Target | None
) -> EndpointFigures:
    """`bare` are the rounds of the bare route beside them, in the same order."""
    ratios = [one.cpu_us / beside.cpu_us for one, beside in zip(rounds, bare, strict=True)]
    return EndpointFigures(
        name=name,
        cpu_us=spread([one.cpu_us for one in rounds]),
        per_second=spread([one.per_second for one in rounds]),
        ratio=spread(ratios),
        target=target,
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of a hundred do not exceed (nearest rank)."""
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]
