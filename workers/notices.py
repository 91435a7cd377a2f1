"""
Tells a person's other devices, and their mailbox, that a device was added (T35).

Nobody waits for it, so it needs no job: the sweeper finds what is owed. What decides is the claim.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable

import structlog

from consent.errors import TemporarilyUnavailable
from consent.push import Address, Notice, Push
from consent.store.notices import NoticeClaim, Notices
from workers.in_work import InWork
from workers.notifier import Sender, attempt_of, retry_in_ms, rung
from workers.reporting import reported

log = structlog.get_logger()
TITLE = "A device was added"
BODY = (
    "A new device can now answer requests for your account at {name}. "
    "If this was not you, tell your administrator."
)


class NoticeGiver:
    def __init__(
        self,
        *,
        notices: Notices,
        friendly_name: Callable[[], Awaitable[str]],
        senders: dict[str, Sender],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`friendly_name` is that of the installation; `senders` are by provider."""
        self._notices = notices
        self._friendly_name = friendly_name
        self._senders = senders
        self._jitter = jitter
        self._in_work = InWork()

    async def notify(self, device_ids: Iterable[str]) -> None:
        """Start on each as soon as there is room; sending goes on after this returns."""
        for device_id in device_ids:
            await self._in_work.begin(self._deliver(device_id))

    async def settle(self) -> None:
        """Wait for what is being sent."""
        await self._in_work.settle()

    async def _deliver(self, device_id: str) -> None:
        try:
            notice = Notice(TITLE, BODY.format(name=await self._friendly_name()))
            claim = await self._notices.claim(device_id)
        except TemporarilyUnavailable:
            return  # still owed; the sweeper asks again
        if claim is None:
            return
        to_tell = [it for it in claim.addresses if it[0] != "email" or "email" in self._senders]
        outcomes = await asyncio.gather(
            *[
                rung(self._senders, address, lambda to: _push(claim, to, notice))
                for _, address in to_tell
            ]
        )
        retry = retry_in_ms(claim.attempt, outcomes, self._jitter())
        attempts = [
            attempt_of(told, address, outcome, event="notice", attempt=claim.attempt)
            for (told, address), outcome in zip(to_tell, outcomes, strict=True)
        ]
        verdict = await reported(device_id, lambda: self._notices.report(claim, attempts, retry))
        if verdict is not None:
            log.info(
                "notice_given",
                device=device_id,
                attempt=claim.attempt,
                verdict=verdict,
                outcomes=[it.outcome for it in attempts],
            )


def _push(claim: NoticeClaim, address: Address, notice: Notice) -> Push:
    return Push(
        address=address,
        notification=notice,
        collapse_id=claim.device_id,
        expires_at_seconds=claim.expires_at_ms // 1_000,
        lifetime_seconds=max(1, (claim.expires_at_ms - claim.now_ms) // 1_000),
    )
