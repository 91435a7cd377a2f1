"""The secret key of an installation that was given none."""

import concurrent.futures
import stat
from pathlib import Path

import pytest

from consent.settings import SettingsError, load
from consent.store.secret_key import secret_key


def test_a_given_key_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    environ = {"NOD_SECRET_KEY": "k" * 32, "NOD_DATA_DIR": str(tmp_path / "data")}

    assert secret_key(load(environ)) == "k" * 32
    assert not (tmp_path / "data").exists()


def test_a_key_is_made_once_and_readable_to_its_owner_alone(tmp_path: Path) -> None:
    settings = load({"NOD_DATA_DIR": str(tmp_path / "data")})

    key = secret_key(settings)

    assert len(key) >= 64
    assert secret_key(settings) == key
    [file] = (tmp_path / "data").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    """Whole or not at all: nobody reads half a key, and no draft is left behind."""
    settings = load({"NOD_DATA_DIR": str(tmp_path / "data")})

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: secret_key(settings), range(64)))

    assert len(keys) == 1
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["secret.key"]


def test_a_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SettingsError, match=r"^NOD_DATA_DIR: "):
        secret_key(load({"NOD_DATA_DIR": str(tmp_path / "file" / "data")}))
