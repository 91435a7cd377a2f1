"""The directory: records, and the copies each process keeps of them while it can listen."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from consent.store import directory as directory_module
from consent.store import keys
from consent.store.directory import Directory
from tests.support.redis_server import RedisServer
from tests.support.store import opened, run
from tests.support.waiting import until


class Record(msgspec.Struct):
    name: str


def _id() -> str:
    return secrets.token_urlsafe(8)


async def _read_until_kept(directory: Directory, record_id: str) -> None:
    async def kept() -> bool:
        read = await directory.read(keys.CLIENTS, record_id, Record)
        return read == Record("a") == directory.copy(keys.CLIENTS, record_id)

    await until(kept)


@asynccontextmanager
async def listening(redis_url: str) -> AsyncIterator[Directory]:
    """The directory of a process that keeps copies."""
    async with opened(redis_url) as use:
        directory = use.store.directory
        task = asyncio.ensure_future(directory.listen())
        try:
            record_id = _id()
            await directory.create(keys.CLIENTS, record_id, Record("a"))
            await _read_until_kept(directory, record_id)
            yield directory
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def test_a_record_is_created_once(redis_server: RedisServer) -> None:
    """The same again is a repeated call; another under its id is refused."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            directory, record_id = use.store.directory, _id()
            assert await directory.create(keys.CLIENTS, record_id, Record("a"))
            assert await directory.create(keys.CLIENTS, record_id, Record("a"))
            assert not await directory.create(keys.CLIENTS, record_id, Record("b"))
            assert await directory.read(keys.CLIENTS, record_id, Record) == Record("a")
            await directory.write(keys.CLIENTS, record_id, Record("b"))
            assert await directory.read(keys.CLIENTS, record_id, Record) == Record("b")

    run(test)


def test_a_record_is_removed_once(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            directory, record_id = use.store.directory, _id()
            await directory.create(keys.CLIENTS, record_id, Record("a"))
            assert await directory.remove(keys.CLIENTS, record_id)
            assert not await directory.remove(keys.CLIENTS, record_id)
            assert await directory.read(keys.CLIENTS, record_id, Record) is None

    run(test)


def test_a_copy_is_dropped_when_another_process_changes_the_record(
    redis_server: RedisServer,
) -> None:
    async def test() -> None:
        async with listening(redis_server.url) as directory, opened(redis_server.url) as other:
            record_id = _id()
            for change in ("written", "removed"):
                await other.store.directory.write(keys.CLIENTS, record_id, Record("a"))
                await _read_until_kept(directory, record_id)
                if change == "written":
                    await other.store.directory.write(keys.CLIENTS, record_id, Record("b"))
                else:
                    await other.store.directory.remove(keys.CLIENTS, record_id)
                await until(lambda: directory.copy(keys.CLIENTS, record_id) is None)
                now = await directory.read(keys.CLIENTS, record_id, Record)
                assert now == (Record("b") if change == "written" else None)

    run(test)


def test_a_process_that_cannot_listen_keeps_no_copies(redis_server: RedisServer) -> None:
    """What it would not hear of it reads each time, until it listens again."""

    async def test() -> None:
        async with listening(redis_server.url) as directory:
            record_id = _id()
            await directory.create(keys.CLIENTS, record_id, Record("a"))
            await _read_until_kept(directory, record_id)
            redis_server.deafen()
            await until(lambda: directory.copy(keys.CLIENTS, record_id) is None)
            assert await directory.read(keys.CLIENTS, record_id, Record) == Record("a")
            assert directory.copy(keys.CLIENTS, record_id) is None
            await _read_until_kept(directory, record_id)

    run(test)


def test_what_was_read_while_it_changed_is_not_kept(redis_server: RedisServer) -> None:
    """A read that began before the change may bring the old record; no copy of that stays."""

    async def test() -> None:
        async with listening(redis_server.url) as directory:
            for _ in range(20):
                record_id = _id()
                await directory.create(keys.CLIENTS, record_id, Record("old"))
                reads = [directory.read(keys.CLIENTS, record_id, Record) for _ in range(5)]
                await asyncio.gather(
                    *reads, directory.write(keys.CLIENTS, record_id, Record("new"))
                )
                copy = directory.copy(keys.CLIENTS, record_id)
                assert copy is None or copy == Record("new")

    run(test)


def test_copies_are_bounded(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "COPIES_MAX", 2)

    async def test() -> None:
        async with listening(redis_server.url) as directory:
            ids = [_id() for _ in range(5)]
            for record_id in ids:
                await directory.create(keys.CLIENTS, record_id, Record("a"))
                await _read_until_kept(directory, record_id)
            kept = [i for i in ids if directory.copy(keys.CLIENTS, i) is not None]
            assert kept == ids[-2:]

    run(test)


def test_what_is_fixed_first_stays(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            fact = _id()
            answers = await asyncio.gather(
                *[use.store.directory.fix(fact, str(number)) for number in range(16)]
            )
            assert len(set(answers)) == 1
            assert await use.store.directory.fix(fact, "later") == answers[0]

    run(test)


def test_a_worker_counts_while_it_gives_signs_of_life(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            directory = use.store.directory
            before = await directory.workers_alive(60_000)
            name = _id()
            await directory.worker_alive(name)
            await directory.worker_alive(name)
            assert await directory.workers_alive(60_000) == before + 1

            async def nobody() -> bool:
                return await directory.workers_alive(1) == 0

            await until(nobody)

    run(test)


def test_what_is_published_by_anybody_does_not_end_the_listening(
    redis_server: RedisServer,
) -> None:
    """Bytes that are no text are no change of ours, and the next change is heard."""

    async def test() -> None:
        async with opened(redis_server.url) as other, listening(redis_server.url) as directory:
            record_id = _id()
            await directory.create(keys.CLIENTS, record_id, Record("a"))
            await _read_until_kept(directory, record_id)
            await other.store.redis.command("PUBLISH", keys.CHANGES, b"\xff")
            await other.store.directory.write(keys.CLIENTS, record_id, Record("b"))
            await until(lambda: directory.copy(keys.CLIENTS, record_id) is None)
            assert await directory.read(keys.CLIENTS, record_id, Record) == Record("b")

    run(test)


def test_a_process_that_has_stopped_listening_keeps_no_copies(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            directory = use.store.directory
            task = asyncio.ensure_future(directory.listen())
            record_id = _id()
            await directory.create(keys.CLIENTS, record_id, Record("a"))
            await _read_until_kept(directory, record_id)
            task.cancel()
            await asyncio.wait([task])
            assert directory.copy(keys.CLIENTS, record_id) is None
            assert await directory.read(keys.CLIENTS, record_id, Record) == Record("a")
            assert directory.copy(keys.CLIENTS, record_id) is None

    run(test)


def test_a_whole_hash_is_one_copy_until_a_record_of_it_changes(redis_server: RedisServer) -> None:
    """Whoever changes it: the same value again tells its reader that nothing has."""

    async def test() -> None:
        url = redis_server.database(2)
        async with listening(url) as directory, opened(url) as other:

            async def kept() -> bool:
                read = await directory.read_whole(keys.KEYS, Record)
                return read is await directory.read_whole(keys.KEYS, Record)

            names: dict[str, Record] = {}
            for changer in (directory, other.store.directory):
                for change in ("created", "written", "removed"):
                    await until(kept)
                    before = await directory.read_whole(keys.KEYS, Record)
                    assert before == names
                    if change == "removed":
                        await changer.remove(keys.KEYS, "a")
                        names = {}
                    else:
                        await changer.write(keys.KEYS, "a", Record(change))
                        names = {"a": Record(change)}

                    async def heard(before: dict[str, Record] = before) -> bool:
                        return await directory.read_whole(keys.KEYS, Record) is not before

                    await until(heard)

    run(test)


def test_a_whole_hash_is_not_kept_by_a_process_that_cannot_listen(
    redis_server: RedisServer,
) -> None:
    async def test() -> None:
        async with opened(redis_server.database(2)) as use:
            directory = use.store.directory
            await directory.write(keys.KEYS, "a", Record("a"))
            first = await directory.read_whole(keys.KEYS, Record)
            again = await directory.read_whole(keys.KEYS, Record)
            assert first == again == {"a": Record("a")}
            assert first is not again
            await directory.remove(keys.KEYS, "a")

    run(test)


def test_the_clock_is_that_of_redis(redis_server: RedisServer) -> None:
    """Decision 12; here it is this machine's own."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            before = time.time() * 1_000
            now_ms = await use.store.directory.now_ms()
            assert before - 1 <= now_ms <= time.time() * 1_000

    run(test)
