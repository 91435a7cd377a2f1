"""
Lists in pages: by number (`page`, `per_page`, `include_totals`) or from a checkpoint (`from`,
`take`); and of each item all members or some (`fields`, `include_fields`).

Pagers stop only on an empty page, so a page past the end is empty, and the order is that of the
ids, which no insertion changes for what was there (auth0-wire 3.2, 5).
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from consent.errors import ManagementError
from consent.forms import MalformedForm, parse

Shown = dict[str, object]
PAGE_ITEMS_MAX = 100
PAGE_ITEMS_DEFAULT = 50
REPETITIONS_MAX = 50  # of a parameter that may be repeated
_BOOLEANS = {"true": True, "false": False}
_IS_FIELDS = re.compile(r"[A-Za-z_.]{1,64}(,[A-Za-z_.]{1,64}){0,49}").fullmatch


class Paging(NamedTuple):
    """Which part is asked for: `take` items from the rank `start`, or after a checkpoint."""

    start: int
    take: int
    after: str | None = None  # the id of the last one shown, '' to begin; None: by number
    include_totals: bool = False


def query(query_string: bytes) -> dict[str, str]:
    """The parameters of a query. Raises ManagementError invalid_query_string."""
    try:
        return parse(query_string)
    except MalformedForm as error:
        raise invalid_query(error.reason) from None


def repeatable(query_string: bytes, name: str) -> tuple[list[str], dict[str, str]]:
    """
    The values of a parameter that may be sent several times, and the parameters besides it.
    Raises ManagementError invalid_query_string.
    """
    parts = query_string.split(b"&")
    its = [part for part in parts if part.partition(b"=")[0] == name.encode()]
    if len(its) > REPETITIONS_MAX:
        raise invalid_query(f"{name} may be sent {REPETITIONS_MAX} times")
    values = [value for part in its for value in query(part).values()]
    return values, query(b"&".join(part for part in parts if part not in its))


def paging(parameters: dict[str, str]) -> Paging:
    """Raises ManagementError invalid_query_string."""
    include_totals = boolean(parameters, "include_totals", default=False)
    if "take" in parameters or "from" in parameters:
        take = number(parameters, "take", PAGE_ITEMS_DEFAULT, 1, PAGE_ITEMS_MAX)
        return Paging(0, take, parameters.get("from", ""))
    page = number(parameters, "page", 0, 0, 1_000_000)
    per_page = number(parameters, "per_page", PAGE_ITEMS_DEFAULT, 1, PAGE_ITEMS_MAX)
    return Paging(page * per_page, per_page, None, include_totals)


def page_shown(name: str, items: list[Shown], total: int, asked: Paging) -> object:
    """A numbered page, bare or with the totals."""
    if not asked.include_totals:
        return items
    totals = {"total": total, "start": asked.start, "limit": asked.take, "length": len(items)}
    return totals | {name: items}


def checkpoint_shown(name: str, items: list[Shown], more_after: str | None) -> object:
    """A part of a walk; `more_after` is the checkpoint it goes on from, None at the end."""
    answer: Shown = {name: items}
    return answer if more_after is None else answer | {"next": more_after}


def selection(parameters: dict[str, str]) -> Callable[[Shown], Shown]:
    """
    What `fields` leaves of an item: those it names, or all others where `include_fields` is
    false. Raises ManagementError invalid_query_string.
    """
    keeps = boolean(parameters, "include_fields", default=True)
    text = parameters.get("fields", "")
    if text == "":
        return lambda item: item
    if not _IS_FIELDS(text):
        raise invalid_query("fields must be names separated by commas")
    named = frozenset(text.split(","))
    return lambda item: {name: it for name, it in item.items() if (name in named) is keeps}


def number(parameters: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise invalid_query(f"{name} must be a whole number between {least} and {most}")
    return int(text)


def boolean(parameters: dict[str, str], name: str, *, default: bool) -> bool:
    text = parameters.get(name)
    if text is None:
        return default
    if text not in _BOOLEANS:
        raise invalid_query(f"{name} must be true or false")
    return _BOOLEANS[text]


def invalid_query(reason: str) -> ManagementError:
    return ManagementError(400, "invalid_query_string", f"Query validation error: {reason}")
