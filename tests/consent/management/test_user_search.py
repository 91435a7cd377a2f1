"""Which users a query finds, and from what it is answered."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.management.listing import Shown
from consent.management.search import Every, MalformedQuery, matches
from consent.management.user_search import Lookup, Plan, normal, ordered, plan, values
from consent.management.users import new_user, terms, user, user_shown


def shown(*, blocked: bool = False, **body: object) -> Shown:
    record = user(
        new_user(body), generated_id="g", creation="c", created_at="2027-01-15T08:00:00.000Z"
    )
    return user_shown(record, blocked=blocked)


JANE = shown(
    user_id="u1",
    email="Jane@Example.com",
    email_verified=True,
    username="Jane.D",
    phone_number="+4930123456",
    name="Jane Döe",
    nickname="JD",
    connection="Staff",
    user_metadata={"Lang": "De", "tags": ["A", "b"], "n": 7, "ok": True, "no": None},
    app_metadata={"plan": {"id": "Gold"}, "sites": [{"city": "Paris"}, {"city": "Rome"}]},
    blocked=True,
)

TRUE_OF_JANE = {
    'user_id:"auth0|u1"': True,
    "user_id:AUTH0|u1": False,
    "email:jane@example.com": True,
    "email:JANE@EXAMPLE.COM": True,
    "email:jane": False,
    "email:jan*": True,
    "username:jane.d": True,
    'phone_number:"+4930123456"': True,
    "phone_number:+4930*": True,
    'name:"jane döe"': True,
    'name:"JANE DÖE"': True,
    "name:jane": False,
    "nickname:jd": True,
    "identities.connection:staff": True,
    "identities.provider:auth0": True,
    "email_verified:true": True,
    "phone_verified:false": True,
    "blocked:true": True,
    "blocked:TRUE": False,
    "created_at:[2027-01-01 TO 2027-01-15]": True,
    "updated_at:<2027-01-15": False,
    "user_metadata.Lang:De": True,
    "user_metadata.Lang:de": False,
    "user_metadata.lang:De": False,
    "user_metadata.tags:b": True,
    "user_metadata.n:7": True,
    "user_metadata.n:[6.5 TO 10]": True,
    "user_metadata.ok:true": True,
    "app_metadata.plan.id:Gold": True,
    "app_metadata.sites.city:Rome": True,
    "_exists_:app_metadata.plan": True,
    "_exists_:user_metadata.no": False,
    "_exists_:user_metadata.n.m": False,
    "_exists_:given_name": False,
    "_exists_:nickname": True,
}


@pytest.mark.parametrize(("query", "holds"), TRUE_OF_JANE.items(), ids=TRUE_OF_JANE)
def test_a_term_is_true_of_a_user(query: str, *, holds: bool) -> None:
    """In company of one that is answered from an index."""
    wanted = plan(f"({query}) AND email:jane@example.com")

    assert matches(wanted.expression, values(JANE)) is holds


ANSWERED_FROM: dict[str, list[Lookup]] = {
    "email:A@b": [Lookup("email", "a@b")],
    "email:ABC*": [Lookup("email", "abc", prefix=True)],
    "identities.connection:Staff": [Lookup("connection", "staff")],
    'user_id:"auth0|U"': [Lookup("user_id", "auth0|U")],
    "blocked:true AND name:x": [Lookup("name", "x")],
    "name:x AND email:a@b": [Lookup("email", "a@b")],
    "email:abc* AND name:x": [Lookup("name", "x")],
    "email:a@b AND user_id:u": [Lookup("user_id", "u")],
    "identities.connection:s AND phone_number:+1": [Lookup("phone_number", "+1")],
    "name:x OR email:a@b": [Lookup("name", "x"), Lookup("email", "a@b")],
    "name:x OR name:X": [Lookup("name", "x")],
    "email:(a@b OR c@d) AND blocked:false": [Lookup("email", "a@b"), Lookup("email", "c@d")],
    "(name:x OR blocked:true) AND email:a@b": [Lookup("email", "a@b")],
    "name:x -blocked:true": [Lookup("name", "x")],
}


@pytest.mark.parametrize(("query", "lookups"), ANSWERED_FROM.items(), ids=ANSWERED_FROM)
def test_a_query_is_answered_from_the_most_telling_index(query: str, lookups: list[Lookup]) -> None:
    assert plan(query).lookups == lookups


REFUSED = {
    "blocked:true": "needs a term",
    "NOT email:a@b": "needs a term",
    "email:>a": "needs a term",
    "_exists_:email": "needs a term",
    "user_id:auth*": "needs a term",
    "email:a@b OR blocked:true": "needs a term",
    "nickname:x AND user_metadata.a:b": "needs a term",
    "email:a@b AND shoe_size:7": "no such field",
    "user_metadata:x AND email:a@b": "no such field",
    "creation:c OR email:a@b": "no such field",
    "email": "must name its field",
}


@pytest.mark.parametrize(("query", "said"), REFUSED.items(), ids=REFUSED)
def test_a_query_that_no_index_answers_is_refused(query: str, said: str) -> None:
    with pytest.raises(MalformedQuery, match=re.escape(said)) as refused:
        plan(query)

    assert refused.value.reason.isascii()


@pytest.mark.parametrize(
    ("query", "is_exact"),
    [
        ("email:a@b", True),
        ("email:abc* OR name:x", True),
        ("user_id:u", False),
        ("email:a@b AND name:x", False),
        ("email:a@b -blocked:true", False),
    ],
)
def test_only_a_query_of_indexed_terms_is_true_of_all_that_are_found(
    query: str, *, is_exact: bool
) -> None:
    assert plan(query).is_exact is is_exact


def test_a_connection_is_one_more_condition_or_the_only_one() -> None:
    assert plan("", "Staff") == Plan(
        plan("identities.connection:staff").expression,
        [Lookup("connection", "staff")],
        is_exact=True,
    )
    both = plan("name:x", "Staff")
    assert both.lookups == [Lookup("name", "x")]
    assert isinstance(both.expression, Every)


BACKSLASH = "\\"
NAMES = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P"], exclude_characters="@"),
    min_size=3,
    max_size=8,
)


@given(NAMES, NAMES, st.sampled_from(["email", "username", "name", "connection"]))
def test_what_the_store_finds_and_what_is_compared_are_the_same(
    name: str, other: str, field: str
) -> None:
    """Or a user found by an index would be dropped, or one it is true of never found."""
    value = f"{name}@b" if field == "email" else name
    body: Shown = {"user_id": "u", field: value}
    record = user(new_user(body), generated_id="g", creation="c", created_at="now")
    [term] = [term for term in terms(record) if term.field == field]
    named = "identities.connection" if field == "connection" else field

    for start in (name[:3], name.upper(), name.lower(), other):
        query = plan(f"{named}:{''.join(f'{BACKSLASH}{character}' for character in start)}*")
        [lookup] = query.lookups
        found = term.value.startswith(lookup.value)
        assert matches(query.expression, values(user_shown(record, blocked=False))) is found
    assert term.value == normal(named, value)


def test_a_list_is_sorted_either_way_and_who_has_no_such_field_comes_last() -> None:
    a, b, c = [shown(user_id=name, name=name.upper()) for name in "abc"]
    nobody: Shown = {"user_id": "n"}

    assert ordered([b, nobody, a, c], "name:1") == [a, b, c, nobody]
    assert ordered([b, nobody, a, c], "name:-1") == [c, b, a, nobody]
    assert ordered([b, JANE, a], "identities.connection:1") == [JANE, b, a]


@pytest.mark.parametrize("sort", ["name", "name:", "name:2", ":1", "shoe:1", "name:1:1", "-name"])
def test_a_sort_that_is_none_is_refused(sort: str) -> None:
    with pytest.raises(MalformedQuery, match="sort must be"):
        ordered([], sort)
