"""The rules of a backchannel request, one by one and in their order (CIBA 7.1, 7.2, 13)."""

import itertools
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consent.access import ResourceServer, Scope
from consent.authentication_request import (
    AuthenticationRequest,
    acr,
    authentication_request,
    check_client_may_start_ciba,
)
from consent.client import CIBA_GRANT, Client
from consent.errors import OAuthError, UnauthorizedClient
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


HINT = json.dumps({"format": "iss_sub", "iss": ISSUER, "sub": USER_ID})
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
        user_id="", scope=["openid", "email", "pay"], expires_in=120, acr=SETTINGS.acr_values
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
    pytest.param(without("login_hint"), "invalid_request", id="A027 no hint"),
    pytest.param(without(login_hint_token="eyJ"), "invalid_request", id="A027 two hints"),
    pytest.param(without(id_token_hint="eyJ"), "invalid_request", id="A027 two other hints"),
    pytest.param(without("scope"), "invalid_request", id="A020 no scope"),
    pytest.param(without(scope="email"), "invalid_request", id="A020 no openid"),
    pytest.param(without(scope="OpenID"), "invalid_request", id="A020 another case"),
    pytest.param(without(scope="openid pay"), "invalid_scope", id="A021 of no audience"),
    pytest.param(without(scope="openid  email"), "invalid_scope", id="A021 two spaces"),
    pytest.param(without(scope="openid\temail"), "invalid_request", id="A020 a tab"),
    pytest.param(without("binding_message"), "invalid_request", id="A036, B003 no message"),
    pytest.param(without(binding_message="x" * 65), "invalid_binding_message", id="A035 long"),
    pytest.param(without(audience="https://x/"), "access_denied", id="unknown audience"),
    pytest.param(without(resource="https://x/"), "invalid_target", id="RFC 8707 2"),
    pytest.param(
        without(audience="https://x/", resource="https://y/"), "invalid_target", id="two targets"
    ),
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
    pytest.param(without(authorization_details="{}"), "invalid_authorization_details", id="D041"),
    pytest.param(without(request_context="[]"), "invalid_request", id="A047"),
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


NOTIFIED = a_client(
    backchannel_token_delivery_mode="ping",
    backchannel_client_notification_endpoint="https://bank.example/notified",
)


@pytest.mark.parametrize("token", ["t", "x" * 1_024, "az09-._~+/==", "AbCdEf0123456789012345"])
def test_a_client_that_is_called_back_says_what_it_will_know_the_call_by(token: str) -> None:
    """A024: 1024 characters are taken; A025: how strong it is is the client's."""
    assert accepted(without(client_notification_token=token), NOTIFIED)


@pytest.mark.parametrize("token", [None, "x" * 1_025, "a b", "=", "a=b", "\u00e9", 'a"'])
def test_a_notification_token_that_is_no_bearer_token_is_refused(token: str | None) -> None:
    """A023, A024."""
    sent = {} if token is None else {"client_notification_token": token}
    refusal = refused(without(**sent), NOTIFIED)

    assert refusal.error == "invalid_request"
    assert "client_notification_token" in refusal.description
    assert_says_nothing(refusal)


@pytest.mark.parametrize(
    ("asked", "attained"), [("", "a"), ("b", "b"), ("c b a", "b"), ("a b", "a"), ("c d", "a")]
)
def test_the_first_acr_asked_for_that_is_attained_is_promised(asked: str, attained: str) -> None:
    """A044, A045: else the best there is."""
    assert acr(asked, "a b") == attained


@pytest.mark.parametrize("hint", ["login_hint_token", "id_token_hint"])
def test_each_hint_will_do_alone(hint: str) -> None:
    """A027: what it says is looked at last."""
    assert accepted(without("login_hint", **{hint: "eyJ"})).user_id == ""


def test_a_resource_is_an_audience_by_another_name() -> None:
    """RFC 8707 2; both may be sent if they agree."""
    for names in (("audience",), ("resource",), ("audience", "resource")):
        asked = without(**dict.fromkeys(names, API.identifier))
        assert accepted(asked, resource_server=API).audience == API.identifier


OFFLINE = without(scope="openid offline_access")


@pytest.mark.parametrize(
    ("parameters", "grant_types", "allowed", "refreshable"),
    [
        (OFFLINE, [CIBA_GRANT, "refresh_token"], None, True),
        (OFFLINE, [CIBA_GRANT, "refresh_token"], True, True),
        (OFFLINE, [CIBA_GRANT, "refresh_token"], False, False),
        (OFFLINE, [CIBA_GRANT], True, False),
        (GOOD, [CIBA_GRANT, "refresh_token"], True, False),
    ],
)
def test_a_refresh_token_is_asked_for_registered_and_allowed(
    parameters: dict[str, str], grant_types: list[str], allowed: bool | None, refreshable: bool
) -> None:
    """D086; `allowed` is the resource server's word, None when none is named."""
    client = a_client(grant_types=grant_types)
    api = (
        None
        if allowed is None
        else ResourceServer(id="rs2", identifier="https://x/", allow_offline_access=allowed)
    )
    asked = parameters if api is None else parameters | {"audience": "https://x/"}

    assert accepted(asked, client, api).refreshable is refreshable


def test_the_context_of_a_request_is_kept_with_it() -> None:
    """A047, B008."""
    context = {"location": {"country": "JP"}}

    assert accepted(without(request_context=json.dumps(context))).request_context == context


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


@pytest.mark.parametrize(
    "client",
    [
        a_client(grant_types=["client_credentials"]),
        a_client(grant_types=[]),
        a_client(token_endpoint_auth_method="none"),
        a_client(token_endpoint_auth_method="none", backchannel_token_delivery_mode="push"),
    ],
)
def test_a_client_that_may_not_start_is_forbidden(client: Client) -> None:
    """A009, B001; 403 as Auth0 answers it (auth0-wire 1.2)."""
    with pytest.raises(OAuthError) as caught:
        check_client_may_start_ciba(client)

    assert (caught.value.status, caught.value.error) == (403, "unauthorized_client")
    assert_says_nothing(caught.value)


def test_a_client_that_is_pushed_its_tokens_needs_no_grant() -> None:
    """A177."""
    check_client_may_start_ciba(a_client(grant_types=[], backchannel_token_delivery_mode="push"))


def test_a_client_that_does_not_fit_its_profile_may_not_start() -> None:
    """B002 at run time: a record may be older than a rule."""
    with pytest.raises(UnauthorizedClient):
        check_client_may_start_ciba(a_client(profile="fapi-ciba"))


def test_an_unknown_audience_is_forbidden_before_anybody_is_asked() -> None:
    """A105."""
    assert refused(without(audience="https://other.example/")).status == 403


def test_unknown_parameters_are_ignored() -> None:
    """A011; a notification token and user code of a poll client with them (A026, A040)."""
    more = {"acr_values": "x", "client_notification_token": " ", "user_code": "1", "zzz": "y"}

    assert accepted(GOOD | more) == accepted(GOOD)


# A048: each breaks one rule; of two broken ones, the first in this order is told.
ORDER: list[tuple[str, dict[str, str | None]]] = [
    ("Exactly one of", {"id_token_hint": "eyJ"}),
    ("openid scope", {"scope": "email unknown"}),
    ("binding_message is missing", {"binding_message": None}),
    ("not authorized to access", {"audience": "https://other.example/"}),
    ("requested_expiry", {"requested_expiry": "0"}),
    ("requested scope is unknown", {"scope": "openid unknown"}),
    ("binding_message has", {"binding_message": "\n"}),
    ("authorization_details", {"authorization_details": "{}"}),
    ("request_context", {"request_context": "[]"}),
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


NAMES = [
    "scope",
    "binding_message",
    "login_hint",
    "login_hint_token",
    "id_token_hint",
    "audience",
    "resource",
    "acr_values",
    "request_context",
    "requested_expiry",
    "request_expiry",
    "authorization_details",
]
HOSTILE = st.one_of(
    st.text(min_size=1),
    st.sampled_from(["openid", "9" * 5_000, "[" * 20_000, HINT]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    ).map(json.dumps),
)


@given(st.dictionaries(st.sampled_from(NAMES), HOSTILE), st.booleans())
@example(sent={"authorization_details": '[{"type":[]}]'}, completed=True)
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
