"""
Finding users by `q` (auth0-wire 3.5): which fields there are, what the store finds users by, and
which of its look-ups a query can be answered from.

A query is answered from terms that the store has indexed; each user found is then asked whether
the whole of it is true of them. Without such a term it would read every user of the tenant, and
is refused.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from consent.management.listing import Shown
from consent.management.search import (
    Begins,
    Every,
    Expression,
    Is,
    MalformedQuery,
    Some,
    fields_of,
    parse,
)
from consent.management.users import FOUND_BY

FOUND_MAX = 1_000
_CONNECTION = "identities.connection"

# What the store finds users by, by what a query calls it, the most telling first.
_INDEXED = {"user_id": "user_id"} | {
    _CONNECTION if name == "connection" else name: name for name in FOUND_BY
}
_COST = {field: cost for cost, field in enumerate(_INDEXED.values())}
# Of these it does not matter which letters are capitals.
_CASELESS = _INDEXED.keys() - {"user_id"} | {"nickname", "given_name", "family_name"}
_FIELDS = _INDEXED.keys() | {
    "nickname",
    "given_name",
    "family_name",
    "email_verified",
    "phone_verified",
    "blocked",
    "created_at",
    "updated_at",
    "identities.provider",
}
_METADATA = ("user_metadata.", "app_metadata.")
# What is not said of a user is not so.
_UNSAID: Shown = dict.fromkeys(("email_verified", "phone_verified", "blocked"), False)


class Lookup(NamedTuple):
    """Users whose field is, or begins with, a value; a user_id is found as it is."""

    field: str
    value: str
    prefix: bool = False


class Plan(NamedTuple):
    """
    Everybody a query is true of is among those that its look-ups find; `is_exact` when it is
    true of all of them.
    """

    expression: Expression
    lookups: list[Lookup]
    is_exact: bool


def normal(field: str, value: str) -> str:
    """How a value of a field is spelt to be compared, as indexes have it."""
    return value.lower() if field in _CASELESS else value


def plan(query: str, connection: str = "") -> Plan:
    """How a query, of one connection or of all, is answered. Raises MalformedQuery."""
    parts: list[Expression] = [parse(query, normal)] if query else []
    if connection:
        parts.append(Is(_CONNECTION, normal(_CONNECTION, connection)))
    expression = parts[0] if len(parts) == 1 else Every(tuple(parts))
    for field in fields_of(expression):
        if field not in _FIELDS and not field.startswith(_METADATA):
            raise MalformedQuery("users have no such field to be searched by")
    lookups = _lookups(expression)
    if lookups is None:
        raise MalformedQuery(
            f"it needs a term, on each side of an OR, of one of {', '.join(_INDEXED)}"
        )
    return Plan(expression, list(dict.fromkeys(lookups)), _is_exact(expression))


def _lookups(expression: Expression) -> list[Lookup] | None:
    match expression:
        case Is(field, value) if field in _INDEXED:
            return [Lookup(_INDEXED[field], value)]
        case Begins(field, start) if field in _INDEXED and field != "user_id":
            return [Lookup(_INDEXED[field], start, prefix=True)]
        case Some(parts):
            found = [_lookups(part) for part in parts]
            if None in found:
                return None
            return [lookup for some in found if some is not None for lookup in some]
        case Every(parts):
            answers = [some for part in parts if (some := _lookups(part)) is not None]
            return min(answers, key=_cost, default=None)
    return None


def _cost(lookups: list[Lookup]) -> int:
    """The dearest decides: whoever has one connection is half of the tenant."""
    return max(_COST[field] + len(_COST) * prefix for field, _, prefix in lookups)


def _is_exact(expression: Expression) -> bool:
    match expression:
        case Some(parts):
            return all(_is_exact(part) for part in parts)
        case Is(field) | Begins(field):
            return field in _INDEXED and field != "user_id"  # anybody may be asked for by an id
    return False


def values(user: Shown) -> Callable[[str], Iterable[str]]:
    """What a user, as they are shown, answers when asked for a field."""
    said = _UNSAID | user
    return lambda field: (normal(field, text) for text in _texts(said, field.split(".")))


def _texts(value: object, path: list[str]) -> Iterator[str]:
    """The values at a path, through lists as if they were not there; null is no value."""
    match value:
        case None:
            return
        case list():
            for element in value:
                yield from _texts(element, path)
        case dict() if path:
            yield from _texts(value.get(path[0]), path[1:])
        case str() if not path:
            yield value
        case _ if not path:
            yield json.dumps(value)


def ordered(users: list[Shown], sort: str) -> list[Shown]:
    """By `<field>:1` or `<field>:-1`, who has no such field last. Raises MalformedQuery."""
    field, _, direction = sort.rpartition(":")
    if direction not in {"1", "-1"} or field not in _FIELDS:
        raise MalformedQuery("sort must be a field that users are searched by, with :1 or :-1")
    keyed = [(min(values(user)(field), default=None), user) for user in users]
    told = [(key, user) for key, user in keyed if key is not None]
    told.sort(key=lambda pair: pair[0], reverse=direction == "-1")
    return [user for _, user in told] + [user for key, user in keyed if key is None]
