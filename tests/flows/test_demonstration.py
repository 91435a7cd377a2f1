"""
`scripts/run` as a newcomer meets it: the real API, worker, Redis and double, and one request
played against them from its start to its tokens.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from scripts import locks
from scripts.embedded_redis import free_port


def played(data_dir: Path) -> str:
    """The story of one run, from its start to the end of the demonstration."""
    settings = {
        "NOD_PORT": str(free_port()),
        "NOD_DATA_DIR": str(data_dir),
        "NOD_POLL_INTERVAL_SECONDS": "1",
    }
    with (
        (data_dir.parent / "stderr").open("a+") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "scripts.run_all"],
            cwd=locks.ROOT,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        story = ""
        for line in process.stdout:
            story += line
            if "demonstration stopped" in line or "admin ask you@example.com" in line:
                break
        process.send_signal(signal.SIGTERM)
        story += process.stdout.read()
        code = process.wait(20)
        errors.seek(0)
        assert code == 0, story + errors.read()
    return story


def test_it_plays_a_request_to_its_tokens_and_plays_it_again_on_the_same_stage(
    tmp_path: Path,
) -> None:
    first, second = played(tmp_path / "data"), played(tmp_path / "data")

    for story in (first, second):
        steps = [
            "POST /bc-authorize",
            "400 authorization_pending",
            "the phone is rung",
            "'Demo 4711: approve me'",
            "the phone approves",
            "POST /oauth/token -> 200 OK",
            '"at_hash"',
            "done",
            "curl -s http://127.0.0.1:",
            "./scripts/phone",
            "authenticator#ticket=",
            'admin ask you@example.com "Pay 10 to Example Shop"',
        ]
        places = [story.find(step) for step in steps]
        assert -1 not in places, story
        assert places == sorted(places), story
    assert "a user and a client are made" in first
    assert "a phone enrols" in first
    assert "a user and a client are made" not in second
    assert "a phone enrols" not in second
