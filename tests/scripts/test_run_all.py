"""
`scripts/run` as a whole: real Redis, real supervisor, and in place of the API and the worker two
programs of a few lines, for what is tested is that they are kept, and ended, together.
"""

import asyncio
import http.server
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from redis import Redis

from consent.settings import Settings, load
from scripts import data_directory, embedded_redis, run_all
from scripts.embedded_redis import free_port

ROOT = Path(run_all.__file__).parent.parent

# Answers any GET with its pid and the environment it was given.
API = """
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"pid": os.getpid(), **os.environ}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["NOD_PORT"])), Handler).serve_forever()
"""
WORKER = "import time\ntime.sleep(600)\n"


class Stage:
    """A directory in which `api` and `workers` are the two stand-ins."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/readyz"
        self.write("api", API)
        self.write("workers", WORKER)

    def write(self, package: str, code: str) -> None:
        (self.directory / package).mkdir(exist_ok=True)
        (self.directory / package / "__init__.py").touch()
        (self.directory / package / "__main__.py").write_text(code)

    @contextmanager
    def run(self, **environ: str) -> Iterator[subprocess.Popen[str]]:
        """The supervisor, its standard error in a file: every child of it has that one too."""
        settings = {"NOD_PORT": str(self.port), "NOD_DEMO": "0", **environ}
        with (
            (self.directory / "stderr").open("w") as errors,
            subprocess.Popen(
                [sys.executable, "-m", "scripts.run_all"],
                cwd=self.directory,
                env={**os.environ, "PYTHONPATH": str(ROOT), **settings},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            try:
                yield process
            finally:
                process.terminate()

    @contextmanager
    def ready(self, **environ: str) -> Iterator[subprocess.Popen[str]]:
        with self.run(**environ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("Nod is ready"):
                    break
            else:
                pytest.fail(self.errors)
            yield process

    @property
    def errors(self) -> str:
        return (self.directory / "stderr").read_text()

    def api(self) -> dict[str, str]:
        """What the API was given, asked of it once it answers."""
        deadline = time.monotonic() + 20
        while True:
            try:
                environ: dict[str, str] = httpx2.get(self.url, trust_env=False).json()
            except httpx2.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return environ


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def ended(stage: Stage, process: subprocess.Popen[str]) -> int:
    """Wait until no process of the run is left: each of them holds the lock of the directory."""
    returncode = process.wait(20)
    data_directory.hold(stage.directory / ".nod").close()
    return returncode


def settings(directory: Path, **environ: str) -> Settings:
    return load({"NOD_DATA_DIR": str(directory), **environ})


def test_a_signal_ends_all_of_it_and_what_was_stored_is_there_the_next_time(stage: Stage) -> None:
    with stage.ready() as process:
        first = stage.api()
        with Redis.from_url(first["NOD_REDIS_URL"]) as redis:
            redis.set("consent", "pending")
        process.send_signal(signal.SIGINT)
        assert ended(stage, process) == 0
    with stage.ready():
        second = stage.api()
        with Redis.from_url(second["NOD_REDIS_URL"], decode_responses=True) as redis:
            assert redis.get("consent") == "pending"

    assert second["NOD_BOOTSTRAP_CLIENT_ID"] == first["NOD_BOOTSTRAP_CLIENT_ID"]
    assert second["NOD_BOOTSTRAP_CLIENT_SECRET"] == first["NOD_BOOTSTRAP_CLIENT_SECRET"]


def test_kill_9_of_the_supervisor_leaves_no_process_behind(stage: Stage) -> None:
    with stage.ready() as process:
        environ = stage.api()
        process.kill()
        ended(stage, process)

        for port in (stage.port, int(environ["NOD_REDIS_URL"].split(":")[3].split("/")[0])):
            with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
                probe.connect(("127.0.0.1", port))


def test_an_api_that_is_killed_is_back_and_finds_the_same_redis(stage: Stage) -> None:
    with stage.ready():
        first = stage.api()
        os.kill(int(first["pid"]), signal.SIGKILL)
        second = stage.api()

        assert second["pid"] != first["pid"]
        assert second["NOD_REDIS_URL"] == first["NOD_REDIS_URL"]
        assert f"api (pid {first['pid']}) ended with signal SIGKILL" in stage.errors


def test_an_api_that_ends_before_it_is_ready_ends_the_start(stage: Stage) -> None:
    stage.write("api", "import sys\nsys.exit('NOD_SECRET_KEY: not the one of this data')\n")
    with stage.run() as process:
        assert ended(stage, process) == 1
    assert "NOD_SECRET_KEY: not the one of this data" in stage.errors
    assert "ended with exit code 1; its reason is above" in stage.errors


def test_a_second_run_in_the_same_directory_is_refused(stage: Stage) -> None:
    with stage.ready() as first, stage.run() as second:
        assert second.wait(20) == 1
        assert f".nod is in use by another run (process {first.pid})" in stage.errors


def test_a_wrong_setting_is_named(stage: Stage) -> None:
    with stage.run(NOD_WORKERS="many") as process:
        assert process.wait(20) == 2
    assert stage.errors == "scripts/run: NOD_WORKERS: must be a whole number\n"


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(run_all.StartError, match=f"NOD_PORT: port {port} of 127.0.0.1 is"):
            run_all.refuse_taken_port(settings(tmp_path, NOD_PORT=str(port)))


def test_the_management_client_is_the_operators_if_one_is_set(tmp_path: Path) -> None:
    given = {"NOD_BOOTSTRAP_CLIENT_ID": "mine", "NOD_BOOTSTRAP_CLIENT_SECRET": "my secret"}
    environ = {**given, "NOD_REDIS_URL": "redis://redis.example", "NOD_DEMO": "0"}

    run = run_all.prepared(settings(tmp_path, **environ), environ, 0)

    assert run.environ == {**environ, "PYTHONUNBUFFERED": "1"}
    assert list(tmp_path.iterdir()) == []


def test_a_generated_management_client_is_kept_in_a_private_file(tmp_path: Path) -> None:
    client = run_all.bootstrap_client(settings(tmp_path))

    assert run_all.bootstrap_client(settings(tmp_path)) == client
    assert len(client["NOD_BOOTSTRAP_CLIENT_SECRET"]) >= 43
    assert stat.S_IMODE((tmp_path / "bootstrap.json").stat().st_mode) == 0o600


def test_pushes_go_to_a_double_only_where_no_provider_is_set(tmp_path: Path) -> None:
    key = tmp_path / "key.p8"
    key.touch()
    apns = {
        "NOD_APNS_KEY_FILE": str(key),
        "NOD_APNS_KEY_ID": "K",
        "NOD_APNS_TEAM_ID": "T",
        "NOD_APNS_TOPIC": "example.nod",
    }
    without = run_all.prepared(settings(tmp_path), {}, 0)
    recorded = json.loads((tmp_path / "double.json").read_text())
    beside = run_all.prepared(settings(tmp_path, **apns), apns, 0)

    assert without.environ["NOD_FCM_BASE_URL"] == without.double_url == recorded["url"]
    assert "NO REAL PHONE WILL RING" in run_all.banner(without)
    assert beside.double_url is None
    assert "NOD_FCM_BASE_URL" not in beside.environ
    assert not (tmp_path / "double.json").exists()


def test_a_stand_in_for_redis_is_said_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable = run_all.prepared(settings(tmp_path), {}, 0)
    monkeypatch.setattr(embedded_redis, "server_executable", lambda _: None)
    stand_in = run_all.prepared(settings(tmp_path), {}, 0)

    assert "NOT DURABLE" not in run_all.redis_line(durable)
    assert "NOT DURABLE" in run_all.redis_line(stand_in)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/"),
        ("0.0.0.0", "http://127.0.0.1:8000/"),
        ("::", "http://[::1]:8000/"),
        ("192.0.2.7", "http://192.0.2.7:8000/"),
    ],
)
def test_readiness_is_asked_where_the_api_listens(tmp_path: Path, host: str, url: str) -> None:
    environ = {"NOD_HOST": host, "NOD_ISSUER": "https://nod.example/"}

    assert run_all.local_url(settings(tmp_path, **environ)) == url


class Unready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"worker":"none alive"}'
        self.send_response(503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_what_never_becomes_ready_is_given_up_with_its_last_words() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Unready) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/readyz"
        with pytest.raises(run_all.StartError, match=r"503 .*none alive"):
            asyncio.run(run_all.answering(url, 0.3))
        server.shutdown()
