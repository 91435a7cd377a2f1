"""
The jobs RQ may run, by the names in `consent.jobs`, and the Job class that lets it run no other.

RQ's serializer is JSON, but it would still import and call whatever a job names: whoever writes
to Redis must not run code, so the name is looked up here and nowhere else.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from rq.job import Job

from consent import jobs
from workers.notifier import Notifier

_running: "tuple[asyncio.AbstractEventLoop, Notifier] | None" = None


def work_with(loop: asyncio.AbstractEventLoop, notifier: Notifier) -> None:
    """What the jobs of this process use, for as long as it lives."""
    global _running  # noqa: PLW0603 - RQ calls jobs by name; they can be handed nothing else
    _running = loop, notifier


def notify_device(*consent_ids: str) -> None:
    """Start on these notifications; returns when all are begun, not when all are sent."""
    assert _running is not None, "notify_device runs in a worker only"  # noqa: S101
    loop, notifier = _running
    asyncio.run_coroutine_threadsafe(notifier.notify(consent_ids), loop).result()


ALLOWED: dict[str, Callable[..., None]] = {jobs.NOTIFY_DEVICE: notify_device}


class UnknownJob(Exception):  # noqa: N818 - said of the job
    """A job names something that is not ours to run."""


class AllowedJob(Job):  # type: ignore[misc]  # RQ is untyped
    @property
    def func(self) -> Callable[..., Any]:
        try:
            return ALLOWED[self.func_name]
        except KeyError:
            raise UnknownJob from None
