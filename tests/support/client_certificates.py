"""Certificates of clients, and the authorities that make them; each with its flaws, if asked."""

import base64
import datetime as dt
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.domain import NOW

HOUR = 3_600
CA = (x509.BasicConstraints(ca=True, path_length=None), True)


def named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


class Issued(NamedTuple):
    """A certificate, its key, and the name and key it was signed by."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey

    def issue(
        self,
        subject: str | x509.Name,
        *extensions: tuple[x509.ExtensionType, bool],
        at: float = NOW,
        public_key: CertificateIssuerPublicKeyTypes | None = None,
    ) -> "Issued":
        """Signed by this one; valid from an hour before `at` to an hour after it."""
        key = generate_private_key(SECP256R1())
        return Issued(
            _certificate(
                named(subject) if isinstance(subject, str) else subject,
                self.certificate.subject,
                public_key or key.public_key(),
                self.key,
                extensions=extensions,
                at=at,
            ),
            key,
        )

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def client_cert(self) -> str:
        """RFC 9440 2.1."""
        return f":{base64.b64encode(self.der).decode()}:"

    @property
    def escaped(self) -> str:
        """As nginx' `$ssl_client_escaped_cert`, of which all but unreserved is escaped."""
        return quote(self.pem, safe="")

    @property
    def x5c(self) -> list[str]:
        return [base64.b64encode(self.der).decode()]

    def write(self, path: Path) -> Path:
        """Key and certificate in one PEM file."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(key + self.pem)
        return path


def self_signed(
    subject: str | x509.Name, *extensions: tuple[x509.ExtensionType, bool], at: float = NOW
) -> Issued:
    key = generate_private_key(SECP256R1())
    name = named(subject) if isinstance(subject, str) else subject
    return Issued(
        _certificate(name, name, key.public_key(), key, extensions=extensions, at=at), key
    )


def an_authority(
    *extensions: tuple[x509.ExtensionType, bool], at: float = NOW, name: str = "Authority"
) -> Issued:
    return self_signed(name, CA, *extensions, at=at)


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: CertificateIssuerPublicKeyTypes,
    signing_key: EllipticCurvePrivateKey,
    *,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...],
    at: float,
) -> x509.Certificate:
    time = dt.datetime.fromtimestamp(int(at), dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(time - dt.timedelta(seconds=HOUR))
        .not_valid_after(time + dt.timedelta(seconds=HOUR))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signing_key, hashes.SHA256())
