"""What anybody may read: discovery, keys, health and metrics."""

import contextlib

import msgspec

from api.edge import JSON_HEADERS, Call, Reply
from api.metrics import exposition
from api.services import Services
from consent.errors import Refusal, TemporarilyUnavailable
from consent.metadata import provider_metadata

WORKER_SILENT_MS = 10_000
_CACHED = ((b"content-type", b"application/json"), (b"cache-control", b"public, max-age=300"))
_PAGE = ((b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store"))
_TEXT = ((b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),)


class NotReady(Refusal):
    status = 503
    error = "not_ready"


class Public:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._metadata = {
            registers: Reply(
                200,
                msgspec.json.encode(provider_metadata(services.settings, registers=registers)),
                _CACHED,
            )
            for registers in (False, True)
        }
        self._registers = False

    async def metadata(self, call: Call) -> Reply:  # noqa: ARG002 - the same for every call
        with contextlib.suppress(TemporarilyUnavailable):  # then as it was said last
            tenant = await self._services.tenant()
            self._registers = tenant.flags.enable_dynamic_client_registration
        return self._metadata[self._registers]

    async def keys(self, call: Call) -> Reply:  # noqa: ARG002 - the same for every call
        services = self._services
        ring = await services.signing_keys.ring()
        published = {"keys": ring.published(services.clock() * 1_000)}
        return Reply(200, msgspec.json.encode(published), _CACHED, outcome="ok")

    async def authorize(self, call: Call) -> Reply:  # noqa: ARG002 - refused whatever it asks
        """No grant begins here; the endpoint is there because OpenID Connect names it (D034)."""
        page = (
            b"<!doctype html><title>Nod</title><h1>Nothing to sign in to</h1><p>This server asks "
            b"people on their phones. Applications start at the backchannel authentication "
            b"endpoint.</p>"
        )
        return Reply(400, page, _PAGE, outcome="unsupported_response_type")

    async def alive(self, call: Call) -> Reply:  # noqa: ARG002 - being called is the answer
        return Reply(200, b'{"status":"alive"}', JSON_HEADERS, outcome="health")

    async def ready(self, call: Call) -> Reply:  # noqa: ARG002 - the same for every call
        """Ready to be asked: the store answers and a worker is alive."""
        services = self._services
        if await services.directory.workers_alive(WORKER_SILENT_MS) == 0:
            raise NotReady("No worker is alive", headers=(("Retry-After", "1"),))
        await services.doorbell.depth()
        return Reply(200, b'{"status":"ready"}', JSON_HEADERS, outcome="health")

    async def metrics(self, call: Call) -> Reply:  # noqa: ARG002 - the same for every call
        services = self._services
        try:
            stats = await services.consent_records.stats()
            depth = await services.doorbell.depth()
            workers = await services.directory.workers_alive(WORKER_SILENT_MS)
            backlog = await services.store.audit.backlog()
        except TemporarilyUnavailable:
            # What the process itself knows is worth most when the store is away.
            return Reply(200, exposition({}, -1, -1, -1), _TEXT, outcome="health")
        return Reply(200, exposition(stats, depth, workers, backlog), _TEXT, outcome="health")
