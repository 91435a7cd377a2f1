"""Kinds that are made of kinds: what is shown of a record, and what changes one."""

import msgspec
import pytest

from api.openapi.operation import change_of, shown


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    nickname: str = ""
    jwks: dict[str, str] | None = None
    limit: int = 5
    secret: str = "hidden"


class Sparse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    scopes: list[str] = []


def required(kind: type[msgspec.Struct]) -> dict[str, bool]:
    return {field.name: field.required for field in msgspec.structs.fields(kind)}


def test_what_is_shown_has_no_secret_and_may_miss_what_is_nothing() -> None:
    kind = shown(Stored, "Shown", without=frozenset({"secret"}), is_blocked=bool)

    assert required(kind) == {
        "is_blocked": True,
        "name": True,
        "nickname": False,
        "jwks": False,
        "limit": True,
    }


def test_a_kind_that_leaves_defaults_out_is_shown_without_them() -> None:
    assert required(shown(Sparse, "Shown", without=frozenset())) == {"name": True, "scopes": False}


@pytest.mark.parametrize("body", [{}, {"name": "a"}, {"limit": None}])
def test_a_change_names_what_it_changes(body: dict[str, object]) -> None:
    change = msgspec.convert(body, change_of(Stored, "Change"))

    assert msgspec.to_builtins(change) == body


def test_a_change_has_members_of_the_same_types() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"limit": "many"}, change_of(Stored, "Change"))
