"""People in lists: nobody twice, nobody left out, in one order."""

import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from consent.identifiers import person_id_of
from consent.management.users import Term
from consent.store.lane import Argument, Reply
from tests.support.redis_server import RedisServer
from tests.support.store import StoreInUse, opened, run

PARTITIONS = 4


@asynccontextmanager
async def emptied(redis_server: RedisServer) -> AsyncIterator[StoreInUse]:
    """Before it is opened, for who opened it last may have fixed another number of partitions."""
    url = redis_server.database(9)
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    async with opened(url, partitions=PARTITIONS) as use:
        yield use


async def someone(use: StoreInUse, *terms: Term, blocked: bool = False) -> str:
    user_id = f"auth0|{secrets.token_hex(8)}"
    person_id = person_id_of(user_id, PARTITIONS)
    user = json.dumps({"user_id": user_id}).encode()
    assert await use.store.people.create(person_id, user, blocked=blocked, terms=terms)
    return person_id


def ids(listed: Sequence[tuple[bytes, bool]]) -> list[str]:
    return [person_id_of(json.loads(user)["user_id"], PARTITIONS) for user, _ in listed]


def test_pages_and_walks_see_everybody_once_in_the_order_of_their_ids(
    redis_server: RedisServer,
) -> None:
    async def test() -> None:
        async with emptied(redis_server) as use:
            lists = use.store.people_lists
            known = sorted([await someone(use) for _ in range(23)])
            for size in (1, 4, 7, 23, 50):
                seen: list[str] = []
                page = 0
                while True:
                    part, total = await lists.page(page * size, size)
                    assert total == 23
                    if not part:
                        break
                    seen += ids(part)
                    page += 1
                assert seen == known
                walked: list[str] = []
                while part := await lists.page_after(walked[-1] if walked else "", size):
                    walked += ids(part)
                assert walked == known
            await use.store.people.remove(known[3])
            assert ids(await lists.page_after(known[3], 2)) == known[4:6]
            assert (await lists.page(0, 1))[1] == 22

    run(test)


def test_a_person_is_found_by_what_they_have_now(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with emptied(redis_server) as use:
            people, lists = use.store.people, use.store.people_lists
            email = Term("email", "ann@bank.example")
            ann = await someone(use, email, Term("name", "ann"))
            bob = await someone(use, Term("email", "ann@bank.example.org"), Term("name", "ann"))

            async def found(field: str, value: str, *, prefix: bool = False) -> list[str]:
                return await lists.find_all(field, value, prefix=prefix, most=10)

            assert await found("email", "ann@bank.example") == [ann]
            assert await found("email", "ann@", prefix=True) == sorted([ann, bob])
            assert await found("name", "ann") == sorted([ann, bob])
            assert await found("name", "an") == await found("nam", "eann") == []
            assert len(await lists.find_all("name", "ann", most=1)) == 1
            read = await people.read(ann)
            assert read is not None
            assert await people.change(ann, read=read, user=read, terms=[Term("name", "anna")])
            assert await found("email", "ann@bank.example") == []
            assert await found("name", "ann") == [bob]
            assert await found("name", "ann", prefix=True) == sorted([ann, bob])
            await people.remove(bob)
            assert await found("email", "ann@", prefix=True) == []

    run(test)


def test_of_those_who_share_a_term_a_page_is_read_and_the_first_so_many_can_be(
    redis_server: RedisServer,
) -> None:
    async def test() -> None:
        async with emptied(redis_server) as use:
            lists, term = use.store.people_lists, ("connection", "users")
            known = sorted([await someone(use, Term(*term)) for _ in range(23)])
            await someone(use, Term("connection", "users of another"))
            for most in (50, 23, 9):
                reached, seen, walked = known[:most], list[str](), list[str]()
                for start in range(0, 30, 4):
                    part, total = await lists.page_of(*term, start, 4, most=most)
                    assert total == len(reached)
                    seen += ids(part)
                assert seen == reached
                after = ""
                while part := (await lists.page_of(*term, 0, 4, after=after, most=most))[0]:
                    walked += ids(part)
                    after = walked[-1]
                assert walked == reached
                assert await lists.find_all(*term, most=most) == reached

    run(test)


def test_of_a_term_many_have_no_more_is_read_than_twice_what_is_asked_for(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with emptied(redis_server) as use:
            term = Term("connection", "users")
            known = sorted([await someone(use, term) for _ in range(200)])
            execute, read = use.store.redis.execute, list[int]()

            async def counted(command: str, key: str, *arguments: Argument) -> Reply:
                reply = await execute(command, key, *arguments)
                read.append(len(reply))
                return reply

            monkeypatch.setattr(use.store.redis, "execute", counted)
            for most in (40, 64, 100):
                read.clear()
                assert await use.store.people_lists.find_all(*term, most=most) == known[:most]
                assert sum(read) <= 2 * most

    run(test)


def test_who_is_blocked_is_listed_so_and_who_is_gone_is_not(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with emptied(redis_server) as use:
            blocked, gone = await someone(use, blocked=True), await someone(use)
            await use.store.people.remove(gone)
            [(_, is_blocked)] = await use.store.people_lists.read_many([blocked, gone])
            assert is_blocked

    run(test)


@given(text=st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=20))
def test_any_printable_text_is_found_as_itself(redis_server: RedisServer, text: str) -> None:
    value = text.lower()

    async def test() -> None:
        async with emptied(redis_server) as use:
            person_id = await someone(use, Term("name", value))
            assert person_id in await use.store.people_lists.find_all("name", value, most=100_000)
            assert person_id in await use.store.people_lists.find_all(
                "name", value[:1], prefix=True, most=100_000
            )
            await use.store.people.remove(person_id)

    run(test)
