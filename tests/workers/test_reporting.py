"""A report outlasts a store that is away for a moment."""

import asyncio

import pytest
import structlog.testing

from consent.store.lane import StoreUnavailable
from workers import reporting
from workers.reporting import reported


class Store:
    """Away for so many calls."""

    def __init__(self, away: int) -> None:
        self.away = away
        self.calls = 0

    async def report(self) -> str:
        self.calls += 1
        if self.calls <= self.away:
            raise StoreUnavailable(detail="away")
        return "told"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "FIRST_PAUSE_SECONDS", 0)


@pytest.mark.parametrize("away", [0, 1, reporting.ATTEMPTS - 1])
def test_a_report_is_made_once_the_store_is_back(away: int) -> None:
    store = Store(away)

    assert asyncio.run(reported("c", store.report)) == "told"
    assert store.calls == away + 1


def test_a_report_that_cannot_be_made_is_told_and_left_to_the_lease() -> None:
    store = Store(reporting.ATTEMPTS)
    with structlog.testing.capture_logs() as lines:
        assert asyncio.run(reported("c", store.report)) is None

    assert store.calls == reporting.ATTEMPTS
    assert [(line["event"], line["consent"]) for line in lines] == [("report_lost", "c")]
