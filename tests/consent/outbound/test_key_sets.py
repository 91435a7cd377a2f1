"""What is kept of the key sets behind clients' URLs, and when they are asked for again (C027)."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import policy
from consent.errors import TemporarilyUnavailable
from consent.identifiers import b64url
from consent.outbound.client import OutboundFailed
from consent.outbound.key_sets import KeySets
from tests.support.domain import an_ec_key

URL = "https://client.example/jwks.json"
OTHER = "https://other.example/jwks.json"
FRESH = policy.KEY_SET_FRESH_SECONDS
REFETCH = policy.KEY_SET_REFETCH_SECONDS
STALE = policy.KEY_SET_STALE_SECONDS_MAX


class Stage:
    """A clock that is set by hand, and a client that answers, fails or waits as it is told."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.calls: Counter[str] = Counter()
        self.answers: dict[str, bytes | str] = {}  # a text is the reason of a failure
        self.held: dict[str, asyncio.Event] = {}
        self.sets = KeySets(self, lambda: self.now)

    async def get_json(self, url: str) -> bytes:
        self.calls[url] += 1
        if url in self.held:
            await self.held[url].wait()
        answer = self.answers[url]
        if isinstance(answer, str):
            raise OutboundFailed(answer)
        return answer

    def publish(self, *names: str, url: str = URL) -> None:
        self.answers[url] = json.dumps({"keys": [a_jwk(name) for name in names]}).encode()

    def fail(self, reason: str = "connection", *, url: str = URL) -> None:
        self.answers[url] = reason

    async def kids(self, kid: str | None = "k1", *, url: str = URL) -> list[str | None]:
        return [key.kid for key in await self.sets.keys(url, kid=kid)]


def a_jwk(kid: str) -> dict[str, str]:
    numbers = an_ec_key().public_key().public_numbers()
    x, y = (b64url(number.to_bytes(32)) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y}


async def reason(call: Coroutine[Any, Any, object]) -> str:
    with pytest.raises(OutboundFailed) as caught:
        await call
    return caught.value.reason


def test_a_set_is_fetched_once_while_it_is_fresh() -> None:
    async def run() -> None:
        stage = Stage()
        stage.publish("k1", "k2")
        for _ in range(3):
            assert await stage.kids("k1") == ["k1", "k2"]
        stage.now += FRESH - 0.001
        assert await stage.kids("k2") == ["k1", "k2"]
        assert await stage.kids(None) == ["k1", "k2"]
        assert stage.calls[URL] == 1

    asyncio.run(run())


def test_a_set_that_is_old_is_fetched_again() -> None:
    """A key that was taken out of it is trusted no longer than that."""

    async def run() -> None:
        stage = Stage()
        stage.publish("k1")
        await stage.kids()
        stage.publish("k2")
        stage.now += FRESH
        assert await stage.kids("k1") == ["k2"]
        assert stage.calls[URL] == 2

    asyncio.run(run())


def test_an_unknown_kid_fetches_again_but_not_at_once() -> None:
    """Whoever sends unknown kids makes us no louder than that."""

    async def run() -> None:
        stage = Stage()
        stage.publish("k1")
        await stage.kids()
        stage.publish("k1", "k2")
        stage.now += REFETCH - 0.001
        assert await stage.kids("k2") == ["k1"]
        assert stage.calls[URL] == 1
        stage.now += 0.001
        assert await stage.kids("k2") == ["k1", "k2"]
        assert await stage.kids("k3") == ["k1", "k2"]
        assert stage.calls[URL] == 2

    asyncio.run(run())


@pytest.mark.parametrize("why", ["connection", "timeout", "HTTP_503", "forbidden_address"])
def test_a_failure_is_remembered_for_a_moment(why: str) -> None:
    async def run() -> None:
        stage = Stage()
        stage.fail(why)
        for _ in range(3):
            assert await reason(stage.kids()) == why
        assert stage.calls[URL] == 1
        stage.publish("k1")
        stage.now += REFETCH
        assert await stage.kids() == ["k1"]
        assert stage.calls[URL] == 2

    asyncio.run(run())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"{",
        b"\xff",
        b'{"keys": [], "keys": []}',
        b"[" * 20_000,
        b'{"keys": NaN}',
        b'{"keys": ' + b"9" * 5_000 + b"}",
    ],
)
def test_what_is_no_key_set_is_a_failure(body: bytes) -> None:
    async def run() -> None:
        stage = Stage()
        stage.answers[URL] = body
        assert await reason(stage.kids()) == "malformed_answer"

    asyncio.run(run())


MEMBERS = st.dictionaries(
    st.sampled_from(["kty", "kid", "crv", "x", "y", "n", "e", "use", "alg"]),
    st.text() | st.integers() | st.sampled_from(["EC", "RSA", "OKP", "P-256", "AQAB"]),
)
BODIES = st.binary() | st.builds(
    json.dumps, st.fixed_dictionaries({"keys": st.lists(MEMBERS)})
).map(str.encode)


@given(BODIES)
def test_whatever_a_host_answers_is_keys_or_a_failure(body: bytes) -> None:
    async def run() -> None:
        stage = Stage()
        stage.answers[URL] = body
        with contextlib.suppress(OutboundFailed):
            await stage.kids()

    asyncio.run(run())


def test_a_set_of_too_many_keys_is_a_failure() -> None:
    async def run() -> None:
        stage = Stage()
        stage.publish(*["k1"] * (policy.KEYS_OF_A_SET_MAX + 1))
        assert await reason(stage.kids()) == "malformed_answer"

    asyncio.run(run())


def test_the_last_known_keys_are_used_while_their_host_is_away_for_an_hour() -> None:
    async def run() -> None:
        stage = Stage()
        stage.publish("k1")
        await stage.kids()
        stage.fail()
        stage.now += FRESH
        assert await stage.kids() == ["k1"]
        assert await stage.kids() == ["k1"]
        assert stage.calls[URL] == 2
        stage.now = 1_000 + STALE - 0.001
        assert await stage.kids() == ["k1"]
        stage.now += 0.001
        assert await reason(stage.kids()) == "connection"
        stage.publish("k1")
        stage.now += REFETCH
        assert await stage.kids() == ["k1"]

    asyncio.run(run())


def test_those_who_ask_at_once_share_one_fetch() -> None:
    async def run() -> None:
        stage = Stage()
        stage.publish("k1")
        stage.held[URL] = asyncio.Event()
        waiting = [asyncio.create_task(stage.kids(kid)) for kid in ["k1", "k2", None] * 10]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        stage.held[URL].set()
        assert await asyncio.gather(*waiting) == [["k1"]] * 30
        assert stage.calls[URL] == 1

    asyncio.run(run())


def test_those_who_ask_at_once_share_its_failure() -> None:
    async def run() -> None:
        stage = Stage()
        stage.fail("timeout")
        assert await asyncio.gather(*(reason(stage.kids()) for _ in range(30))) == ["timeout"] * 30
        assert stage.calls[URL] == 1

    asyncio.run(run())


def test_a_caller_who_goes_away_takes_the_fetch_from_nobody() -> None:
    async def run() -> None:
        stage = Stage()
        stage.publish("k1")
        stage.held[URL] = asyncio.Event()
        first, second = (asyncio.create_task(stage.kids()) for _ in range(2))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
        stage.held[URL].set()
        assert await second == ["k1"]
        assert stage.calls[URL] == 1

    asyncio.run(run())


def test_a_slow_host_keeps_only_those_waiting_who_need_it() -> None:
    async def run() -> None:
        stage = Stage()
        stage.publish("k1")
        stage.publish("o1", url=OTHER)
        await stage.kids()
        stage.now += REFETCH
        stage.held[URL] = asyncio.Event()
        waiting = asyncio.create_task(stage.kids("unknown"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert stage.calls[URL] == 2
        assert await stage.kids("k1") == ["k1"], "known and fresh"
        assert await stage.kids("o1", url=OTHER) == ["o1"]
        assert not waiting.done()
        stage.held[URL].set()
        assert await waiting == ["k1"]

    asyncio.run(run())


def test_so_many_wait_for_one_host_and_no_more() -> None:
    """T18: the next of its callers is told to come back, those of another host are served."""

    async def run() -> None:
        stage = Stage()
        stage.publish("k1")
        stage.publish("k1", url=OTHER)
        stage.held[URL] = asyncio.Event()
        most = policy.KEY_SET_WAITERS_MAX
        waiting = [asyncio.create_task(stage.kids()) for _ in range(most)]
        await asyncio.sleep(0)
        with pytest.raises(TemporarilyUnavailable):
            await stage.kids()
        assert await stage.kids(url=OTHER) == ["k1"]
        stage.held[URL].set()
        assert await asyncio.gather(*waiting) == [["k1"]] * most
        assert await stage.kids() == ["k1"]

    asyncio.run(run())


def test_a_moment_is_counted_from_the_end_of_a_fetch() -> None:
    """Or a host that takes its time would be asked without a pause."""

    async def run() -> None:
        stage = Stage()
        stage.fail("timeout")
        stage.held[URL] = asyncio.Event()
        waiting = asyncio.create_task(reason(stage.kids()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        stage.now += REFETCH
        stage.held[URL].set()
        assert await waiting == "timeout"
        assert await reason(stage.kids()) == "timeout"
        assert stage.calls[URL] == 1

    asyncio.run(run())


def test_the_sets_are_bounded_and_the_least_asked_for_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(policy, "KEY_SETS_MAX", 2)

    async def run() -> None:
        stage = Stage()
        urls = [f"https://client.example/{number}" for number in range(3)]
        for url in urls:
            stage.publish("k1", url=url)
        for url in (urls[0], urls[1], urls[0], urls[2], urls[0], urls[2], urls[1]):
            await stage.kids(url=url)
        assert stage.calls == {urls[0]: 1, urls[1]: 2, urls[2]: 1}

    asyncio.run(run())
