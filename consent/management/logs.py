"""
The log as administrators read it: what `q` may look for, and in which part of the log.

A page without `q` is found by its number. With one, records are looked at one after the other,
within the dates that `q` names and no more than `LOOKED_AT_MAX`: the answer says when there were
more.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from consent.audit.chain import number_of
from consent.errors import ManagementError
from consent.management.listing import invalid_query
from consent.management.search import (
    Between,
    Every,
    Expression,
    Is,
    MalformedQuery,
    fields_of,
    matches,
    parse,
)

LOOKED_AT_MAX = 10_000
# An event is in the log moments after it happened; where a worker or a server was away, later.
_ADDED_WITHIN_MS = 3_600_000
_CLOCKS_APART_MS = 60_000  # of the servers of a cluster, each of which dates its own events

# What is looked for, and where it stands in a record.
_FIELDS = {
    name: (name,)
    for name in ("log_id", "date", "type", "description", "client_id", "client_name", "user_id",
                 "ip", "user_agent", "audience", "scope")
} | {name: ("details", name) for name in ("consent_id", "device_id", "person")}  # fmt: skip
_SORTS = {"date:-1": True, "date:1": False}


class Window(NamedTuple):
    """When a record was added that may be looked for, in milliseconds; None is no bound."""

    since: int | None = None
    until: int | None = None


def search(*queries: str, user_id: str = "") -> Expression | None:
    """
    What is looked for, None for everything; an empty query looks for nothing in particular.
    Raises ManagementError invalid_query_string.
    """
    try:
        parts = [parse(query) for query in queries if query]
    except MalformedQuery as error:
        raise invalid_query(error.reason) from None
    for field in (name for part in parts for name in fields_of(part)):
        if field not in _FIELDS:
            raise invalid_query(f"q may name {', '.join(_FIELDS)}")
    if user_id:
        parts.append(Is("user_id", user_id))
    return Every(tuple(parts)) if len(parts) > 1 else next(iter(parts), None)


def newest_first(parameters: Mapping[str, str]) -> bool:
    """Raises ManagementError invalid_query_string."""
    sort = parameters.get("sort", "date:-1")
    if sort not in _SORTS:
        raise invalid_query("sort must be date:1 or date:-1")
    return _SORTS[sort]


def checkpoint(parameters: Mapping[str, str], after: str) -> int:
    """
    The number of the record a walk goes on after, 0 to begin. Raises ManagementError
    invalid_query_string.
    """
    if "q" in parameters or "sort" in parameters:
        raise invalid_query("from and take go with neither q nor sort")
    number = number_of(after) if after else 0
    if number is None:
        raise invalid_query("from must be a log_id")
    return number


def is_meant(expression: Expression, record: Mapping[str, Any]) -> bool:
    def values(field: str) -> Iterable[str]:
        found: Any = record
        for name in _FIELDS[field]:
            found = found.get(name) if isinstance(found, dict) else None
        return [it for it in (found if isinstance(found, list) else [found]) if isinstance(it, str)]

    return matches(expression, values)


def window(expression: Expression) -> Window:
    """Everything that is looked for was added within it."""
    bounds = [part for part in _needed(expression) if isinstance(part, Between)]
    dated = [part for part in bounds if part.field == "date"]
    since = [span[0] for part in dated if (span := span_of(part.low))]
    until = [span[1] for part in dated if (span := span_of(part.high))]
    return Window(
        max(since) - _CLOCKS_APART_MS if since else None,
        min(until) + _ADDED_WITHIN_MS if until else None,
    )


def _needed(expression: Expression) -> Iterable[Expression]:
    """What must all be true."""
    if isinstance(expression, Every):
        for part in expression.parts:
            yield from _needed(part)
    else:
        yield expression


_DATE = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.\d{1,3})?)?)?)?)?)?Z?",
    re.ASCII,
).fullmatch
_FIRST = (1, 1, 1, 0, 0, 0)
_LENGTHS = ("days", "hours", "minutes", "seconds")  # of what a year and a month are followed by


def span_of(text: str | None) -> tuple[int, int] | None:
    """The first and the last millisecond of a date, as far as it is one; None when it is none."""
    found = _DATE(text or "")
    if found is None:
        return None
    parts = [int(part) for part in found.groups() if part is not None]
    try:
        year, month, day, hour, minute, second = [*parts, *_FIRST[len(parts) :]]
        begin = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
        if len(parts) > 2:  # noqa: PLR2004 - the year and the month
            after = begin + dt.timedelta(**{_LENGTHS[len(parts) - 3]: 1})
        elif len(parts) > 1:
            after = (begin + dt.timedelta(days=31)).replace(day=1)
        else:
            after = begin.replace(year=year + 1)
    except (ValueError, OverflowError):
        return None
    return int(begin.timestamp()) * 1_000, int(after.timestamp()) * 1_000 - 1


def page_of(numbers: tuple[int, int], start: int, take: int, *, newest: bool) -> tuple[int, int]:
    """
    The numbers of a page, the first and the last of them, of records between two numbers; the
    last is before the first when the page is empty.
    """
    first, last = numbers
    if newest:
        return max(last - start - take + 1, first), last - start
    return first + start, min(first + start + take - 1, last)


def inexistent_log() -> ManagementError:
    return ManagementError(404, "log_not_found", "The log event does not exist.")
