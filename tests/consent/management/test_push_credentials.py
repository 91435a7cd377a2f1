"""Credentials of push providers: a worker is given only what was read here."""

import base64
import datetime as dt
import json
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from consent.management.push_credentials import (
    Unusable,
    check_provider_key,
    check_valid,
    push_certificate,
    service_account,
    topic_of,
)

NOW = dt.datetime(2027, 1, 15, tzinfo=dt.UTC)
SECONDS = NOW.timestamp()
TOPIC = "org.example.nod"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65_537, 2_048)
PEM_PASSWORD = BestAvailableEncryption(b"a password")

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def pem(key: object, encryption: object = NoEncryption()) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()  # type: ignore[attr-defined, no-any-return]


def certificate(
    key: Key, *, topic: str = TOPIC, begins: dt.timedelta = dt.timedelta(-1), days: int = 30
) -> x509.Certificate:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, "Apple Push Services")]
    if topic:
        attributes.append(x509.NameAttribute(NameOID.USER_ID, topic))
    name = x509.Name(attributes)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW + begins)
        .not_valid_after(NOW + begins + dt.timedelta(days))
        .sign(key, hashes.SHA256())
    )


def p12(
    key: Key | None,
    shown: x509.Certificate | None,
    encryption: object = NoEncryption(),
) -> str:
    of_others = [certificate(RSA_KEY)]
    data = pkcs12.serialize_key_and_certificates(b"push", key, shown, of_others, encryption)  # type: ignore[arg-type]
    return base64.b64encode(data).decode()


GOOD = p12(EC_KEY, certificate(EC_KEY))


@pytest.mark.parametrize("key", [EC_KEY, RSA_KEY], ids=["EC", "RSA"])
def test_a_certificate_comes_with_its_key_and_the_app_it_is_for(key: Key) -> None:
    shown = certificate(key)
    read = push_certificate(p12(key, shown))

    assert x509.load_pem_x509_certificate(read.certificate.encode()) == shown
    opened = load_pem_private_key(read.private_key.encode(), None)
    assert pem(opened) == pem(key)
    assert topic_of(read) == TOPIC


def test_a_certificate_need_not_name_its_app() -> None:
    assert topic_of(push_certificate(p12(EC_KEY, certificate(EC_KEY, topic="")))) == ""


# `openssl pkcs12 -export -passout pass:` encrypts with an empty password; cryptography writes no
# such file. Valid from 2026 for a hundred years.
ENCRYPTED_WITH_NOTHING = """
MIIEHAIBAzCCA9IGCSqGSIb3DQEHAaCCA8MEggO/MIIDuzCCAnIGCSqGSIb3DQEHBqCCAmMwggJfAgEAMIICWAYJKoZI
hvcNAQcBMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAigOLD+ztuiyAICCAAwDAYIKoZIhvcNAgkFADAdBglg
hkgBZQMEASoEECzjqdVPeve48gDV5uvsLYaAggHwU7HkxqyXTL2KN4TrRB0psXoyz2q9++sMGPnjw6kLrPf8kuW6hQr/
KoSSpft48Sgh1loFp6PxIkTfx5o2oBZ8lDsandDzFcuxHK/6SjEQHQO/pAqCbLsBoyORTBmbrpVv1Rja8MBAsPs4eXMh
fmKGWfhcOESup65n/BzyuVO1rkQJ/Jrzvj6CvPJfd25w4DzfDdXRM7pIObcuMfnjqjOc+oZGA3tjCGo3PL6D8vOcmEz9
qqmQGg1SStuffYk3vFdR/uoKCewJYafArZTvLrwlaHppPa1B0zwy7ESjIK1XHNH8rQTQKoQ0BqUTZ/O7U2KuYLqWHQHQ
OdL2r1pYYPdtMiPW/ZQnNBx+SdejnEeqT7lDnpHtVvgrkEjjsJ3EzLJaghkKfU3d9i7TLPVHk/XYrMBs2x1cfa/4of5O
6xIZO5yr+pK4OUH52Sq5AUE2lrL6WJeMzheta/2QtpMHTqQI1t3v9CBUf/S7rWrtAPfWZ0Ok4U8tah1NhlG76+wl/dCI
cy+6V0IxLQWss+vRRceXcHh+vLCiu3ard7I4JOq8/q+0S4Ebj/2TdG8YRGy6EXyfiXQE4Q2kShCgexsLRRO2j56ReZzK
s39c4IXptDaasbK3wbX3dN08Dqzh/hdO/0dZ0Kox/4YtL0b/1mBO9LdzeDCCAUEGCSqGSIb3DQEHAaCCATIEggEuMIIB
KjCCASYGCyqGSIb3DQEMCgECoIHvMIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiRAQJgkIH9ZQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEN6wVPWXg+nnlDISuU+Kr+MEgZAZPR/Huu6UrTHIH2UUdcEP43jSAVLC
oAk3c9cGDRujpOhhFT2PsuhCHMZB4DSP2jKdw6erGeOhhU3rtb9VqrE/WoSAnT3WOMk1LmUYpXs3+UXDPGyTwtrsKNp8
Gfct7jSYq9Kzc6DhVRaiVBPiSIvn4WlrpSx38Ty9vm2CiAghc6KxNRGvRBLUStfOoFpbJlwxJTAjBgkqhkiG9w0BCRUx
FgQUezF4u47zobBvMZfqGi3hPLsC6BQwQTAxMA0GCWCGSAFlAwQCAQUABCAdJufgMAWgenkefcYMvGfR3fz9kh9fiGtt
KjcRLf4nRQQIdOsPvmK96iECAggA
"""


def test_a_file_may_be_encrypted_with_an_empty_password() -> None:
    text = "".join(ENCRYPTED_WITH_NOTHING.split())

    assert topic_of(push_certificate(text)) == TOPIC


WEAK_KEY = rsa.generate_private_key(65_537, 1_024)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (GOOD[:-3] + "!", "base64"),
        ("é", "base64"),
        ("", "PKCS #12"),
        (base64.b64encode(b"no such file").decode(), "PKCS #12"),
        (GOOD[: len(GOOD) // 8 * 4], "PKCS #12"),
        (p12(EC_KEY, certificate(EC_KEY), PEM_PASSWORD), "empty password"),
        (p12(EC_KEY, None), "no certificate"),
        (p12(None, certificate(EC_KEY)), "no certificate"),
        (p12(WEAK_KEY, certificate(WEAK_KEY)), "too weak"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_refused(text: str, why: str) -> None:
    with pytest.raises(Unusable, match=why) as refused:
        push_certificate(text)

    assert refused.value.name == "p12"
    assert refused.value.reason.isascii()


@pytest.mark.parametrize(
    ("begins", "why"), [(dt.timedelta(-31), "expired"), (dt.timedelta(1), "not valid yet")]
)
def test_a_certificate_is_valid_when_it_is_put(begins: dt.timedelta, why: str) -> None:
    read = push_certificate(p12(EC_KEY, certificate(EC_KEY, begins=begins)))

    with pytest.raises(Unusable, match=why):
        check_valid(read, now=SECONDS)
    check_valid(push_certificate(GOOD), now=SECONDS)


@pytest.mark.filterwarnings("ignore:PKCS#12 bundle could not be parsed as DER")  # nor need it be
@given(st.integers(0, len(GOOD) // 4 * 3 - 3), st.integers(0, 255))
def test_a_damaged_file_is_refused_or_read(at: int, octet: int) -> None:
    damaged = bytearray(base64.b64decode(GOOD))
    damaged[at] = octet
    try:
        read = push_certificate(base64.b64encode(bytes(damaged)).decode())
    except Unusable:
        return
    assert isinstance(topic_of(read), str)


@pytest.mark.parametrize(
    "text",
    [
        pem(RSA_KEY),
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(EC_KEY, PEM_PASSWORD),
        pem(EC_KEY).replace("PRIVATE", "PUBLIC"),
        pem(EC_KEY)[:-40],
        "é",
        "\ud800",
        "",
        "A" * 5_000,
    ],
)
def test_a_provider_key_is_a_p256_private_key(text: str) -> None:
    check_provider_key(pem(EC_KEY))
    with pytest.raises(Unusable) as refused:
        check_provider_key(text)
    assert refused.value.name == "p8"


ACCOUNT: dict[str, object] = {
    "type": "service_account",
    "project_id": "nod-loopback",
    "private_key_id": "5f1a",
    "private_key": pem(RSA_KEY),
    "client_email": "nod@nod-loopback.iam.gserviceaccount.com",
    "token_uri": "https://oauth2.googleapis.com/token",
    "universe_domain": "googleapis.com",
}


def without(name: str) -> dict[str, object]:
    return {member: value for member, value in ACCOUNT.items() if member != name}


def test_a_service_account_is_read_with_what_is_needed_of_it() -> None:
    account = service_account(json.dumps(ACCOUNT, indent=2))

    for name in account.__struct_fields__:
        assert getattr(account, name) == ACCOUNT[name]
    assert service_account(json.dumps(without("private_key_id"))).private_key_id == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"type":"service_account","type":"service_account"}',
        "\ud800",
        *(
            json.dumps(without(n))
            for n in ACCOUNT
            if n not in {"private_key_id", "universe_domain"}
        ),
        *(
            json.dumps(ACCOUNT | changed)
            for changed in (
                {"type": "authorized_user"},
                {"project_id": "../../v1/projects/other"},
                {"project_id": 7},
                {"client_email": "nod"},
                {"private_key_id": "a\nb"},
                {"private_key": pem(EC_KEY)},
                {"private_key": pem(WEAK_KEY)},
                {"private_key": pem(RSA_KEY, PEM_PASSWORD)},
                {"private_key": pem(RSA_KEY)[:-40]},
                {"private_key": pem(RSA_KEY) + "\n" * 4_096},
                {"private_key": None},
            )
        ),
    ],
)
def test_what_is_no_service_account_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Unusable) as refused:
        service_account(text)

    assert refused.value.name == "server_credentials"
    assert refused.value.reason.isascii()
    assert "nod" not in refused.value.reason


@pytest.mark.parametrize(
    "read",
    [service_account, check_provider_key, push_certificate],
)
@given(text=st.text())
def test_any_text_is_refused_in_one_way(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(Unusable):
        read(text)
