"""Client assertions: what proves a client to be itself, and the one answer to all that does not."""

import hmac
from collections.abc import Callable
from functools import partial
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from consent import policy
from consent.client import Client
from consent.client_assertion import Audiences, checked, checked_mac, claimed_client, kid_of
from consent.errors import InvalidClient
from consent.jose import MAC_ALGORITHMS, key_set
from consent.used_once import UsedOnce, used_once
from tests.support.domain import (
    CLIENT_ID,
    ISSUER,
    NOW,
    a_client,
    an_ec_key,
    an_rsa_key,
    assert_says_nothing,
)
from tests.support.forgery import hs256, part, signed, unsigned

EC_KEY, RSA_KEY, ED25519_KEY = an_ec_key(), an_rsa_key(), ed25519.Ed25519PrivateKey.generate()
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
KEYS = key_set(
    {
        "keys": [
            dict(ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True)) | {"kid": "ec"},
            dict(RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True)) | {"kid": "rsa"},
            dict(OKPAlgorithm.to_jwk(ED25519_KEY.public_key(), as_dict=True)) | {"kid": "ed"},
        ]
    }
)
SIGNERS: dict[str, Any] = {
    "ES256": EC_KEY,
    "RS256": RSA_KEY,
    "PS256": RSA_KEY,
    "EdDSA": ED25519_KEY,
}
SECRET = "a secret of 43 characters, as they are made."
BC, TE = f"{ISSUER}bc-authorize", f"{ISSUER}oauth/token"
MTLS_TE = "https://mtls.nod.example/oauth/token"
AUDIENCES = Audiences(ISSUER, frozenset({BC, TE, MTLS_TE}))

HEADER: dict[str, Any] = {"alg": "ES256", "typ": "JWT", "kid": "ec"}
CLAIMS: dict[str, Any] = {
    "iss": CLIENT_ID,
    "sub": CLIENT_ID,
    "aud": ISSUER,
    "jti": "j1",
    "iat": NOW,
    "exp": NOW + 60,
}
SKEW = policy.CLOCK_SKEW_SECONDS
FAR = policy.CLIENT_ASSERTION_LIFE_SECONDS_MAX


def by_key(**changes: object) -> Client:
    return a_client(**{"token_endpoint_auth_method": "private_key_jwt", **changes})


def by_secret(**changes: object) -> Client:
    return a_client(**{"token_endpoint_auth_method": "client_secret_jwt", **changes})


FAPI = by_key(profile="fapi-ciba")


def changed(claims: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {name: value for name, value in (claims | changes).items() if value is not None}


def an_assertion(header: dict[str, Any] = HEADER, **changes: object) -> str:
    return signed(header, changed(CLAIMS, **changes), EC_KEY)


def a_mac(algorithm: str = "HS256", **changes: object) -> str:
    message = f"{part({'alg': algorithm})}.{part(changed(CLAIMS, **changes))}"
    hashed = hmac.digest(SECRET.encode(), message.encode(), f"sha{algorithm[2:]}")
    return f"{message}.{part(hashed)}"


def accepted(text: str, client: Client | None = None, now: float = NOW) -> UsedOnce:
    return checked(text, client=client or by_key(), keys=KEYS, audiences=AUDIENCES, now=now)


def accepted_mac(
    text: str, client: Client | None = None, now: float = NOW, secret: str = SECRET
) -> UsedOnce:
    return checked_mac(
        text, client=client or by_secret(), secret=secret, audiences=AUDIENCES, now=now
    )


def refused(call: Callable[[], object]) -> None:
    """A004: one answer for all, and the log is told what was wrong."""
    with pytest.raises(InvalidClient) as caught:
        call()
    refusal = caught.value
    assert (refusal.status, refusal.error) == (401, "invalid_client")
    assert refusal.description == "Client authentication failed"
    assert refusal.headers == ()
    assert refusal.detail
    assert_says_nothing(refusal)


# Before verification


def test_an_assertion_names_its_client_and_its_key() -> None:
    text = signed(HEADER, CLAIMS, OTHER_KEY)

    assert claimed_client(text) == CLIENT_ID
    assert kid_of(text) == "ec"
    assert kid_of(an_assertion({"alg": "ES256"})) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b.c",
        an_assertion(sub=None),
        an_assertion(sub=""),
        an_assertion(sub=5),
        an_assertion(sub=[CLIENT_ID]),
        an_assertion(x="x" * policy.SIGNED_REQUEST_CHARACTERS_MAX),
    ],
)
def test_what_names_no_client_is_refused(text: str) -> None:
    refused(lambda: claimed_client(text))


# private_key_jwt


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_a_client_signs_with_any_of_its_keys(algorithm: str) -> None:
    """D071, A003: but with the algorithm it registered, when it did."""
    text = jwt.encode(CLAIMS, SIGNERS[algorithm], algorithm)
    own = by_key(token_endpoint_auth_signing_alg=algorithm)
    another = by_key(token_endpoint_auth_signing_alg="ES384")

    assert accepted(text) == accepted(text, own)
    refused(lambda: accepted(text, another))


def test_a_fapi_client_does_not_sign_with_rs256() -> None:
    """B010: registered or not."""
    text = jwt.encode(CLAIMS, RSA_KEY, "RS256")

    refused(lambda: accepted(text, FAPI))
    refused(
        lambda: accepted(text, by_key(profile="fapi-ciba", token_endpoint_auth_signing_alg="RS256"))
    )
    for algorithm in ("PS256", "ES256", "EdDSA"):
        accepted(jwt.encode(CLAIMS, SIGNERS[algorithm], algorithm), FAPI)


def test_an_assertion_is_remembered_by_its_client_and_jti_while_it_could_be_accepted() -> None:
    """D072, D073, T16."""
    used = accepted(an_assertion())

    assert used.name == used_once("assertion", CLIENT_ID, "j1", 0).name
    assert used.name not in {
        accepted(an_assertion(jti="j2")).name,
        used_once("request", CLIENT_ID, "j1", 0).name,
        used_once("assertion", "another", "j1", 0).name,
    }
    assert used.life_ms >= (60 + SKEW) * 1_000
    last = accepted(an_assertion(), now=NOW + 60 + SKEW - 0.001)
    assert last.life_ms > 0


@pytest.mark.parametrize(
    "typ", ["JWT", "jwt", "client-authentication+jwt", "Client-Authentication+JWT"]
)
def test_its_type_may_be_named(typ: str) -> None:
    """D076."""
    accepted(an_assertion(HEADER | {"typ": typ}))
    accepted(an_assertion({"alg": "ES256"}))


AUDIENCE_CASES: list[tuple[object, bool, bool]] = [
    (ISSUER, True, True),
    ([ISSUER], True, True),
    (BC, False, True),
    (TE, False, True),
    (MTLS_TE, False, True),
    ([TE], False, True),
    ([ISSUER, TE], False, True),
    ([ISSUER, ISSUER], False, True),
    (["https://another.example/", ISSUER], False, True),
    ([5, None, {}, [ISSUER], ISSUER], False, True),
    (ISSUER.rstrip("/"), False, False),
    (ISSUER.upper(), False, False),
    (f"{ISSUER}/", False, False),
    (f"{ISSUER}oauth", False, False),
    (f"{TE}/", False, False),
    (f"{ISSUER} {TE}", False, False),
    ("https://another.example/", False, False),
    ([[ISSUER]], False, False),
    ([], False, False),
    ({ISSUER: 1}, False, False),
    (5, False, False),
    (True, False, False),
    ("", False, False),
    (None, False, False),
]


@pytest.mark.parametrize(("aud", "strict", "lenient"), AUDIENCE_CASES)
def test_an_assertion_is_meant_for_us(aud: object, strict: bool, lenient: bool) -> None:
    """X01, A007, D075, T15: the issuer alone, or for FAPI-CIBA any name of ours among others."""
    text = an_assertion(aud=aud)
    for client, right in (
        (by_key(), strict),
        (by_key(profile="auth0"), strict),
        (FAPI, lenient),
    ):
        if right:
            accepted(text, client)
        else:
            refused(partial(accepted, text, client))


TIMES: list[tuple[dict[str, Any], bool]] = [
    ({"exp": NOW + 0.5}, True),
    ({"exp": NOW - SKEW + 0.001}, True),
    ({"exp": NOW - SKEW}, False),
    ({"exp": NOW + FAR + SKEW}, True),
    ({"exp": NOW + FAR + SKEW + 1}, False),
    ({"exp": NOW * 1_000}, False),
    ({"exp": None}, False),
    ({"exp": str(NOW + 60)}, False),
    ({"exp": True}, False),
    ({"exp": [NOW + 60]}, False),
    ({"exp": -NOW}, False),
    ({"iat": None}, True),
    ({"iat": NOW - 86_400}, True),
    ({"iat": NOW + SKEW}, True),
    ({"iat": NOW + SKEW + 0.001}, False),
    ({"iat": str(NOW)}, False),
    ({"nbf": NOW}, True),
    ({"nbf": NOW + SKEW}, True),
    ({"nbf": NOW + SKEW + 0.001}, False),
    ({"nbf": NOW + 600}, False),
    ({"nbf": False}, False),
]


@pytest.mark.parametrize(("times", "right"), TIMES)
def test_an_assertion_counts_for_its_time(times: dict[str, Any], right: bool) -> None:
    """D071, B018, T12."""
    for call in (
        partial(accepted, an_assertion(**times)),
        partial(accepted_mac, a_mac(**times)),
    ):
        if right:
            call()
        else:
            refused(call)


# What is wrong however it is signed.
WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer (A008)": {"iss": "another"},
    "another subject (A081)": {"sub": "another"},
    "another client altogether": {"iss": "another", "sub": "another"},
    "no issuer": {"iss": None},
    "no subject": {"sub": None},
    "an issuer that is a list": {"iss": [CLIENT_ID]},
    "no jti (D072)": {"jti": None},
    "an empty jti": {"jti": ""},
    "a jti of 256 characters": {"jti": "j" * 256},
    "a jti that is a number": {"jti": 1},
    "a request object with a request (A081)": {"request": "x"},
    "a request object with a hint (A081)": {"login_hint": "u1", "scope": "openid"},
}


@pytest.mark.parametrize("changes", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
def test_other_claims_are_refused(changes: dict[str, Any]) -> None:
    for client in (by_key(), FAPI):
        refused(partial(accepted, an_assertion(**changes), client))
    refused(lambda: accepted_mac(a_mac(**changes)))


FORGED: dict[str, str] = {
    "nothing": "",
    "no JWT": "abc",
    "a JWE": "e30.e30.e30.e30.e30",
    "over the cap": "a" * (policy.SIGNED_REQUEST_CHARACTERS_MAX + 1),
    "other letters": "\u00e9.\ud800.\0",
    "alg none": unsigned(HEADER | {"alg": "none"}, CLAIMS),
    "another's key": signed(HEADER, CLAIMS, OTHER_KEY),
    "another's key, in the header": signed(
        HEADER | {"jwk": ECAlgorithm.to_jwk(OTHER_KEY.public_key(), as_dict=True)},
        CLAIMS,
        OTHER_KEY,
    ),
    "an unknown kid": an_assertion(HEADER | {"kid": "third"}),
    "the kid of another key": an_assertion(HEADER | {"kid": "rsa"}),
    "HS256 with the secret": hs256({"alg": "HS256"}, CLAIMS, SECRET.encode() + b"x"),
    "crit": an_assertion(HEADER | {"crit": ["exp"]}),
    "deep claims": signed(HEADER, '{"a":' * 2_000, EC_KEY),
    "exp twice": signed(HEADER, f'{{"exp": {NOW + 60}, "exp": {NOW + 60}}}', EC_KEY),
    **{
        f"typ {typ}": an_assertion(HEADER | {"typ": typ})
        for typ in ("oauth-authz-req+jwt", "dpop+jwt", "at+jwt", "", 5, ["JWT"], None)
    },
}


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED)
def test_a_forgery_is_refused(text: str) -> None:
    """D071, D076, A075, A082, T13, T14."""
    refused(lambda: accepted(text))
    refused(lambda: accepted_mac(text))


def test_without_keys_nobody_is_authenticated() -> None:
    refused(lambda: checked(an_assertion(), client=by_key(), keys=[], audiences=AUDIENCES, now=NOW))


# client_secret_jwt


@pytest.mark.parametrize("algorithm", MAC_ALGORITHMS)
def test_a_secret_authenticates_by_the_algorithm_registered(algorithm: str) -> None:
    """OpenID Connect Core 9; HS256 when none is."""
    text = a_mac(algorithm)

    for registered in ("", *MAC_ALGORITHMS):
        client = by_secret(token_endpoint_auth_signing_alg=registered)
        if algorithm == (registered or "HS256"):
            assert accepted_mac(text, client).name == accepted(an_assertion()).name
        else:
            refused(partial(accepted_mac, text, client))


@pytest.mark.parametrize("algorithm", ["ES256", "none", "RS256"])
def test_a_secret_stands_for_no_other_algorithm(algorithm: str) -> None:
    client = by_secret(token_endpoint_auth_signing_alg=algorithm)

    for text in (a_mac(), an_assertion(), unsigned({"alg": "none"}, CLAIMS)):
        refused(partial(accepted_mac, text, client))


def test_a_short_secret_authenticates_nobody() -> None:
    """RFC 7518 3.2."""
    for secret in ("", "s" * 31):
        text = hs256({"alg": "HS256"}, CLAIMS, secret.encode())
        refused(partial(accepted_mac, text, secret=secret))
    accepted_mac(hs256({"alg": "HS256"}, CLAIMS, b"s" * 32), secret="s" * 32)


def test_another_secret_is_refused() -> None:
    refused(lambda: accepted_mac(a_mac(), secret=SECRET[::-1]))


def test_a_fapi_client_has_no_secret_to_sign_with() -> None:
    """B001."""
    refused(lambda: accepted_mac(a_mac(), by_secret(profile="fapi-ciba")))


def test_a_mac_is_no_signature_and_a_signature_no_mac() -> None:
    refused(lambda: accepted(a_mac()))
    refused(lambda: accepted_mac(an_assertion()))


# Anything at all


@given(st.text() | st.binary().map(lambda octets: octets.decode("latin-1")))
def test_a_random_text_is_refused_everywhere(text: str) -> None:
    for call in (claimed_client, kid_of, accepted, accepted_mac):
        with pytest.raises(InvalidClient):
            call(text)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf"]), VALUES))
def test_signed_claims_of_random_types_are_refused_or_right(claims: dict[str, Any]) -> None:
    """A registered client is an attacker too."""
    text = signed(HEADER, CLAIMS | claims, EC_KEY)
    for client in (by_key(), FAPI):
        try:
            assert accepted(text, client).life_ms > 0
        except InvalidClient as refusal:
            assert_says_nothing(refusal)
