"""
Ties a process to the one that started it: when the starter goes, however it goes, so does it.

    python -I scripts/leash.py GRACE_SECONDS COMMAND [ARGUMENT ...]

Standard input must be a pipe whose other end the starter holds and never writes to. This
process becomes COMMAND, so that its pid, its signals and its exit code are the command's own;
a small fork stays behind as its child and watches the pipe. `kill -9` of the starter closes the
pipe on every system alike, which `prctl(PR_SET_PDEATHSIG)` offers on Linux only. Knows nothing
of Nod, and imports little, for one stands beside every process.
"""

import os
import select
import signal
import sys


def main(arguments: list[str]) -> None:
    grace_seconds, command = float(arguments[0]), arguments[1:]
    starter = os.dup(sys.stdin.fileno())
    # Held open by the command alone: its end is known without polling, and without trusting a
    # pid that may have been given to another process since.
    command_alive, held_by_command = os.pipe()
    server = os.getpid()
    if os.fork() == 0:
        os.close(held_by_command)
        watch(server, starter, command_alive, grace_seconds)
        os._exit(0)
    os.close(starter)
    os.close(command_alive)
    os.set_inheritable(held_by_command, True)  # noqa: FBT003
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    os.execvp(command[0], command)  # noqa: S606


def watch(server: int, starter: int, command_alive: int, grace_seconds: float) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ended, _, _ = select.select([starter, command_alive], [], [])
    if command_alive in ended:
        return
    os.kill(server, signal.SIGTERM)
    ended, _, _ = select.select([command_alive], [], [], grace_seconds)
    if not ended:
        os.kill(server, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
