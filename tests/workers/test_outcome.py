"""The four words every provider's answer comes down to."""

import pytest

from workers.outcome import Delivered, Outcome, Rejected, RetryAfter, Unregistered


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Delivered("0:1"), "delivered"),
        (Unregistered(None), "unregistered"),
        (RetryAfter(None, "timeout"), "retry"),
        (Rejected("HTTP_400"), "rejected"),
    ],
)
def test_each_outcome_has_its_word_for_the_metrics(outcome: Outcome, word: str) -> None:
    assert outcome.word == word


def test_an_outcome_does_not_change() -> None:
    with pytest.raises(AttributeError):
        Unregistered(None).since_ms = 1  # type: ignore[misc]


def test_outcomes_are_compared_by_kind_and_value() -> None:
    outcomes: list[Outcome] = [Rejected("HTTP_503"), RetryAfter(None, "HTTP_503")]

    assert [outcome == Rejected("HTTP_503") for outcome in outcomes] == [True, False]
