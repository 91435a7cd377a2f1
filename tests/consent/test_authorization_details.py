"""What exactly is to be authorized: the limits of auth0-wire 1.6, and never more than granted."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.access import AuthorizationDetailsType, ResourceServer
from consent.authorization_details import authorization_details, narrowed, request_context
from consent.errors import InvalidAuthorizationDetails, InvalidRequest
from consent.shown import consent_digest
from tests.support.domain import a_client, assert_says_nothing

PAYMENT = "urn:auth0:schemas:authorization-details:v1:payment"
API = ResourceServer(
    id="1",
    identifier="https://api.example/",
    authorization_details=[AuthorizationDetailsType(PAYMENT), AuthorizationDetailsType("order")],
)
# The one of auth0-wire 1.6, and the one of RFC 9396 2.
OF_AUTH0: dict[str, Any] = {
    "type": PAYMENT,
    "instruction": "Approve this payment",
    "properties": {
        "amt": {
            "display": True,
            "name": "Amount",
            "display_order": 1,
            "description": "gross",
            "value": 25.0,
        },
        "ref": {"display": False, "value": "inv-77"},
    },
}
OF_THE_RFC: dict[str, Any] = {
    "type": "order",
    "actions": ["initiate", "status", "cancel"],
    "locations": ["https://example.com/payments"],
    "instructedAmount": {"currency": "EUR", "amount": "123.50"},
    "creditorName": "Merchant A",
    "creditorAccount": {"iban": "DE02100100109307118603"},
    "remittanceInformationUnstructured": "Ref Number Merchant",
}


def read(text: str, **changes: Any) -> list[dict[str, object]]:  # noqa: ANN401
    offered: dict[str, Any] = {"client": a_client(), "resource_server": API} | changes
    return authorization_details(text, **offered)


def an_entry(**members: object) -> dict[str, object]:
    return {"type": "order", **members}


def nested(levels: int) -> dict[str, object]:
    """An entry of that many objects in each other, its own counted."""
    value: object = "x"
    for _ in range(levels - 1):
        value = {"a": value}
    return an_entry(a=value)


def of_octets(count: int) -> str:
    text = json.dumps([an_entry()])
    return text + " " * (count - len(text))


ACCEPTED: dict[str, list[dict[str, Any]]] = {
    "Auth0's payment": [OF_AUTH0],
    "the example of RFC 9396": [OF_THE_RFC],
    "none at all": [],
    "five entries": [an_entry(n=n) for n in range(5)],
    "ten properties": [an_entry(**{f"p{n}": n for n in range(9)})],
    "a name of 255": [an_entry(**{"n" * 255: 1})],
    "a value of 255": [an_entry(a="愛" * 255)],
    "five levels": [nested(5)],
    "five levels of arrays": [an_entry(a=[[[["x"]]]])],
    "every character of a name": [an_entry(**{"aZ09_.-": 1})],
    "every kind of value": [an_entry(a=None, b=False, c=0, d=-1.5, e=[], f={}, g="")],
    "the whole numbers every phone holds": [an_entry(a=2**53 - 1, b=-(2**53) + 1, c=2.0**64)],
    "letters from right to left, and a narrow space": [an_entry(a="שלום 10\u202f000\u200f")],
}


@pytest.mark.parametrize("details", ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_within_the_limits_is_kept_as_it_was_sent(details: list[dict[str, Any]]) -> None:
    """D040, D042."""
    for text in (json.dumps(details), json.dumps(details, ensure_ascii=False)):
        assert json.dumps(read(text)) == json.dumps(details)


def test_five_kilobytes_are_counted_in_octets() -> None:
    assert read(of_octets(5_120)) == [an_entry()]


REFUSED = {
    "more than 5 KB": (of_octets(5_121), "longer than 5 KB"),
    "more than 5 KB, not in characters": (
        json.dumps([an_entry(**{f"p{n}": "愛" * 250 for n in range(9)})], ensure_ascii=False),
        "longer than 5 KB",
    ),
    "nothing": ("", "is empty"),
    "no JSON": ("SECRETVALUE", "not JSON"),
    "half a surrogate pair": ('[{"type":"\ud800"}]', "not UTF-8"),
    "half an escaped pair": (r'[{"type":"order","a":"\ud800"}]', "unpaired surrogate"),
    "a NUL": (r'[{"type":"order","a":"\u0000"}]', "NUL"),
    "a member twice": ('[{"type":"order","type":"order"}]', "repeated"),
    "no number": ('[{"type":"order","a":NaN}]', "out of range"),
    "an integer of 65 bits": (f'[{{"type":"order","a":{2**64}}}]', "out of range"),
    "a number beyond all": ('[{"type":"order","a":1e999}]', "out of range"),
    "deeper than any reader": ("[" * 2_500 + "]" * 2_500, "nested too deeply"),
    "an object": (json.dumps(an_entry()), "not a JSON array"),
    "null": ("null", "not a JSON array"),
    "six entries": (json.dumps([an_entry()] * 6), "more than 5 entries"),
    "an entry that is a text": ('["SECRETVALUE"]', "an entry is not an object"),
    "an entry that is null": ("[null]", "an entry is not an object"),
    "no type": ("[{}]", "no type"),
    "a type that is a number": ('[{"type":1}]', "no type"),
    "a type that is a list": ('[{"type":["order"]}]', "no type"),
    "an empty type": ('[{"type":""}]', "not registered"),
    "an unknown type": ('[{"type":"SECRETVALUE"}]', "not registered"),
    "a type in another case": ('[{"type":"ORDER"}]', "not registered"),
    "a known type and an unknown one": ('[{"type":"order"},{"type":"x"}]', "not registered"),
    "eleven properties": (
        json.dumps([an_entry(**{f"p{n}": n for n in range(10)})]),
        "more than 10 properties",
    ),
    "eleven properties further in": (
        json.dumps([an_entry(a=[{f"p{n}": n for n in range(11)}])]),
        "more than 10 properties",
    ),
    "a name of 256": (json.dumps([an_entry(**{"n" * 256: 1})]), "a name is longer"),
    "an empty name": (json.dumps([an_entry(**{"": 1})]), "a name has a character"),
    "a name with a space": (json.dumps([an_entry(**{"a b": 1})]), "a name has a character"),
    "a name with a newline": (json.dumps([an_entry(**{"a\n": 1})]), "a name has a character"),
    "a name that is not ASCII": (json.dumps([an_entry(é=1)]), "a name has a character"),
    "a name further in": (json.dumps([an_entry(a=[{"$": 1}])]), "a name has a character"),
    "a value of 256": (json.dumps([an_entry(a="v" * 256)]), "a value is longer"),
    "a value of 256 in an array": (json.dumps([an_entry(a=["v" * 256])]), "a value is longer"),
    "a value with a control": (json.dumps([an_entry(a="\x1b")]), "cannot be shown"),
    "a value that turns the text around": (json.dumps([an_entry(a="\u202e")]), "cannot be shown"),
    "a number no phone holds": (f'[{{"type":"order","a":{2**53}}}]', "every phone can show"),
    "one below all that do": (f'[{{"type":"order","a":[{-(2**53)}]}}]', "every phone can show"),
    "six levels": (json.dumps([nested(6)]), "nested more than 5 levels"),
    "six levels of arrays": (json.dumps([an_entry(a=[[[[["x"]]]]])]), "nested more than 5 levels"),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_is_refused_by_its_cause(text: str, said: str) -> None:
    """D041, A101."""
    with pytest.raises(InvalidAuthorizationDetails, match=said) as refused:
        read(text)

    assert refused.value.error == "invalid_authorization_details"
    assert_says_nothing(refused.value, "SECRETVALUE")


def test_an_api_that_registers_no_type_knows_none() -> None:
    """A request for no API asks for details of none."""
    for server in (None, ResourceServer(id="2", identifier="https://other.example/")):
        with pytest.raises(InvalidAuthorizationDetails, match="not registered"):
            read(json.dumps([an_entry()]), resource_server=server)
        assert read("[]", resource_server=server) == []


def test_a_client_uses_the_types_it_registered() -> None:
    """D044: None are all that the API registers, an empty list is none."""
    text = json.dumps([OF_AUTH0])
    for types in (None, [PAYMENT]):
        assert read(text, client=a_client(authorization_details_types=types)) == [OF_AUTH0]
    for types in ([], ["order"]):
        with pytest.raises(InvalidAuthorizationDetails, match="by this client"):
            read(text, client=a_client(authorization_details_types=types))


GRANTED = [OF_AUTH0, an_entry(amount=25.0), an_entry(sure=True), an_entry(list=[1, 2])]


@pytest.mark.parametrize("chosen", [[], [0], [3, 0], [0, 1, 2, 3]])
def test_a_token_may_be_for_less_than_was_granted(chosen: list[int]) -> None:
    """D043, RFC 9396 6."""
    expected = [GRANTED[place] for place in chosen]

    assert narrowed(GRANTED, json.dumps(expected)) == expected


def test_a_number_is_the_same_in_each_of_its_spellings() -> None:
    """JavaScript sends 25 back for the 25.0 it was told; the token says what was granted."""
    [entry] = narrowed(GRANTED, '[{"amount":25,"type":"order"}]')

    assert json.dumps(entry) == json.dumps(an_entry(amount=25.0))


WIDER: dict[str, object] = {
    "another amount": [an_entry(amount=26)],
    "an amount that is a text": [an_entry(amount="25.0")],
    "a member less": [an_entry()],
    "a member more": [an_entry(amount=25, x=1)],
    "one twice": [an_entry(amount=25), an_entry(amount=25)],
    "one that was granted and one that was not": [an_entry(sure=True), an_entry(sure=False)],
    "a number for a truth": [an_entry(sure=1)],
    "a shorter list": [an_entry(list=[1])],
    "a list in another order": [an_entry(list=[2, 1])],
    "a change further in": [OF_AUTH0 | {"properties": {"ref": {"value": "SECRETVALUE"}}}],
}


@pytest.mark.parametrize("requested", WIDER.values(), ids=WIDER)
def test_a_token_is_never_for_more(requested: object) -> None:
    """D043, T40."""
    with pytest.raises(InvalidAuthorizationDetails, match="exceed") as refused:
        narrowed(GRANTED, json.dumps(requested))

    assert_says_nothing(refused.value, "SECRETVALUE")


def test_what_cannot_be_read_narrows_nothing() -> None:
    for text, said in REFUSED.values():
        with pytest.raises(InvalidAuthorizationDetails, match=f"{said}|exceed"):
            narrowed(GRANTED, text)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=300), inner, max_size=12)
    ),
    max_leaves=12,
)
ENTRIES = st.lists(
    st.dictionaries(st.text("abz_.-$", max_size=3), JSON_VALUES, max_size=11).map(
        lambda members: {"type": "order", **members}
    ),
    max_size=6,
)


@given(st.text() | (JSON_VALUES | ENTRIES).map(json.dumps))
def test_whatever_is_sent_is_read_or_refused(text: str) -> None:
    """And what is read is what was sent, may be asked for again, and has a digest to be signed."""
    readers: list[Callable[[str], object]] = [read, lambda text: narrowed(GRANTED, text)]
    for reader in readers:
        try:
            found = reader(text)
        except InvalidAuthorizationDetails as refused:
            assert_says_nothing(refused)
        else:
            assert json.loads(text) == found
            assert isinstance(found, list)
            assert narrowed(found, text) == found
            assert consent_digest({"authorization_details": found})


def test_the_context_of_a_request_is_any_object() -> None:
    """A047, B008."""
    context = {"session": {"ip": "192.0.2.1", "deep": [[[[[["x" * 300]]]]]]}}

    assert request_context(json.dumps(context)) == context
    assert request_context("{}" + " " * 2_046) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}" + " " * 2_047, "longer than 2 KB"),
        ('{"a":"' + "愛" * 700 + '"}', "longer than 2 KB"),
        ("", "is empty"),
        ("SECRETVALUE", "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"a":' * 17 + "1" + "}" * 17, "nested too deeply"),
        ('{"a":1,"a":2}', "repeated"),
        ('{"a":1e999}', "out of range"),
        ('{"\ud800":1}', "not UTF-8"),
    ],
)
def test_a_context_that_is_none_is_an_invalid_request(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as refused:
        request_context(text)

    assert refused.value.error == "invalid_request"
    assert_says_nothing(refused.value, "SECRETVALUE")


@given(st.text() | JSON_VALUES.map(json.dumps))
def test_a_context_is_read_or_refused(text: str) -> None:
    try:
        found = request_context(text)
    except InvalidRequest as refused:
        assert_says_nothing(refused)
    else:
        assert json.loads(text) == found
