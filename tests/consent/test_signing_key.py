"""Our signing keys: named by their thumbprint, kept encrypted, repeating themselves."""

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from consent import signing_key
from consent.device_key import device_key
from consent.identifiers import b64url
from consent.seal import Seal, SealError
from consent.signing_key import SigningKey, StoredKey, new_signing_key, opened
from tests.support.domain import SEAL, an_ec_key, vector

CLAIMS: dict[str, object] = {"iss": "https://nod.example/", "iat": 1_790_000_000, "n": [1, {}]}


def test_the_kid_is_the_thumbprint_of_rfc_7638() -> None:
    """Computed here and for devices by different code."""
    key = SigningKey(an_ec_key())

    assert key.kid == device_key(key.public).thumbprint


def test_the_published_key_is_the_public_half_and_no_more() -> None:
    public = SigningKey(an_ec_key()).public

    assert public.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (public["alg"], public["use"]) == ("ES256", "sig")


def test_coordinates_have_32_bytes_even_when_they_begin_with_a_zero() -> None:
    """RFC 7518 6.2.1.2; the key of RFC 7517 A.2 as the one that is published."""
    private = vector("rfc7517_ec_key")["private"]
    scalar = 379  # its x begins with a zero byte
    key = SigningKey(ec.derive_private_key(scalar, ec.SECP256R1()))
    example = SigningKey(jwt.PyJWK(private | {"alg": "ES256"}).key)

    assert key.public["x"].startswith("A")
    assert (len(key.public["x"]), len(key.public["y"])) == (43, 43)
    assert (example.public["x"], example.public["y"]) == (private["x"], private["y"])


def test_a_signature_is_verified_by_anybody_with_the_published_key() -> None:
    key = SigningKey(an_ec_key())

    token = key.sign(CLAIMS, "at+jwt")

    published = jwt.PyJWK(key.public)
    decoded = jwt.decode_complete(token, published, algorithms=["ES256"])
    assert decoded["payload"] == CLAIMS
    assert decoded["header"] == {"alg": "ES256", "kid": key.kid, "typ": "at+jwt"}


def test_the_same_claims_give_the_same_token_byte_for_byte() -> None:
    """RFC 6979: what lets a lost answer be given again and not a second one."""
    key = SigningKey(an_ec_key())

    assert len({key.sign(CLAIMS, "JWT") for _ in range(10)}) == 1
    assert key.sign(CLAIMS, "JWT") != key.sign({**CLAIMS, "jti": "2"}, "JWT")


def test_other_users_of_the_library_are_left_as_they_were() -> None:
    """PyJWT's own ES256 keeps its random nonce: the repeatable one is ours alone."""
    tokens = {jwt.encode({"a": 1}, an_ec_key(), "ES256") for _ in range(4)}

    assert len(tokens) == 4


def test_the_verifier_agrees_with_rfc_7515() -> None:
    example = vector("rfc7515_es256")

    key = jwt.PyJWK(example["key"] | {"alg": "ES256"})
    payload = jwt.PyJWS().decode(example["jws"], key, algorithms=["ES256"])

    assert payload.startswith(b'{"iss":"joe"')


def test_a_key_is_stored_encrypted_and_opened_again() -> None:
    key = new_signing_key()
    stored = key.stored(SEAL)

    again = opened(msgspec.json.decode(msgspec.json.encode(stored), type=StoredKey), SEAL)

    assert again.kid == key.kid == stored.kid
    assert again.sign(CLAIMS, "JWT") == key.sign(CLAIMS, "JWT")


def test_no_private_half_is_stored_in_the_clear() -> None:
    """T22."""
    private = vector("rfc7517_ec_key")["private"]
    key = SigningKey(jwt.PyJWK(private | {"alg": "ES256"}).key)

    stored = msgspec.json.encode(key.stored(SEAL))

    assert private["d"].encode() not in stored
    assert key.public["x"].encode() in stored


def test_another_secret_key_or_another_place_opens_no_key() -> None:
    stored = new_signing_key().stored(SEAL)

    with pytest.raises(SealError):
        opened(stored, Seal("another secret key of 32 characters"))
    with pytest.raises(SealError):
        opened(msgspec.structs.replace(stored, kid=b64url(b"another")), SEAL)


def test_new_keys_are_new() -> None:
    assert new_signing_key().kid != new_signing_key().kid
    assert signing_key.ALGORITHM == "ES256"
