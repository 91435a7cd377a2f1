"""
One operation of the API as it is described: the rows of the table, and the kinds of their bodies.

A kind is a msgspec struct (or any type msgspec has a schema for). Those of request bodies are the
structs the bodies are read with; those of answers are declared beside the operations.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from api.edge import Shape
from consent.errors import Refusal

Schema = Mapping[str, object]
Security = tuple[Mapping[str, list[str]], ...]
PageForm = Literal["array", "totals", "checkpoint"]

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
HTML = "text/html"
ISO_DATE = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"


class Parameter(NamedTuple):
    """Of the query, the path or a header."""

    name: str
    description: str
    schema: Schema
    place: str = "query"
    required: bool = False
    example: object = None


class Body(NamedTuple):
    kind: Any
    example: dict[str, Any]
    media_types: tuple[str, ...] = (JSON,)
    others: tuple["Body", ...] = ()  # of other media types
    required: bool = True


class Header(NamedTuple):
    name: str
    description: str
    schema: Schema


class Answer(NamedTuple):
    """
    A success. Of a list, `page_of` names the member that holds the items where it is no bare
    array, and `kind` and `example` are of one item.
    """

    status: int
    description: str
    kind: Any = None
    example: Any = None
    media_type: str = JSON
    page_of: str = ""
    forms: tuple[PageForm, ...] = ("array", "totals", "checkpoint")
    headers: tuple[Header, ...] = ()

    def showing(self, members: dict[str, object]) -> "Answer":
        """The same with an example that has these members besides."""
        return self._replace(example=self.example | members)


class Operation(NamedTuple):
    """`security` is alternatives, each the schemes (and scopes) it takes together."""

    method: str
    path: str
    tag: str
    summary: str
    answers: tuple[Answer, ...]
    shape: Shape
    security: Security = ()
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    errors: tuple[Refusal, ...] = ()
    description: str = ""


def shown(
    kind: type[msgspec.Struct], name: str, *, without: frozenset[str], **more: object
) -> type[msgspec.Struct]:
    """
    What is shown of a stored kind: its members but those, and some more.

    A member whose default says that there is nothing may be left out, and every other one that
    has a default where the kind itself leaves defaults out.
    """
    leaves_defaults_out = kind.__struct_config__.omit_defaults
    members: list[Any] = [
        (member, it, msgspec.UNSET) if msgspec.UnsetType in get_args(it) else (member, it)
        for member, it in more.items()
    ]
    for field in msgspec.structs.fields(kind):
        if field.name in without:
            continue
        if (leaves_defaults_out and not field.required) or field.default in ("", None):
            members.append((field.name, field.type | msgspec.UnsetType, msgspec.UNSET))
        else:
            members.append((field.name, field.type))
    return msgspec.defstruct(name, members, kw_only=True)


def change_of(kind: type[msgspec.Struct], name: str) -> type[msgspec.Struct]:
    """What a PATCH of this kind takes: any of its members, or null to take one back."""
    return msgspec.defstruct(
        name,
        [
            (field.name, field.type | None | msgspec.UnsetType, msgspec.UNSET)
            for field in msgspec.structs.fields(kind)
        ],
        kw_only=True,
    )
