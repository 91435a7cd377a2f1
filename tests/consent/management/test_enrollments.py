"""Tickets and enrolments as they are shown."""

from urllib.parse import unquote

import pytest

from consent.device import Device
from consent.errors import ManagementError
from consent.management.enrollments import (
    enrollment_shown,
    enrollment_uri,
    new_ticket_wanted,
)
from consent.settings import load

SETTINGS = load({"NOD_FRIENDLY_NAME": "Bank & Co: Ä", "NOD_ISSUER": "https://nod.example/"})


def test_the_uri_of_a_ticket_cannot_be_changed_by_names() -> None:
    """A name with a separator in it stays a name."""
    uri = enrollment_uri("T", "a?enrollment_tx_id=evil&b@c", SETTINGS.friendly_name, SETTINGS)

    path, _, query = uri.partition("?")
    assert unquote(path) == "otpauth://totp/Bank & Co: Ä:a?enrollment_tx_id=evil&b@c"
    assert query == "enrollment_tx_id=T&base_url=https%3A%2F%2Fnod.example"
    assert uri.isascii()


def test_a_device_is_shown_without_its_keys() -> None:
    device = Device(
        device_id="dev_1",
        user_id="u",
        identifier="i",
        name="Phone",
        public_key={"kty": "EC"},
        token_digest="d",
        service="GCM",
        enrolled_at_ms=1,
    )

    assert enrollment_shown(device, push_reachable=False) == {
        "id": "dev_1",
        "status": "confirmed",
        "type": "push-notification",
        "name": "Phone",
        "identifier": "i",
        "auth_method": "guardian",
        "enrolled_at": "1970-01-01T00:00:00.001Z",
        "push_reachable": False,
    }


def test_mail_is_refused_by_name() -> None:
    assert new_ticket_wanted({"user_id": "u", "send_mail": False}).user_id == "u"
    with pytest.raises(ManagementError, match="send_mail"):
        new_ticket_wanted({"user_id": "u", "send_mail": True})
