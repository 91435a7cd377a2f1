"""CPU time of another process is read, and a process that does not come up is told with its log."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from scripts.benchmark import machine

BUSY = (
    "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ntime.sleep(60)"
)


def test_the_cpu_time_of_a_process_is_what_it_says_itself(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with machine.running([sys.executable, "-c", BUSY], os.environ, log, core=None) as pid:
        deadline = time.monotonic() + 20
        while "done" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert 0.3 <= machine.cpu_seconds(pid) < 1.0


def test_a_process_that_ends_before_it_listens_is_told_with_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such setting')"]
    with (
        pytest.raises(machine.EndedError, match="no such setting"),
        machine.running(command, os.environ, tmp_path / "log", core=0, port=1),
    ):
        pytest.fail("it never listened")


def test_a_process_is_ended_with_its_context_even_when_it_is_held(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with machine.running(command, os.environ, tmp_path / "log", core=0) as pid:
        os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
