"""The store, opened: what both shells stand on."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from consent.errors import TemporarilyUnavailable
from consent.seal import Seal
from consent.settings import Settings, SettingsError
from consent.store.audit import Audit
from consent.store.calls import Calls
from consent.store.connections import Redis, open_redis
from consent.store.consent_records import ConsentRecords
from consent.store.consents import Consents
from consent.store.directory import Directory
from consent.store.grants import Grants
from consent.store.mailboxes import Mailboxes
from consent.store.notices import Notices
from consent.store.notifications import Notifications
from consent.store.pending import PendingConsents
from consent.store.people import People
from consent.store.people_lists import PeopleLists
from consent.store.receipts import Receipts
from consent.store.refusals import Refusals
from consent.store.registrations import Registrations
from consent.store.replays import Replays
from consent.store.secret_key import secret_key

log = structlog.get_logger()
T = TypeVar("T")
WAIT_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Store:
    redis: Redis
    seal: Seal
    consents: Consents
    pending: PendingConsents
    notifications: Notifications
    notices: Notices
    consent_records: ConsentRecords
    people: People
    people_lists: PeopleLists
    directory: Directory
    grants: Grants
    replays: Replays
    calls: Calls
    audit: Audit
    registrations: Registrations
    receipts: Receipts
    refusals: Refusals
    mailboxes: Mailboxes

    async def aclose(self) -> None:
        await self.redis.aclose()

    async def end_client(self, client_id: str, *, event: bytes) -> bool:
        """
        Remove a client; False when there was none.

        From then on it is refused whatever it holds: tokens, grants, approvals. What it has asked
        and nobody has answered yet is taken off the phones after that, also when the call is
        repeated because the first was cut short.
        """
        removed = await self.directory.remove_client(client_id, event=event)
        await self.consent_records.end_of_client(client_id)
        return removed


async def open_store(settings: Settings) -> Store:
    """Open the store, waiting for a Redis that is away. Raises SettingsError."""
    if not settings.redis_url:
        raise SettingsError("NOD_REDIS_URL: is needed; scripts/run sets it up")
    seal = Seal(secret_key(settings))
    redis = await _patiently(lambda: open_redis(settings.redis_url))
    store = store_over(redis, seal, settings)
    # A person's partition follows from their id and this number: it can never change.
    wanted = str(settings.partitions)
    fixed = await _patiently(lambda: store.directory.fix("partitions", wanted))
    if fixed != wanted:
        await store.aclose()
        raise SettingsError(f"NOD_PARTITIONS: was {fixed} at the first start and stays so")
    return store


def store_over(redis: Redis, seal: Seal, settings: Settings) -> Store:
    """Every part of the store, over one way to Redis."""
    directory = Directory(redis)
    return Store(
        redis=redis,
        seal=seal,
        consents=Consents(redis, settings),
        pending=PendingConsents(redis),
        notifications=Notifications(redis),
        notices=Notices(redis),
        consent_records=ConsentRecords(redis, settings.partitions),
        people=People(redis),
        people_lists=PeopleLists(redis, settings.partitions),
        directory=directory,
        grants=Grants(redis),
        replays=Replays(redis),
        calls=Calls(redis),
        audit=Audit(redis, settings.partitions),
        registrations=Registrations(redis, directory),
        receipts=Receipts(redis),
        refusals=Refusals(redis),
        mailboxes=Mailboxes(redis),
    )


async def _patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await attempt()
        except TemporarilyUnavailable as error:
            log.warning("waiting_for_redis", detail=error.detail)
            await asyncio.sleep(WAIT_SECONDS)
