"""Clients that registered themselves and were never used go when their time has come."""

from consent.client import Client, Registration
from consent.store import keys
from tests.support.redis_server import RedisServer
from tests.support.store import opened, run
from workers.registrations import expire

NOW = 1_800_000_000


def registered(client_id: str, unused_until: int) -> Client:
    registration = Registration(issued_at=NOW - 100, unused_until=unused_until)
    return Client(client_id=client_id, name="N", secret_digest="", registration=registration)


def test_what_was_to_be_used_by_now_is_removed_as_a_deletion_would(
    redis_server: RedisServer,
) -> None:
    """T19: and what it has asked ends; others stay."""

    async def test() -> None:
        async with opened(redis_server.database(15)) as use:
            directory, redis = use.store.directory, use.store.redis
            for client in (registered("client", NOW - 100), registered("later", NOW + 1)):
                assert client.registration is not None
                await directory.write(keys.CLIENTS, client.client_id, client)
                score = client.registration.unused_until
                await redis.execute("ZADD", keys.UNUSED_REGISTRATIONS, score, client.client_id)
            person = await use.person()
            consent_id = await person.ask()

            assert await expire(use.store, NOW) == 1
            assert await expire(use.store, NOW) == 0

            assert await directory.read(keys.CLIENTS, "client", Client) is None
            assert await directory.read(keys.CLIENTS, "later", Client) is not None
            read = await use.store.consent_records.read(consent_id)
            assert read is not None
            assert read[0]["state"] == b"cancelled"

    run(test)
