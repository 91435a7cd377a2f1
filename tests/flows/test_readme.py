"""The lines a newcomer pastes from README.md work as printed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.nod import BOOTSTRAP, ROOT, Nod

BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


@pytest.mark.xdist_group("own_nod")
def test_every_line_of_the_readme_works(own_nod: Nod, tmp_path: Path) -> None:
    """
    All its blocks in one shell that ends at the first failure.

    Only what differs is changed: where the server is, the credentials' file, and the interpreter
    that already has the libraries.
    """
    nod = own_nod  # the lines change the tenant
    (tmp_path / ".nod").mkdir()
    bootstrap = dict(zip(("client_id", "client_secret"), BOOTSTRAP, strict=True))
    (tmp_path / ".nod" / "bootstrap.json").write_text(json.dumps(bootstrap))
    (tmp_path / ".nod" / "double.json").write_text(json.dumps({"url": nod.fcm_url}))
    blocks = BLOCK.findall((ROOT / "README.md").read_text())
    script = (
        "".join(blocks)
        .replace("NOD=http://127.0.0.1:8000", f"NOD={nod.url.rstrip('/')}")
        .replace("./scripts/phone", f"{sys.executable} -m scripts.phone_terminal")
    )
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "NOD_PORT": str(nod.port),
    }

    shell = subprocess.run(
        ["bash", "-eu", "-c", script],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert shell.returncode == 0, shell.stdout + shell.stderr
    assert len(blocks) == 6
    assert '"access_token"' in shell.stdout
    assert "approved" in shell.stdout
    assert "nod_requests_total" in shell.stdout
