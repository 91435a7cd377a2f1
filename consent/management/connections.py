"""Connections: the body that makes one, changes one, and how one is shown (auth0-wire 3.1)."""

import re
from typing import Annotated, Literal

import msgspec

from consent.errors import ManagementError
from consent.management.payload import Text, check_no_markup, invalid_body, payload
from consent.tenant import Connection, connection_id

_IS_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,126}[A-Za-z0-9])?").fullmatch
_METADATA_MAX = 10


class _Described(msgspec.Struct, frozen=True, kw_only=True):
    display_name: Text = ""
    is_domain_connection: bool = False
    metadata: Annotated[dict[Text, Text], msgspec.Meta(max_length=_METADATA_MAX)] = {}


class NewConnection(_Described, frozen=True, kw_only=True):
    """The body of POST /connections: one strategy is known here."""

    name: str
    strategy: Literal["auth0"] = "auth0"


def new_connection(body: dict[str, object], *, creation: str) -> Connection:
    """Raises ManagementError invalid_body."""
    wanted = payload(body, NewConnection)
    if not _IS_NAME(wanted.name):
        raise invalid_body("'Not up to 128 letters, digits and dashes' on property name.")
    _check(wanted)
    members = {name: getattr(wanted, name) for name in NewConnection.__struct_fields__}
    return Connection(id=connection_id(wanted.name), creation=creation, **members)


def changed_connection(stored: Connection, body: dict[str, object]) -> Connection:
    """What is not named stays. Raises ManagementError invalid_body."""
    if body.get("name", stored.name) != stored.name:
        raise invalid_body("'Cannot be changed' on property name.")
    former = {name: getattr(stored, name) for name in _Described.__struct_fields__}
    wanted = payload(former | body, _Described)
    _check(wanted)
    return msgspec.structs.replace(stored, **msgspec.structs.asdict(wanted))


def _check(wanted: _Described) -> None:
    check_no_markup("display_name", wanted.display_name)
    for text in [*wanted.metadata, *wanted.metadata.values()]:
        if not text.isprintable():
            raise invalid_body("'Has a character that cannot be shown' on property metadata.")


def connection_shown(connection: Connection) -> dict[str, object]:
    shown: dict[str, object] = msgspec.to_builtins(connection)
    del shown["creation"]
    return shown


def inexistent_connection() -> ManagementError:
    return ManagementError(404, "inexistent_connection", "The connection does not exist")


def existing_connection() -> ManagementError:
    return ManagementError(
        409, "connection_conflict", "A connection with this name already exists."
    )


def connection_in_use() -> ManagementError:
    return ManagementError(409, "connection_in_use", "There are users of this connection.")
