"""
How the demonstration behaves where all does not go by itself; that it plays to its end is shown
by tests/flows, with everything it demonstrates.
"""

import json
import shlex

import httpx2
import pytest

from consent.settings import load
from scripts import demonstration, kept_phone
from scripts.demonstration import Demonstration, Stage, StepError

STAGE = Stage(user_id="users|it's", client_id="c1", client_secret="s3cr3t")


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def waiting_for(answers: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(demonstration, "time", clock)
    replies = [
        httpx2.Response(400 if "error" in answer else 200, json=answer) for answer in answers
    ]
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _: replies.pop(0)))
    settings = load({"NOD_DATA_DIR": "data"})
    Demonstration(settings, http)._await_tokens(STAGE, "id", 5, 0.0)  # noqa: SLF001
    return clock


def test_it_polls_no_faster_than_the_interval_and_slows_down_when_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CIBA 7.3 and 11."""
    pending: dict[str, object] = {"error": "authorization_pending"}

    clock = waiting_for([pending, {"error": "slow_down"}, pending, {"id_token": "t"}], monkeypatch)

    assert clock.slept == [5, 5, 10, 10]


def test_a_refusal_of_the_person_ends_the_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StepError, match="access_denied"):
        waiting_for([{"error": "access_denied"}], monkeypatch)


def test_the_lines_to_go_on_with_survive_a_shell() -> None:
    settings = load({"NOD_DATA_DIR": "/tmp/my data"})

    lines = demonstration.by_hand(settings, STAGE)

    assert "\n  NOD_DATA_DIR='/tmp/my data' ./scripts/phone\n" in lines
    _, ask, _ = lines.split("curl -s ", 2)
    words = shlex.split(ask.split("\nanswer on")[0])
    assert words[0] == "http://127.0.0.1:8000/bc-authorize"
    form = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    assert json.loads(form["login_hint"])["sub"] == "users|it's"
    assert form["client_secret"] == "s3cr3t"


def test_a_step_that_fails_is_told_and_is_no_crash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(503, text="no worker"))
    monkeypatch.setattr(kept_phone, "http_client", lambda _: httpx2.Client(transport=transport))

    assert demonstration.main({}) == 1
    told = capsys.readouterr().out
    assert "demonstration stopped: POST /oauth/token was answered 503: no worker" in told
