"""
The commands make their environment once, install only what changed, and say what is missing on
a machine that cannot. Python and pip are stand-ins that write down what they were asked.
"""

import os
import subprocess
from pathlib import Path

import pytest

from scripts import locks

SCRIPT = locks.ROOT / "scripts" / "environment.sh"
LOCK = "tests/requirements.lock"

# `-c` is the question whether it is new enough and complete; `-m` is venv or pip.
PYTHON = """#!/bin/sh
case "$1 $2" in
  "-c import ensurepip, venv") exit {ensurepip} ;;
  "-c import sys; print"*) echo 3.11 ;;
  "-c "*) exit {new_enough} ;;
  "-m venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo made >> record ;;
  "-m pip") echo "pip $*" >> record; exit {pip} ;;
  *) echo Python 3.11.7 ;;
esac
"""


class Machine:
    """A checkout on a machine whose PATH has a shell's tools and the Pythons written to it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bin = directory / "bin"
        self.bin.mkdir()
        (directory / "tests").mkdir()
        self.lock("a==1 \\\nb==2 \\\n")
        for tool in ("mkdir", "cp", "cmp", "grep", "tr", "sh"):
            for place in os.defpath.split(":"):
                if (Path(place) / tool).exists():
                    (self.bin / tool).symlink_to(Path(place) / tool)
                    break

    def lock(self, text: str) -> None:
        (self.directory / LOCK).write_text(text)

    def python(self, path: Path, *, ensurepip: int = 0, new_enough: int = 0, pip: int = 0) -> None:
        path.write_text(PYTHON.format(ensurepip=ensurepip, new_enough=new_enough, pip=pip))
        path.chmod(0o755)

    def environment(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-euc", f'. "{SCRIPT}"; environment {LOCK}'],
            cwd=self.directory,
            env={"PATH": str(self.bin)},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def record(self) -> list[str]:
        return (self.directory / "record").read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_is_made_once_and_filled_from_the_lock_with_hashes(machine: Machine) -> None:
    machine.python(machine.bin / "python3.12")

    first, second = machine.environment(), machine.environment()

    assert first.stderr.splitlines() == [
        "making .venv with Python 3.11.7",
        "installing 2 packages into .venv (about 20 s)...",
    ]
    assert (second.returncode, second.stderr) == (0, "")
    made, installed = machine.record
    assert made == "made"
    assert "--require-hashes" in installed
    assert installed.endswith(f"-r {LOCK}")


def test_a_changed_lock_is_installed_into_the_same_environment(machine: Machine) -> None:
    machine.python(machine.bin / "python3")
    machine.environment()
    machine.lock("a==1 \\\nb==3 \\\n")

    assert machine.environment().stderr == "installing 2 packages into .venv (about 20 s)...\n"
    assert [line.split()[0] for line in machine.record] == ["made", "pip", "pip"]


def test_an_installation_that_failed_is_tried_again(machine: Machine) -> None:
    machine.python(machine.bin / "python3", pip=1)
    assert machine.environment().returncode != 0

    machine.python(machine.directory / ".venv" / "bin" / "python")
    assert machine.environment().returncode == 0
    assert [line.split()[0] for line in machine.record] == ["made", "pip", "pip"]


def test_an_environment_whose_python_has_gone_is_made_anew(machine: Machine) -> None:
    machine.python(machine.bin / "python3")
    machine.environment()
    machine.python(machine.directory / ".venv" / "bin" / "python", new_enough=1)

    assert "making .venv" in machine.environment().stderr


def test_an_old_python_is_passed_over(machine: Machine) -> None:
    machine.python(machine.bin / "python3.13", new_enough=1)
    machine.python(machine.bin / "python3")

    assert machine.environment().returncode == 0


def test_a_machine_without_a_new_enough_python_is_told(machine: Machine) -> None:
    machine.python(machine.bin / "python3", new_enough=1)

    refused = machine.environment()

    assert refused.returncode == 1
    assert refused.stderr == "Nod needs Python 3.11 or newer, and there is none on the PATH.\n"


def test_a_debian_without_its_venv_package_is_told_which_to_install(machine: Machine) -> None:
    machine.python(machine.bin / "python3", ensurepip=1)

    refused = machine.environment()

    assert refused.returncode == 1
    assert "sudo apt install python3.11-venv" in refused.stderr
    assert not (machine.directory / ".venv").exists()
