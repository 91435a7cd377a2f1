"""
Draws the parts of README.md that code already knows: the table of settings and the life cycle.

    python -m scripts.readme [--check]

A part stands between `<!-- NAME -->` and `<!-- /NAME -->`. `--check` changes nothing and fails
when a part is not current.
"""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

from consent.lifecycle import diagram
from consent.settings import Settings

README = Path(__file__).parent.parent / "README.md"


class PartMissingError(Exception):
    """The README has no place for a part."""


def settings_table() -> str:
    rows = ["| variable | default | what it is for |", "|---|---|---|"]
    for field in dataclasses.fields(Settings):
        variable = f"`NOD_{field.name.upper()}`"
        rows.append(f"| {variable} | {_default(field)} | {field.metadata['help']} |")
    return "\n".join(rows)


def lifecycle_diagram() -> str:
    return f"```mermaid\n{diagram()}\n```"


PARTS: dict[str, Callable[[], str]] = {"settings": settings_table, "lifecycle": lifecycle_diagram}


def drawn(text: str) -> str:
    """The README with every part as it is now. Raises `PartMissingError`."""
    for name, draw in PARTS.items():
        before, opening, rest = text.partition(f"<!-- {name} -->\n")
        _, closing, after = rest.partition(f"<!-- /{name} -->")
        if not closing:
            raise PartMissingError(f"README.md has no part between <!-- {name} --> marks")
        text = f"{before}{opening}{draw()}\n{closing}{after}"
    return text


def _default(field: dataclasses.Field[object]) -> str:
    shown: str | None = field.metadata["shown"]
    if shown is not None:
        return shown
    if field.default is None or field.default == "":
        return "unset"
    value = int(field.default) if isinstance(field.default, bool) else field.default
    return f"`{value}`"


def main(arguments: list[str]) -> int:
    text = README.read_text(encoding="utf-8")
    try:
        current = drawn(text)
    except PartMissingError as error:
        print(error, file=sys.stderr)
        return 1
    if "--check" not in arguments:
        README.write_text(current, encoding="utf-8")
    elif current != text:
        print("README.md is not current: run ./scripts/lint", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
