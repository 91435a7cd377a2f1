"""What may be looked for in the log, and which part of it that is in."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.errors import ManagementError
from consent.management import logs
from consent.management.logs import Window

HOUR_MS, MINUTE_MS = 3_600_000, 60_000
RECORD = {
    "log_id": "00000000000000000007",
    "date": "2026-11-21T10:00:00.123Z",
    "type": "sapi",
    "client_id": "c1",
    "user_id": "auth0|u1",
    "ip": "192.0.2.1",
    "scope": ["openid", "read"],
    "details": {"consent_id": "00aC", "device_id": 7},
}


def ms(*date: int) -> int:
    year, month, day, *time = date
    hour, minute = [*time, 0, 0][:2]
    return int(dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC).timestamp() * 1_000)


def is_meant(query: str, user_id: str = "") -> bool:
    expression = logs.search(query, user_id=user_id)
    assert expression is not None
    return logs.is_meant(expression, RECORD)


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("type:sapi", True),
        ("type:srrt", False),
        ('user_id:"auth0|u1" AND client_id:c1', True),
        ('user_id:"auth0|u2" OR client_id:c1', True),
        ("NOT client_id:c1", False),
        ("consent_id:00aC", True),
        ("consent_id:00aD", False),
        ("device_id:7", False),
        ("scope:read", True),
        ("ip:192.0.2*", True),
        ("_exists_:user_agent", False),
        ("date:[2026-11-21 TO 2026-11-21]", True),
        ("date:[2026-11 TO *]", True),
        ("date:{2026-11-21 TO *}", False),
        ("date:<2026-11-21T10", False),
    ],
)
def test_a_record_is_meant_by_what_it_says(query: str, meant: bool) -> None:
    assert is_meant(query) is meant


def test_the_log_of_a_user_is_theirs_whatever_else_is_asked() -> None:
    assert is_meant("", "auth0|u1")
    assert not is_meant("", "auth0|u2")
    assert not is_meant("type:sapi OR type:srrt", "auth0|u2")
    assert logs.search("") is None


@pytest.mark.parametrize("query", ["binding_message:x", "details:x", "type", "(", "a:b" * 700])
def test_what_cannot_be_looked_for_is_refused(query: str) -> None:
    with pytest.raises(ManagementError) as refused:
        logs.search(query)

    assert (refused.value.status, refused.value.error) == (400, "invalid_query_string")
    assert refused.value.description.isascii()


@pytest.mark.parametrize(
    ("query", "since", "until"),
    [
        ("type:sapi", None, None),
        ("date:[2026-11-21 TO *]", ms(2026, 11, 21), None),
        ("date:>=2026-11-21T10:30", ms(2026, 11, 21, 10, 30), None),
        ("date:<2026-11-21T10", None, ms(2026, 11, 21, 11)),
        ("date:[2026-11-20 TO 2026-11-21]", ms(2026, 11, 20), ms(2026, 11, 22)),
        ("date:[2026-11 TO 2026-11Z]", ms(2026, 11, 1), ms(2026, 12, 1)),
        ("date:<=2026-02", None, ms(2026, 3, 1)),
        ("date:<=2026", None, ms(2027, 1, 1)),
        ("type:sapi AND (date:>2025 AND date:>2026)", ms(2026, 1, 1), None),
        ("type:sapi OR date:>2026", None, None),
        ("NOT date:>2026", None, None),
        ("date:[2026-13 TO 2026-02-31]", None, None),
        ("date:[0000 TO x]", None, None),
    ],
)
def test_a_search_looks_where_its_dates_say(
    query: str, since: int | None, until: int | None
) -> None:
    """And somewhat around: what was added late, or by another clock."""
    expression = logs.search(query)
    assert expression is not None

    assert logs.window(expression) == Window(
        None if since is None else since - MINUTE_MS, None if until is None else until - 1 + HOUR_MS
    )


@given(st.text("0123456789-T:.Z", max_size=24))
def test_no_date_is_too_strange_to_be_read(text: str) -> None:
    expression = logs.search(f'date:>="{text}"')
    assert expression is not None

    assert logs.window(expression).until is None


@given(
    st.integers(1, 50), st.integers(0, 60), st.integers(0, 70), st.integers(1, 20), st.booleans()
)
def test_a_page_is_the_part_of_the_records_it_counts(
    first: int, count: int, start: int, take: int, newest: bool
) -> None:
    numbers = list(range(first, first + count))
    ordered = numbers[::-1] if newest else numbers

    low, high = logs.page_of((first, first + count - 1), start, take, newest=newest)

    found = list(range(low, high + 1))
    assert (found[::-1] if newest else found) == ordered[start : start + take]


@pytest.mark.parametrize("sort", ["", "date", "type:1", "date:2", "date:1 "])
def test_another_order_than_that_of_time_is_refused(sort: str) -> None:
    with pytest.raises(ManagementError):
        logs.newest_first({"sort": sort})


def test_a_walk_goes_on_after_a_log_id() -> None:
    assert logs.checkpoint({}, "") == 0
    assert logs.checkpoint({}, RECORD["log_id"]) == 7  # type: ignore[arg-type]
    for parameters, after in (({}, "7"), ({"q": "type:x"}, ""), ({"sort": "date:1"}, "")):
        with pytest.raises(ManagementError):
            logs.checkpoint(parameters, after)
