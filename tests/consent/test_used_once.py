"""What may be used once is remembered apart by kind and by owner."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.used_once import used_once


def test_a_jti_of_one_kind_says_nothing_about_another() -> None:
    """D073, T29."""
    names = {
        used_once("assertion", "bank", "j", 60).name,
        used_once("request", "bank", "j", 60).name,
        used_once("assertion", "shop", "j", 60).name,
        used_once("assertion", "bank", "k", 60).name,
    }

    assert len(names) == 4


def test_owner_and_jti_cannot_be_shifted_into_each_other() -> None:
    assert used_once("a", "b c", "d", 1).name != used_once("a", "b", "c d", 1).name


@pytest.mark.parametrize(("seconds", "ms"), [(1.5, 1_500), (60, 60_000), (0.0001, 1)])
def test_it_is_remembered_in_milliseconds(seconds: float, ms: int) -> None:
    """A074, D072: rounded up, for a part of one too few would let it be used again."""
    assert used_once("a", "b", "c", seconds).life_ms == ms


@given(st.text(), st.text())
def test_a_name_has_one_length_whatever_it_names(owner: str, jti: str) -> None:
    """What a client chooses as its `jti` makes no key of its own."""
    name = used_once("assertion", owner, jti, 60).name

    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", name)
    assert name == used_once("assertion", owner, jti, 90).name
