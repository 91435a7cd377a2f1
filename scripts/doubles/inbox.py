"""
What a provider's double accepted, by device address, and how a simulated phone collects it:

    GET /messages/{address}?after=N&wait=SECONDS    the messages after the first N, waiting for one
    GET /count                                      how many were accepted in all
"""

import asyncio
from collections import defaultdict

from aiohttp import web

WAIT_SECONDS_MAX = 60.0


class Inbox:
    """Lives on one event loop."""

    def __init__(self) -> None:
        self.count = 0
        self._messages: defaultdict[str, list[dict[str, object]]] = defaultdict(list)
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def put(self, address: str, message: dict[str, object]) -> None:
        self.count += 1
        self._messages[address].append(message)
        for waiting in self._waiting.pop(address, ()):
            waiting.set()

    async def after(
        self, address: str, seen: int = 0, wait_seconds: float = 0
    ) -> list[dict[str, object]]:
        """The messages beyond the first `seen`, empty when none came within the wait."""
        if len(self._messages[address]) <= seen and wait_seconds > 0:
            arrived = asyncio.Event()
            self._waiting[address].add(arrived)
            try:
                async with asyncio.timeout(wait_seconds):
                    await arrived.wait()
            except TimeoutError:
                pass
            finally:
                self._waiting[address].discard(arrived)
        return self._messages[address][seen:]

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/messages/{address}", self._get_messages), web.get("/count", self._count)]

    async def _get_messages(self, request: web.Request) -> web.Response:
        try:
            seen = int(request.query.get("after", "0"))
            wait_seconds = min(float(request.query.get("wait", "0")), WAIT_SECONDS_MAX)
        except ValueError:
            raise web.HTTPBadRequest from None
        messages = await self.after(request.match_info["address"], seen, wait_seconds)
        return web.json_response({"messages": messages})

    async def _count(self, _request: web.Request) -> web.Response:
        return web.json_response({"count": self.count})
