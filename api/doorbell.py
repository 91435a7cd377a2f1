"""
Rings the workers: RQ's job for what has just been accepted, or answered.

The outbox already owes the notification, or the call, when this runs; the job is what makes it
prompt. One job carries all that is owed until it leaves: the first leaves at once, the next after
a moment, so that a worker, whose every job costs it milliseconds, is not given one for each
request. RQ
builds the job, and its commands leave with ours: it never blocks the event loop.
"""

import asyncio
from typing import Any, NoReturn

import redis
import structlog
from rq import Queue
from rq.serializers import JSONSerializer

from consent import jobs
from consent.errors import TemporarilyUnavailable
from consent.store.lane import Lane

log = structlog.get_logger()
GATHER_SECONDS = 0.03


class _Unconnected(redis.ConnectionPool):
    """RQ is to write commands down; should it want to send one itself, that is a defect."""

    def get_connection(self, *_: object, **__: object) -> NoReturn:
        raise AssertionError("RQ would have blocked the event loop")


class Doorbell:
    """The only place of the API that knows RQ."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._commands = redis.Redis(connection_pool=_Unconnected())
        self._queue = Queue(
            jobs.QUEUE, connection=self._commands, serializer=JSONSerializer, is_async=True
        )
        # RQ would ask the server, and wait for the answer; 6.2 is the least that is supported.
        self._queue.redis_server_version = (6, 2, 0)
        self._waiting: dict[str, list[str]] = {}  # by job
        self._due = False
        self._rang_at = float("-inf")
        self._ringing: set[asyncio.Task[None]] = set()

    def ring(self, consent_id: str) -> None:
        """Have this consent's notification sent soon; returns at once and never fails."""
        self._soon(jobs.NOTIFY_DEVICE, consent_id)

    def call_client(self, consent_id: str) -> None:
        """The same for the call that its client is owed."""
        self._soon(jobs.CALL_CLIENT, consent_id)

    def _soon(self, job: str, consent_id: str) -> None:
        self._waiting.setdefault(job, []).append(consent_id)
        if not self._due:
            self._due = True
            loop = asyncio.get_running_loop()
            loop.call_at(self._rang_at + GATHER_SECONDS, self._leave)

    def _leave(self) -> None:
        self._due = False
        self._rang_at = asyncio.get_running_loop().time()
        waiting, self._waiting = self._waiting, {}
        for job, consent_ids in waiting.items():
            for first in range(0, len(consent_ids), jobs.IDS_A_JOB_MAX):
                carried = consent_ids[first : first + jobs.IDS_A_JOB_MAX]
                task = asyncio.ensure_future(self._enqueue(job, carried))
                self._ringing.add(task)
                task.add_done_callback(self._ringing.discard)

    async def _enqueue(self, job_path: str, consent_ids: list[str]) -> None:
        pipeline = self._commands.pipeline(transaction=False)
        job = Queue.prepare_data(
            job_path,
            args=consent_ids,
            timeout=jobs.JOB_TIMEOUT_SECONDS,
            ttl=jobs.JOB_TTL_SECONDS,
            result_ttl=0,
            failure_ttl=jobs.FAILURE_TTL_SECONDS,
            description=job_path.rpartition(".")[2],
        )
        self._queue.enqueue_many([job], pipeline=pipeline)
        commands: list[tuple[Any, Any]] = pipeline.command_stack
        try:
            await asyncio.gather(*[self._lane.execute(*words) for words, _ in commands])
        except TemporarilyUnavailable:
            # The sweeper finds what is owed without the job, a second later.
            log.warning("doorbell_unheard", consents=len(consent_ids))
        except Exception:
            log.exception("doorbell_broken", consents=len(consent_ids))

    async def depth(self) -> int:
        """Jobs waiting for a worker."""
        depth: int = await self._lane.execute("LLEN", self._queue.key)
        return depth

    async def aclose(self) -> None:
        if self._waiting:
            self._leave()
        await asyncio.gather(*self._ringing)
        await self._lane.aclose()
