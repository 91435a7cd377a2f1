"""Certificates of clients: how a proxy hands them on, and whose they are (RFC 8705, RFC 9440)."""

import base64
import ipaddress
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from consent.client_certificate import (
    HEADER_CHARACTERS_MAX,
    UnusableCertificate,
    certificate_of,
    chain_is_valid,
    is_of_a_key,
    is_self_signed_match,
    matches_registration,
    thumbprint,
)
from consent.jose import key_set
from tests.support.client_certificates import CA, HOUR, Issued, an_authority, self_signed
from tests.support.domain import ERROR_CHARACTERS, NOW, a_client, an_rsa_key, vector

AUTHORITY = an_authority()
BANK = AUTHORITY.issue("bank")
OWN = self_signed("bank")

# It says so of serial numbers and parameters that fuzzing makes of good ones.
pytestmark = pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning",
    "ignore:Attribute's length must be:UserWarning",
)


def with_names(*names: x509.GeneralName) -> x509.Certificate:
    extension = x509.SubjectAlternativeName(names), False
    return certificate_of(AUTHORITY.issue("bank", extension).client_cert)


def usage(*purposes: x509.ObjectIdentifier) -> tuple[x509.ExtendedKeyUsage, bool]:
    return x509.ExtendedKeyUsage(purposes), False


def key_usage(*, signs_certificates: bool) -> tuple[x509.KeyUsage, bool]:
    return (
        x509.KeyUsage(
            digital_signature=not signs_certificates,
            key_cert_sign=signs_certificates,
            crl_sign=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        ),
        True,
    )


def in_base64(octets: bytes | bytearray) -> str:
    return f":{base64.b64encode(octets).decode()}:"


# Reading


def test_the_header_of_rfc_9440_is_read() -> None:
    certificate = certificate_of(vector("rfc9440_client_cert")["client_cert"])

    assert certificate.subject.rfc4514_string() == "CN=BC"
    assert matches_registration(a_client(tls_client_auth_san_email="bdc@example.com"), certificate)


def test_the_thumbprint_is_that_of_rfc_8705() -> None:
    """D061; the example is of version 1, without extensions."""
    example = vector("rfc8705_certificate")

    certificate = certificate_of(f":{example['jwk']['x5c'][0]}:")

    assert thumbprint(certificate) == example["x5t#S256"]


def test_both_forms_are_the_same_certificate() -> None:
    assert certificate_of(BANK.client_cert) == certificate_of(BANK.escaped) == BANK.certificate
    assert certificate_of(f" {BANK.client_cert} ") == BANK.certificate


UNUSABLE: dict[str, str] = {
    "nothing": "",
    "a space": " ",
    "a colon": ":",
    "an empty byte sequence": "::",
    "no end": BANK.client_cert[:-1],
    "no beginning": BANK.client_cert[1:],
    "a space in the base64": BANK.client_cert[:60] + " " + BANK.client_cert[60:],
    "base64 of the URL's kind": ":-_-_:",
    "half of it": in_base64(BANK.der[: len(BANK.der) // 2]),
    "octets after it": in_base64(BANK.der + bytes(1)),
    "PEM as a byte sequence": in_base64(BANK.pem),
    "two in one field": f"{BANK.client_cert}, {OWN.client_cert}",
    "two as PEM": quote(BANK.pem + OWN.pem, safe=""),
    "a private key": quote(BANK.pem.replace(b"CERTIFICATE-----", b"PRIVATE KEY-----"), safe=""),
    "PEM cut off": BANK.escaped[:200],
    "DER percent-encoded": quote(BANK.der, safe=""),
    "broken escapes": "%-%%zz%4",
    "NUL": "\0",
    "not ASCII": "\u00e9",
    "half a surrogate pair": "\ud800",
    "a public key that is none": in_base64(BANK.der.replace(b"\3\x42\0\4", b"\3\x42\0\5")),
    "too long": ":" + "A" * HEADER_CHARACTERS_MAX + ":",
}


@pytest.mark.parametrize("header", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_is_no_certificate_is_refused(header: str) -> None:
    with pytest.raises(UnusableCertificate) as caught:
        certificate_of(header)

    assert ERROR_CHARACTERS.issuperset(str(caught.value))


WEAK: dict[str, Callable[[], Any]] = {
    "RSA of 1024 bits": lambda: an_rsa_key(1_024).public_key(),
    "P-192": lambda: ec.generate_private_key(ec.SECP192R1()).public_key(),
    "DSA": lambda: dsa.generate_private_key(1_024).public_key(),
}
STRONG: dict[str, Callable[[], Any]] = {
    "RSA of 2048 bits": lambda: an_rsa_key().public_key(),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()).public_key(),
    "Ed25519": lambda: ed25519.Ed25519PrivateKey.generate().public_key(),
}


@pytest.mark.parametrize("key", WEAK.values(), ids=WEAK.keys())
def test_a_weak_key_is_refused(key: Callable[[], Any]) -> None:
    """FAPI 1.0 Part 1 5.2.2-5, 6: RSA from 2048 bits on, curves from 160; here from 256."""
    with pytest.raises(UnusableCertificate, match="weak"):
        certificate_of(AUTHORITY.issue("bank", public_key=key()).client_cert)


@pytest.mark.parametrize("key", STRONG.values(), ids=STRONG.keys())
def test_other_keys_are_read_and_vouched_for(key: Callable[[], Any]) -> None:
    certificate = certificate_of(AUTHORITY.issue("bank", public_key=key()).client_cert)

    assert chain_is_valid(certificate, [], [AUTHORITY.certificate], NOW)


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda it: quote(it, safe="")))
def test_any_text_is_refused(header: str) -> None:
    with pytest.raises(UnusableCertificate):
        certificate_of(header)


FULL = AUTHORITY.issue(
    x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "NL"),
            x509.NameAttribute(NameOID.COMMON_NAME, "bank"),
        ]
    ),
    (
        x509.SubjectAlternativeName(
            [
                x509.DNSName("bank.example"),
                x509.UniformResourceIdentifier("https://bank.example/"),
                x509.RFC822Name("bank@bank.example"),
                x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
            ]
        ),
        False,
    ),
    usage(ExtendedKeyUsageOID.CLIENT_AUTH),
)


@given(st.data())
def test_a_certificate_with_changed_octets_is_refused_or_can_be_used(data: st.DataObject) -> None:
    """Whatever was read, no later question about it fails."""
    octets = bytearray(FULL.der)
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        certificate = certificate_of(in_base64(octets))
    except UnusableCertificate:
        return

    same = bytes(octets) == FULL.der
    signed = certificate.tbs_certificate_bytes == FULL.certificate.tbs_certificate_bytes
    assert chain_is_valid(certificate, [], [AUTHORITY.certificate], NOW) <= signed
    assert is_self_signed_match(certificate, {"keys": [{"x5c": FULL.x5c}]}, NOW) <= same
    for name, text in REGISTRATIONS.items():
        assert matches_registration(a_client(**{name: text}), certificate) in {True, False}


# tls_client_auth: who vouches for it


def vouched(issued: Issued, *intermediates: Issued, by: Issued, now: float = NOW) -> bool:
    certificate = certificate_of(issued.client_cert)
    return chain_is_valid(
        certificate, [it.certificate for it in intermediates], [by.certificate], now
    )


def test_an_authority_vouches_for_what_it_signed() -> None:
    """D060. Neither other names, nor key identifiers, nor usages need be there."""
    assert vouched(BANK, by=AUTHORITY)


def test_nobody_vouches_where_there_is_no_authority() -> None:
    assert not chain_is_valid(BANK.certificate, [], [], NOW)


AUTHORITIES_OF_OTHERS: dict[str, Issued] = {
    "another": an_authority(name="Other"),
    "another of the same name": an_authority(),
    "the client itself": OWN,
}


@pytest.mark.parametrize("other", AUTHORITIES_OF_OTHERS.values(), ids=AUTHORITIES_OF_OTHERS.keys())
def test_only_the_authority_that_signed_vouches(other: Issued) -> None:
    assert not vouched(BANK, by=other)
    assert not vouched(OWN, by=AUTHORITY)


def test_an_authority_between_is_followed_or_trusted_itself() -> None:
    between = AUTHORITY.issue("Between", CA)
    bank = between.issue("bank")

    assert vouched(bank, between, by=AUTHORITY)
    assert vouched(bank, by=between)
    assert not vouched(bank, by=AUTHORITY)


def test_a_client_is_no_authority() -> None:
    """Basic constraints: or every client could make certificates of the others."""
    mallory = AUTHORITY.issue("mallory")

    assert not vouched(mallory.issue("bank"), mallory, by=AUTHORITY)


@pytest.mark.parametrize(
    ("seconds", "valid"), [(-HOUR - 1, False), (-HOUR, True), (HOUR, True), (HOUR + 1, False)]
)
def test_a_certificate_is_valid_between_its_dates(seconds: int, valid: bool) -> None:
    """RFC 5280 4.1.2.5, for both methods; both dates belong to it."""
    now = NOW + seconds
    authority = an_authority(at=now)
    bank = authority.issue("bank")
    own = {"keys": [{"x5c": OWN.x5c}]}

    assert vouched(bank, by=authority, now=now) is valid
    assert is_self_signed_match(OWN.certificate, own, now) is valid


def test_an_authority_that_has_expired_vouches_for_nobody() -> None:
    gone = an_authority(at=NOW - 2 * HOUR)

    assert not vouched(gone.issue("bank"), by=gone)


EXTENSIONS: dict[str, tuple[tuple[x509.ExtensionType, bool], bool]] = {
    "clientAuth": (usage(ExtendedKeyUsageOID.CLIENT_AUTH), True),
    "serverAuth and clientAuth": (
        usage(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
        True,
    ),
    "serverAuth": (usage(ExtendedKeyUsageOID.SERVER_AUTH), False),
    "codeSigning": (usage(ExtendedKeyUsageOID.CODE_SIGNING), False),
    "digitalSignature": (key_usage(signs_certificates=False), True),
    "keyCertSign": (key_usage(signs_certificates=True), False),
    "an authority": (CA, False),
    "unknown": (
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), False),
        True,
    ),
    "unknown and critical": (
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), True),
        False,
    ),
}


@pytest.mark.parametrize(("extension", "valid"), EXTENSIONS.values(), ids=EXTENSIONS.keys())
def test_a_certificate_is_for_tls_clients(
    extension: tuple[x509.ExtensionType, bool], valid: bool
) -> None:
    """RFC 5280 4.2.1.12: a server's certificate, which is public, proves no client."""
    assert vouched(AUTHORITY.issue("bank", extension), by=AUTHORITY) is valid


@pytest.mark.parametrize("signs", [True, False])
def test_an_authoritys_key_usage_counts_if_it_is_told(signs: bool) -> None:
    """RFC 5280 6.1.4 (n)."""
    authority = an_authority(key_usage(signs_certificates=signs))

    assert vouched(authority.issue("bank"), by=authority) is signs


# tls_client_auth: whose name it bears

REGISTRATIONS: dict[str, str] = {
    "tls_client_auth_subject_dn": "CN=bank,C=NL",
    "tls_client_auth_san_dns": "bank.example",
    "tls_client_auth_san_uri": "https://bank.example/",
    "tls_client_auth_san_ip": "192.0.2.1",
    "tls_client_auth_san_email": "bank@bank.example",
}


@pytest.mark.parametrize(("name", "text"), REGISTRATIONS.items())
def test_the_one_registered_name_decides(name: str, text: str) -> None:
    """D060, C021: what is registered, and not what else the certificate says."""
    assert matches_registration(a_client(**{name: text}), FULL.certificate)
    assert not matches_registration(a_client(**{name: f"x{text}"}), FULL.certificate)
    assert not matches_registration(a_client(**{name: text}), BANK.certificate)


def test_a_client_with_no_name_or_several_is_matched_by_none() -> None:
    assert not matches_registration(a_client(), FULL.certificate)
    assert not matches_registration(a_client(**REGISTRATIONS), FULL.certificate)


def dns(text: str) -> x509.GeneralName:
    return x509.DNSName(text)


def uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def email(text: str) -> x509.GeneralName:
    return x509.RFC822Name(text)


def ip(text: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(text))


NAMES: list[tuple[str, str, x509.GeneralName, bool]] = [
    ("san_dns", "Bank.EXAMPLE", dns("bank.example"), True),
    ("san_dns", "bank.example", dns("BANK.example"), True),
    ("san_dns", "www.bank.example", dns("*.bank.example"), False),
    ("san_dns", "bank.example", dns("bank.example.evil"), False),
    ("san_dns", "bank.example", uri("bank.example"), False),
    ("san_dns", "bank.example", email("bank.example"), False),
    ("san_dns", "192.0.2.1", ip("192.0.2.1"), False),
    ("san_uri", "https://bank.example/a", uri("https://bank.example/A"), False),
    ("san_uri", "https://bank.example", uri("https://bank.example/"), False),
    ("san_uri", "spiffe://bank.example/app", uri("spiffe://bank.example/app"), True),
    ("san_ip", "2001:db8:0:0::1", ip("2001:0DB8::1"), True),
    ("san_ip", "::ffff:192.0.2.1", ip("192.0.2.1"), False),
    ("san_ip", "192.0.2.0/24", ip("192.0.2.0"), False),
    ("san_ip", "192.0.2.1 ", ip("192.0.2.1"), False),
    ("san_ip", "192.0.2.01", ip("192.0.2.1"), False),
    ("san_ip", "bank.example", ip("192.0.2.1"), False),
    ("san_ip", "\ud800", ip("192.0.2.1"), False),
    ("san_email", "pay@BANK.example", email("pay@bank.example"), True),
    ("san_email", "Pay@bank.example", email("pay@bank.example"), False),
    ("san_email", "bank.example", email("pay@bank.example"), False),
    ("san_email", "pay@evil@bank.example", email("pay@bank.example"), False),
]


@pytest.mark.parametrize(("kind", "registered", "name", "matches"), NAMES)
def test_names_are_compared_by_their_kind(
    kind: str, registered: str, name: x509.GeneralName, matches: bool
) -> None:
    """RFC 5280 7: hosts without case, mailboxes without it after the @, addresses as octets."""
    client = a_client(**{f"tls_client_auth_{kind}": registered})

    assert matches_registration(client, with_names(dns("other.example"), name)) is matches


def test_a_subject_that_cannot_be_read_is_nobodys() -> None:
    client = a_client(tls_client_auth_subject_dn="bank")

    assert not matches_registration(client, BANK.certificate)


# self_signed_tls_client_auth

OWN_JWK: dict[str, Any] = ECAlgorithm.to_jwk(OWN.key.public_key(), as_dict=True)
OTHER_JWK: dict[str, Any] = ECAlgorithm.to_jwk(BANK.key.public_key(), as_dict=True)
RENEWED = self_signed("bank")
SETS: dict[str, tuple[Any, bool]] = {
    "its certificate": ({"keys": [OWN_JWK | {"x5c": OWN.x5c}]}, True),
    "its certificate, in lines": (
        {"keys": [{"x5c": ["\n".join([OWN.x5c[0][:64], OWN.x5c[0][64:]])]}]},
        True,
    ),
    "its certificate, then another": ({"keys": [{"x5c": [*OWN.x5c, *BANK.x5c]}]}, True),
    "its key": ({"keys": [OWN_JWK]}, True),
    "its key, among others": ({"keys": [{"kty": "oct"}, 5, OTHER_JWK, OWN_JWK]}, True),
    "its key, for signatures": ({"keys": [OWN_JWK | {"use": "sig", "kid": "1"}]}, True),
    "its key, for encryption": ({"keys": [OWN_JWK | {"use": "enc"}]}, False),
    "its key, in another's certificate": ({"keys": [OWN_JWK | {"x5c": BANK.x5c}]}, False),
    "its certificate, in second place": ({"keys": [{"x5c": [*BANK.x5c, *OWN.x5c]}]}, False),
    "its certificate, of the URL's kind": (
        {"keys": [{"x5c": [base64.urlsafe_b64encode(OWN.der + b"\xff").decode()]}]},
        False,
    ),
    "another's key": ({"keys": [OTHER_JWK]}, False),
    "another's certificate": ({"keys": [{"x5c": RENEWED.x5c}]}, False),
    "its key, beyond the twentieth": ({"keys": [OTHER_JWK] * 20 + [OWN_JWK]}, False),
    "its key, with a private part": ({"keys": [OWN_JWK | {"d": "AQ"}]}, False),
    "no keys": ({"keys": []}, False),
    "keys that are no list": ({"keys": OWN_JWK}, False),
    "keys that are none": ({"keys": ["x", None, [], {}]}, False),
    "no set": ({}, False),
    "x5c that is no list": ({"keys": [OWN_JWK | {"x5c": OWN.x5c[0]}]}, False),
    "x5c that is empty": ({"keys": [OWN_JWK | {"x5c": []}]}, False),
    "x5c of numbers": ({"keys": [OWN_JWK | {"x5c": [5]}]}, False),
}


@pytest.mark.parametrize(("jwks", "matches"), SETS.values(), ids=SETS.keys())
def test_a_self_signed_certificate_is_one_of_the_key_set(jwks: Any, matches: bool) -> None:  # noqa: ANN401
    """D060, RFC 8705 2.2.2: `x5c` stands for one certificate, a bare key for all that hold it."""
    assert is_self_signed_match(certificate_of(OWN.escaped), jwks, NOW) is matches


def test_a_fetched_key_stands_for_every_certificate_that_holds_it() -> None:
    """C027: within the dates of the certificate, here too."""
    keys = key_set({"keys": [OTHER_JWK, OWN_JWK]})

    assert is_of_a_key(OWN.certificate, keys, NOW)
    assert not is_of_a_key(OWN.certificate, keys[:1], NOW)
    assert not is_of_a_key(OWN.certificate, keys, NOW + HOUR + 1)


def test_the_key_set_of_rfc_8705_holds_its_certificate() -> None:
    jwk = vector("rfc8705_certificate")["jwk"]
    certificate = certificate_of(f":{jwk['x5c'][0]}:")
    in_2020 = 1_600_000_000

    assert is_self_signed_match(certificate, {"keys": [jwk]}, in_2020)
    assert not is_self_signed_match(certificate, {"keys": [jwk]}, NOW)
    del jwk["x5c"]
    assert is_self_signed_match(certificate, {"keys": [jwk]}, in_2020)


def test_an_rsa_key_is_the_same_with_zeros_before_it() -> None:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    certificate = AUTHORITY.issue("bank", public_key=key.public_key()).certificate
    jwk: dict[str, Any] = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    octets = base64.urlsafe_b64decode(jwk["n"] + "==")
    padded = base64.urlsafe_b64encode(bytes(1) + octets).rstrip(b"=").decode()

    assert is_self_signed_match(certificate, {"keys": [jwk | {"n": padded}]}, NOW)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda it: st.lists(it, max_size=3) | st.dictionaries(st.text(max_size=9), it, max_size=3),
)


@given(st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e", "x5c", "use"]), JSON))
def test_any_key_is_another(jwk: dict[str, object]) -> None:
    assert not is_self_signed_match(OWN.certificate, {"keys": [jwk]}, NOW)
