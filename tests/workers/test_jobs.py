"""The queue is not trusted: whoever writes to it may waste a worker's time, and no more."""

import asyncio
import importlib
import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue, SimpleWorker
from rq.job import Callback
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from consent import jobs
from tests.support.redis_server import RedisServer
from workers import jobs as worker_jobs
from workers.jobs import AllowedJob, call_client, notify_device, work_with

TRACE: list[str] = []


def leave_a_trace(*arguments: object) -> None:
    """What an intruder would have the worker call."""
    TRACE.append(repr(arguments))


class Recorder:
    """Stands where a notifier would."""

    def __init__(self) -> None:
        self.notified: list[str] = []
        self.called: list[str] = []  # by the job that is about clients

    async def notify(self, consent_ids: tuple[str, ...]) -> None:
        self.notified += consent_ids


@pytest.fixture
def connection(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A database of its own: RQ's keys have no other separation."""
    with redis.Redis.from_url(redis_server.url.replace("/0", "/7")) as client:
        client.flushdb()
        TRACE.clear()
        yield client
        client.flushdb()


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    monkeypatch.setattr(worker_jobs, "_running", None)
    loop, recorder, clients = asyncio.new_event_loop(), Recorder(), Recorder()
    recorder.called = clients.notified
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    work_with(loop, recorder, clients)  # type: ignore[arg-type]  # all that is called is notify
    yield recorder
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def queue_of(connection: redis.Redis) -> Queue:
    return Queue(jobs.QUEUE, connection=connection, serializer=JSONSerializer)


def work(connection: redis.Redis) -> bool:
    """Do all that is queued, as `python -m workers` does; False if the worker fell over."""
    worker = SimpleWorker(
        [Queue(jobs.QUEUE, connection=connection, serializer=JSONSerializer, job_class=AllowedJob)],
        connection=connection,
        serializer=JSONSerializer,
        job_class=AllowedJob,
        log_job_description=False,
    )
    worker.subscribe = lambda: None  # to commands of RQ's: to leave them takes it a second
    worker.work(burst=True, logging_level="CRITICAL")
    return bool(queue_of(connection).count == 0)


def test_a_job_names_what_is_there() -> None:
    known = {jobs.NOTIFY_DEVICE: notify_device, jobs.CALL_CLIENT: call_client}
    for path, function in known.items():
        module, _, name = path.rpartition(".")
        assert getattr(importlib.import_module(module), name) is function
    assert known == worker_jobs.ALLOWED


def test_a_job_hands_its_ids_over(connection: redis.Redis, recorder: Recorder) -> None:
    queue_of(connection).enqueue(jobs.NOTIFY_DEVICE, "a", "b", result_ttl=0)
    queue_of(connection).enqueue(jobs.CALL_CLIENT, "c", "d", result_ttl=0)
    assert work(connection)
    assert (recorder.notified, recorder.called) == (["a", "b"], ["c", "d"])
    assert not list(connection.scan_iter("rq:job:*"))
    assert not list(connection.scan_iter("rq:results:*"))


@pytest.mark.parametrize(
    "name", ["os.system", "tests.workers.test_jobs.leave_a_trace", "workers.jobs.work_with", "x"]
)
def test_no_other_function_is_run(
    name: str, connection: redis.Redis, recorder: Recorder, tmp_path: Path
) -> None:
    """R11: the JSON serializer alone would still have run os.system by its name."""
    marker = tmp_path / "was-here"
    queue_of(connection).enqueue(name, f"touch {marker}")
    queue_of(connection).enqueue(jobs.NOTIFY_DEVICE, "next")
    assert work(connection)
    assert not marker.exists()
    assert TRACE == []
    assert recorder.notified == ["next"]


def test_no_callback_is_run(connection: redis.Redis, recorder: Recorder) -> None:
    """A job may name what to call when it ends; ours does not, so nothing is."""
    callback = Callback("tests.workers.test_jobs.leave_a_trace")
    for name in (jobs.NOTIFY_DEVICE, "os.system"):
        queue_of(connection).enqueue(
            name, "x", on_success=callback, on_failure=callback, on_stopped=callback
        )
    assert work(connection)
    assert TRACE == []
    assert recorder.notified == ["x"]


GARBAGE: dict[str, dict[Any, Any]] = {
    "nothing": {},
    "no-data": {"created_at": "x"},
    "no-json": {"data": b"\xff\xfe", "created_at": "2026-01-01T00:00:00.000000Z"},
    "pickle": {"data": pickle.dumps((leave_a_trace.__qualname__, None, (), {}))},
    "dates": {"data": b"[]", "created_at": b"\xff"},
    "status": {"data": b"[]", "status": "no such status"},
    "names": {b"\xff": b"x", "data": b"[]"},
    "numbers": {"data": b"[]", "timeout": "x", "result_ttl": "x", "failure_ttl": "x"},
    "shape": {"data": b'["workers.jobs.notify_device"]'},
    "list": {"data": json.dumps([["os.system"], None, [], {}]).encode()},
    "kinds": {"data": json.dumps([jobs.NOTIFY_DEVICE, None, {"a": 1}, []]).encode()},
    "webhooks": {
        "data": json.dumps([jobs.NOTIFY_DEVICE, None, [], {}]).encode(),
        "webhooks": b'[{"url":"http://127.0.0.1:1/"}]',
        "dependency_ids": b'["x"]',
        "retries_left": b"9",
    },
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_passed_over(garbage: str, connection: redis.Redis, recorder: Recorder) -> None:
    if GARBAGE[garbage]:
        connection.hset("rq:job:garbage", mapping=GARBAGE[garbage])
    connection.rpush(queue_of(connection).key, "garbage")
    queue_of(connection).enqueue(jobs.NOTIFY_DEVICE, "next")
    assert work(connection)
    assert TRACE == []
    assert recorder.notified == ["next"]


def test_a_failure_is_kept_an_hour_at_most(connection: redis.Redis, recorder: Recorder) -> None:  # noqa: ARG001
    """R12: RQ's own default is a year, and a job may ask for longer."""
    job = queue_of(connection).enqueue("os.system", "true", failure_ttl=10**9)
    assert work(connection)
    failed = FailedJobRegistry(queue=queue_of(connection))
    assert failed.get_job_ids() == [job.id]
    assert 0 < connection.ttl(f"rq:job:{job.id}") <= jobs.FAILURE_TTL_SECONDS
