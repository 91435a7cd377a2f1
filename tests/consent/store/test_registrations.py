"""Clients that register themselves: one step, and its bounds (T19)."""

import asyncio
import secrets
from typing import Any

import msgspec

from consent import policy
from consent.client import Client, Registration
from consent.identifiers import digest
from consent.registration.initial_access_token import (
    InitialAccessToken,
    new_initial_access_token,
)
from consent.store import keys
from consent.store.registrations import Quota, Refused, Registrations
from tests.support.redis_server import RedisServer
from tests.support.store import StoreInUse, opened, run

NOW = 1_800_000_000
MANY = Quota(10**6, 10**6)
EVENT = b'{"description":"Dynamic client registration"}'


def a_client(unused_until: int = 0) -> Client:
    return Client(
        client_id=secrets.token_urlsafe(8),
        name="N",
        secret_digest="",
        is_first_party=False,
        registration=Registration(issued_at=NOW, unused_until=unused_until),
    )


def an_address() -> str:
    return f"2001:db8::{secrets.token_hex(2)}:{secrets.token_hex(2)}"


class InUse:
    def __init__(self, use: StoreInUse) -> None:
        self.redis = use.store.redis
        self.directory = use.store.directory
        self.registrations = Registrations(self.redis, self.directory)

    async def register(self, client: Client | None = None, **given: Any) -> Refused | None:  # noqa: ANN401
        arguments: dict[str, Any] = {
            "address": an_address(),
            "quota": MANY,
            "token": None,
            "event": EVENT,
        }
        return await self.registrations.register(client or a_client(), **(arguments | given))

    async def new_token(self, uses: int) -> InitialAccessToken:
        token, _ = new_initial_access_token(created_at=NOW, expires_at=NOW + 60, uses=uses)
        await self.directory.create(keys.INITIAL_ACCESS_TOKENS, token.id, token)
        return token

    async def known(self, client: Client) -> Client | None:
        return await self.directory.read(keys.CLIENTS, client.client_id, Client)

    async def count(self) -> int:
        index = keys.index(keys.CLIENTS, "registered")
        return int(await self.redis.execute("ZCARD", index))

    async def last_event(self) -> dict[bytes, bytes]:
        [(_, fields)] = await self.redis.execute("XREVRANGE", keys.EVENTS, "+", "-", "COUNT", 1)
        return dict(zip(fields[::2], fields[1::2], strict=True))


def test_a_client_is_kept_with_its_indexes_and_its_event(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            it, client, before = InUse(use), a_client(), 0
            before = await it.count()
            assert await it.register(client) is None
            assert await it.known(client) == client
            assert await it.count() == before + 1
            page = await it.directory.page_after(
                keys.CLIENTS, Client, "third", after="", count=10_000
            )
            assert client in page
            assert await it.last_event() == {
                b"t": b"sapi",
                b"client": client.client_id.encode(),
                b"e": EVENT,
            }

    run(test)


def test_the_same_call_repeated_registers_once(redis_server: RedisServer) -> None:
    """Its reply may have been lost: it counts once, and uses its token once."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            it, client, address = InUse(use), a_client(), an_address()
            token = await it.new_token(2)
            for _ in range(3):
                assert await it.register(client, address=address, token=token) is None
            left = await it.registrations.initial_access_token(token.id)
            assert left == token.used()
            one_more = Quota(10**6, 2)
            assert await it.register(address=address, quota=one_more) is None
            refused = await it.register(address=address, quota=one_more)
            assert refused is not None
            assert refused.reason == "too_many_of_address"

    run(test)


def test_an_address_registers_so_many_in_an_hour(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            it, address, quota = InUse(use), an_address(), Quota(10**6, 3)
            replies = await asyncio.gather(
                *[it.register(address=address, quota=quota) for _ in range(10)]
            )
            assert [reply for reply in replies if reply is None] == [None] * 3
            refused = next(reply for reply in replies if reply is not None)
            assert refused.reason == "too_many_of_address"
            assert 0 < refused.wait_ms <= policy.REGISTRATIONS_COUNTED_MS
            assert await it.register(quota=quota) is None  # another address

    run(test)


def test_what_is_refused_leaves_nothing(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            it, client, address = InUse(use), a_client(), an_address()
            full = Quota(await it.count(), 10)
            assert await it.register(client, address=address, quota=full) == Refused("too_many")
            token = await it.new_token(1)
            used_elsewhere = msgspec.structs.replace(token, uses_left=7)
            assert await it.register(client, address=address, token=used_elsewhere) == Refused(
                "superseded"
            )
            assert await it.known(client) is None
            count = keys.registrations_from(digest(address))
            assert await it.redis.execute("EXISTS", count) == 0
            assert await it.registrations.initial_access_token(token.id) == token

    run(test)


def test_a_token_registers_as_many_as_it_is_for(redis_server: RedisServer) -> None:
    """Used up, it is gone: from the list as well."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            it = InUse(use)
            token = await it.new_token(2)
            replies = await asyncio.gather(*[it.register(token=token) for _ in range(5)])
            assert min(map(str, replies)) == "None"
            assert replies.count(None) == 1
            left = await it.registrations.initial_access_token(token.id)
            assert left is not None
            assert left.uses_left == 1
            assert await it.register(token=left) is None
            assert await it.registrations.initial_access_token(token.id) is None
            listed = await it.directory.page_after(
                keys.INITIAL_ACCESS_TOKENS, InitialAccessToken, after="", count=1_000
            )
            assert token.id not in [record.id for record in listed]

    run(test)


def test_what_was_never_used_goes_and_what_was_used_stays(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            it = InUse(use)
            idle, used, later, left = (
                a_client(NOW),
                a_client(NOW),
                a_client(NOW + 900),
                a_client(NOW),
            )
            for client in (idle, used, later, left):
                assert await it.register(client) is None
            await it.registrations.first_use(used.client_id, event=b"{}")
            await it.directory.remove_client(left.client_id)
            ended: list[str] = []

            async def end_client(client_id: str) -> None:
                ended.append(client_id)
                await it.directory.remove_client(client_id)

            sweep = it.registrations.sweep_unused
            assert await sweep(NOW + policy.CLOCK_SKEW_SECONDS - 1, end_client) == 0
            assert await sweep(NOW + policy.CLOCK_SKEW_SECONDS, end_client) == 2
            assert set(ended) == {idle.client_id, left.client_id}
            assert await it.known(idle) is None
            kept = await it.known(used)
            assert kept is not None
            assert kept.registration == Registration(issued_at=NOW)
            assert await it.known(later) == later
            assert await sweep(NOW + policy.CLOCK_SKEW_SECONDS, end_client) == 0
            await it.redis.execute("ZREM", keys.UNUSED_REGISTRATIONS, later.client_id)

    run(test)


def test_a_sweep_that_was_cut_short_is_done_by_the_next(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            it, idle = InUse(use), a_client(NOW)
            assert await it.register(idle) is None
            ended: list[str] = []

            async def end_client(client_id: str) -> None:
                await it.directory.remove_client(client_id)
                ended.append(client_id)
                if len(ended) == 1:
                    raise ConnectionError

            for _ in range(2):
                try:
                    await it.registrations.sweep_unused(NOW + 900, end_client)
                except ConnectionError:
                    continue
            assert ended == [idle.client_id] * 2

    run(test)
