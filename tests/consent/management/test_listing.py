"""Lists in pages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.errors import ManagementError
from consent.management.listing import listing, query

IDS = st.lists(st.text(alphabet="abcdef", min_size=1), unique=True, max_size=30)


def shown(records: list[str], **parameters: str) -> Any:  # noqa: ANN401
    return listing("things", records, str, str.upper, parameters)


@given(records=IDS, size=st.integers(1, 100))
def test_numbered_pages_hold_everything_once_in_order(records: list[str], size: int) -> None:
    seen: list[str] = []
    page = 0
    while items := shown(records, page=str(page), per_page=str(size)):
        assert len(items) <= size
        seen += items
        page += 1

    assert seen == sorted(record.upper() for record in records)


@given(records=IDS, size=st.integers(1, 100))
def test_a_walk_from_checkpoints_sees_everything_once(records: list[str], size: int) -> None:
    seen: list[str] = []
    parameters = {"take": str(size)}
    while True:
        body = shown(records, **parameters)
        seen += body["things"]
        if "next" not in body:
            break
        parameters["from"] = body["next"]

    assert seen == sorted(record.upper() for record in records)


def test_a_walk_goes_on_where_a_record_was_removed() -> None:
    body = shown(["a", "b", "c"], take="1")
    assert body == {"things": ["A"], "next": "a"}

    assert shown(["b", "c"], **{"from": "a"}) == {"things": ["B", "C"]}


def test_totals_count_all_pages() -> None:
    assert shown(["a", "b", "c"], include_totals="true", page="1", per_page="2") == {
        "total": 3,
        "start": 2,
        "limit": 2,
        "length": 1,
        "things": ["C"],
    }


@pytest.mark.parametrize("text", ["0", "101", "", "1 ", "\uff11", "+1", "1" * 10])
def test_a_size_is_a_number_from_one_to_a_hundred(text: str) -> None:
    with pytest.raises(ManagementError, match="per_page must be") as refused:
        shown([], per_page=text)

    assert refused.value.error == "invalid_query_string"


def test_a_query_that_is_malformed_is_refused() -> None:
    assert query(b"a=1&b=") == {"a": "1"}
    with pytest.raises(ManagementError):
        query(b"a=1&a=2")
