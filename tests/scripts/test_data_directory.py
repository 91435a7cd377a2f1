"""One run holds the directory, and what is written there is its owner's alone."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import data_directory
from scripts.data_directory import DirectoryHeldError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_may_look_into_it(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "data"

    data_directory.make(directory)

    assert mode(directory) == 0o700


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    """The operator may have named one that others need, the home directory for one."""
    tmp_path.chmod(0o755)

    data_directory.make(tmp_path)

    assert mode(tmp_path) == 0o755


def test_a_second_run_is_refused_at_once_and_told_who_holds_it(tmp_path: Path) -> None:
    with (
        data_directory.hold(tmp_path),
        pytest.raises(DirectoryHeldError, match=rf"another run \(process {os.getpid()}\)"),
    ):
        data_directory.hold(tmp_path)


def test_it_is_free_again_after_the_run(tmp_path: Path) -> None:
    data_directory.hold(tmp_path).close()

    data_directory.hold(tmp_path).close()


def test_processes_left_by_a_killed_run_are_waited_for(tmp_path: Path) -> None:
    """A server that inherited the lock may still be writing when its supervisor is gone."""
    holder = (
        "import pathlib, subprocess, sys\n"
        "from scripts import data_directory\n"
        "lock = data_directory.hold(pathlib.Path(sys.argv[1]))\n"
        "left = subprocess.Popen(['sleep', sys.argv[2]], pass_fds=[lock.fileno()])\n"
        "print('held', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path), "0.3"], stdout=subprocess.PIPE
    ) as process:
        assert process.wait(20) == 0

    with pytest.raises(DirectoryHeldError):
        data_directory.hold(tmp_path, wait_seconds=0)
    data_directory.hold(tmp_path).close()


def test_a_private_file_is_replaced_whole_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"

    data_directory.write_json(path, {"secret": 1})
    data_directory.write_json(path, {"secret": 2})

    assert data_directory.read_json(path) == {"secret": 2}
    assert mode(path) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret.json"]


def test_a_file_that_was_never_written_reads_as_none(tmp_path: Path) -> None:
    assert data_directory.read_json(tmp_path / "absent.json") is None
