"""What a person sees in the terminal, and what their answer sends. The server is a function."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from typer.testing import CliRunner, Result

from scripts import kept_phone, phone_terminal
from scripts.guardian_messages import consent_digest
from scripts.simulated_phone import NOT_ME

BASE = "http://127.0.0.1:8000/"
ENROLLED = {"id": "dev_1", "user_id": "auth0|u1", "token": "dt_secret", "issuer": "Nod"}
PENDING = {
    "dai": "dev_1",
    "txtkn": "transaction-token",
    "txlnkid": "0consent",
    "c": "challenge",
    "d": "2026-08-21T09:15:00.000Z",
    "sh": "http://127.0.0.1:8000",
    "expires_at": "2026-08-21T09:20:00.000Z",
}
CONSENT = {
    "id": "0consent",
    "requested_details": {
        "audience": f"{BASE}userinfo",
        "scope": ["openid", "email"],
        "binding_message": "Demo \x1b[2J4711",
    },
    "created_at": "2026-08-21T09:15:00.000Z",
    "expires_at": "2026-08-21T09:20:00.000Z",
    "client": {"client_id": "c1", "name": "Demonstration"},
}


class Server:
    """One request is open; the second look at what is pending is Ctrl-C."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.device_status = 204
        self.pending = [PENDING]
        self.consent: dict[str, Any] = dict(CONSENT)
        self.enrolment: dict[str, Any] = {}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        match request.method, request.url.path:
            case "POST", "/appliance-mfa/api/enroll":
                self.enrolment = json.loads(request.content)
                return httpx2.Response(201, json=ENROLLED)
            case "GET", "/rich-consents":
                return httpx2.Response(200, json=self.pending)
            case "GET", "/rich-consents/0consent":
                return httpx2.Response(200, json=self.consent)
            case "POST", "/appliance-mfa/api/resolve-transaction":
                token = json.loads(request.content)["challenge_response"]
                self.answers.append(jwt.decode(token, options={"verify_signature": False}))
                return httpx2.Response(204)
            case "DELETE", "/appliance-mfa/api/device-accounts/dev_1":
                return httpx2.Response(self.device_status, json={"errorCode": "gone"})
        return httpx2.Response(404)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    server = Server()
    transport = httpx2.MockTransport(server)
    monkeypatch.setattr(kept_phone, "http_client", lambda _: httpx2.Client(transport=transport))
    monkeypatch.setenv("NOD_DATA_DIR", str(tmp_path))

    def interrupted(_pushes: kept_phone.Pushes, _seconds: float) -> list[dict[str, str]]:
        raise KeyboardInterrupt

    monkeypatch.setattr(kept_phone.Pushes, "wait", interrupted)
    return server


Phone = Callable[..., Result]


@pytest.fixture
def phone(server: Server) -> Phone:
    assert server

    def run(*arguments: str, typed: str = "") -> Result:
        return CliRunner().invoke(phone_terminal.app, arguments, input=typed)

    return run


def test_an_enrolled_phone_shows_who_asks_for_what_and_for_how_long(phone: Phone) -> None:
    assert "enrolled with Nod as auth0|u1" in phone("enroll", "t1cket").stdout

    shown = phone("list").stdout

    assert "Demonstration (c1)" in shown
    assert "openid email" in shown
    assert f"{BASE}userinfo" in shown
    assert "open until 2026-08-21T09:20:00.000Z" in shown


def test_what_a_client_wrote_cannot_steer_the_terminal(phone: Phone) -> None:
    phone("enroll", "t1cket")

    assert "Demo ?[2J4711" in phone("list").stdout


def test_declining_is_what_happens_when_nothing_is_typed(phone: Phone, server: Server) -> None:
    """RFC 10027 6.1.14."""
    phone("enroll", "t1cket")

    result = phone(typed="\nnot me\n")

    assert "approve? [y/N]" in result.stdout
    [answer] = server.answers
    assert answer["auth0_guardian_accepted"] is False
    assert answer["auth0_guardian_reason"] == "not me"


def test_a_yes_approves(phone: Phone, server: Server) -> None:
    phone("enroll", "t1cket")

    assert "approved" in phone("watch", typed="y\n").stdout
    [answer] = server.answers
    assert answer["auth0_guardian_accepted"] is True
    assert answer["sub"] == "challenge"


def test_what_is_shown_is_what_is_signed(phone: Phone, server: Server) -> None:
    phone("enroll", "t1cket")
    phone("watch", typed="y\n")
    phone("watch", typed="n\n\n")

    assert server.enrolment["capabilities"] == ["number_matching", "consent_digest"]
    digests = [answer["consent_digest"] for answer in server.answers]
    assert digests == [consent_digest(CONSENT)] * 2
    assert all("matching_number" not in answer for answer in server.answers)


def test_the_number_is_typed_where_one_is_shown(phone: Phone, server: Server) -> None:
    phone("enroll", "t1cket")
    server.consent["number_matching"] = True

    assert "number that the application shows" in phone("watch", typed="y\n42\n").stdout
    phone("watch", "--yes", "--number", "57")
    assert "number" not in phone("watch", typed="n\n\n").stdout

    assert [answer.get("matching_number") for answer in server.answers] == ["42", "57", None]


def test_who_started_nothing_says_so(phone: Phone, server: Server) -> None:
    phone("enroll", "t1cket")

    assert f"{NOT_ME}: you started nothing" in phone("watch", typed=f"n\n{NOT_ME}\n").stdout
    [answer] = server.answers
    assert answer["auth0_guardian_reason"] == NOT_ME


@pytest.mark.parametrize(("option", "accepted"), [("--yes", True), ("--no", False)])
def test_a_script_answers_without_being_asked(
    phone: Phone, server: Server, option: str, accepted: bool
) -> None:
    phone("enroll", "t1cket", "--as", "alice")

    result = phone("watch", "--as", "alice", option)

    assert result.exit_code == 0
    assert "approve?" not in result.stdout
    assert [answer["auth0_guardian_accepted"] for answer in server.answers] == [accepted]


def test_a_phone_is_not_enrolled_twice(phone: Phone) -> None:
    phone("enroll", "t1cket")

    result = phone("enroll", "t1cket")

    assert result.exit_code == 1
    assert "enrolled already" in result.stderr


def test_without_a_phone_the_way_to_one_is_shown(phone: Phone) -> None:
    result = phone("list")

    assert result.exit_code == 1
    assert "./scripts/phone enroll TICKET --as demo" in result.stderr


@pytest.mark.parametrize("status", [204, 404])
def test_a_phone_is_forgotten_even_if_the_server_has_forgotten_it_first(
    phone: Phone, server: Server, tmp_path: Path, status: int
) -> None:
    phone("enroll", "t1cket")
    server.device_status = status

    assert phone("unenroll").exit_code == 0
    assert kept_phone.load(tmp_path, "demo") is None


def test_a_refusal_is_one_line(phone: Phone, server: Server) -> None:
    phone("enroll", "t1cket")
    server.device_status = 500

    result = phone("unenroll")

    assert result.exit_code == 1
    assert result.stderr == "phone: 500 gone: Internal Server Error\n"


def test_nothing_open_is_said(phone: Phone, server: Server) -> None:
    phone("enroll", "t1cket")
    server.pending = []

    assert phone("list").stdout == "nothing is open\n"
