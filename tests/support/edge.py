"""The application behind the edge, and requests to it as octets."""

import asyncio
import threading

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from api.protocol import limited_protocol
from tests.support.raw_http import Response, Server

BODY_MAX = 65_536
MIB = 1_048_576


class Edge(Server):
    """`started` lists the paths of the requests the application was given; the answer to `/held`
    waits for `release`.
    """

    def __init__(self, deadline_seconds: float) -> None:
        self.started: list[str] = []
        self._held = threading.Event()
        routes = [
            Route("/held", self._hold),
            Route("/{name}", self._echo, methods=["GET", "POST"]),
        ]
        super().__init__(
            Starlette(routes=routes), http=limited_protocol(deadline_seconds, BODY_MAX)
        )

    async def _echo(self, request: Request) -> JSONResponse:
        self.started.append(request.url.path)
        octets = len(await request.body())
        return JSONResponse({"octets": octets, "headers": [*request.headers]})

    async def _hold(self, request: Request) -> JSONResponse:
        self.started.append(request.url.path)
        self._loop, self._release = asyncio.get_running_loop(), asyncio.Event()
        self._held.set()
        await self._release.wait()
        return JSONResponse({"held": True})

    def wait_until_held(self) -> None:
        assert self._held.wait(timeout=10)

    def release(self) -> None:
        self.wait_until_held()
        self._held.clear()
        self._loop.call_soon_threadsafe(self._release.set)


def assert_refused(response: Response, status: int) -> None:
    assert (response.status, response.headers["connection"]) == (status, "close")
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"] == "invalid_request"
    assert response.json()["error_description"].isascii()


def head(path: str, *fields: str) -> bytes:
    method = "GET" if path == "/held" else "POST"
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: nod", *fields, "", ""]).encode()


CLOSE = "Connection: close"
CHUNKED = "Transfer-Encoding: chunked"
