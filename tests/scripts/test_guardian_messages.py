"""The simulated phone reads a push as strictly as the Guardian SDKs."""

import json

import pytest

from scripts.guardian_messages import (
    Notification,
    consent_digest,
    notification_from_apns,
    notification_from_fcm,
    ticket_in,
)
from tests.support.domain import vector

FIELDS = {
    "dai": "dev_1",
    "txtkn": "header.claims.signature",
    "txlnkid": "0consent",
    "c": "challenge",
    "d": "2026-08-21T09:15:00.000Z",
    "sh": "http://127.0.0.1:8000",
}


def test_an_fcm_message_is_a_flat_map_of_strings() -> None:
    expected = Notification(**FIELDS)

    assert notification_from_fcm({**FIELDS, "s": "{}", "l": "{}"}) == expected


@pytest.mark.parametrize("name", ["dai", "txtkn", "c", "d", "sh"])
def test_a_message_without_one_of_the_required_strings_is_ignored(name: str) -> None:
    absent = {key: value for key, value in FIELDS.items() if key != name}

    assert notification_from_fcm(absent) is None
    assert notification_from_fcm({**FIELDS, name: 7}) is None


def test_a_message_without_a_consent_id_is_a_plain_second_factor() -> None:
    plain = notification_from_fcm({name: FIELDS[name] for name in FIELDS if name != "txlnkid"})

    assert plain is not None
    assert plain.txlnkid == ""


def test_an_apns_message_needs_the_exact_category_and_nests_its_fields() -> None:
    aps = {"category": "com.auth0.notification.authentication"}

    assert notification_from_apns({"aps": aps, "mfa": FIELDS}) == Notification(**FIELDS)
    assert notification_from_apns({"aps": {"category": "other"}, "mfa": FIELDS}) is None
    assert notification_from_apns({"aps": aps, **FIELDS}) is None


@pytest.mark.parametrize(
    "text",
    [
        "t1cket",
        "otpauth://totp/My%20Tenant:user%40example.com?enrollment_tx_id=t1cket&base_url=x",
        "https://nod.example/mfa/enrollment?ticket=t1cket",
    ],
    ids=["bare", "QR code", "ticket URL"],
)
def test_the_ticket_is_found_in_whatever_was_scanned(text: str) -> None:
    assert ticket_in(text) == "t1cket"


def test_what_is_shown_has_the_digest_that_a_browser_finds() -> None:
    for case in vector("consent_digests"):
        assert consent_digest(json.loads(case["text"])) == case["digest"], case["name"]
