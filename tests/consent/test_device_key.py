"""Public keys of devices: the same key has one name, and what is no usable key is refused."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from consent.device_key import UnusableKey, device_key
from scripts.simulated_phone import Style
from tests.support.domain import ERROR_CHARACTERS, a_phone, an_ec_key, an_rsa_key, vector

P256_FIELD = 2**256 - 2**224 + 2**192 + 2**96 - 1


def encoded(number: int, length: int = 0) -> str:
    data = number.to_bytes(length or (number.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def an_rsa_jwk(**changes: object) -> dict[str, Any]:
    numbers = an_rsa_key().public_key().public_numbers()
    return {"kty": "RSA", "n": encoded(numbers.n), "e": encoded(numbers.e), **changes}


def an_ec_jwk(**changes: object) -> dict[str, Any]:
    numbers = an_ec_key().public_key().public_numbers()
    x, y = encoded(numbers.x, 32), encoded(numbers.y, 32)
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, **changes}


def test_a_thumbprint_is_that_of_rfc_7638() -> None:
    example = vector("rfc7638_thumbprint")

    key = device_key(example["jwk"])

    assert (key.thumbprint, key.algorithm) == (example["thumbprint"], "RS256")
    assert key.jwk == {name: example["jwk"][name] for name in ("e", "kty", "n")}


def test_the_ec_key_of_rfc_7517_is_read() -> None:
    public = vector("rfc7517_ec_key")["public"]

    key = device_key(public)

    assert key.algorithm == "ES256"
    assert key.jwk == {name: public[name] for name in ("crv", "kty", "x", "y")}


@pytest.mark.parametrize("zeros", [1, 2, 16])
def test_leading_zero_bytes_are_no_part_of_a_key(zeros: int) -> None:
    """auth0-wire 2.3, T9: both Guardian SDKs write the sign byte of the modulus."""
    numbers = an_rsa_key().public_key().public_numbers()

    padded = device_key(an_rsa_jwk(n=encoded(numbers.n, 256 + zeros), e=encoded(numbers.e, 4)))

    assert padded.thumbprint == device_key(an_rsa_jwk()).thumbprint
    assert padded.jwk == device_key(an_rsa_jwk()).jwk


@pytest.mark.parametrize("style", ["ios", "android", "ec"])
def test_a_phones_key_is_the_same_when_it_is_read_again(style: Style) -> None:
    key = device_key(a_phone(style).public_jwk())

    again = device_key(json.loads(json.dumps(key.jwk)))

    assert again.thumbprint == key.thumbprint
    assert again.public_key == key.public_key


def test_padding_of_base64_changes_nothing() -> None:
    assert device_key(an_ec_jwk(x=an_ec_jwk()["x"] + "=")).jwk == device_key(an_ec_jwk()).jwk


UNUSABLE = {
    "nothing": None,
    "a text": "key",
    "a list": [],
    "no kty": {},
    "another kty": {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
    "a symmetric key": {"kty": "oct", "k": "c2VjcmV0"},
    "kty of another type": {"kty": ["RSA"]},
    "a private RSA key": an_rsa_jwk(d="AQAB"),
    "a private EC key": vector("rfc7517_ec_key")["private"],
    "a secret beside a public key": an_ec_jwk(k="c2VjcmV0"),
    "RSA of 1024 bits": an_rsa_jwk(n=encoded(an_rsa_key(1_024).public_key().public_numbers().n)),
    "RSA of 2047 bits": an_rsa_jwk(n=encoded(2**2_046 + 1)),
    "RSA of 4097 bits": an_rsa_jwk(n=encoded(2**4_096 + 1)),
    "an even modulus": an_rsa_jwk(n=encoded(2**2_047)),
    "exponent 1": an_rsa_jwk(e="AQ"),
    "an even exponent": an_rsa_jwk(e="BA"),
    "a huge exponent": an_rsa_jwk(e=encoded(2**40 + 1)),
    "no modulus": {"kty": "RSA", "e": "AQAB"},
    "a modulus that is a number": an_rsa_jwk(n=5),
    "a modulus that is not base64url": an_rsa_jwk(n="A*BC"),
    "a modulus in another script": an_rsa_jwk(n="\u0410QAB"),
    "a modulus of 64 KiB": an_rsa_jwk(n="A" * 65_536),
    "an empty modulus": an_rsa_jwk(n=""),
    "RSA for PS256": an_rsa_jwk(alg="PS256"),
    "RSA for HS256": an_rsa_jwk(alg="HS256"),
    "RSA for none": an_rsa_jwk(alg="none"),
    "RSA for a list": an_rsa_jwk(alg=["RS256"]),
    "EC for RS256": an_ec_jwk(alg="RS256"),
    "EC for ES384": an_ec_jwk(alg="ES384"),
    "P-384": an_ec_jwk(crv="P-384"),
    "secp256k1": an_ec_jwk(crv="secp256k1"),
    "no curve": {name: text for name, text in an_ec_jwk().items() if name != "crv"},
    "a point off the curve": an_ec_jwk(y=an_ec_jwk()["x"]),
    "the point at infinity": an_ec_jwk(x="AA", y="AA"),
    "no y": an_ec_jwk(y=None),
    "a coordinate of 33 bytes": an_ec_jwk(x=encoded(2**256 + 1)),
    "a coordinate beyond the field": an_ec_jwk(x=encoded(2**256 - 1)),
}


@pytest.mark.parametrize("jwk", UNUSABLE.values(), ids=UNUSABLE)
def test_what_is_no_usable_public_key_is_refused(jwk: object) -> None:
    """T13, B012: in words that can be sent to the phone (A101)."""
    with pytest.raises(UnusableKey) as refused:
        device_key(jwk)

    assert ERROR_CHARACTERS.issuperset(str(refused.value))


def test_a_point_has_one_name() -> None:
    """A coordinate written plus the field's prime is not a second name of the same key."""
    x, y = small_point()

    assert device_key(an_ec_jwk(x=encoded(x, 32), y=encoded(y, 32))).algorithm == "ES256"
    for other_name in (x + P256_FIELD, x + P256_FIELD * 2**256):
        with pytest.raises(UnusableKey):
            device_key(an_ec_jwk(x=encoded(other_name), y=encoded(y, 32)))


def small_point() -> tuple[int, int]:
    """A point whose x is so small that x plus the prime still has 32 bytes."""
    for x in range(5, 100):
        point = ec.EllipticCurvePublicKey.from_encoded_point
        try:
            key = point(ec.SECP256R1(), b"\x02" + x.to_bytes(32))
        except ValueError:
            continue
        return key.public_numbers().x, key.public_numbers().y
    raise AssertionError("half of all x are on the curve")


MEMBERS = st.dictionaries(
    st.sampled_from(["kty", "n", "e", "crv", "x", "y", "alg", "d", "k", "use"]),
    st.one_of(
        st.sampled_from(["RSA", "EC", "P-256", "P-384", "RS256", "ES256", "AQAB", "", "AA"]),
        st.sampled_from([*an_rsa_jwk().values(), *an_ec_jwk().values()]),
        st.text(),
        st.none() | st.booleans() | st.integers() | st.lists(st.text()),
        st.dictionaries(st.text(), st.text()),
    ),
)


@given(MEMBERS, st.sampled_from([{}, an_rsa_jwk(), an_ec_jwk()]))
def test_a_random_jwk_is_refused_or_usable(changes: dict[str, Any], jwk: dict[str, Any]) -> None:
    try:
        key = device_key(jwk | changes)
    except UnusableKey as refused:
        assert ERROR_CHARACTERS.issuperset(str(refused))  # noqa: PT017 - either end is right
    else:
        assert device_key(key.jwk).thumbprint == key.thumbprint
        assert len(key.thumbprint) == 43


@given(st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.text()))
def test_what_is_no_object_is_no_key(jwk: object) -> None:
    with pytest.raises(UnusableKey):
        device_key(jwk)
