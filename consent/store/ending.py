"""The end of tasks that talk to Redis."""

import asyncio

AGAIN_SECONDS = 0.2


async def ended(*tasks: asyncio.Task[None]) -> None:
    """
    Cancel tasks until they have ended.

    Once may not do: a library that is just connecting, or whose wait ends in the same turn of the
    loop, may swallow a cancellation (`asyncio.wait_for` does on Python 3.11).
    """
    left: set[asyncio.Task[None]] = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
