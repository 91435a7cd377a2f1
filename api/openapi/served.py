"""GET /openapi.json and /docs: both are made at the start and then only sent."""

import msgspec

from api.edge import Call, Reply
from api.management.routes import table
from api.openapi.document import document
from api.openapi.operations import operations
from api.openapi.page import PAGE_HEADERS, page
from api.services import Services

_JSON_HEADERS = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"public, max-age=300"),
)


class Description:
    def __init__(self, services: Services) -> None:
        described = document(operations(table(services)), services.settings)
        self._document = Reply(200, msgspec.json.encode(described), _JSON_HEADERS)
        self._page = Reply(200, page(described), PAGE_HEADERS)

    async def document(self, call: Call) -> Reply:  # noqa: ARG002 - the same for every call
        return self._document

    async def page(self, call: Call) -> Reply:  # noqa: ARG002 - the same for every call
        return self._page
