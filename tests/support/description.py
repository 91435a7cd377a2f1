"""The description of the API without a server, and its schemas made strict."""

from typing import Any
from unittest.mock import MagicMock

from api.management.routes import Row, table
from api.openapi.document import document
from api.openapi.operations import operations
from consent.settings import Settings


def rows() -> list[Row]:
    """The table of routes, whose handlers have nothing to stand on: none of them is called."""
    return table(MagicMock())


def described() -> dict[str, Any]:
    return document(operations(rows()), Settings(issuer="https://nod.example.com/"))


def closed(schema: Any) -> Any:  # noqa: ANN401 - any JSON
    """
    The same, where an object has no members but those described: to others the description
    leaves room for what is to come, and our tests hold us to what it says.
    """
    if isinstance(schema, list):
        return [closed(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {name: closed(it) for name, it in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        shut.setdefault("additionalProperties", False)
    return shut
