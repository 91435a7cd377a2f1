"""`scripts/bench`: one run, one table."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from scripts.benchmark import carrying, endpoints, holding, machine, memory, report

PENDING = 200_000


async def _run(pending: int, directory: Path) -> report.Report:
    def say(what: str) -> None:
        print(f"measuring {what}...", file=sys.stderr, flush=True)

    machine.use_core(os.getpid(), 1)
    say(f"endpoints, one of them among {pending:,} pending requests")
    measured = await endpoints.measure(directory / "endpoints", pending)
    say("memory")
    figures = await memory.measure(directory / "memory")
    say("what a worker carries")
    figures += await carrying.measure(directory / "carrying")
    say("held polls")
    figures += await holding.measure(directory / "holding")
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
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    arguments = parser.parse_args()
    if arguments.pending < endpoints.FEW_PENDING:
        parser.error(f"--pending: at least {endpoints.FEW_PENDING}")
    with (
        tempfile.TemporaryDirectory(prefix="nod-bench-") as directory,
        asyncio.Runner(loop_factory=_loop_factory()) as runner,
    ):
        measured = runner.run(_run(arguments.pending, Path(directory)))
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
