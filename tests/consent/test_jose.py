"""Keys and signatures of others: the specifications' own, and what is never accepted."""

import base64
import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from consent import policy
from consent.jose import (
    ALGORITHMS,
    FAPI_ALGORITHMS,
    MAC_ALGORITHMS,
    PublicKey,
    UnknownKey,
    UnusableKey,
    Unverified,
    claims_by,
    claims_of,
    header_of,
    key_set,
    mac_claims_of,
    public_key,
    time_of,
    unverified_claims,
)
from tests.support.domain import ERROR_CHARACTERS, an_ec_key, an_rsa_key, vector
from tests.support.forgery import hs256, part, signed, unsigned

P256, P384, ED25519, RSA = (
    an_ec_key(),
    ec.generate_private_key(ec.SECP384R1()),
    ed25519.Ed25519PrivateKey.generate(),
    an_rsa_key(),
)
SIGNERS: dict[str, Any] = {
    "ES256": P256,
    "ES384": P384,
    "RS256": RSA,
    "RS384": RSA,
    "PS256": RSA,
    "PS384": RSA,
    "EdDSA": ED25519,
}
CLAIMS: dict[str, Any] = {"sub": "bank", "n": 1}
PEM = P256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def a_jwk(key: Any, **changes: object) -> dict[str, Any]:  # noqa: ANN401 - of any kind
    """As its owner would publish it."""
    match key:
        case rsa.RSAPrivateKey():
            jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case ec.EllipticCurvePrivateKey():
            jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case _:
            jwk = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {k: v for k, v in (dict(jwk) | changes).items() if v is not None}


def token_of(algorithm: str, *, claims: dict[str, Any] = CLAIMS, **header: object) -> str:
    return jwt.encode(claims, SIGNERS[algorithm], algorithm, headers=header)


def encoded(number: int) -> str:
    return part(number.to_bytes((number.bit_length() + 7) // 8))


# Keys


def test_a_thumbprint_is_that_of_rfc_7638() -> None:
    example = vector("rfc7638_thumbprint")

    key = public_key(example["jwk"])

    assert (key.thumbprint, key.kid) == (example["thumbprint"], "2011-04-29")
    assert key.algorithms == ("RS256",), "narrowed by its alg"
    assert key.jwk == {name: example["jwk"][name] for name in ("e", "kty", "n")}


def test_an_ed25519_thumbprint_is_that_of_rfc_8037() -> None:
    example = vector("rfc8037_ed25519")
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": example["x"]}

    key = public_key(jwk)

    assert (key.thumbprint, key.algorithms) == (example["thumbprint"], ("EdDSA",))
    assert key.jwk == jwk


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (P256, ("ES256",)),
        (P384, ("ES384",)),
        (RSA, ("RS256", "RS384", "PS256", "PS384")),
        (ED25519, ("EdDSA",)),
    ],
)
def test_a_key_verifies_by_the_algorithms_of_its_kind(
    key: object, algorithms: tuple[str, ...]
) -> None:
    """T13; and by its alg alone, where it has one (RFC 7517 4.4)."""
    assert public_key(a_jwk(key)).algorithms == algorithms
    for name in ALGORITHMS:
        if name in algorithms:
            assert public_key(a_jwk(key, alg=name)).algorithms == (name,)
        else:
            with pytest.raises(UnusableKey):
                public_key(a_jwk(key, alg=name))


def test_leading_zero_bytes_are_no_part_of_an_rsa_key() -> None:
    padded = a_jwk(RSA, n=part(b"\0" + RSA.public_key().public_numbers().n.to_bytes(256)))

    assert public_key(padded).jwk == public_key(a_jwk(RSA)).jwk


UNUSABLE: dict[str, object] = {
    "nothing": None,
    "a text": "key",
    "an empty object": {},
    "a list": [a_jwk(P256)],
    "kty that is a list": a_jwk(P256, kty=["EC"]),
    "crv that is an object": a_jwk(P256, crv={}),
    "a symmetric key": vector("rfc7515_hs256")["key"],
    "a symmetric key without its value": {"kty": "oct"},
    "the private key of RFC 7517 A.2": vector("rfc7517_ec_key")["private"],
    **{
        f"an RSA key with its {name}": a_jwk(RSA, **{name: "AQAB"})
        for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
    },
    "a private Ed25519 key": a_jwk(ED25519, d="AQAB"),
    "a private key of a kind to come": {"kty": "AKP", "alg": "ML-DSA-44", "priv": "AQAB"},
    "RSA of 1024 bits": a_jwk(RSA, n=encoded(2**1_023 + 1)),
    "RSA of 4097 bits": a_jwk(RSA, n=encoded(2**4_096 + 1)),
    "RSA of exponent 1": a_jwk(RSA, e="AQ"),
    "a modulus of 64 KiB": a_jwk(RSA, n="A" * 65_536),
    "a modulus that is not base64url": a_jwk(RSA, n="A*BC"),
    "a modulus of no whole bytes": a_jwk(RSA, n="A" * 343 + "==="),
    "secp256k1": a_jwk(P256, crv="secp256k1"),
    "P-521": a_jwk(P256, crv="P-521"),
    "a P-256 point on P-384": a_jwk(P256, crv="P-384"),
    "a point off the curve": a_jwk(P256, y=a_jwk(P256)["x"]),
    "the point at infinity": a_jwk(P384, x="AA", y="AA"),
    "Ed448": a_jwk(ED25519, crv="Ed448"),
    "X25519": a_jwk(ED25519, crv="X25519"),
    "Ed25519 of 31 bytes": a_jwk(ED25519, x=part(b"\1" * 31)),
    "Ed25519 after a zero": a_jwk(ED25519, x=part(b"\0" + b"\1" * 32)),
    "alg none": a_jwk(P256, alg="none"),
    "alg HS256": a_jwk(RSA, alg="HS256"),
    "alg that is a list": a_jwk(P256, alg=["ES256"]),
    "kid that is a number": a_jwk(P256, kid=5),
}


@pytest.mark.parametrize("jwk", UNUSABLE.values(), ids=UNUSABLE)
def test_what_is_no_usable_public_key_is_refused(jwk: object) -> None:
    """T13, B012, C018: in words that can be sent (A101)."""
    with pytest.raises(UnusableKey) as refused:
        public_key(jwk)

    assert str(refused.value)
    assert ERROR_CHARACTERS.issuperset(str(refused.value))


VALUES = st.one_of(
    st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()),
    st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "P-384", "Ed25519", "ES256", "", "AA"]),
    st.dictionaries(st.text(), st.text()),
)


@given(
    st.sampled_from([{}, *(a_jwk(key) for key in (P256, P384, RSA, ED25519))]),
    st.dictionaries(
        st.sampled_from(["kty", "n", "e", "crv", "x", "y", "alg", "kid", "use", "d", "k"]), VALUES
    ),
)
def test_a_random_jwk_is_refused_or_usable(jwk: dict[str, Any], changes: dict[str, Any]) -> None:
    try:
        key = public_key(jwk | changes)
    except UnusableKey as refused:
        assert ERROR_CHARACTERS.issuperset(str(refused))  # noqa: PT017 - either end is right
    else:
        assert public_key(json.loads(json.dumps(key.jwk))).thumbprint == key.thumbprint


# Key sets


def test_a_set_holds_what_can_verify() -> None:
    """RFC 7517 5: what is not understood is passed over, what is for encryption as well."""
    keys = key_set(
        {
            "keys": [
                a_jwk(P256, kid="1", use="sig"),
                a_jwk(RSA, kid="2", use="enc"),
                a_jwk(P256, kid="3", crv="P-521"),
                {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AQAB"},
                {},
                a_jwk(ED25519),
            ],
            "more": 1,
        }
    )

    assert [key.kid for key in keys] == ["1", None]


@pytest.mark.parametrize(
    "jwks",
    [
        None,
        [],
        "keys",
        {},
        {"keys": None},
        {"keys": {}},
        {"keys": [5]},
        {"keys": [a_jwk(P256), None]},
        {"keys": [a_jwk(P256), {"kty": "oct", "k": "AQAB"}]},
        {"keys": [a_jwk(P256), a_jwk(RSA, d="AQAB", use="enc")]},
        {"keys": [a_jwk(P256)] * (policy.KEYS_OF_A_SET_MAX + 1)},
    ],
)
def test_what_is_no_set_or_gives_away_a_secret_is_refused(jwks: object) -> None:
    """C018."""
    with pytest.raises(UnusableKey):
        key_set(jwks)


def test_a_set_may_be_full_or_empty() -> None:
    assert len(key_set({"keys": [a_jwk(P256)] * policy.KEYS_OF_A_SET_MAX})) == 20
    assert key_set({"keys": []}) == ()


# Signatures

KEYS = key_set({"keys": [a_jwk(key) for key in (P256, P384, RSA, ED25519)]})


@pytest.mark.parametrize("name", ["rfc7515_es256", "rfc7515_rs256"])
def test_the_signatures_of_rfc_7515_are_verified(name: str) -> None:
    example = vector(name)

    claims = claims_of(example["jws"], [public_key(example["key"])], ALGORITHMS)

    assert claims == {"iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": True}


def test_the_signature_of_rfc_8037_is_verified() -> None:
    """Its payload is a sentence: only after its signature is right is that looked at."""
    example = vector("rfc8037_ed25519")
    key = public_key({"crv": "Ed25519", "kty": "OKP", "x": example["x"]})

    with pytest.raises(Unverified, match="claims: not JSON"):
        claims_by(example["jws"], key)
    with pytest.raises(Unverified, match="signature"):
        claims_by(example["jws"].replace(".hgyY", ".hgyZ"), key)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_is_verified_by_its_key_and_only_where_it_is_allowed(algorithm: str) -> None:
    token = token_of(algorithm)

    assert claims_of(token, KEYS, ALGORITHMS) == CLAIMS
    assert claims_of(token, KEYS, {algorithm}) == CLAIMS
    with pytest.raises(Unverified, match="alg"):
        claims_of(token, KEYS, set(ALGORITHMS) - {algorithm})
    with pytest.raises(Unverified):
        claims_of(token, [key for key in KEYS if algorithm not in key.algorithms], ALGORITHMS)


def test_fapi_knows_three_algorithms() -> None:
    """B010."""
    assert set(FAPI_ALGORITHMS) == {"PS256", "ES256", "EdDSA"}
    with pytest.raises(Unverified):
        claims_of(token_of("RS256"), KEYS, FAPI_ALGORITHMS)


def test_kid_selects_the_key() -> None:
    """A075: and a kid that none has is told apart, for the set may have changed since."""
    ours, other = (
        public_key(a_jwk(key, kid=kid))
        for key, kid in ((P256, "ours"), (ec.generate_private_key(ec.SECP256R1()), "other"))
    )

    assert claims_of(token_of("ES256", kid="ours"), [other, ours], ALGORITHMS) == CLAIMS
    with pytest.raises(Unverified, match="signature"):
        claims_of(token_of("ES256", kid="other"), [other, ours], ALGORITHMS)
    with pytest.raises(UnknownKey):
        claims_of(token_of("ES256", kid="third"), [other, ours], ALGORITHMS)
    with pytest.raises(UnknownKey):
        claims_of(token_of("ES256", kid="third"), KEYS, ALGORITHMS)
    with pytest.raises(UnknownKey):
        claims_of(token_of("ES256"), [], ALGORITHMS)


def test_several_keys_may_have_one_kid_or_none() -> None:
    """B021: kty and curve tell them apart, and where they do not, the signature does."""
    one_kid = [public_key(a_jwk(key, kid="1")) for key in (RSA, P384, ED25519, P256)]
    no_kid = [public_key(a_jwk(ec.generate_private_key(ec.SECP256R1()))), *KEYS]

    assert claims_of(token_of("ES256", kid="1"), one_kid, ALGORITHMS) == CLAIMS
    assert claims_of(token_of("ES256"), one_kid, ALGORITHMS) == CLAIMS
    assert claims_of(token_of("ES256"), no_kid, ALGORITHMS) == CLAIMS


def test_one_known_key_verifies_whatever_kid_says() -> None:
    assert claims_by(token_of("ES256", kid="x"), public_key(a_jwk(P256))) == CLAIMS


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_in_the_header_is_never_looked_at(name: str) -> None:
    """A075."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    value: object = a_jwk(stranger) if name == "jwk" else ["AQAB"]
    header = {"alg": "ES256", name: value}

    with pytest.raises(Unverified, match="signature"):
        claims_of(signed(header, CLAIMS, stranger), KEYS, ALGORITHMS)
    assert claims_of(signed(header, CLAIMS, P256), KEYS, ALGORITHMS) == CLAIMS


HEADER = {"alg": "ES256"}
DEEP = "[" * 3_000 + "]" * 3_000
# Neither header nor claims can be read.
NO_JWS: dict[str, str] = {
    "nothing": "",
    "two parts": "e30.e30",
    "five parts (A066)": "e30.e30.e30.e30.e30",
    "many parts": "." * 8_000,
    "other letters": "\u00e9.\u00e9.\u00e9",
    "half a surrogate pair": "\ud800.e30.e30",
    "NUL": "\0.\0.\0",
    "over the cap": "a" * (policy.SIGNED_REQUEST_CHARACTERS_MAX + 1),
    "signed and over the cap": signed(HEADER, {"x": "x" * 16_384}, P256),
    "padding": f"{base64.urlsafe_b64encode(b'{ }').decode()}=.e30.e30",
    "base64 of the other alphabet": "e30.e30.++//",
    "a part of five characters": f"{part(HEADER)}.e30.aaaaa",
    "white space": f"{part(HEADER)}.e3 0.aaaa",
    "a header that is a list": signed([HEADER], CLAIMS, P256),
    "a header that is no UTF-8": signed(b"\xff", CLAIMS, P256),
    "a header with a BOM": signed("\ufeff{}", CLAIMS, P256),
    "a deep header": signed(DEEP, CLAIMS, P256),
    "alg twice": signed('{"alg": "ES256", "alg": "ES256"}', CLAIMS, P256),
    "a header with NaN": signed('{"alg": "ES256", "x": NaN}', CLAIMS, P256),
    "crit that is unknown": signed(HEADER | {"crit": ["exp"]}, CLAIMS, P256),
    "crit of b64": signed(HEADER | {"crit": ["b64"], "b64": True}, CLAIMS, P256),
    "an empty crit": signed(HEADER | {"crit": []}, CLAIMS, P256),
    "an unencoded payload": signed(HEADER | {"b64": False, "crit": ["b64"]}, CLAIMS, P256),
    "b64 without crit": signed(HEADER | {"b64": True}, CLAIMS, P256),
    "zip": signed(HEADER | {"zip": "DEF"}, CLAIMS, P256),
    "a kid that is a number": signed(HEADER | {"kid": 5}, CLAIMS, P256),
    "a kid that is null": signed(HEADER | {"kid": None}, CLAIMS, P256),
}
# The header is fine, the claims are not.
NO_CLAIMS: dict[str, str] = {
    "claims that are a list": signed(HEADER, [CLAIMS], P256),
    "no claims": f"{part(HEADER)}..{signed(HEADER, b'', P256).rpartition('.')[2]}",
    "claims that are no UTF-8": signed(HEADER, b"\xff", P256),
    "claims in UTF-16": signed(HEADER, "{}".encode("utf-16"), P256),
    "deep claims": signed(HEADER, DEEP, P256),
    "deep claims in an object": signed(HEADER, '{"a":' * 1_500 + "1" + "}" * 1_500, P256),
    "a claim twice": signed(HEADER, '{"sub": "bank", "sub": "other"}', P256),
    "NaN": signed(HEADER, '{"exp": NaN}', P256),
    "infinity": signed(HEADER, '{"exp": 1e999}', P256),
    "5000 digits": signed(HEADER, f'{{"exp": {"9" * 5_000}}}', P256),
    "a NUL": signed(HEADER, {"sub": "\0"}, P256),
    "half a surrogate pair": signed(HEADER, '{"sub": "\\ud800"}', P256),
}
ANOTHERS = signed(HEADER, {}, P256).rpartition(".")[2]
# All of it can be read, none of it is proven.
FORGED: dict[str, str] = {
    "alg none": unsigned({"alg": "none"}, CLAIMS),
    "alg None": unsigned({"alg": "None"}, CLAIMS),
    "no alg": signed({"typ": "JWT"}, CLAIMS, P256),
    "alg that is a list": signed({"alg": ["ES256"]}, CLAIMS, P256),
    "alg in lower case": signed({"alg": "es256"}, CLAIMS, P256),
    "HS256 with the public key as its secret": hs256({"alg": "HS256"}, CLAIMS, PEM),
    "HS256 with the JWK as its secret": hs256(
        {"alg": "HS256"}, CLAIMS, json.dumps(a_jwk(P256)).encode()
    ),
    "HS256 with no secret": hs256({"alg": "HS256"}, CLAIMS, b""),
    "RS256 of an EC key": signed({"alg": "RS256"}, CLAIMS, P256),
    "ES384 of a P-256 key": signed({"alg": "ES384"}, CLAIMS, P256),
    "ES256 of a P-384 key": signed(HEADER, CLAIMS, P384),
    "PS256 with the padding of RS256": signed({"alg": "PS256"}, CLAIMS, RSA),
    "EdDSA of an EC key": signed({"alg": "EdDSA"}, CLAIMS, P256),
    "another key": signed(HEADER, CLAIMS, ec.generate_private_key(ec.SECP256R1())),
    "no signature": f"{part(HEADER)}.{part(CLAIMS)}.",
    "another's signature": f"{part(HEADER)}.{part(CLAIMS)}.{ANOTHERS}",
    "a cut signature": signed(HEADER, CLAIMS, P256)[:-4],
    "a longer signature": signed(HEADER, CLAIMS, P256) + "AAAA",
    "a signature of zeros": f"{part(HEADER)}.{part(CLAIMS)}.{part(bytes(64))}",
    "an Ed25519 signature of zeros": f"{part({'alg': 'EdDSA'})}.{part(CLAIMS)}.{part(bytes(64))}",
    "an RSA signature of zeros": f"{part({'alg': 'RS256'})}.{part(CLAIMS)}.{part(bytes(256))}",
}


@pytest.mark.parametrize("token", [*NO_JWS.values()], ids=[*NO_JWS])
def test_what_is_no_jws_is_refused_by_every_reader(token: str) -> None:
    """A066, A082, T13, T14."""
    for call in READERS:
        with pytest.raises(Unverified):
            call(token)


@pytest.mark.parametrize("token", [*NO_CLAIMS.values()], ids=[*NO_CLAIMS])
def test_signed_claims_that_readers_could_differ_about_are_refused(token: str) -> None:
    """A082, T14: whoever has a key can sign them."""
    assert header_of(token) == HEADER
    for call in READERS[1:]:
        with pytest.raises(Unverified):
            call(token)
    with pytest.raises(Unverified, match="claims: "):
        claims_of(token, KEYS, ALGORITHMS)


@pytest.mark.parametrize("token", [*FORGED.values()], ids=[*FORGED])
@pytest.mark.parametrize("algorithms", [ALGORITHMS, {*ALGORITHMS, *MAC_ALGORITHMS, "none"}])
def test_a_forged_signature_is_refused(token: str, algorithms: Collection[str]) -> None:
    """T13, A065: by keys that fit no algorithm but their own, whatever the caller lets pass."""
    assert unverified_claims(token) == CLAIMS
    with pytest.raises(Unverified):
        claims_of(token, KEYS, algorithms)
    for key in KEYS:
        with pytest.raises(Unverified):
            claims_by(token, key, algorithms)


def test_the_cap_is_the_callers_to_lower() -> None:
    token = token_of("ES256")

    assert claims_by(token, KEYS[0], most=len(token)) == CLAIMS
    for call in (header_of, unverified_claims):
        with pytest.raises(Unverified, match="too long"):
            call(token, most=len(token) - 1)
    with pytest.raises(Unverified, match="too long"):
        claims_by(token, KEYS[0], most=len(token) - 1)


# Secrets both sides know


def test_the_hmac_of_rfc_7515_is_verified() -> None:
    example = vector("rfc7515_hs256")
    secret = base64.urlsafe_b64decode(example["key"]["k"] + "==")

    assert mac_claims_of(example["jws"], secret, {"HS256"})["iss"] == "joe"
    for other, algorithms in ((secret + b"x", {"HS256"}), (b"", {"HS256"}), (secret, {"HS384"})):
        with pytest.raises(Unverified):
            mac_claims_of(example["jws"], other, algorithms)


@pytest.mark.parametrize(
    "token", [*FORGED.values(), *NO_CLAIMS.values()], ids=[*FORGED, *NO_CLAIMS]
)
def test_a_secret_verifies_no_signature(token: str) -> None:
    with pytest.raises(Unverified):
        mac_claims_of(token, b"s" * 32, {*ALGORITHMS, *MAC_ALGORITHMS, "none"})


# Times


@pytest.mark.parametrize("value", [0, 5, -5, 1.5, 2**53])
def test_a_time_is_a_number(value: float) -> None:
    assert time_of({"exp": value}, "exp") == value


@pytest.mark.parametrize("value", [None, True, "5", [5], {}, float("nan"), float("inf")])
def test_anything_else_is_no_time(value: object) -> None:
    """T12."""
    for claims in ({"exp": value}, {}):
        with pytest.raises(Unverified, match="exp"):
            time_of(claims, "exp")


# Anything at all

READERS: Sequence[Callable[[str], object]] = (
    header_of,
    unverified_claims,
    lambda token: claims_of(token, KEYS, ALGORITHMS),
    lambda token: claims_by(token, KEYS[0]),
    lambda token: mac_claims_of(token, b"s" * 32, MAC_ALGORITHMS),
)


@given(st.text() | st.binary().map(lambda octets: octets.decode("latin-1")))
def test_a_random_text_is_refused_by_every_reader(text: str) -> None:
    for call in READERS:
        with pytest.raises(Unverified):
            call(text)


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "x"]), VALUES))
def test_a_random_header_is_refused_or_right(header: dict[str, Any]) -> None:
    token = signed(HEADER | header, CLAIMS, P256)
    keys: tuple[PublicKey, ...] = KEYS

    try:
        assert claims_of(token, keys, ALGORITHMS) == CLAIMS
    except Unverified as refused:
        assert ERROR_CHARACTERS.issuperset(str(refused))  # noqa: PT017 - either end is right


@given(st.binary(max_size=200))
def test_random_signed_octets_are_refused_or_an_object(octets: bytes) -> None:
    try:
        claims_of(signed(HEADER, octets, P256), KEYS, ALGORITHMS)
    except Unverified as refused:
        assert ERROR_CHARACTERS.issuperset(str(refused))  # noqa: PT017 - either end is right
    else:
        assert isinstance(json.loads(octets), dict)
