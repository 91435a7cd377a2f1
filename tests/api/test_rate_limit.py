"""How often a client may call the management API."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.rate_limit import RateLimit, Standing
from consent.errors import ManagementError

NOW = 1_800_000_000.0


def test_each_client_has_its_own_calls_in_a_minute() -> None:
    """auth0-wire 3.6: what is left is in the headers, and after that a 429 says when."""
    limit = RateLimit(60)

    assert limit.count("a", NOW).headers == (
        ("x-ratelimit-limit", "60"),
        ("x-ratelimit-remaining", "59"),
        ("x-ratelimit-reset", "1800000001"),
    )
    for _ in range(58):
        limit.count("a", NOW)
    assert limit.count("a", NOW) == Standing(limit=60, remaining=0, reset=1_800_000_060)
    with pytest.raises(ManagementError) as refused:
        limit.count("a", NOW + 0.5)
    assert (refused.value.status, refused.value.error) == (429, "too_many_requests")
    assert refused.value.headers == (
        ("Retry-After", "1"),
        ("x-ratelimit-limit", "60"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1800000060"),
    )
    assert limit.count("b", NOW + 1).remaining == 59
    assert limit.count("a", NOW + 1).remaining == 0
    assert limit.count("a", NOW + 31).remaining == 29


def test_who_calls_little_never_waits_long_for_the_reset() -> None:
    """Auth0's libraries wait for it before they repeat what was a conflict."""
    limit = RateLimit(6_000)

    for second in range(120):
        assert limit.count("a", NOW + second).reset - (NOW + second) <= 1


def test_all_that_is_left_may_be_used_at_once() -> None:
    limit = RateLimit(600)

    left = [limit.count("a", NOW).remaining for _ in range(600)]

    assert left == list(reversed(range(600)))
    with pytest.raises(ManagementError):
        limit.count("a", NOW)


def test_who_waits_as_told_is_served() -> None:
    limit = RateLimit(7)
    now = NOW
    for _ in range(100):
        try:
            limit.count("a", now)
        except ManagementError as refusal:
            now += int(dict(refusal.headers)["Retry-After"])
            limit.count("a", now)


def test_who_has_not_called_for_a_minute_takes_no_memory() -> None:
    limit = RateLimit(60)
    for number in range(1_000):
        limit.count(str(number), NOW)

    limit.count("a", NOW + 61)

    assert len(limit._buckets) == 1  # noqa: SLF001 - memory is what this is about


@given(st.lists(st.floats(-90, 90), max_size=50), st.integers(1, 20))
def test_in_any_minute_nobody_has_more_than_twice_the_limit(steps: list[float], most: int) -> None:
    """Whatever the clock does: a bucket that is full, and what leaks of it in that minute."""
    limit, now, served = RateLimit(most), NOW, list[float]()
    for step in steps:
        now += step
        try:
            standing = limit.count("a", now)
        except ManagementError:
            continue
        assert 0 <= standing.remaining < most
        assert standing.reset >= now
        served.append(now)
    if all(step >= 0 for step in steps):
        for start in served:
            assert sum(start <= at < start + 60 for at in served) <= 2 * most
