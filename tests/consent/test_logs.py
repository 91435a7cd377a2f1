"""One JSON object a line, whatever is logged and by whom."""

import json
import subprocess
import sys
from typing import Any

import pytest

from consent.logs import LEVELS

PRELUDE = """
import logging, structlog
from consent import logs
logs.configure({level!r}, "api")
log = structlog.get_logger()
"""


def logged(code: str, level: str = "info") -> list[dict[str, Any]]:
    """What a process writes; its own, for logging is configured once in a process."""
    ended = subprocess.run(
        [sys.executable, "-c", PRELUDE.format(level=level) + code],
        capture_output=True,
        check=True,
        timeout=20,
    )
    assert ended.stdout == b""
    return [json.loads(line) for line in ended.stderr.split(b"\n") if line]


def test_an_event_is_one_object_with_its_level_time_and_process() -> None:
    [line] = logged('log.info("consent_created", consent="c1", ms=1.5)')

    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "consent_created",
        "level": "info",
        "process": "api",
        "consent": "c1",
        "ms": 1.5,
    }


def test_hostile_text_stays_on_its_line() -> None:
    """T25: newlines, escape sequences, U+2028 and the rest are escaped."""
    hostile = "\r\n\x1b[31m\u2028\u202e\0{}"

    [line] = logged(f'log.info("request", text={hostile!r})')

    assert line["text"] == hostile


def test_a_library_is_heard_by_its_template_and_not_by_its_arguments() -> None:
    """T24: arguments may hold anything."""
    [line] = logged('logging.getLogger("lib").warning("token %s refused", "canary")')

    assert (line["text"], line["library"], line["level"]) == (
        "token %s refused",
        "lib",
        "warning",
    )
    assert "canary" not in str(line)


def test_a_librarys_exception_is_named_without_its_text() -> None:
    code = """
try:
    raise ValueError("canary")
except ValueError:
    logging.getLogger("lib").exception("failed")
"""
    [line] = logged(code)

    assert (line["error"], line["level"]) == ("ValueError", "error")
    assert "canary" not in str(line)


def test_a_library_that_chats_is_not_heard() -> None:
    assert logged('logging.getLogger("lib").info("chat")', level="debug") == []


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("warning", 2), ("error", 1)])
def test_a_level_is_the_least_that_is_written(level: str, count: int) -> None:
    code = "".join(f'log.{name}("event")\n' for name in LEVELS)

    assert [line["level"] for line in logged(code, level)] == list(LEVELS)[-count:]
