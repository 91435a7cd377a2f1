"""The locks give what the project asks for, the same to those who run it and those who test it."""

import re

import pytest

from scripts import locks

LOCK = "click==8.5.1 \\\n    --hash=sha256:00\nuvloop==0.23.0 ; sys_platform != 'win32' \\\n"


def test_a_version_within_the_bounds_satisfies() -> None:
    assert locks.unsatisfied(["click>=8,<9", "uvloop>=0.23; sys_platform != 'win32'"], LOCK) == []


@pytest.mark.parametrize("requirement", ["click>=9", "uvloop<0.23", "absent>=1", "absent"])
def test_a_requirement_that_is_not_met_is_named(requirement: str) -> None:
    assert locks.unsatisfied([requirement], LOCK) == [requirement]


def test_the_locks_of_this_tree_are_current() -> None:
    assert locks.main() == 0


def test_what_is_tested_is_what_runs() -> None:
    """Every pin of the runtime lock stands in the tests' lock, and no lock names a place."""
    runtime, everything = (
        (locks.ROOT / name).read_text() for name in ("requirements.lock", "tests/requirements.lock")
    )

    pins = re.findall(r"^\S+==\S+", runtime, re.MULTILINE)
    assert len(pins) > 20
    assert set(pins) <= set(re.findall(r"^\S+==\S+", everything, re.MULTILINE))
    assert "://" not in runtime + everything
