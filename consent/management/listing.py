"""
Lists in pages: by number (`page`, `per_page`, `include_totals`) or from a checkpoint (`from`,
`take`).

Pagers stop only on an empty page, so a page past the end is empty, and the order is that of the
ids, which no insertion changes for what was there (auth0-wire 3.2, 5).
"""

import re
from collections.abc import Callable
from typing import TypeVar

from consent.errors import ManagementError
from consent.forms import MalformedForm, parse

T = TypeVar("T")
PAGE_ITEMS_MAX = 100
PAGE_ITEMS_DEFAULT = 50
_BOOLEANS = {"true": True, "false": False}


def query(query_string: bytes) -> dict[str, str]:
    """The parameters of a query. Raises ManagementError invalid_query_string."""
    try:
        return parse(query_string)
    except MalformedForm as error:
        raise _invalid(error.reason) from None


def listing(
    name: str,
    records: list[T],
    id_of: Callable[[T], str],
    shown: Callable[[T], object],
    parameters: dict[str, str],
) -> object:
    """The part of `records` that is asked for. Raises ManagementError invalid_query_string."""
    ordered = sorted(records, key=id_of)
    if "take" in parameters or "from" in parameters:
        return _from_checkpoint(name, ordered, id_of, shown, parameters)
    page = _number(parameters, "page", 0, 0, 1_000_000)
    per_page = _number(parameters, "per_page", PAGE_ITEMS_DEFAULT, 1, PAGE_ITEMS_MAX)
    start = page * per_page
    items = [shown(record) for record in ordered[start : start + per_page]]
    if not _boolean(parameters, "include_totals"):
        return items
    totals = {"total": len(ordered), "start": start, "limit": per_page, "length": len(items)}
    return totals | {name: items}


def _from_checkpoint(
    name: str,
    ordered: list[T],
    id_of: Callable[[T], str],
    shown: Callable[[T], object],
    parameters: dict[str, str],
) -> object:
    """A checkpoint is the id of the last one shown; it may be gone by the next call."""
    take = _number(parameters, "take", PAGE_ITEMS_DEFAULT, 1, PAGE_ITEMS_MAX)
    last = parameters.get("from", "")
    rest = [record for record in ordered if id_of(record) > last]
    answer: dict[str, object] = {name: [shown(record) for record in rest[:take]]}
    if len(rest) > take:
        answer["next"] = id_of(rest[take - 1])
    return answer


def _number(parameters: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise _invalid(f"{name} must be a whole number between {least} and {most}")
    return int(text)


def _boolean(parameters: dict[str, str], name: str) -> bool:
    text = parameters.get(name, "false")
    if text not in _BOOLEANS:
        raise _invalid(f"{name} must be true or false")
    return _BOOLEANS[text]


def _invalid(reason: str) -> ManagementError:
    return ManagementError(400, "invalid_query_string", f"Query validation error: {reason}")
