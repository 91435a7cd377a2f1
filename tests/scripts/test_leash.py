"""A leashed process ends with its starter, and is otherwise as if it had been started alone."""

import os
import signal
import subprocess
import sys
import time

import scripts.leash

LEASH = [sys.executable, "-I", scripts.leash.__file__]

# Says when it is there, then ends on SIGTERM, or only says so if it is stubborn.
SERVER = """
import signal, sys, time
stubborn = len(sys.argv) > 1
signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True) if stubborn else sys.exit(7))
print("up", flush=True)
while True:
    time.sleep(60)
"""


def leashed(*arguments: str, grace_seconds: float = 10) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*LEASH, str(grace_seconds), sys.executable, "-c", SERVER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_end_of_the_pipe_ends_the_process() -> None:
    with leashed() as process:
        assert line(process) == "up"

        assert process.stdin is not None
        process.stdin.close()

        assert process.wait(10) == 7


def test_a_process_that_ignores_the_request_is_killed_after_the_grace() -> None:
    with leashed("stubborn", grace_seconds=0.2) as process:
        assert line(process) == "up"

        assert process.stdin is not None
        process.stdin.close()

        assert line(process) == "asked"
        assert process.wait(10) == -signal.SIGKILL


def test_signals_and_exit_codes_are_those_of_the_command() -> None:
    with leashed() as process:
        assert line(process) == "up"
        process.terminate()
        assert process.wait(10) == 7
    with leashed() as process:
        assert line(process) == "up"
        process.kill()
        assert process.wait(10) == -signal.SIGKILL


def test_kill_9_of_the_starter_ends_the_process() -> None:
    """The case that no exit handler of the starter can serve."""
    starter_code = (
        "import subprocess, sys, time\n"
        "process = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)\n"
        "time.sleep(60)\n"
    )
    command = [*LEASH, "10", sys.executable, "-c", SERVER]
    with subprocess.Popen(
        [sys.executable, "-c", starter_code, *command], stdout=subprocess.PIPE, text=True
    ) as starter:
        assert line(starter) == "up"

        starter.kill()

        # The command and its watcher hold the pipe: it ends when both have.
        assert starter.stdout is not None
        assert starter.stdout.read() == ""


def test_nothing_is_left_behind_when_the_command_ends_first() -> None:
    """The watcher goes too, though its starter lives on; it held the output open until then."""
    reader, writer = os.pipe()
    with subprocess.Popen([*LEASH, "10", "true"], stdin=subprocess.PIPE, stdout=writer) as process:
        os.close(writer)
        assert process.wait(10) == 0
        started = time.monotonic()
        with os.fdopen(reader) as output:
            assert output.read() == ""
        assert time.monotonic() - started < 5
