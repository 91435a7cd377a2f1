"""What commands print: columns for people, JSON for programs."""

import datetime as dt
import json
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Record = dict[str, Any]

_TEXT_PLACES_MIN = 12  # what is left of a text in the narrowest of terminals


class Columns:
    """
    Rows below the names of their columns. Those of a later page stand under the first's; wider
    ones make their column wider from there on.
    """

    def __init__(self, text: str = "") -> None:
        """`text` is the column that is cut where a terminal is too narrow: ids stay whole."""
        self._text = text
        self._widths: dict[str, int] = {}

    def lines(self, rows: Sequence[Mapping[str, object]]) -> Iterator[str]:
        """A member that is None, or that a row does not have, is a dash."""
        cells = [{cell(name): cell(value) for name, value in row.items()} for row in rows]
        if not self._widths and cells:
            names = dict.fromkeys(name for row in cells for name in row)
            cells.insert(0, {name: name.replace("_", " ") for name in names})
        for row in cells:
            for name, it in row.items():
                self._widths[name] = max(self._widths.get(name, 0), width(it))
        if self._text in self._widths and sys.stdout.isatty():
            self._give_way(shutil.get_terminal_size().columns)
        for row in cells:
            line = [_padded(row.get(name, "-"), places) for name, places in self._widths.items()]
            yield "  ".join(line).rstrip()

    def _give_way(self, places: int) -> None:
        taken = sum(self._widths.values()) + 2 * (len(self._widths) - 1)
        wanted = self._widths[self._text]
        self._widths[self._text] = min(wanted, max(_TEXT_PLACES_MIN, wanted + places - taken))


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows below the names of their columns; None is a dash."""
    return "\n".join(Columns().lines(rows))


def details(record: Mapping[str, object]) -> str:
    """One record: a line for each member, and below them a table for each list of records."""
    lines, tables = [], []
    for name, value in ((cell(name), value) for name, value in _members(record)):
        if isinstance(value, list) and value and all(isinstance(it, dict) for it in value):
            tables.append(f"\n{name}\n{table(value)}")
        else:
            lines.append((name, cell(value)))
    widest = max((width(name) for name, _ in lines), default=0)
    return "\n".join([*(f"{_padded(name, widest)}  {text}" for name, text in lines), *tables])


def as_json(value: object) -> str:
    return json.dumps(value, indent=1)


def date(ms: int) -> str:
    """A time of the store as ISO 8601, to the second."""
    return dt.datetime.fromtimestamp(ms // 1_000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cell(value: object) -> str:
    """A value in one line. What others wrote must not steer the terminal."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(cell, value)) or "-"
        case dict():
            text = json.dumps(value, ensure_ascii=False) if value else "-"
        case _:
            text = str(value)
    return "".join(it if it.isprintable() else "?" for it in text)


def width(text: str) -> int:
    """In places of a terminal: wide characters take two, and those that combine none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(it) else 2 if unicodedata.east_asian_width(it) in "WF" else 1
        for it in text
    )


def _members(record: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """With the members of members, named as an assignment names them."""
    for name, value in record.items():
        if isinstance(value, dict) and value:
            yield from _members(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _padded(text: str, places: int) -> str:
    if width(text) > places:
        while width(text) >= places:
            text = text[:-1]
        text += "…"
    return text + " " * (places - width(text))
