"""What is sent to the management API, from the words of a command."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from consent.strict_json import MalformedJSON, loads, loads_object
from scripts.administration.installation import AdministrationError

Members = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MEMBER=VALUE",
        help="members as the management API names them. A dot leads into a member; a value is "
        "JSON (true, 30, null, [...]), and text if it cannot be: digits as text have quotes, "
        "like '\"4711\"'. What others must not see goes into --body: a command's words show in ps",
        show_default=False,
    ),
]
Body = Annotated[
    str, typer.Option("--body", metavar="FILE", help="a JSON object to begin with; - reads it here")
]


def body_of(members: Sequence[str] | None, file: str = "", **given: object) -> dict[str, Any]:
    """
    The object of the file, `given` what is not None or empty, then the members as they stand in
    the command. Raises AdministrationError.
    """
    body = _read(file) if file else {}
    body |= {name: value for name, value in given.items() if value not in (None, "", [])}
    for text in members or ():
        path, equals, value = text.partition("=")
        *parents, name = path.split(".")
        if not equals or not all((*parents, name)):
            raise AdministrationError(f"{text!a} is not MEMBER=VALUE")
        place = body
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise AdministrationError(f"{text!a} leads into a member that is no object")
        place[name] = _value(value)
    return body


def _value(text: str) -> object:
    """JSON, or else the text itself: `true` is a truth, `"true"` and `yes` are texts."""
    try:
        return loads(text.encode())
    except MalformedJSON:
        return text


def _read(file: str) -> dict[str, Any]:
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return loads_object(text)
    except OSError as error:
        raise AdministrationError(f"{file}: {error.strerror}") from None
    except MalformedJSON as error:
        raise AdministrationError(f"{file}: the JSON is malformed: {error.reason}") from None
