"""
Importing users: the body that asks for it, what each of its users is read as, and what is told of
those who could not be (auth0-wire 3.5, jobs).

Users are as Auth0's export writes them. What it knows and this server has no use for is left out:
people sign with their phones, which they enroll themselves, and a password that is not kept cannot
leak.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple

import msgspec

from consent.errors import ManagementError
from consent.management.listing import Shown
from consent.management.payload import Text, invalid_body, payload
from consent.management.users import NewUser, Term, new_user
from consent.strict_json import MalformedJSON, loads

BODY_BYTES_MAX = 524_288
USERS_MAX = 10_000
JOB_LIFE_MS = 86_400_000

_PREFIX = "auth0|"  # of an exported id; it is put before every id that is kept
_TEXTS = {"connection_id", "external_id"}
_BOOLEANS = {b"true": True, b"false": False}
_LEFT_OUT = ("password", "password_hash", "custom_password_hash", "mfa_factors")
_TOLD = ("user_id", "email", "username", "phone_number")  # of a user who could not be imported
_TOLD_CHARACTERS_MAX = 255
_CODES = {"invalid_body": "invalid_format", "auth0_idp_error": "duplicated_user"}
_AT = re.compile(r" on property ([\w.\[\]]*)\.$")
_IS_JOB = re.compile(r"job_[A-Za-z0-9_-]{22}").fullmatch


class UsersImport(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /jobs/users-imports."""

    users: Annotated[list[Any], msgspec.Meta(max_length=USERS_MAX)]
    connection_id: Text = ""  # empty: of the connection that is always there
    upsert: bool = False  # users who are there already are changed
    external_id: Text = ""  # the caller's own name of the job


class Wanted(NamedTuple):
    """A user to be imported; `body` is what changes one who is there already."""

    user: NewUser
    body: Shown


class Failure(msgspec.Struct, frozen=True):
    """What became of a user who was not imported, as the wire tells it."""

    user: Shown
    errors: list[dict[str, str]]


class Result(msgspec.Struct, frozen=True):
    inserted: int
    updated: int
    failures: list[Failure]
    warnings: list[str]

    def summary(self) -> dict[str, int]:
        failed = len(self.failures)
        return {
            "failed": failed,
            "updated": self.updated,
            "inserted": self.inserted,
            "total": failed + self.updated + self.inserted,
        }


class Job(msgspec.Struct, frozen=True):
    """As stored: what GET /jobs/{id} shows, and the failures."""

    shown: Shown
    errors: list[Failure]


def users_import(body: dict[str, object]) -> UsersImport:
    """Raises ManagementError invalid_body."""
    return payload(body, UsersImport)


def form_body(parts: dict[str, bytes]) -> dict[str, object]:
    """
    The body of an import that was posted as a form, whose `users` is a JSON file. Raises
    ManagementError invalid_body.
    """
    body: dict[str, object] = {}
    if "users" in parts:
        try:
            body["users"] = loads(parts["users"])
        except MalformedJSON as error:
            raise invalid_body(f"The JSON of users is malformed: {error.reason}") from None
    if "upsert" in parts:
        if parts["upsert"] not in _BOOLEANS:
            raise invalid_body("'Expected true or false' on property upsert.")
        body["upsert"] = _BOOLEANS[parts["upsert"]]
    for name in _TEXTS & parts.keys():
        try:
            body[name] = parts[name].decode()
        except UnicodeDecodeError:
            raise invalid_body(f"'Is not UTF-8' on property {name}.") from None
    return body


def wanted(entry: object, connection: str) -> Wanted:
    """A user of the file, of this connection. Raises ManagementError invalid_body."""
    if not isinstance(entry, dict):
        raise invalid_body("'Expected an object' on property users.")
    body = {name: value for name, value in entry.items() if name not in _LEFT_OUT}
    match body.get("user_id"):
        case str(user_id):
            body["user_id"] = user_id.removeprefix(_PREFIX)
    return Wanted(new_user(body | {"connection": connection}), body)


def known_by(user: NewUser) -> Term:
    """
    What tells that a user is there already: the id or, where the file gives none, the first of
    the other things a user is known by.
    """
    if user.user_id is not None:
        return Term("user_id", f"{_PREFIX}{user.user_id}")
    for name in ("email", "username", "phone_number"):
        value: str | None = getattr(user, name)
        if value is not None:
            return Term(name, value.lower())
    raise AssertionError("a new user is known by something")


def failure(entry: object, refusal: ManagementError) -> Failure:
    """Of what was sent only what tells who it is, for a file may hold secrets."""
    given = entry if isinstance(entry, dict) else {}
    told: Shown = {
        name: value
        for name in _TOLD
        if isinstance(value := given.get(name), str) and len(value) <= _TOLD_CHARACTERS_MAX
    }
    at = _AT.search(refusal.description)
    code = _CODES.get(refusal.error, refusal.error).upper()
    error = {"code": code, "message": refusal.description, "path": at[1] if at else ""}
    return Failure(told, [error])


def duplicated_user(said: str) -> ManagementError:
    return ManagementError(409, "duplicated_user", said)


def warnings(entries: Iterable[object]) -> list[str]:
    """What the file says that this server does not take."""
    counts = dict.fromkeys(_LEFT_OUT, 0)
    for entry in entries:
        if isinstance(entry, dict):
            for name in entry.keys() & counts.keys():
                counts[name] += 1
    return [f"{name} of {count} users was left out" for name, count in counts.items() if count]


def job(
    job_id: str, created_at: str, connection_id: str, asked: UsersImport, result: Result
) -> Job:
    """A job is done when it is first shown."""
    shown: Shown = {
        "id": job_id,
        "type": "users_import",
        "status": "completed",
        "created_at": created_at,
        "connection_id": connection_id,
        "upsert": asked.upsert,
        "summary": result.summary(),
    }
    if asked.external_id:
        shown["external_id"] = asked.external_id
    if result.warnings:
        shown["warnings"] = result.warnings
    return Job(shown, result.failures)


def is_job_id(text: str) -> bool:
    return _IS_JOB(text) is not None


def inexistent_job() -> ManagementError:
    return ManagementError(404, "inexistent_job", "The job does not exist.")
