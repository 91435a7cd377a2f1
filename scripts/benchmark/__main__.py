"""`scripts/bench`: one run, one table."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from scripts.benchmark import (
    carrying,
    endpoints,
    holding,
    machine,
    memory,
    report,
    streams,
    tenant,
)
from scripts.benchmark.residents import Size

PENDING = 200_000


def _say(what: str) -> None:
    print(f"measuring {what}...", file=sys.stderr, flush=True)


async def _run_tenant(large: Size, directory: Path) -> report.Report:
    machine.use_core(os.getpid(), 1)
    _say(f"a tenant of {large.clients:,} clients and {large.users:,} users beside a small one")
    tenants, figures = await tenant.measure(directory, large)
    return report.Report(machine.description(), [], figures, tenants)


async def _run_streams(directory: Path) -> report.Report:
    machine.use_core(os.getpid(), 1)
    _say("event streams")
    return report.Report(machine.description(), [], await streams.measure(directory / "streams"))


async def _run(pending: int, directory: Path) -> report.Report:
    machine.use_core(os.getpid(), 1)
    _say(f"endpoints, one of them among {pending:,} pending requests")
    measured = await endpoints.measure(directory / "endpoints", pending)
    _say("memory")
    figures = await memory.measure(directory / "memory")
    _say("what a worker carries")
    figures += await carrying.measure(directory / "carrying")
    _say("held polls")
    figures += await holding.measure(directory / "holding")
    _say("event streams")
    figures += await streams.measure(directory / "streams")
    return report.Report(machine.description(), measured, figures)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="What a request costs, beside a bare Starlette route."
    )
    parser.add_argument(
        "--pending",
        type=int,
        default=PENDING,
        metavar="N",
        help=f"open requests that one of the polls is among (default {PENDING:,})",
    )
    parser.add_argument(
        "--streams", action="store_true", help="measure phones on event streams, and nothing else"
    )
    parser.add_argument(
        "--tenant",
        action="store_true",
        help="compare a large tenant with a small one instead; takes minutes to fill",
    )
    parser.add_argument(
        "--tenant-clients",
        type=int,
        default=tenant.LARGE.clients,
        metavar="N",
        help=f"clients of the large one (default {tenant.LARGE.clients:,})",
    )
    parser.add_argument(
        "--tenant-users",
        type=int,
        default=tenant.LARGE.users,
        metavar="N",
        help=f"users of the large one (default {tenant.LARGE.users:,})",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    arguments = parser.parse_args()
    if arguments.pending < endpoints.FEW_PENDING:
        parser.error(f"--pending: at least {endpoints.FEW_PENDING}")
    large, small = Size(arguments.tenant_clients, arguments.tenant_users), tenant.SMALL
    if large.clients < small.clients or large.users < small.users:
        parser.error(f"--tenant-clients, --tenant-users: at least {small.clients}, {small.users}")
    with (
        tempfile.TemporaryDirectory(prefix="nod-bench-") as directory,
        asyncio.Runner(loop_factory=_loop_factory()) as runner,
    ):
        path = Path(directory)
        if arguments.streams:
            run = _run_streams(path)
        else:
            run = _run_tenant(large, path) if arguments.tenant else _run(arguments.pending, path)
        measured = runner.run(run)
    print(report.text(measured), end="")
    if arguments.json is not None:
        arguments.json.write_bytes(report.as_json(measured))
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not there on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
