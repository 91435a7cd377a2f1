"""Signed requests: what a JWT asks as a form would, and which ask nothing (CIBA 7.1.1)."""

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from consent import forms, policy
from consent.client import Client
from consent.errors import InvalidBindingMessage, InvalidRequest
from consent.jose import PublicKey, public_key
from consent.request_object import has_request_object, kid_of, parameters_of
from consent.used_once import UsedOnce, used_once
from tests.support.domain import (
    CLIENT_ID,
    ISSUER,
    NOW,
    USER_ID,
    a_client,
    an_ec_key,
    an_rsa_key,
    assert_says_nothing,
    vector,
)
from tests.support.forgery import hs256, signed, unsigned

KEY, STRANGER = an_ec_key(), ec.generate_private_key(ec.SECP256R1())
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
JWK = ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True) | {"kid": "k1"}
KEYS = (public_key(JWK),)
ALG = "backchannel_authentication_request_signing_alg"
CLIENT = a_client(**{ALG: "ES256"})
FAPI = a_client(**{ALG: "ES256", "profile": "fapi-ciba"})

HEADER: dict[str, Any] = {"alg": "ES256", "kid": "k1"}
ASKED: dict[str, Any] = {
    "scope": "openid email",
    "binding_message": "Pay 10",
    "login_hint": json.dumps({"format": "iss_sub", "iss": ISSUER, "sub": USER_ID}),
}
CLAIMS: dict[str, Any] = ASKED | {
    "iss": CLIENT_ID,
    "aud": ISSUER,
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + 300,
    "jti": "j1",
}


def changed(claims: dict[str, Any], /, **changes: object) -> dict[str, Any]:
    return {name: value for name, value in (claims | changes).items() if value is not None}


def a_request(header: object = HEADER, /, **changes: object) -> str:
    return signed(header, changed(CLAIMS, **changes), KEY)


def read(
    request: str,
    *,
    client: Client = CLIENT,
    keys: tuple[PublicKey, ...] = KEYS,
    beside: dict[str, str] | None = None,
) -> tuple[dict[str, str], UsedOnce | None]:
    form = {"request": request} | (beside or {})
    return parameters_of(form, client=client, keys=keys, issuer=ISSUER, now=NOW)


def asked(**changes: object) -> dict[str, str]:
    return read(a_request(**changes))[0]


def refused(call: Callable[[], object]) -> InvalidRequest:
    """A100, X02: always invalid_request."""
    with pytest.raises(InvalidRequest) as caught:
        call()
    assert (caught.value.status, caught.value.error) == (400, "invalid_request")
    assert_says_nothing(caught.value, CLIENT_ID, ISSUER)
    return caught.value


# What is asked


def test_the_claims_are_the_parameters() -> None:
    """A060: all but those that say whose the JWT is and how long it counts."""
    assert asked() == ASKED
    assert asked(sub="somebody") == ASKED


def test_a_form_without_a_request_object_is_itself() -> None:
    form = {"scope": "openid", "login_hint": "auth0|u1"}

    assert not has_request_object(form)
    assert parameters_of(form, client=a_client(), keys=(), issuer=ISSUER, now=NOW) == (form, None)


def test_the_example_of_the_specification() -> None:
    """CIBA 7.1.1, with our signature."""
    claims = vector("ciba_request_object")["claims"]
    client = a_client(client_id="s6BhdRkqt3", **{ALG: "ES256"})

    found, _ = parameters_of(
        {"request": signed(HEADER, claims, KEY)},
        client=client,
        keys=KEYS,
        issuer="https://server.example.com",
        now=claims["iat"] + 1,
    )

    registered = {"iss", "aud", "exp", "iat", "nbf", "jti"}
    assert found == {name: text for name, text in claims.items() if name not in registered}


@pytest.mark.parametrize(
    ("claim", "value", "text"),
    [
        ("requested_expiry", 30, "30"),
        ("requested_expiry", "30", "30"),
        ("request_expiry", 30, "30"),
        ("authorization_details", [{"type": "pay", "sum": 1.5}], '[{"type":"pay","sum":1.5}]'),
        ("authorization_details", '[{"type":"pay"}]', '[{"type":"pay"}]'),
        ("request_context", {"place": "K\u00f6ln\n"}, '{"place":"K\u00f6ln\\n"}'),
        ("claims", {"id_token": {"acr": None}}, '{"id_token":{"acr":null}}'),
        ("client_id", CLIENT_ID, CLIENT_ID),
        ("anything", "else", "else"),
    ],
)
def test_a_value_becomes_the_text_a_form_would_have(claim: str, value: object, text: str) -> None:
    """A063, A064."""
    assert asked(**{claim: value}) == ASKED | {claim: text}


@pytest.mark.parametrize(
    "changes",
    [
        {"acr_values": ""},
        {"requested_expiry": ""},
        {"txn": 5},
        {"txn": {"deep": [1]}},
        {"txn": ["x"]},
        {"txn": True},
    ],
)
def test_what_is_empty_or_unknown_is_as_good_as_not_there(changes: dict[str, object]) -> None:
    """A011, A013."""
    assert asked(**changes) == ASKED


@pytest.mark.parametrize(
    ("value", "text"),
    [(30.5, "30.5"), (30.0, "30.0"), (-1, "-1"), (0, "0"), (1e300, "1e+300")],
)
def test_an_expiry_that_is_no_whole_number_is_left_to_its_own_rule(value: float, text: str) -> None:
    """A042, A063: which refuses it as it refuses it in a form."""
    assert asked(requested_expiry=value) == ASKED | {"requested_expiry": text}


TEXTS_ONLY = [
    "acr_values",
    "audience",
    "binding_message",
    "client_notification_token",
    "dpop_jkt",
    "id_token_hint",
    "login_hint",
    "login_hint_token",
    "resource",
    "scope",
    "user_code",
]


@pytest.mark.parametrize("name", TEXTS_ONLY)
@pytest.mark.parametrize("value", [5, 5.5, True, [], ["openid"], {}, {"format": "email"}])
def test_a_parameter_that_is_a_text_must_be_one(name: str, value: object) -> None:
    """A062."""
    assert name in refused(lambda: asked(**{name: value})).description


@pytest.mark.parametrize("name", ["requested_expiry", "request_expiry"])
@pytest.mark.parametrize("value", [True, [], {}, [30]])
def test_an_expiry_is_a_number_or_a_text(name: str, value: object) -> None:
    refused(lambda: asked(**{name: value}))


@pytest.mark.parametrize("name", [*TEXTS_ONLY, "requested_expiry"])
def test_a_parameter_is_never_null(name: str) -> None:
    refused(lambda: read(signed(HEADER, CLAIMS | {name: None}, KEY)))


CONTROLS = ["\x01", "\n", "\x1b", "\x7f", "\x85"]


@pytest.mark.parametrize("name", ["scope", "login_hint", "anything"])
@pytest.mark.parametrize("character", CONTROLS)
def test_a_control_character_is_refused_as_in_a_form(name: str, character: str) -> None:
    refused(lambda: asked(**{name: f"a{character}b"}))


@pytest.mark.parametrize("character", CONTROLS)
def test_a_control_character_in_a_message_has_the_messages_code(character: str) -> None:
    """A035."""
    with pytest.raises(InvalidBindingMessage) as caught:
        asked(binding_message=f"Pay{character}10")

    assert_says_nothing(caught.value)


def test_the_same_rules_read_both() -> None:
    """A signed request and its form are the same request."""
    form = forms.parse(
        b"scope=openid+email&binding_message=Pay+10&requested_expiry=30&login_hint=%7B%22format%22"
        b"%3A%22iss_sub%22%2C%22iss%22%3A%22https%3A%2F%2Fnod.example%22%2C%22sub%22%3A%22u%22%7D"
    )
    as_claims = CLAIMS | form | {"requested_expiry": 30}

    found, _ = read(signed(HEADER, as_claims, KEY))

    assert found == form


NAMES = [*TEXTS_ONLY, "requested_expiry", "anything"]
FORM_TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=64)


@given(st.dictionaries(st.sampled_from(NAMES), FORM_TEXTS))
def test_a_request_object_asks_what_its_form_asks(form: dict[str, str]) -> None:
    registered = changed(CLAIMS, **dict.fromkeys(ASKED))

    assert read(signed(HEADER, registered | form, KEY))[0] == form


# Who must sign, and with what


@pytest.mark.parametrize(
    "client",
    [
        pytest.param(CLIENT, id="A077 it registered an algorithm"),
        pytest.param(a_client(profile="fapi-ciba"), id="B005 FAPI"),
    ],
)
def test_who_can_sign_must(client: Client) -> None:
    form = {k: str(v) for k, v in ASKED.items()}

    refused(lambda: parameters_of(form, client=client, keys=KEYS, issuer=ISSUER, now=NOW))


def test_who_registered_no_algorithm_cannot_sign() -> None:
    """A076."""
    refusal = refused(lambda: read(a_request(), client=a_client()))

    assert "registered no algorithm" in refusal.description


@pytest.mark.parametrize("beside", [{}, {"request": a_request()}])
@pytest.mark.parametrize("client", [CLIENT, a_client()])
def test_a_request_uri_is_not_fetched(beside: dict[str, str], client: Client) -> None:
    """A046."""
    form = {"request_uri": "https://client.example/request"} | beside

    refused(lambda: parameters_of(form, client=client, keys=KEYS, issuer=ISSUER, now=NOW))


@pytest.mark.parametrize("name", [*TEXTS_ONLY, "requested_expiry", "unknown", "grant_type"])
def test_nothing_is_asked_beside_it(name: str) -> None:
    """A060, A061, X08: even the same again."""
    refused(lambda: read(a_request(), beside={name: str(CLAIMS.get(name, "x"))}))


def test_the_client_authenticates_beside_it() -> None:
    """A061."""
    names = ["client_id", "client_secret", "client_assertion", "client_assertion_type"]

    assert read(a_request(), beside=dict.fromkeys(names, "x"))[0] == ASKED


def encoded(key: Any, alg: str) -> str:  # noqa: ANN401 - any private key
    return jwt.encode(CLAIMS, key, algorithm=alg, headers={"kid": "k1"})


RSA, ED = an_rsa_key(), ed25519.Ed25519PrivateKey.generate()
JWKS = {
    "ES256": JWK,
    "RS256": RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True) | {"kid": "k1"},
    "PS256": RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True) | {"kid": "k1"},
    "EdDSA": OKPAlgorithm.to_jwk(ED.public_key(), as_dict=True) | {"kid": "k1"},
}
PRIVATE = {"ES256": KEY, "RS256": RSA, "PS256": RSA, "EdDSA": ED}
ALL_KEYS = tuple(public_key(jwk) for jwk in JWKS.values())


@pytest.mark.parametrize("registered", JWKS)
@pytest.mark.parametrize("alg", JWKS)
def test_only_the_registered_algorithm_counts(registered: str, alg: str) -> None:
    """A065, A076."""
    client = a_client(**{ALG: registered})
    request = encoded(PRIVATE[alg], alg)

    if alg == registered:
        assert read(request, client=client, keys=ALL_KEYS)[0] == ASKED
    else:
        refused(lambda: read(request, client=client, keys=ALL_KEYS))


@pytest.mark.parametrize("alg", ["PS256", "ES256", "EdDSA"])
def test_fapi_clients_sign_with_the_algorithms_of_fapi(alg: str) -> None:
    """B010."""
    client = a_client(**{ALG: alg, "profile": "fapi-ciba"})

    assert read(encoded(PRIVATE[alg], alg), client=client, keys=ALL_KEYS)[0] == ASKED


def test_fapi_clients_sign_with_no_other_even_if_it_is_registered() -> None:
    """B010."""
    client = a_client(**{ALG: "RS256", "profile": "fapi-ciba"})

    refused(lambda: read(encoded(RSA, "RS256"), client=client, keys=ALL_KEYS))


@pytest.mark.parametrize("alg", ["none", "HS256", "ES512", "es256", ""])
@pytest.mark.parametrize(
    "sign",
    [
        lambda header: unsigned(header, CLAIMS),
        lambda header: hs256(header, CLAIMS, PEM),
        lambda header: signed(header, CLAIMS, KEY),
    ],
    ids=["unsigned", "mac", "signed"],
)
def test_an_algorithm_that_should_never_have_been_registered_is_refused(
    alg: str, sign: Callable[[dict[str, Any]], str]
) -> None:
    """A065."""
    refused(lambda: read(sign(HEADER | {"alg": alg}), client=a_client(**{ALG: alg})))


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "oauth-authz-req+jwt", "OautH-auThZ-REQ+jWt"])
def test_a_type_counts_in_any_case_or_is_left_out(typ: str | None) -> None:
    """A078."""
    assert read(a_request(changed(HEADER, typ=typ)))[0] == ASKED


NO_TIMES: list[object] = [True, str(NOW), [NOW], {}, 2**64]
JSON_DEEP = "[" * 3_000 + "]" * 3_000
PARTS = a_request().split(".")
NO_REQUESTS = {
    "no JWT": "abc",
    "two dots": "..",
    "A066 five parts": "eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d",
    "many dots": "." * 8_000,
    "other letters": "\u00e9.\u00e9.\u00e9",
    "half a surrogate pair": "\ud800.a.b",
    "NUL": "\0.\0.\0",
    "A082 too long": "a" * (policy.SIGNED_REQUEST_CHARACTERS_MAX + 1),
    "A082 signed and too long": a_request(x="x" * policy.SIGNED_REQUEST_CHARACTERS_MAX),
    "A065 alg none": unsigned(HEADER | {"alg": "none"}, CLAIMS),
    "A065 the public key as a secret": hs256(HEADER | {"alg": "HS256"}, CLAIMS, PEM),
    "A065 ES256 in name": hs256(HEADER, CLAIMS, PEM),
    "no alg": a_request({"kid": "k1"}),
    "an alg that is a list": a_request({"alg": ["ES256"]}),
    "no signature": f"{PARTS[0]}.{PARTS[1]}.",
    "a cut signature": a_request()[:-4],
    "another's signature": f"{PARTS[0]}.{PARTS[1]}.{signed(HEADER, {}, KEY).rpartition('.')[2]}",
    "A075 another key": signed(HEADER, CLAIMS, STRANGER),
    "A075 an unknown kid": a_request(HEADER | {"kid": "k2"}),
    "A075 a key of its own": signed(
        HEADER | {"jwk": ECAlgorithm.to_jwk(STRANGER.public_key(), as_dict=True)}, CLAIMS, STRANGER
    ),
    "A075 a key elsewhere": signed(
        {"alg": "ES256", "jku": "https://x/", "x5u": "https://x/", "x5c": ["AA"]}, CLAIMS, STRANGER
    ),
    "A082 crit": a_request(HEADER | {"crit": ["exp"]}),
    "A082 b64": a_request(HEADER | {"crit": ["b64"], "b64": False}),
    "A082 b64 without crit": a_request(HEADER | {"b64": False}),
    "a kid that is a number": a_request(HEADER | {"kid": 1}),
    "A082 scope twice": signed(HEADER, json.dumps(CLAIMS)[:-1] + ', "scope": "openid"}', KEY),
    "A082 NaN": signed(HEADER, json.dumps(CLAIMS)[:-1] + ', "x": NaN}', KEY),
    "A082 5000 digits": signed(HEADER, json.dumps(CLAIMS)[:-1] + f', "x": {"9" * 5_000}}}', KEY),
    "A082 half a surrogate": signed(HEADER, json.dumps(CLAIMS | {"x": "\ud800"}), KEY),
    "a NUL in a claim": a_request(scope="openid\0"),
    "A082 deep claims": signed(HEADER, JSON_DEEP, KEY),
    "A082 a deep header": signed(JSON_DEEP, CLAIMS, KEY),
    "claims that are a list": signed(HEADER, [CLAIMS], KEY),
    "claims that are a text": signed(HEADER, '"claims"', KEY),
    "claims that are no UTF-8": signed(HEADER, b"\xff", KEY),
    **{
        f"A078 {typ}": a_request(HEADER | {"typ": typ})
        for typ in ("dpop+jwt", "at+jwt", "client-authentication+jwt", "", 5, ["JWT"], None)
    },
    "A067 no aud": a_request(aud=None),
    "A067 no aud in a list": a_request(aud=[]),
    "A067 another issuer": a_request(aud="https://nod.example.org/"),
    "A067 the issuer without its slash": a_request(aud=ISSUER.rstrip("/")),
    "A067 an object": a_request(aud={ISSUER: ISSUER}),
    "A067 a list of lists": a_request(aud=[[ISSUER]]),
    "A068 the endpoint": a_request(aud=f"{ISSUER}bc-authorize"),
    "A068 both endpoints": a_request(aud=[f"{ISSUER}bc-authorize", f"{ISSUER}oauth/token"]),
    "A069 no iss": a_request(iss=None),
    "A069 another client": a_request(iss="another"),
    "A069 a list": a_request(iss=[CLIENT_ID]),
    "A070 no exp": a_request(exp=None),
    "A070 expired": a_request(exp=NOW - policy.CLOCK_SKEW_SECONDS),
    "A074 exp too far": a_request(exp=NOW + policy.REQUEST_OBJECT_EXPIRY_SECONDS_MAX + 1),
    "A074 exp in milliseconds": a_request(exp=(NOW + 300) * 1_000),
    "A071 no iat": a_request(iat=None),
    "A071 iat of the future": a_request(iat=NOW + policy.CLOCK_SKEW_SECONDS + 1),
    "A072 no nbf": a_request(nbf=None),
    "A072 nbf in 10 minutes": a_request(nbf=NOW + 600),
    **{
        f"A070-A072 {name} {value!r:.9}": a_request(**{name: value})
        for name in ("exp", "iat", "nbf")
        for value in NO_TIMES
    },
    "A073 no jti": a_request(jti=None),
    "A073 an empty jti": a_request(jti=""),
    "A073 a jti that is a number": a_request(jti=1),
    "A073 a jti of 256 characters": a_request(jti="j" * 256),
    "A079 a request in it": a_request(request="a.b.c"),
    "A079 a request_uri in it": a_request(request_uri="https://x/"),
    "A079 a request that is a number": a_request(request=1),
    "A080 another client_id": a_request(client_id="another"),
    "A080 a client_id that is a list": a_request(client_id=[CLIENT_ID]),
    "A081 a client assertion": a_request(sub=CLIENT_ID),
}


@pytest.mark.parametrize("request_object", NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_any_other_request_object_is_refused(request_object: str) -> None:
    refused(lambda: read(request_object))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no JWT", "is not a JWT"),
        ("A066 five parts", "is encrypted"),
        ("A065 alg none", "the registered algorithm"),
        ("A075 another key", "a key of the client"),
        ("A078 dpop+jwt", "another type"),
        ("A067 another issuer", "aud does not contain the issuer"),
        ("A069 another client", "iss is not the client"),
        ("A070 no exp", "no exp"),
        ("A070 expired", "has expired"),
        ("A071 no iat", "no iat"),
        ("A072 no nbf", "no nbf"),
        ("A072 nbf in 10 minutes", "not valid yet"),
        ("A073 no jti", "no jti"),
        ("A079 a request in it", "request_uri itself"),
        ("A080 another client_id", "client_id is another client"),
        ("A081 a client assertion", "sub must not be the client"),
    ],
)
def test_a_refusal_names_the_rule(name: str, words: str) -> None:
    assert words in refused(lambda: read(NO_REQUESTS[name])).description


def test_the_log_is_told_what_was_wrong_with_a_signature() -> None:
    assert refused(lambda: read(signed(HEADER, CLAIMS, STRANGER))).detail


def test_a_client_without_keys_has_signed_nothing() -> None:
    refused(lambda: read(a_request(), keys=()))


# For how long, and how often


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [ISSUER]},
        {"aud": ["https://other.example/", ISSUER]},
        {"exp": NOW - policy.CLOCK_SKEW_SECONDS + 1},
        {"exp": NOW + policy.REQUEST_OBJECT_EXPIRY_SECONDS_MAX},
        {"iat": NOW + policy.CLOCK_SKEW_SECONDS, "nbf": NOW + policy.CLOCK_SKEW_SECONDS},
        {"iat": NOW - 0.5, "nbf": NOW - 0.5, "exp": NOW + 0.5},
        {"iat": 0, "nbf": 0},
        {"jti": "j"},
        {"jti": "j" * 255},
    ],
)
def test_a_request_counts_within_its_life_and_the_clocks_allowance(
    changes: dict[str, object],
) -> None:
    """A067, A070-A074."""
    assert asked(**changes) == ASKED


@pytest.mark.parametrize(
    ("nbf", "exp", "counts"),
    [
        (0, 3_600, True),
        (0, 3_601, False),
        (0, 4_200, False),
        (-10, 3_590, True),
        (-10, 3_591, False),
        (-3_600, 0, True),
        (-3_601, -1, False),
        (-4_200, 300, False),
    ],
)
def test_a_fapi_request_is_short_lived(nbf: int, exp: int, counts: bool) -> None:
    """B007: at most 60 minutes from nbf to exp, and since nbf. Others may live longer."""
    request = a_request(nbf=NOW + nbf, exp=NOW + exp)

    assert read(request)[0] == ASKED
    if counts:
        assert read(request, client=FAPI)[0] == ASKED
    else:
        refused(lambda: read(request, client=FAPI))


def test_a_request_is_remembered_for_as_long_as_it_would_be_accepted() -> None:
    """A074: by its client and jti."""
    _, used = read(a_request())

    assert used == used_once("request", CLIENT_ID, "j1", 300 + policy.CLOCK_SKEW_SECONDS)
    assert used != used_once("assertion", CLIENT_ID, "j1", 300 + policy.CLOCK_SKEW_SECONDS)


# Which key


def test_it_says_which_key_it_is_signed_with() -> None:
    assert has_request_object({"request": a_request()})
    assert kid_of({"request": a_request()}) == "k1"
    assert kid_of({"request": a_request({"alg": "ES256"})}) is None
    assert read(a_request({"alg": "ES256"}))[0] == ASKED


@pytest.mark.parametrize("name", ["no JWT", "A066 five parts", "A082 too long", "A082 crit"])
def test_what_has_no_header_is_refused_before_a_key_is_fetched(name: str) -> None:
    refused(lambda: kid_of({"request": NO_REQUESTS[name]}))


# Anything


@given(st.text(st.characters(), min_size=1))
def test_a_random_text_is_refused(text: str) -> None:
    refused(lambda: read(text))
    refused(lambda: kid_of({"request": text}))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from([*CLAIMS, *NAMES, "authorization_details", "request_context", "sub"])
        | st.text(),
        VALUES,
    )
)
def test_signed_claims_of_any_type_are_refused_or_texts(claims: dict[str, Any]) -> None:
    """A client is an attacker too: whatever it signs is never an error of ours."""
    try:
        found, used = read(signed(HEADER, CLAIMS | claims, KEY))
    except (InvalidRequest, InvalidBindingMessage) as refusal:
        assert_says_nothing(refusal)
    else:
        assert used
        assert all(isinstance(text, str) and text and text.encode() for text in found.values())
