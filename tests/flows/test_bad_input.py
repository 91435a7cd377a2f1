"""Bad input of every kind gets the specified 4xx, never a 500, and stores nothing."""

import json

import httpx2
import pytest

from scripts.simulated_phone import PhoneError
from tests.support.nod import CIBA, Nod, OAuthClient

FORM = "application/x-www-form-urlencoded"
# Characters an error may not hold (A101).
FORBIDDEN = set('"\\')


@pytest.fixture(scope="module")
def client(nod: Nod) -> OAuthClient:
    return nod.new_client()


@pytest.fixture(scope="module")
def user_id(nod: Nod) -> str:
    user_id = nod.new_user()
    nod.new_phone(user_id)
    return user_id


def check_error(answer: httpx2.Response, status: int, error: str) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    description = answer.json()["error_description"]
    assert description.isascii()
    assert description.isprintable()
    assert not FORBIDDEN & set(description)
    assert set(answer.json()) == {"error", "error_description"}
    assert answer.headers["content-type"] == "application/json"


PARAMETERS: dict[str, tuple[dict[str, str | None], int, str]] = {
    "no scope": ({"scope": None}, 400, "invalid_request"),
    "scope without openid": ({"scope": "profile"}, 400, "invalid_request"),
    "unknown scope": ({"scope": "openid fly"}, 400, "invalid_scope"),
    "scope with two spaces": ({"scope": "openid  profile"}, 400, "invalid_scope"),
    "no binding_message": ({"binding_message": None}, 400, "invalid_request"),
    "empty binding_message": ({"binding_message": ""}, 400, "invalid_request"),
    "binding_message of 65": ({"binding_message": "a" * 65}, 400, "invalid_binding_message"),
    "binding_message of 16 KiB": (
        {"binding_message": "a" * 20_000},
        400,
        "invalid_binding_message",
    ),
    "binding_message with $": ({"binding_message": "Pay $10"}, 400, "invalid_binding_message"),
    "binding_message with a tab": ({"binding_message": "a\tb"}, 400, "invalid_binding_message"),
    "binding_message bidi": ({"binding_message": "a\u202eb"}, 400, "invalid_binding_message"),
    "binding_message accented": ({"binding_message": "caf\u00e9"}, 400, "invalid_binding_message"),
    "no hint": ({"login_hint": None}, 400, "invalid_request"),
    "two hints": ({"id_token_hint": "x"}, 400, "invalid_request"),
    "only an id_token_hint": ({"login_hint": None, "id_token_hint": "x"}, 400, "invalid_request"),
    "hint that is no JSON": ({"login_hint": "auth0|u1"}, 400, "unknown_user_id"),
    "deep hint": ({"login_hint": "[" * 10_000}, 400, "unknown_user_id"),
    "hint of another issuer": (
        {"login_hint": '{"format":"iss_sub","iss":"https://other/","sub":"x"}'},
        400,
        "unknown_user_id",
    ),
    "hint with a number": (
        {"login_hint": '{"format":"iss_sub","iss":1,"sub":2}'},
        400,
        "unknown_user_id",
    ),
    "expiry of nothing": ({"requested_expiry": "0"}, 400, "invalid_request"),
    "expiry of 301": ({"requested_expiry": "301"}, 400, "invalid_request"),
    "negative expiry": ({"requested_expiry": "-1"}, 400, "invalid_request"),
    "half an expiry": ({"requested_expiry": "1.5"}, 400, "invalid_request"),
    "expiry in words": ({"requested_expiry": "five"}, 400, "invalid_request"),
    "expiry in Arabic digits": ({"requested_expiry": "٣٠"}, 400, "invalid_request"),
    "old expiry of 301": ({"request_expiry": "301"}, 400, "invalid_request"),
    "request object": ({"request": "x.y.z"}, 400, "invalid_request"),
    "request_uri": ({"request_uri": "https://x/"}, 400, "invalid_request"),
    "details": ({"authorization_details": "{}"}, 400, "invalid_authorization_details"),
    "deep details": (
        {"authorization_details": "[" * 5_000},
        400,
        "invalid_authorization_details",
    ),
    "deep context": ({"request_context": "[" * 2_000}, 400, "invalid_request"),
    "a context that is no object": ({"request_context": "5"}, 400, "invalid_request"),
    "only a login_hint_token": (
        {"login_hint": None, "login_hint_token": "x.y.z"},
        400,
        "invalid_request",
    ),
    "unknown resource": ({"resource": "https://nowhere/"}, 400, "invalid_target"),
    "unknown audience": ({"audience": "https://nowhere/"}, 403, "access_denied"),
}


@pytest.mark.parametrize("case", PARAMETERS.values(), ids=PARAMETERS)
def test_a_bad_parameter_has_its_error(
    nod: Nod, client: OAuthClient, user_id: str, case: tuple[dict[str, str | None], int, str]
) -> None:
    """A020-A049, auth0-wire 1.1 and 1.2."""
    changed, status, error = case
    form = {
        "scope": "openid",
        "binding_message": "x",
        "login_hint": nod.login_hint(user_id),
        **changed,
    }
    sent = {name: value for name, value in form.items() if value is not None}

    check_error(nod.http.post("bc-authorize", data=sent, auth=client.basic), status, error)


BODIES = {
    "repeated": b"scope=openid&scope=openid",
    "not UTF-8": b"scope=%ff",
    "NUL": b"scope=%00",
    "broken escape": b"scope=%zz",
    "not ASCII": "scope=é".encode(),
    "too many": b"&".join(b"p%d=1" % number for number in range(60)),
}


@pytest.mark.parametrize(
    "path", ["bc-authorize", "oauth/token", "oauth/revoke", "oauth/introspect"]
)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_malformed_form_is_an_invalid_request(
    nod: Nod, client: OAuthClient, path: str, body: bytes
) -> None:
    """A001, A010."""
    answer = nod.http.post(path, content=body, headers={"content-type": FORM}, auth=client.basic)

    check_error(answer, 400, "invalid_request")


@pytest.mark.parametrize("path", ["bc-authorize", "oauth/token", "appliance-mfa/api/enroll"])
@pytest.mark.parametrize("size", [100_000, 16 * 2**20])
def test_a_body_too_large_is_refused_unread(nod: Nod, path: str, size: int) -> None:
    """16 MiB costs its sender a 413 and us nothing (T32)."""
    answer = nod.http.post(path, content=b"a" * size, headers={"content-type": FORM})

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/json"


def test_a_header_too_large_is_refused(nod: Nod) -> None:
    answer = httpx2.get(f"{nod.url}healthz", headers={"x-large": "a" * 100_000})

    assert answer.status_code == 431


AUTHORIZATIONS = [
    "Basic",
    "Basic  eA==",
    "Basic !!!",
    "Basic /w==",
    "Basic eA==",
    "Bearer",
    "Bearer  x",
    "Bearer x.y.z",
    "Digest x",
    "x" * 9_000,
    "Basic " + "A" * 9_000,
    'Ticket id=""',
    'Ticket id="x"',
    "MFA-DPoP",
    "MFA-DPoP x.y.z",
]
ENDPOINTS = [
    ("POST", "bc-authorize"),
    ("POST", "oauth/token"),
    ("POST", "oauth/revoke"),
    ("POST", "oauth/introspect"),
    ("GET", "userinfo"),
    ("POST", "userinfo"),
    ("POST", "appliance-mfa/api/enroll"),
    ("POST", "appliance-mfa/api/resolve-transaction"),
    ("GET", "rich-consents"),
    ("GET", "rich-consents/x"),
    ("PATCH", "appliance-mfa/api/device-accounts/x"),
    ("DELETE", "appliance-mfa/api/device-accounts/x"),
    ("GET", "api/v2/clients"),
    ("POST", "api/v2/users"),
    ("DELETE", "api/v2/users/x"),
]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize("authorization", AUTHORIZATIONS)
def test_no_authorization_header_is_a_500(
    nod: Nod, method: str, path: str, authorization: str
) -> None:
    """Malformed credentials of every scheme at every door: refused, in JSON."""
    body = {} if method == "GET" else {"content": b"{}"}
    answer = nod.http.request(
        method,
        path,
        headers={"authorization": authorization, "content-type": "application/json"},
        **body,  # type: ignore[arg-type]
    )

    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/json"


TOKEN_BODIES: dict[str, tuple[dict[str, str], int, str | None]] = {
    "no grant_type": ({}, 400, "invalid_request"),
    "unknown grant_type": ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    "no auth_req_id": ({"grant_type": CIBA}, 400, "invalid_request"),
    "unknown auth_req_id": ({"grant_type": CIBA, "auth_req_id": "0" * 46}, 400, "invalid_grant"),
    "strange auth_req_id": ({"grant_type": CIBA, "auth_req_id": "*}:\n"}, 400, None),
    "long auth_req_id": ({"grant_type": CIBA, "auth_req_id": "a" * 10_000}, 400, "invalid_grant"),
    "partition out of range": (
        {"grant_type": CIBA, "auth_req_id": "fff" + "0" * 43},
        400,
        "invalid_grant",
    ),
}


@pytest.mark.parametrize(("form", "status", "error"), TOKEN_BODIES.values(), ids=TOKEN_BODIES)
def test_a_bad_token_request_has_its_error(
    nod: Nod, client: OAuthClient, form: dict[str, str], status: int, error: str | None
) -> None:
    """A110, A111, A132."""
    answer = nod.http.post("oauth/token", data=form, auth=client.basic)

    check_error(answer, status, error or answer.json()["error"])


JSON_BODIES = {
    "empty": b"",
    "not JSON": b"{",
    "an array": b"[]",
    "a number": b'{"grant_type": 1}',
    "a list": b'{"grant_type": ["x"]}',
    "deep": b"[" * 20_000,
    "deep and closed": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "repeated": b'{"grant_type":"x","grant_type":"y"}',
    "NaN": b'{"a":NaN}',
    "surrogate": b'{"a":"\\ud800"}',
    "not UTF-8": b'{"a":"\xff"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a huge number": b'{"a":' + b"9" * 5_000 + b"}",
}


@pytest.mark.parametrize("body", JSON_BODIES.values(), ids=JSON_BODIES)
def test_malformed_json_is_an_invalid_request(nod: Nod, client: OAuthClient, body: bytes) -> None:
    """U4: at the token endpoint, the device API and the management API alike."""
    header = {"content-type": "application/json"}
    token = nod.http.post("oauth/token", content=body, headers=header, auth=client.basic)
    ticket = {"authorization": f'Ticket id="{nod.new_ticket(nod.new_user())}"'}
    enrol = nod.http.post("appliance-mfa/api/enroll", content=body, headers=header | ticket)
    bearer = {"authorization": f"Bearer {nod.client_token(BOOTSTRAP_CLIENT)['access_token']}"}
    user = nod.http.post("api/v2/users", content=body, headers=header | bearer)

    assert token.status_code in {400, 401}
    assert (enrol.status_code, enrol.json()["errorCode"]) == (400, "invalid_body")
    assert (user.status_code, user.json()["errorCode"]) == (400, "invalid_body")


BOOTSTRAP_CLIENT = OAuthClient("bootstrap-client", "bootstrap-secret-of-the-tests")

ENROLMENTS: dict[str, dict[str, object]] = {
    "no key": {"public_key": None},
    "a private key": {"public_key": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "A"}},
    "a short key": {"public_key": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}},
    "a point off the curve": {"public_key": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}},
    "no push address": {"push_credentials": None},
    "an unknown service": {"push_credentials": {"service": "PIGEON", "token": "x"}},
    "a token that is a number": {"push_credentials": {"service": "GCM", "token": 1}},
    "a token with a slash": {"push_credentials": {"service": "APNS", "token": "../x"}},
    "a token of 5000": {"push_credentials": {"service": "GCM", "token": "x" * 5_000}},
    "a name that is a list": {"name": ["x"]},
    "a name of 256": {"name": "x" * 256},
    "a name with a line": {"name": "a\nb"},
    "no identifier": {"identifier": None},
}


@pytest.mark.parametrize("changed", ENROLMENTS.values(), ids=ENROLMENTS)
def test_a_bad_enrolment_leaves_the_ticket_unused(nod: Nod, changed: dict[str, object]) -> None:
    """400 invalid_body, and the phone may try again with the same ticket."""
    ticket = nod.new_ticket(nod.new_user())
    phone = nod.new_phone(nod.new_user())
    body: dict[str, object] = {
        "identifier": "x",
        "name": "x",
        "public_key": phone.public_jwk(),
        "push_credentials": {"service": "GCM", "token": "x"},
    }
    headers = {"authorization": f'Ticket id="{ticket}"'}
    bad = nod.http.post("appliance-mfa/api/enroll", json=body | changed, headers=headers)
    good = nod.http.post("appliance-mfa/api/enroll", json=body, headers=headers)
    again = nod.http.post("appliance-mfa/api/enroll", json=body, headers=headers)

    assert (bad.status_code, bad.json()["errorCode"]) == (400, "invalid_body")
    assert good.status_code == 201
    assert (again.status_code, again.json()["errorCode"]) == (409, "enrollment_conflict")


ANSWERS: dict[str, dict[str, object]] = {
    "unsigned": {"challenge_response": "eyJhbGciOiJub25lIn0.e30."},
    "no text": {"challenge_response": 1},
    "missing": {},
    "long": {"challenge_response": "a" * 20_000},
}


@pytest.mark.parametrize("body", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_is_not_signed_is_none(
    nod: Nod, client: OAuthClient, body: dict[str, object]
) -> None:
    """W 2.8: 401 invalid_token, and the request stays as it was."""
    user_id = nod.new_user()
    phone = nod.new_phone(user_id)
    auth_req_id = nod.accepted(client, user_id)
    notification = nod.notified(phone)
    answer = nod.http.post(
        "appliance-mfa/api/resolve-transaction",
        json=body,
        headers={"authorization": f"Bearer {notification.txtkn}"},
    )

    assert (answer.status_code, answer.json()["errorCode"]) == (401, "invalid_token")
    assert nod.poll(client, auth_req_id).json()["error"] == "authorization_pending"


def test_a_request_that_is_refused_is_not_pushed_and_not_stored(
    nod: Nod, client: OAuthClient
) -> None:
    user_id = nod.new_user()
    phone = nod.new_phone(user_id)
    for changed, _, _ in PARAMETERS.values():
        parameters = {name: value for name, value in changed.items() if value is not None}
        if "login_hint" not in parameters and parameters:
            assert nod.start_request(client, user_id, **parameters).status_code in {400, 403}

    assert phone.pending() == []
    assert nod.pushes(phone, wait=0) == []


def test_an_unknown_path_is_a_404_in_json(nod: Nod) -> None:
    answer = nod.http.get("nothing/here")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"


def test_nothing_of_this_was_a_500(nod: Nod) -> None:
    """The log of the whole session holds no unexpected error (I8)."""
    events = [json.loads(line) for line in (nod.directory / "api.log").read_text().splitlines()]

    assert [event for event in events if event["event"] == "unexpected"] == []


def test_errors_to_phones_are_in_guardians_shape(nod: Nod) -> None:
    """W 2.8: iOS needs errorCode and description, Android errorCode and error."""
    with pytest.raises(PhoneError) as refused:
        nod.new_phone(nod.new_user()).enroll("00a" + "x" * 29)

    assert refused.value.error_code == "enrollment_transaction_not_found"
