"""The rules of a backchannel request, one by one and in their order (CIBA 7.1, 7.2, 13)."""

import itertools
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consent.access import ResourceServer, Scope
from consent.authentication_request import AuthenticationRequest, authentication_request
from consent.client import Client
from consent.errors import OAuthError
from tests.support.domain import (
    ISSUER,
    USER_ID,
    a_client,
    a_request,
    assert_says_nothing,
    settings,
)

SETTINGS = settings()
API = ResourceServer(
    id="rs1", identifier="https://api.example/", scopes=[Scope("pay")], token_lifetime=600
)


def hint(**changes: object) -> str:
    return json.dumps({"format": "iss_sub", "iss": ISSUER, "sub": USER_ID} | changes)


HINT = hint()
GOOD = {"scope": "openid", "binding_message": "Pay 10", "login_hint": HINT}


def accepted(
    parameters: dict[str, str],
    client: Client | None = None,
    resource_server: ResourceServer | None = None,
) -> AuthenticationRequest:
    return authentication_request(parameters, client or a_client(), resource_server, SETTINGS)


def refused(
    parameters: dict[str, str],
    client: Client | None = None,
    resource_server: ResourceServer | None = None,
) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        accepted(parameters, client, resource_server)
    return caught.value


def without(*names: str, **changes: str) -> dict[str, str]:
    return {name: text for name, text in (GOOD | changes).items() if name not in names}


def test_a_full_request_is_what_the_person_is_asked_and_the_client_gets() -> None:
    full = GOOD | {
        "scope": "openid email pay",
        "audience": API.identifier,
        "requested_expiry": "120",
    }

    assert accepted(full, resource_server=API) == a_request(
        scope=["openid", "email", "pay"], expires_in=120
    )


def test_the_least_request_has_defaults() -> None:
    """CIBA 7.3, auth0-wire 1.1: 300 s, the audience of userinfo, the setting's token life."""
    request = accepted(GOOD)

    assert request.expires_in == 300
    assert request.audience == f"{ISSUER}userinfo"
    assert request.access_token_lifetime == SETTINGS.access_token_lifetime_seconds


def test_a_setting_has_requests_live_shorter() -> None:
    short = settings(request_expiry_default_seconds="30")

    assert authentication_request(GOOD, a_client(), None, short).expires_in == 30


# Each rule alone: what is sent, and the code that answers it.
RULES = [
    pytest.param(without(request="eyJ"), "invalid_request", id="A046 request"),
    pytest.param(without(request_uri="https://x/"), "invalid_request", id="A046 request_uri"),
    pytest.param(without("login_hint"), "invalid_request", id="A027 no hint"),
    pytest.param(
        without("login_hint", login_hint_token="eyJ"), "invalid_request", id="A027 token alone"
    ),
    pytest.param(
        without("login_hint", id_token_hint="eyJ"), "invalid_request", id="A027 ID token alone"
    ),
    pytest.param(without(login_hint_token="eyJ"), "invalid_request", id="A027 two hints"),
    pytest.param(without(id_token_hint="eyJ"), "invalid_request", id="A027 two other hints"),
    pytest.param(without("scope"), "invalid_request", id="A020 no scope"),
    pytest.param(without(scope="email"), "invalid_request", id="A020 no openid"),
    pytest.param(without(scope="OpenID"), "invalid_request", id="A020 another case"),
    pytest.param(without(scope="openid pay"), "invalid_scope", id="A021 of no audience"),
    pytest.param(without(scope="openid  email"), "invalid_scope", id="A021 two spaces"),
    pytest.param(without(scope="openid\temail"), "invalid_request", id="A020 a tab"),
    pytest.param(without("binding_message"), "invalid_request", id="A036 no message"),
    pytest.param(without(binding_message="x" * 65), "invalid_binding_message", id="A035 long"),
    pytest.param(without(audience="https://x/"), "access_denied", id="unknown audience"),
    *(
        pytest.param(without(requested_expiry=text), "invalid_request", id=f"A042 {text!r}")
        for text in (
            "0",
            "-1",
            "1.5",
            "1e2",
            "301",
            "259200",
            "300s",
            " 60",
            "0x1f",
            "+60",
            "\u0663",
            "9" * 5_000,
            "NaN",
        )
    ),
    pytest.param(without(request_expiry="0"), "invalid_request", id="A042 the old name"),
    pytest.param(without(authorization_details="[]"), "invalid_authorization_details", id="D041"),
]

BAD_MESSAGES = [
    "Pay\n10",
    "Pay\t10",
    "Pay\0",
    "Pay\u202e01",
    "Pay\u200b",
    "\u2066Pay\u2069",
    "P\u0430y 10",
    "Pay \u00a310",
    "Pay 10 \U0001f4b0",
    "e\u0301",
    "<b>Pay</b>",
    "Pay $10",
    "Pay\u00a010",
    '"Pay"',
]

BAD_HINTS = {
    "no JSON": "auth0|u1",
    "a text": '"auth0|u1"',
    "a list": "[]",
    "another format": hint(format="email"),
    "no format": json.dumps({"iss": ISSUER, "sub": USER_ID}),
    "no issuer": json.dumps({"format": "iss_sub", "sub": USER_ID}),
    "another issuer": hint(iss="https://nod.example.org/"),
    "an issuer that begins alike": hint(iss="https://nod.example.evil/"),
    "an issuer that is a number": hint(iss=1),
    "no subject": json.dumps({"format": "iss_sub", "iss": ISSUER}),
    "an empty subject": hint(sub=""),
    "a subject of 256 characters": hint(sub="u" * 256),
    "a subject that is a number": hint(sub=1),
    "two subjects": HINT[:-1] + ', "sub": "auth0|u2"}',
    "a NUL": hint(sub="a\0b"),
    "half a surrogate pair": '{"format":"iss_sub","iss":"https://nod.example/","sub":"\\ud800"}',
    "deep": "[" * 5_000,
    "a number of many digits": hint()[:-1] + ', "n": ' + "9" * 5_000 + "}",
    "a NaN": hint()[:-1] + ', "n": NaN}',
}


@pytest.mark.parametrize(("parameters", "error"), RULES)
def test_a_broken_rule_has_its_code(parameters: dict[str, str], error: str) -> None:
    refusal = refused(parameters)

    assert refusal.error == error
    assert_says_nothing(refusal)


@pytest.mark.parametrize("message", BAD_MESSAGES)
def test_a_message_not_every_phone_can_show_is_refused(message: str) -> None:
    """A035, T30: controls, bidi overrides, lookalikes, and what the setting does not allow."""
    refusal = refused(without(binding_message=message))

    assert refusal.error == "invalid_binding_message"
    assert_says_nothing(refusal, message)


@pytest.mark.parametrize("message", ["x" * 64, "Pay 10", "+-_.,:#", " ", "0"])
def test_a_message_is_kept_exactly_as_sent(message: str) -> None:
    """A037."""
    assert accepted(without(binding_message=message)).binding_message == message


def test_a_setting_widens_what_messages_may_hold() -> None:
    wide = settings(binding_message_characters=" $?é")

    request = authentication_request(without(binding_message="Pay $10 é?"), a_client(), None, wide)
    assert request.binding_message == "Pay $10 é?"


@pytest.mark.parametrize("text", BAD_HINTS.values(), ids=BAD_HINTS)
def test_a_hint_that_names_nobody_of_ours_is_an_unknown_user(text: str) -> None:
    """A028, T2: one answer, whatever is wrong with it."""
    refusal = refused(without(login_hint=text))

    assert (refusal.error, refusal.description) == (
        "unknown_user_id",
        "User ID is malformed or unknown",
    )
    assert refusal.detail


@pytest.mark.parametrize(
    "text",
    [
        hint(),
        hint(iss=ISSUER.rstrip("/")),
        json.dumps({"sub": USER_ID, "iss": ISSUER, "format": "iss_sub"}, indent=2),
        hint(more=["is", "ignored"]),
    ],
)
def test_a_hint_is_understood_as_the_client_libraries_write_it(text: str) -> None:
    """auth0-wire 1.1: any order, spaces, an issuer with or without its slash; A011."""
    assert accepted(without(login_hint=text)).user_id == USER_ID


@pytest.mark.parametrize("user_id", ["u", "u" * 255, "auth0|\u00e4 \u2603", "a:b}*"])
def test_a_user_id_is_any_text_of_at_most_255_characters(user_id: str) -> None:
    assert accepted(without(login_hint=hint(sub=user_id))).user_id == user_id


@pytest.mark.parametrize("text", ["1", "10", "30", "300", "0060"])
def test_an_expiry_of_1_to_300_seconds_is_taken(text: str) -> None:
    """A043."""
    assert accepted(without(requested_expiry=text)).expires_in == int(text)
    assert accepted(without(request_expiry=text)).expires_in == int(text)


def test_the_new_name_of_the_expiry_wins() -> None:
    """auth0-wire 0, rule 5."""
    both = without(requested_expiry="60", request_expiry="90")

    assert accepted(both).expires_in == 60


@pytest.mark.parametrize("audience", ["None", "null", ""])
def test_what_libraries_send_for_no_audience_is_none(audience: str) -> None:
    assert accepted(without(audience=audience)).audience == f"{ISSUER}userinfo"


def test_a_client_without_the_grant_is_forbidden() -> None:
    """A009; 403 as Auth0 answers it (auth0-wire 1.2)."""
    refusal = refused(GOOD, a_client(grant_types=["client_credentials"]))

    assert (refusal.status, refusal.error) == (403, "unauthorized_client")
    assert_says_nothing(refusal)


def test_an_unknown_audience_is_forbidden_before_anybody_is_asked() -> None:
    """A105."""
    assert refused(without(audience="https://other.example/")).status == 403


def test_unknown_parameters_are_ignored() -> None:
    """A011; a notification token and user code of a poll client with them (A026, A040)."""
    more = {"acr_values": "x", "client_notification_token": "t", "user_code": "1", "zzz": "y"}

    assert accepted(GOOD | more) == accepted(GOOD)


# A048: each breaks one rule; of two broken ones, the first in this order is told.
ORDER: list[tuple[str, dict[str, str | None]]] = [
    ("request is not supported", {"request": "eyJ"}),
    ("Exactly one of", {"id_token_hint": "eyJ"}),
    ("openid scope", {"scope": "email unknown"}),
    ("binding_message is missing", {"binding_message": None}),
    ("not authorized to access", {"audience": "https://other.example/"}),
    ("requested_expiry", {"requested_expiry": "0"}),
    ("authorization details", {"authorization_details": "[]"}),
    ("requested scope is unknown", {"scope": "openid unknown"}),
    ("binding_message has", {"binding_message": "\n"}),
    ("User ID", {"login_hint": "nobody"}),
]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(first, second, id=f"{first[0]} before {second[0]}")
        for first, second in itertools.combinations(ORDER, 2)
        if not first[1].keys() & second[1].keys()
    ],
)
def test_of_two_broken_rules_the_first_is_told(
    first: tuple[str, dict[str, str | None]], second: tuple[str, dict[str, str | None]]
) -> None:
    """A048, A027: who is asked for is looked at last, so a client learns least of people."""
    changed = GOOD | first[1] | second[1]
    parameters = {name: text for name, text in changed.items() if text is not None}

    assert first[0] in refused(parameters).description


def test_a_client_that_may_not_ask_learns_nothing_more() -> None:
    """A048: its grant is the first rule, before anything it sends is looked at."""
    assert refused({}, a_client(grant_types=[])).error == "unauthorized_client"


NAMES = [
    "scope",
    "binding_message",
    "login_hint",
    "login_hint_token",
    "id_token_hint",
    "request",
    "request_uri",
    "audience",
    "requested_expiry",
    "request_expiry",
    "authorization_details",
]
HOSTILE = st.one_of(
    st.text(min_size=1),
    st.sampled_from(["openid", "9" * 5_000, "[" * 20_000, HINT, *BAD_HINTS.values()]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    ).map(json.dumps),
)


@given(st.dictionaries(st.sampled_from(NAMES), HOSTILE), st.booleans())
@example(sent={"login_hint": '{"format":"iss_sub","iss":[],"sub":{}}'}, completed=True)
def test_hostile_parameters_are_refused_in_words_that_repeat_nothing(
    sent: dict[str, str], completed: bool
) -> None:
    """A101: nothing but an OAuthError is ever raised, of the allowed characters."""
    try:
        request = accepted(GOOD | sent if completed else sent)
    except OAuthError as refusal:
        long_enough_to_be_seen = [text for text in sent.values() if len(text) > 20]
        assert_says_nothing(refusal, *long_enough_to_be_seen)
    else:
        assert 1 <= request.expires_in <= 300
        assert len(request.binding_message) <= 64
