"""Users: what an administrator says of a person, what is kept and what is shown (3.5)."""

import re
from typing import Annotated, Any

import msgspec

from consent.errors import ManagementError
from consent.management.payload import (
    RequiredText,
    Text,
    Url,
    check_no_markup,
    invalid_body,
    payload,
)

_PREFIX = "auth0|"
_USER_ID_CHARACTERS_MAX = 255 - len(_PREFIX)
_IS_EMAIL = re.compile(r"[^@\s]+@[^@\s]+").fullmatch
_IS_PHONE_NUMBER = re.compile(r"\+[0-9]{1,15}", re.ASCII).fullmatch
_IDENTIFYING = ("user_id", "email", "username", "phone_number")


class _Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    connection: RequiredText = "users"
    email: Text | None = None
    email_verified: bool | None = None
    username: RequiredText | None = None
    phone_number: Text | None = None
    phone_verified: bool | None = None
    name: Text | None = None
    nickname: Text | None = None
    given_name: Text | None = None
    family_name: Text | None = None
    picture: Url | None = None
    user_metadata: dict[str, Any] = {}
    app_metadata: dict[str, Any] = {}


class NewUser(_Profile, frozen=True, kw_only=True, omit_defaults=True):
    """
    The body of POST /users. A `password` is ignored with all other members nobody knows: people
    sign with their phones, and what is not kept cannot leak.
    """

    user_id: (
        Annotated[str, msgspec.Meta(min_length=1, max_length=_USER_ID_CHARACTERS_MAX)] | None
    ) = None
    blocked: bool = False


class User(_Profile, frozen=True, kw_only=True, omit_defaults=True):
    """As stored; that a user is blocked is a field beside it, which the scripts read."""

    user_id: str
    created_at: str
    updated_at: str
    creation: str = ""  # random: the same creation, sent again, is told from a second one


def new_user(body: dict[str, object]) -> NewUser:
    """Raises ManagementError invalid_body."""
    wanted = payload(body, NewUser)
    if all(getattr(wanted, name) is None for name in _IDENTIFYING):
        raise invalid_body(f"one of {', '.join(_IDENTIFYING)} is needed.")
    if wanted.user_id is not None and "/" in wanted.user_id:
        raise invalid_body("'Must not contain a slash' on property user_id.")
    if wanted.email is not None and not _IS_EMAIL(wanted.email):
        raise invalid_body("'Not an email address' on property email.")
    if wanted.phone_number is not None and not _IS_PHONE_NUMBER(wanted.phone_number):
        raise invalid_body("'Not a + and up to 15 digits' on property phone_number.")
    for name in ("name", "nickname", "given_name", "family_name"):
        check_no_markup(name, getattr(wanted, name) or "")
    return wanted


def user(wanted: NewUser, *, generated_id: str, creation: str, created_at: str) -> User:
    """The record of a new user; `generated_id` is the id of one for whom none is given."""
    profile = {name: getattr(wanted, name) for name in _Profile.__struct_fields__}
    return User(
        **profile,
        user_id=f"{_PREFIX}{wanted.user_id or generated_id}",
        created_at=created_at,
        updated_at=created_at,
        creation=creation,
    )


def user_shown(stored: User, *, blocked: bool) -> dict[str, object]:
    """The user object of the wire."""
    shown: dict[str, object] = msgspec.to_builtins(stored)
    shown.pop("creation", None)
    connection = shown.pop("connection", stored.connection)
    shown["identities"] = [
        {
            "connection": connection,
            "user_id": stored.user_id.removeprefix(_PREFIX),
            "provider": "auth0",
            "isSocial": False,
        }
    ]
    if blocked:
        shown["blocked"] = True
    return shown


def label(stored: User) -> str:
    """What a person's own phone calls the account."""
    return stored.email or stored.username or stored.phone_number or stored.user_id


def inexistent_user() -> ManagementError:
    return ManagementError(404, "inexistent_user", "The user does not exist.")


def existing_user() -> ManagementError:
    return ManagementError(409, "auth0_idp_error", "The user already exists.")
