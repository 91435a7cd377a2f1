"""
Keeps programs alive and ends them together.

Each program runs on a leash (`scripts/leash.py`) in a session of its own, so that Ctrl-C reaches
the supervisor alone and it decides the order of the end: last started, first stopped. Knows
processes and nothing of what they are for.
"""

import asyncio
import contextlib
import dataclasses
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

GRACE_SECONDS = 12.0  # the API may be ending long polls; what is left after it is killed
BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
STEADY_SECONDS = 10.0  # a program that lived this long starts the back-off anew

_LEASH = Path(__file__).with_name("leash.py")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    cwd: Path | None = None
    once: bool = False  # it may end: it is not started again
    stdout: int | None = None  # a file descriptor; where its log goes unless given
    inherited: tuple[int, ...] = ()  # file descriptors it keeps open while it lives


class Supervisor:
    """Start programs in the order in which they need each other; `stop` ends all of them.

    `say` is told one line for each program that ended by itself. `refused` is the first of those
    lines about an exit code other than zero: before all is ready it means that the start failed.
    `log` is the descriptor that the programs write to, standard error unless given.
    """

    def __init__(self, say: Callable[[str], None], log: int | None = None) -> None:
        self._say = say
        self._log = sys.stderr.fileno() if log is None else log
        self._groups: list[list[asyncio.Task[None]]] = []
        self.refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def start(self, *programs: Program) -> None:
        """Start a group: programs that do not need each other and are stopped at once."""
        self._groups.append([asyncio.create_task(self._keep(program)) for program in programs])

    async def stop(self) -> None:
        """End every program, the last group first; returns when none is left."""
        while self._groups:
            group = self._groups.pop()
            for keeper in group:
                keeper.cancel()
            await asyncio.gather(*group, return_exceptions=True)

    async def _keep(self, program: Program) -> None:
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            started = clock()
            story = await self._life(program)
            if program.once:
                return
            if clock() - started >= STEADY_SECONDS:
                failures = 0
            wait_seconds = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
            failures += 1
            self._say(f"{story}; starting it again in {wait_seconds:g} s")
            await asyncio.sleep(wait_seconds)

    async def _life(self, program: Program) -> str:
        """Run the program to its end, which is ours when this is cancelled; how it ended."""
        try:
            process = await _spawn(program, self._log)
        except OSError as error:  # no memory or no process left now does not mean never
            return f"{program.name} could not be started: {error}"
        try:
            returncode = await process.wait()
        finally:
            await _end(process)
        story = f"{program.name} (pid {process.pid}) ended with {described(returncode)}"
        if returncode > 0 and not self.refused.done():
            self.refused.set_result(story)
        return story


def described(returncode: int) -> str:
    """An exit status in words; negative is a signal, as in `subprocess`."""
    if returncode >= 0:
        return f"exit code {returncode}"
    names = {number.value: number.name for number in signal.Signals}
    return f"signal {names.get(-returncode, -returncode)}"


async def _spawn(program: Program, log: int) -> asyncio.subprocess.Process:
    leash = (sys.executable, "-I", str(_LEASH), str(GRACE_SECONDS))
    return await asyncio.create_subprocess_exec(
        *leash,
        *program.command,
        stdin=subprocess.PIPE,
        stdout=log if program.stdout is None else program.stdout,
        stderr=log,
        env=dict(program.environ),
        cwd=program.cwd,
        pass_fds=program.inherited,
        start_new_session=True,
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended by itself
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), GRACE_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
