"""
The directory `NOD_DATA_DIR` as the commands beside this file use it: who holds it, and small JSON
files that only their owner may read.
"""

import fcntl
import json
import os
import secrets
import time
from pathlib import Path
from typing import IO, Any

PREVIOUS_RUN_SECONDS = 15.0  # what a killed run's processes may need to end (supervisor's grace)


class DirectoryHeldError(Exception):
    """Another run uses the directory; the text says which."""


def make(directory: Path) -> None:
    """Its owner's alone where it is made here; one that is there is the operator's to guard."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def hold(directory: Path, wait_seconds: float = PREVIOUS_RUN_SECONDS) -> IO[str]:
    """Take the directory for this process and all that inherit the returned open file.

    Two servers appending to one file would ruin it. Processes of a run whose supervisor was
    killed end within its grace and are waited for; a run that lives is refused at once.
    """
    lock = (directory / "lock").open("a+", encoding="ascii")
    deadline = time.monotonic() + wait_seconds
    while not _locked(lock):
        lock.seek(0)
        holder = lock.read().strip()
        if _runs(holder) or time.monotonic() > deadline:
            lock.close()
            raise DirectoryHeldError(f"{directory} is in use by another run (process {holder})")
        time.sleep(0.05)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _runs(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, ValueError):
        return False
    return True


def read_json(path: Path) -> Any | None:  # noqa: ANN401
    """What `write_json` left there; None when there is nothing."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def write_json(path: Path, value: object) -> None:
    write_private(path, json.dumps(value, indent=1))


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step; it is never readable by others, nor half written."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)
