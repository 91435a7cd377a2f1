"""What commands print: columns for people, JSON for programs."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="print JSON")]


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows below the names of their columns; None is a dash."""
    cells = [[name.replace("_", " ") for name in rows[0]]] if rows else []
    cells += [["-" if value is None else str(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def as_json(value: object) -> str:
    return json.dumps(value, indent=1)


def date(ms: int) -> str:
    """A time of the store as ISO 8601, to the second."""
    return dt.datetime.fromtimestamp(ms // 1_000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
