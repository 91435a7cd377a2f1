"""
What operators do is what administrators do over HTTP: the handlers of the management API, called
in process with every scope, so that each of their rules, refusals and events holds here too.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlencode

import msgspec
from starlette.routing import compile_path

from api.edge import Admission, Call
from api.management.guard import Caller
from api.management.routes import Row, table
from api.services import Services, open_services
from consent.access import MANAGEMENT_SCOPES, management_audience
from consent.audit.event import Act
from consent.errors import Refusal, TemporarilyUnavailable
from scripts.administration.installation import AdministrationError, reached

T = TypeVar("T")
CLIENT_ID = "scripts/admin"  # whose act it is, in the audit trail
_JSON = (b"content-type", b"application/json")


class Refused(AdministrationError):  # noqa: N818 - it is an answer
    """The management API refuses; `status` and `error` are those of its answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.description)
        self.status = refusal.status
        self.error = refusal.error


class Operator:
    def __init__(self, services: Services) -> None:
        self.services = services
        self._admission = Admission(services.settings)
        self._routes = [(row, compile_path(row.path)[0]) for row in table(services)]

    async def call(
        self, method: str, path: str, body: object = None, parameters: Mapping[str, str] = {}
    ) -> Any:  # noqa: ANN401 - JSON
        """
        What the route answers, None for nothing. `path` is below /api/v2 and quoted, as it goes
        over the wire (see `at`); `parameters` are those of the query. Raises Refused.
        """
        row, found = self._route(method, path)
        act = Act(row.summary, client_id=CLIENT_ID, method=method, path=f"/api/v2{path}")
        call = Call(
            {
                "type": "http",
                "method": method,
                "path": unquote(f"/api/v2{path}"),
                "raw_path": f"/api/v2{path}".encode(),
                "path_params": {name: unquote(text) for name, text in found.items()},
                "query_string": urlencode(parameters).encode(),
                "headers": [] if body is None else [_JSON],
                "client": None,
            },
            b"" if body is None else msgspec.json.encode(body),
            self._admission,
        )
        caller = Caller(client_id=CLIENT_ID, scopes=frozenset(MANAGEMENT_SCOPES), act=act)
        try:
            reply = await row.handler(call, caller)
        except TemporarilyUnavailable:
            raise
        except Refusal as refusal:
            raise Refused(refusal) from None
        return msgspec.json.decode(reply.body) if reply.body else None

    def _route(self, method: str, path: str) -> tuple[Row, dict[str, str]]:
        for row, pattern in self._routes:
            if row.method == method and (found := pattern.fullmatch(path)):
                return row, found.groupdict()
        raise AssertionError(f"the management API has no {method} {path}")


def at(*segments: str) -> str:
    """The path of these segments: an id is one of them, whatever is in it."""
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)


@asynccontextmanager
async def opened(environ: Mapping[str, str]) -> AsyncIterator[Operator]:
    """Raises SettingsError, and AdministrationError also for a Redis that goes away."""
    async with reached(environ) as (settings, _):
        services = await open_services(settings, bootstrap=False)
        try:
            if await services.resource_server(management_audience(settings.issuer)) is None:
                raise AdministrationError(
                    "no API was started with this NOD_ISSUER on this Redis yet"
                )
            yield Operator(services)
        finally:
            await services.aclose()


def asked(question: Callable[[Operator], Awaitable[T]]) -> T:
    """What an operator of the environment's installation finds out. Raises as `opened`."""

    async def ask() -> T:
        async with opened(os.environ) as operator:
            return await question(operator)

    return asyncio.run(ask())


def called(method: str, path: str, body: object = None, parameters: Mapping[str, str] = {}) -> Any:  # noqa: ANN401 - JSON
    """One call, with an opening of its own. Raises as `opened`, and Refused."""
    return asked(lambda operator: operator.call(method, path, body, parameters))
