"""The rules between the members of a client's metadata."""

import base64
import contextlib
import datetime as dt
import functools
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from consent import policy
from consent.client import Client, JwtConfiguration, RefreshTokenPolicy
from consent.client_metadata import (
    InvalidClientMetadata,
    registered,
    usable_keys,
    uses_secret,
    with_new_secret,
)
from consent.identifiers import b64url, digest
from consent.jose import ALGORITHMS, MAC_ALGORITHMS
from consent.outbound.address import checked_url
from tests.support.domain import ERROR_CHARACTERS, SEAL, a_client, an_ec_key, an_rsa_key, vector

METHOD = "token_endpoint_auth_method"
ASSERTION_ALG = "token_endpoint_auth_signing_alg"
MODE = "backchannel_token_delivery_mode"
ENDPOINT = "backchannel_client_notification_endpoint"
REQUEST_ALG = "backchannel_authentication_request_signing_alg"
URL = "https://client.example/keys"

check_url = functools.partial(checked_url, allowed_networks=(), ports=frozenset({443}))


def an_ec_jwk(**changes: object) -> dict[str, object]:
    numbers = an_ec_key().public_key().public_numbers()
    x, y = b64url(numbers.x.to_bytes(32)), b64url(numbers.y.to_bytes(32))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, **changes}


def an_rsa_jwk(bits: int = 2_048, **changes: object) -> dict[str, object]:
    numbers = an_rsa_key(bits).public_key().public_numbers()
    return {"kty": "RSA", "n": b64url(numbers.n.to_bytes(bits // 8)), "e": "AQAB", **changes}


def a_set(*jwks: dict[str, object]) -> dict[str, list[dict[str, object]]]:
    return {"keys": list(jwks)}


def a_certificate() -> str:
    """Of the EC key, in the base64 of an `x5c`."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example bank")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(an_ec_key().public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2027, 1, 1, tzinfo=dt.UTC))
        .sign(an_ec_key(), hashes.SHA256())
    )
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()


def a_certificate_of_version_6() -> str:
    """The same, but for the number that comes first (RFC 5280 4.1.2.1)."""
    encoded = base64.b64decode(a_certificate())
    version = bytes.fromhex("a003020102")
    assert version in encoded
    return base64.b64encode(encoded.replace(version, bytes.fromhex("a003020105"), 1)).decode()


def a_fapi_client(**changes: object) -> Client:
    fields: dict[str, Any] = {
        "profile": "fapi-ciba",
        METHOD: "private_key_jwt",
        REQUEST_ALG: "ES256",
        "jwks": a_set(an_ec_jwk(kid="1")),
        "tls_client_certificate_bound_access_tokens": True,
    }
    return a_client(**(fields | changes))


GOOD: dict[str, dict[str, object]] = {
    "one that says nothing of CIBA": {"grant_types": ["client_credentials"]},
    "poll": {},
    "poll with an endpoint it does not need": {ENDPOINT: URL},
    "A184 ping": {MODE: "ping", ENDPOINT: URL},
    "A177 push without the grant": {MODE: "push", ENDPOINT: URL, "grant_types": []},
    "A187 a user code": {"backchannel_user_code_parameter": True},
    "private_key_jwt by jwks": {METHOD: "private_key_jwt", "jwks": a_set(an_ec_jwk())},
    "private_key_jwt by jwks_uri": {METHOD: "private_key_jwt", "jwks_uri": URL},
    "the older of two keys fits": {
        METHOD: "private_key_jwt",
        ASSERTION_ALG: "PS256",
        "jwks": a_set(an_ec_jwk(kid="1"), an_rsa_jwk(kid="2")),
    },
    "client_secret_jwt": {METHOD: "client_secret_jwt", ASSERTION_ALG: "HS512"},
    "an algorithm for a method that needs none": {ASSERTION_ALG: "ES256"},
    "A186 signed requests": {REQUEST_ALG: "ES256", "jwks": a_set(an_ec_jwk())},
    "A186 signed requests by jwks_uri": {REQUEST_ALG: "PS384", "jwks_uri": URL},
    "C018 keys with their uses": {
        "jwks": a_set(an_ec_jwk(use="sig", kid="1"), an_rsa_jwk(use="enc", kid="2"))
    },
    "C019 a certificate of its key": {
        METHOD: "self_signed_tls_client_auth",
        "jwks": a_set(an_ec_jwk(x5c=[a_certificate()])),
    },
    "C021 a subject": {METHOD: "tls_client_auth", "tls_client_auth_subject_dn": "CN=bank,C=DE"},
    "C021 an address": {METHOD: "tls_client_auth", "tls_client_auth_san_ip": "2001:db8::1"},
    "the longest poll": {"long_poll_seconds": policy.LONG_POLL_SECONDS_MAX},
    "the longest leeway": {"refresh_token": RefreshTokenPolicy("rotating", 60)},
    "a public client without CIBA": {METHOD: "none", "grant_types": ["refresh_token"]},
    "as many keys as may be": {
        "jwks": a_set(*(an_ec_jwk(kid=str(n)) for n in range(policy.KEYS_OF_A_SET_MAX)))
    },
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_a_client_is_registered(changes: dict[str, object]) -> None:
    client = a_client(**changes)

    known = registered(client, check_url)

    if client.token_endpoint_auth_method != "none":
        assert known == client, "nothing is replaced"


BAD: dict[str, tuple[dict[str, object], str]] = {
    "A184 ping without an endpoint": ({MODE: "ping"}, ENDPOINT),
    "A184 push without an endpoint": ({MODE: "push"}, ENDPOINT),
    "A184 an endpoint in the clear": ({MODE: "ping", ENDPOINT: "http://a.example/"}, ENDPOINT),
    "A158 an endpoint in the house": ({MODE: "ping", ENDPOINT: "https://127.0.0.1/"}, ENDPOINT),
    "A158 an unused endpoint in the house": ({ENDPOINT: "https://10.0.0.1/"}, ENDPOINT),
    "A185 ping without the grant": (
        {MODE: "ping", ENDPOINT: URL, "grant_types": []},
        "grant_types",
    ),
    "A185 poll without the grant, by its endpoint": (
        {ENDPOINT: URL, "grant_types": []},
        "grant_types",
    ),
    "A185 poll without the grant, by its user code": (
        {"backchannel_user_code_parameter": True, "grant_types": []},
        "grant_types",
    ),
    "A185 poll without the grant, by its requests": (
        {REQUEST_ALG: "ES256", "jwks_uri": URL, "grant_types": []},
        "grant_types",
    ),
    "A186 requests by a MAC": ({REQUEST_ALG: "HS256", "jwks_uri": URL}, REQUEST_ALG),
    "A065 requests by nobody": ({REQUEST_ALG: "none", "jwks_uri": URL}, REQUEST_ALG),
    "A186 requests without keys": ({REQUEST_ALG: "ES256"}, "jwks"),
    "A186 requests without a key that fits": (
        {REQUEST_ALG: "PS256", "jwks": a_set(an_ec_jwk())},
        "jwks",
    ),
    "B001 a public client of CIBA": ({METHOD: "none"}, "grant_types"),
    "B001 a public client of push": ({METHOD: "none", MODE: "push", ENDPOINT: URL}, "grant_types"),
    "B001 a public client of push without the grant": (
        {METHOD: "none", MODE: "push", ENDPOINT: URL, "grant_types": []},
        MODE,
    ),
    "C017 keys twice": ({"jwks": a_set(an_ec_jwk()), "jwks_uri": URL}, "jwks_uri"),
    "C017 an empty set is a set": ({"jwks": a_set(), "jwks_uri": URL}, "jwks_uri"),
    "C018 keys in the clear": ({"jwks_uri": "http://client.example/keys"}, "jwks_uri"),
    "T18 keys in the house": ({"jwks_uri": "https://169.254.169.254/"}, "jwks_uri"),
    "T18 keys at another port": ({"jwks_uri": "https://client.example:8443/"}, "jwks_uri"),
    "C018 a private key": ({"jwks": a_set(vector("rfc7517_ec_key")["private"])}, "jwks"),
    "C018 a symmetric key": ({"jwks": a_set({"kty": "oct", "k": "AA"})}, "jwks"),
    "C018 a key without its use beside one for encryption": (
        {"jwks": a_set(an_ec_jwk(kid="1"), an_rsa_jwk(use="enc", kid="2"))},
        "jwks",
    ),
    "C019 a certificate of another key": (
        {"jwks": a_set(an_rsa_jwk(x5c=[a_certificate()]))},
        "jwks",
    ),
    "C019 a certificate without bare members": (
        {"jwks": a_set({"kty": "EC", "x5c": [a_certificate()]})},
        "jwks",
    ),
    "C019 no certificate": ({"jwks": a_set(an_ec_jwk(x5c=["AAAA"]))}, "jwks"),
    "C019 a certificate of a version there is not": (
        {"jwks": a_set(an_ec_jwk(x5c=[a_certificate_of_version_6()]))},
        "jwks",
    ),
    "C019 an empty chain": ({"jwks": a_set(an_ec_jwk(x5c=[]))}, "jwks"),
    "C019 a chain that is a text": ({"jwks": a_set(an_ec_jwk(x5c=a_certificate()))}, "jwks"),
    "C019 a certificate that is a number": ({"jwks": a_set(an_ec_jwk(x5c=[1]))}, "jwks"),
    "C020 private_key_jwt without keys": ({METHOD: "private_key_jwt"}, "jwks"),
    "C020 private_key_jwt with an empty set": (
        {METHOD: "private_key_jwt", "jwks": a_set()},
        "jwks",
    ),
    "C020 private_key_jwt with a key for encryption": (
        {METHOD: "private_key_jwt", "jwks": a_set(an_ec_jwk(use="enc"))},
        "jwks",
    ),
    "B012 private_key_jwt with a weak key": (
        {METHOD: "private_key_jwt", "jwks": a_set(an_rsa_jwk(1_024))},
        "jwks",
    ),
    "C022 private_key_jwt by a key that does not fit": (
        {METHOD: "private_key_jwt", ASSERTION_ALG: "PS256", "jwks": a_set(an_ec_jwk())},
        "jwks",
    ),
    "C020 its own certificate without keys": ({METHOD: "self_signed_tls_client_auth"}, "jwks"),
    "C021 a CA's certificate of nobody": (
        {METHOD: "tls_client_auth"},
        "tls_client_auth_subject_dn",
    ),
    "C021 a CA's certificate of two": (
        {
            METHOD: "tls_client_auth",
            "tls_client_auth_subject_dn": "CN=bank",
            "tls_client_auth_san_dns": "bank.example",
        },
        "tls_client_auth_san_dns",
    ),
    "RFC 8705 2.1.2 no distinguished name": (
        {METHOD: "tls_client_auth", "tls_client_auth_subject_dn": "/C=DE/CN=bank"},
        "tls_client_auth_subject_dn",
    ),
    "RFC 8705 2.1.2 no address": (
        {METHOD: "tls_client_auth", "tls_client_auth_san_ip": "bank.example"},
        "tls_client_auth_san_ip",
    ),
    "C022 none": ({ASSERTION_ALG: "none"}, ASSERTION_ALG),
    "C022 none of private_key_jwt": (
        {METHOD: "private_key_jwt", ASSERTION_ALG: "none", "jwks_uri": URL},
        ASSERTION_ALG,
    ),
    "C022 a MAC of private_key_jwt": (
        {METHOD: "private_key_jwt", ASSERTION_ALG: "HS256", "jwks_uri": URL},
        ASSERTION_ALG,
    ),
    "C022 a signature of client_secret_jwt": (
        {METHOD: "client_secret_jwt", ASSERTION_ALG: "ES256"},
        ASSERTION_ALG,
    ),
    "B021 a kid twice": ({"jwks": a_set(an_ec_jwk(kid="1"), an_rsa_jwk(kid="1"))}, "jwks"),
    "a kid that is a list": ({"jwks": a_set(an_ec_jwk(kid=[]))}, "jwks"),
    "a key too many": (
        {"jwks": a_set(*(an_ec_jwk(kid=str(n)) for n in range(policy.KEYS_OF_A_SET_MAX + 1)))},
        "jwks",
    ),
    "a set too long": ({"jwks": a_set(an_ec_jwk(note="n" * 16_384))}, "jwks"),
    "a set with half a character": ({"jwks": a_set(an_ec_jwk(note="\ud800"))}, "jwks"),
    "a poll too long": (
        {"long_poll_seconds": policy.LONG_POLL_SECONDS_MAX + 1},
        "long_poll_seconds",
    ),
    "a poll into the past": ({"long_poll_seconds": -1}, "long_poll_seconds"),
    "a leeway too long": (
        {"refresh_token": RefreshTokenPolicy("rotating", 61)},
        "refresh_token.leeway",
    ),
    "a leeway into the past": (
        {"refresh_token": RefreshTokenPolicy("rotating", -1)},
        "refresh_token.leeway",
    ),
}


def refusal(client: Client) -> InvalidClientMetadata:
    with pytest.raises(InvalidClientMetadata) as refused:
        registered(client, check_url)
    assert ERROR_CHARACTERS.issuperset(refused.value.reason)
    return refused.value


@pytest.mark.parametrize(("changes", "name"), BAD.values(), ids=BAD)
def test_a_client_is_refused_by_the_member_at_fault(changes: dict[str, object], name: str) -> None:
    assert refusal(a_client(**changes)).property_name == name


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({METHOD: "client_secret_basic"}, METHOD),  # B002
        ({MODE: "push", ENDPOINT: URL}, MODE),  # B004
        ({REQUEST_ALG: ""}, REQUEST_ALG),  # B005
        ({ASSERTION_ALG: "RS256", "jwks": a_set(an_rsa_jwk(), an_ec_jwk())}, ASSERTION_ALG),  # B010
        ({"jwt_configuration": JwtConfiguration(alg="RS256")}, "jwt_configuration.alg"),  # X04
        (
            {"tls_client_certificate_bound_access_tokens": False},
            "tls_client_certificate_bound_access_tokens",
        ),  # B013
    ],
)
def test_what_a_profile_forbids_is_not_registered(changes: dict[str, object], name: str) -> None:
    assert registered(a_fapi_client(), check_url) == a_fapi_client()

    assert refusal(a_fapi_client(**changes)).property_name == name


def test_a_fapi_client_needs_a_key_that_fapi_allows() -> None:
    """B010: a key on P-384 signs with nothing that is allowed."""
    numbers = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
    x, y = b64url(numbers.x.to_bytes(48)), b64url(numbers.y.to_bytes(48))
    jwk: dict[str, object] = {"kty": "EC", "crv": "P-384", "x": x, "y": y}

    assert refusal(a_fapi_client(jwks=a_set(jwk))).property_name == "jwks"


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, *MAC_ALGORITHMS])
def test_an_assertion_is_signed_or_a_mac_as_its_method_says(algorithm: str) -> None:
    """C022."""
    changes: dict[str, object] = {ASSERTION_ALG: algorithm, "jwks_uri": URL}
    fitting = "private_key_jwt" if algorithm in ALGORITHMS else "client_secret_jwt"
    other = {"private_key_jwt", "client_secret_jwt"} - {fitting}

    assert registered(a_client(**changes | {METHOD: fitting}), check_url)
    assert refusal(a_client(**changes | {METHOD: other.pop()})).property_name == ASSERTION_ALG


def test_the_refresh_tokens_of_a_public_client_rotate_whatever_it_says() -> None:
    """X07, and C041: what is registered is what holds."""
    public = a_client(**{METHOD: "none", "grant_types": []}, refresh_token=RefreshTokenPolicy())

    assert registered(public, check_url).refresh_token == RefreshTokenPolicy("rotating")


def test_the_certificate_of_rfc_7517_belongs_to_its_key() -> None:
    [key] = usable_keys(a_set(vector("rfc7517_x5c")["jwk"]))

    assert key.kid == "1b94c"


def test_keys_nobody_knows_are_passed_over() -> None:
    """RFC 7517 5."""
    unknown: dict[str, object] = {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}

    [key] = usable_keys(a_set(unknown, an_ec_jwk(kid="1")))

    assert key.kid == "1"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
MEMBERS = st.sampled_from(
    ["kty", "crv", "x", "y", "n", "e", "use", "alg", "kid", "x5c", "key_ops", "d", "x5u"]
)


@given(jwks=st.lists(st.dictionaries(MEMBERS, JSON, max_size=4), max_size=3), of_ours=st.booleans())
def test_a_set_is_usable_or_refused(jwks: list[dict[str, object]], of_ours: bool) -> None:
    with contextlib.suppress(InvalidClientMetadata):
        usable_keys(a_set(*(an_ec_jwk() | jwk if of_ours else jwk for jwk in jwks)))


@given(text=st.text(st.sampled_from('CNOU=#,+\\ "0f.1:é'), max_size=12))
def test_a_subject_is_readable_or_refused(text: str) -> None:
    for name in ("tls_client_auth_subject_dn", "tls_client_auth_san_ip"):
        with contextlib.suppress(InvalidClientMetadata):
            registered(a_client(**{METHOD: "tls_client_auth", name: text}), check_url)


def test_a_set_nested_too_deeply_to_be_kept_is_refused() -> None:
    note: object = ""
    for _ in range(100_000):
        note = [note]

    assert refusal(a_client(jwks=a_set(an_ec_jwk(note=note)))).property_name == "jwks"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_secret_that_is_compared_is_kept_as_its_digest(method: str) -> None:
    """Decision 9."""
    client, secret = with_new_secret(a_client(**{METHOD: method}, secret_sealed=b"old"), SEAL)

    assert secret is not None
    assert len(secret) == 43
    assert (client.secret_digest, client.secret_sealed) == (digest(secret), b"")


def test_the_key_of_a_mac_is_sealed_as_well() -> None:
    """RFC 7518 3.2: it is long enough for each of the algorithms."""
    client, secret = with_new_secret(a_client(**{METHOD: "client_secret_jwt"}), SEAL)

    assert secret is not None
    assert len(secret) >= 512 // 8
    assert client.secret_digest == digest(secret)
    assert SEAL.decrypt(client.secret_sealed, client.client_id).decode() == secret
    assert secret.encode() not in client.secret_sealed


@pytest.mark.parametrize(
    "method", ["none", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"]
)
def test_who_proves_itself_without_a_secret_has_none(method: str) -> None:
    """C042."""
    client, secret = with_new_secret(a_client(**{METHOD: method}), SEAL)

    assert secret is None
    assert not uses_secret(client)
    assert (client.secret_digest, client.secret_sealed) == ("", b"")


def test_two_secrets_are_never_the_same() -> None:
    assert with_new_secret(a_client(), SEAL)[1] != with_new_secret(a_client(), SEAL)[1]
