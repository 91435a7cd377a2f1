"""A phone is kept in a private file, and is woken by the double where there is one."""

import http.server
import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from scripts import data_directory, kept_phone
from scripts.kept_phone import Pushes
from scripts.simulated_phone import Account, SimulatedPhone

ACCOUNT = Account(
    style="ec",
    base_url="http://127.0.0.1:8000/",
    identifier="8D1E",
    push_token="f00d",
    private_key="",
    id="dev_1",
    user_id="auth0|u1",
    token="dt_secret",
    issuer="Nod",
)


def phone() -> SimulatedPhone:
    phone = SimulatedPhone(httpx2.Client(), ACCOUNT.base_url)
    phone.account = ACCOUNT
    return phone


class Double(http.server.BaseHTTPRequestHandler):
    """Holds two messages for the address f00d."""

    def do_GET(self) -> None:
        address, _, query = self.path.removeprefix("/messages/").partition("?")
        seen = int(query.split("after=")[1].split("&")[0])
        messages = [{"data": {"c": name}} for name in ("first", "second")]
        body = json.dumps({"messages": messages[seen:] if address == "f00d" else []}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def double(tmp_path: Path) -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Double) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        data_directory.write_json(tmp_path / "double.json", {"url": url})
        yield url
        server.shutdown()


def test_the_phone_is_kept_in_a_private_file(tmp_path: Path) -> None:
    kept_phone.save(tmp_path, "alice", phone())

    assert kept_phone.load(tmp_path, "alice") == ACCOUNT
    assert kept_phone.load(tmp_path, "bob") is None
    assert stat.S_IMODE((tmp_path / "phones" / "alice.json").stat().st_mode) == 0o600


def test_a_phone_that_is_not_enrolled_any_more_is_forgotten(tmp_path: Path) -> None:
    gone = phone()
    kept_phone.save(tmp_path, "alice", gone)
    gone.account = None

    kept_phone.save(tmp_path, "alice", gone)

    assert kept_phone.load(tmp_path, "alice") is None


def test_each_push_is_handed_over_once(tmp_path: Path, double: str) -> None:
    assert double
    pushes = Pushes(tmp_path, "f00d")

    assert [push["c"] for push in pushes.wait(1)] == ["first", "second"]
    assert pushes.wait(0) == []


@pytest.mark.parametrize("recorded", [True, False], ids=["gone", "never there"])
def test_without_a_double_the_phone_looks_for_itself_every_few_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    monkeypatch.setattr(kept_phone, "LISTING_SECONDS", 0.01)
    if recorded:
        data_directory.write_json(tmp_path / "double.json", {"url": "http://127.0.0.1:1"})
    pushes = Pushes(tmp_path, "f00d")

    assert pushes.wait(60) == []
    assert pushes.wait(60) == []


def test_the_file_holds_all_a_phone_needs_to_go_on() -> None:
    assert msgspec.convert(msgspec.to_builtins(ACCOUNT), Account) == ACCOUNT
