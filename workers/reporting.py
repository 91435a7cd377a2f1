"""A report is persisted with: unreported, a lease runs out and what was done is done again."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from consent.errors import TemporarilyUnavailable

log = structlog.get_logger()
ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.2


async def reported(consent_id: str, report: Callable[[], Awaitable[str]]) -> str | None:
    """The reply to a report; None when the store stays away, and the lease has to settle it."""
    for attempt in range(ATTEMPTS):
        try:
            return await report()
        except TemporarilyUnavailable:
            await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt)
    log.warning("report_lost", consent=consent_id)
    return None
