"""Whether the work is done: workers that live, notifications on time, jobs that do not fail."""

import time

from rq import Queue
from rq.registry import FailedJobRegistry

from consent import jobs, policy
from consent.seal import Seal
from consent.settings import Settings, SettingsError
from consent.store import keys
from consent.store.audit import Audit
from consent.store.connections import Redis
from consent.store.directory import Directory
from consent.store.signing_keys import SigningKeys
from scripts.administration.checks.finding import Finding, failure, graded, ok, warning
from scripts.administration.checks.server import Server

WORKER_SILENT_MS = 10_000
_SWEPT_SECONDS = (policy.SWEEP_AFTER_MS + policy.LEASE_MS) / 1_000
OVERDUE_SECONDS_WARN, OVERDUE_SECONDS_FAIL = _SWEPT_SECONDS, 6 * _SWEPT_SECONDS
UNMOVED_SECONDS_WARN, UNMOVED_SECONDS_FAIL = 30.0, 600.0
QUEUE_DEPTH_WARN, QUEUE_DEPTH_FAIL = 100, 10_000


async def partitions(settings: Settings, redis: Redis) -> list[Finding]:
    """Where each person is was settled by the first start."""
    fixed = await redis.execute("HGET", keys.FACTS, "partitions")
    if fixed is None:
        return [ok("partitions", f"{settings.partitions}, to be fixed at the first start")]
    if int(fixed) != settings.partitions:
        text = f"NOD_PARTITIONS is {settings.partitions}, and {int(fixed)} since the first start"
        return [failure("partitions", text, f"set NOD_PARTITIONS to {int(fixed)}")]
    return [ok("partitions", str(settings.partitions))]


async def signing_keys(directory: Directory, secret_key: str) -> list[Finding]:
    """The secret key opens what was sealed with it."""
    try:
        ring = await SigningKeys(directory, Seal(secret_key)).ring()
    except SettingsError:
        text = "the secret key does not open the signing keys of this store"
        advice = "set NOD_SECRET_KEY (or NOD_DATA_DIR) to that of the first start"
        return [failure("signing keys", text, advice)]
    count = len(ring.entries)
    return [ok("signing keys", f"{count}, each opens" if count else "none yet: made when needed")]


async def workers(directory: Directory) -> list[Finding]:
    alive = await directory.workers_alive(WORKER_SILENT_MS)
    if not alive:
        advice = "start one (`python -m workers`, the Procfile's worker)"
        return [failure("workers", "none is alive: no phone is rung", advice)]
    return [ok("workers", f"{alive} alive")]


async def owed(settings: Settings, redis: Redis, now_ms: int) -> list[Finding]:
    """What devices and clients are owed: a sweeper takes up what no job did, within seconds."""
    found = []
    known = keys.partitions(settings.partitions)
    for name, outboxes in (
        ("notifications", [each.outbox for each in known]),
        ("calls to clients", [each.calls for each in known]),
        ("notices", [each.notices for each in known]),
    ):
        depth, oldest_ms = 0, now_ms
        for outbox in outboxes:
            depth += await redis.execute("ZCARD", outbox)
            first = await redis.execute("ZRANGE", outbox, 0, 0, "WITHSCORES")
            if first:
                oldest_ms = min(oldest_ms, int(float(first[1])))
        overdue = (now_ms - oldest_ms) / 1_000
        text = f"{depth} owed, the oldest overdue by {overdue:.1f} s"
        advice = "start more workers, and see their logs"
        warn, fail = OVERDUE_SECONDS_WARN, OVERDUE_SECONDS_FAIL
        found.append(graded(name, overdue, text, advice, warn=warn, fail=fail))
    return found


async def audit_trail(settings: Settings, redis: Redis, now_ms: int) -> list[Finding]:
    """Events stand beside what they tell of until a worker has moved them into the log."""
    audit = Audit(redis, settings.partitions)
    events = (await audit.unmoved((await audit.state()).moved)).events
    waits = max(now_ms - events[0].id[0], 0) / 1_000 if events else 0.0
    text = (
        f"{await audit.backlog()} events to be moved into the log, the oldest since {waits:.1f} s"
    )
    advice = "see the workers' logs, and `audit verify`"
    warn, fail = UNMOVED_SECONDS_WARN, UNMOVED_SECONDS_FAIL
    return [graded("audit trail", waits, text, advice, warn=warn, fail=fail)]


async def queue(server: Server) -> list[Finding]:
    client = server.client
    depth = await client.llen(f"{Queue.redis_queue_namespace_prefix}{jobs.QUEUE}")
    registry = FailedJobRegistry.key_template.format(jobs.QUEUE)
    failed = await client.zcount(registry, time.time(), "+inf")
    found = [
        graded(
            "queue",
            depth,
            f"{depth} jobs wait",
            "start more workers",
            warn=QUEUE_DEPTH_WARN,
            fail=QUEUE_DEPTH_FAIL,
        )
    ]
    if failed:
        text = f"{failed} in the last hour, which the sweepers made good"
        return [*found, warning("failed jobs", text, "see the workers' logs of that time")]
    return [*found, ok("failed jobs", "none in the last hour")]
