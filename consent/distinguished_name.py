"""
Names of certificates: how they are written (RFC 4514), and when two are the same (RFC 4517).

Pure. `cryptography` reads the form; what is added here is the names of more attribute types,
values given as DER, and the comparison.
"""

import re
import unicodedata

from cryptography import x509
from cryptography.x509.oid import NameOID

_STRING_TAGS = (0x0C, 0x13, 0x16)  # UTF8String, PrintableString, IA5String
_ATTRIBUTE_TYPES = {
    # RFC 4514 3
    "CN": NameOID.COMMON_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "C": NameOID.COUNTRY_NAME,
    "STREET": NameOID.STREET_ADDRESS,
    "DC": NameOID.DOMAIN_COMPONENT,
    "UID": NameOID.USER_ID,
    # As OpenSSL prints them; others go by their numbers.
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "organizationIdentifier": NameOID.ORGANIZATION_IDENTIFIER,
    "businessCategory": NameOID.BUSINESS_CATEGORY,
    "jurisdictionC": NameOID.JURISDICTION_COUNTRY_NAME,
    "jurisdictionST": NameOID.JURISDICTION_STATE_OR_PROVINCE_NAME,
    "jurisdictionL": NameOID.JURISDICTION_LOCALITY_NAME,
    "postalCode": NameOID.POSTAL_CODE,
    "title": NameOID.TITLE,
    "GN": NameOID.GIVEN_NAME,
    "SN": NameOID.SURNAME,
}
# RFC 4512 2.5: their names are the same in upper and in lower case.
_SPELLINGS = {
    spelling: oid
    for name, oid in _ATTRIBUTE_TYPES.items()
    for spelling in (name, name.lower(), name.upper())
}
_ENCODED_VALUE = re.compile(r"((?:^|(?<!\\)[,+])[A-Za-z0-9.-]+=)#([0-9A-Fa-f]+)(?=[,+]|\Z)")


def distinguished_name(text: str) -> x509.Name:
    """
    A name as RFC 4514 writes it: the last part first, no spaces around commas, attribute types by
    name or number, values as text or as `#` and their DER. Raises ValueError.
    """
    return x509.Name.from_rfc4514_string(_ENCODED_VALUE.sub(_spelt_out, text), _SPELLINGS)


def is_same_name(one: x509.Name, other: x509.Name) -> bool:
    """RFC 4517 4.2.15 (distinguishedNameMatch): parts in order, the attributes of a part in any."""
    return _comparable(one) == _comparable(other)


def _spelt_out(value: re.Match[str]) -> str:
    """RFC 4514 2.4: how Java writes types it has no name for. The library would take the tag and
    the length for characters.
    """
    tag, length, *octets = bytes.fromhex(value[2])
    if tag not in _STRING_TAGS or length != len(octets):
        raise ValueError("not the DER of a string of at most 127 octets")
    return value[1] + "".join(f"\\{octet:02x}" for octet in octets)


def _comparable(name: x509.Name) -> list[frozenset[tuple[str, str | bytes]]]:
    return [
        frozenset((attribute.oid.dotted_string, _prepared(attribute.value)) for attribute in part)
        for part in name.rdns
    ]


def _prepared(value: str | bytes) -> str | bytes:
    """RFC 4517 4.2.11 (caseIgnoreMatch), RFC 4518 2: neither case nor the number of spaces counts,
    nor which kind of string (PrintableString, UTF8String) it is.
    """
    if isinstance(value, bytes):
        return value
    folded = unicodedata.normalize("NFKC", value).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())
