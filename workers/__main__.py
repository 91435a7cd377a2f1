"""
`python -m workers`: RQ in the main thread, an event loop for the sending beside it.

One queue, no fork: RQ's recovery is not relied on (the sweeper is), and a fork would open a new
connection to Apple for every push. Any end of this process is for its supervisor to repair.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
import threading
import time

import redis
import structlog
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from consent import jobs, logs
from consent.client import Client
from consent.outbound.client import GuardedClient
from consent.settings import Settings, SettingsError, load
from consent.store import keys
from consent.store.opening import open_store
from consent.store.signing_keys import SigningKeys
from consent.tenant import TENANT_ID, Tenant
from workers.appender import append_forever
from workers.client_notifier import ClientNotifier
from workers.jobs import AllowedJob, work_with
from workers.notices import NoticeGiver
from workers.notifier import Notifier
from workers.registrations import expire_forever
from workers.senders import senders
from workers.sweeper import sweep_forever

SETTLE_SECONDS = 10
WORKER_TTL_SECONDS = 60
MAINTENANCE_SECONDS = 60
QUEUE_AWAY_SECONDS = 1

log = structlog.get_logger()


class Sending(threading.Thread):
    """The event loop of this process: sender, sweeper and what jobs hand over."""

    def __init__(self, settings: Settings, name: str) -> None:
        super().__init__(name="sending", daemon=True)
        self._settings = settings
        self._worker = name
        self.failure: BaseException | None = None
        self.ready = threading.Event()
        self._stopping: asyncio.Event
        self._loop: asyncio.AbstractEventLoop

    def run(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:  # the main thread ends the process with it
            self.failure = error
            if self.ready.is_set():  # a worker that cannot send must not look alive
                log.exception("sending_failed", error=type(error).__name__)
                os.kill(os.getpid(), signal.SIGTERM)
        finally:
            self.ready.set()

    async def _run(self) -> None:
        settings = self._settings
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        store = await open_store(settings)
        try:
            async with (
                senders(settings, store.directory, store.seal) as by_provider,
                contextlib.aclosing(GuardedClient.from_settings(settings)) as outbound,
            ):

                async def is_known(client_id: str) -> bool:
                    client = await store.directory.read(keys.CLIENTS, client_id, Client)
                    return client is not None

                notifier = Notifier(
                    notifications=store.notifications,
                    is_known=is_known,
                    seal=store.seal,
                    issuer=settings.issuer,
                    senders=by_provider,
                )
                client_notifier = ClientNotifier(
                    calls=store.calls,
                    directory=store.directory,
                    signing_keys=SigningKeys(store.directory, store.seal),
                    seal=store.seal,
                    issuer=settings.issuer,
                    client=outbound,
                )

                async def friendly_name() -> str:
                    tenant = await store.directory.read(keys.TENANT, TENANT_ID, Tenant)
                    return (tenant or Tenant()).friendly_name or settings.friendly_name

                notice_giver = NoticeGiver(
                    notices=store.notices, friendly_name=friendly_name, senders=by_provider
                )
                work_with(self._loop, notifier, client_notifier)
                sweeping = asyncio.create_task(
                    sweep_forever(
                        notifications=store.notifications,
                        directory=store.directory,
                        notifier=notifier,
                        client_notifier=client_notifier,
                        notice_giver=notice_giver,
                        partition_count=settings.partitions,
                        worker=self._worker,
                    )
                )
                appending = asyncio.create_task(
                    append_forever(
                        audit=store.audit,
                        directory=store.directory,
                        audit_key=store.seal.audit_key,
                        issuer=settings.issuer,
                        retention_days=settings.log_retention_days,
                        worker=self._worker,
                    )
                )
                expiring = asyncio.create_task(expire_forever(store))
                self.ready.set()
                told = asyncio.create_task(self._stopping.wait())
                listening = asyncio.create_task(store.directory.listen())
                running = {sweeping, appending, expiring, listening}
                await asyncio.wait(running | {told}, return_when=asyncio.FIRST_COMPLETED)
                for task in running:
                    if task.done():
                        task.result()  # a defect in one of them ends the worker, loudly
                    task.cancel()
                try:
                    async with asyncio.timeout(SETTLE_SECONDS):
                        await notifier.settle()
                        await client_notifier.settle()
                        await notice_giver.settle()
                except TimeoutError:  # what is left comes due again under its lease
                    log.warning("unsettled")
        finally:
            await store.aclose()

    def wait_until_ready(self) -> None:
        """Raises what kept it from starting."""
        self.ready.wait()
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """Finish what is being sent, then end."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self.join(SETTLE_SECONDS + 1)


def main() -> int:
    try:
        settings = load(os.environ)
        logs.configure(settings.log_level, "worker")
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}".replace(".", "-")
        sending = Sending(settings, name)
        sending.start()
        sending.wait_until_ready()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    _work(settings, name)
    if sending.failure is not None:
        return 1
    sending.stop()
    return 0


def _work(settings: Settings, name: str) -> None:
    """RQ's loop, until it is told to stop; the sweeper does without a queue that is away."""
    while True:
        try:
            _carry(settings, f"{name}-{secrets.token_hex(2)}")
        except redis.exceptions.RedisError as error:
            log.warning("queue_away", error=type(error).__name__)
            time.sleep(QUEUE_AWAY_SECONDS)
        else:
            return


def _carry(settings: Settings, name: str) -> None:
    connection = redis.Redis.from_url(settings.queue_url)
    queue = Queue(
        jobs.QUEUE, connection=connection, serializer=JSONSerializer, job_class=AllowedJob
    )
    worker = SimpleWorker(
        [queue],
        name=name,
        connection=connection,
        serializer=JSONSerializer,
        job_class=AllowedJob,
        worker_ttl=WORKER_TTL_SECONDS,
        maintenance_interval=MAINTENANCE_SECONDS,
        log_job_description=False,
    )
    worker.work(logging_level="WARNING")


if __name__ == "__main__":
    sys.exit(main())
