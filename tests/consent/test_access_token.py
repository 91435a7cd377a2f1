"""Our own access tokens, handed back: which are ours, and what they say."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from consent import access, policy, tokens
from consent.access_token import (
    AccessToken,
    ExpiredAccessToken,
    InvalidAccessToken,
    NoAccessToken,
    access_token,
)
from consent.key_ring import KeyRing
from consent.signing_key import ALGORITHMS, SigningKey, new_signing_key
from tests.support.domain import (
    CLIENT_ID,
    ISSUER,
    NOW,
    USER_ID,
    a_request,
    an_ec_key,
    an_rsa_key,
)
from tests.support.forgery import hs256, part, signed, unsigned

KEY = SigningKey(an_ec_key())
RSA = SigningKey(an_rsa_key(), "PS256")
RING = KeyRing([(KEY, 0), (RSA, 0)])
API = "https://api.example/"
MANAGEMENT = access.management_audience(ISSUER)


def token_set(key: SigningKey = KEY, confirmation: str = "", **request: object) -> dict[str, Any]:
    return tokens.token_response(
        a_request(**request),
        {"user_id": USER_ID},
        access_key=key,
        id_key=KEY,
        issuer=ISSUER,
        jti="the-jti",
        issued_at=NOW,
        auth_time=NOW - 7,
        confirmation=confirmation,
    )


def persons(key: SigningKey = KEY, confirmation: str = "", **request: object) -> str:
    return str(token_set(key, confirmation, **request)["access_token"])


def clients_own(key: SigningKey = KEY, **changes: object) -> str:
    arguments: dict[str, Any] = {
        "client_id": CLIENT_ID,
        "audience": MANAGEMENT,
        "scope": ["read:users", "create:users"],
        "key": key,
        "issuer": ISSUER,
        "jti": "the-jti",
        "issued_at": NOW,
        "lifetime_seconds": 600,
    }
    arguments.update(changes)
    return str(tokens.client_token_response(**arguments)["access_token"])


def opened(
    text: str, *, audience: str | None = API, now: float = NOW, ring: KeyRing = RING
) -> AccessToken:
    return access_token(text, ring=ring, issuer=ISSUER, audience=audience, now=now)


def test_a_persons_token_says_who_it_is_about_and_what_it_is_for() -> None:
    details: list[dict[str, object]] = [{"type": "payment", "amount": 10}]

    token = opened(persons(confirmation="jkt:abc", acr="urn:acr", authorization_details=details))

    assert token == AccessToken(
        iss=ISSUER,
        sub=USER_ID,
        aud=API,
        client_id=CLIENT_ID,
        scope="openid email",
        jti="the-jti",
        iat=NOW,
        exp=NOW + 600,
        auth_time=NOW - 7,
        acr="urn:acr",
        amr=["pop", "mca", "user"],
        cnf={"jkt": "abc"},
        authorization_details=details,
    )
    assert (token.user_id, token.is_clients_own) == (USER_ID, False)
    assert token.scopes == {"openid", "email"}


def test_a_clients_own_token_is_about_nobody() -> None:
    token = opened(clients_own(), audience=MANAGEMENT)

    assert (token.user_id, token.is_clients_own) == (None, True)
    assert token.scopes == {"read:users", "create:users"}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_every_algorithm_we_sign_by_is_verified(alg: Any) -> None:  # noqa: ANN401
    key = SigningKey(an_rsa_key(), alg) if alg in {"RS256", "PS256"} else new_signing_key(alg)

    assert opened(persons(key), ring=KeyRing([(KEY, 0), (key, 0)])).sub == USER_ID


def test_a_token_of_a_superseded_key_is_good_while_the_key_is_known() -> None:
    ring = KeyRing([(KEY, 0), (new_signing_key(), NOW * 1_000)])

    assert opened(persons(), ring=ring).sub == USER_ID


def test_any_audience_is_good_where_none_is_asked_for() -> None:
    """/userinfo, revocation and introspection take them all; elsewhere it is compared whole."""
    assert opened(persons(audience="https://other.example/"), audience=None).sub == USER_ID


def claims_of(text: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
    return claims


def edited(text: str, header: dict[str, object] | None = None, **claims: object) -> str:
    """The token with parts changed and its signature as it was."""
    parts = text.split(".")
    parts[0] = part({**jwt.get_unverified_header(text), **(header or {})})
    parts[1] = part({**json.loads(base64.urlsafe_b64decode(parts[1] + "==")), **claims})
    return ".".join(parts)


HEADER: dict[str, object] = {"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid}
CLAIMS = claims_of(persons())
REFUSED = {
    "nothing": "",
    "no JWT": "x.y.z",
    "two parts": "a.b",
    "five parts": "a.b.c.d.e",
    "another audience": persons(audience="https://other.example/"),
    "an audience that begins alike": persons(audience=f"{API}v2"),
    "the management audience": persons(audience=MANAGEMENT),
    "a client's own token of another audience": clients_own(),
    "a grant we do not know": KEY.sign({**CLAIMS, "gty": "password"}, "at+jwt"),
    "an issuer that begins alike": KEY.sign({**CLAIMS, "iss": f"{ISSUER}evil"}, "at+jwt"),
    "an issuer without its slash": KEY.sign({**CLAIMS, "iss": ISSUER.rstrip("/")}, "at+jwt"),
    "a foreign key": persons(new_signing_key()),
    "a foreign key under our kid": signed(HEADER, CLAIMS, ec.generate_private_key(ec.SECP256R1())),
    "another kid": edited(persons(), {"kid": "x"}),
    "a kid of another type": signed(HEADER | {"kid": [1]}, CLAIMS, an_ec_key()),
    "no kid": signed({"alg": "ES256", "typ": "at+jwt"}, CLAIMS, an_ec_key()),
    "our RSA key by another algorithm than its own": signed(
        {"alg": "RS256", "typ": "at+jwt", "kid": RSA.kid}, CLAIMS, an_rsa_key()
    ),
    "changed claims": edited(persons(), scope="delete:users"),
    "alg none": unsigned(HEADER | {"alg": "none"}, CLAIMS),
    "HS256 with the public key as its secret": hs256(
        HEADER | {"alg": "HS256"}, CLAIMS, json.dumps(KEY.public).encode()
    ),
    "a key in the header": signed(HEADER | {"kid": "x", "jwk": KEY.public}, CLAIMS, an_ec_key()),
    "an unknown critical header": signed(HEADER | {"crit": ["x"], "x": 1}, CLAIMS, an_ec_key()),
    "an unencoded payload": signed(HEADER | {"b64": False}, CLAIMS, an_ec_key()),
    "a repeated member": signed(HEADER, json.dumps(CLAIMS)[:-1] + ',"sub":"x"}', an_ec_key()),
    "an infinite expiry": signed(HEADER, json.dumps(CLAIMS | {"exp": float("inf")}), an_ec_key()),
    "an expiry that is a truth": KEY.sign({**CLAIMS, "exp": True}, "at+jwt"),
    "an expiry that is a text": KEY.sign({**CLAIMS, "exp": str(NOW + 600)}, "at+jwt"),
    "a list of audiences": KEY.sign({**CLAIMS, "aud": [API]}, "at+jwt"),
    "a scope that is a list": KEY.sign({**CLAIMS, "scope": ["openid"]}, "at+jwt"),
    "a confirmation that is a text": KEY.sign({**CLAIMS, "cnf": "jkt"}, "at+jwt"),
    "claims that are a list": signed(HEADER, [CLAIMS], an_ec_key()),
    "deep claims": signed(HEADER, "[" * 5_000, an_ec_key()),
    "a deep header": signed("[" * 3_000, CLAIMS, an_ec_key()),
    "a lone surrogate": signed(
        HEADER, json.dumps(CLAIMS).replace("the-jti", r"\ud800"), an_ec_key()
    ),
    "too long": KEY.sign({**CLAIMS, "jti": "j" * policy.SIGNED_REQUEST_CHARACTERS_MAX}, "at+jwt"),
    "other letters": "\u00e9.\u00e9.\u00e9",
    **{
        f"no {name}": KEY.sign({k: v for k, v in CLAIMS.items() if k != name}, "at+jwt")
        for name in ("iss", "sub", "aud", "client_id", "scope", "jti", "iat", "exp")
    },
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_any_other_text_is_refused(text: str) -> None:
    """D005, T13, T14, T15."""
    with pytest.raises(InvalidAccessToken):
        opened(text)


@pytest.mark.parametrize(
    "text",
    [
        token_set()["id_token"],
        KEY.sign(CLAIMS, "JWT"),
        KEY.sign(CLAIMS, "application/at+jwt"),
        signed({"alg": "ES256", "kid": KEY.kid}, CLAIMS, an_ec_key()),
    ],
    ids=["an ID token", "its claims", "a longer type", "no type"],
)
def test_what_we_signed_as_something_else_is_no_access_token(text: str) -> None:
    """D006."""
    with pytest.raises(NoAccessToken):
        opened(text)


@pytest.mark.parametrize("seconds", [600, 601, 10**9])
def test_a_token_ends_with_its_life(seconds: int) -> None:
    with pytest.raises(ExpiredAccessToken):
        opened(persons(), now=NOW + seconds)


def test_a_token_lives_to_its_last_moment() -> None:
    assert opened(persons(), now=NOW + 599.9).sub == USER_ID


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_a_random_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidAccessToken):
        opened(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    st.lists,
    max_leaves=4,
)


@given(st.sampled_from(sorted(CLAIMS)), JSON)
def test_a_claim_of_whatever_value_is_accepted_or_refused(name: str, value: object) -> None:
    """Deep down every refusal is the specified one."""
    try:
        text = KEY.sign({**CLAIMS, name: value}, "at+jwt")
    except (UnicodeEncodeError, OverflowError):
        return  # we cannot even sign it
    try:
        token = opened(text)
    except InvalidAccessToken:
        return
    assert token.iss == ISSUER
