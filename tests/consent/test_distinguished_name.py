"""Names of certificates: what is registered as text is what the certificate says, or is not."""

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from consent.distinguished_name import distinguished_name, is_same_name

CN, O, C = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.COUNTRY_NAME  # noqa: E741
ORGANIZATION_IDENTIFIER = NameOID.ORGANIZATION_IDENTIFIER
Part = tuple[x509.ObjectIdentifier, str]


def name(*parts: Part | list[Part]) -> x509.Name:
    """In the order of the certificate; a list is one part of several attributes."""
    return x509.Name(
        [
            x509.RelativeDistinguishedName(
                [x509.NameAttribute(*it) for it in (part if isinstance(part, list) else [part])]
            )
            for part in parts
        ]
    )


BANK = name((C, "NL"), (O, "Bank, Ltd"), (CN, "client"))
PSD2 = name((C, "NL"), (ORGANIZATION_IDENTIFIER, "PSDNL-DNB-1"), (CN, "client"))
THE_SAME: list[tuple[str, x509.Name]] = [
    (r"CN=client,O=Bank\, Ltd,C=NL", BANK),
    (r"CN=client,O=Bank\2c Ltd,C=NL", BANK),
    (r"cn=CLIENT,o=bank\,   ltd,c=nl", BANK),
    (r"2.5.4.3=client,2.5.4.10=Bank\, Ltd,2.5.4.6=NL", BANK),
    ("CN=client,organizationIdentifier=PSDNL-DNB-1,C=NL", PSD2),
    ("CN=client,2.5.4.97=PSDNL-DNB-1,C=NL", PSD2),
    # RFC 4514 2.4, as UTF8String and as PrintableString
    ("CN=client,2.5.4.97=#0c0b5053444e4c2d444e422d31,C=NL", PSD2),
    ("CN=client,2.5.4.97=#130B5053444E4C2D444E422D31,C=NL", PSD2),
    ("CN=#0c06636c69656e74+UID=1", name([(NameOID.USER_ID, "1"), (CN, "client")])),
    # RFC 4514 4
    (
        "UID=jsmith,DC=example,DC=net",
        name(
            (NameOID.DOMAIN_COMPONENT, "net"),
            (NameOID.DOMAIN_COMPONENT, "example"),
            (NameOID.USER_ID, "jsmith"),
        ),
    ),
    (
        "OU=Sales+CN=J.  Smith,O=Example",
        name((O, "Example"), [(CN, "J. Smith"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "sales")]),
    ),
    (r"CN=Lu\C4\8Di\C4\87", name((CN, "Lučić"))),
    # RFC 4518 2.2, 2.3
    ("CN=STRASSE", name((CN, "Straße"))),
    ("CN=e\u0301", name((CN, "\u00c9"))),
    ("CN=a\u00a0b", name((CN, " A B "))),
    (
        "emailAddress=pay@bank.example,CN=x",
        name((CN, "x"), (NameOID.EMAIL_ADDRESS, "Pay@bank.example")),
    ),
]
ANOTHER: list[tuple[str, x509.Name]] = [
    (r"C=NL,O=Bank\, Ltd,CN=client", BANK),  # the other way round
    (r"CN=client,C=NL,O=Bank\, Ltd", BANK),
    (r"CN=client,O=Bank\, Ltd", BANK),
    (r"CN=client,O=Bank\, Ltd,C=NL,C=NL", BANK),
    (r"CN=client+O=Bank\, Ltd,C=NL", BANK),
    (r"CN=client2,O=Bank\, Ltd,C=NL", BANK),
    (r"O=client,CN=Bank\, Ltd,C=NL", BANK),
    ("CN=Jsmith", name((CN, "J smith"))),
    (r"CN=client\00", name((CN, "client"))),
    ("CN=client", name((CN, "client\0.evil"))),
    ("CN=client", name((CN, "client,O=Bank"))),
    (r"CN=\#0c06636c69656e74", name((CN, "client"))),
]
NO_NAME = [
    "client",
    "CN",
    "=client",
    "CN=client,",
    ",CN=client",
    "CN=client, O=Bank",  # OpenSSL's own form; its `-nameopt RFC2253` is the one
    "CN = client",
    "/C=NL/CN=client",
    "XYZ=client",
    "CN=",
    "CN=" + "a" * 65,
    "C=Netherlands",
    "CN=a,CN",
    "CN=a+CN=a",
    r"CN=\zz",
    r"CN=\ff",
    "CN=#",
    "CN=#0c",
    "CN=#0c0",
    "CN=#0c05616263",
    "CN=#3003020101",
    "CN=#0c01ff",
    "9.9.9=a",
    "1." * 100 + "1=a",
    "CN=\0",
]


@pytest.mark.parametrize(("text", "subject"), THE_SAME)
def test_a_name_is_the_same_in_other_letters_and_spaces(text: str, subject: x509.Name) -> None:
    """RFC 4517 4.2.11, 4.2.15."""
    assert is_same_name(distinguished_name(text), subject)


@pytest.mark.parametrize(("text", "subject"), ANOTHER)
def test_a_name_is_another_in_another_order_or_with_other_parts(
    text: str, subject: x509.Name
) -> None:
    assert not is_same_name(distinguished_name(text), subject)


@pytest.mark.parametrize("text", NO_NAME)
def test_what_is_not_written_as_rfc_4514_has_it_is_no_name(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the library's has no text
        distinguished_name(text)


def with_identifier(octets: bytes) -> x509.Name:
    """The one attribute whose values are bits."""
    value = b"\x03" + bytes([len(octets) + 1, 0]) + octets
    attribute = b"\x06\x03\x55\x04\x2d" + value
    for tag in (0x30, 0x31, 0x30):
        attribute = bytes([tag, len(attribute)]) + attribute
    return x509.Name.from_bytes(attribute)


def test_octets_are_the_same_or_not() -> None:
    assert is_same_name(with_identifier(b"a"), with_identifier(b"a"))
    assert not is_same_name(with_identifier(b"a"), with_identifier(b"A"))
    assert not is_same_name(with_identifier(b"a"), distinguished_name("2.5.4.45=a"))


def test_the_kind_of_string_does_not_count() -> None:
    """RFC 5280 7.1."""
    utf8 = b"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01a"
    printable = utf8.replace(b"\x0c\x01a", b"\x13\x01a")

    assert is_same_name(x509.Name.from_bytes(utf8), x509.Name.from_bytes(printable))


ATTRIBUTES = st.tuples(
    st.sampled_from([CN, O, ORGANIZATION_IDENTIFIER, NameOID.USER_ID]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9),
)


@given(st.lists(ATTRIBUTES, min_size=1, max_size=4))
def test_what_a_certificate_says_is_found_again(parts: list[Part]) -> None:
    subject = name(*parts)

    assert is_same_name(distinguished_name(subject.rfc4514_string()), subject)


@given(st.text(max_size=40) | st.from_regex(r"([A-Z]{1,2}=#?[\\,+#=0-9a-f ]{0,8}[,+]?){1,4}"))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        found = distinguished_name(text)
    except ValueError:
        return
    assert is_same_name(found, found)
