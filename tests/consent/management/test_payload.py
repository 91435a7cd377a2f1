"""Bodies become values, or a refusal that names the member and repeats no value."""

from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.errors import ManagementError
from consent.management.clients import NewClient
from consent.management.payload import RequiredText, check_no_markup, payload
from consent.management.resource_servers import NewResourceServer
from consent.management.users import NewUser


class Inner(msgspec.Struct):
    value: RequiredText


class Example(msgspec.Struct):
    name: RequiredText
    kind: Literal["a", "b"] = "a"
    inner: Inner | None = None
    free: dict[str, Any] = {}


def test_unknown_members_and_null_are_as_good_as_nothing() -> None:
    value = payload({"name": "N", "kind": None, "unknown": {"a": 1}}, Example)

    assert value == Example("N")


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"name": None}, "'Missing required property' on property name."),
        ({"inner": {}}, "'Missing required property' on property inner.value."),
        ({"kind": "SECRET"}, "'Not one of the allowed values' on property kind."),
        ({"name": 1}, "'Expected str, got int' on property name."),
        ({"name": "a\x00"}, "'Has a character that cannot be shown' on property name."),
        (
            {"inner": {"value": "\u202e"}},
            "'Has a character that cannot be shown' on property inner.value.",
        ),
    ],
)
def test_a_refusal_names_the_member(members: dict[str, object], said: str) -> None:
    with pytest.raises(ManagementError) as refused:
        payload({"name": "N"} | members, Example)

    assert refused.value.description == f"Payload validation error: {said}"
    assert (refused.value.status, refused.value.error) == (400, "invalid_body")


def test_free_members_may_hold_anything() -> None:
    assert payload({"name": "N", "free": {"a": "\n"}}, Example).free == {"a": "\n"}


@pytest.mark.parametrize("text", ["<b>", "a>b"])
def test_a_name_shown_to_people_has_no_markup(text: str) -> None:
    with pytest.raises(ManagementError, match="property name"):
        check_no_markup("name", text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    kind=st.sampled_from([NewClient, NewResourceServer, NewUser]),
    data=st.data(),
)
def test_whatever_is_sent_the_answer_is_a_value_or_a_printable_refusal(
    kind: type[msgspec.Struct], data: st.DataObject
) -> None:
    names = st.sampled_from(kind.__struct_fields__)
    body: dict[str, object] = data.draw(st.dictionaries(names, _JSON))

    try:
        said = repr(type(payload(body, kind)) is kind)
    except ManagementError as refusal:
        said = refusal.description

    assert said == "True" or said.startswith("Payload validation error: ")
    assert said.isascii()
    assert said.isprintable()
