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
        "number_matching": False,
        "consent_digest": "59gP7fP-nr1Duuf4mcXWQl51Sda9N-J6_8pFVMmhLxE",
    }


def test_the_digest_is_of_everything_that_is_shown() -> None:
    """T31: a change of any of it is another digest, and the number to type is not shown."""
    asked: list[dict[str, object]] = [
        {},
        {"client_name": "Example bank "},
        {"client_id": "bank2"},
        {"scope": ["openid"]},
        {"audience": "https://other.example/"},
        {"binding_message": "Pay 11"},
        {"authorization_details": [{"type": "order"}]},
        {"matching_number": "42"},
    ]
    shown = [rich_consent(CONSENT_ID, a_request(**it), 0, 1) for it in asked]
    shown += [
        rich_consent(CONSENT_ID, a_request(), 1, 1),
        rich_consent(CONSENT_ID, a_request(), 0, 2),
        rich_consent(f"1{CONSENT_ID[1:]}", a_request(), 0, 1),
    ]

    assert len({it["consent_digest"] for it in shown}) == len(shown)
    assert "42" not in str(shown[7])
    assert shown[7]["number_matching"] is True


def test_the_details_are_shown_exactly_as_sent() -> None:
    """D042: the phone sees what the tokens will say."""
    details: list[dict[str, object]] = [{"type": "order", "amount": 25.0, "to": {"name": "愛子"}}]

    shown = rich_consent(CONSENT_ID, a_request(authorization_details=details), 0, 0)

    assert isinstance(shown["requested_details"], dict)
    assert shown["requested_details"]["authorization_details"] == details
