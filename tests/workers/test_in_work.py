"""What is in work is bounded, waited for, and when it fails said aloud."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import structlog

from workers.in_work import InWork

Test = Callable[[InWork], Coroutine[Any, Any, None]]


def with_room_for(most: int, test: Test) -> None:
    async def whole() -> None:
        async with asyncio.timeout(5):
            await test(InWork(most))

    asyncio.run(whole())


def test_it_begins_at_once_and_goes_on_by_itself() -> None:
    async def test(in_work: InWork) -> None:
        done = asyncio.Event()

        async def work() -> None:
            await done.wait()

        await in_work.begin(work())
        await in_work.begin(work())
        assert in_work.is_full
        done.set()
        await in_work.settle()
        assert not in_work.is_full

    with_room_for(2, test)


def test_who_comes_when_it_is_full_waits_for_room() -> None:
    async def test(in_work: InWork) -> None:
        done = [asyncio.Event(), asyncio.Event()]

        async def work(number: int) -> None:
            await done[number].wait()

        await in_work.begin(work(0))
        second = asyncio.ensure_future(in_work.begin(work(1)))
        await asyncio.sleep(0)
        assert not second.done()
        done[0].set()
        await second
        assert in_work.is_full
        done[1].set()
        await in_work.settle()

    with_room_for(1, test)


def test_who_is_cancelled_while_waiting_leaves_nothing_behind() -> None:
    async def test(in_work: InWork) -> None:
        done, begun = asyncio.Event(), []

        async def work(name: str) -> None:
            begun.append(name)
            await done.wait()

        await in_work.begin(work("first"))
        waiting = asyncio.ensure_future(in_work.begin(work("cancelled")))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        done.set()
        await in_work.settle()
        await in_work.begin(work("next"))
        await in_work.settle()
        assert begun == ["first", "next"]

    with_room_for(1, test)


def test_what_begins_while_the_rest_is_waited_for_is_waited_for_too() -> None:
    async def test(in_work: InWork) -> None:
        ended: list[str] = []

        async def last() -> None:
            await asyncio.sleep(0)
            ended.append("last")

        async def first() -> None:
            await asyncio.sleep(0)
            await in_work.begin(last())

        await in_work.begin(first())
        await in_work.settle()
        assert ended == ["last"]

    with_room_for(2, test)


def test_a_failure_frees_its_room_and_is_logged() -> None:
    async def test(in_work: InWork) -> None:
        async def fails() -> None:
            raise KeyError("a defect")

        with structlog.testing.capture_logs() as logs:
            await in_work.begin(fails())
            await in_work.begin(fails())
            await in_work.settle()
            await asyncio.sleep(0)
        assert [(line["event"], line["error"]) for line in logs] == [
            ("work_failed", "KeyError")
        ] * 2

    with_room_for(1, test)


def test_what_is_cancelled_frees_its_room_silently() -> None:
    async def test(in_work: InWork) -> None:
        async def cancelled() -> None:
            raise asyncio.CancelledError

        with structlog.testing.capture_logs() as logs:
            await in_work.begin(cancelled())
            await in_work.settle()
            await asyncio.sleep(0)
        assert logs == []
        assert not in_work.is_full

    with_room_for(1, test)
