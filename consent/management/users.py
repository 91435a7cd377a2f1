"""Users: what an administrator says of a person, what is kept and what is shown (3.5)."""

import re
from typing import Annotated, Any, NamedTuple

import msgspec

from consent import policy
from consent.errors import ManagementError
from consent.login_hint import LoginHint, normal_email, normal_phone
from consent.management.payload import (
    RequiredText,
    Text,
    Url,
    check_no_markup,
    invalid_body,
    payload,
)

_PREFIX = "auth0|"
_OWN_PROVIDERS = frozenset({"auth0", "email", "sms"})
_USER_ID_CHARACTERS_MAX = 255 - len(_PREFIX)
_IS_EMAIL = re.compile(r"[^@\s]+@[^@\s]+").fullmatch
_IS_PHONE_NUMBER = re.compile(r"\+[0-9]{1,15}", re.ASCII).fullmatch
_IS_USER_CODE = re.compile(r"[ -~]{4,32}").fullmatch
FOUND_BY = ("email", "username", "phone_number", "name", "connection")
_IDENTIFYING = ("user_id", "email", "username", "phone_number")

# What each of them was verified of; another one is not.
_VERIFIED = {"email": "email_verified", "phone_number": "phone_verified"}
_METADATA = {"user_metadata", "app_metadata"}  # merged member by member; null takes one away


class Term(NamedTuple):
    """Something administrators find a person by; `value` is of one line and in lower case."""

    field: str
    value: str


class _Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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
    connection: RequiredText = "users"
    blocked: bool = False
    user_code: str | None = None  # ours: kept as its MAC beside the record, and never shown


class UserChange(_Profile, frozen=True, kw_only=True, omit_defaults=True):
    """The body of PATCH /users/{id}: None is left as it is, an empty `user_code` goes."""

    blocked: bool | None = None
    user_code: str | None = None


class User(_Profile, frozen=True, kw_only=True, omit_defaults=True):
    """As stored; that a user is blocked is a field beside it, which the scripts read."""

    user_id: str
    connection: str = "users"
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
    _check_profile(wanted)
    _check_user_code(wanted.user_code)
    return wanted


def user_change(body: dict[str, object]) -> UserChange:
    """
    The one null that counts is the user_code's: it takes the code away. Raises ManagementError
    invalid_body.
    """
    wanted = payload(body, UserChange)
    _check_profile(wanted)
    _check_user_code(wanted.user_code)
    if "user_code" in body and wanted.user_code is None:
        return msgspec.structs.replace(wanted, user_code="")
    return wanted


def _check_profile(wanted: _Profile) -> None:
    if wanted.email is not None and not _IS_EMAIL(wanted.email):
        raise invalid_body("'Not an email address' on property email.")
    if wanted.phone_number is not None and not _IS_PHONE_NUMBER(wanted.phone_number):
        raise invalid_body("'Not a + and up to 15 digits' on property phone_number.")
    for name in ("name", "nickname", "given_name", "family_name"):
        check_no_markup(name, getattr(wanted, name) or "")


def _check_user_code(code: str | None) -> None:
    if code is not None and not _IS_USER_CODE(code):
        raise invalid_body("'Not 4 to 32 printable ASCII characters' on property user_code.")


def user(wanted: NewUser, *, generated_id: str, creation: str, created_at: str) -> User:
    """The record of a new user; `generated_id` is the id of one for whom none is given."""
    profile = {name: getattr(wanted, name) for name in _Profile.__struct_fields__}
    return User(
        **profile,
        user_id=f"{_PREFIX}{wanted.user_id or generated_id}",
        connection=wanted.connection,
        created_at=created_at,
        updated_at=created_at,
        creation=creation,
    )


def changed_user(stored: User, wanted: UserChange, *, updated_at: str) -> User:
    """The record of a user after a change."""
    given = {name: getattr(wanted, name) for name in _Profile.__struct_fields__}
    changes = {name: value for name, value in given.items() if value not in (None, {})}
    for name, verified in _VERIFIED.items():
        if name in changes and changes[name] != getattr(stored, name):
            changes.setdefault(verified, None)
    for name in _METADATA & changes.keys():
        merged = getattr(stored, name) | changes[name]
        changes[name] = {member: value for member, value in merged.items() if value is not None}
    return msgspec.structs.replace(stored, updated_at=updated_at, **changes)


def encoded(stored: User) -> bytes:
    """As it is kept. Raises ManagementError invalid_body: merged metadata could grow for ever."""
    record = msgspec.json.encode(stored)
    if len(record) > policy.USER_BYTES_MAX:
        raise invalid_body(f"the user would have more than {policy.USER_BYTES_MAX} bytes.")
    return record


def hints(stored: User) -> list[LoginHint]:
    """What a user is found by besides the user id (A028)."""
    email = normal_email(stored.email or "")
    phone_number = normal_phone(stored.phone_number or "")
    found = [LoginHint("email", email)] if email else []
    return [*found, LoginHint("phone_number", phone_number)] if phone_number else found


def terms(stored: User) -> list[Term]:
    """What administrators find a user by, in lower case."""
    given = {name: getattr(stored, name) or "" for name in FOUND_BY}
    return [Term(name, value.lower()) for name, value in given.items() if value]


def user_shown(stored: User, *, blocked: bool) -> dict[str, object]:
    """The user object of the wire."""
    shown: dict[str, object] = msgspec.to_builtins(stored)
    shown.pop("creation", None)
    connection = shown.pop("connection", stored.connection)
    provider, _, own_id = stored.user_id.partition("|")
    shown["identities"] = [
        {
            "connection": connection,
            "user_id": own_id,
            "provider": provider,
            "isSocial": provider not in _OWN_PROVIDERS,
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


def unknown_connection() -> ManagementError:
    return ManagementError(400, "inexistent_connection", "The connection does not exist.")


def conflicting_changes() -> ManagementError:
    return ManagementError(409, "user_conflict", "The user is being changed by others.")
