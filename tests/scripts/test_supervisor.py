"""What dies is started again, and all of it ends together."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from scripts import supervisor
from scripts.supervisor import Program, Supervisor, described

# Appends its pid to a file, then lives until a signal, or ends at once with the given code.
RECORDER = """
import os, sys, time
with open(sys.argv[1], "a") as file:
    file.write(f"{sys.argv[2]} {os.getpid()}\\n")
if len(sys.argv) > 3:
    sys.exit(int(sys.argv[3]))
time.sleep(60)
"""


class Stage:
    """Programs that write their names and pids down, and what the supervisor said of them."""

    def __init__(self, path: Path) -> None:
        self.record = path / "record"
        self.record.touch()
        self.said: list[str] = []

    def program(self, name: str, *exit_code: str, once: bool = False) -> Program:
        command = (sys.executable, "-c", RECORDER, str(self.record), name, *exit_code)
        return Program(name=name, command=command, environ=os.environ, once=once)

    def lives(self) -> list[tuple[str, int]]:
        lines = self.record.read_text().splitlines()
        return [(name, int(pid)) for name, pid in (line.split() for line in lines)]

    async def until_lives(self, count: int) -> list[tuple[str, int]]:
        async with asyncio.timeout(20):
            while len(self.lives()) < count:  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)
        return self.lives()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def supervised(stage: Stage, play: Callable[[Supervisor], Awaitable[None]]) -> None:
    async def run() -> None:
        keeper = Supervisor(stage.said.append)
        try:
            await play(keeper)
        finally:
            await keeper.stop()

    asyncio.run(run())


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_program_killed_with_signal_9_is_started_again_and_one_line_says_so(
    stage: Stage,
) -> None:
    async def play(keeper: Supervisor) -> None:
        keeper.start(stage.program("api"))
        [(_, first)] = await stage.until_lives(1)
        os.kill(first, signal.SIGKILL)
        await stage.until_lives(2)
        assert stage.said == [
            f"api (pid {first}) ended with signal SIGKILL; starting it again in 0 s"
        ]
        assert not keeper.refused.done()

    supervised(stage, play)


def test_a_program_that_keeps_dying_is_started_less_and_less_often(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "BACKOFF_SECONDS", (0.0, 0.01, 0.02))

    async def play(keeper: Supervisor) -> None:
        keeper.start(stage.program("worker", "3"))
        await stage.until_lives(5)
        assert (await keeper.refused).endswith("ended with exit code 3")

    supervised(stage, play)
    assert [line.rsplit(" in ")[-1] for line in stage.said[:4]] == [
        "0 s",
        "0.01 s",
        "0.02 s",
        "0.02 s",
    ]


def test_a_program_that_lived_long_enough_is_started_again_at_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STEADY_SECONDS", 0.0)

    async def play(keeper: Supervisor) -> None:
        keeper.start(stage.program("worker", "1"))
        await stage.until_lives(3)

    supervised(stage, play)
    assert all(line.endswith("in 0 s") for line in stage.said)


def test_a_program_that_runs_once_is_left_at_its_end(stage: Stage) -> None:
    async def play(keeper: Supervisor) -> None:
        keeper.start(stage.program("story", "2", once=True))
        assert (await keeper.refused).startswith("story")

    supervised(stage, play)
    assert len(stage.lives()) == 1


def test_stopping_ends_every_program_the_last_started_first(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    end = supervisor._end  # noqa: SLF001

    async def recorded(process: asyncio.subprocess.Process) -> None:
        await end(process)
        ended.append(process.pid)

    monkeypatch.setattr(supervisor, "_end", recorded)

    async def play(keeper: Supervisor) -> None:
        keeper.start(stage.program("redis"))
        await stage.until_lives(1)
        keeper.start(stage.program("api"), stage.program("worker"))
        await stage.until_lives(3)

    supervised(stage, play)
    redis, *others = [pid for _, pid in stage.lives()]
    assert ended[-1] == redis
    assert sorted(ended[:2]) == sorted(others)
    assert not any(alive(pid) for pid in ended)


def test_a_program_that_ignores_the_request_is_killed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 0.1)
    deaf = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{RECORDER}"
    command = (sys.executable, "-c", deaf, str(stage.record), "deaf")

    async def play(keeper: Supervisor) -> None:
        keeper.start(Program(name="deaf", command=command, environ=os.environ))
        await stage.until_lives(1)

    supervised(stage, play)
    [(_, pid)] = stage.lives()
    assert not alive(pid)


def test_a_system_that_cannot_start_a_process_now_is_asked_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn = supervisor._spawn  # noqa: SLF001
    refusals = [BlockingIOError("no more processes")]

    async def scarce(program: Program, log: int) -> asyncio.subprocess.Process:
        if refusals:
            raise refusals.pop()
        return await spawn(program, log)

    monkeypatch.setattr(supervisor, "_spawn", scarce)

    async def play(keeper: Supervisor) -> None:
        keeper.start(stage.program("api"))
        await stage.until_lives(1)

    supervised(stage, play)
    assert stage.said == ["api could not be started: no more processes; starting it again in 0 s"]


def test_an_end_is_told_in_words() -> None:
    assert described(3) == "exit code 3"
    assert described(-signal.SIGSEGV) == "signal SIGSEGV"
    assert described(-60) == "signal 60"
