"""Where the Chromium of the tests comes from, on machines made of stand-ins."""

import os
from pathlib import Path

import pytest

from scripts import chromium


def a_program(path: Path, body: str = "") -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A root's, with nothing on the PATH and no applications of macOS."""
    monkeypatch.setattr(chromium, "MACOS", ())
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return {"PATH": str(tmp_path)}


def test_one_on_the_path_is_taken(machine: dict[str, str], tmp_path: Path) -> None:
    a_program(tmp_path / "google-chrome")
    found = a_program(tmp_path / "chromium")

    assert chromium.executable(machine) == str(found)


def test_the_one_that_is_named_is_the_one(machine: dict[str, str], tmp_path: Path) -> None:
    a_program(tmp_path / "chromium")
    own = a_program(tmp_path / "my-own")

    assert chromium.executable(machine | {"CHROMIUM": str(own)}) == str(own)
    assert chromium.executable(machine | {"CHROMIUM": str(tmp_path / "not-there")}) is None


def test_root_has_it_installed_by_debians_package(
    machine: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = f'/bin/cp "$0" {tmp_path}/chromium'
    a_program(tmp_path / "apt-get", f'echo "$*" >> {tmp_path}/record; echo noise; {made}')

    assert chromium.main(machine) == 0

    update, install = (tmp_path / "record").read_text().splitlines()
    assert update == "update -qq"
    assert install.endswith("--yes --no-install-recommends chromium fonts-ipafont-gothic")
    assert capfd.readouterr().out == f"{tmp_path}/chromium\n"


def test_a_machine_that_has_one_installs_nothing(machine: dict[str, str], tmp_path: Path) -> None:
    a_program(tmp_path / "apt-get", f"echo called >> {tmp_path}/record")
    a_program(tmp_path / "chromium")

    assert chromium.main(machine) == 0
    assert not (tmp_path / "record").exists()


@pytest.mark.parametrize("why", ["no_root", "named", "apt_get_fails"])
def test_where_it_cannot_be_had_a_person_is_told_what_to_install(
    machine: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    why: str,
) -> None:
    a_program(tmp_path / "apt-get", f"echo called >> {tmp_path}/record; exit 100")
    if why == "no_root":
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    if why == "named":
        machine["CHROMIUM"] = "a-chromium-that-is-not-there"

    assert chromium.main(machine) == 1

    said = capfd.readouterr()
    assert said.out == ""
    assert "sudo apt-get install chromium" in said.err
    assert (tmp_path / "record").exists() == (why == "apt_get_fails")
