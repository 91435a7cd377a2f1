"""The token a push carries: who may ask about what, and until when."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import policy, transaction
from consent.errors import DeviceError
from consent.identifiers import new_mailbox_device_id
from consent.push import Notification
from consent.seal import Seal
from consent.transaction import Transaction, iso_date
from scripts.guardian_messages import notification_from_apns
from tests.support.domain import (
    CONSENT_ID,
    DEVICE_ID,
    ISSUER,
    NOW,
    PERSON_ID,
    SEAL,
    a_phone,
    an_ec_key,
    assert_says_nothing,
)
from tests.support.forgery import hs256, signed, unsigned

HEADER: dict[str, object] = {"alg": "HS256", "typ": "txtkn+jwt"}
CLAIMS: dict[str, object] = {
    "iss": ISSUER,
    "txid": CONSENT_ID,
    "dai": DEVICE_ID,
    "iat": NOW,
    "exp": NOW + 300,
}
SECRET = SEAL.transaction_key


def a_notification(issuer: str = ISSUER, seal: Seal = SEAL) -> Notification:
    return transaction.notification(
        seal=seal,
        issuer=issuer,
        consent_id=CONSENT_ID,
        device_id=DEVICE_ID,
        created_at_ms=NOW * 1_000 + 7,
        expires_at_ms=(NOW + 300) * 1_000 + 7,
    )


def opened(token: str, now: float = NOW) -> Transaction:
    return transaction.transaction(token, seal=SEAL, issuer=ISSUER, now=now)


def refused(token: str, now: float = NOW) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        opened(token, now)
    assert_says_nothing(caught.value)
    return caught.value


def test_what_the_phone_is_sent_opens_its_consent_and_no_other() -> None:
    assert opened(a_notification().txtkn) == Transaction(CONSENT_ID, DEVICE_ID, PERSON_ID)


def test_the_notification_is_what_the_guardian_sdks_read() -> None:
    """auth0-wire 2.4."""
    notification = a_notification()

    assert (notification.dai, notification.txlnkid) == (DEVICE_ID, CONSENT_ID)
    assert notification.c == SEAL.challenge(CONSENT_ID, DEVICE_ID)
    assert notification.d == "2026-09-21T14:13:20.007Z"
    assert notification.sh == "nod.example"
    names = ("dai", "txtkn", "txlnkid", "c", "d", "sh")
    mfa = {name: getattr(notification, name) for name in names}
    payload = {"aps": {"category": "com.auth0.notification.authentication"}, "mfa": mfa}
    assert notification_from_apns(payload) is not None


def test_the_same_notification_is_sent_again_byte_for_byte() -> None:
    """F21: a push twice is the same push."""
    assert a_notification() == a_notification()


@pytest.mark.parametrize(
    ("issuer", "host"),
    [
        ("https://nod.example/", "nod.example"),
        ("https://nod.example:8443/", "https://nod.example:8443"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_a_host_with_a_port_is_a_whole_url(issuer: str, host: str) -> None:
    """auth0-wire 2.4: Android's parser refuses host:port."""
    assert a_notification(issuer).sh == host


REFUSED = {
    "nothing": "",
    "no JWT": "a.b.c",
    "many dots": "." * 8_000,
    "other letters": "\u00e9.\u00e9.\u00e9",
    "too long": hs256(HEADER, CLAIMS | {"x": "x" * policy.SIGNED_INPUT_CHARACTERS_MAX}, SECRET),
    "another installation's": a_notification(seal=Seal("another secret key of 32 chars")).txtkn,
    "another issuer's": a_notification("https://nod.example.evil/").txtkn,
    "the challenge's key": hs256(HEADER, CLAIMS, b"x" * 32),
    "alg none": unsigned(HEADER | {"alg": "none"}, CLAIMS),
    "ES256": signed(HEADER | {"alg": "ES256"}, CLAIMS, an_ec_key()),
    "another type": hs256(HEADER | {"typ": "JWT"}, CLAIMS, SECRET),
    "no type": hs256({"alg": "HS256"}, CLAIMS, SECRET),
    "no consent": hs256(HEADER, {k: v for k, v in CLAIMS.items() if k != "txid"}, SECRET),
    "no device": hs256(HEADER, {k: v for k, v in CLAIMS.items() if k != "dai"}, SECRET),
    "no expiry": hs256(HEADER, {k: v for k, v in CLAIMS.items() if k != "exp"}, SECRET),
    "a device that is none": hs256(HEADER, CLAIMS | {"dai": "dev_x"}, SECRET),
    "a consent that is none": hs256(HEADER, CLAIMS | {"txid": "a:b}*"}, SECRET),
    "a deep header": signed("[" * 3_000, CLAIMS, an_ec_key()),
    "a proof": a_phone().proof("GET", ISSUER, "x"),
    "a device's own token": a_phone().device_token(),
}


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED)
def test_any_other_token_opens_nothing(token: str) -> None:
    """T10, T13, T14, T15, T29."""
    refusal = refused(token)

    assert (refusal.status, refusal.error) == (401, "invalid_token")


def test_a_token_changed_anywhere_opens_nothing() -> None:
    token = a_notification().txtkn

    for place, letter in enumerate(token):
        if letter == ".":
            continue
        other = "B" if letter == "A" else "A"
        changed = token[:place] + other + token[place + 1 :]
        if place == len(token) - 1:  # its last two bits are no part of the signature
            continue
        assert refused(changed).error == "invalid_token"


def test_it_ends_with_the_request_and_says_so() -> None:
    """auth0-wire 2.8; a minute later, for Redis has the last word."""
    token = a_notification().txtkn
    end = NOW + 301 + policy.CLOCK_SKEW_SECONDS

    assert opened(token, now=end - 0.01).consent_id == CONSENT_ID
    refusal = refused(token, now=end)
    assert (refusal.status, refusal.error) == (410, "transaction_expired")


@given(st.text() | st.binary().map(lambda octets: octets.decode("latin-1")))
def test_a_random_text_opens_nothing(token: str) -> None:
    assert refused(token).error == "invalid_token"


@given(st.integers(0, 4_102_444_800_000))
def test_a_date_has_three_fraction_digits_and_a_z(ms: int) -> None:
    """auth0-wire 2.4: the Android SDK parses nothing else."""
    text = iso_date(ms)

    assert (len(text), text[-5], text[-1]) == (24, ".", "Z")
    moment = dt.datetime.fromisoformat(text)
    assert round(moment.timestamp() * 1_000) == ms


def test_what_a_mail_opens_may_ask_as_a_device_may() -> None:
    mailbox = new_mailbox_device_id(PERSON_ID)
    sent = transaction.notification(
        seal=SEAL,
        issuer=ISSUER,
        consent_id=CONSENT_ID,
        device_id=mailbox,
        created_at_ms=NOW * 1_000,
        expires_at_ms=(NOW + 300) * 1_000,
    )

    assert opened(sent.txtkn) == Transaction(CONSENT_ID, mailbox, PERSON_ID)
