"""Users as they are kept and shown."""

import msgspec
import pytest

from consent.errors import ManagementError
from consent.login_hint import LoginHint
from consent.management.users import (
    User,
    changed_user,
    hints,
    label,
    new_user,
    user,
    user_change,
    user_shown,
)


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


def changed(before: User, **body: object) -> User:
    return changed_user(before, user_change(body), updated_at="later")


def test_a_change_changes_what_it_names() -> None:
    before = stored(user_id="u", email="a@b", name="N", connection="x")

    after = changed(before, name="M", nickname=None, user_id="v", connection="y", created_at="x")

    assert after == msgspec.structs.replace(before, name="M", updated_at="later")


@pytest.mark.parametrize(
    ("name", "verified", "value", "other"),
    [
        ("email", "email_verified", "a@b", "c@d"),
        ("phone_number", "phone_verified", "+4915112345", "+4915199999"),
    ],
)
def test_another_address_is_not_verified_because_the_former_was(
    name: str, verified: str, value: str, other: str
) -> None:
    before = stored(**{name: value, verified: True})

    assert getattr(changed(before, **{name: other}), verified) is None
    assert getattr(changed(before, **{name: value}), verified) is True
    assert getattr(changed(before, **{name: other, verified: True}), verified) is True
    assert getattr(changed(before, name="N"), verified) is True
    assert getattr(changed(before, **{verified: False}), verified) is False


def test_metadata_is_merged_member_by_member() -> None:
    """As Auth0 does: the first level, and null takes a member away."""
    before = stored(user_id="u", user_metadata={"a": 1, "b": {"c": 1}, "d": 1})

    after = changed(before, user_metadata={"b": {"e": None}, "d": None, "f": 2})

    assert after.user_metadata == {"a": 1, "b": {"e": None}, "f": 2}
    assert changed(before, app_metadata={"a": 1}).user_metadata == before.user_metadata


def test_a_user_code_is_in_no_record() -> None:
    """A041."""
    record = stored(user_id="u", user_code="CODE 4711")

    assert b"CODE" not in msgspec.json.encode(record)
    assert b"CODE" not in msgspec.json.encode(changed(record, user_code="CODE 4712"))
    assert "user_code" not in user_shown(record, blocked=False)


def test_a_null_takes_the_user_code_away_and_silence_leaves_it() -> None:
    assert user_change({"user_code": None}).user_code == ""
    assert user_change({}).user_code is None
    assert user_change({"user_code": "2511"}).user_code == "2511"


@pytest.mark.parametrize("code", ["", "123", "1" * 33, "12é4", "123\n", "12\x7f4", "١٢٣٤"])
def test_a_user_code_is_4_to_32_printable_characters(code: str) -> None:
    for reader in (new_user, user_change):
        with pytest.raises(ManagementError, match="property user_code"):
            reader({"user_id": "u", "user_code": code})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"username": "u"}, []),
        ({"email": "Jane.Doe@Example.COM"}, [LoginHint("email", "jane.doe@example.com")]),
        ({"phone_number": "+4915112345"}, [LoginHint("phone_number", "+4915112345")]),
        ({"email": "a@b", "phone_number": "+1"}, [LoginHint("email", "a@b")]),
        (
            {"email": "a@b", "phone_number": "+4915112345"},
            [LoginHint("email", "a@b"), LoginHint("phone_number", "+4915112345")],
        ),
    ],
)
def test_a_user_is_found_by_the_normal_form_of_an_address(
    body: dict[str, object], expected: list[LoginHint]
) -> None:
    """T41."""
    assert hints(stored(**body)) == expected
