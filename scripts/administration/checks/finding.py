"""What a check says: how it stands with one thing, and what to do where it is not well."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Literal, NamedTuple

Level = Literal["ok", "warning", "failure"]
CHECK_SECONDS_MAX = 30.0


class Finding(NamedTuple):
    """One line for people; `advice` says what to do and is empty where nothing is to be done."""

    check: str
    level: Level
    text: str
    advice: str = ""


def ok(check: str, text: str) -> Finding:
    return Finding(check, "ok", text)


def warning(check: str, text: str, advice: str) -> Finding:
    return Finding(check, "warning", text, advice)


def failure(check: str, text: str, advice: str) -> Finding:
    return Finding(check, "failure", text, advice)


def graded(
    check: str, value: float, text: str, advice: str, *, warn: float, fail: float
) -> Finding:
    """More is worse: above `warn` somebody should look, above `fail` somebody has to."""
    if value > fail:
        return failure(check, text, advice)
    return warning(check, text, advice) if value > warn else ok(check, text)


async def examined(name: str, check: Callable[[], Awaitable[Iterable[Finding]]]) -> list[Finding]:
    """What a check finds; one that cannot be made is a failure itself, and not the doctor's end."""
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            return [*await check()]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is said
        text = f"this could not be checked: {type(error).__name__}"
        return [failure(name, text, "run it again; if it stays so, it is a defect of the check")]
