"""The calls a decided consent owes its client: owed, leased to one, recorded, and forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from consent import callback, policy
from consent.client import DeliveryMode
from consent.lifecycle import Event
from consent.store.calls import CallClaim, Calls
from consent.store.connections import Redis
from consent.store.keys import Partition
from tests.support.callbacks import Asked, ask, field, held, make_due, owes, set_field
from tests.support.redis_server import RedisServer
from tests.support.store import Person, StoreInUse, opened, run

MODES: list[DeliveryMode] = ["ping", "push"]
FACT = b'{"event":"call"}'
Use = Callable[[StoreInUse, Person], Awaitable[None]]


def in_use(redis_server: RedisServer, test: Use) -> None:
    """Run a test with a person who has one device."""

    async def whole() -> None:
        async with opened(redis_server.url) as use:
            await test(use, await use.person())

    run(whole)


class Twice:
    """A connection whose first reply is always lost: every script is sent again."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def run(self, *call: Any) -> Any:  # noqa: ANN401
        first = await self._redis.run(*call)
        assert await self._redis.run(*call) == first
        return first


async def report(
    calls: Calls, claim: CallClaim, outcome: str = "delivered", retry_in_ms: int = 1_000
) -> str:
    return await calls.report(claim, outcome=outcome, retry_in_ms=retry_in_ms, fact=FACT)


async def claimed(use: StoreInUse, asked: Asked) -> CallClaim:
    claim = await use.store.calls.claim(asked.consent_id)
    assert claim is not None
    return claim


async def is_kept(use: StoreInUse, asked: Asked) -> bool:
    """Whether what it takes to call the client is still there."""
    key = Partition.of(asked.consent_id).callback(asked.consent_id)
    return bool(await use.store.redis.execute("EXISTS", key))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("event", [Event.APPROVE, Event.DENY])
def test_with_the_answer_a_call_is_owed(
    redis_server: RedisServer, mode: DeliveryMode, event: Event
) -> None:
    """A150, A157: in one step; what is pending owes none."""

    async def test(use: StoreInUse, person: Person) -> None:
        asked = await ask(use, person, mode)
        assert await use.store.calls.claim(asked.consent_id) is None
        assert not await owes(use, asked.consent_id)
        assert await person.answer(asked.consent_id, event) == "call"
        assert await owes(use, asked.consent_id)

    in_use(redis_server, test)


def test_a_client_that_polls_is_owed_no_call(redis_server: RedisServer) -> None:
    async def test(use: StoreInUse, person: Person) -> None:
        consent_id = await person.ask()
        assert await person.answer(consent_id, Event.APPROVE) == "answered"
        assert not await owes(use, consent_id)
        assert await use.store.calls.claim(consent_id) is None

    in_use(redis_server, test)


def test_a_call_is_due_a_moment_after_the_answer(redis_server: RedisServer) -> None:
    """The job that carries it comes first; a sweeper finds what no job has claimed."""

    async def test(use: StoreInUse, person: Person) -> None:
        asked = await ask(use, person, "ping")
        partition = Partition.of(asked.consent_id)
        before = await use.store.directory.now_ms()
        await person.answer(asked.consent_id, Event.APPROVE)
        due_at = float(await use.store.redis.execute("ZSCORE", partition.calls, asked.consent_id))
        assert 0 <= due_at - before - policy.SWEEP_AFTER_MS < 1_000
        assert asked.consent_id not in (await use.store.notifications.due(partition, 1_000)).calls
        await make_due(use, asked.consent_id)
        due = await use.store.notifications.due(partition, 1_000)
        assert asked.consent_id in due.calls
        assert asked.consent_id not in due.pushes

    in_use(redis_server, test)


def test_no_more_is_due_at_once_than_was_asked_for(redis_server: RedisServer) -> None:
    """And what has been owed the longest is first."""

    async def test(use: StoreInUse, person: Person) -> None:
        asked = [await ask(use, person, "ping") for _ in range(3)]
        partition = Partition.of(person.person_id)
        for number, each in enumerate(asked):
            await person.answer(each.consent_id, Event.DENY)
            await use.store.redis.execute("ZADD", partition.calls, -number, each.consent_id)
        due = await use.store.notifications.due(partition, 2)
        assert due.calls == [asked[2].consent_id, asked[1].consent_id]

    in_use(redis_server, test)


@pytest.mark.parametrize(
    ("mode", "event", "state"),
    [
        ("ping", Event.APPROVE, "approved"),
        ("ping", Event.DENY, "denied"),
        ("push", Event.APPROVE, "redeemed"),
        ("push", Event.DENY, "denied"),
    ],
)
def test_a_claim_says_what_the_client_is_to_hear(
    redis_server: RedisServer, mode: DeliveryMode, event: Event, state: str
) -> None:
    async def test(use: StoreInUse, person: Person) -> None:
        asked = await ask(use, person, mode, confirmation="jkt:thumb" if mode == "push" else "")
        await person.answer(asked.consent_id, event)
        claim = await claimed(use, asked)
        assert (claim.state, claim.attempt) == (state, 1)
        assert claim.person_id == person.person_id
        assert claim.user == await use.store.people.read(person.person_id)
        assert claim.request.startswith(b"{")
        assert b"\n" not in claim.request
        assert claim.confirmation == ("jkt:thumb" if mode == "push" else "")
        assert str(claim.decided_at_ms) == await field(use, asked.consent_id, "decided_at")
        assert str(claim.redeemed_at_ms) == (
            await field(use, asked.consent_id, "redeemed_at") or "0"
        )
        back = callback.opened(claim.callback, use.store.seal, asked.consent_id)
        assert (back.auth_req_id, back.client_notification_token) == (
            asked.auth_req_id,
            asked.bearer_token,
        )

    in_use(redis_server, test)


@pytest.mark.parametrize("mode", MODES)
def test_of_eight_workers_that_race_one_calls(
    redis_server: RedisServer, mode: DeliveryMode
) -> None:
    """And what is pushed is redeemed once, however often it is claimed (A122)."""

    async def test(use: StoreInUse, person: Person) -> None:
        asked = await ask(use, person, mode)
        await person.answer(asked.consent_id, Event.APPROVE)
        found: list[CallClaim] = []
        for _ in range(3):
            claims = await asyncio.gather(
                *[use.store.calls.claim(asked.consent_id) for _ in range(8)]
            )
            found += [claim for claim in claims if claim]
            await make_due(use, asked.consent_id)
        assert [claim.attempt for claim in found] == [1, 2, 3]
        assert len({claim.redeemed_at_ms for claim in found}) == 1
        assert (found[0].redeemed_at_ms > 0) == (mode == "push")

    in_use(redis_server, test)


@pytest.mark.parametrize("event", [Event.APPROVE, Event.DENY])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("outcome", ["delivered", "refused", "retry"])
def test_every_step_may_be_sent_twice(
    redis_server: RedisServer, mode: DeliveryMode, event: Event, outcome: str
) -> None:
    """Decision 13: a lost reply costs no attempt, and one fact is one line."""

    async def test(use: StoreInUse, person: Person) -> None:
        calls = Calls(cast("Redis", Twice(use.store.redis)))
        asked = await ask(use, person, mode)
        assert await calls.claim(asked.consent_id) is None
        await person.answer(asked.consent_id, event)
        claim = await calls.claim(asked.consent_id)
        assert claim is not None
        assert claim.attempt == 1
        assert await calls.claim(asked.consent_id) is None  # leased
        before = await use.store.consent_records.stats()
        verdict = await report(calls, claim, outcome)
        assert verdict == {"retry": "retrying"}.get(outcome, outcome)
        read = await use.store.consent_records.read(asked.consent_id)
        assert read is not None
        assert [fact.endswith(FACT) for fact in read[1]] == [False, True]
        name = f"call:{mode}:{outcome}"
        after = await use.store.consent_records.stats()
        assert after[name] - before.get(name, 0) == 1

    in_use(redis_server, test)


def test_a_lease_that_ran_out_belongs_to_the_next(redis_server: RedisServer) -> None:
    """The worker was slow or died: what it says later settles nothing for the other."""

    async def test(use: StoreInUse, person: Person) -> None:
        asked = await ask(use, person, "push")
        await person.answer(asked.consent_id, Event.APPROVE)
        slow = await claimed(use, asked)
        due_at = await use.store.redis.execute(
            "ZSCORE", Partition.of(asked.consent_id).calls, asked.consent_id
        )
        leased_ms = float(due_at) - slow.redeemed_at_ms
        assert policy.CALL_LEASE_MS <= leased_ms < policy.CALL_LEASE_MS + 1_000
        await make_due(use, asked.consent_id)
        quick = await claimed(use, asked)
        assert quick == slow._replace(attempt=2)
        assert await report(use.store.calls, slow, "refused") == "superseded"
        assert await owes(use, asked.consent_id)
        assert await report(use.store.calls, quick) == "delivered"
        assert not await owes(use, asked.consent_id)

    in_use(redis_server, test)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("outcome", ["delivered", "refused", "given_up"])
def test_when_the_call_has_been_made_nothing_it_took_is_left(
    redis_server: RedisServer, mode: DeliveryMode, outcome: str
) -> None:
    """A159: neither secret is there before but sealed, and nothing of them after."""

    async def test(use: StoreInUse, person: Person) -> None:
        asked = await ask(use, person, mode)
        await person.answer(asked.consent_id, Event.APPROVE)
        claim = await claimed(use, asked)
        secrets = [asked.bearer_token.encode(), asked.auth_req_id.encode()]
        before = held(redis_server.url)
        assert asked.consent_id.encode() in before
        assert claim.callback in before
        assert not any(secret in before for secret in secrets)
        word, wait = ("retry", 10**9) if outcome == "given_up" else (outcome, 1_000)
        assert await report(use.store.calls, claim, word, wait) == outcome
        after = held(redis_server.url)
        assert claim.callback not in after
        assert not any(secret in after for secret in secrets)
        assert not await owes(use, asked.consent_id)
        assert await use.store.calls.claim(asked.consent_id) is None

    in_use(redis_server, test)


def test_when_what_is_pushed_arrived_is_known(redis_server: RedisServer) -> None:
    """As it is of what was asked for: a push is how its client has its answer, a ping is not."""

    async def test(use: StoreInUse, person: Person) -> None:
        for mode in MODES:
            asked = await ask(use, person, mode)
            await person.answer(asked.consent_id, Event.APPROVE)
            await report(use.store.calls, await claimed(use, asked))
            assert bool(await field(use, asked.consent_id, "delivered_at")) == (mode == "push")

    in_use(redis_server, test)


def test_a_retry_is_due_when_it_was_said_to_be(redis_server: RedisServer) -> None:
    async def test(use: StoreInUse, person: Person) -> None:
        asked = await ask(use, person, "ping")
        await person.answer(asked.consent_id, Event.APPROVE)
        assert await report(use.store.calls, await claimed(use, asked), "retry", 5_000) == (
            "retrying"
        )
        assert await use.store.calls.claim(asked.consent_id) is None
        due_at = await use.store.redis.execute(
            "ZSCORE", Partition.of(asked.consent_id).calls, asked.consent_id
        )
        left_ms = float(due_at) - await use.store.directory.now_ms()
        assert 4_000 < left_ms <= 5_000
        await make_due(use, asked.consent_id)
        assert (await claimed(use, asked)).attempt == 2

    in_use(redis_server, test)


@pytest.mark.parametrize(
    ("mode", "wait_ms", "verdict"),
    [
        ("ping", 50_000, "retrying"),
        ("ping", 60_000, "given_up"),
        ("push", 60_000, "retrying"),
        ("push", policy.CALLABLE_AFTER_ANSWER_MS - 10_000, "retrying"),
        ("push", policy.CALLABLE_AFTER_ANSWER_MS, "given_up"),
    ],
)
def test_a_client_is_called_for_so_long(
    redis_server: RedisServer, mode: DeliveryMode, wait_ms: int, verdict: str
) -> None:
    """A156: a ping while there is something to ask for (a minute here), a push a while longer."""

    async def test(use: StoreInUse, person: Person) -> None:
        asked = await ask(use, person, mode)
        await person.answer(asked.consent_id, Event.APPROVE)
        claim = await claimed(use, asked)
        assert await report(use.store.calls, claim, "retry", wait_ms) == verdict

    in_use(redis_server, test)


def test_a_ping_that_comes_to_nothing_takes_nothing_away(redis_server: RedisServer) -> None:
    """A155: the result stays to be asked for."""

    async def test(use: StoreInUse, person: Person) -> None:
        asked = await ask(use, person, "ping")
        await person.answer(asked.consent_id, Event.APPROVE)
        await report(use.store.calls, await claimed(use, asked), "refused")
        polled = await use.store.consents.poll(asked.consent_id, asked.client_id)
        assert polled.outcome == "granted"

    in_use(redis_server, test)


@pytest.mark.parametrize("before", ["the claim", "the report"])
def test_who_has_asked_is_owed_no_ping(redis_server: RedisServer, before: str) -> None:
    async def test(use: StoreInUse, person: Person) -> None:
        asked = await ask(use, person, "ping")
        await person.answer(asked.consent_id, Event.APPROVE)
        claim = await claimed(use, asked) if before == "the report" else None
        polled = await use.store.consents.poll(asked.consent_id, asked.client_id)
        assert polled.outcome == "granted"
        if claim:
            assert await report(use.store.calls, claim, "retry", 0) == "retrying"
        assert await use.store.calls.claim(asked.consent_id) is None
        assert not await owes(use, asked.consent_id)
        assert not await is_kept(use, asked)

    in_use(redis_server, test)


def test_what_expired_unasked_for_is_pinged_no_more_and_pushed_as_expired(
    redis_server: RedisServer,
) -> None:
    """A150: expiry need not ping; A173: and may be pushed."""

    async def test(use: StoreInUse, person: Person) -> None:
        pinged, pushed = await ask(use, person, "ping"), await ask(use, person, "push")
        for asked in (pinged, pushed):
            await person.answer(asked.consent_id, Event.APPROVE)
            await set_field(use, asked.consent_id, "expires_at", 1)
        assert await use.store.calls.claim(pinged.consent_id) is None
        assert not await is_kept(use, pinged)
        for attempt in (1, 2):
            claim = await claimed(use, pushed)
            assert (claim.state, claim.attempt, claim.redeemed_at_ms) == ("expired", attempt, 0)
            await make_due(use, pushed.consent_id)
        assert await field(use, pushed.consent_id, "state") == "approved"

    in_use(redis_server, test)


async def block(person: Person, *, blocked: bool = True) -> None:
    user = await person.store.people.read(person.person_id)
    assert user is not None
    assert await person.store.people.change(person.person_id, read=user, user=user, blocked=blocked)


async def remove(person: Person) -> None:
    assert await person.store.people.remove(person.person_id)


async def remove_device(person: Person) -> None:
    assert await person.store.people.remove_device(person.person_id, person.devices[0])


LEAVES = {"blocked": block, "removed": remove, "device removed": remove_device}


@pytest.mark.parametrize("leave", LEAVES.values(), ids=LEAVES)
@pytest.mark.parametrize("attempts", [0, 1, 2])
def test_nobody_is_pushed_tokens_of_a_person_who_may_not_grant_any_more(
    redis_server: RedisServer, leave: Callable[[Person], Awaitable[None]], attempts: int
) -> None:
    """T39: between the approval and the first attempt, and between any two."""

    async def test(use: StoreInUse, person: Person) -> None:
        asked = await ask(use, person, "push")
        await person.enroll()  # the one that did not answer stands for nothing
        await person.answer(asked.consent_id, Event.APPROVE)
        for _ in range(attempts):
            assert (await claimed(use, asked)).state == "redeemed"
            await make_due(use, asked.consent_id)
        await leave(person)
        claim = await claimed(use, asked)
        assert claim.state == "refused"
        assert await field(use, asked.consent_id, "state") == (
            "redeemed" if attempts else "approved"
        )

    in_use(redis_server, test)


def test_what_was_refused_is_not_granted_at_the_next_attempt(redis_server: RedisServer) -> None:
    """Its client may have heard access_denied although it answered with an error."""

    async def test(use: StoreInUse, person: Person) -> None:
        asked = await ask(use, person, "push")
        await person.answer(asked.consent_id, Event.APPROVE)
        await block(person)
        assert (await claimed(use, asked)).state == "refused"
        await block(person, blocked=False)
        await make_due(use, asked.consent_id)
        claim = await claimed(use, asked)
        assert (claim.state, claim.redeemed_at_ms) == ("refused", 0)

    in_use(redis_server, test)


def test_a_push_that_is_refreshable_makes_its_grant_once(redis_server: RedisServer) -> None:
    async def test(use: StoreInUse, person: Person) -> None:
        asked = await ask(use, person, "push", refreshable=True)
        grant = Partition.of(asked.consent_id).grant(asked.consent_id)
        await person.answer(asked.consent_id, Event.APPROVE)
        assert not await use.store.redis.execute("EXISTS", grant)
        await claimed(use, asked)
        made = await use.store.redis.execute("HGETALL", grant)
        assert made
        await make_due(use, asked.consent_id)
        await claimed(use, asked)
        assert await use.store.redis.execute("HGETALL", grant) == made

    in_use(redis_server, test)


def test_a_consent_that_can_be_answered_no_more_owes_its_call_at_once(
    redis_server: RedisServer,
) -> None:
    """Its last device is gone: unreachable, before the deadline."""

    async def test(use: StoreInUse, person: Person) -> None:
        asked = await ask(use, person, "push")
        await remove_device(person)
        due = await use.store.notifications.due(Partition.of(asked.consent_id), 1_000)
        assert asked.consent_id in due.calls
        assert (await claimed(use, asked)).state == "unreachable"

    in_use(redis_server, test)


def test_what_is_forgotten_owes_nothing(redis_server: RedisServer) -> None:
    """The record has gone with its retention, its entry in the outbox has not."""

    async def test(use: StoreInUse, person: Person) -> None:
        gone, going = await ask(use, person, "push"), await ask(use, person, "push")
        for asked in (gone, going):
            await person.answer(asked.consent_id, Event.DENY)
        claim = await claimed(use, going)
        p = Partition.of(person.person_id)
        await use.store.redis.execute("DEL", p.consent(gone.consent_id))
        await use.store.redis.execute("DEL", p.consent(going.consent_id))
        assert await use.store.calls.claim(gone.consent_id) is None
        assert await report(use.store.calls, claim) == "over"
        for asked in (gone, going):
            assert not await owes(use, asked.consent_id)
            assert not await is_kept(use, asked)

    in_use(redis_server, test)
