"""What the command line prints, for eyes and for programs."""

import json
import os
import shutil
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.administration.output import Columns, as_json, cell, details, table, width
from scripts.administration.tickets import qr_code

TEXT = st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((40, 24)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        ({}, "-"),
        (True, "yes"),
        (False, "no"),
        (7, "7"),
        (["a", "b"], "a, b"),
        ({"a": 1}, '{"a": 1}'),
        ("Bänk 銀行", "Bänk 銀行"),
        ("\x1b[2J\nname\u202e", "?[2J?name?"),
    ],
)
def test_a_value_is_one_line_that_steers_no_terminal(value: object, text: str) -> None:
    assert cell(value) == text


@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=3))
def test_no_name_that_others_gave_steers_the_terminal(record: dict[str, object]) -> None:
    for text in (details({"it": record}), details({"them": [record]}), table([record])):
        assert text.replace("\n", "").isprintable()


def test_names_are_shown_as_values_are() -> None:
    assert details({"\x1b[2Ja": [{"\x1b]0;b\x07": "c"}]}) == "\n?[2Ja\n?]0;b?\nc"


@given(VALUES)
def test_whatever_others_wrote_is_printable(value: object) -> None:
    assert cell(value).isprintable()
    assert json.loads(as_json(value)) == value
    assert as_json(value).isascii()


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
def test_columns_begin_at_the_same_place(pairs: list[tuple[str, str]]) -> None:
    lines = table([{"id": first, "name": second} for first, second in pairs]).split("\n")

    start = 2 + max(width(cell(first)) for first in ("id", *(first for first, _ in pairs)))
    for line, (first, second) in zip(lines[1:], pairs, strict=True):
        padding = " " * (start - width(cell(first)))
        assert line == (cell(first) + padding + cell(second)).rstrip()


def test_a_member_that_a_row_lacks_is_a_dash() -> None:
    assert table([{"at": "1", "by": "x"}, {"at": "2", "code": 3}]).splitlines() == [
        "at  by  code",
        "1   x   -",
        "2   -   3",
    ]


def test_later_pages_stand_below_the_first() -> None:
    columns = Columns()

    first = [*columns.lines([{"id": "a" * 9, "name": "x"}])]
    second = [*columns.lines([{"id": "b", "name": "y"}])]

    assert first == ["id         name", "aaaaaaaaa  x"]
    assert second == ["b          y"]


@pytest.mark.usefixtures("terminal")
def test_on_a_narrow_terminal_the_text_gives_way_and_ids_stay_whole() -> None:
    row = {"id": "i" * 20, "name": "A name that is much too long"}

    assert [*Columns("name").lines([row])] == [
        f"id{' ' * 18}  name",
        f"{'i' * 20}  A name that is mu…",
    ]
    assert [*Columns("name").lines([{"id": "i" * 50, "name": "銀行銀行銀行銀行"}])][1] == (
        f"{'i' * 50}  銀行銀行銀…"
    )


def test_where_there_is_no_terminal_nothing_is_cut() -> None:
    row = {"id": "i" * 100, "name": "n" * 200}

    assert table([row]).splitlines()[1] == f"{'i' * 100}  {'n' * 200}"


def test_one_record_is_a_line_for_each_member_and_a_table_for_what_is_many() -> None:
    record = {
        "id": "1",
        "flags": {"is_on": True, "none": {}},
        "scope": ["a", "b"],
        "attempts": [{"at": "now", "outcome": "sent"}],
    }

    assert details(record).splitlines() == [
        "id           1",
        "flags.is_on  yes",
        "flags.none   -",
        "scope        a, b",
        "",
        "attempts",
        "at   outcome",
        "now  sent",
    ]


def test_a_code_has_its_own_colours_on_a_terminal() -> None:
    """Whose background may be dark or light."""
    plain, coloured = (qr_code("otpauth://x", colours=it).splitlines() for it in (False, True))

    assert coloured == [f"\x1b[97;40m{line}\x1b[0m" for line in plain]
    assert set("".join(plain)) == set(" █▀▄")
