"""Users as they are kept and shown."""

import msgspec
import pytest

from consent.errors import ManagementError
from consent.management.users import User, label, new_user, user, user_shown


def stored(**body: object) -> User:
    return user(new_user(body), generated_id="gen", creation="c", created_at="now")


def test_a_password_is_not_in_the_record() -> None:
    """People sign with their phones; what is not kept cannot leak."""
    record = msgspec.json.encode(stored(email="a@b", password="SECRET", username="u"))

    assert b"SECRET" not in record
    assert b"password" not in record


def test_what_is_not_known_is_not_shown() -> None:
    """A missing claim is absent, neither null nor false (OpenID Connect Core 5.3.2)."""
    assert user_shown(stored(username="u"), blocked=False) == {
        "user_id": "auth0|gen",
        "username": "u",
        "created_at": "now",
        "updated_at": "now",
        "identities": [
            {"connection": "users", "user_id": "gen", "provider": "auth0", "isSocial": False}
        ],
    }


def test_the_record_survives_its_stored_form() -> None:
    whole = stored(user_id="u", email="a@b", email_verified=False, connection="x", picture="p")

    assert msgspec.json.decode(msgspec.json.encode(whole), type=User) == whole


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"email": "a@b", "username": "u"}, "a@b"),
        ({"username": "u", "phone_number": "+1"}, "u"),
        ({"phone_number": "+1"}, "+1"),
        ({"user_id": "x"}, "auth0|x"),
    ],
)
def test_a_phone_calls_the_account_by_the_most_familiar_name(
    body: dict[str, object], expected: str
) -> None:
    assert label(stored(**body)) == expected


def test_somebody_must_be_identifiable() -> None:
    with pytest.raises(ManagementError, match="one of user_id, email, username, phone_number"):
        new_user({"name": "N"})
