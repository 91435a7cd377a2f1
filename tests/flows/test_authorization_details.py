"""What exactly is asked, and of whom tokens are for: RAR, resource and request_context."""

import json
from typing import Any, NamedTuple

import httpx2
import jwt
import pytest

from consent import policy
from scripts.guardian_messages import Notification
from scripts.simulated_phone import SimulatedPhone
from tests.support.nod import CIBA, Nod, OAuthClient
from tests.support.refusals import Refused, refusal_of
from tests.support.signing_client import SigningClient

PAYMENT: dict[str, object] = {
    "type": "payment",
    "amount": {"value": 25.5, "currency": "EUR"},
    "to": ["K\u00f6ln", 5, True, None],
}
ACCOUNT: dict[str, object] = {"type": "account", "actions": ["read"]}


class Bank(NamedTuple):
    """An API with two types, a client of it, and a person with a phone."""

    nod: Nod
    api: str
    client: OAuthClient
    user_id: str
    phone: SimulatedPhone

    def ask(self, client: OAuthClient | None = None, /, **parameters: str) -> httpx2.Response:
        form = {"audience": self.api} | parameters
        asked = {name: value for name, value in form.items() if value != "-"}
        return self.nod.start_request(client or self.client, self.user_id, **asked)

    def ask_for(self, details: object, **parameters: str) -> httpx2.Response:
        text = details if isinstance(details, str) else json.dumps(details)
        return self.ask(authorization_details=text, **parameters)

    def asked(self) -> Notification:
        [notification] = self.phone.pending()
        return notification

    def shown(self, answer: httpx2.Response) -> list[dict[str, Any]]:
        """What the phone shows of an accepted request, which is over then."""
        assert answer.status_code == 200, answer.text
        notification = self.asked()
        consent = self.phone.fetch(notification.txlnkid, notification.txtkn)
        self.phone.resolve(notification, accept=True)
        assert consent is not None
        return consent.requested_details.authorization_details

    def redeemed(self, answer: httpx2.Response, **more: str) -> dict[str, Any]:
        """The tokens of a request that the person approves."""
        assert answer.status_code == 200, answer.text
        self.phone.resolve(self.asked(), accept=True)
        form = {"grant_type": CIBA, "auth_req_id": answer.json()["auth_req_id"], **more}
        return self._tokens(form)

    def refresh(self, refresh_token: str, **more: str) -> httpx2.Response:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **more}
        return self.nod.http.post("oauth/token", data=form, auth=self.client.basic)

    def refreshed(self, refresh_token: str, **more: str) -> dict[str, Any]:
        answer = self.refresh(refresh_token, **more)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def introspected(self, token: str, client: OAuthClient | None = None) -> dict[str, Any]:
        auth = (client or self.client).basic
        answer = self.nod.http.post("oauth/introspect", data={"token": token}, auth=auth)
        assert answer.status_code == 200
        return dict(answer.json())

    def _tokens(self, form: dict[str, str]) -> dict[str, Any]:
        answer = self.nod.http.post("oauth/token", data=form, auth=self.client.basic)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture(scope="module")
def bank(equipped_nod: Nod) -> Bank:
    api = "https://api.bank.example/"
    answer = equipped_nod.admin(
        "POST",
        "resource-servers",
        {
            "identifier": api,
            "scopes": [{"value": "pay"}],
            "authorization_details": [{"type": "payment"}, {"type": "account"}],
            "allow_offline_access": True,
        },
    )
    assert answer.status_code == 201, answer.text
    client = equipped_nod.new_client(grant_types=[CIBA, "refresh_token"])
    user_id = equipped_nod.new_user()
    return Bank(equipped_nod, api, client, user_id, equipped_nod.new_phone(user_id))


def claims_of(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def refused_for(reason: str) -> Refused:
    return 400, "invalid_authorization_details", f"authorization_details: {reason}"


# Shown, echoed, never widened


def test_what_is_asked_is_shown_and_echoed(bank: Bank) -> None:
    """D040, D042: on the phone, with the tokens, in the access token, by introspection; D013."""
    details = [PAYMENT, ACCOUNT, PAYMENT]
    answer = bank.ask_for(details, scope="openid pay offline_access")
    notification = bank.asked()
    consent = bank.phone.fetch(notification.txlnkid, notification.txtkn)
    tokens = bank.redeemed(answer)
    api_client = bank.nod.new_client(resource_server_identifier=bank.api)
    stranger = bank.nod.new_client()

    assert consent is not None
    assert consent.requested_details.authorization_details == details
    assert consent.requested_details.scope == ["openid", "pay", "offline_access"]
    assert tokens["authorization_details"] == details
    access_token = claims_of(tokens["access_token"])
    assert access_token["authorization_details"] == details
    assert access_token["aud"] == bank.api
    assert "authorization_details" not in claims_of(tokens["id_token"])
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert bank.introspected(token)["authorization_details"] == details
        assert bank.introspected(token, stranger) == {"active": False}
    shown = bank.introspected(tokens["access_token"], api_client)
    assert shown["authorization_details"] == details


def test_nothing_of_it_is_pushed_or_logged(bank: Bank) -> None:
    """T10: a push is a doorbell."""
    user_id = bank.nod.new_user()
    phone = bank.nod.new_phone(user_id)
    bank.nod.accepted(
        bank.client,
        user_id,
        audience=bank.api,
        authorization_details=json.dumps([{"type": "payment", "to": "details-kanari11"}]),
        request_context='{"place":"context-kanari11"}',
    )
    [push] = bank.nod.pushes(phone)

    assert "kanari11" not in json.dumps(push)
    assert "kanari11" not in bank.nod.logs()


@pytest.mark.parametrize("as_text", [False, True], ids=["an array", "a text"])
def test_a_request_object_asks_for_details_too(bank: Bank, as_text: bool) -> None:
    """D040, A064: as an array, or as the text a form would hold."""
    client = SigningClient(bank.nod)
    details = [PAYMENT]
    answer = client.ask(
        login_hint=bank.user_id,
        audience=bank.api,
        authorization_details=json.dumps(details) if as_text else details,
    )

    assert bank.shown(answer) == details


def test_what_was_not_asked_for_is_not_echoed(bank: Bank) -> None:
    tokens = bank.redeemed(bank.ask())

    assert "authorization_details" not in tokens
    assert "authorization_details" not in claims_of(tokens["access_token"])
    assert "authorization_details" not in bank.introspected(tokens["access_token"])


def test_a_redemption_is_for_what_was_approved(bank: Bank) -> None:
    """D043: whatever else is asked for with it."""
    more = json.dumps([PAYMENT, ACCOUNT])
    tokens = bank.redeemed(bank.ask_for([ACCOUNT]), authorization_details=more, scope="openid pay")

    assert tokens["authorization_details"] == [ACCOUNT]
    assert tokens["scope"] == "openid"


def test_a_refreshed_token_is_for_no_more_than_was_approved(bank: Bank) -> None:
    """D043, D083, T40: for less when less is asked for, and for all of it the next time."""
    details = [PAYMENT, ACCOUNT]
    tokens = bank.redeemed(bank.ask_for(details, scope="openid offline_access"))
    refresh_token = tokens["refresh_token"]
    wider: dict[str, tuple[object, str]] = {
        "a larger sum": (
            [PAYMENT | {"amount": {"value": 99, "currency": "EUR"}}],
            "authorization_details exceed what was granted",
        ),
        "once more": ([ACCOUNT, ACCOUNT], "authorization_details exceed what was granted"),
        "one more action": (
            [ACCOUNT | {"actions": ["read", "write"]}],
            "authorization_details exceed what was granted",
        ),
        "a member less": ([{"type": "account"}], "authorization_details exceed what was granted"),
        "another type": ([{"type": "admin"}], "authorization_details exceed what was granted"),
        "no JSON": ("{", "authorization_details: not JSON"),
        "no array": (PAYMENT, "authorization_details: not a JSON array"),
        "deep": ("[" * 5_000, "authorization_details: nested too deeply"),
    }
    for asked, description in wider.values():
        text = asked if isinstance(asked, str) else json.dumps(asked)
        answer = bank.refresh(refresh_token, authorization_details=text)
        assert refusal_of(answer, text) == (400, "invalid_authorization_details", description)
    fewer = bank.refreshed(refresh_token, authorization_details=json.dumps([ACCOUNT]))
    again = bank.refreshed(fewer.get("refresh_token", refresh_token))

    assert fewer["authorization_details"] == [ACCOUNT]
    assert claims_of(fewer["access_token"])["authorization_details"] == [ACCOUNT]
    assert again["authorization_details"] == details
    assert claims_of(again["access_token"])["authorization_details"] == details


# Limits


def deep(levels: int) -> dict[str, object]:
    """An entry of so many levels of objects."""
    inner: dict[str, object] = {}
    for _ in range(levels - 2):
        inner = {"in": inner}
    return {"type": "payment", "in": inner}


def wide(properties: int) -> dict[str, object]:
    return {"type": "payment"} | {f"p{number}": number for number in range(1, properties)}


def long(octets: int) -> str:
    """JSON of so many octets, within every other limit."""
    filler = [{"type": "payment"} | {f"p{n}": ["x" * 250] * 4 for n in range(3)}, ACCOUNT]
    text = json.dumps(filler)
    return text + " " * (octets - len(text))


WITHIN: dict[str, object] = {
    "an entry of each type": [PAYMENT, ACCOUNT],
    "5 entries": [ACCOUNT] * 5,
    "10 properties": [wide(10)],
    "5 levels": [deep(5)],
    "a name of 255": [{"type": "payment", "n" * 255: 1}],
    "a value of 255": [{"type": "payment", "v": "\u00fc" * 255}],
    "every character of names": [{"type": "payment", "azAZ09_.-": 1}],
    "no entry": [],
}


@pytest.mark.parametrize("details", WITHIN.values(), ids=WITHIN)
def test_what_is_within_the_limits_is_shown_as_it_was_sent(bank: Bank, details: object) -> None:
    """W 1.6, A037."""
    assert bank.shown(bank.ask_for(details)) == details


def test_details_have_5_kb(bank: Bank) -> None:
    """W 1.6."""
    within = bank.ask_for(long(policy.AUTHORIZATION_DETAILS_BYTES_MAX))
    beyond = bank.ask_for(long(policy.AUTHORIZATION_DETAILS_BYTES_MAX + 1))

    assert len(bank.shown(within)) == 2
    assert refusal_of(beyond) == refused_for("longer than 5 KB")


BEYOND: dict[str, tuple[object, str]] = {
    "6 entries": ([ACCOUNT] * 6, "more than 5 entries"),
    "11 properties": ([wide(11)], "an object has more than 10 properties"),
    "11 properties within": (
        [{"type": "payment", "in": wide(11)}],
        "an object has more than 10 properties",
    ),
    "6 levels": ([deep(6)], "nested more than 5 levels deep"),
    "6 levels of lists": (
        [{"type": "payment", "in": [[[[[]]]]]}],
        "nested more than 5 levels deep",
    ),
    "a name of 256": ([{"type": "payment", "n" * 256: 1}], "a name is longer than 255 characters"),
    "a value of 256": (
        [{"type": "payment", "v": "v" * 256}],
        "a value is longer than 255 characters",
    ),
    "a name with a space": (
        [{"type": "payment", "a b": 1}],
        "a name has a character that is not allowed",
    ),
    "a name with an umlaut": (
        [{"type": "payment", "\u00fc": 1}],
        "a name has a character that is not allowed",
    ),
    "an empty name": ([{"type": "payment", "": 1}], "a name has a character that is not allowed"),
    "T36 a line break": (
        [{"type": "payment", "v": "a\nb"}],
        "a value has a character that cannot be shown",
    ),
    "T36 bidi": (
        [{"type": "payment", "v": "a\u202eb"}],
        "a value has a character that cannot be shown",
    ),
    "no type": ([{"amount": 1}], "an entry has no type that is a string"),
    "a type that is a list": ([{"type": ["payment"]}], "an entry has no type that is a string"),
    "an entry that is a text": (["payment"], "an entry is not an object"),
    "an object": (PAYMENT, "not a JSON array"),
    "a number": (1, "not a JSON array"),
    "D041 an unknown type": ([{"type": "admin"}], "a type is not registered by the API"),
    "D041 a type in other letters": ([{"type": "Payment"}], "a type is not registered by the API"),
    "D041 one of two": ([ACCOUNT, {"type": "admin"}], "a type is not registered by the API"),
    "not JSON": ("payment", "not JSON"),
    "deep": ("[" * 5_000, "nested too deeply"),
    "repeated": ('[{"type":"payment","type":"payment"}]', "a member is repeated"),
    "NaN": ('[{"type":"payment","v":NaN}]', "a number is out of range"),
    "a huge integer": (f'[{{"type":"payment","v":{"9" * 4_000}}}]', "a number is out of range"),
    "half a surrogate pair": ('[{"type":"payment","v":"\\ud800"}]', "has an unpaired surrogate"),
    "NUL": ('[{"type":"payment","v":"\\u0000"}]', "has a NUL"),
}


@pytest.mark.parametrize("case", BEYOND.values(), ids=BEYOND)
def test_what_is_beyond_them_is_refused(bank: Bank, case: tuple[object, str]) -> None:
    """D041, W 1.6, T14."""
    details, reason = case

    assert refusal_of(bank.ask_for(details)) == refused_for(reason)
    assert bank.phone.pending() == []


def test_the_same_limits_hold_for_a_request_object(bank: Bank) -> None:
    """A064, D041."""
    client = SigningClient(bank.nod)
    for name in ("6 entries", "6 levels", "T36 a line break", "D041 an unknown type", "a number"):
        details, reason = BEYOND[name]
        answer = client.ask(
            login_hint=bank.user_id, audience=bank.api, authorization_details=details
        )
        assert refusal_of(answer) == refused_for(reason)


def test_a_type_is_its_apis(bank: Bank) -> None:
    """D041: without an API there is none, and another API has others."""
    other = f"{bank.api}other"
    bank.nod.admin("POST", "resource-servers", {"identifier": other})
    for audience in ("-", other):
        answer = bank.ask_for([ACCOUNT], audience=audience)

        assert refusal_of(answer) == refused_for("a type is not registered by the API")


def test_a_client_may_be_held_to_some_types(bank: Bank) -> None:
    """D044."""
    held = bank.nod.new_client(authorization_details_types=["account"])
    none = bank.nod.new_client(authorization_details_types=[])
    account, payment = json.dumps([ACCOUNT]), json.dumps([PAYMENT])

    assert bank.shown(bank.ask(held, authorization_details=account)) == [ACCOUNT]
    for client, details in ((held, payment), (none, account)):
        answer = bank.ask(client, authorization_details=details)
        assert refusal_of(answer) == refused_for("a type may not be used by this client")


# resource (RFC 8707)


@pytest.mark.parametrize(
    "named", [{"resource": "API", "audience": "-"}, {"resource": "API"}, {"audience": "API"}]
)
def test_a_token_is_for_the_resource_that_is_named(bank: Bank, named: dict[str, str]) -> None:
    """D004: by Auth0's name, by RFC 8707's, or by both."""
    parameters = {name: bank.api if value == "API" else value for name, value in named.items()}
    tokens = bank.redeemed(bank.ask(scope="openid pay", **parameters))

    assert claims_of(tokens["access_token"])["aud"] == bank.api
    assert tokens["scope"] == "openid pay"


TARGETS: dict[str, tuple[dict[str, str], Refused]] = {
    "an unknown resource": (
        {"audience": "-", "resource": "https://nowhere.example/"},
        (400, "invalid_target", "The resource is unknown"),
    ),
    "no URI at all": (
        {"audience": "-", "resource": "nowhere"},
        (400, "invalid_target", "The resource is unknown"),
    ),
    "two of them": (
        {"resource": "https://nowhere.example/"},
        (400, "invalid_target", "audience and resource name different targets"),
    ),
    "an unknown audience": (
        {"audience": "https://nowhere.example/"},
        (
            403,
            "access_denied",
            (
                "Client is not authorized to access the requested audience. "
                "You need to create a client-grant associated to this API."
            ),
        ),
    ),
    "a scope of another API": (
        {"audience": "-", "scope": "openid pay"},
        (400, "invalid_scope", "A requested scope is unknown or not allowed"),
    ),
}


@pytest.mark.parametrize("case", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("signed", [False, True], ids=["in a form", "in a request object"])
def test_a_resource_that_cannot_be_is_refused(
    bank: Bank, case: tuple[dict[str, str], Refused], signed: bool
) -> None:
    """RFC 8707 2, W 1.2."""
    parameters, refused = case
    if signed:
        asked = {n: v for n, v in ({"audience": bank.api} | parameters).items() if v != "-"}
        answer = SigningClient(bank.nod).ask(login_hint=bank.user_id, **asked)
    else:
        answer = bank.ask(**parameters)

    assert refusal_of(answer, *parameters.values()) == refused
    assert bank.phone.pending() == []


def test_a_resource_is_named_once(bank: Bank) -> None:
    """A010: a token is for one API."""
    form = f"scope=openid&binding_message=x&login_hint=x&resource={bank.api}&resource={bank.api}"
    answer = bank.nod.http.post(
        "bc-authorize",
        content=form.encode(),
        headers={"content-type": "application/x-www-form-urlencoded"},
        auth=bank.client.basic,
    )

    assert refusal_of(answer) == (
        400,
        "invalid_request",
        "The form is malformed: a parameter is repeated",
    )


# request_context


@pytest.mark.parametrize("signed", [False, True], ids=["in a form", "in a request object"])
def test_a_context_may_be_given(bank: Bank, signed: bool) -> None:
    """A047, B008: 2 KB of whatever the client knows."""
    context = {"user_agent": "Mozilla", "place": {"city": "K\u00f6ln"}, "pad": "x" * 1_900}
    if signed:
        answer = SigningClient(bank.nod).ask(login_hint=bank.user_id, request_context=context)
    else:
        answer = bank.ask(request_context=json.dumps(context, ensure_ascii=False))

    assert bank.shown(answer) == []


CONTEXTS: dict[str, tuple[str, str]] = {
    "longer": ('{"a":"' + "x" * 2_050 + '"}', "request_context is longer than 2 KB"),
    "not JSON": ("x", "request_context: not JSON"),
    "a list": ("[1]", "request_context: not a JSON object"),
    "deep": ("[" * 2_000, "request_context: nested too deeply"),
    "repeated": ('{"a":1,"a":2}', "request_context: a member is repeated"),
    "NaN": ('{"a":NaN}', "request_context: a number is out of range"),
}


@pytest.mark.parametrize(("text", "description"), CONTEXTS.values(), ids=CONTEXTS)
def test_a_context_that_is_none_is_refused(bank: Bank, text: str, description: str) -> None:
    """A047: never a 500."""
    answer = bank.ask(request_context=text)

    assert refusal_of(answer, text if len(text) > 1 else "") == (
        400,
        "invalid_request",
        description,
    )
