"""Lists as commands show them: one page and a word on the next, or all of them to the end."""

import shlex
import sys
from collections.abc import AsyncIterator, Callable
from typing import Annotated, NamedTuple

import typer

from scripts.administration.operator import Operator, asked
from scripts.administration.output import Columns, Record, as_json

Take = Annotated[int, typer.Option("--take", min=1, max=100, help="records of a page")]
After = Annotated[str, typer.Option("--from", help="the checkpoint that the page before named")]
Every = Annotated[bool, typer.Option("--all", help="every page, to the end of the list")]

TAKE_DEFAULT = 50
_TAKE_MAX = 100


class Page(NamedTuple):
    take: int
    after: str
    every: bool


class Listed(NamedTuple):
    """`text` is the column that gives way where the terminal is narrow."""

    path: str
    name: str  # of the list, in the answer
    row: Callable[[Record], Record]
    text: str


def show_list(listed: Listed, page: Page, *, json: bool, **filters: str) -> None:
    """Print it; filters that are empty do not count. Raises AdministrationError and others."""
    wanted = {name: text for name, text in filters.items() if text}

    async def show(operator: Operator) -> None:
        printer: _Json | _Table = _Json() if json else _Table(listed)
        async for records in pages(operator, listed, page, wanted):
            printer.print(records)
        printer.end()

    asked(show)


async def pages(
    operator: Operator, listed: Listed, page: Page, filters: Record
) -> AsyncIterator[list[Record]]:
    """By checkpoints, which hold while records come and go (auth0-wire 3.2)."""
    take = _TAKE_MAX if page.every else page.take
    after = page.after
    while True:
        parameters = filters | {"take": str(take)} | ({"from": after} if after else {})
        answer = await operator.call("GET", listed.path, parameters=parameters)
        yield answer[listed.name]
        after = answer.get("next", "")
        if after and not page.every:
            print(f"there are more: --from {shlex.quote(after)}, or --all", file=sys.stderr)
        if not after or not page.every:
            return


class _Table:
    def __init__(self, listed: Listed) -> None:
        self._listed = listed
        self._columns = Columns(listed.text)
        self._is_empty = True

    def print(self, records: list[Record]) -> None:
        self._is_empty = self._is_empty and not records
        for line in self._columns.lines([self._listed.row(record) for record in records]):
            print(line)

    def end(self) -> None:
        if self._is_empty:
            print(f"there are no {self._listed.name.replace('_', ' ')}")


class _Json:
    """One array of all pages, printed as they come: a tenant may have a million users."""

    def __init__(self) -> None:
        self._before = "["

    def print(self, records: list[Record]) -> None:
        for record in records:
            print(f"{self._before}\n{as_json(record)}", end="")
            self._before = ","

    def end(self) -> None:
        print("\n]" if self._before == "," else "[]")
