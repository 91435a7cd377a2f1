"""
Sends what is owed: claims a consent's notification, rings every device, records each outcome.

All of it runs on one event loop that lives as long as the process, so that provider connections
stay warm. What decides whether anything is owed is the claim, in Redis; asking twice is harmless.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
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
            *[self._rung(claim, device_id, address) for device_id, address in claim.addresses]
        )
        retry_in_ms = self._retry_in_ms(claim, outcomes)
        attempts = [
            _attempt(claim, device_id, address, outcome)
            for (device_id, address), outcome in zip(claim.addresses, outcomes, strict=True)
        ]
        await self._report(claim, attempts, retry_in_ms)

    async def _rung(self, claim: Claim, device_id: str, stored: bytes) -> Outcome:
        """A defect costs one device its push; unreported, it would have all rung at each lease."""
        try:
            return await self._ring(claim, device_id, stored)
        except Exception as error:
            log.exception("sender_defect", consent=claim.consent_id, error=type(error).__name__)
            return Rejected("defect")

    async def _ring(self, claim: Claim, device_id: str, stored: bytes) -> Outcome:
        address = address_of(stored)
        sender = self._senders.get(provider_of(address))
        if sender is None:
            return NoProvider()
        left_ms = claim.expires_at_ms - claim.now_ms
        push = Push(
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
        outcome = await sender.send(push)
        if isinstance(outcome, Unregistered) and _outdated(outcome, address):
            return RetryAfter(None, "outdated_death_notice")
        return outcome

    def _retry_in_ms(self, claim: Claim, outcomes: list[Outcome]) -> int:
        """
        Our schedule with jitter, or the provider's advice where that is longer; the shortest of
        the devices that are owed, for one that must wait does not keep the others waiting.
        """
        steps = policy.RETRY_AFTER_SECONDS
        wait = steps[min(claim.attempt, len(steps)) - 1] * (0.8 + 0.4 * self._jitter())
        waits = [
            max(wait, outcome.seconds or 0)
            for outcome in outcomes
            if isinstance(outcome, RetryAfter)
        ]
        return int(min(waits, default=wait) * 1_000)

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
    return "apns" if address.kind == "apns" else "fcm"


def _outdated(outcome: Unregistered, address: Address) -> bool:
    """A death notice older than the registration is about an earlier life of the address."""
    return outcome.since_ms is not None and outcome.since_ms < address.registered_at_ms


def _attempt(claim: Claim, device_id: str, address: bytes, outcome: Outcome) -> Attempt:
    provider = provider_of(address_of(address))
    fact = {
        "event": "push",
        "attempt": claim.attempt,
        "device_id": device_id,
        "provider": provider,
        "outcome": outcome.word,
    }
    if isinstance(outcome, RetryAfter | Rejected):
        fact["reason"] = outcome.reason
    if isinstance(outcome, Delivered):
        fact["message_id"] = outcome.message_id
    return Attempt(device_id, outcome.word, address, provider, msgspec.json.encode(fact))
