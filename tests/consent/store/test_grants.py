"""Refresh tokens and revoked tokens: what each step decides, repeated, raced and after restarts."""

import asyncio
import collections
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from consent import policy
from consent.client import Client, RefreshTokenPolicy
from consent.identifiers import consent_id_of, new_auth_req_id
from consent.lifecycle import Event
from consent.store.consents import Terms
from consent.store.grants import Grants, Refreshed
from consent.store.keys import Partition
from consent.tokens import redemption_jti
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, Person, StoreInUse, opened, run

LIVES_MS = (3_600_000, 600_000)  # absolute and idle


def client(*, rotates: bool = True, leeway: int = 10, **changes: Any) -> Client:  # noqa: ANN401
    rotation = RefreshTokenPolicy("rotating" if rotates else "non-rotating", leeway)
    fields: dict[str, Any] = {"client_id": CLIENT, "name": "", "secret_digest": ""}
    return Client(**(fields | {"refresh_token": rotation} | changes))


KEEPS = client(rotates=False)
ROTATES = client()
ROTATES_AT_ONCE = client(leeway=0)
PUBLIC = client(rotates=False, token_endpoint_auth_method="none")


async def granted(person: Person, lives_ms: tuple[int, int] = LIVES_MS) -> str:
    """An approval that was redeemed by a client that gets refresh tokens: its consent_id."""
    consents = person.store.consents
    consent_id = consent_id_of(new_auth_req_id(person.person_id))
    refused = await consents.accept(
        consent_id=consent_id,
        client_id=CLIENT,
        person_id=person.person_id,
        request=b'{"asked":1}',
        life_seconds=60,
        terms=Terms(refresh_lives_ms=lives_ms),
    )
    assert refused is None
    assert await person.answer(consent_id, Event.APPROVE) == "answered"
    assert (await consents.poll(consent_id, CLIENT)).outcome == "granted"
    return consent_id


async def refresh(
    use: StoreInUse, consent_id: str, generation: int = 0, by: Client = ROTATES, key: str = ""
) -> Refreshed:
    return await use.store.grants.refresh(
        consent_id=consent_id, generation=generation, client=by, confirmation=key
    )


async def outcome(
    use: StoreInUse, consent_id: str, generation: int = 0, by: Client = ROTATES, key: str = ""
) -> str:
    return (await refresh(use, consent_id, generation, by, key)).outcome


async def stands(use: StoreInUse, person: Person, jti: str) -> bool:
    """Whether an access token approved this second stands."""
    seconds, _ = await use.store.redis.command("TIME")
    found = await use.store.grants.person_of_token(person.person_id, jti, int(seconds))
    return found is not None


def in_use(
    redis_server: RedisServer, test: Callable[[StoreInUse, Person, str], Awaitable[None]]
) -> None:
    """Run a test with a person and what they granted."""

    async def story() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            await test(use, person, await granted(person))

    run(story)


def test_a_refresh_says_what_was_granted_by_whom_and_when(redis_server: RedisServer) -> None:
    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:
        refreshed = await refresh(use, consent_id, by=KEEPS)

        decided_at = await use.store.redis.execute(
            "HGET", Partition.of(consent_id).consent(consent_id), "decided_at"
        )
        assert refreshed == Refreshed(
            "refreshed",
            0,
            b'{"asked":1}',
            await person.store.people.read(person.person_id) or b"",
            int(decided_at),
        )

    in_use(redis_server, test)


def test_a_confidential_client_keeps_its_refresh_token(redis_server: RedisServer) -> None:
    """X07, B019: however often, and however many at once."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:  # noqa: ARG001
        all_at_once = [refresh(use, consent_id, by=KEEPS) for _ in range(64)]
        refreshed = await asyncio.gather(*all_at_once)

        assert {(it.outcome, it.generation) for it in refreshed} == {("refreshed", 0)}

    in_use(redis_server, test)


@pytest.mark.parametrize("by", [ROTATES, PUBLIC], ids=["by its choice", "public"])
def test_a_client_that_rotates_gets_the_next_generation(
    redis_server: RedisServer, by: Client
) -> None:
    """D081: a public client's always rotates, whatever it registered."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:  # noqa: ARG001
        generations = [(await refresh(use, consent_id, n, by)).generation for n in range(3)]

        assert generations == [1, 2, 3]

    in_use(redis_server, test)


def test_sixty_four_refreshes_of_one_token_have_one_successor(redis_server: RedisServer) -> None:
    """T17: within its leeway a client that repeats itself is answered the same."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:  # noqa: ARG001
        refreshed = await asyncio.gather(*[refresh(use, consent_id) for _ in range(64)])

        assert {(it.outcome, it.generation) for it in refreshed} == {("refreshed", 1)}
        assert await outcome(use, consent_id, 1) == "refreshed"

    in_use(redis_server, test)


def test_without_leeway_sixty_four_refreshes_are_a_reuse(redis_server: RedisServer) -> None:
    """T17, D081: one is answered, then the family is revoked and nobody is."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:
        outcomes = collections.Counter(
            await asyncio.gather(*[outcome(use, consent_id, by=ROTATES_AT_ONCE) for _ in range(64)])
        )

        assert outcomes == {"refreshed": 1, "reused": 1, "unknown": 62}
        assert await outcome(use, consent_id, 1, ROTATES_AT_ONCE) == "unknown"
        assert not await stands(use, person, redemption_jti(consent_id))
        assert not await stands(use, person, f"{redemption_jti(consent_id)}.later")

    in_use(redis_server, test)


def test_after_the_leeway_a_replaced_token_revokes_its_family(redis_server: RedisServer) -> None:
    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:  # noqa: ARG001
        await refresh(use, consent_id)
        key = Partition.of(consent_id).grant(consent_id)
        longer_ago = int(await use.store.redis.execute("HGET", key, "rotated_at")) - 10_000
        await use.store.redis.execute("HSET", key, "rotated_at", longer_ago)

        assert await outcome(use, consent_id, 0) == "reused"
        assert await outcome(use, consent_id, 1) == "unknown"

    in_use(redis_server, test)


@pytest.mark.parametrize("offered", [0, 3, 900_000_000])
def test_a_generation_that_is_not_the_last_or_next_to_last_is_a_reuse(
    redis_server: RedisServer, offered: int
) -> None:
    """One that was never given out may be the trace of a store that lost a second: no trust."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:  # noqa: ARG001
        await refresh(use, consent_id, 0)
        await refresh(use, consent_id, 1)

        assert await outcome(use, consent_id, offered) == "reused"

    in_use(redis_server, test)


def test_a_token_that_was_rotated_is_not_good_again_when_its_client_rotates_no_more(
    redis_server: RedisServer,
) -> None:
    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:  # noqa: ARG001
        await refresh(use, consent_id, 0)
        await refresh(use, consent_id, 1)

        assert (await refresh(use, consent_id, 2, KEEPS)).generation == 2
        assert await outcome(use, consent_id, 0, KEEPS) == "reused"

    in_use(redis_server, test)


@pytest.mark.parametrize("by", [KEEPS, ROTATES, ROTATES_AT_ONCE], ids=["keeps", "leeway", "none"])
def test_a_refresh_whose_reply_was_lost_is_answered_the_same_again(
    redis_server: RedisServer, by: Client
) -> None:
    """The script is sent twice under one operation id: one rotation, one answer, no reuse."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:  # noqa: ARG001
        twice = Twice(use)

        first, again = await twice.refresh(consent_id, 0, by)
        assert first == again
        assert first[:2] == [b"refreshed", 0 if by is KEEPS else 1]

    in_use(redis_server, test)


def test_a_reuse_whose_reply_was_lost_is_a_reuse_again(redis_server: RedisServer) -> None:
    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:  # noqa: ARG001
        await refresh(use, consent_id, 0)
        await refresh(use, consent_id, 1)

        assert await Twice(use).refresh(consent_id, 0, ROTATES) == [[b"reused"], [b"reused"]]
        assert await outcome(use, consent_id, 0) == "unknown"

    in_use(redis_server, test)


class Twice:
    """A store whose connection loses the first reply of every script."""

    def __init__(self, use: StoreInUse) -> None:
        self._redis = use.store.redis
        self.replies: list[Any] = []

    async def run(self, script: str, keys: list[str], *arguments: Any) -> Any:  # noqa: ANN401
        for _ in range(2):
            self.replies.append(await self._redis.run(script, keys, *arguments))
        return self.replies[-1]

    async def refresh(self, consent_id: str, generation: int, by: Client) -> list[Any]:
        grants = Grants(self)  # type: ignore[arg-type]  # all of it that is used
        await grants.refresh(consent_id=consent_id, generation=generation, client=by)
        return self.replies

    async def revoke(self, consent_id: str) -> list[Any]:
        await Grants(self).revoke(consent_id, CLIENT)  # type: ignore[arg-type]
        return self.replies


def test_another_clients_refresh_token_is_unknown_and_not_used_up(
    redis_server: RedisServer,
) -> None:
    """D080."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:  # noqa: ARG001
        other = client(client_id="another")

        assert await outcome(use, consent_id, by=other) == "unknown"
        assert await outcome(use, consent_id, 7, by=other) == "unknown"
        assert not await use.store.grants.revoke(consent_id, "another")
        assert await use.store.grants.read(consent_id, "another") is None
        assert (await refresh(use, consent_id)).generation == 1

    in_use(redis_server, test)


def test_a_public_clients_refresh_token_is_bound_to_the_first_key_it_shows(
    redis_server: RedisServer,
) -> None:
    """D054, T17: another key, or none, is another sender; a confidential client may change its."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:  # noqa: ARG001
        assert await outcome(use, consent_id, 0, KEEPS, "jkt:one") == "refreshed"
        assert await outcome(use, consent_id, 0, KEEPS, "jkt:two") == "refreshed"
        assert await outcome(use, consent_id, 0, PUBLIC, "jkt:own") == "refreshed"
        assert await outcome(use, consent_id, 1, PUBLIC, "jkt:other") == "unknown"
        assert await outcome(use, consent_id, 0, PUBLIC, "jkt:other") == "unknown"
        assert await outcome(use, consent_id, 1, PUBLIC) == "unknown"
        assert await outcome(use, consent_id, 1, PUBLIC, "jkt:own") == "refreshed"

    in_use(redis_server, test)


async def block(use: StoreInUse, person: Person) -> None:
    user = await use.store.people.read(person.person_id)
    assert user is not None
    assert await use.store.people.change(person.person_id, read=user, user=user, blocked=True)


async def leave(use: StoreInUse, person: Person) -> None:
    assert await use.store.people.remove(person.person_id)


async def be_somebody_else(use: StoreInUse, person: Person) -> None:
    """The user id is given to another person."""
    user = await use.store.people.read(person.person_id)
    assert user is not None
    await leave(use, person)
    await asyncio.sleep(0.002)  # times are in milliseconds
    assert await use.store.people.create(person.person_id, user)


@pytest.mark.parametrize("happens", [block, leave, be_somebody_else])
def test_for_a_person_who_is_blocked_or_gone_nothing_is_refreshed(
    redis_server: RedisServer, happens: Callable[[StoreInUse, Person], Awaitable[None]]
) -> None:
    """T39."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:
        assert await outcome(use, consent_id, by=KEEPS) == "refreshed"
        await happens(use, person)

        assert await outcome(use, consent_id, by=KEEPS) == "refused"
        assert await use.store.grants.read(consent_id, CLIENT) is None

    in_use(redis_server, test)


@pytest.mark.parametrize("happens", [block, leave])
def test_the_access_tokens_of_a_person_who_is_blocked_or_gone_do_not_stand(
    redis_server: RedisServer, happens: Callable[[StoreInUse, Person], Awaitable[None]]
) -> None:
    """T39."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:
        jti = redemption_jti(consent_id)
        assert await stands(use, person, jti)
        await happens(use, person)

        assert not await stands(use, person, jti)

    in_use(redis_server, test)


def test_an_access_token_is_not_of_who_has_the_user_id_now(redis_server: RedisServer) -> None:
    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:
        seconds, _ = await use.store.redis.command("TIME")
        grants, jti = use.store.grants, redemption_jti(consent_id)

        assert await grants.person_of_token(person.person_id, jti, int(seconds) - 2) is None
        assert await grants.person_of_token(person.person_id, jti, int(seconds)) is not None

    in_use(redis_server, test)


def test_revoking_a_refresh_token_ends_all_that_came_from_it(redis_server: RedisServer) -> None:
    """D022; the tokens of another approval of the same person go on."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:
        other = await granted(person)
        first = redemption_jti(consent_id)

        assert await use.store.grants.revoke(consent_id, CLIENT)

        assert await outcome(use, consent_id) == "unknown"
        assert not await stands(use, person, first)
        assert not await stands(use, person, f"{first}.later")
        assert await stands(use, person, redemption_jti(other))
        assert await outcome(use, other) == "refreshed"

    in_use(redis_server, test)


@pytest.mark.parametrize("revoked", ["", ".later"], ids=["the first", "a later one"])
def test_revoking_an_access_token_ends_that_one_only(
    redis_server: RedisServer, revoked: str
) -> None:
    """D022: even the first, whose `jti` begins all the others'."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:
        first = redemption_jti(consent_id)
        all_of_them = {"", ".later", ".latest"}

        await use.store.grants.revoke_token(person.person_id, first + revoked, 60, CLIENT)

        standing = {end for end in all_of_them if await stands(use, person, first + end)}
        assert standing == all_of_them - {revoked}
        assert await outcome(use, consent_id) == "refreshed"

    in_use(redis_server, test)


def test_a_revocation_whose_reply_was_lost_is_one_again(redis_server: RedisServer) -> None:
    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:  # noqa: ARG001
        assert await Twice(use).revoke(consent_id) == [1, 1]

    in_use(redis_server, test)


def test_a_clients_own_token_is_revoked_by_its_jti(redis_server: RedisServer) -> None:
    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:  # noqa: ARG001
        grants, owner_id = use.store.grants, person.person_id

        await grants.revoke_token(owner_id, "one", 60, CLIENT)

        assert await grants.is_revoked(owner_id, "one")
        assert not await grants.is_revoked(owner_id, "another")

    in_use(redis_server, test)


def test_a_revocation_is_remembered_for_as_long_as_a_token_could_live(
    redis_server: RedisServer,
) -> None:
    """And no longer: what is revoked must not fill the store."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:
        p, first = Partition.of(consent_id), redemption_jti(consent_id)
        await use.store.grants.revoke_token(person.person_id, first, 60, CLIENT)
        await use.store.grants.revoke(consent_id, CLIENT)

        one = await use.store.redis.execute("PTTL", p.revoked(first))
        family = await use.store.redis.execute("PTTL", p.revoked(f"{first}.*"))

        assert 60_000 < one <= 60_000 + policy.CLOCK_SKEW_SECONDS * 1_000
        assert family > policy.TOKEN_LIFE_SECONDS_MAX * 1_000

    in_use(redis_server, test)


def test_of_a_revocation_and_a_refresh_at_once_no_token_is_left(redis_server: RedisServer) -> None:
    """T17: whoever is first, what was refreshed is of a family that is revoked."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:
        for by in (KEEPS, ROTATES):
            for revoke_first in (True, False):
                consent_id = await granted(person)
                steps = [refresh(use, consent_id, by=by) for _ in range(16)]
                revocation = use.store.grants.revoke(consent_id, CLIENT)
                steps_and_it: list[Awaitable[Any]] = (
                    [revocation, *steps] if revoke_first else [*steps, revocation]
                )
                await asyncio.gather(*steps_and_it)

                assert await outcome(use, consent_id, 0, by) == "unknown"
                assert await outcome(use, consent_id, 1, by) == "unknown"
                assert not await stands(use, person, f"{redemption_jti(consent_id)}.x")

    in_use(redis_server, test)


def test_a_redemption_taken_up_again_does_not_undo_a_revocation(redis_server: RedisServer) -> None:
    """A claim may be answered once more for a minute; the grant it made is not made again."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:
        await use.store.grants.revoke(consent_id, CLIENT)
        key = Partition.of(consent_id).consent(consent_id)
        claimed_at = int(await use.store.redis.execute("HGET", key, "claimed_at"))
        await use.store.redis.execute("HSET", key, "claimed_at", claimed_at - policy.CLAIM_ALONE_MS)

        assert (await use.store.consents.poll(consent_id, CLIENT)).outcome == "granted"
        assert await outcome(use, consent_id) == "unknown"
        assert not await stands(use, person, redemption_jti(consent_id))

    in_use(redis_server, test)


def test_an_unused_refresh_token_ends_sooner_than_one_in_use(redis_server: RedisServer) -> None:
    """D082: each use begins its idle time anew, and none goes past its absolute end."""

    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:  # noqa: ARG001
        p, (absolute, idle) = Partition.of(consent_id), LIVES_MS

        async def left_ms() -> int:
            left: int = await use.store.redis.execute("PTTL", p.grant(consent_id))
            return left

        assert idle - 5_000 < await left_ms() <= idle
        await use.store.redis.execute("PEXPIRE", p.grant(consent_id), 1_000)
        await refresh(use, consent_id, by=KEEPS)
        assert idle - 5_000 < await left_ms() <= idle
        ends = int(await use.store.redis.execute("HGET", p.grant(consent_id), "expires_at"))
        sooner = ends - absolute + 60_000
        await use.store.redis.execute("HSET", p.grant(consent_id), "expires_at", sooner)
        await refresh(use, consent_id, by=KEEPS)
        assert await left_ms() <= 60_000

    in_use(redis_server, test)


def test_a_refresh_token_past_its_idle_time_is_unknown(redis_server: RedisServer) -> None:
    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:
        consent_id = await granted(person, (60_000, 1))
        while await use.store.grants.read(consent_id, CLIENT) is not None:
            pass

        assert await outcome(use, consent_id) == "unknown"
        assert not await use.store.grants.revoke(consent_id, CLIENT)

    in_use(redis_server, test)


def test_to_read_a_grant_is_not_to_use_it(redis_server: RedisServer) -> None:
    async def test(use: StoreInUse, person: Person, consent_id: str) -> None:  # noqa: ARG001
        refreshed = await refresh(use, consent_id)

        for _ in range(2):
            grant = await use.store.grants.read(consent_id, CLIENT)
            assert grant is not None
            assert grant[:3] == (1, b'{"asked":1}', refreshed.auth_time_ms)
            seconds, _ = await use.store.redis.command("TIME")
            assert 590 < grant.expires_at_ms / 1_000 - int(seconds) <= 601

    in_use(redis_server, test)


def test_what_is_not_refreshable_makes_no_grant(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            await person.answer(consent_id, Event.APPROVE)
            await use.store.consents.poll(consent_id, CLIENT)

            assert await outcome(use, consent_id) == "unknown"

    run(test)


def test_a_restart_forgets_no_rotation_and_no_revocation(tmp_path: Path) -> None:
    """T17, CVE-2026-9802: a token that was replaced, or revoked, stays so."""
    server = RedisServer(tmp_path / "redis").start()

    async def before() -> tuple[Person, str, str]:
        async with opened(server.url) as use:
            person = await use.person()
            rotated, revoked = await granted(person), await granted(person)
            await refresh(use, rotated, 0)
            await refresh(use, rotated, 1)
            await use.store.grants.revoke(revoked, CLIENT)
            return person, rotated, revoked

    async def after(person: Person, rotated: str, revoked: str) -> None:
        async with opened(server.url) as use:
            assert not await stands(use, person, redemption_jti(revoked))
            assert await outcome(use, revoked) == "unknown"
            assert await outcome(use, rotated, 0) == "reused"
            assert not await stands(use, person, redemption_jti(rotated))

    try:
        found = asyncio.run(before())
        server.kill()
        server.start()
        asyncio.run(after(*found))
    finally:
        server.stop()
