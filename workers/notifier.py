"""
Sends what is owed: claims a consent's notification, rings every device, records each outcome.

All of it runs on one event loop that lives as long as the process, so that provider connections
stay warm. What decides whether anything is owed is the claim, in Redis; asking twice is harmless.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Protocol

import msgspec
import structlog

from consent import policy
from consent.device import address_of
from consent.errors import TemporarilyUnavailable
from consent.push import Address, Push
from consent.seal import Seal
from consent.store.notifications import Attempt, Claim, Notifications
from consent.transaction import notification
from workers.in_work import InWork
from workers.outcome import (
    Delivered,
    NoProvider,
    Outcome,
    Rejected,
    RetryAfter,
    Unregistered,
)
from workers.reporting import reported
from workers.retry_after import RETRY_AFTER_SECONDS_MAX

log = structlog.get_logger()


class Sender(Protocol):
    """A provider: a push to an outcome; it raises for no fault of the network's."""

    async def send(self, push: Push) -> Outcome: ...


class Notifier:
    def __init__(
        self,
        *,
        notifications: Notifications,
        is_known: Callable[[str], Awaitable[bool]],
        seal: Seal,
        issuer: str,
        senders: dict[str, Sender],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """
        `is_known` says whether a client (by its id) is still there; `senders` are by provider
        (`apns`, `fcm`), one that is not configured is not there.
        """
        self._notifications = notifications
        self._is_known = is_known
        self._seal = seal
        self._issuer = issuer
        self._senders = senders
        self._jitter = jitter
        self._in_work = InWork()

    async def notify(self, consent_ids: Iterable[str]) -> None:
        """Start on each as soon as there is room; sending goes on after this returns."""
        for consent_id in consent_ids:
            await self._in_work.begin(self._deliver(consent_id))

    async def settle(self) -> None:
        """Wait for what is being sent."""
        await self._in_work.settle()

    async def _deliver(self, consent_id: str) -> None:
        try:
            claim = await self._notifications.claim(consent_id)
            if claim is None:
                return
            if not await self._is_known(claim.client_id):
                # T39: nobody is rung for a client that has left; with none told, it ends now.
                claim = claim._replace(addresses=[])
        except TemporarilyUnavailable:
            return  # still owed; the sweeper asks again
        outcomes = await asyncio.gather(
            *[
                rung(self._senders, address, partial(self._push, claim, device_id))
                for device_id, address in claim.addresses
            ]
        )
        retry = retry_in_ms(claim.attempt, outcomes, self._jitter())
        attempts = [
            attempt_of(device_id, address, outcome, event="push", attempt=claim.attempt)
            for (device_id, address), outcome in zip(claim.addresses, outcomes, strict=True)
        ]
        await self._report(claim, attempts, retry)

    def _push(self, claim: Claim, device_id: str, address: Address) -> Push:
        left_ms = claim.expires_at_ms - claim.now_ms
        return Push(
            address=address,
            notification=notification(
                seal=self._seal,
                issuer=self._issuer,
                consent_id=claim.consent_id,
                device_id=device_id,
                created_at_ms=claim.created_at_ms,
                expires_at_ms=claim.expires_at_ms,
            ),
            collapse_id=claim.consent_id,
            expires_at_seconds=claim.expires_at_ms // 1_000,
            lifetime_seconds=max(1, left_ms // 1_000),
        )

    async def _report(self, claim: Claim, attempts: list[Attempt], retry_in_ms: int) -> None:
        verdict = await reported(
            claim.consent_id, lambda: self._notifications.report(claim, attempts, retry_in_ms)
        )
        if verdict is not None:
            log.info(
                "device_notified",
                consent=claim.consent_id,
                attempt=claim.attempt,
                verdict=verdict,
                outcomes=[a.outcome for a in attempts],
            )


def provider_of(address: Address) -> str:
    """Nobody rings what pulls: its provider is never there."""
    return {"fcm_token": "fcm", "fcm_fid": "fcm"}.get(address.kind, address.kind)


async def rung(
    senders: dict[str, Sender], stored: bytes, push_to: Callable[[Address], Push]
) -> Outcome:
    """
    What came of a push to an address in its stored form.

    A defect costs one device its push; unreported, it would have all rung at each lease.
    """
    try:
        address = address_of(stored)
        sender = senders.get(provider_of(address))
        if sender is None:
            return NoProvider()
        outcome = await sender.send(push_to(address))
    except Exception as error:
        log.exception("sender_defect", error=type(error).__name__)
        return Rejected("defect")
    if isinstance(outcome, Unregistered) and _outdated(outcome, address):
        return RetryAfter(None, "outdated_death_notice")
    return outcome


def retry_in_ms(attempt: int, outcomes: Iterable[Outcome], jitter: float) -> int:
    """
    Our schedule with jitter (0 to 1), or the provider's advice where that is longer; the shortest
    of the devices that are owed, for one that must wait does not keep the others waiting.
    """
    steps = policy.RETRY_AFTER_SECONDS
    # A request by e-mail lasts for days: what fails for so long is tried ever less often.
    further = max(0, attempt - len(steps) - 1)
    seconds = min(steps[min(attempt, len(steps)) - 1] * 2**further, RETRY_AFTER_SECONDS_MAX)
    wait = seconds * (0.8 + 0.4 * jitter)
    waits = [
        max(wait, outcome.seconds or 0) for outcome in outcomes if isinstance(outcome, RetryAfter)
    ]
    return int(min(waits, default=wait) * 1_000)


def attempt_of(
    device_id: str, address: bytes, outcome: Outcome, *, event: str, attempt: int
) -> Attempt:
    """The row of one push, with what an administrator may know of it."""
    provider = provider_of(address_of(address))
    fact = {
        "event": event,
        "attempt": attempt,
        "device_id": device_id,
        "provider": provider,
        "outcome": outcome.word,
    }
    if isinstance(outcome, RetryAfter | Rejected):
        fact["reason"] = outcome.reason
    if isinstance(outcome, Delivered):
        fact["message_id"] = outcome.message_id
    return Attempt(device_id, outcome.word, address, provider, msgspec.json.encode(fact))


def _outdated(outcome: Unregistered, address: Address) -> bool:
    """A death notice older than the registration is about an earlier life of the address."""
    return outcome.since_ms is not None and outcome.since_ms < address.registered_at_ms
