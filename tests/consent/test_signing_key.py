"""Our signing keys: named by their thumbprint, kept encrypted, repeating themselves."""

import functools

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from consent import jose, signing_key
from consent.client import SigningAlgorithm
from consent.identifiers import b64url
from consent.seal import Seal, SealError
from consent.signing_key import ALGORITHMS, SigningKey, StoredKey, new_signing_key, opened
from tests.support.domain import SEAL, an_ec_key, an_rsa_key, vector

CLAIMS: dict[str, object] = {"iss": "https://nod.example/", "iat": 1_790_000_000, "n": [1, {}]}
MEMBERS = {
    "ES256": {"kty", "crv", "x", "y"},
    "RS256": {"kty", "n", "e"},
    "PS256": {"kty", "n", "e"},
    "EdDSA": {"kty", "crv", "x"},
}
every_algorithm = pytest.mark.parametrize("alg", ALGORITHMS)


@functools.cache
def a_key(alg: SigningAlgorithm) -> SigningKey:
    return SigningKey(an_rsa_key(), alg) if alg in {"RS256", "PS256"} else new_signing_key(alg)


@every_algorithm
def test_the_kid_is_the_thumbprint_of_rfc_7638(alg: SigningAlgorithm) -> None:
    """Computed here and for others' keys by different code."""
    key = a_key(alg)

    public = jose.public_key(key.public)

    assert key.kid == public.thumbprint == public.kid
    assert public.algorithms == (alg,)


@every_algorithm
def test_the_published_key_is_the_public_half_and_no_more(alg: SigningAlgorithm) -> None:
    public = a_key(alg).public

    assert public.keys() == MEMBERS[alg] | {"kid", "alg", "use"}
    assert (public["alg"], public["use"]) == (alg, "sig")


def test_coordinates_have_32_bytes_even_when_they_begin_with_a_zero() -> None:
    """RFC 7518 6.2.1.2; the key of RFC 7517 A.2 as the one that is published."""
    private = vector("rfc7517_ec_key")["private"]
    scalar = 379  # its x begins with a zero byte
    key = SigningKey(ec.derive_private_key(scalar, ec.SECP256R1()))
    example = SigningKey(jwt.PyJWK(private | {"alg": "ES256"}).key)

    assert key.public["x"].startswith("A")
    assert (len(key.public["x"]), len(key.public["y"])) == (43, 43)
    assert (example.public["x"], example.public["y"]) == (private["x"], private["y"])


def test_the_exponent_has_no_zeros_before_it() -> None:
    """Base64urlUInt, RFC 7518 2: 65537 is AQAB."""
    public = a_key("RS256").public

    assert public["e"] == "AQAB"
    assert len(public["n"]) == 342  # 2048 bits


def test_the_ed25519_example_of_rfc_8037() -> None:
    """RFC 8037 A.1 to A.4: the key, its thumbprint, and the signature of the example."""
    example = vector("rfc8037_ed25519")
    key = SigningKey(
        ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(example["private_hex"])), "EdDSA"
    )

    assert key.public["x"] == example["x"]
    assert key.kid == example["thumbprint"]
    assert jwt.PyJWS().decode(
        example["jws"], jose.public_key(key.public).key, algorithms=["EdDSA"]
    ) == (b"Example of Ed25519 signing")


@every_algorithm
def test_a_signature_is_verified_by_anybody_with_the_published_key(alg: SigningAlgorithm) -> None:
    key = a_key(alg)

    token = key.sign(CLAIMS, "at+jwt")

    published = jwt.PyJWK(key.public)
    decoded = jwt.decode_complete(token, published, algorithms=[alg])
    assert decoded["payload"] == CLAIMS
    assert decoded["header"] == {"alg": alg, "kid": key.kid, "typ": "at+jwt"}


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
def test_the_same_claims_give_the_same_token_byte_for_byte(alg: SigningAlgorithm) -> None:
    """RFC 6979, RFC 8017 8.2, RFC 8032: what lets a lost answer be given again."""
    key = a_key(alg)

    assert len({key.sign(CLAIMS, "JWT") for _ in range(10)}) == 1
    assert key.sign(CLAIMS, "JWT") != key.sign({**CLAIMS, "jti": "2"}, "JWT")


def test_ps256_repeats_all_but_the_signature() -> None:
    """RFC 7518 3.5: its salt is random."""
    first, second = (a_key("PS256").sign(CLAIMS, "JWT") for _ in range(2))

    assert first != second
    assert first.rpartition(".")[0] == second.rpartition(".")[0]


def test_other_users_of_the_library_are_left_as_they_were() -> None:
    """PyJWT's own ES256 keeps its random nonce: the repeatable one is ours alone."""
    tokens = {jwt.encode({"a": 1}, an_ec_key(), "ES256") for _ in range(4)}

    assert len(tokens) == 4


def test_the_verifier_agrees_with_rfc_7515() -> None:
    example = vector("rfc7515_es256")

    key = jwt.PyJWK(example["key"] | {"alg": "ES256"})
    payload = jwt.PyJWS().decode(example["jws"], key, algorithms=["ES256"])

    assert payload.startswith(b'{"iss":"joe"')


@every_algorithm
def test_a_key_is_stored_encrypted_and_opened_again(alg: SigningAlgorithm) -> None:
    key = a_key(alg)
    stored = key.stored(SEAL, 7)

    read = msgspec.json.decode(msgspec.json.encode(stored), type=StoredKey)
    again = opened(read, SEAL)

    assert read.signs_from == 7
    assert (again.kid, again.alg, again.public) == (stored.kid, alg, key.public)
    jwt.decode(again.sign(CLAIMS, "JWT"), key.public_key, algorithms=[alg])


def test_a_record_that_does_not_say_when_it_begins_has_begun() -> None:
    """The records of installations that knew one key and no rotation."""
    record = msgspec.to_builtins(a_key("ES256").stored(SEAL))
    del record["signs_from"]

    read = msgspec.json.decode(msgspec.json.encode(record), type=StoredKey)

    assert read.signs_from == 0
    assert opened(read, SEAL).kid == a_key("ES256").kid


def test_no_private_half_is_stored_in_the_clear() -> None:
    """T22."""
    private = vector("rfc7517_ec_key")["private"]
    key = SigningKey(jwt.PyJWK(private | {"alg": "ES256"}).key)

    stored = msgspec.json.encode(key.stored(SEAL))

    assert private["d"].encode() not in stored
    assert key.public["x"].encode() in stored


def test_another_secret_key_or_another_place_opens_no_key() -> None:
    stored = a_key("ES256").stored(SEAL)

    with pytest.raises(SealError):
        opened(stored, Seal("another secret key of 32 characters"))
    with pytest.raises(SealError):
        opened(msgspec.structs.replace(stored, kid=b64url(b"another")), SEAL)
    with pytest.raises(SealError):
        opened(msgspec.structs.replace(stored, alg="RS256"), SEAL)


@every_algorithm
def test_a_key_signs_by_the_algorithm_of_its_kind_alone(alg: SigningAlgorithm) -> None:
    """B012 for what we make."""
    strangers = {"ES256": a_key("EdDSA"), "EdDSA": a_key("RS256")}
    stranger = strangers.get(alg, a_key("ES256"))

    with pytest.raises(TypeError):
        SigningKey(stranger._private_key, alg)  # noqa: SLF001 - nobody else holds one


def test_new_keys_are_new() -> None:
    assert new_signing_key().kid != new_signing_key().kid
    assert new_signing_key().alg == signing_key.ALGORITHM == "ES256"
    for alg in ("RS256", "PS256"):
        assert new_signing_key(alg).public_key.key_size == 2_048  # type: ignore[union-attr]
