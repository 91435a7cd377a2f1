"""What is stored of push providers: one kind of record, whole only for who holds the secret key."""

import msgspec
import pytest

from consent.push_providers import (
    APNS,
    FCM,
    PUSH,
    WEB_PUSH,
    ApnsCertificate,
    ApnsKey,
    ApnsProvider,
    FactorRecord,
    Provider,
    ServiceAccount,
    WebPushProvider,
    push_enabled,
    sealed,
    unsealed,
)
from consent.seal import Seal, SealError

SEAL = Seal("k" * 32)
KEY = ApnsProvider(
    bundle_id="org.example", sandbox=True, credentials=ApnsKey("pem of an example", "K", "T")
)
CERTIFICATE = ApnsProvider(
    bundle_id="org.example", credentials=ApnsCertificate("cert", "pem of it")
)
ACCOUNT = ServiceAccount(
    project_id="p", private_key="pem of it", client_email="a@b", token_uri="https://token.example"
)
VAPID = WebPushProvider(private_key="pem of an example")


@pytest.mark.parametrize(
    ("name", "provider"),
    [(APNS, KEY), (APNS, CERTIFICATE), (FCM, ACCOUNT), (WEB_PUSH, VAPID)],
    ids=str,
)
def test_what_is_sealed_comes_back_and_shows_nothing(name: str, provider: Provider) -> None:
    record = sealed(name, provider, SEAL)
    stored = msgspec.json.encode(record)

    assert b"pem of" not in stored  # base64 has no spaces: it cannot be there by chance
    assert b"example" not in stored
    read = msgspec.json.decode(stored, type=FactorRecord)
    assert unsealed(name, read, type(provider), SEAL) == provider


def test_a_record_opens_with_its_own_key_and_in_its_own_place_only() -> None:
    record = sealed(APNS, KEY, SEAL)
    changed = FactorRecord(sealed=record.sealed[:-1] + bytes([record.sealed[-1] ^ 1]))

    for name, each, seal in (
        (APNS, record, Seal("j" * 32)),
        (FCM, record, SEAL),
        (APNS, changed, SEAL),
        (APNS, FactorRecord(), SEAL),
    ):
        with pytest.raises(SealError):
            unsealed(name, each, ApnsProvider, seal)


@pytest.mark.parametrize(
    ("factors", "enabled"),
    [
        ({}, True),
        ({APNS: FactorRecord()}, True),
        ({PUSH: FactorRecord(enabled=True)}, True),
        ({PUSH: FactorRecord(enabled=False)}, False),
    ],
)
def test_people_are_rung_until_an_administrator_turns_it_off(
    factors: dict[str, FactorRecord], *, enabled: bool
) -> None:
    assert push_enabled(factors) is enabled
