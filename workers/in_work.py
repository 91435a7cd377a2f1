"""What a worker has begun and not finished, bounded."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger()
IN_WORK_MAX = 1_000


class InWork:
    def __init__(self, most: int = IN_WORK_MAX) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(most)

    @property
    def is_full(self) -> bool:
        return self._room.locked()

    async def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Start as soon as there is room; it goes on after this returns."""
        try:
            await self._room.acquire()
        except BaseException:
            work.close()
            raise
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def settle(self) -> None:
        """Wait for what has begun."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()
        if not task.cancelled() and (error := task.exception()):
            log.error("work_failed", error=type(error).__name__, exc_info=error)
