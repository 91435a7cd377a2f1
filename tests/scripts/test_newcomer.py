"""What a newcomer is told to do next."""

import json
import re
import shlex

import httpx2
import pytest

from consent.settings import load
from scripts import newcomer

HEADERS = {"Authorization": "Bearer t"}
TICKET = "000" + "a" * 29


class Installation:
    """Answers as the management API does, and knows what it was asked."""

    def __init__(self, *, known: bool = False, devices: int = 0, refuses: bool = False) -> None:
        self.asked: list[str] = []
        self._known, self._devices, self._refuses = known, devices, refuses

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["authorization"] == "Bearer t"
        path = request.url.raw_path.decode().removeprefix("/api/v2/")
        self.asked.append(f"{request.method} {path}")
        match request.method, path:
            case "POST", "users":
                assert json.loads(request.content)["user_id"] == "you"
                if self._refuses:
                    return httpx2.Response(403, json={})
                return httpx2.Response(409 if self._known else 201, json={})
            case "GET", "users/auth0%7Cyou/enrollments":
                return httpx2.Response(200, json=[{"id": "d"}] * self._devices)
            case "POST", "guardian/enrollments/ticket":
                assert json.loads(request.content) == {"user_id": "auth0|you"}
                return httpx2.Response(200, json={"ticket_id": TICKET})
        raise AssertionError(path)


def invited(installation: Installation, **settings: str) -> str:
    with httpx2.Client(transport=httpx2.MockTransport(installation)) as http:
        return newcomer.invitation(load(settings), http, HEADERS)


@pytest.mark.parametrize("known", [False, True])
def test_who_has_no_browser_yet_gets_a_link_with_a_fresh_ticket(*, known: bool) -> None:
    installation = Installation(known=known)

    text = invited(installation)

    assert f"\n  http://127.0.0.1:8000/authenticator#ticket={TICKET}\n" in text
    assert "within 5 minutes" in text
    [ask] = re.findall(r"^  (\./scripts/.*)$", text, re.MULTILINE)
    assert shlex.split(ask) == [
        "./scripts/admin",
        "ask",
        "you@example.com",
        "Pay 10 to Example Shop",
        "--number",
    ]


def test_who_has_one_gets_no_ticket() -> None:
    installation = Installation(known=True, devices=1)

    text = invited(installation)

    assert "ticket" not in text
    assert not any("ticket" in it for it in installation.asked)
    assert "http://127.0.0.1:8000/authenticator and ask yourself something" in text


def test_the_lines_lead_to_this_installation_wherever_it_is() -> None:
    text = invited(Installation(), NOD_DATA_DIR="/tmp/my data", NOD_PORT="9000")

    prefix = "NOD_DATA_DIR='/tmp/my data' NOD_ISSUER=http://127.0.0.1:9000/ ./scripts/admin "
    assert f"  {prefix}ask " in text
    assert f"{prefix}tickets create you@example.com" in text


def test_a_refusal_is_told_and_nothing_else_is_done() -> None:
    installation = Installation(refuses=True)

    with pytest.raises(httpx2.HTTPError):
        invited(installation)

    assert installation.asked == ["POST users"]
