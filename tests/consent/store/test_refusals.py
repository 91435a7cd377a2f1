"""Who a person has refused can be read, and let ask again."""

import asyncio

from consent.lifecycle import Event
from consent.store.consents import Answer
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, opened, run


def test_who_is_refused_is_listed_and_forgiven_once(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            refusals = use.store.refusals
            assert await refusals.of(person.person_id) == []
            await person.answer(await person.ask(), Answer(Event.DENY, b"{}", not_me=True))
            [refusal] = await refusals.of(person.person_id)
            assert (refusal.client_id, refusal.denials, refusal.why) == (CLIENT, 1, "not_me")

            lifted = await asyncio.gather(
                *[refusals.lift(person.person_id, CLIENT, event=b"{}") for _ in range(8)]
            )
            assert lifted.count(True) == 1
            assert await refusals.of(person.person_id) == []
            assert isinstance(await person.ask(), str)

    run(test)
