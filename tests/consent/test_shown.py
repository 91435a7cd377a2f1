"""What a person was shown, as one number that every language finds again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.shown import DIGEST, INTEGER_MAX, CanonicalizationError, consent_digest
from consent.strict_json import loads_object
from tests.support import receipt_verifier
from tests.support.domain import vector

# Made by Node.js: JSON.parse, members sorted, JSON.stringify of each, SHA-256.
BY_ECMASCRIPT: list[dict[str, Any]] = vector("consent_digests")


@pytest.mark.parametrize("case", BY_ECMASCRIPT, ids=lambda case: case["name"])
def test_a_digest_is_the_one_that_a_browser_finds(case: dict[str, Any]) -> None:
    """RFC 8785 3.2: numbers, names and texts as ECMAScript writes them."""
    shown = loads_object(case["text"].encode())

    assert consent_digest(shown) == case["digest"]
    assert receipt_verifier.digest(shown) == case["digest"]


def test_a_digest_is_of_all_but_itself() -> None:
    shown = {"id": "1", "scope": ["openid"]}

    assert consent_digest(shown | {DIGEST: "whatever"}) == consent_digest(shown)
    assert consent_digest(shown | {"more": None}) != consent_digest(shown)


def test_the_order_of_members_and_the_spelling_of_a_number_change_nothing() -> None:
    assert consent_digest({"b": 25, "a": [1]}) == consent_digest({"a": [1.0], "b": 25.0})


@pytest.mark.parametrize(
    "value", [INTEGER_MAX + 1, -INTEGER_MAX - 1, float("inf"), "\ud800", {1: "a"}], ids=ascii
)
def test_what_cannot_be_shown_has_no_digest(value: object) -> None:
    with pytest.raises(CanonicalizationError):
        consent_digest({"a": value})


SHOWABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=6),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), SHOWABLE, max_size=6))
def test_an_independent_reader_finds_the_same(shown: dict[str, Any]) -> None:
    shown.pop(DIGEST, None)

    assert receipt_verifier.digest(shown) == consent_digest(shown)
