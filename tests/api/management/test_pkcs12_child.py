"""A PKCS #12 file is opened where it can do no harm."""

import asyncio
import base64
import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12

from api.management.pkcs12_child import opened
from consent.management.push_credentials import Unusable

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "push")])
CERTIFICATE = (
    x509.CertificateBuilder()
    .subject_name(NAME)
    .issuer_name(NAME)
    .public_key(KEY.public_key())
    .serial_number(1)
    .not_valid_before(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    .not_valid_after(dt.datetime(2036, 1, 1, tzinfo=dt.UTC))
    .sign(KEY, hashes.SHA256())
)


FILE = pkcs12.serialize_key_and_certificates(b"p", KEY, CERTIFICATE, None, NoEncryption())


def test_what_a_file_holds_comes_out_of_the_child() -> None:
    read = asyncio.run(opened(base64.b64encode(FILE).decode()))

    assert x509.load_pem_x509_certificate(read.certificate.encode()) == CERTIFICATE
    assert "PRIVATE KEY" in read.private_key


@pytest.mark.parametrize("text", ["!", "", "é", base64.b64encode(b"no file").decode()])
def test_what_is_no_file_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(Unusable, match=r"base64|PKCS #12"):
        asyncio.run(opened(text))


# Asks for 2^31 - 1 rounds, which nobody has made: the count was raised where it stands.
HOURS_OF_HASHING = """
MIIEHgIBAzCCA9IGCSqGSIb3DQEHAaCCA8MEggO/MIIDuzCCAnIGCSqGSIb3DQEHBqCCAmMwggJfAgEAMIICWAYJKoZI
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
FgQUezF4u47zobBvMZfqGi3hPLsC6BQwQzAxMA0GCWCGSAFlAwQCAQUABCAdJufgMAWgenkefcYMvGfR3fz9kh9fiGtt
KjcRLf4nRQQIc3Nzc3Nzc3MCBH////8=
"""


def test_a_file_that_asks_for_hours_of_hashing_ends_in_seconds() -> None:
    with pytest.raises(Unusable, match="too long"):
        asyncio.run(opened("".join(HOURS_OF_HASHING.split())))
