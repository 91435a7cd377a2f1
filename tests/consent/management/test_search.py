"""The language of `q`."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.management.search import (
    CHARACTERS_MAX,
    LEVELS_MAX,
    TERMS_MAX,
    Begins,
    Between,
    Every,
    Exists,
    Expression,
    Is,
    MalformedQuery,
    Not,
    Some,
    fields_of,
    matches,
    parse,
)

A, B, C = Is("a", "x"), Is("b", "y"), Is("c", "z")

MEANT: dict[str, Expression] = {
    "a:x": A,
    "  a: x ": A,
    'a:"x"': A,
    r'a:"q\"u\\o t\*e"': Is("a", r'q"u\o t*e'),
    r"a:\*\ \(b\)": Is("a", "* (b)"),
    'user_id:"auth0|u1"': Is("user_id", "auth0|u1"),
    "user_id:auth0|u1": Is("user_id", "auth0|u1"),
    "email:a+b@example.com": Is("email", "a+b@example.com"),
    "user_metadata.plan.id:7": Is("user_metadata.plan.id", "7"),
    "at:10:30": Is("at", "10:30"),
    "a:-5": Is("a", "-5"),
    "name:愛子": Is("name", "愛子"),
    "a:android": Is("a", "android"),
    "a:ORange": Is("a", "ORange"),
    "a:xyz*": Begins("a", "xyz"),
    r"a:x\*z*": Begins("a", "x*z"),
    r"a:xyz\*": Is("a", "xyz*"),
    'a:"xyz*"': Is("a", "xyz*"),
    "a:[1 TO 5]": Between("a", "1", "5"),
    "a:{1 TO 5}": Between("a", "1", "5", with_low=False, with_high=False),
    "a:[ 1  TO 5 }": Between("a", "1", "5", with_high=False),
    "a:[* TO 5]": Between("a", None, "5"),
    'a:["x y" TO *]': Between("a", "x y", None),
    "a:[2018-01-01T10:00:00Z TO *]": Between("a", "2018-01-01T10:00:00Z", None),
    "a:>=5": Between("a", "5", None),
    "a:> 5": Between("a", "5", None, with_low=False),
    "a:<=5": Between("a", None, "5"),
    'a:<"5"': Between("a", None, "5", with_high=False),
    "_exists_:a": Exists("a"),
    "_exists_: user_metadata.b": Exists("user_metadata.b"),
    "a:x AND b:y AND c:z": Every((A, B, C)),
    "a:x OR b:y OR c:z": Some((A, B, C)),
    "a:x b:y": Some((A, B)),
    "a:x AND b:y OR c:z": Some((Every((A, B)), C)),
    "a:x OR b:y AND c:z": Some((A, Every((B, C)))),
    "a:x AND (b:y OR c:z)": Every((A, Some((B, C)))),
    "((a:x))": A,
    "a:(x OR w)": Some((A, Is("a", "w"))),
    "a:(x AND NOT b:y)": Every((A, Not(B))),
    "NOT a:x": Not(A),
    "-a:x": Not(A),
    "NOT -a:x": A,
    "a:x AND NOT b:y": Every((A, Not(B))),
    "a:x OR NOT b:y": Some((A, Not(B))),
    "NOT(a:x OR b:y)": Not(Some((A, B))),
    # Of clauses with nothing between them, the negated must not be true (Lucene's MUST_NOT).
    "a:x -b:y": Every((A, Not(B))),
    "NOT a:x b:y": Every((B, Not(A))),
    "a:x OR b:y -c:z": Every((Some((A, B)), Not(C))),
    "-a:x -b:y": Every((Not(A), Not(B))),
}


@pytest.mark.parametrize(("text", "meant"), MEANT.items(), ids=MEANT)
def test_a_query_means(text: str, meant: Expression) -> None:
    assert parse(text) == meant


MALFORMED = {
    "": "a term is missing",
    " ": "a term is missing",
    "()": "a term is missing",
    "a:": "a term is missing",
    "a:AND": "a term is missing",
    "a:x AND": "a term is missing",
    "OR a:x": "a term is missing",
    "a:x AND OR b:y": "a term is missing",
    "NOT": "a term is missing",
    "word": "must name its field",
    '"a phrase"': "must name its field",
    "*": "must name its field",
    "a:x && b:y": "must name its field",
    "(a:x": "not closed",
    "a:x)": "was not opened",
    "a:(x": "not closed",
    "a:]": "malformed or missing",
    'a:"x': "malformed or missing",
    "a:[1 TO 5": "malformed or missing",
    "a:[1 5]": "malformed or missing",
    "a:[TO 5]": "malformed or missing",
    "a:\\": "malformed or missing",
    "_exists_:": "malformed or missing",
    "_exists_:a*": "one wildcard",
    "a:xy*": "needs 3 characters",
    "a:*": "needs 3 characters",
    "a:*xyz": "one wildcard",
    "a:xy*z": "one wildcard",
    "a:xyz**": "one wildcard",
    "a:x?z": "one wildcard",
    "a:xyz~": "one wildcard",
    "a:xyz^2": "one wildcard",
    "a:[1* TO 5]": "one wildcard",
    "a:>=1*": "one wildcard",
    "a:x\0": "cannot be shown",
    "a:x\n": "cannot be shown",
    "a:\ud800": "cannot be shown",
    "a:" + "x" * CHARACTERS_MAX: "too long",
    " ".join(["a:x"] * (TERMS_MAX + 1)): "too many terms",
    "(" * (LEVELS_MAX + 1) + "a:x" + ")" * (LEVELS_MAX + 1): "nested too deeply",
    "(" * CHARACTERS_MAX: "nested too deeply",
}


@pytest.mark.parametrize(
    ("text", "said"), MALFORMED.items(), ids=[ascii(t)[:40] for t in MALFORMED]
)
def test_a_malformed_query_is_refused_with_a_reason(text: str, said: str) -> None:
    with pytest.raises(MalformedQuery, match=re.escape(said)) as refused:
        parse(text)

    assert refused.value.reason.isascii()


def test_what_is_at_the_bounds_is_read() -> None:
    assert parse("a:" + "x" * (CHARACTERS_MAX - 2)) == Is("a", "x" * (CHARACTERS_MAX - 2))
    assert parse(" ".join(["a:x"] * TERMS_MAX)) == Some((A,) * TERMS_MAX)
    assert parse("(" * LEVELS_MAX + "a:x" + ")" * LEVELS_MAX) == A
    assert parse("-" * (CHARACTERS_MAX - 4) + "a:x") == A


def reason(text: str) -> str:
    """Why it is refused, or nothing."""
    try:
        fields = [*fields_of(parse(text))]
    except MalformedQuery as refused:
        return refused.reason
    assert 1 <= len(fields) <= TERMS_MAX
    return ""


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert reason(text).isascii()


SYNTAX = [*'()[]{}"\\:*-<>=~?^ ', "AND", "OR", "NOT", " TO ", "_exists_:", "a:", "b.c:", "xyz"]


@given(st.lists(st.sampled_from(SYNTAX), max_size=60).map("".join))
def test_any_sequence_of_signs_is_read_or_refused(text: str) -> None:
    assert reason(text).isascii()


def test_a_value_is_spelt_as_its_field_wants() -> None:
    def normal(field: str, value: str) -> str:
        return value.upper() if field == "a" else value

    for text, meant in {
        "a:x": Is("a", "X"),
        "a:xyz*": Begins("a", "XYZ"),
        "a:[x TO y]": Between("a", "X", "Y"),
        "a:<x": Between("a", None, "X", with_high=False),
        "b:x": Is("b", "x"),
    }.items():
        assert parse(text, normal) == meant


def test_the_fields_of_a_query_are_all_that_it_names() -> None:
    query = "a:x AND (b:xyz* OR NOT c:[1 TO 2]) _exists_:d -a:(y OR z)"

    assert list(fields_of(parse(query))) == ["a", "b", "c", "d", "a", "a"]


ORDERED = [
    # value, bound, what `value:<bound` `value:[bound TO bound]` `value:>bound` say
    ("9", "10", "lower"),
    ("-1", "0.5", "lower"),
    ("10", "10.0", "equal"),
    ("b", "a", "higher"),
    ("abc", "ab", "higher"),
    ("2018-12-31T10:00:00.000Z", "2018-12-31", "equal"),
    ("2018-12-31T10:00:00.000Z", "2018", "equal"),
    ("2018-12-31T10:00:00.000Z", "2018-12-31T10:00:00Z", "equal"),
    ("2018-12-31T10:00:00.001Z", "2018-12-31T10:00:00.000Z", "higher"),
    ("2018-12-31T10:00:00.000Z", "2019-01", "lower"),
    ("2018-12-31T10:00:00.000Z", "2018-12-30", "higher"),
]


@pytest.mark.parametrize(("value", "bound", "order"), ORDERED)
def test_numbers_are_ordered_as_numbers_and_dates_as_far_as_they_are_told(
    value: str, bound: str, order: str
) -> None:
    def holds(text: str) -> bool:
        return matches(parse(text), lambda _: [value])

    assert holds(f"a:<{bound}") is (order == "lower")
    assert holds(f"a:<={bound}") is (order != "higher")
    assert holds(f"a:[{bound} TO {bound}]") is (order == "equal")
    assert holds(f"a:{{{bound} TO *}}") is (order == "higher")
    assert holds(f"a:>={bound}") is (order != "lower")


# A naive model: each expression is made with its text and with a function that says the same.

Said = dict[str, list[str]]
Model = tuple[Expression, str, Callable[[Said], bool]]
FIELDS, WORDS = ["a", "b", "c.d"], ["xxx", "xxxy", "y z", 'q"', "10", "9", "AND", "*", "愛"]


def quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def bared(value: str) -> str:
    return "".join(c if c.isalnum() else f"\\{c}" for c in value)


@st.composite
def terms(draw: st.DrawFn) -> Model:
    field, value = draw(st.sampled_from(FIELDS)), draw(st.sampled_from(WORDS))
    match draw(st.sampled_from(["is", "begins", "exists", "between"])):
        case "is":
            text = (
                quoted(value) if value == "AND" else draw(st.sampled_from([quoted, bared]))(value)
            )
            return Is(field, value), f"{field}:{text}", lambda said: value in said[field]
        case "begins":
            start = value + "xxx"
            text = f"{field}:{bared(start)}*"
            return (
                Begins(field, start),
                text,
                lambda said: any(it[: len(start)] == start for it in said[field]),
            )
        case "exists":
            return Exists(field), f"_exists_:{field}", lambda said: said[field] != []
        case _:
            high = draw(st.sampled_from(["x", "y", "z"]))
            text = f"{field}:{{{quoted(value)} TO {high}]"
            expression = Between(field, value, high, with_low=False)
            return (
                expression,
                text,
                lambda said: any(
                    greater(it, value) and not greater(it, high) for it in said[field]
                ),
            )


def greater(one: str, other: str) -> bool:
    return int(one) > int(other) if one.isdigit() and other.isdigit() else one > other


def joined(parts: list[Model], word: str) -> Model:
    expressions = tuple(part[0] for part in parts)
    text = f" {word} ".join(f"({part[1]})" for part in parts)
    if word == "AND":
        return Every(expressions), text, lambda said: all(part[2](said) for part in parts)
    return Some(expressions), text, lambda said: any(part[2](said) for part in parts)


def negated(part: Model) -> Model:
    if isinstance(part[0], Not):
        return part
    return Not(part[0]), f"NOT ({part[1]})", lambda said: not part[2](said)


MODELS = st.recursive(
    terms(),
    lambda inner: st.one_of(
        st.builds(joined, st.lists(inner, min_size=2, max_size=3), st.sampled_from(["AND", "OR"])),
        inner.map(negated),
    ),
    max_leaves=6,
)
SAID = st.fixed_dictionaries(
    {field: st.lists(st.sampled_from([*WORDS, "xxxxxx"]), max_size=2) for field in FIELDS}
)


@given(MODELS, SAID)
def test_a_query_is_read_back_and_true_where_its_model_is(model: Model, said: Said) -> None:
    expression, text, holds = model

    assert parse(text) == expression
    assert matches(expression, lambda field: said[field]) is holds(said)
