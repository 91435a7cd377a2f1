"""
The certificate a client shows in TLS (RFC 8705), as the proxy that ended TLS hands it on.

Pure. That the proxy may be believed is known before anything is read here (D064); that the client
holds the private key, the TLS handshake has shown.
"""

import base64
import contextlib
import datetime as dt
import ipaddress
from collections.abc import Mapping, Sequence
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import verification

from consent import policy
from consent.client import Client
from consent.distinguished_name import distinguished_name, is_same_name
from consent.identifiers import b64url
from consent.jose import RSA_BITS_MIN, PublicKey, UnusableKey, public_key

HEADER_CHARACTERS_MAX = 16_384
_CURVE_BITS_MIN = 256


class UnusableCertificate(Exception):  # noqa: N818 - said of the certificate
    """Not a certificate, or none that is accepted; the text says why, in ASCII."""


# Reading


def certificate_of(header_value: str) -> x509.Certificate:
    """
    The certificate in a proxy's header: `:base64 of DER:` (RFC 9440 2.1) or percent-encoded PEM
    (nginx's `$ssl_client_escaped_cert`).

    Every part that is looked at later has been parsed once. Raises UnusableCertificate.
    """
    if len(header_value) > HEADER_CHARACTERS_MAX or not header_value.isascii():
        raise UnusableCertificate("the header is too long or not ASCII")
    try:
        certificate = _parsed(header_value.strip(" "))
        key = certificate.public_key()
        _ = (certificate.subject, certificate.issuer, certificate.extensions)
        _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except (
        ValueError,
        TypeError,  # a part of its subject that is no string
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise UnusableCertificate(f"not a certificate: {type(error).__name__}") from None
    if not _is_strong(key):
        raise UnusableCertificate("its key is too weak or of an unknown kind")
    return certificate


def thumbprint(certificate: x509.Certificate) -> str:
    """x5t#S256: what a token is bound by (RFC 8705 3.1, D061)."""
    return b64url(certificate.fingerprint(hashes.SHA256()))


def _parsed(text: str) -> x509.Certificate:
    if text.startswith(":"):
        if len(text) == 1 or not text.endswith(":"):
            raise ValueError("not a byte sequence (RFC 8941 3.3.5)")
        return x509.load_der_x509_certificate(base64.b64decode(text[1:-1], validate=True))
    certificates = x509.load_pem_x509_certificates(unquote_to_bytes(text))
    if len(certificates) != 1:
        raise ValueError("more than one certificate")
    return certificates[0]


def _is_strong(key: object) -> bool:
    match key:
        case rsa.RSAPublicKey():
            return key.key_size >= RSA_BITS_MIN
        case ec.EllipticCurvePublicKey():
            return key.key_size >= _CURVE_BITS_MIN
    return isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey)


# tls_client_auth


def chain_is_valid(
    certificate: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    authorities: Sequence[x509.Certificate],
    now: float,
) -> bool:
    """
    Whether one of the authorities vouches for it as a TLS client's, at `now` (RFC 8705 2.1, D060).

    RFC 5280 6 as `cryptography` does it. Revocation is not looked up.
    """
    if not authorities:
        return False
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(list(authorities)))
        .time(dt.datetime.fromtimestamp(now, dt.UTC))
        .extension_policies(ca_policy=_OF_AUTHORITIES, ee_policy=_OF_CLIENTS)
        .build_client_verifier()
    )
    try:
        verifier.verify(certificate, list(intermediates))
    except verification.VerificationError:
        return False
    return True


def _may_sign_certificates(
    _policy: verification.Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None
) -> None:
    """RFC 5280 6.1.4 (n): where an authority's usage is told, it is this one."""
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("not a key that signs certificates")


# The rules of the public web, less what private authorities leave out: key identifiers, an
# authority's key usage, and other names beside the subject. `extendedKeyUsage` may be missing;
# if it is there, it must hold clientAuth.
_AGNOSTIC = verification.Criticality.AGNOSTIC
_OF_AUTHORITIES = (
    verification.ExtensionPolicy.webpki_defaults_ca()
    .may_be_present(x509.KeyUsage, _AGNOSTIC, _may_sign_certificates)
    .may_be_present(x509.SubjectKeyIdentifier, _AGNOSTIC, None)
    .may_be_present(x509.AuthorityKeyIdentifier, _AGNOSTIC, None)
)
_OF_CLIENTS = (
    verification.ExtensionPolicy.webpki_defaults_ee()
    .may_be_present(x509.SubjectAlternativeName, _AGNOSTIC, None)
    .may_be_present(x509.AuthorityKeyIdentifier, _AGNOSTIC, None)
)


def matches_registration(client: Client, certificate: x509.Certificate) -> bool:
    """Whether its subject, or one of its other names, is the one registered (RFC 8705 2.1.2)."""
    rules = (
        (client.tls_client_auth_subject_dn, _subject_is),
        (client.tls_client_auth_san_dns, _has_dns_name),
        (client.tls_client_auth_san_uri, _has_uri),
        (client.tls_client_auth_san_ip, _has_address),
        (client.tls_client_auth_san_email, _has_email),
    )
    registered = [(text, rule) for text, rule in rules if text]
    if len(registered) != 1:  # C021
        return False
    [(text, rule)] = registered
    with contextlib.suppress(ValueError):  # of what was registered, which then is nobody's name
        return rule(certificate, text)
    return False


def _subject_is(certificate: x509.Certificate, text: str) -> bool:
    return is_same_name(certificate.subject, distinguished_name(text))


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def _has_dns_name(certificate: x509.Certificate, text: str) -> bool:
    names = _names(certificate).get_values_for_type(x509.DNSName)
    return text.lower() in {name.lower() for name in names}


def _has_uri(certificate: x509.Certificate, text: str) -> bool:
    return text in _names(certificate).get_values_for_type(x509.UniformResourceIdentifier)


def _has_address(certificate: x509.Certificate, text: str) -> bool:
    addresses = _names(certificate).get_values_for_type(x509.IPAddress)
    return ipaddress.ip_address(text) in addresses


def _has_email(certificate: x509.Certificate, text: str) -> bool:
    addresses = _names(certificate).get_values_for_type(x509.RFC822Name)
    return _mailbox(text) in {_mailbox(address) for address in addresses}


def _mailbox(address: str) -> tuple[str, str]:
    """RFC 5280 7.5: case counts before the `@` and not after it."""
    local, _, domain = address.rpartition("@")
    return local, domain.lower()


# self_signed_tls_client_auth


def is_self_signed_match(
    certificate: x509.Certificate, jwks: Mapping[str, object], now: float
) -> bool:
    """
    Whether it is one of the certificates in a client's key set (RFC 8705 2.2.2, D060).

    A key with `x5c` stands for that certificate alone, a bare key for any that holds it. Nobody
    vouches for it, but its own dates count: it is what its maker last said of it.
    """
    if not _is_within_dates(certificate, now):
        return False
    keys = jwks.get("keys")
    if not isinstance(keys, list):
        return False
    return any(
        isinstance(jwk, dict) and _stands_for(jwk, certificate)
        for jwk in keys[: policy.KEYS_OF_A_SET_MAX]
    )


def is_of_a_key(certificate: x509.Certificate, keys: Sequence[PublicKey], now: float) -> bool:
    """The same for keys that were fetched, of which nothing but the key is kept."""
    own = certificate.public_key()
    return _is_within_dates(certificate, now) and any(key.key == own for key in keys)


def _is_within_dates(certificate: x509.Certificate, now: float) -> bool:
    valid = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return valid[0].timestamp() <= int(now) <= valid[1].timestamp()


def _stands_for(jwk: dict[str, object], certificate: x509.Certificate) -> bool:
    if jwk.get("use", "sig") != "sig":
        return False
    if "x5c" in jwk:
        chain = jwk["x5c"]
        if not isinstance(chain, list) or not chain or not isinstance(chain[0], str):
            return False
        # RFC 7517 4.7: base64, and not of the URL's kind.
        own = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
        return "".join(chain[0].split()) == own
    try:
        return public_key(jwk).key == certificate.public_key()
    except UnusableKey:
        return False
