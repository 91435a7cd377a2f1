"""
The body of a management call as a typed value, or a refusal that names the member at fault.

Members nobody knows are ignored, and null is as good as nothing: client libraries send both.
"""

import re
from collections.abc import Sequence
from typing import Annotated, TypeVar

import msgspec

from consent.errors import ManagementError

T = TypeVar("T", bound=msgspec.Struct)

Text = Annotated[str, msgspec.Meta(max_length=255)]
RequiredText = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Url = Annotated[str, msgspec.Meta(max_length=2_048)]

_MISSING = re.compile(r"Object missing required field `(\w+)`")
_AT = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)


def payload(body: dict[str, object], kind: type[T]) -> T:
    """Raises ManagementError invalid_body."""
    given = {name: value for name, value in body.items() if value is not None}
    try:
        value = msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise invalid_body(_reason(str(error))) from None
    for name in value.__struct_fields__:
        _check_printable(name, getattr(value, name))
    return value


def invalid_body(reason: str) -> ManagementError:
    return ManagementError(400, "invalid_body", f"Payload validation error: {reason}")


def check_no_markup(name: str, text: str) -> None:
    """A name is shown to people."""
    if "<" in text or ">" in text:
        raise invalid_body(f"'Must not contain < or >' on property {name}.")


def check_each_once(name: str, values: Sequence[str]) -> None:
    if len(set(values)) != len(values):
        raise invalid_body(f"'Array items are not unique' on property {name}.")


def _reason(text: str) -> str:
    """What msgspec says, without what was sent, which it repeats for an enumeration."""
    found = _AT.fullmatch(text)
    what, where = (found[1], found[2]) if found else (text, "")
    missing = _MISSING.fullmatch(what)
    if missing:
        member = f"{where}.{missing[1]}" if where else missing[1]
        return f"'Missing required property' on property {member}."
    if what.startswith("Invalid enum value"):
        what = "Not one of the allowed values"
    return f"'{what.replace('`', '')}' on property {where}."


def _check_printable(name: str, value: object) -> None:
    """Controls and invisible characters end up in logs and on screens. Free members are free."""
    match value:
        case str() if not value.isprintable():
            raise invalid_body(f"'Has a character that cannot be shown' on property {name}.")
        case list():
            for element in value:
                _check_printable(name, element)
        case msgspec.Struct():
            for member in value.__struct_fields__:
                _check_printable(f"{name}.{member}", getattr(value, member))
