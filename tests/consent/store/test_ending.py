"""The end of tasks that talk to Redis."""

import asyncio

from consent.store.ending import ended


def test_a_task_ends_that_swallows_a_cancellation() -> None:
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while swallowed < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
        await asyncio.sleep(60)

    async def test() -> None:
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(deaf()), loop.create_task(asyncio.sleep(60))]
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await ended(*tasks)
        assert all(task.cancelled() for task in tasks)
        await ended()

    asyncio.run(test())
    assert swallowed == 2
