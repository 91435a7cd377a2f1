"""The signing keys all processes share: made once, rotated while they sign, removed by name."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import jwt
import pytest

from consent import jose, policy
from consent.client import SigningAlgorithm
from consent.key_ring import KeyRing
from consent.seal import Seal
from consent.settings import SettingsError
from consent.signing_key import ALGORITHMS, SigningKey, StoredKey, new_signing_key
from consent.store import keys, signing_keys
from consent.store.directory import Directory
from consent.store.signing_keys import SigningKeys
from tests.support.domain import SEAL, an_rsa_key
from tests.support.redis_server import RedisServer
from tests.support.store import opened, run
from tests.support.waiting import until

MINUTE_MS = 60_000


@pytest.fixture
def url(redis_server: RedisServer) -> str:
    """A database without keys."""
    url = redis_server.database(3)

    async def forget() -> None:
        async with opened(url) as use:
            await use.store.redis.command("FLUSHDB")

    run(forget)
    return url


@asynccontextmanager
async def process(url: str, seal: Seal = SEAL) -> AsyncIterator[tuple[SigningKeys, Directory]]:
    """A process's signing keys, while it listens."""
    async with opened(url) as use:
        directory = use.store.directory
        task = asyncio.ensure_future(directory.listen())
        try:
            it = SigningKeys(directory, seal)
            await until(lambda: kept(it))
            yield it, directory
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def kept(it: SigningKeys) -> bool:
    with contextlib.suppress(SettingsError):
        return await it.ring() is await it.ring()
    return True


def published(ring: KeyRing, now_ms: float) -> set[str]:
    return {jwk["kid"] for jwk in ring.published(now_ms)}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_processes_that_race_for_the_first_key_make_one(
    url: str, alg: SigningAlgorithm, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[SigningKey] = []

    def make(alg: SigningAlgorithm) -> SigningKey:
        key = SigningKey(an_rsa_key(), alg) if alg == "RS256" else new_signing_key(alg)
        made.append(key)
        return key

    monkeypatch.setattr(signing_keys, "new_signing_key", make)

    async def test() -> None:
        async with process(url) as (one, directory), process(url) as (two, _):
            now_ms = await directory.now_ms()
            signers = await asyncio.gather(
                *[it.signer(alg, now_ms) for it in (one, two) for _ in range(10)]
            )
            assert len({key.kid for key in signers}) == 1
            assert {key.alg for key in signers} == {alg}
            assert len(await directory.read_whole(keys.KEYS, StoredKey)) == 1
            assert len(made) <= 2, "one a process, however many wait for it"

    run(test)


def test_an_installation_keeps_the_key_it_has(url: str) -> None:
    """Its one record, `current`, says nothing of when it begins."""
    key = new_signing_key()

    async def test() -> None:
        async with process(url) as (it, directory):
            record = {
                name: getattr(key.stored(SEAL), name) for name in ("kid", "alg", "public", "sealed")
            }
            await directory.write(keys.KEYS, "current", record)
            assert (await it.signer("ES256", 0)).kid == key.kid
            assert (await it.signer("EdDSA", 0)).kid != key.kid
            assert {"current", "first-EdDSA"} == (
                await directory.read_whole(keys.KEYS, StoredKey)
            ).keys()

    run(test)


def test_a_signer_that_is_at_hand_costs_no_redis(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with process(url) as (it, directory):
            key = await it.signer("ES256", 0)
            await until(lambda: kept(it))
            monkeypatch.setattr(directory, "_redis", None)
            assert await it.signer("ES256", 0) is key

    run(test)


def test_a_key_is_parsed_once_even_by_a_process_that_cannot_listen(url: str) -> None:
    async def test() -> None:
        async with opened(url) as use:
            it = SigningKeys(use.store.directory, SEAL)
            key = await it.signer("ES256", 0)
            assert await it.ring() is not await it.ring()
            assert await it.signer("ES256", 0) is key

    run(test)


def test_a_rotation_is_published_before_it_signs_and_its_predecessor_after(url: str) -> None:
    """
    F27. Two processes sign and a third keeps a copy of the key set as old as the overlap allows:
    whatever the time, it verifies what they sign, and what they have signed so far.
    """

    async def test() -> None:
        async with process(url) as (one, directory), process(url) as (two, _):
            first = await one.signer("ES256", 0)
            begin = await directory.now_ms()
            kid = await one.rotate("ES256", overlap_seconds=600)
            await until(lambda: heard(two, kid))
            ring = await two.ring()
            takes_over = ring.entries[0].signs_from
            assert begin + 10 * MINUTE_MS <= takes_over <= begin + 11 * MINUTE_MS
            assert published(ring, begin) == {first.kid, kid}
            tokens: list[tuple[str, str]] = []
            for minute, it in zip(range(13), itertools.cycle([one, two]), strict=False):
                now_ms = begin + minute * MINUTE_MS
                key = await it.signer("ES256", now_ms)
                assert key.kid == (first.kid if now_ms < takes_over else kid)
                copied = max(begin, now_ms - 5 * MINUTE_MS)
                key_set = jose.key_set({"keys": ring.published(copied)})
                tokens.append((key.kid, key.sign({"minute": minute}, "JWT")))
                assert jose.claims_of(tokens[-1][1], key_set, ["ES256"]) == {"minute": minute}
            assert {signer for signer, _ in tokens} == {first.kid, kid}
            end = takes_over + policy.KEY_PUBLISHED_AFTER_SECONDS * 1_000
            last = jose.key_set({"keys": ring.published(end - 1)})
            for _, token in tokens:
                jose.claims_of(token, last, ["ES256"])
            assert published(ring, end) == {kid}

    run(test)


async def heard(it: SigningKeys, kid: str) -> bool:
    return (await it.ring()).find(kid) is not None


def test_in_an_emergency_the_next_key_signs_at_once(url: str) -> None:
    """And the stolen one is removed: every process hears of it, and verifies nothing by it."""

    async def test() -> None:
        async with process(url) as (one, directory), process(url) as (two, _):
            stolen = await one.signer("ES256", 0)
            await until(lambda: heard(two, stolen.kid))
            kid = await one.rotate("ES256", overlap_seconds=0)
            now_ms = await directory.now_ms()
            assert (await one.signer("ES256", now_ms)).kid == kid
            assert await one.remove(stolen.kid) == "removed"

            async def forgotten() -> bool:
                return not await heard(two, stolen.kid)

            await until(forgotten)
            assert (await two.signer("ES256", now_ms)).kid == kid
            assert published(await two.ring(), now_ms) == {kid}
            assert await one.remove(stolen.kid) == "unknown"

    run(test)


def test_the_key_that_signs_is_not_removed(url: str) -> None:
    """An older one would sign again; the next may be thought better of."""

    async def test() -> None:
        async with process(url) as (it, directory):
            key = await it.signer("ES256", 0)
            kid = await it.rotate("ES256", overlap_seconds=600)
            assert await it.remove(key.kid) == "signing"
            assert await it.remove(kid) == "removed"
            assert await it.signer("ES256", await directory.now_ms() + 11 * MINUTE_MS) is key

    run(test)


def test_an_algorithm_that_has_only_a_next_key_gets_a_first(url: str) -> None:
    async def test() -> None:
        async with process(url) as (it, directory):
            kid = await it.rotate("EdDSA", overlap_seconds=600)
            now_ms = await directory.now_ms()
            first = await it.signer("EdDSA", now_ms)
            assert first.kid != kid
            assert (await it.signer("EdDSA", now_ms + 11 * MINUTE_MS)).kid == kid

    run(test)


def test_another_secret_key_is_named_and_changes_nothing(url: str) -> None:
    async def test() -> None:
        async with process(url) as (it, directory):
            key = await it.signer("ES256", 0)
            stranger = SigningKeys(directory, Seal("another secret key of 32 characters"))
            for attempt in (
                stranger.ring(),
                stranger.signer("EdDSA", 0),
                stranger.rotate("ES256", overlap_seconds=0),
                stranger.remove(key.kid),
            ):
                with pytest.raises(SettingsError, match="NOD_SECRET_KEY: is not the one"):
                    await attempt
            assert [*await directory.read_whole(keys.KEYS, StoredKey)] == ["current"]
            jwt.decode((await it.signer("ES256", 0)).sign({}, "JWT"), key.public_key, ["ES256"])

    run(test)
