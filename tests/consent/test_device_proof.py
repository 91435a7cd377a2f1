"""What a phone signs: what is accepted of the SDKs, and what no phone would send."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from consent import policy
from consent.device_key import device_key
from consent.device_proof import (
    Decision,
    Proof,
    check_device_token,
    decision,
    proof,
    unverified_issuer,
)
from consent.errors import DeviceError
from consent.identifiers import digest
from scripts.simulated_phone import Style
from tests.support.domain import (
    CONSENT_ID,
    DEVICE_ID,
    ISSUER,
    NOW,
    SEAL,
    USER_ID,
    a_phone,
    assert_says_nothing,
)
from tests.support.forgery import hs256, signed, unsigned

STYLES: list[Style] = ["ios", "android", "ec"]
TXTKN = "a.transaction.token"
URL = f"{ISSUER}rich-consents/{CONSENT_ID}"
CHALLENGE = SEAL.challenge(CONSENT_ID, DEVICE_ID)
ANSWERS = f"{ISSUER}appliance-mfa/api/resolve-transaction"
ACCOUNTS = f"{ISSUER}appliance-mfa/api/device-accounts"
PHONE = a_phone("ec")
KEY = device_key(PHONE.public_jwk())
PEM = PHONE.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())

PROOF_HEADER: dict[str, Any] = {"typ": "dpop+jwt", "alg": "ES256", "jwk": PHONE.public_jwk()}
PROOF_CLAIMS: dict[str, Any] = {
    "htm": "GET",
    "htu": URL,
    "ath": digest(TXTKN),
    "jti": "j1",
    "iat": NOW,
}
HEADER: dict[str, Any] = {"typ": "JWT", "alg": "ES256"}
ANSWER: dict[str, Any] = {
    "iss": "8D1E-the-phones-own",
    "sub": CHALLENGE,
    "aud": ANSWERS,
    "iat": NOW,
    "exp": NOW + 30,
    "auth0_guardian_method": "push",
    "auth0_guardian_accepted": True,
}
TOKEN: dict[str, Any] = {
    "iss": DEVICE_ID,
    "sub": USER_ID,
    "aud": ACCOUNTS,
    "iat": NOW,
    "exp": NOW + 7_200,
}

JSON_DEEP = "[" * 3_000 + "]" * 3_000
MALFORMED = {
    "nothing": "",
    "no JWT": "abc",
    "two dots": "..",
    "many dots": "." * 8_000,
    "other letters": "\u00e9.\u00e9.\u00e9",
    "over 8 KiB": "a" * (policy.SIGNED_INPUT_CHARACTERS_MAX + 1),
    "NUL": "\0.\0.\0",
}
# Times as claims: T12. None stands for a claim that is not there.
NO_TIMES: dict[str, object] = {
    "missing": None,
    "a truth": True,
    "a text": str(NOW),
    "a list": [NOW],
    "an object": {},
    "year 5138": 10**11,
    "before 1970": -NOW,
    "beyond 64 bits": 2**64,
}


def read(
    text: str | None, *, method: str = "GET", uri: str = URL, token: str = TXTKN, now: float = NOW
) -> Proof:
    return proof(text, http_method=method, http_uri=uri, access_token=token, now=now)


def answered(text: object, *, style: Style = "ec", now: float = NOW) -> Decision:
    return decision(
        text,
        key=device_key(a_phone(style).public_jwk()),
        identifier="8D1E-the-phones-own",
        challenge=CHALLENGE,
        audience=ANSWERS,
        now=now,
    )


def owned(text: str, *, style: Style = "ec", now: float = NOW) -> None:
    check_device_token(
        text,
        key=device_key(a_phone(style).public_jwk()),
        device_id=DEVICE_ID,
        user_id=USER_ID,
        audiences=(ACCOUNTS, f"{ACCOUNTS}/{DEVICE_ID}"),
        now=now,
    )


def refused(call: Callable[[], object]) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        call()
    assert caught.value.detail, "the log is told what was wrong"
    assert_says_nothing(caught.value)
    return caught.value


def changed(claims: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {name: value for name, value in (claims | changes).items() if value is not None}


def a_proof(header: object = PROOF_HEADER, **changes: object) -> str:
    return signed(header, changed(PROOF_CLAIMS, **changes), PHONE.key)


def an_answer(**changes: object) -> str:
    return signed(HEADER, changed(ANSWER, **changes), PHONE.key)


def a_token(**changes: object) -> str:
    return signed(HEADER, changed(TOKEN, **changes), PHONE.key)


def with_double(claims: dict[str, Any], name: str, value: str) -> str:
    """The JSON of claims, one of them named twice."""
    return json.dumps(claims)[:-1] + f', "{name}": {value}}}'


def forgeries(header: dict[str, Any], claims: dict[str, Any]) -> dict[str, str]:
    """T13, T14: signatures and shapes that are never accepted, whatever the claims say."""
    parts = signed(header, claims, PHONE.key).split(".")
    return MALFORMED | {
        "alg none": unsigned(header | {"alg": "none"}, claims),
        "no alg": signed({k: v for k, v in header.items() if k != "alg"}, claims, PHONE.key),
        "HS256 with the public key as its secret": hs256(header | {"alg": "HS256"}, claims, PEM),
        "HS256 with no secret": hs256(header | {"alg": "HS256"}, claims, b""),
        "RS256 of an EC key": signed(header | {"alg": "RS256"}, claims, PHONE.key),
        "ES384 of a P-256 key": signed(header | {"alg": "ES384"}, claims, PHONE.key),
        "another key": signed(header, claims, OTHER_KEY),
        "no signature": f"{parts[0]}.{parts[1]}.",
        "another's signature": ".".join([*parts[:2], signed(header, {}, PHONE.key).split(".")[2]]),
        "a cut signature": ".".join(parts)[:-4],
        "unknown crit": signed(header | {"crit": ["exp"]}, claims, PHONE.key),
        "an unencoded payload": signed(header | {"b64": False, "crit": ["b64"]}, claims, PHONE.key),
        "b64 without crit": signed(header | {"b64": False}, claims, PHONE.key),
        "a kid of another type": signed(header | {"kid": 5}, claims, PHONE.key),
        "claims that are a list": signed(header, [claims], PHONE.key),
        "claims that are a text": signed(header, '"claims"', PHONE.key),
        "claims that are no JSON": signed(header, "{", PHONE.key),
        "claims that are no UTF-8": signed(header, b"\xff", PHONE.key),
        "claims in UTF-16": signed(header, "{}".encode("utf-16"), PHONE.key),
        "deep claims": signed(header, JSON_DEEP[:4_000], PHONE.key),
        "a deep header": signed(JSON_DEEP[:4_000], claims, PHONE.key),
        "a header that is a list": signed([header], claims, PHONE.key),
        "iat twice": signed(header, with_double(claims, "iat", str(NOW)), PHONE.key),
        "iat NaN": signed(header, with_double(changed(claims, iat=None), "iat", "NaN"), PHONE.key),
        "iat infinite": signed(
            header, with_double(changed(claims, iat=None), "iat", "1e999"), PHONE.key
        ),
        "iat of 5000 digits": signed(
            header, with_double(changed(claims, iat=None), "iat", "9" * 5_000), PHONE.key
        ),
        **{
            f"iat {name}": signed(header, changed(claims, iat=value), PHONE.key)
            for name, value in NO_TIMES.items()
        },
        "signed and over 8 KiB": signed(header, claims | {"x": "x" * 8_192}, PHONE.key),
    }


# Proofs


@pytest.mark.parametrize("style", STYLES)
def test_the_sdks_proofs_are_accepted(style: Style) -> None:
    """IOS writes fractional times, Android whole ones, both a zero before the modulus."""
    phone = a_phone(style)

    verified = read(phone.proof("GET", URL, TXTKN))

    assert verified.thumbprint == device_key(phone.public_jwk()).thumbprint


def test_a_proof_is_remembered_by_its_key_and_jti() -> None:
    """T11: so that it counts once, and another phone's same jti is another proof."""
    verified = read(a_proof())

    assert verified == read(a_proof(iat=NOW - 1))
    assert verified.digest != read(a_proof(jti="j2")).digest
    assert verified.digest == digest(f"{KEY.thumbprint} j1")


PROOF_FORGERIES = forgeries(PROOF_HEADER, PROOF_CLAIMS) | {
    "another method": a_proof(htm="POST"),
    "a method in lower case": a_proof(htm="get"),
    "another URL": a_proof(htu=f"{ISSUER}rich-consents"),
    "another host": a_proof(htu=URL.replace("nod.example", "evil.example")),
    "a URL with a query": a_proof(htu=f"{URL}?"),
    "a URL that is a list": a_proof(htu=[URL]),
    "another token": a_proof(ath=digest("another")),
    "no token": a_proof(ath=None),
    "no jti": a_proof(jti=None),
    "an empty jti": a_proof(jti=""),
    "a jti that is a number": a_proof(jti=1),
    "a jti of 256 characters": a_proof(jti="j" * 256),
    "another type": a_proof(PROOF_HEADER | {"typ": "JWT"}),
    "no type": a_proof({"alg": "ES256", "jwk": PHONE.public_jwk()}),
    "no jwk": a_proof({"alg": "ES256", "typ": "dpop+jwt"}),
    "a jwk that is a text": a_proof(PROOF_HEADER | {"jwk": "key"}),
    "a private jwk": a_proof(PROOF_HEADER | {"jwk": PHONE.public_jwk() | {"d": "AQAB"}}),
    "the jwk of another key": a_proof(PROOF_HEADER | {"jwk": a_phone("ios").public_jwk()}),
    "a jwk of another alg": a_proof(PROOF_HEADER | {"jwk": PHONE.public_jwk() | {"alg": "ES384"}}),
    "a jwk of P-384": a_proof(PROOF_HEADER | {"jwk": PHONE.public_jwk() | {"crv": "P-384"}}),
    "a jwk with a coordinate out of range": a_proof(
        PROOF_HEADER | {"jwk": PHONE.public_jwk() | {"x": "_" * 1_000}}
    ),
    "too old": a_proof(iat=NOW - policy.PROOF_AGE_SECONDS_MAX - 0.001),
    "of the future": a_proof(iat=NOW + policy.CLOCK_SKEW_SECONDS + 0.001),
    "milliseconds": a_proof(iat=NOW * 1_000),
}


@pytest.mark.parametrize("text", PROOF_FORGERIES.values(), ids=PROOF_FORGERIES)
def test_any_other_proof_is_refused(text: str) -> None:
    """T9, T10, T12, T13, T14: one answer for all (auth0-wire 2.7)."""
    refusal = refused(lambda: read(text))

    assert (refusal.status, refusal.error) == (403, "invalid_dpop_assertion")


def test_no_proof_is_refused() -> None:
    assert refused(lambda: read(None)).status == 403


@pytest.mark.parametrize("age", [-policy.CLOCK_SKEW_SECONDS, 0.5, policy.PROOF_AGE_SECONDS_MAX])
def test_a_proof_is_fresh_within_its_allowances(age: float) -> None:
    assert read(a_proof(iat=NOW - age)).thumbprint == KEY.thumbprint


def test_a_proof_is_for_this_request_only() -> None:
    for call in (
        lambda: read(a_proof(), method="POST"),
        lambda: read(a_proof(), uri=f"{ISSUER}rich-consents"),
        lambda: read(a_proof(), token="another.token.x"),
    ):
        assert refused(call).error == "invalid_dpop_assertion"


def test_a_proof_by_a_fresh_key_shows_that_key_and_no_other() -> None:
    """T9: whose key it is, is compared where the device is read."""
    numbers = PHONE.public_jwk()
    stranger = a_phone("ios")

    assert read(stranger.proof("GET", URL, TXTKN)).thumbprint != device_key(numbers).thumbprint


# Answers


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("accept", "reason", "expected"),
    [
        (True, None, Decision(accepted=True, reason="")),
        (False, None, Decision(accepted=False, reason="")),
        (False, "not me", Decision(accepted=False, reason="not me")),
    ],
)
def test_the_sdks_answers_are_understood(
    style: Style, accept: bool, reason: str | None, expected: Decision
) -> None:
    text = a_phone(style).challenge_response(CHALLENGE, accept, reason)

    assert answered(text, style=style) == expected


ANSWER_FORGERIES = forgeries(HEADER, ANSWER) | {
    "another challenge": an_answer(sub=SEAL.challenge(CONSENT_ID, "dev_another")),
    "no challenge": an_answer(sub=None),
    "a challenge that is a list": an_answer(sub=[CHALLENGE]),
    "a challenge of other letters": an_answer(sub="\u00e9"),
    "the enrolment id as issuer": an_answer(iss=DEVICE_ID),
    "no issuer": an_answer(iss=None),
    "another endpoint": an_answer(aud=ACCOUNTS),
    "another host": an_answer(aud=ANSWERS.replace("nod.example", "evil.example")),
    "several audiences": an_answer(aud=[ANSWERS]),
    "no audience": an_answer(aud=None),
    "another method": an_answer(auth0_guardian_method="sms"),
    "no method": an_answer(auth0_guardian_method=None),
    "no answer": an_answer(auth0_guardian_accepted=None),
    "an answer that is a number": an_answer(auth0_guardian_accepted=1),
    "an answer that is a text": an_answer(auth0_guardian_accepted="true"),
    "an old name for the answer": an_answer(auth0_guardian_accepted=None, auth_accepted=True),
    "a reason that is a list": an_answer(auth0_guardian_reason=["x"]),
    "a reason of 256 characters": an_answer(auth0_guardian_reason="x" * 256),
    "expired": an_answer(iat=NOW - 90, exp=NOW - policy.CLOCK_SKEW_SECONDS),
    "of the future": an_answer(iat=NOW + 60.001, exp=NOW + 90),
    "too long a life": an_answer(exp=NOW + policy.ANSWER_LIFE_SECONDS_MAX + 1),
    "no life": an_answer(exp=NOW),
    "a life that ends before it begins": an_answer(exp=NOW - 1),
    **{f"exp {name}": an_answer(exp=value) for name, value in NO_TIMES.items()},
    "exp twice": signed(HEADER, with_double(ANSWER, "exp", str(NOW + 60)), PHONE.key),
    "the answer twice": signed(
        HEADER, with_double(ANSWER, "auth0_guardian_accepted", "false"), PHONE.key
    ),
    "a proof": PHONE.proof("GET", URL, TXTKN),
    "a device's own token": PHONE.device_token(),
}


@pytest.mark.parametrize("text", ANSWER_FORGERIES.values(), ids=ANSWER_FORGERIES)
def test_any_other_answer_is_refused(text: str) -> None:
    """T8, T12, T13, T15: one answer for all (auth0-wire 2.5)."""
    refusal = refused(lambda: answered(text))

    assert (refusal.status, refusal.error) == (401, "invalid_token")


@pytest.mark.parametrize("value", [None, 5, True, [], {"a": 1}])
def test_an_answer_that_is_no_text_is_refused(value: object) -> None:
    assert refused(lambda: answered(value)).status == 401


def test_an_answer_of_another_enrolled_phone_is_refused() -> None:
    text = a_phone("ios").challenge_response(CHALLENGE, accept=True)

    assert refused(lambda: answered(text, style="android")).error == "invalid_token"


@pytest.mark.parametrize("now", [NOW - 60, NOW, NOW + 30 + 59.9])
def test_an_answer_is_good_for_its_life_and_the_clocks_allowance(now: float) -> None:
    """T12: a clock may be off by a minute either way."""
    assert answered(an_answer(), now=now).accepted


# A device's own bearer token


@pytest.mark.parametrize("style", ["ios", "ec"])
def test_the_sdks_own_tokens_are_accepted(style: Style) -> None:
    token = a_phone(style).device_token()

    owned(token, style=style)
    assert unverified_issuer(token) == DEVICE_ID


def test_its_audience_may_name_the_account() -> None:
    owned(a_token(aud=f"{ACCOUNTS}/{DEVICE_ID}"))


TOKEN_FORGERIES = forgeries(HEADER, TOKEN) | {
    "another device": a_token(iss="dev_another"),
    "another person": a_token(sub="auth0|u2"),
    "no person": a_token(sub=None),
    "another endpoint": a_token(aud=ANSWERS),
    "another account": a_token(aud=f"{ACCOUNTS}/dev_another"),
    "several audiences": a_token(aud=[ACCOUNTS]),
    "no audience": a_token(aud=None),
    "expired": a_token(iat=NOW - 7_260, exp=NOW - 60),
    "too long a life": a_token(exp=NOW + policy.DEVICE_TOKEN_LIFE_SECONDS_MAX + 1),
    "an answer": an_answer(),
    "a proof": a_proof(),
}


@pytest.mark.parametrize("text", TOKEN_FORGERIES.values(), ids=TOKEN_FORGERIES)
def test_any_other_token_is_refused(text: str) -> None:
    """T12, T13, T15."""
    refusal = refused(lambda: owned(text))

    assert (refusal.status, refusal.error) == (401, "invalid_token")


@pytest.mark.parametrize(
    "text",
    [
        *MALFORMED.values(),
        signed(HEADER, JSON_DEEP, PHONE.key),
        signed(JSON_DEEP, {}, PHONE.key),
        a_token(iss=None),
        a_token(iss=5),
        a_token(iss=[DEVICE_ID]),
        signed(HEADER, [1], PHONE.key),
        signed(HEADER, '{"iss": ' + "9" * 5_000 + "}", PHONE.key),
    ],
)
def test_what_names_no_device_names_none(text: str) -> None:
    """T14: deep, huge or malformed, it is never an error of ours."""
    assert unverified_issuer(text) is None


@given(st.text() | st.binary().map(lambda octets: octets.decode("latin-1")))
def test_a_random_text_is_refused_everywhere(text: str) -> None:
    for call in (read, answered, owned):
        with pytest.raises(DeviceError):
            call(text)
    assert unverified_issuer(text) is None


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.text()),
)


@given(st.dictionaries(st.sampled_from([*PROOF_CLAIMS, *ANSWER]), VALUES))
def test_signed_claims_of_random_types_are_refused_or_right(claims: dict[str, Any]) -> None:
    """An enrolled phone is an attacker too: whatever it signs is never an error of ours."""
    for call, text in (
        (read, signed(PROOF_HEADER, PROOF_CLAIMS | claims, PHONE.key)),
        (answered, signed(HEADER, ANSWER | claims, PHONE.key)),
        (owned, signed(HEADER, TOKEN | claims, PHONE.key)),
    ):
        try:
            call(text)
        except DeviceError as refusal:
            assert_says_nothing(refusal)
