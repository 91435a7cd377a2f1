"""Consents in lists: the newest first, each once, whatever came in between."""

from consent.lifecycle import Event
from consent.management.consents import Place
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, opened, run


def test_a_walk_sees_every_consent_once(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.database(10), person_open_requests_max=50) as use:
            lists = use.store.consent_records
            asked: set[str] = set()
            for _ in range(3):
                person = await use.person()
                for _ in range(4):
                    asked.add(await person.ask())
            seen: list[Place] = []
            while part := await lists.newest(5, before=seen[-1] if seen else None):
                assert len(part) <= 5
                seen += part
            assert seen == sorted(seen, reverse=True)
            assert asked <= {place.consent_id for place in seen}
            assert len({place.consent_id for place in seen}) == len(seen)
            of_one = await lists.newest(100, person_id=person.person_id)
            assert asked & {place.consent_id for place in of_one}

    run(test)


def test_what_came_at_the_same_moment_is_told_apart_by_its_id(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.database(10)) as use:
            person = await use.person()
            key = f"nod:{{{person.person_id[:3]}}}:accepted"
            await use.store.redis.execute("DEL", key)
            ids = [f"{person.person_id[:3]}{n:043d}" for n in range(9)]
            for consent_id in ids:
                await use.store.redis.execute("ZADD", key, 1_000, consent_id)
            seen: list[Place] = []
            while part := await use.store.consent_records.newest(
                2, before=seen[-1] if seen else None, person_id=person.person_id
            ):
                seen += part
            assert [place.consent_id for place in seen] == ids[::-1]
            await use.store.redis.execute("DEL", key)

    run(test)


def test_what_was_asked_is_read_in_one_step(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.database(10)) as use:
            person = await use.person()
            consent_id = await person.ask(life_seconds=30)
            records = use.store.consent_records

            asked = await records.asked(consent_id)

            assert asked is not None
            assert (asked.client_id, asked.request) == (CLIENT, b'{"asked":1}')
            assert asked.expires_at_ms - asked.created_at_ms == 30_000
            assert await person.answer(consent_id, Event.DENY) == "answered"
            assert await records.asked(consent_id) == asked
            assert await records.asked(f"{consent_id[:3]}{'x' * 43}") is None

    run(test)
