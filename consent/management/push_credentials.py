"""
The credentials of push providers: read when they are put, so that what a worker is given works.

Pure. Whatever is wrong with them is `Unusable`; no text of them is repeated.
"""

import base64
import binascii
import datetime as dt
import re

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from consent.jose import RSA_BITS_MAX, RSA_BITS_MIN
from consent.push_providers import ApnsCertificate, ServiceAccount
from consent.strict_json import MalformedJSON, loads_object

_CURVE_BITS_MIN = 256
_PRIVATE_KEY_CHARACTERS_MAX = 4_096  # of 4096 bits; what is longer takes minutes to be checked

_IS_PROJECT_ID = re.compile(r"[a-z0-9][a-z0-9.:-]{0,62}").fullmatch  # it becomes part of a path
_IS_EMAIL = re.compile(r"[!-?A-~]+@[0-9A-Za-z.-]+").fullmatch
_IS_KEY_ID = re.compile(r"[0-9A-Za-z_-]{0,128}").fullmatch
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)
_NO_PASSWORDS = (None, b"")  # a file without one, and a file encrypted with an empty one

_SHAPE = (
    "Not a service account: it has type, project_id, client_email, private_key_id, private_key "
    "and token_uri"
)


class Unusable(Exception):  # noqa: N818 - said of the credentials
    """`reason` is ASCII and is said of the property `name`."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name
        self.reason = reason


def check_provider_key(pem: str) -> None:
    """Apple's signing key (.p8) is a P-256 private key. Raises Unusable."""
    key = _private_key(pem, "p8")
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Unusable("p8", "Not a P-256 private key")


def push_certificate(text: str) -> ApnsCertificate:
    """
    What a PKCS #12 file holds (base64, no or an empty password). It takes as long as the file
    wants its password hashed, which may be hours. Raises Unusable.
    """
    key, certificate = _opened(text)
    _check_strength(key, "p12")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return ApnsCertificate(certificate.public_bytes(Encoding.PEM).decode(), pem.decode())


def check_valid(credentials: ApnsCertificate, *, now: float) -> None:
    """`now` is in epoch seconds. Raises Unusable."""
    certificate = x509.load_pem_x509_certificate(credentials.certificate.encode())
    if not certificate.not_valid_before_utc <= _date(now) <= certificate.not_valid_after_utc:
        raise Unusable("p12", "Its certificate has expired or is not valid yet")


def topic_of(credentials: ApnsCertificate) -> str:
    """The bundle id a certificate is for, empty where it names none."""
    certificate = x509.load_pem_x509_certificate(credentials.certificate.encode())
    names = certificate.subject.get_attributes_for_oid(NameOID.USER_ID)
    return str(names[0].value) if names else ""


def service_account(text: str) -> ServiceAccount:
    """From Google's JSON; where its `token_uri` leads is not asked. Raises Unusable."""
    name = "server_credentials"
    try:
        members = loads_object(text.encode(errors="surrogatepass"))
        account = msgspec.convert(members, ServiceAccount)
    except MalformedJSON as error:
        raise Unusable(name, f"The JSON is malformed: {error.reason}") from None
    except msgspec.ValidationError:
        raise Unusable(name, _SHAPE) from None
    if (
        members.get("type") != "service_account"
        or not _IS_PROJECT_ID(account.project_id)
        or not _IS_EMAIL(account.client_email)
        or not _IS_KEY_ID(account.private_key_id)
    ):
        raise Unusable(name, _SHAPE)
    key = _private_key(account.private_key, name)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Unusable(name, "Its private_key is not an RSA key")
    _check_strength(key, name)
    return account


def _opened(text: str) -> tuple[rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, x509.Certificate]:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Unusable("p12", "Not base64") from None
    for password in _NO_PASSWORDS:
        try:
            key, certificate, _ = pkcs12.load_key_and_certificates(data, password)
        except _UNREADABLE:
            continue
        # A certificate of another key is not given as the key's.
        if certificate is None or not isinstance(
            key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
        ):
            raise Unusable("p12", "Holds no certificate with its private key")
        return key, certificate
    raise Unusable("p12", "Not a PKCS #12 file that opens with no or an empty password")


def _private_key(pem: str, name: str) -> object:
    if len(pem) > _PRIVATE_KEY_CHARACTERS_MAX or not pem.isascii():
        raise Unusable(name, "Not a private key in PEM")
    try:
        return load_pem_private_key(pem.encode(), None)
    except _UNREADABLE:  # TypeError: it wants a password
        raise Unusable(name, "Not a private key in PEM") from None


def _check_strength(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, name: str) -> None:
    """TLS libraries refuse to show what is weaker."""
    strong = (
        RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX
        if isinstance(key, rsa.RSAPrivateKey)
        else key.key_size >= _CURVE_BITS_MIN
    )
    if not strong:
        raise Unusable(name, "Its private key is too weak or too long")


def _date(now: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(now, dt.UTC)
