"""What may be used once is remembered apart by kind and by owner."""

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


def test_it_is_remembered_in_milliseconds() -> None:
    assert used_once("a", "b", "c", 1.5).life_ms == 1_500
