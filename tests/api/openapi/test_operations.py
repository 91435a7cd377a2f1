"""Every route is described, and nothing else is."""

import asyncio
import inspect
from typing import Any, cast

import pytest
from starlette.routing import Route, Router

from api.app import create_app
from api.management.routes import Row
from api.openapi.operations import MANAGEMENT, operations, plain
from consent.access import MANAGEMENT_SCOPES
from tests.support.description import rows
from tests.support.management import Administration, tell
from tests.support.redis_server import RedisServer

ROWS = rows()
CATCH_ALL = "/api/v2/{path}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_a_management_route_is_described(row: Row) -> None:
    assert (row.method, plain(row.path)) in MANAGEMENT, (
        f"{row.method} {row.path} is described nowhere: add to a table of api/openapi "
        f"(applications, people, installation, ...)\n"
        f'    ("{row.method}", "{plain(row.path)}"): Described(\n'
        "        <tag>, Answer(<status>, <what it is>, <struct of the answer>, <example>),\n"
        "        Body(<struct of the body>, <example>), (<its own refusals>,), <parameters>\n"
        "    ),"
    )


def test_nothing_is_described_that_is_no_management_route() -> None:
    assert set(MANAGEMENT) == {(row.method, plain(row.path)) for row in ROWS}


def test_a_management_operation_names_the_scope_that_opens_it() -> None:
    scopes = {(row.method, f"/api/v2{plain(row.path)}"): row.scope for row in ROWS}
    described = {
        (it.method, it.path): {scope for each in it.security for (scope,) in each.values()}
        for it in operations(ROWS)
        if it.path.startswith("/api/v2/")
    }

    assert described == {place: {scope} for place, scope in scopes.items()}
    assert set(scopes.values()) <= set(MANAGEMENT_SCOPES)


def test_every_route_of_the_app_is_described_and_nothing_else(redis_server: RedisServer) -> None:
    async def story(admin: Administration) -> None:
        served = {
            (method, plain(route.path))
            for route in routes_of(create_app(admin.services))
            if plain(route.path) != CATCH_ALL
            for method in await allowed(route)
        }

        assert {(it.method, it.path) for it in operations(ROWS)} == served

    tell(redis_server.database(7), story)


def routes_of(app: object) -> list[Route]:
    router = inspect.getclosurevars(cast("Any", app)).nonlocals["rest"]
    assert isinstance(router, Router)
    return [route for route in router.routes if isinstance(route, Route)]


async def allowed(route: Route) -> list[str]:
    """The methods of a path, as it says itself (RFC 9110 15.5.6)."""
    sent: list[Any] = []

    async def send(message: Any) -> None:  # noqa: ANN401
        sent.append(message)
        await asyncio.sleep(0)

    async def receive() -> Any:  # noqa: ANN401
        return {"type": "http.request", "body": b""}

    scope: Any = {"type": "http", "method": "NONE", "headers": [], "path_params": {}}
    await route.app(scope, receive, send)
    assert sent[0]["status"] == 405
    return str(dict(sent[0]["headers"])[b"allow"].decode()).split(", ")
