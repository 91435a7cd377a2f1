"""Clients that registered themselves and were never used go when their time has come (T19)."""

import asyncio
import time

import structlog

from consent.audit.event import system_act
from consent.errors import TemporarilyUnavailable
from consent.store.opening import Store

log = structlog.get_logger()
PERIOD_SECONDS = 30.0


async def expire_forever(store: Store) -> None:
    """Runs in every worker; of two that find the same client, one removes it."""
    while True:
        try:
            await expire(store, time.time())
        except TemporarilyUnavailable as error:
            log.warning("expiry_failed", detail=error.detail)
        await asyncio.sleep(PERIOD_SECONDS)


async def expire(store: Store, now: float) -> int:
    """Remove what was to be used by now, as a deletion would; says how many there were."""

    async def end_client(client_id: str) -> None:
        act = system_act("Dynamic client registration expiry")
        await store.end_client(client_id, event=act.event(client_id=client_id))

    return await store.registrations.sweep_unused(now, end_client)
