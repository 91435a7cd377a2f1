"""
Fails when a lock does not give what `pyproject.toml` asks for.

    python -m scripts.locks

The locks are made by the command that stands at the top of each.
"""

import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent


def unsatisfied(requirements: list[str], lock: str) -> list[str]:
    """The requirements that the text of a lock does not meet."""
    locked = {
        canonicalize_name(name): Version(version)
        for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE)
    }
    return [text for text in requirements if not _met(Requirement(text), locked)]


def _met(requirement: Requirement, locked: Mapping[NormalizedName, Version]) -> bool:
    version = locked.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version)


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    runtime = project["dependencies"]
    everything = [*runtime, *project["optional-dependencies"]["dev"]]
    complaints = [
        f"{name} does not satisfy {requirement}: make it anew with the command at its top"
        for name, requirements in (
            ("requirements.lock", runtime),
            ("tests/requirements.lock", everything),
        )
        for requirement in unsatisfied(requirements, (ROOT / name).read_text(encoding="utf-8"))
    ]
    print("\n".join(complaints), file=sys.stderr, end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
