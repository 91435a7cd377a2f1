"""`scripts/admin ask`: a person is asked over HTTP, and what comes of it is printed."""

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from consent.number_matching import CAPABILITY
from scripts.administration import ask
from scripts.guardian_messages import Notification
from scripts.simulated_phone import SimulatedPhone
from tests.support.command_line import CommandLine
from tests.support.nod import Nod

MESSAGE = "Pay 10 to Example Shop"


@pytest.fixture
def admin(nod: Nod, tmp_path: Path) -> CommandLine:
    """The installation's settings, with a data directory of the one who types."""
    its = {name: it for name, it in nod.environ.items() if name[:4] == "NOD_"}
    return CommandLine({**its, "NOD_DATA_DIR": str(tmp_path)})


def able_phone(nod: Nod, user_id: str) -> SimulatedPhone:
    phone = SimulatedPhone(nod.http, nod.url, style="ec")
    phone.enroll(nod.new_ticket(user_id), capabilities=[CAPABILITY])
    return phone


class Meanwhile:
    """Somebody who answers while the command waits."""

    def __init__(self, answer: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=answer, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.mark.parametrize("accept", [True, False], ids=["approved", "denied"])
def test_a_person_is_asked_and_the_answer_is_printed(
    nod: Nod, admin: CommandLine, *, accept: bool
) -> None:
    user_id = nod.new_user()
    phone = nod.new_phone(user_id)
    shown: list[str] = []

    def answer() -> None:
        notification = nod.notified(phone)
        consent = phone.fetch(notification.txlnkid, notification.txtkn)
        assert consent is not None
        assert consent.client is not None
        shown.append(f"{consent.client.name}: {consent.requested_details.binding_message}")
        phone.resolve(notification, accept=accept)

    with Meanwhile(answer):
        done = admin.run("ask", user_id, MESSAGE)

    assert shown == [f"Nod command line: {MESSAGE}"]
    assert done.stdout.startswith(f"{user_id} is asked, for 300 seconds\n")
    if accept:
        assert done.exit_code == 0, done.output
        claims = json.loads(done.stdout[done.stdout.index("{") :])
        assert (claims["iss"], claims["sub"]) == (nod.url, user_id)
    else:
        assert done.exit_code == 1
        assert done.stdout.endswith("\ndenied, or nobody could be reached\n")


def test_the_number_that_is_printed_is_the_one_to_type(nod: Nod, admin: CommandLine) -> None:
    """T36: who approves has seen this terminal."""
    user_id = nod.new_user()
    phone = able_phone(nod, user_id)

    done = admin.run("ask", user_id, MESSAGE, "--number", "--no-wait")

    assert done.exit_code == 0, (done.output, done.exception)
    found = re.search(r"^the number to type: ([1-9][0-9])$", done.stdout, re.MULTILINE)
    assert found
    notification: Notification = nod.notified(phone)
    consent = phone.fetch(notification.txlnkid, notification.txtkn)
    assert consent is not None
    assert consent.number_matching
    phone.resolve(notification, accept=True, consent=consent, number=found[1])


def test_its_client_is_made_once_and_again_when_it_is_gone(
    nod: Nod, admin: CommandLine, tmp_path: Path
) -> None:
    user_id = nod.new_user()
    nod.new_phone(user_id)
    path = tmp_path / "command_line.json"

    def client_that_asked() -> str:
        admin.told("ask", user_id, MESSAGE, "--no-wait")
        return str(json.loads(path.read_text())["client_id"])

    first = client_that_asked()
    assert path.stat().st_mode & 0o777 == 0o600
    assert client_that_asked() == first
    assert nod.admin("DELETE", f"clients/{first}").is_success
    assert client_that_asked() != first


def test_a_refusal_says_what_to_do(nod: Nod, admin: CommandLine) -> None:
    nobody_rings = nod.new_user()
    assert "tickets create` makes a link" in admin.refused("ask", nobody_rings, MESSAGE)
    assert admin.refused("ask", "auth0|nobody", MESSAGE) == "The user does not exist."
    assert "there is no user" in admin.refused("ask", "nobody@nowhere.example", MESSAGE)

    user_id = nod.new_user()
    phone = nod.new_phone(user_id)
    admin.told("ask", user_id, MESSAGE, "--no-wait")
    phone.resolve(nod.notified(phone), accept=False, reason="not_me")
    assert "`users refused` say why" in admin.refused("ask", user_id, MESSAGE)

    user_id = nod.new_user()
    nod.new_phone(user_id)
    assert "binding_message" in admin.refused("ask", user_id, "x" * 65)
    for _ in range(5):
        admin.told("ask", user_id, MESSAGE, "--no-wait")
    told = admin.refused("ask", user_id, MESSAGE)
    assert re.fullmatch(r"Too many .*: come back in \d+ s", told)


def away(_: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("refused")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (away, "the API does not answer at {url}: is it up? (ConnectError)"),
        (lambda _: httpx2.Response(502, text="<html>"), "127.0.0.1 answers 502"),
        (lambda _: httpx2.Response(200, json=[]), "127.0.0.1 answers 200"),
    ],
    ids=["away", "a proxy's page", "another server"],
)
def test_an_api_that_is_not_there_is_named(
    nod: Nod,
    admin: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[httpx2.Request], httpx2.Response],
    told: str,
) -> None:
    transport = httpx2.MockTransport(answer)
    monkeypatch.setattr(ask, "http_client", lambda _: httpx2.Client(transport=transport))

    assert admin.refused("ask", nod.new_user(), MESSAGE) == told.format(url=nod.url)
