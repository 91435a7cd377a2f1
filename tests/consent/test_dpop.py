"""DPoP: what shows that a client holds its key now, for this request, and what does not."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from consent import policy
from consent.dpop import Nonces, Proof, proof
from consent.errors import InvalidDpopProof, UseDpopNonce
from consent.identifiers import digest
from consent.jose import public_key
from consent.used_once import used_once
from tests.support.domain import (
    ISSUER,
    NOW,
    an_ec_key,
    an_rsa_key,
    assert_says_nothing,
    vector,
)
from tests.support.forgery import hs256, signed, unsigned

KEY = an_ec_key()
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
JWK: dict[str, Any] = dict(ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True))
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
THUMBPRINT = public_key(JWK).thumbprint
URL = f"{ISSUER}oauth/token"
MTLS_URL = "https://mtls.nod.example:8443/oauth/token"
TOKEN = "an.access.token"
NONCES = Nonces(b"a key for nothing but these tests")
LIFE = policy.DPOP_NONCE_LIFE_SECONDS
AGE, SKEW = policy.DPOP_PROOF_AGE_SECONDS_MAX, policy.CLOCK_SKEW_SECONDS

HEADER: dict[str, Any] = {"typ": "dpop+jwt", "alg": "ES256", "jwk": JWK}
CLAIMS: dict[str, Any] = {"jti": "j1", "htm": "POST", "htu": URL, "iat": NOW}


def read(
    text: str | None,
    *,
    method: str = "POST",
    uris: tuple[str, ...] = (URL, MTLS_URL),
    now: float = NOW,
    token: str | None = None,
    nonce_required: bool = False,
) -> Proof:
    return proof(
        text,
        http_method=method,
        http_uri=uris,
        now=now,
        nonces=NONCES,
        nonce_required=nonce_required,
        access_token=token,
    )


def a_proof(header: object = HEADER, **changes: object) -> str:
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    return signed(header, claims, KEY)


def refused(call: Callable[[], object]) -> InvalidDpopProof:
    with pytest.raises(InvalidDpopProof) as caught:
        call()
    assert (caught.value.status, caught.value.error) == (400, "invalid_dpop_proof")
    assert caught.value.description.startswith("The DPoP proof is invalid: ")
    assert_says_nothing(caught.value, "evil")
    return caught.value


def nonce_asked_for(call: Callable[[], object]) -> str:
    """The one nonce in the refusal (D056)."""
    with pytest.raises(UseDpopNonce) as caught:
        call()
    assert (caught.value.status, caught.value.error) == (400, "use_dpop_nonce")
    assert_says_nothing(caught.value)
    [(name, nonce)] = caught.value.headers
    assert name == "DPoP-Nonce"
    return nonce


# RFC 9449's own


@pytest.mark.parametrize("name", ["token", "resource"])
def test_the_proofs_of_rfc_9449_are_accepted(name: str) -> None:
    printed = vector("rfc9449_proofs")
    example = printed[name]

    verified = read(
        example["proof"],
        method=example["htm"],
        uris=(example["htu"],),
        now=example["iat"],
        token=example.get("access_token"),
    )

    assert verified.thumbprint == printed["thumbprint"]
    assert verified.used.name == used_once("dpop", printed["thumbprint"], example["jti"], 0).name


# What is accepted


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (KEY, "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (an_rsa_key(), "RS256"),
        (an_rsa_key(), "PS256"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
)
def test_any_asymmetric_key_may_be_shown(key: Any, algorithm: str) -> None:  # noqa: ANN401
    """D050, D057."""
    kind: Any = {"E": ECAlgorithm, "R": RSAAlgorithm, "P": RSAAlgorithm}[algorithm[0]]
    kind = OKPAlgorithm if algorithm == "EdDSA" else kind
    jwk = kind.to_jwk(key.public_key(), as_dict=True)
    header = {"typ": "dpop+jwt", "jwk": jwk, "kid": "its own name for it"}

    verified = read(jwt.encode(CLAIMS, key, algorithm, headers=header))

    assert verified.thumbprint == public_key(jwk).thumbprint


def test_a_proof_is_remembered_by_its_key_and_jti_while_it_could_be_accepted() -> None:
    """D051, D073."""
    used = read(a_proof()).used

    assert used.name == read(a_proof(iat=NOW - 1)).used.name
    assert used.name != read(a_proof(jti="j2")).used.name
    assert used.name != used_once("assertion", THUMBPRINT, "j1", 0).name
    assert used.life_ms >= AGE * 1_000
    assert read(a_proof(iat=NOW + SKEW)).used.life_ms >= (AGE + SKEW) * 1_000
    assert read(a_proof(iat=NOW - AGE)).used.life_ms > 0


@pytest.mark.parametrize("age", [-SKEW, 0, 0.5, AGE])
def test_a_proof_is_fresh_within_its_allowances(age: float) -> None:
    assert read(a_proof(iat=NOW - age)).thumbprint == THUMBPRINT


SAME_URL = [
    URL,
    f"{URL}?a=b",
    f"{URL}#there",
    f"{URL}?",
    "HTTPS://NOD.example/oauth/token",
    "https://nod.example:443/oauth/token",
    "https://mtls.nod.example:8443/oauth/token",
]
ANOTHER_URL = [
    f"{URL}/",
    f"{ISSUER}oauth/Token",
    f"{ISSUER}oauth",
    ISSUER,
    "http://nod.example/oauth/token",
    "https://nod.example:80/oauth/token",
    "https://nod.example:8443/oauth/token",
    "https://mtls.nod.example/oauth/token",
    "https://evil.example/oauth/token",
    "https://nod.example.evil.example/oauth/token",
    "https://evil@nod.example/oauth/token",
    "https://nod.example@evil.example/oauth/token",
    "//nod.example/oauth/token",
    "/oauth/token",
    "https:/oauth/token",
    "https://nod.example\\oauth/token",
    "https://nod.example/oauth/to\tken",
    "https://nod.example/oauth/token\n",
    " https://nod.example/oauth/token",
    "https://nod.ex\u0430mple/oauth/token",
    "https://[nod.example/oauth/token",
    "https://[::1",
    "https://nod.example:x/oauth/token",
    "",
]


@pytest.mark.parametrize("htu", SAME_URL)
def test_a_url_is_the_same_however_it_is_written(htu: str) -> None:
    """D051: RFC 3986 6.2.2 and 6.2.3, without query and fragment."""
    assert read(a_proof(htu=htu)).thumbprint == THUMBPRINT


@pytest.mark.parametrize("htu", ANOTHER_URL)
def test_another_url_is_another(htu: str) -> None:
    assert "htu" in refused(lambda: read(a_proof(htu=htu))).description


@pytest.mark.parametrize("htu", ["https://nod.example", "https://nod.example/"])
@pytest.mark.parametrize("uri", ["https://nod.example", "https://nod.example/"])
def test_no_path_is_the_root(htu: str, uri: str) -> None:
    read(a_proof(htu=htu), uris=(uri,))


# What is refused

REFUSED: dict[str, str | None] = {
    "nothing": None,
    "an empty text": "",
    "no JWT": "abc",
    "two proofs in one header (D050)": f"{a_proof()}, {a_proof(jti='j2')}",
    "over the cap": "a" * (policy.SIGNED_INPUT_CHARACTERS_MAX + 1),
    "signed and over the cap": a_proof(x="x" * policy.SIGNED_INPUT_CHARACTERS_MAX),
    "other letters": "\u00e9.\ud800.\0",
    "alg none": unsigned(HEADER | {"alg": "none"}, CLAIMS),
    "HS256 with the public key as its secret": hs256(HEADER | {"alg": "HS256"}, CLAIMS, PEM),
    "HS256 with a key of its own": hs256(
        HEADER | {"alg": "HS256", "jwk": {"kty": "oct", "k": "c2VjcmV0"}}, CLAIMS, b"secret"
    ),
    "another's signature": signed(HEADER, CLAIMS, OTHER_KEY),
    "another alg than the key's": a_proof(HEADER | {"alg": "ES384"}),
    "an alg of nobody": a_proof(HEADER | {"alg": "ES256K"}),
    "a jwk with another alg": a_proof(HEADER | {"jwk": JWK | {"alg": "ES384"}}),
    "no jwk": a_proof({"typ": "dpop+jwt", "alg": "ES256"}),
    "a jwk that is a text": a_proof(HEADER | {"jwk": "key"}),
    "a private jwk (D050)": a_proof(HEADER | {"jwk": JWK | {"d": "AQAB"}}),
    "a jwk with a point off the curve": a_proof(HEADER | {"jwk": JWK | {"y": JWK["x"]}}),
    "another type": a_proof(HEADER | {"typ": "JWT"}),
    "no type": a_proof({"alg": "ES256", "jwk": JWK}),
    "a type that is a list": a_proof(HEADER | {"typ": ["dpop+jwt"]}),
    "crit": a_proof(HEADER | {"crit": ["exp"]}),
    "deep claims": signed(HEADER, '{"a":' * 1_000, KEY),
    "claims that are a list": signed(HEADER, [CLAIMS], KEY),
    "another method": a_proof(htm="GET"),
    "a method in lower case": a_proof(htm="post"),
    "no method": a_proof(htm=None),
    "no URL": a_proof(htu=None),
    "a URL that is a list": a_proof(htu=[URL]),
    "no jti": a_proof(jti=None),
    "an empty jti": a_proof(jti=""),
    "a jti of 256 characters": a_proof(jti="j" * 256),
    "a jti that is a number": a_proof(jti=1),
    "too old": a_proof(iat=NOW - AGE - 0.001),
    "of the future": a_proof(iat=NOW + SKEW + 0.001),
    "no iat": a_proof(iat=None),
    "iat that is a text": a_proof(iat=str(NOW)),
    "iat that is true": a_proof(iat=True),
    "iat in milliseconds": a_proof(iat=NOW * 1_000),
    "iat twice": signed(HEADER, f'{{"iat": {NOW}, "iat": {NOW}}}', KEY),
    "too old, though the nonce is current": a_proof(iat=NOW - AGE - 1, nonce=NONCES.current(NOW)),
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_any_other_proof_is_refused(text: str | None) -> None:
    """D050, D051, T12-T15: whether a nonce is asked for or not."""
    refused(lambda: read(text))
    refused(lambda: read(text, nonce_required=True))


# With an access token (D055)


def test_with_a_token_a_proof_is_of_that_token() -> None:
    assert read(a_proof(ath=digest(TOKEN)), token=TOKEN).thumbprint == THUMBPRINT
    for ath in (None, "", digest("another"), TOKEN, [digest(TOKEN)], 5):
        assert "ath" in refused(partial(read, a_proof(ath=ath), token=TOKEN)).description


# Nonces


def test_a_nonce_is_accepted_for_its_time() -> None:
    start = NOW // LIFE * LIFE
    nonce = NONCES.current(start)

    for now in (start, start + LIFE - 0.001, start + LIFE, start + 2 * LIFE - 0.001):
        assert NONCES.is_valid(nonce, now)
    for now in (start + 2 * LIFE, start - 0.001, 0, NOW * 2):
        assert not NONCES.is_valid(nonce, now)
    assert NONCES.current(start + LIFE) != nonce


def test_a_nonce_is_that_of_its_key_and_fits_a_header() -> None:
    """RFC 9449 8.1: NQCHAR."""
    nonce = NONCES.current(NOW)

    assert re.fullmatch(r"[A-Za-z0-9_-]{22,}", nonce)
    assert not Nonces(b"another key").is_valid(nonce, NOW)


@given(st.text())
def test_a_random_text_is_no_nonce(text: str) -> None:
    assert not NONCES.is_valid(text, NOW)


def test_who_is_asked_for_a_nonce_gets_one_that_is_accepted() -> None:
    nonce = nonce_asked_for(lambda: read(a_proof(), nonce_required=True))

    assert read(a_proof(nonce=nonce), nonce_required=True).thumbprint == THUMBPRINT
    assert read(a_proof(nonce=nonce)).thumbprint == THUMBPRINT


@pytest.mark.parametrize(
    "nonce",
    ["", "another", "\u00e9", 5, True, [NONCES.current(NOW)], NONCES.current(NOW - 2 * LIFE)],
)
def test_a_wrong_nonce_is_refused_even_where_none_is_asked_for(nonce: object) -> None:
    """D056."""
    text = a_proof(nonce=nonce)

    for required in (True, False):
        given_instead = nonce_asked_for(partial(read, text, nonce_required=required))
        assert NONCES.is_valid(given_instead, NOW)


# Anything at all


@given(st.text() | st.binary().map(lambda octets: octets.decode("latin-1")))
def test_a_random_text_is_refused(text: str) -> None:
    refused(lambda: read(text))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*CLAIMS, "nonce", "ath"]), VALUES))
def test_signed_claims_of_random_types_are_refused_or_right(claims: dict[str, Any]) -> None:
    try:
        assert read(signed(HEADER, CLAIMS | claims, KEY), token=TOKEN).thumbprint == THUMBPRINT
    except (InvalidDpopProof, UseDpopNonce) as refusal:
        assert_says_nothing(refusal)


@given(st.dictionaries(st.sampled_from([*HEADER, "kid", "crit"]), VALUES))
def test_random_headers_are_refused_or_right(header: dict[str, Any]) -> None:
    try:
        assert read(signed(HEADER | header, CLAIMS, KEY)).thumbprint == THUMBPRINT
    except InvalidDpopProof as refusal:
        assert_says_nothing(refusal)


@given(st.text(max_size=40).map(lambda tail: f"https://nod.example{tail}") | st.text())
def test_a_random_url_is_refused_or_the_same(htu: str) -> None:
    try:
        read(a_proof(htu=htu), uris=("https://nod.example/",))
    except InvalidDpopProof as refusal:
        assert_says_nothing(refusal)
    else:
        assert re.split("[?#]", htu)[0].lower() in {
            "https://nod.example",
            "https://nod.example/",
            "https://nod.example:443",
            "https://nod.example:443/",
        }
