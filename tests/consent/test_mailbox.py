"""A mailbox token opens the one consent it was made for, and is no other token of ours."""

import jwt
import msgspec
import pytest

from consent import policy
from consent.errors import DeviceError
from consent.identifiers import digest
from consent.mailbox import (
    ACR,
    MailboxLink,
    address_digest,
    address_now,
    approved,
    link_of_token,
    mailbox_token,
)
from consent.seal import Seal
from consent.transaction import notification
from tests.support.domain import (
    CONSENT_ID,
    DEVICE_ID,
    ISSUER,
    NOW,
    SEAL,
    a_request,
    assert_says_nothing,
)
from tests.support.forgery import unsigned

EXPIRES_AT = NOW + 600
HEADER: dict[str, object] = {"alg": "HS256", "typ": "mailbox+jwt"}
ADDRESS = "ann@example.com"
LINK = MailboxLink(CONSENT_ID, address_digest(ADDRESS))
CLAIMS: dict[str, object] = {
    "iss": ISSUER,
    "txid": CONSENT_ID,
    "adr": LINK.address_digest,
    "exp": EXPIRES_AT,
}


def a_token(seal: Seal = SEAL, issuer: str = ISSUER, consent_id: str = CONSENT_ID) -> str:
    return mailbox_token(
        seal=seal,
        issuer=issuer,
        consent_id=consent_id,
        address=ADDRESS,
        expires_at_seconds=EXPIRES_AT,
    )


def opened(token: str, now: float = NOW) -> MailboxLink:
    return link_of_token(token, seal=SEAL, issuer=ISSUER, now=now)


def forged(key: bytes = SEAL.mailbox_key, typ: str = "mailbox+jwt", **changes: object) -> str:
    claims = CLAIMS | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm="HS256", headers={"typ": typ})


def a_transaction_token() -> str:
    return notification(
        seal=SEAL,
        issuer=ISSUER,
        consent_id=CONSENT_ID,
        device_id=DEVICE_ID,
        created_at_ms=NOW * 1_000,
        expires_at_ms=EXPIRES_AT * 1_000,
    ).txtkn


def test_a_token_names_its_consent_and_is_the_same_whenever_it_is_sent() -> None:
    assert opened(a_token()) == LINK
    assert a_token() == a_token()
    assert opened(forged()) == LINK


def test_a_token_holds_a_digest_of_its_address_and_of_nothing_else_by_that_name() -> None:
    assert ADDRESS not in a_token()
    assert len(LINK.address_digest) == 22
    assert not digest(ADDRESS).startswith(LINK.address_digest), "not that of another purpose"
    assert address_digest("Ann@EXAMPLE.com") == LINK.address_digest
    assert address_digest("ann@example.org") != LINK.address_digest


@pytest.mark.parametrize(
    ("user", "address"),
    [
        ({"email": ADDRESS}, ADDRESS),
        ({"email": "Ann@example.com"}, "Ann@example.com"),  # as the store will find it
        ({"email": "ann@example.org"}, None),
        ({"email": ""}, None),
        ({"email": None}, None),
        ({}, None),
    ],
    ids=range(6),
)
def test_a_link_is_for_who_has_its_address_now(
    user: dict[str, object], address: str | None
) -> None:
    assert address_now(LINK, msgspec.json.encode(user)) == address


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        "\x00",
        "é.é.é",
        a_token() + "x",
        a_token(seal=Seal("j" * 32)),
        a_token(issuer="https://other.example/"),
        a_token(consent_id="no consent"),
        a_transaction_token(),
        forged(SEAL.transaction_key),
        forged(typ="txtkn+jwt"),
        forged(exp=None),
        forged(txid=None),
        forged(adr=None),
        "x" * (policy.SIGNED_INPUT_CHARACTERS_MAX + 1),
        unsigned(HEADER | {"alg": "none"}, CLAIMS),
    ],
    ids=range(16),
)
def test_what_is_none_of_ours_opens_nothing(token: str) -> None:
    with pytest.raises(DeviceError) as refused:
        opened(token)

    assert (refused.value.status, refused.value.error) == (401, "invalid_token")
    assert_says_nothing(refused.value)


def test_after_the_deadline_it_opens_nothing() -> None:
    """Within what clocks may differ the store decides."""
    assert opened(a_token(), EXPIRES_AT + policy.CLOCK_SKEW_SECONDS - 1) == LINK
    with pytest.raises(DeviceError) as refused:
        opened(a_token(), EXPIRES_AT + policy.CLOCK_SKEW_SECONDS)
    assert (refused.value.status, refused.value.error) == (410, "transaction_expired")


def test_an_approval_by_mailbox_claims_no_more_than_that() -> None:
    asked = a_request(acr="urn:nod:acr:signed-approval", refreshable=True)
    stands = approved(asked)

    assert (stands.acr, stands.approved_by) == (ACR, "mailbox")
    assert asked.approved_by == "key"
    assert msgspec.structs.replace(stands, acr=asked.acr, approved_by="key") == asked
