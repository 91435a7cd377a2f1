"""Signed hints: which are believed, and what is never taken for one."""

import contextlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from consent import policy
from consent.errors import ExpiredLoginHintToken, InvalidRequest, OAuthError, UnknownUserId
from consent.hint_tokens import TrustedIssuer, id_token_hint, login_hint_token, trusted_issuers
from consent.jose import public_key
from consent.login_hint import LoginHint
from consent.signing_key import SigningKey, new_signing_key
from tests.support.domain import CLIENT_ID, ISSUER, NOW, USER_ID, assert_says_nothing
from tests.support.forgery import hs256, signed, unsigned

# Ours, as they are published: a current and a retired one.
OUR_KEY, THEIR_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
OURS, RETIRED, STRANGER = SigningKey(OUR_KEY), new_signing_key(), new_signing_key()
OUR_KEYS = (public_key(OURS.public), public_key(RETIRED.public))
ID_TOKEN: dict[str, Any] = {
    "iss": ISSUER,
    "sub": USER_ID,
    "aud": CLIENT_ID,
    "iat": NOW - 60,
    "exp": NOW + 3_600,
}

TRUSTED = "https://bank.example"
THEIRS = SigningKey(THEIR_KEY)
ISSUERS = {TRUSTED: TrustedIssuer(TRUSTED, (public_key(THEIRS.public),))}
HEADER: dict[str, Any] = {"alg": "ES256", "typ": "JWT", "kid": THEIRS.kid}
TOKEN: dict[str, Any] = {
    "iss": TRUSTED,
    "aud": ISSUER,
    "exp": NOW + 60,
    "sub_id": {"format": "phone_number", "phone_number": "+12065550100"},
}


def changed(claims: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {name: value for name, value in (claims | changes).items() if value is not None}


def an_id_token(typ: str = "JWT", **changes: object) -> str:
    return OURS.sign(changed(ID_TOKEN, **changes), typ)


def a_token(**changes: object) -> str:
    return THEIRS.sign(changed(TOKEN, **changes), "JWT")


def known(text: str, *, now: float = NOW) -> str:
    return id_token_hint(text, client_id=CLIENT_ID, issuer=ISSUER, keys=OUR_KEYS, now=now)


def named(text: str, *, now: float = NOW) -> LoginHint:
    return login_hint_token(text, issuers=ISSUERS, issuer=ISSUER, now=now)


MALFORMED = {
    "nothing": "",
    "no JWT": "abc",
    "two dots": "..",
    "many dots": "." * 8_000,
    "five parts": "a.b.c.d.e",
    "other letters": "\u00e9.\u00e9.\u00e9",
    "half a surrogate pair": "\ud800",
    "too long": "a" * (policy.SIGNED_REQUEST_CHARACTERS_MAX + 1),
    "NUL": "\0.\0.\0",
}
NO_TIMES: dict[str, object] = {
    "a truth": True,
    "a text": str(NOW),
    "a list": [NOW],
    "an object": {},
}


# id_token_hint


@pytest.mark.parametrize(
    "text",
    [
        an_id_token(),
        an_id_token("jwt"),
        RETIRED.sign(ID_TOKEN, "JWT"),
        an_id_token(aud=[CLIENT_ID]),
        an_id_token(aud=["another", CLIENT_ID], azp=CLIENT_ID),
        an_id_token(exp=NOW - 1),
        an_id_token(exp=NOW - policy.ID_TOKEN_HINT_AGE_SECONDS_MAX),
    ],
)
def test_an_id_token_of_ours_names_its_subject(text: str) -> None:
    """A031, A032: by a current or a retired key, for this client, even past its exp."""
    assert known(text) == USER_ID


def test_an_id_token_without_a_type_is_one_too() -> None:
    assert known(signed({"alg": "ES256"}, ID_TOKEN, OUR_KEY)) == USER_ID


NOT_ID_TOKENS = MALFORMED | {
    "by a key that is not ours": STRANGER.sign(ID_TOKEN, "JWT"),
    "alg none": unsigned({"alg": "none", "typ": "JWT"}, ID_TOKEN),
    "HS256 with the public key": hs256(
        {"alg": "HS256", "kid": OURS.kid}, ID_TOKEN, json.dumps(OURS.public).encode()
    ),
    "a changed signature": an_id_token()[:-6] + "AAAAAA",
    "an access token": an_id_token("at+jwt"),
    "an access token by its full type": an_id_token("application/at+jwt"),
    "a request object": an_id_token("oauth-authz-req+jwt"),
    "a logout token": an_id_token("logout+jwt"),
    "a transaction token": an_id_token("txtkn+jwt"),
    "of another issuer": an_id_token(iss="https://nod.example.org/"),
    "of our issuer without its slash": an_id_token(iss=ISSUER.rstrip("/")),
    "without an issuer": an_id_token(iss=None),
    "of an issuer that is a list": an_id_token(iss=[ISSUER]),
    "for another client": an_id_token(aud="another"),
    "for several other clients": an_id_token(aud=["another", f"{CLIENT_ID}x"]),
    "for nobody": an_id_token(aud=None),
    "for an object": an_id_token(aud={CLIENT_ID: 1}),
    "for a list of lists": an_id_token(aud=[[CLIENT_ID]]),
    "without an exp": an_id_token(exp=None),
    **{f"exp {name}": an_id_token(exp=value) for name, value in NO_TIMES.items()},
    "expired too long ago": an_id_token(exp=NOW - policy.ID_TOKEN_HINT_AGE_SECONDS_MAX - 1),
    "without a subject": an_id_token(sub=None),
    "with an empty subject": an_id_token(sub=""),
    "with a subject that is a number": an_id_token(sub=1),
}


@pytest.mark.parametrize("text", NOT_ID_TOKENS.values(), ids=NOT_ID_TOKENS)
def test_anything_else_is_no_hint(text: str) -> None:
    """A033, A034, T15: one code for all, and no word of what was sent."""
    with pytest.raises(InvalidRequest) as caught:
        known(text)

    assert caught.value.error == "invalid_request"
    assert caught.value.description.startswith("id_token_hint ")
    assert_says_nothing(caught.value, USER_ID)


def test_the_log_is_told_what_was_wrong_with_a_signature() -> None:
    with pytest.raises(InvalidRequest) as caught:
        known(STRANGER.sign(ID_TOKEN, "JWT"))

    assert caught.value.detail == "no key of that kid"


# login_hint_token


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, LoginHint("phone_number", "+12065550100")),
        (
            {"sub_id": {"format": "email", "email": "User@example.com"}},
            LoginHint("email", "user@example.com"),
        ),
        (
            {"sub_id": {"format": "iss_sub", "iss": ISSUER, "sub": USER_ID}},
            LoginHint("user_id", USER_ID),
        ),
        ({"sub_id": {"format": "opaque", "id": USER_ID}}, LoginHint("user_id", USER_ID)),
        ({"sub_id": None, "sub": USER_ID}, LoginHint("user_id", USER_ID)),
        ({"sub": "auth0|ignored"}, LoginHint("phone_number", "+12065550100")),
        ({"aud": ["another", ISSUER]}, LoginHint("phone_number", "+12065550100")),
        ({"exp": NOW - policy.CLOCK_SKEW_SECONDS + 1}, LoginHint("phone_number", "+12065550100")),
        ({"nbf": NOW + policy.CLOCK_SKEW_SECONDS}, LoginHint("phone_number", "+12065550100")),
    ],
)
def test_a_trusted_issuer_names_a_person(claims: dict[str, Any], expected: LoginHint) -> None:
    """A030: RFC 9493 4.1 and 3.2.2 to 3.2.5."""
    assert named(a_token(**claims)) == expected


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - policy.CLOCK_SKEW_SECONDS},
        {"exp": 0},
        {"exp": NOW - 3_600.5, "sub_id": None},
    ],
)
def test_an_expired_token_has_its_own_code(claims: dict[str, Any]) -> None:
    """A029."""
    with pytest.raises(ExpiredLoginHintToken) as caught:
        named(a_token(**claims))

    assert (caught.value.status, caught.value.error) == (400, "expired_login_hint_token")
    assert_says_nothing(caught.value)


NOT_TRUSTED = MALFORMED | {
    "by another key": STRANGER.sign(TOKEN, "JWT"),
    "by another key under its kid": signed(HEADER, TOKEN, OUR_KEY),
    "by us": OURS.sign(TOKEN, "JWT"),
    "expired, by another key": STRANGER.sign(TOKEN | {"exp": 0}, "JWT"),
    "alg none": unsigned(HEADER | {"alg": "none"}, TOKEN),
    "HS256": hs256(HEADER | {"alg": "HS256"}, TOKEN, b""),
    "of an issuer nobody trusts": a_token(iss="https://bank.example.evil"),
    "of an issuer with a slash more": a_token(iss=f"{TRUSTED}/"),
    "of no issuer": a_token(iss=None),
    "of an issuer that is a list": a_token(iss=[TRUSTED]),
    "of an issuer that is an object": a_token(iss={TRUSTED: TRUSTED}),
    "for another": a_token(aud="https://other.example/"),
    "for us without our slash": a_token(aud=ISSUER.rstrip("/")),
    "for nobody": a_token(aud=None),
    "without an exp": a_token(exp=None),
    **{f"exp {name}": a_token(exp=value) for name, value in NO_TIMES.items()},
    "not valid yet": a_token(nbf=NOW + policy.CLOCK_SKEW_SECONDS + 1),
    "nbf that is a text": a_token(nbf=str(NOW)),
    "an access token": THEIRS.sign(TOKEN, "at+jwt"),
    "a client assertion": THEIRS.sign(TOKEN, "client-authentication+jwt"),
}


@pytest.mark.parametrize("text", NOT_TRUSTED.values(), ids=NOT_TRUSTED)
def test_what_no_trusted_issuer_has_said_to_us_is_refused(text: str) -> None:
    """A030, T13, T15."""
    with pytest.raises(InvalidRequest) as caught:
        named(text)

    assert caught.value.error == "invalid_request"
    assert caught.value.description.startswith("login_hint_token ")
    assert_says_nothing(caught.value, TRUSTED)


@pytest.mark.parametrize(
    "claims",
    [
        {"sub_id": None},
        {"sub_id": None, "sub": ""},
        {"sub_id": None, "sub": 5},
        {"sub_id": USER_ID},
        {"sub_id": [], "sub": USER_ID},
        {"sub_id": {}},
        {"sub_id": {"format": "opaque"}},
        {"sub_id": {"format": "opaque", "id": "u" * 256}},
        {"sub_id": {"format": "iss_sub", "iss": TRUSTED, "sub": USER_ID}},
        {"sub_id": {"format": "did", "url": "did:example:123456"}},
        {"sub_id": {"format": "phone_number", "phone_number": 12065550100}},
        {"sub_id": {"subject_type": "phone", "phone": "+12065550100"}},  # CIBA 7.1.1's, a draft
    ],
)
def test_a_trusted_issuer_may_name_nobody(claims: dict[str, Any]) -> None:
    """A028."""
    with pytest.raises(UnknownUserId) as caught:
        named(a_token(**claims))

    assert caught.value.detail
    assert_says_nothing(caught.value)


def test_nobody_is_trusted_until_a_file_says_so() -> None:
    with pytest.raises(InvalidRequest):
        login_hint_token(a_token(), issuers={}, issuer=ISSUER, now=NOW)


@given(st.text(st.characters()))
def test_a_random_text_is_refused(text: str) -> None:
    for call in (known, named):
        with pytest.raises(InvalidRequest):
            call(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*ID_TOKEN, *TOKEN, "nbf", "typ"]), VALUES))
def test_signed_claims_of_any_type_are_refused_or_right(claims: dict[str, Any]) -> None:
    ours = signed({"alg": "ES256"}, ID_TOKEN | claims, OUR_KEY)
    theirs = signed(HEADER, TOKEN | claims, THEIR_KEY)
    for call, text in ((known, ours), (named, theirs)):
        try:
            assert call(text)
        except OAuthError as refusal:
            assert_says_nothing(refusal)


# The issuers that are trusted


def test_trusted_issuers_are_a_list_with_their_keys() -> None:
    other = "https://other.example"
    jwks = {"keys": [THEIRS.public, OURS.public]}
    text = json.dumps([{"issuer": TRUSTED, "jwks": jwks}, {"issuer": other, "jwks": jwks}])

    trusted = trusted_issuers(text.encode())

    assert list(trusted) == [TRUSTED, other]
    assert trusted[TRUSTED].issuer == TRUSTED
    assert [key.kid for key in trusted[TRUSTED].keys] == [THEIRS.kid, OURS.kid]
    assert login_hint_token(a_token(), issuers=trusted, issuer=ISSUER, now=NOW)


def test_a_list_of_none_trusts_nobody() -> None:
    assert trusted_issuers(b"[]") == {}


GOOD_ENTRY: dict[str, Any] = {"issuer": TRUSTED, "jwks": {"keys": [THEIRS.public]}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "is empty"),
        (b"\xff", "not UTF-8"),
        (b"{", "not JSON"),
        (b"{}", "array"),
        (b"[1]", r"\$\[0\]"),
        (json.dumps([{"issuer": TRUSTED}]).encode(), "jwks"),
        (json.dumps([{"jwks": {"keys": []}}]).encode(), "issuer"),
        (json.dumps([GOOD_ENTRY | {"issuer": 1}]).encode(), "issuer"),
        (json.dumps([GOOD_ENTRY | {"issuer": ""}]).encode(), "empty"),
        (json.dumps([GOOD_ENTRY | {"jwks_uri": "https://x/"}]).encode(), "jwks_uri"),
        (json.dumps([GOOD_ENTRY, GOOD_ENTRY]).encode(), r"\$\[1\] is empty or repeated"),
        (json.dumps([GOOD_ENTRY | {"jwks": {}}]).encode(), "not a JWK Set"),
        (json.dumps([GOOD_ENTRY | {"jwks": {"keys": []}}]).encode(), "no key"),
        (
            json.dumps([GOOD_ENTRY | {"jwks": {"keys": [THEIRS.public | {"d": "AQ"}]}}]).encode(),
            "private",
        ),
    ],
)
def test_a_file_that_cannot_be_used_says_why(text: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        trusted_issuers(text)


@given(st.binary())
def test_a_file_of_any_octets_is_read_or_refused(text: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert trusted_issuers(text) == {}
