"""
The jobs RQ may run, by the names in `consent.jobs`, and the Job class that lets it run no other.

RQ's serializer is JSON, but it would still import and call whatever a job names: whoever writes
to Redis must not run code, so the name is looked up here and nowhere else.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from rq.exceptions import NoSuchJobError
from rq.job import Job

from consent import jobs
from workers.client_notifier import ClientNotifier
from workers.notifier import Notifier


class _Running(NamedTuple):
    loop: asyncio.AbstractEventLoop
    notifier: Notifier
    client_notifier: ClientNotifier


_running: _Running | None = None


def work_with(
    loop: asyncio.AbstractEventLoop, notifier: Notifier, client_notifier: ClientNotifier
) -> None:
    """What the jobs of this process use, for as long as it lives."""
    global _running  # noqa: PLW0603 - RQ calls jobs by name; they can be handed nothing else
    _running = _Running(loop, notifier, client_notifier)


def notify_device(*consent_ids: str) -> None:
    """Start on these notifications; returns when all are begun, not when all are sent."""
    assert _running is not None, "notify_device runs in a worker only"  # noqa: S101
    work = _running.notifier.notify(consent_ids)
    asyncio.run_coroutine_threadsafe(work, _running.loop).result()


def call_client(*consent_ids: str) -> None:
    """The same for calls to clients."""
    assert _running is not None, "call_client runs in a worker only"  # noqa: S101
    work = _running.client_notifier.notify(consent_ids)
    asyncio.run_coroutine_threadsafe(work, _running.loop).result()


ALLOWED: dict[str, Callable[..., None]] = {
    jobs.NOTIFY_DEVICE: notify_device,
    jobs.CALL_CLIENT: call_client,
}


class UnknownJob(Exception):  # noqa: N818 - said of the job
    """A job names something that is not ours to run."""


# What a job of ours has in Redis. RQ would also import the callbacks a job names, call its
# webhooks, wait for its dependencies and keep it for as long as it asks.
_OWN_FIELDS = frozenset(
    {
        b"created_at",
        b"data",
        b"ended_at",
        b"enqueued_at",
        b"last_heartbeat",
        b"origin",
        b"started_at",
        b"status",
        b"worker_name",
    }
)


class AllowedJob(Job):  # type: ignore[misc]  # RQ is untyped
    def restore(self, raw_data: dict[bytes, bytes]) -> None:
        """Read a job from Redis; one that cannot be read is none (NoSuchJobError)."""
        own = {name: value for name, value in raw_data.items() if name in _OWN_FIELDS}
        try:
            super().restore(own)
        except (ValueError, TypeError) as error:
            raise NoSuchJobError("a malformed job") from error
        self.timeout = jobs.JOB_TIMEOUT_SECONDS
        self.result_ttl = 0
        self.failure_ttl = jobs.FAILURE_TTL_SECONDS

    @property
    def func(self) -> Callable[..., Any]:
        try:
            return ALLOWED[self.func_name]
        except (KeyError, TypeError):
            raise UnknownJob from None
