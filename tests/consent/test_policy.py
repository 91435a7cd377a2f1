"""The relations between lifetimes that make the steps fit together."""

from consent import jobs, policy
from consent.settings import _RANGES, Settings


def test_an_early_poll_costs_exactly_five_seconds() -> None:
    """X06, A114: and never more than a client can wait out within its request's life."""
    assert policy.SLOW_DOWN_SECONDS == 5
    assert _RANGES["poll_interval_seconds"][1] <= policy.POLL_INTERVAL_SECONDS_MAX
    assert policy.POLL_INTERVAL_SECONDS_MAX < policy.REQUESTED_EXPIRY_SECONDS_MAX
    assert Settings.poll_interval_seconds * 1_000 > policy.EARLY_POLL_ALLOWANCE_MS


def test_a_lease_outlives_the_longest_send() -> None:
    """I9: or two workers would send at once."""
    assert policy.LEASE_MS > policy.SEND_TIMEOUT_SECONDS * 1_000
    assert jobs.JOB_TIMEOUT_SECONDS > policy.SEND_TIMEOUT_SECONDS


def test_retries_fit_into_the_life_of_a_request() -> None:
    assert sum(policy.RETRY_AFTER_SECONDS) < policy.REQUESTED_EXPIRY_SECONDS_MAX
    assert list(policy.RETRY_AFTER_SECONDS) == sorted(policy.RETRY_AFTER_SECONDS)


def test_a_proof_is_remembered_for_as_long_as_it_could_be_fresh() -> None:
    """T11, T12: one allowance for both sides of the clock."""
    fresh_seconds = policy.PROOF_AGE_SECONDS_MAX + policy.CLOCK_SKEW_SECONDS

    assert fresh_seconds * 1_000 <= policy.PROOF_REMEMBERED_MS


def test_a_dead_process_costs_a_client_a_moment_and_not_its_tokens() -> None:
    """T5."""
    assert 0 < policy.CLAIM_ALONE_MS < policy.CLAIM_REPEATABLE_MS
    shortest_kept_seconds = _RANGES["ended_request_retention_seconds"][0]
    assert shortest_kept_seconds * 1_000 >= policy.CLAIM_REPEATABLE_MS


def test_the_limits_of_auth0s_wire() -> None:
    """auth0-wire 1.1."""
    assert policy.BINDING_MESSAGE_CHARACTERS_MAX == 64
    assert policy.REQUESTED_EXPIRY_SECONDS_MAX == 300
    assert _RANGES["request_expiry_default_seconds"] == (1, policy.REQUESTED_EXPIRY_SECONDS_MAX)
