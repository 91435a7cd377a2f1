"""What a person is shown."""

from consent.prompt import rich_consent
from tests.support.domain import CONSENT_ID, NOW, a_request


def test_the_answer_of_the_consent_api() -> None:
    """auth0-wire 1.4, A037: the message as sent, who asks, and dates that are texts (iOS)."""
    shown = rich_consent(CONSENT_ID, a_request(), NOW * 1_000, (NOW + 300) * 1_000)

    assert shown == {
        "id": CONSENT_ID,
        "requested_details": {
            "audience": "https://api.example/",
            "scope": ["openid", "email"],
            "binding_message": "Pay 10",
            "authorization_details": [],
        },
        "client": {"client_id": "bank", "name": "Example bank"},
        "created_at": "2026-09-21T14:13:20.000Z",
        "expires_at": "2026-09-21T14:18:20.000Z",
    }


def test_the_details_are_shown_exactly_as_sent() -> None:
    """D042: the phone sees what the tokens will say."""
    details: list[dict[str, object]] = [{"type": "order", "amount": 25.0, "to": {"name": "愛子"}}]

    shown = rich_consent(CONSENT_ID, a_request(authorization_details=details), 0, 0)

    assert isinstance(shown["requested_details"], dict)
    assert shown["requested_details"]["authorization_details"] == details
