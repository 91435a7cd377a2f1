"""`python -m api`: serve, until told to stop."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator

import structlog
import uvicorn
import uvloop

from api.app import create_app
from api.event_stream import EventStreams
from api.long_polls import LongPolls
from api.management.routes import LARGER_BODIES
from api.protocol import limited_protocol
from api.services import open_services
from consent import logs
from consent.settings import Settings, SettingsError, load

STOP_SECONDS = 10
KEEP_ALIVE_SECONDS = 75


async def serve(settings: Settings) -> None:
    services = await open_services(settings)
    try:
        config = uvicorn.Config(
            create_app(services),
            host=settings.host,
            port=settings.port,
            http=limited_protocol(
                settings.request_deadline_seconds,
                settings.request_body_max_bytes,
                {path.encode(): most for path, most in LARGER_BODIES.items()},
            ),
            loop="none",
            lifespan="off",
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            backlog=4_096,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
            proxy_headers=False,
            ssl_certfile=settings.tls_cert_file,
            ssl_keyfile=settings.tls_key_file,
        )
        spare_the_collector()
        structlog.get_logger().info("serving", issuer=settings.issuer)
        await _Server(config, services.long_polls, services.event_streams).serve()
    finally:
        await services.aclose()


class _Server(uvicorn.Server):
    """A server that lets go of what it holds before it waits for what is in work (U7)."""

    def __init__(self, config: uvicorn.Config, *held: LongPolls | EventStreams) -> None:
        super().__init__(config)
        self._held = held

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Uvicorn would raise the signal again when it is done, and what is open stay open."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for held in self._held:
            held.end()
        await super().shutdown(sockets)


def spare_the_collector() -> None:
    """
    What lives as long as the process is not looked at again, and what a request leaves behind
    dies by reference count: the cycle collector took a fifth of a poll.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def open_all_files_allowed() -> None:
    """A poll that is held is an open file, of which a shell allows 1024 unless it is asked."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # where "most" is more than the system has
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> int:
    try:
        settings = load(os.environ)
        logs.configure(settings.log_level, "api")
        open_all_files_allowed()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
