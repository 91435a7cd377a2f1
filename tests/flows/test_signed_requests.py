"""Signed requests over HTTP (CIBA 7.1.1): which of them ask a person, and which ask nobody."""

import base64
import concurrent.futures
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from consent import policy
from scripts.simulated_phone import SimulatedPhone
from tests.support.forgery import hs256, part, unsigned
from tests.support.nod import Nod, OAuthClient
from tests.support.refusals import Refused, refusal_of
from tests.support.signing_client import (
    FAPI,
    KID,
    REQUEST_ALG,
    SigningClient,
    a_stranger,
    jws,
    key_of,
    public_jwk,
)

ALGORITHMS = ("ES256", "PS256")
HOUR = 3_600


class Asking(NamedTuple):
    """A client, and a person with a phone of whom nobody has asked anything that counts."""

    nod: Nod
    client: SigningClient
    user_id: str
    phone: SimulatedPhone

    def request(self, **changes: object) -> str:
        return self.client.request(**{"login_hint": self.user_id} | changes)

    def signed(self, header: dict[str, object] | None = None, **changes: object) -> str:
        """With a header that is changed as well."""
        claims = self.client.claims(**{"login_hint": self.user_id} | changes)
        return jws(self.client.header(**(header or {})), claims, self.client.key)

    def refused(self, request: str, **beside: str) -> Refused:
        return refusal_of(
            self.client.send(request, **beside), request, self.client.client_id, self.user_id
        )


@pytest.fixture(scope="module", params=ALGORITHMS)
def asking(nod: Nod, request: pytest.FixtureRequest) -> Iterator[Asking]:
    """Whose requests are all refused: in the end nobody was rung and nothing is pending."""
    user_id = nod.new_user()
    phone = nod.new_phone(user_id)
    yield Asking(nod, SigningClient(nod, request.param), user_id, phone)
    assert phone.pending() == []
    assert nod.pushes(phone, wait=0) == []


def invalid(description: str) -> Refused:
    """X02: never RFC 9101's own code."""
    return 400, "invalid_request", description


def accepted(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


# What is asked


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("profile", [{}, FAPI], ids=["standard", "fapi-ciba"])
def test_a_signed_request_is_shown_answered_and_redeemed(
    nod: Nod, alg: str, profile: dict[str, object]
) -> None:
    """A060, A065, A076: the whole way."""
    own_alg: dict[str, object] = {"jwt_configuration": {"alg": alg}}
    client = SigningClient(nod, alg, **profile, **own_alg)
    user_id = nod.new_user(name="Aiko")
    phone = nod.new_phone(user_id)
    answer = accepted(client.ask(login_hint=nod.login_hint(user_id), scope="openid profile"))
    notification = nod.notified(phone)
    consent = phone.fetch(notification.txlnkid, notification.txtkn)
    phone.resolve(notification, accept=True)
    tokens = accepted(client.poll(answer["auth_req_id"]))

    assert answer.keys() == {"auth_req_id", "expires_in", "interval"}
    assert consent is not None
    assert consent.requested_details.binding_message == "Pay 10"
    assert tokens["scope"] == "openid profile"
    assert tokens["token_type"] == ("DPoP" if profile else "Bearer")


NOW_ASKED: dict[str, dict[str, object]] = {
    "A063 expiry as a number": {"requested_expiry": 30},
    "A063 expiry as a text": {"requested_expiry": "30"},
    "the old name of the expiry": {"request_expiry": 30},
    "A047 claims": {"claims": {"id_token": {"acr": {"essential": False}}}, "requested_expiry": 30},
    "A064 a context": {"request_context": {"place": "K\u00f6ln"}, "requested_expiry": 30},
    "A067 aud is a list": {"aud": ["https://other.example/", "ISSUER"], "requested_expiry": 30},
    "A080 client_id": {"client_id": "CLIENT", "requested_expiry": 30},
    "A026 a notification token": {"client_notification_token": "a" * 1_024, "requested_expiry": 30},
    "A011 an unknown claim": {"txn": {"deep": [1, 2.5]}, "requested_expiry": 30},
    "A070 just expired": {"exp": -50, "requested_expiry": 30},
    "A070 for a day": {"exp": 86_000, "requested_expiry": 30},
    "A071 clocks differ": {"iat": 50, "nbf": 50, "requested_expiry": 30},
    "A072 old": {"nbf": -70 * 60, "requested_expiry": 30},
    "A070 to a fraction": {"exp": 60.5, "nbf": -0.5, "requested_expiry": 30},
}


@pytest.mark.parametrize("changes", NOW_ASKED.values(), ids=NOW_ASKED)
def test_a_request_in_order_is_accepted(nod: Nod, changes: dict[str, object]) -> None:
    client, user_id = SigningClient(nod), nod.new_user()
    nod.new_phone(user_id)
    words = {"ISSUER": nod.url, "CLIENT": client.client_id}
    filled = {name: _filled(value, words) for name, value in changes.items()}
    for name in ("iat", "nbf", "exp"):
        if name in changes:
            filled[name] = time.time() + changes[name]  # type: ignore[operator]
    answer = accepted(client.ask(login_hint=user_id, **filled))

    assert answer["expires_in"] == 30 or "requested_expiry" not in changes


def _filled(value: object, words: dict[str, str]) -> object:
    if isinstance(value, list):
        return [_filled(each, words) for each in value]
    return words.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "oauth-authz-req+jwt", "OautH-auThZ-REQ+jWt"])
@pytest.mark.parametrize("kid", [None, KID])
def test_a_type_is_read_in_any_case(nod: Nod, typ: str | None, kid: str | None) -> None:
    """A075, A078: neither of them must be there."""
    client, user_id = SigningClient(nod), nod.new_user()
    nod.new_phone(user_id)
    header = client.header(typ=typ, kid=kid)

    accepted(client.send(jws(header, client.claims(login_hint=user_id), client.key)))


@pytest.mark.parametrize(
    "method", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"]
)
def test_only_what_authenticates_the_client_may_be_beside_a_request(nod: Nod, method: str) -> None:
    """A061."""
    client = SigningClient(nod, token_endpoint_auth_method=method)
    user_id = nod.new_user()
    nod.new_phone(user_id)
    request = client.request(login_hint=user_id)
    if method == "client_secret_basic":
        basic = OAuthClient(client.client_id, client.client_secret).basic
        form = {"request": request, "client_id": client.client_id}
        answer = nod.http.post("bc-authorize", data=form, auth=basic)
    elif method == "client_secret_jwt":
        now = int(time.time())
        asserted = client.claims(sub=client.client_id, binding_message=None, exp=now + 60)
        assertion = hs256({"alg": "HS256"}, asserted, client.client_secret.encode())
        form = {
            "request": request,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        }
        answer = nod.http.post("bc-authorize", data=form)
    else:
        answer = client.send(request)

    accepted(answer)


def test_a_request_counts_once(nod: Nod) -> None:
    """A074: of 8 that arrive together one is accepted; later it is refused as before."""
    client, user_id = SigningClient(nod), nod.new_user()
    phone = nod.new_phone(user_id)
    request = client.request(login_hint=user_id)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.send(request), range(8)))

    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 7}
    used = invalid("request has been used before")
    assert refusal_of(client.send(request)) == used
    assert {refusal_of(answer) for answer in answers if answer.status_code == 400} == {used}
    assert len(phone.pending()) == 1


def test_a_jti_is_its_clients_own_and_another_thing_than_an_assertions(nod: Nod) -> None:
    """A074, D073."""
    user_id, jti = nod.new_user(), "the same for all"
    nod.new_phone(user_id)
    for _ in range(2):
        client = SigningClient(nod, token_endpoint_auth_method="private_key_jwt")
        form = {
            "request": client.request(login_hint=user_id, jti=jti),
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": client.assertion(jti=jti),
        }
        accepted(nod.http.post("bc-authorize", data=form))


# What is refused

CLAIMS: dict[str, tuple[dict[str, object], str]] = {
    "A062 a scope that is a list": ({"scope": ["openid"]}, "request: scope is not a text"),
    "A062 a scope that is a number": ({"scope": 1}, "request: scope is not a text"),
    "A062 a message that is a number": (
        {"binding_message": 10},
        "request: binding_message is not a text",
    ),
    "A062 a hint that is an object": (
        {"login_hint": {"format": "email", "email": "a@example.com"}},
        "request: login_hint is not a text",
    ),
    "RFC 8707 resources": (
        {"resource": ["https://a.example", "https://b.example"]},
        "request: resource is not a text",
    ),
    "A063 an expiry that is true": (
        {"requested_expiry": True},
        "request: requested_expiry is not a text",
    ),
    "A042 half an expiry": (
        {"requested_expiry": 1.5},
        "requested_expiry must be a whole number of seconds",
    ),
    "A042 no expiry at all": (
        {"requested_expiry": 0},
        "requested_expiry must be between 1 and 300 seconds",
    ),
    "A042 an expiry before": (
        {"requested_expiry": -30},
        "requested_expiry must be a whole number of seconds",
    ),
    "A067 no aud": ({"aud": None}, "request: aud does not contain the issuer"),
    "A067 another aud": (
        {"aud": "https://other.example/"},
        "request: aud does not contain the issuer",
    ),
    "A067 an aud that is a number": ({"aud": 5}, "request: aud does not contain the issuer"),
    "A067 an aud of lists": ({"aud": [["x"]]}, "request: aud does not contain the issuer"),
    "A069 no iss": ({"iss": None}, "request: iss is not the client"),
    "A069 another iss": ({"iss": "somebody"}, "request: iss is not the client"),
    "A069 an iss that is a list": ({"iss": ["x"]}, "request: iss is not the client"),
    "A070 no exp": ({"exp": None}, "request has no exp that is a time"),
    "A070 an exp that is a text": ({"exp": "2000000000"}, "request has no exp that is a time"),
    "A070 an exp that is true": ({"exp": True}, "request has no exp that is a time"),
    "A071 no iat": ({"iat": None}, "request has no iat that is a time"),
    "A072 no nbf": ({"nbf": None}, "request has no nbf that is a time"),
    "A073 no jti": ({"jti": None}, "request has no jti of 1 to 255 characters"),
    "A073 an empty jti": ({"jti": ""}, "request has no jti of 1 to 255 characters"),
    "A073 a long jti": ({"jti": "j" * 256}, "request has no jti of 1 to 255 characters"),
    "A073 a jti that is a number": ({"jti": 5}, "request has no jti of 1 to 255 characters"),
    "A079 a request inside": (
        {"request": "x.y.z"},
        "request holds a request or request_uri itself",
    ),
    "A079 a request_uri inside": (
        {"request_uri": "https://x.example"},
        "request holds a request or request_uri itself",
    ),
    "A080 another client_id": (
        {"client_id": "somebody"},
        "request: client_id is another client",
    ),
    "A027 no hint": (
        {"login_hint": None},
        "Exactly one of login_hint, login_hint_token, id_token_hint is needed",
    ),
    "A027 two hints": (
        {"id_token_hint": "x.y.z"},
        "Exactly one of login_hint, login_hint_token, id_token_hint is needed",
    ),
    "A020 no scope": ({"scope": None}, "scope is missing"),
    "A036 no message": ({"binding_message": None}, "binding_message is missing"),
    "A047 a context that is a list": (
        {"request_context": ["x"]},
        "request_context: not a JSON object",
    ),
}


@pytest.mark.parametrize("case", CLAIMS.values(), ids=CLAIMS)
def test_a_claim_out_of_order_has_its_reason(
    asking: Asking, case: tuple[dict[str, object], str]
) -> None:
    """A027-A081: invalid_request each, and nobody is asked."""
    changes, description = case

    assert asking.refused(asking.request(**changes)) == invalid(description)


@pytest.mark.parametrize("path", ["bc-authorize", "oauth/token"])
def test_an_endpoint_is_no_audience_of_a_request(asking: Asking, path: str) -> None:
    """A068: X01 is lenient with assertions alone."""
    request = asking.request(aud=[asking.nod.url + path])

    assert asking.refused(request) == invalid("request: aud does not contain the issuer")


TIMES: dict[str, tuple[dict[str, float], str]] = {
    "A070 expired": ({"exp": -61}, "request has expired"),
    "A070 expired long ago": ({"exp": -1e12}, "request has expired"),
    "A071 issued in the future": ({"iat": 120}, "request is not valid yet"),
    "A072 the suite's: nbf in 10 minutes": ({"nbf": 600, "exp": 900}, "request is not valid yet"),
    "no life without end": ({"exp": 87_000}, "request: exp is too far away"),
    "no end at all": ({"exp": 1e300}, "request: exp is too far away"),
}


@pytest.mark.parametrize("case", TIMES.values(), ids=TIMES)
def test_a_request_counts_in_its_time(asking: Asking, case: tuple[dict[str, float], str]) -> None:
    changes, description = case
    now = time.time()
    request = asking.request(**{name: now + seconds for name, seconds in changes.items()})

    assert asking.refused(request) == invalid(description)


@pytest.fixture(scope="module")
def fapi(nod: Nod) -> SigningClient:
    return SigningClient(nod, "PS256", **FAPI)


FAPI_TIMES: dict[str, dict[str, int]] = {
    "exp in 70 minutes": {"exp": 70 * 60},
    "nbf 70 minutes ago": {"nbf": -70 * 60},
    "nbf ago, and expired within the clocks' allowance": {"nbf": -61 * 60, "exp": -30},
}


@pytest.mark.parametrize("changes", FAPI_TIMES.values(), ids=FAPI_TIMES)
def test_a_fapi_request_lives_for_an_hour(
    nod: Nod, fapi: SigningClient, changes: dict[str, int]
) -> None:
    """B007: which any other client may exceed."""
    user_id, now = nod.new_user(), int(time.time())
    nod.new_phone(user_id)
    times = {name: now + seconds for name, seconds in changes.items()}
    refused = refusal_of(fapi.ask(login_hint=user_id, **times))

    assert refused == invalid("request: nbf is more than 60 minutes before exp, or ago")
    accepted(SigningClient(nod, "PS256").ask(login_hint=user_id, **times))


def test_a_fapi_request_may_live_for_just_an_hour(nod: Nod, fapi: SigningClient) -> None:
    """B007."""
    user_id, now = nod.new_user(), int(time.time())
    nod.new_phone(user_id)

    accepted(fapi.ask(login_hint=user_id, nbf=now, exp=now + HOUR))


HEADERS: dict[str, tuple[dict[str, object], str]] = {
    "A078 a proof": ({"typ": "dpop+jwt"}, "request is a token of another type"),
    "A078 an access token": ({"typ": "at+jwt"}, "request is a token of another type"),
    "A078 an assertion": (
        {"typ": "client-authentication+jwt"},
        "request is a token of another type",
    ),
    "A078 a number": ({"typ": 1}, "request is a token of another type"),
    "A082 crit": ({"crit": ["exp"]}, "request is not a JWT"),
    "A082 b64": ({"b64": False, "crit": ["b64"]}, "request is not a JWT"),
    "A082 zip": ({"zip": "DEF"}, "request is not a JWT"),
    "A075 a kid of nobody": (
        {"kid": "unknown"},
        "request is not a JWT signed with a key of the client",
    ),
    "A075 a kid that is a number": ({"kid": 5}, "request is not a JWT"),
    "A065 another algorithm": (
        {"alg": "ES384"},
        "request is not signed with the registered algorithm",
    ),
    "A065 no algorithm": ({"alg": None}, "request is not signed with the registered algorithm"),
    "A065 an algorithm that is a list": (
        {"alg": ["ES256"]},
        "request is not signed with the registered algorithm",
    ),
}


@pytest.mark.parametrize("case", HEADERS.values(), ids=HEADERS)
def test_a_header_out_of_order_has_its_reason(
    asking: Asking, case: tuple[dict[str, object], str]
) -> None:
    header, description = case

    assert asking.refused(asking.signed(header)) == invalid(description)


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_is_never_taken_from_the_header(asking: Asking, member: str) -> None:
    """A075: a stranger's signature, and the key to believe it by."""
    stranger = a_stranger(asking.client.alg)
    offered: dict[str, object] = {
        "jwk": public_jwk(stranger),
        "jku": "https://stranger.example/jwks.json",
        "x5u": "https://stranger.example/chain.pem",
        "x5c": ["MIIB"],
    }
    claims = asking.client.claims(login_hint=asking.user_id)
    request = jws(asking.client.header(**{member: offered[member]}), claims, stranger)

    refused = asking.refused(request)
    assert refused == invalid("request is not a JWT signed with a key of the client")


def test_a_request_of_another_client_is_not_taken_from_this_one(asking: Asking) -> None:
    """A069, A075: whose key is a good one, and who would be asked in its name."""
    other = SigningClient(asking.nod, asking.client.alg)
    stolen = other.request(login_hint=asking.user_id)
    their_key = a_stranger(asking.client.alg)
    claims = asking.client.claims(login_hint=asking.user_id)

    assert asking.refused(stolen) == invalid("request: iss is not the client")
    assert asking.refused(jws(asking.client.header(), claims, their_key)) == invalid(
        "request is not a JWT signed with a key of the client"
    )


def _by_secret(asking: Asking, claims: dict[str, object]) -> str:
    return hs256({"alg": "HS256"}, claims, asking.client.client_secret.encode())


def _by_public_key(asking: Asking, claims: dict[str, object]) -> str:
    pem = asking.client.key.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    return hs256({"alg": "HS256", "kid": KID}, claims, pem)


def _by_the_other_key(asking: Asking, claims: dict[str, object]) -> str:
    alg = "PS256" if asking.client.alg == "ES256" else "ES256"
    return jws({"alg": alg, "kid": KID}, claims, key_of(alg))


def _changed_after(asking: Asking, claims: dict[str, object]) -> str:
    header, _, signature = jws(asking.client.header(), claims, asking.client.key).split(".")
    return f"{header}.{part(claims | {'binding_message': 'Pay 99'})}.{signature}"


SIGNATURES: dict[str, tuple[Callable[[Asking, dict[str, object]], str], str]] = {
    "A065 none": (
        lambda _, claims: unsigned({"alg": "none"}, claims),
        "request is not signed with the registered algorithm",
    ),
    "A065 None": (
        lambda _, claims: unsigned({"alg": "NONE"}, claims),
        "request is not signed with the registered algorithm",
    ),
    "A065 the secret": (_by_secret, "request is not signed with the registered algorithm"),
    "A065 the public key": (_by_public_key, "request is not signed with the registered algorithm"),
    "A076 an algorithm that is not the one": (
        _by_the_other_key,
        "request is not signed with the registered algorithm",
    ),
    "no signature under a good name": (
        lambda it, claims: unsigned(it.client.header(), claims),
        "request is not a JWT signed with a key of the client",
    ),
    "changed after it was signed": (
        _changed_after,
        "request is not a JWT signed with a key of the client",
    ),
    "A066 a JWE": (
        lambda _, claims: f"{part({'alg': 'RSA-OAEP', 'enc': 'A128GCM'})}.x.x.{part(claims)}.x",
        "request is encrypted, which is not supported",
    ),
}


@pytest.mark.parametrize("case", SIGNATURES.values(), ids=SIGNATURES)
def test_a_request_is_signed_by_the_algorithm_its_client_registered(
    asking: Asking, case: tuple[Callable[[Asking, dict[str, object]], str], str]
) -> None:
    made, description = case
    claims = asking.client.claims(login_hint=asking.user_id)

    assert asking.refused(made(asking, claims)) == invalid(description)


PAYLOADS: dict[str, bytes | str] = {
    "nothing": b"",
    "not JSON": b"{",
    "a list": b"[]",
    "a text": b'"x"',
    "not UTF-8": b'{"iss":"\xff"}',
    "half a surrogate pair": b'{"iss":"\\ud800"}',
    "NUL": b'{"iss":"\\u0000"}',
    "A082 repeated": b'{"iss":"x","iss":"x"}',
    "NaN": b'{"exp":NaN}',
    "without end": b'{"exp":Infinity}',
    "a number beyond all": b'{"exp":1e999}',
    "a huge integer": b'{"exp":' + b"9" * 5_000 + b"}",
    "T14 deep": b"[" * 10_000,
    "T14 deep and closed": b'{"a":' * 1_600 + b"1" + b"}" * 1_600,
    "T14 deeper than may be sent": b"[" * 20_000,
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_whatever_is_signed_is_read_with_care(asking: Asking, payload: bytes) -> None:
    """A082, T14: by the client's own good key."""
    request = jws(asking.client.header(), payload, asking.client.key)
    too_long = len(request) > policy.SIGNED_REQUEST_CHARACTERS_MAX

    assert asking.refused(request) == invalid(
        "The form is malformed: too long"
        if too_long
        else "request is not a JWT signed with a key of the client"
    )


@pytest.mark.parametrize("header", PAYLOADS.values(), ids=PAYLOADS)
def test_whatever_is_said_to_be_a_header_is_read_with_care(asking: Asking, header: bytes) -> None:
    """A082, T14: before anything is verified."""
    request = f"{part(header)}.{part({})}.{part(b'signature')}"
    too_long = len(request) > policy.SIGNED_REQUEST_CHARACTERS_MAX

    assert asking.refused(request) == invalid(
        "The form is malformed: too long" if too_long else "request is not a JWT"
    )


TEXTS = {
    "no dots": "abc",
    "one dot": "a.b",
    "three dots": "a.b.c.d",
    "only dots": "..",
    "many dots": "." * 16_000,
    "padding": "e30=.e30=.e30=",
    "other letters": "\u00e9.\u00e9.\u00e9",
    "spaces": "e30. e30.e30",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_is_no_jwt_is_no_request(asking: Asking, text: str) -> None:
    """A082."""
    assert refusal_of(asking.client.send(text)) == invalid("request is not a JWT")


def test_a_request_too_large_to_be_read_is_not(asking: Asking) -> None:
    """A082, T32."""
    answer = asking.client.send("a" * 100_000)

    assert answer.status_code == 413


BESIDE = {
    "scope": "openid",
    "login_hint": "somebody",
    "binding_message": "Pay 10",
    "requested_expiry": "30",
    "acr_values": "x",
    "user_code": "1234",
    "anything": "else",
}


@pytest.mark.parametrize(("name", "value"), BESIDE.items())
def test_nothing_is_asked_beside_a_request(asking: Asking, name: str, value: str) -> None:
    """A060, X08: refused, whether it says the same or another thing."""
    refused = asking.refused(asking.request(), **{name: value})

    assert refused == invalid("Parameters are beside the request object and not in it")


def test_a_request_is_never_fetched(asking: Asking) -> None:
    """A046: neither instead of a signed request, nor beside it."""
    form = {"request_uri": "https://stranger.example/request.jwt"}

    assert refusal_of(asking.client.post("bc-authorize", form)) == invalid(
        "request_uri is not supported"
    )
    assert asking.refused(asking.request(), **form) == invalid("request_uri is not supported")


@pytest.mark.parametrize("profile", [{}, FAPI], ids=["standard", "fapi-ciba"])
def test_who_can_sign_must(nod: Nod, profile: dict[str, object]) -> None:
    """A077, B005, X03: or a signature could be taken off."""
    client, user_id = SigningClient(nod, **profile), nod.new_user()
    phone = nod.new_phone(user_id)
    form = {"scope": "openid", "binding_message": "Pay 10", "login_hint": user_id}
    refused = refusal_of(client.post("bc-authorize", form), client.client_id, user_id)

    assert refused == invalid("The client must sign its requests")
    assert phone.pending() == []


def test_who_registered_no_algorithm_cannot_sign(nod: Nod) -> None:
    """A076: with the very key it authenticates with."""
    client = SigningClient(nod, token_endpoint_auth_method="private_key_jwt", **{REQUEST_ALG: ""})
    user_id = nod.new_user()
    nod.new_phone(user_id)
    refused = refusal_of(client.ask(login_hint=user_id), client.client_id)

    assert refused == invalid("The client has registered no algorithm to sign requests with")


def test_a_request_and_an_assertion_never_stand_for_each_other(nod: Nod) -> None:
    """A081: both are signed by one key, and hold what the other must hold."""
    client = SigningClient(nod, token_endpoint_auth_method="private_key_jwt")
    user_id = nod.new_user()
    phone = nod.new_phone(user_id)
    both = {"sub": client.client_id, "login_hint": user_id}
    as_request = refusal_of(client.ask(**both))
    as_assertion = nod.http.post(
        "bc-authorize",
        data={
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": client.request(**both),
            "request": client.request(login_hint=user_id),
        },
    )

    assert as_request == invalid("request: sub must not be the client")
    assert refusal_of(as_assertion) == (401, "invalid_client", "Client authentication failed")
    assert phone.pending() == []


MESSAGES = ["a\nb", "a\x00b", "a\u202eb", "caf\u00e9", "a" * 65]


@pytest.mark.parametrize("message", MESSAGES, ids=ascii)
def test_a_signed_message_is_shown_as_any_other_or_refused_as_it(
    asking: Asking, message: str
) -> None:
    """A035: with its own code but for the NUL, which no claim may hold."""
    status, error, _ = asking.refused(asking.request(binding_message=message))

    assert (status, error) == (
        400,
        "invalid_request" if "\x00" in message else "invalid_binding_message",
    )


def test_a_request_is_looked_at_when_its_client_is_known(nod: Nod) -> None:
    """A048: a stranger learns nothing of what is wrong with it."""
    client = SigningClient(nod)
    wrong = OAuthClient(client.client_id, "wrong")
    answer = nod.http.post("bc-authorize", data={"request": "x"}, auth=wrong.basic)

    assert refusal_of(answer) == (401, "invalid_client", "Client authentication failed")


def test_no_request_is_in_the_log(nod: Nod) -> None:
    """A041, B020: neither the JWT nor what is in it; and none of all these was unexpected."""
    client, user_id = SigningClient(nod), nod.new_user()
    nod.new_phone(user_id)
    request = client.request(
        login_hint=user_id, user_code="code-kanari11", binding_message="msg-kanari11"
    )
    auth_req_id = accepted(client.send(request))["auth_req_id"]
    client.send(request)
    logs = nod.logs()

    for said in (
        request,
        request.rpartition(".")[2],
        "kanari11",
        auth_req_id,
        client.client_secret,
    ):
        assert said not in logs
    events = [json.loads(line) for line in (nod.directory / "api.log").read_text().splitlines()]
    assert [event for event in events if event["event"] == "unexpected"] == []


def test_the_payload_of_a_request_is_not_repeated_to_its_sender(asking: Asking) -> None:
    """A101."""
    marked = asking.request(scope="openid scope-kanari11", binding_message="Pay kanari11")
    answer = asking.client.send(marked)
    payload = base64.urlsafe_b64decode(marked.split(".")[1] + "==")

    assert b"kanari11" in payload
    assert "kanari11" not in answer.text
    assert refusal_of(answer) == (
        400,
        "invalid_scope",
        "A requested scope is unknown or not allowed",
    )
