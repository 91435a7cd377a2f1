"""
A client's notification endpoint over loopback: https, every request answered as scripted.

An answer is a status (a redirect leads back here, so that one who follows is seen to; what may
have a body has one) or a word:

    silent      never an answer
    slow        200, and a body that never ends
    reset       the connection is reset
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import NamedTuple

from aiohttp import web

from scripts.doubles.certificates import Certificates

PATH = "/ciba"


class Received(NamedTuple):
    """A request as it came; the names of its headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ClientEndpoint:
    """Lives on one event loop. The answers in their turn, and the last one from then on."""

    def __init__(self, certificates: Certificates, *answers: int | str) -> None:
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(certificates.server_cert_file, certificates.server_key_file)
        self._answers = list(answers) or [int(HTTPStatus.NO_CONTENT)]
        self._stopping = asyncio.Event()
        self.received: list[Received] = []
        self.url = ""

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator["ClientEndpoint"]:
        """Serve while the context lasts; `url` is where."""
        listener = socket.create_server(("127.0.0.1", port))
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=self._tls).start()
        self.url = f"https://127.0.0.1:{listener.getsockname()[1]}{PATH}"
        try:
            yield self
        finally:
            self._stopping.set()
            await runner.cleanup()

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.method, request.path, headers, await request.read()))
        answer = self._answers[min(len(self.received), len(self._answers)) - 1]
        if isinstance(answer, int):
            return _with_status(answer)
        if answer == "reset":
            return _reset(request)
        if answer == "slow":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"{")
        await self._stopping.wait()
        return web.Response()


def _with_status(status: int) -> web.Response:
    if status == HTTPStatus.NO_CONTENT:
        return web.Response(status=status)
    return web.Response(status=status, text="<html>", headers={"Location": "/elsewhere"})


def _reset(request: web.Request) -> web.Response:
    """Close with RST instead of FIN: a linger of no time (socket(7))."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()
