r"""
The language of `q`: a part of Lucene's, as Auth0 searches users and logs by it.

    field:word  field:"a phrase"  field:abc*  field:[a TO b]  field:{a TO *}  field:>=a
    field:(a OR b)  _exists_:field  AND  OR  NOT  -  ( )  and \ before what is meant as itself

AND binds tighter than OR. Of clauses with no word between them any is enough, but one that is
negated must not be true: `a -b` is `a AND NOT b`. A word or phrase is compared with whole values.

Pure; the work is linear in the length of the text, which is bounded.
"""

import re
from collections.abc import Callable, Iterable, Iterator

import msgspec

CHARACTERS_MAX = 2_000
LEVELS_MAX = 10  # of parentheses
TERMS_MAX = 50
WILDCARD_CHARACTERS_MIN = 3  # before it: fewer begin too much


class MalformedQuery(ValueError):  # noqa: N818
    """The query is refused; `reason` is ASCII and repeats nothing of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Is(msgspec.Struct, frozen=True):
    field: str
    value: str


class Begins(msgspec.Struct, frozen=True):
    field: str
    start: str


class Exists(msgspec.Struct, frozen=True):
    field: str


class Between(msgspec.Struct, frozen=True):
    """None is no bound."""

    field: str
    low: str | None
    high: str | None
    with_low: bool = True
    with_high: bool = True


class Not(msgspec.Struct, frozen=True):
    part: "Expression"


class Every(msgspec.Struct, frozen=True):
    parts: tuple["Expression", ...]


class Some(msgspec.Struct, frozen=True):
    parts: tuple["Expression", ...]


Expression = Is | Begins | Exists | Between | Not | Every | Some
Normal = Callable[[str, str], str]  # of a field, how a value of it is spelt to be compared


def parse(text: str, normal: Normal = lambda _, value: value) -> Expression:
    """`normal` spells the values of the query as `fields` of `matches` does. Raises
    MalformedQuery, and nothing but that.
    """
    if len(text) > CHARACTERS_MAX:
        raise MalformedQuery("it is too long")
    if not text.isprintable():
        raise MalformedQuery("it has a character that cannot be shown")
    reader = _Reader(text, normal)
    expression = reader.any_of("", 0)
    if not reader.is_at_end():
        raise MalformedQuery("a parenthesis is closed that was not opened")
    return expression


def matches(expression: Expression, fields: Callable[[str], Iterable[str]]) -> bool:
    """Whether it is true of something whose values of a field `fields` tells."""
    match expression:
        case Every(parts):
            return all(matches(part, fields) for part in parts)
        case Some(parts):
            return any(matches(part, fields) for part in parts)
        case Not(part):
            return not matches(part, fields)
        case Exists(field):
            return any(True for _ in fields(field))
        case Is(field, value):
            return any(found == value for found in fields(field))
        case Begins(field, start):
            return any(found.startswith(start) for found in fields(field))
        case Between(field):
            return any(_is_between(found, expression) for found in fields(field))


def fields_of(expression: Expression) -> Iterator[str]:
    """Each field that is named, as often as it is."""
    match expression:
        case Every(parts) | Some(parts):
            for part in parts:
                yield from fields_of(part)
        case Not(part):
            yield from fields_of(part)
        case Is(field) | Begins(field) | Exists(field) | Between(field):
            yield field


_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?").fullmatch
_DATE = re.compile(
    r"([0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}(?:T[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,3})?)?)?)?)?)?)Z?"
).fullmatch


def _is_between(value: str, bounds: Between) -> bool:
    above = 1 if bounds.low is None else _order(value, bounds.low)
    below = -1 if bounds.high is None else _order(value, bounds.high)
    return (above > 0 or (above == 0 and bounds.with_low)) and (
        below < 0 or (below == 0 and bounds.with_high)
    )


def _order(value: str, bound: str) -> int:
    """Numbers as numbers, dates as far as the bound says one: a day is all of its hours."""
    if _NUMBER(value) and _NUMBER(bound):
        return (float(value) > float(bound)) - (float(value) < float(bound))
    date = _DATE(bound)
    if date and _DATE(value):
        value, bound = value[: len(date[1])], date[1]
    return (value > bound) - (value < bound)


# Possessive: what is read is not read again.
_WORD = r"(?:\\.|[^\s\"()\[\]{}\\])++"
_PHRASE = r'"(?:\\.|[^"\\])*+"'
_BOUND = rf"({_PHRASE}|(?:\\.|[^\s\"\[\]{{}}\\])++)"
_IS_OPERATOR = re.compile(r"(AND|OR|NOT)(?=[ ()]|\Z) *+").match
_IS_FIELD = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*+): *+").match
_IS_VALUE = re.compile(rf"({_PHRASE}|{_WORD}) *+").match
_IS_RANGE = re.compile(rf"([\[{{]) *+{_BOUND} ++TO ++{_BOUND} *+([\]}}]) *+").match
_IS_COMPARISON = re.compile(rf"([<>]=?) *+({_PHRASE}|{_WORD}) *+").match
_ESCAPED = re.compile(r"\\(.)")
_IS_WILD = re.compile(r"(?:\\.|[^\\*?~^])*+[*?~^]").match


class _Reader:
    def __init__(self, text: str, normal: Normal) -> None:
        self._text = text
        self._at = 0
        self._normal = normal
        self._terms = 0
        self._skip_spaces()

    def is_at_end(self) -> bool:
        return self._at == len(self._text)

    def any_of(self, field: str, level: int) -> Expression:
        """Clauses to the end or a closing parenthesis; `field` is what words alone are of."""
        if level > LEVELS_MAX:
            raise MalformedQuery("it is nested too deeply")
        clauses = [self._all_of(field, level)]
        is_joined = [False]  # by OR, to the one before or after
        while not self.is_at_end() and self._text[self._at] != ")":
            by_or = self._operator("OR")
            clauses.append(self._all_of(field, level))
            is_joined[-1] |= by_or
            is_joined.append(by_or)
        if len(clauses) == 1:
            return clauses[0]
        wanted: list[Expression] = []
        unwanted: list[Expression] = []
        for clause, by_or in zip(clauses, is_joined, strict=True):
            (unwanted if isinstance(clause, Not) and not by_or else wanted).append(clause)
        some = wanted if len(wanted) < 2 else [Some(tuple(wanted))]  # noqa: PLR2004 - one is itself
        return Every((*some, *unwanted)) if unwanted else some[0]

    def _all_of(self, field: str, level: int) -> Expression:
        parts = [self._negated(field, level)]
        while self._operator("AND"):
            parts.append(self._negated(field, level))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _negated(self, field: str, level: int) -> Expression:
        is_negated = False
        while self._operator("NOT") or self._sign("-"):
            is_negated = not is_negated
        part = self._part(field, level)
        return Not(part) if is_negated else part

    def _part(self, field: str, level: int) -> Expression:
        if self._sign("("):
            return self._group(field, level)
        found = _IS_FIELD(self._text, self._at)
        if found is None:
            return self._term(field)
        self._at = found.end()
        if found[1] == "_exists_":
            return Exists(self._counted(_meant(self._value())))
        if self._sign("("):
            return self._group(found[1], level)
        return self._term(found[1])

    def _group(self, field: str, level: int) -> Expression:
        expression = self.any_of(field, level + 1)
        if not self._sign(")"):
            raise MalformedQuery("a parenthesis is not closed")
        return expression

    def _term(self, field: str) -> Expression:
        if self._text[self._at : self._at + 1] in {"", ")"} or _IS_OPERATOR(self._text, self._at):
            raise MalformedQuery("a term is missing")
        if not field:
            raise MalformedQuery("a term must name its field, as in email:word")
        self._counted(field)
        if found := _IS_RANGE(self._text, self._at):
            self._at = found.end()
            low, high = self._bound(field, found[2]), self._bound(field, found[3])
            return Between(field, low, high, found[1] == "[", found[4] == "]")
        if found := _IS_COMPARISON(self._text, self._at):
            self._at = found.end()
            bound, is_or_equal = self._normal(field, _meant(found[2])), "=" in found[1]
            if found[1][0] == ">":
                return Between(field, bound, None, is_or_equal)
            return Between(field, None, bound, with_high=is_or_equal)
        value = self._value()
        if value.endswith("*") and (wild := _IS_WILD(value)) and wild.end() == len(value):
            start = _meant(value[:-1])
            if len(start) < WILDCARD_CHARACTERS_MIN:
                raise MalformedQuery("a wildcard needs 3 characters before it")
            return Begins(field, self._normal(field, start))
        return Is(field, self._normal(field, _meant(value)))

    def _bound(self, field: str, text: str) -> str | None:
        return None if text == "*" else self._normal(field, _meant(text))

    def _value(self) -> str:
        found = _IS_VALUE(self._text, self._at)
        if found is None:
            raise MalformedQuery("a value is malformed or missing")
        self._at = found.end()
        return found[1]

    def _counted(self, text: str) -> str:
        self._terms += 1
        if self._terms > TERMS_MAX:
            raise MalformedQuery("it has too many terms")
        return text

    def _operator(self, word: str) -> bool:
        found = _IS_OPERATOR(self._text, self._at)
        if found is None or found[1] != word:
            return False
        self._at = found.end()
        return True

    def _sign(self, sign: str) -> bool:
        if not self._text.startswith(sign, self._at):
            return False
        self._at += len(sign)
        self._skip_spaces()
        return True

    def _skip_spaces(self) -> None:
        while self._text.startswith(" ", self._at):
            self._at += 1


def _meant(value: str) -> str:
    """The text of a word or a phrase, without quotes and escapes."""
    if value.startswith('"'):
        return _ESCAPED.sub(r"\1", value[1:-1])
    if _IS_WILD(value):
        raise MalformedQuery("the one wildcard is a * at the end of a word")
    return _ESCAPED.sub(r"\1", value)
