"""The arithmetic of the benchmark: medians of rounds, ratios of the same round, percentiles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.benchmark.figures import (
    Round,
    Spread,
    Target,
    Visit,
    endpoint_figures,
    percentile,
    spread,
    tenant_figures,
)


def test_a_round_says_cpu_and_throughput_of_one_request() -> None:
    one = Round(requests=2_000, seconds=0.5, cpu_seconds=0.2)
    assert one.cpu_us == pytest.approx(100)
    assert one.per_second == pytest.approx(4_000)


def test_a_spread_is_the_median_and_both_extremes() -> None:
    assert spread([3.0, 1.0, 9.0]) == Spread(3.0, 1.0, 9.0)


def test_a_ratio_compares_rounds_that_ran_side_by_side() -> None:
    """A machine that slowed down for one round slowed both, and the ratio does not show it."""
    bare = [Round(100, 1.0, 0.01), Round(100, 1.0, 0.03)]
    ours = [Round(100, 1.0, 0.02), Round(100, 1.0, 0.06)]
    figures = endpoint_figures("poll", ours, bare, None)
    assert figures.ratio.least == pytest.approx(2.0)
    assert figures.ratio.most == pytest.approx(2.0)
    assert figures.cpu_us.most == pytest.approx(600)


def test_rounds_without_a_bare_one_beside_them_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        endpoint_figures("poll", [Round(1, 1, 1)], [], None)


def test_a_large_tenant_is_compared_with_the_small_one_of_the_same_round() -> None:
    small = [Visit(100, 1.0), Visit(300, 3.0), Visit(200, 2.0)]
    large = [Visit(110, 2.0), Visit(330, 6.0), Visit(220, 4.0)]
    figures = tenant_figures("GET /clients", small, large, Target(1.3))
    assert (figures.small_cpu_us, figures.large_cpu_us) == (200, 220)
    assert (figures.small_wait_ms, figures.large_wait_ms) == (2.0, 4.0)
    assert figures.cpu_ratio.most == pytest.approx(1.1)
    assert figures.wait_ratio == Spread(2.0, 2.0, 2.0)
    assert not figures.target.is_met(figures.worst), (
        "what is used and how long one waits both count"
    )


@pytest.mark.parametrize(
    ("target", "value", "met"),
    [
        (Target(1.3), 1.3, True),
        (Target(1.3), 1.31, False),
        (Target(500, most=False), 500, True),
        (Target(500, most=False), 499, False),
    ],
)
def test_a_target_is_met_on_its_bound(target: Target, value: float, met: bool) -> None:
    assert target.is_met(value) is met


def test_a_percentile_is_a_value_that_was_measured() -> None:
    hundred = list(range(100, 0, -1))
    assert [percentile(hundred, percent) for percent in (1, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 99) == 7.0


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.1, 100))
def test_at_least_the_percentage_is_within_a_percentile(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)
    within = sum(value <= found for value in values)
    assert found in values
    assert within * 100 >= percent * len(values) * (1 - 1e-12)
