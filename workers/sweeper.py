"""
Finds what is owed and nobody has claimed: a job that was lost, a worker that died, a retry.

Runs in every worker. It claims directly instead of enqueueing again, so that it needs nothing
but the store: a notification survives the loss of RQ's queue, and of RQ's Redis.
"""

import asyncio

import structlog

from consent.errors import TemporarilyUnavailable
from consent.store.directory import Directory
from consent.store.keys import partitions
from consent.store.notifications import Due, Notifications
from workers.client_notifier import ClientNotifier
from workers.notices import NoticeGiver
from workers.notifier import Notifier

log = structlog.get_logger()
PERIOD_SECONDS = 0.5
IDS_A_SWEEP_MAX = 200


async def sweep_forever(
    *,
    notifications: Notifications,
    directory: Directory,
    notifier: Notifier,
    client_notifier: ClientNotifier,
    notice_giver: NoticeGiver,
    partition_count: int,
    worker: str,
) -> None:
    """Sweep all partitions, twice a second, and say that this worker is alive.

    A partition whose server is away costs the others nothing: what they owe is still found.
    """
    all_partitions = partitions(partition_count)
    while True:
        alive, *owed = await asyncio.gather(
            directory.worker_alive(worker),
            *[notifications.due(partition, IDS_A_SWEEP_MAX) for partition in all_partitions],
            return_exceptions=True,
        )
        failures = [result for result in (alive, *owed) if isinstance(result, BaseException)]
        if defects := [
            error for error in failures if not isinstance(error, TemporarilyUnavailable)
        ]:
            raise defects[0]
        if failures:
            log.warning("sweep_failed", parts=len(failures), of=partition_count + 1)
        for due in owed:
            if isinstance(due, Due):
                await notifier.notify(due.pushes)
                await client_notifier.notify(due.calls)
                await notice_giver.notify(due.notices)
        await asyncio.sleep(PERIOD_SECONDS)
