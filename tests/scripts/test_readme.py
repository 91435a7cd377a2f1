"""What the README says of settings and states is drawn from them."""

import dataclasses
from pathlib import Path

import pytest

from consent.lifecycle import TRANSITIONS
from consent.settings import Settings
from scripts import readme

EMPTY = (
    "# Nod\n<!-- settings -->\nas it was\n<!-- /settings -->\nprose\n"
    "<!-- lifecycle -->\n<!-- /lifecycle -->\n"
)


def test_every_setting_has_its_line() -> None:
    table = readme.settings_table()

    for field in dataclasses.fields(Settings):
        assert f"| `NOD_{field.name.upper()}` | " in table
    assert "| `NOD_PORT` | `8000` | port the API listens on |" in table
    assert "| `NOD_DEMO` | `1` |" in table
    assert "| `NOD_SECRET_KEY` | generated into `NOD_DATA_DIR` |" in table


def test_every_transition_is_an_arrow() -> None:
    diagram = readme.lifecycle_diagram()

    for state, row in TRANSITIONS.items():
        for after in row.values():
            assert f"    {state} --> {after}: " in diagram
    assert "    redeemed --> [*]" in diagram


def test_the_parts_are_replaced_and_the_prose_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "README.md"
    path.write_text(EMPTY)
    monkeypatch.setattr(readme, "README", path)

    assert readme.main(["--check"]) == 1
    assert "run ./scripts/lint" in capsys.readouterr().err
    assert readme.main([]) == 0
    assert readme.main(["--check"]) == 0
    text = path.read_text()
    assert text.startswith("# Nod\n<!-- settings -->\n| variable |")
    assert "\n<!-- /settings -->\nprose\n<!-- lifecycle -->\n```mermaid\n" in text
    assert "as it was" not in text


def test_a_readme_without_a_part_is_refused() -> None:
    with pytest.raises(readme.PartMissingError, match="settings"):
        readme.drawn("# Nod\n")
