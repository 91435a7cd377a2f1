"""The call to an action's URL and what it may answer (auth0-wire 3.8)."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.action_call import apply_answer, signature
from consent.credentials_exchange import Api, Outcome
from consent.errors import OAuthError
from tests.support.actions import BEFORE, an_exchange

NAMESPACE = "https://example.com/"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["deny", "custom_claims", "target_scopes", "client", "x"])


def an_api() -> Api:
    return Api(an_exchange(), BEFORE)


def denial_of(api: Api) -> OAuthError:
    assert api.denial is not None
    return api.denial


def test_an_answer_does_what_the_calls_do() -> None:
    api = an_api()
    apply_answer(
        json.dumps(
            {
                "deny": None,
                "custom_claims": {f"{NAMESPACE}a": {"b": [1]}, "sub": "x"},
                "target_scopes": ["admin"],
                "client": {"name": "N", "metadata": {"org": "7", "team": None}},
            }
        ).encode(),
        api,
    )

    assert api.denial is None
    assert api.ignored_claims == ("sub",)
    assert api.outcome() == Outcome(
        scope=["admin"],
        custom_claims={f"{NAMESPACE}a": {"b": [1]}},
        client_change={"name": "N", "client_metadata": {"org": "7", "team": None}},
    )


def test_an_empty_answer_lets_it_be() -> None:
    api = an_api()
    apply_answer(b"{}", api)

    assert api.outcome() == BEFORE
    assert api.denial is None


@pytest.mark.parametrize(
    ("deny", "error"),
    [
        ({"code": "invalid_scope", "reason": "r"}, "invalid_scope"),
        ({"code": "invalid_request"}, "invalid_request"),
        ({"code": "no"}, "server_error"),
        ({}, "server_error"),
        (True, "server_error"),
        (False, "server_error"),
        ("invalid_scope", "server_error"),
        ([], "server_error"),
    ],
)
def test_an_answer_that_denies_denies_whatever_else_is_wrong_with_it(
    deny: object, error: str
) -> None:
    api = an_api()
    apply_answer(json.dumps({"deny": deny, "unknown": 1, "target_scopes": "x"}).encode(), api)

    assert denial_of(api).error == error


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b"{",
        b'{"a":1,"a":2}',
        b'{"denied": {"code": "invalid_scope"}}',
        b'{"custom_claims": []}',
        b'{"custom_claims": null}',
        b'{"target_scopes": ["delete"]}',
        b'{"target_scopes": "read"}',
        b'{"target_scopes": [null]}',
        b'{"client": {"name": ""}}',
        b'{"client": {"client_secret": "x"}}',
        b'{"client": {"metadata": {"a": 1}}}',
        b'{"custom_claims": {"https://example.com/": 1e999}}',
        b'{"custom_claims": {"https://example.com/": "' + b"x" * 5_000 + b'"}}',
        b'{"custom_claims": {"https://example.com/": ' + b"[" * 50 + b"]" * 50 + b"}}",
    ],
)
def test_an_answer_that_is_none_is_refused(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        apply_answer(answer, an_api())

    assert str(caught.value).isascii()


@given(
    st.binary() | st.dictionaries(MEMBERS, JSON, max_size=3).map(lambda it: json.dumps(it).encode())
)
def test_an_answer_is_done_or_refused_and_nothing_else(answer: bytes) -> None:
    api = an_api()
    try:
        apply_answer(answer, api)
    except ValueError:
        return
    assert api.denial or set(api.outcome().scope) <= {"read", "write", "admin"}


def test_a_signature_is_over_the_time_and_the_body() -> None:
    body = b'{"event":{}}'
    mac = hmac.new(b"s" * 32, b"1790000000." + body, hashlib.sha256).hexdigest()

    assert signature("s" * 32, body, 1_790_000_000.9) == f"t=1790000000,v1={mac}"
