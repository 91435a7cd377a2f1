"""Lists in pages: what is asked for, and how it is shown."""

import pytest

from consent.errors import ManagementError
from consent.management.listing import (
    REPETITIONS_MAX,
    Paging,
    checkpoint_shown,
    page_shown,
    paging,
    query,
    repeatable,
    selection,
)


def test_a_page_is_a_rank_and_a_size() -> None:
    assert paging({}) == Paging(0, 50)
    assert paging({"page": "2", "per_page": "7"}) == Paging(14, 7)
    assert paging({"include_totals": "true"}) == Paging(0, 50, None, include_totals=True)


def test_a_walk_begins_and_goes_on_after_a_checkpoint() -> None:
    """Also where page is sent beside it, as client libraries do."""
    assert paging({"take": "3"}) == Paging(0, 3, "")
    assert paging({"from": "x", "page": "4"}) == Paging(0, 50, "x")
    assert checkpoint_shown("things", [{"a": 1}], "x") == {"things": [{"a": 1}], "next": "x"}
    assert checkpoint_shown("things", [], None) == {"things": []}


def test_totals_are_shown_to_who_asks_for_them() -> None:
    """auth0-wire 3.5."""
    assert page_shown("things", [{"a": 1}], 9, paging({})) == [{"a": 1}]
    asked = paging({"include_totals": "true", "page": "1", "per_page": "2"})
    assert page_shown("things", [{"a": 1}], 3, asked) == {
        "total": 3,
        "start": 2,
        "limit": 2,
        "length": 1,
        "things": [{"a": 1}],
    }


@pytest.mark.parametrize(
    ("parameters", "left"),
    [
        ({}, {"a": 1, "b": 2}),
        ({"fields": "a"}, {"a": 1}),
        ({"fields": "b,nothing"}, {"b": 2}),
        ({"fields": "a", "include_fields": "true"}, {"a": 1}),
        ({"fields": "a", "include_fields": "false"}, {"b": 2}),
        ({"fields": ""}, {"a": 1, "b": 2}),
    ],
)
def test_fields_name_the_members_that_are_shown_or_left_out(
    parameters: dict[str, str], left: dict[str, object]
) -> None:
    assert selection(parameters)({"a": 1, "b": 2}) == left


@pytest.mark.parametrize("fields", [",", "a,", "a b", "a,,b", "x" * 65, "{"])
def test_fields_that_are_no_names_are_refused(fields: str) -> None:
    with pytest.raises(ManagementError, match="fields must be"):
        selection({"fields": fields})


@pytest.mark.parametrize("text", ["0", "101", "", "1 ", "\uff11", "+1", "1" * 10])
def test_a_size_is_a_number_from_one_to_a_hundred(text: str) -> None:
    with pytest.raises(ManagementError, match="per_page must be") as refused:
        paging({"per_page": text})

    assert refused.value.error == "invalid_query_string"


def test_a_query_that_is_malformed_is_refused() -> None:
    assert query(b"a=1&b=") == {"a": "1"}
    with pytest.raises(ManagementError):
        query(b"a=1&a=2")


@pytest.mark.parametrize(
    ("text", "values", "others"),
    [
        (b"", [], {}),
        (b"b=1", [], {"b": "1"}),
        (b"a=1&b=2&a=3%26", ["1", "3&"], {"b": "2"}),
        (b"a=&a=1&ab=2", ["1"], {"ab": "2"}),
    ],
)
def test_one_parameter_may_be_sent_several_times(
    text: bytes, values: list[str], others: dict[str, str]
) -> None:
    assert repeatable(text, "a") == (values, others)


@pytest.mark.parametrize("text", [b"a=1&b=1&b=2", b"a=%ff", b"a=1&" * (REPETITIONS_MAX + 1)])
def test_what_is_repeated_is_one_parameter_and_not_without_end(text: bytes) -> None:
    with pytest.raises(ManagementError) as refused:
        repeatable(text, "a")

    assert refused.value.error == "invalid_query_string"
