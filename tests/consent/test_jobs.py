"""What RQ carries and for how long."""

import re

import pytest

from consent import jobs, policy


def test_a_job_is_kept_no_longer_than_a_request_lives() -> None:
    """R12: a failure for an hour, not RQ's year."""
    assert jobs.JOB_TTL_SECONDS <= policy.REQUESTED_EXPIRY_SECONDS_MAX
    assert jobs.FAILURE_TTL_SECONDS <= 3_600


@pytest.mark.parametrize("path", [jobs.NOTIFY_DEVICE, jobs.CALL_CLIENT])
def test_a_job_is_named_by_a_path_of_the_workers(path: str) -> None:
    """That it resolves, and that no other is allowed, is shown where the workers are."""
    assert re.fullmatch(r"workers\.jobs\.[a-z_]+", path)


def test_a_queue_name_needs_no_escaping() -> None:
    """R15."""
    assert re.fullmatch(r"[a-z]+", jobs.QUEUE)


def test_the_ids_of_a_job_are_bounded() -> None:
    assert 1 <= jobs.IDS_A_JOB_MAX <= 1_000
