"""What an action sees of an exchange and can do to it (auth0-wire 3.8)."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import policy
from consent.credentials_exchange import (
    Api,
    Outcome,
    is_namespaced,
    without_credentials,
)
from consent.errors import InvalidRequest, InvalidScope, OAuthError, ServerError
from tests.support.actions import BEFORE, an_exchange
from tests.support.domain import CLIENT_ID, ERROR_CHARACTERS

NAMESPACE = "https://example.com/"


def an_api(before: Outcome = BEFORE) -> Api:
    return Api(an_exchange(), before)


def denial_of(api: Api) -> OAuthError:
    assert api.denial is not None
    return api.denial


def test_an_event_tells_the_exchange_in_auth0s_terms() -> None:
    before = Outcome(
        scope=["read"],
        custom_claims={f"{NAMESPACE}a": [1]},
        client_change={"name": "Renamed", "client_metadata": {"team": None, "org": "o"}},
    )

    assert msgspec.to_builtins(an_exchange().event(before)) == {
        "access_token": {"custom_claims": {f"{NAMESPACE}a": [1]}, "scope": ["read"]},
        "client": {"client_id": CLIENT_ID, "name": "Renamed", "metadata": {"org": "o"}},
        "request": {
            "body": {"grant_type": "client_credentials"},
            "hostname": "nod.example",
            "ip": "::1",
            "method": "POST",
            "user_agent": "x/1",
        },
        "resource_server": {"identifier": "https://api.example/"},
        "tenant": {"id": "nod.example"},
        "transaction": {"requested_scopes": ["read"]},
    }


def test_what_an_action_does_to_its_event_reaches_nothing() -> None:
    exchange = an_exchange()
    before = Outcome(scope=["read"], custom_claims={f"{NAMESPACE}a": [1]})
    told = msgspec.json.encode(exchange.event(before))
    event = exchange.event(before)
    event.access_token.custom_claims[f"{NAMESPACE}a"].append(2)
    event.access_token.scope.append("admin")
    event.client.metadata["team"] = "red"
    event.request.body["x"] = "y"
    event.transaction.requested_scopes.append("admin")

    assert msgspec.json.encode(exchange.event(before)) == told


def test_no_credential_is_in_the_body_that_is_shown() -> None:
    shown = {"grant_type": "client_credentials", "client_id": "c", "audience": "a", "mine": "1"}
    proofs = ("client_secret", "client_assertion", "refresh_token", "password", "code")

    assert without_credentials(shown | dict.fromkeys(proofs, "SECRET")) == shown


def test_an_action_that_does_nothing_changes_nothing() -> None:
    api = an_api()

    assert api.denial is None
    assert api.outcome() == BEFORE


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        ("invalid_scope", InvalidScope, 400),
        ("invalid_request", InvalidRequest, 400),
        ("server_error", ServerError, 500),
    ],
)
def test_a_denial_is_answered_in_the_words_of_the_action(
    code: str, kind: type[OAuthError], status: int
) -> None:
    api = an_api()
    api.access.deny(code, "No calls on Sundays")
    denial = denial_of(api)

    assert type(denial) is kind
    assert (denial.status, denial.description) == (status, "No calls on Sundays")


def test_the_first_denial_stands() -> None:
    api = an_api()
    api.access.deny("invalid_scope", "first")
    api.access.deny("server_error", "second")

    assert denial_of(api).description == "first"


@pytest.mark.parametrize("code", ["access_denied", "", None, 7, [], "INVALID_SCOPE"])
def test_an_unknown_code_denies_all_the_same(code: Any) -> None:  # noqa: ANN401
    api = an_api()
    api.access.deny(code, "reason")

    assert type(denial_of(api)) is ServerError


@given(reason=st.one_of(st.text(), st.none(), st.integers(), st.text(min_size=300)))
def test_a_reason_is_written_in_the_characters_of_a_description(reason: Any) -> None:  # noqa: ANN401
    """RFC 6749 5.2, A101."""
    api = an_api()
    api.access.deny("invalid_request", reason)
    description = denial_of(api).description

    assert description
    assert set(description) <= ERROR_CHARACTERS
    assert len(description) <= policy.ACTION_REASON_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("https://example.com/roles", True),
        ("http://example.com/roles", True),
        ("https://example.com", True),
        ("https://notauth0.com/x", True),
        ("https://auth0.com.example/x", True),
        ("HTTPS://example.com/roles", True),
        ("roles", False),
        ("sub", False),
        ("", False),
        ("urn:example:roles", False),
        ("ftp://example.com/roles", False),
        ("https:///roles", False),
        ("https:roles", False),
        ("https://[roles", False),
        ("https://exam ple.com/x", False),
        ("https://exämple.com/x", False),
        ("https://example.com/\n", False),
        ("https://auth0.com/x", False),
        ("https://my.AUTH0.com/x", False),
        ("https://auth0.com./x", False),
        ("https://webtask.io/x", False),
        ("https://a.webtask.run:8080/x", False),
        ("https://user@auth0.com/x", False),
        ("https://example.com/" + "x" * 300, False),
    ],
)
def test_a_custom_claim_is_a_namespace_of_the_operators(name: str, *, expected: bool) -> None:
    """Others are ignored, and it is told which."""
    api = an_api()
    api.access_token.set_custom_claim(name, 1)

    assert is_namespaced(name) is expected
    assert api.outcome().custom_claims == ({name: 1} if expected else {})
    assert api.ignored_claims == (() if expected else (name[:255],))


@given(st.text())
def test_no_text_makes_the_rule_of_names_fail(name: str) -> None:
    assert is_namespaced(name) in {True, False}
    assert is_namespaced(f"https://{name}") in {True, False}


@pytest.mark.parametrize(
    "claim",
    ["iss", "sub", "aud", "exp", "iat", "jti", "scope", "azp", "gty", "cnf", "client_id", "act"],
)
def test_a_registered_claim_cannot_be_set(claim: str) -> None:
    api = an_api()
    api.access_token.set_custom_claim(claim, "x")

    assert api.outcome() == BEFORE


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.text("abc \u00e9\U0001f600"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_a_claim_is_any_json(value: Any) -> None:  # noqa: ANN401
    api = an_api()
    api.access_token.set_custom_claim(NAMESPACE, value)

    assert api.outcome().custom_claims == {NAMESPACE: value}


def test_a_claim_is_kept_as_it_was_when_it_was_set() -> None:
    api = an_api()
    roles = ["reader"]
    api.access_token.set_custom_claim(NAMESPACE, roles)
    roles.append("admin")

    assert api.outcome().custom_claims == {NAMESPACE: ["reader"]}


def circular() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


def deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        2**63,
        10**5_000,
        b"bytes",
        {1, 2},
        object(),
        {(1, 2): 3},
        {1: "a", "1": "b"},
        "\0",
        "\ud800",
        {"\ud800": 1},
        circular(),
        deep(17),
        deep(100_000),
        "x" * policy.CUSTOM_CLAIMS_BYTES_MAX,
        ["\u00e9" * (policy.CUSTOM_CLAIMS_BYTES_MAX // 2)],
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_claim_that_cannot_be_is_refused_and_changes_nothing(value: object) -> None:
    api = an_api(Outcome(scope=[], custom_claims={NAMESPACE: 1}))
    with pytest.raises(ValueError, match="claim"):
        api.access_token.set_custom_claim(NAMESPACE, value)

    assert api.outcome().custom_claims == {NAMESPACE: 1}


def test_custom_claims_are_bounded_in_all() -> None:
    api = an_api()
    for number in range(30):
        api.access_token.set_custom_claim(f"{NAMESPACE}{number:02}", "x" * 105)
    with pytest.raises(ValueError, match="over 4096 bytes"):
        api.access_token.set_custom_claim(f"{NAMESPACE}30", "x" * 105)

    assert len(api.outcome().custom_claims) == 30


@pytest.mark.parametrize("name", [None, 1, b"https://example.com/"])
def test_a_name_that_is_no_text_is_refused(name: Any) -> None:  # noqa: ANN401
    api = an_api()
    with pytest.raises(ValueError, match="text"):
        api.access_token.set_custom_claim(name, 1)
    with pytest.raises(ValueError, match="text"):
        api.client.set_metadata(name, "x")


def test_target_scopes_move_within_the_client_grant() -> None:
    api = an_api()
    api.transaction.add_target_scope("admin")
    api.transaction.add_target_scope("admin")
    api.transaction.remove_target_scope("write")
    api.transaction.remove_target_scope("never there")

    assert api.outcome().scope == ["read", "admin"]
    api.transaction.set_target_scopes([])
    assert api.outcome().scope == []
    api.transaction.set_target_scopes(["write", "write"])
    assert api.outcome().scope == ["write"]


@pytest.mark.parametrize(
    "scopes", [["read", "delete"], ["read write"], [""], "read", None, [1], [["read"]], {"read": 1}]
)
def test_a_target_scope_outside_the_client_grant_is_refused(scopes: Any) -> None:  # noqa: ANN401
    api = an_api()
    with pytest.raises(ValueError, match="target scope"):
        api.transaction.set_target_scopes(scopes)
    with pytest.raises(ValueError, match="target scope"):
        api.transaction.add_target_scope("delete")

    assert api.outcome() == BEFORE


def test_a_change_of_the_client_is_the_body_of_a_patch() -> None:
    api = an_api()
    api.client.set_name("Portal - developer - app")
    api.client.set_metadata("org", "7")
    api.client.set_metadata("team", None)
    change = api.outcome().client_change
    client = an_exchange().after(change)

    assert change == {
        "name": "Portal - developer - app",
        "client_metadata": {"org": "7", "team": None},
    }
    assert (client.name, client.client_metadata) == ("Portal - developer - app", {"org": "7"})
    assert client.secret_digest == an_exchange().client.secret_digest


def test_the_action_before_is_built_upon() -> None:
    first = an_api()
    first.client.set_metadata("a", "1")
    first.access_token.set_custom_claim(f"{NAMESPACE}a", 1)
    second = an_api(first.outcome())
    second.client.set_metadata("b", "2")
    second.access_token.set_custom_claim(f"{NAMESPACE}b", 2)

    assert second.outcome().client_change == {"client_metadata": {"a": "1", "b": "2"}}
    assert second.outcome().custom_claims == {f"{NAMESPACE}a": 1, f"{NAMESPACE}b": 2}
    assert first.outcome().client_change == {"client_metadata": {"a": "1"}}


@pytest.mark.parametrize(
    "name", ["", "a<b", "x" * 256, "a\nb", "\u202e", "\ud800", None, 7, ["name"]], ids=ascii
)
def test_a_name_that_no_client_may_have_is_refused(name: Any) -> None:  # noqa: ANN401
    api = an_api()
    with pytest.raises(ValueError, match="name"):
        api.client.set_name(name)

    assert api.outcome() == BEFORE


@pytest.mark.parametrize(
    ("name", "value"),
    [("x" * 256, "v"), ("n", "x" * 256), ("n", 1), ("n", ["v"]), ("n", "\0"), ("\ud800", "v")],
    ids=ascii,
)
def test_metadata_that_no_client_may_have_is_refused(name: str, value: Any) -> None:  # noqa: ANN401
    api = an_api()
    with pytest.raises(ValueError, match="client_metadata"):
        api.client.set_metadata(name, value)

    assert api.outcome() == BEFORE


def test_metadata_has_ten_keys_at_most() -> None:
    api = an_api()
    for number in range(9):
        api.client.set_metadata(f"n{number}", "v")
    with pytest.raises(ValueError, match="client_metadata"):
        api.client.set_metadata("one too many", "v")
    api.client.set_metadata("team", None)
    api.client.set_metadata("now there is room", "v")

    assert len(an_exchange().after(api.outcome().client_change).client_metadata) == 10
