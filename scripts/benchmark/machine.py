"""
Processes of their own, on cores of their own, and the CPU time they used.

Where the operating system lets us choose (Linux) the server under test has a core to itself and
everything else another.
"""

import contextlib
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 15.0
_CPUCLOCK_SCHED = 2
_CORES = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


def description() -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def use_core(pid: int, number: int | None) -> None:
    """Keep a process on the nth of the cores we were given; on all of them for None."""
    if sys.platform == "linux":
        chosen = _CORES if number is None else [_CORES[number % len(_CORES)]]
        os.sched_setaffinity(pid, chosen)


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process so far."""
    if sys.platform == "linux":
        # clock_getcpuclockid(3): the clock of a process is made from its pid; nanoseconds, where
        # /proc/PID/stat has hundredths of a second.
        seconds = time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    else:
        seconds = _cpu_seconds_shown_by_ps(pid)
    return seconds


def _cpu_seconds_shown_by_ps(pid: int) -> float:
    command = ["ps", "-o", "time=", "-p", str(pid)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    seconds = 0.0
    for part in shown.split(":"):  # minutes and seconds, and hours before them when there are any
        seconds = seconds * 60 + float(part)
    return seconds


@contextlib.contextmanager
def running(
    command: Sequence[str],
    environ: Mapping[str, str],
    log: Path,
    *,
    core: int | None,
    cwd: Path | None = None,
    port: int | None = None,
) -> Iterator[int]:
    """
    A process for as long as the context lasts, which begins when it listens on its port, if it
    has one; its value is the pid. Raises EndedError.
    """
    with log.open("ab") as file:
        process = subprocess.Popen(command, env=environ, cwd=cwd or ROOT, stdout=file, stderr=file)
    try:
        use_core(process.pid, core)
        deadline = time.monotonic() + START_SECONDS
        while port is not None and not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise EndedError(f"{' '.join(command)} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.02)
        yield process.pid
    finally:
        process.send_signal(signal.SIGCONT)  # it may be held
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class EndedError(Exception):
    """A process did not come up; the text has the end of its log."""


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return False
    return True


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]
