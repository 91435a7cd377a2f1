"""
The life of a request against a model of it, in any order hypothesis can think of.

The model is the table of `consent.lifecycle` with a clock; the store is the real one. Time passes
by moving the times of a consent into the past, in steps of five seconds, so that no decision
hangs on how fast the test runs.
"""

import asyncio
import dataclasses
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from consent import policy
from consent.lifecycle import Event, State, next_state, row
from consent.store.consents import Attempt
from consent.store.keys import Partition
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, Person, StoreInUse, opened

CONSENTS_MAX = 2  # few, so that much happens to each
STEP_SECONDS = 5
INTERVAL_SECONDS = 5
EARLIER = ("created_at", "expires_at", "next_poll_at", "redeemed_at", "claimed_at")
ANSWERED_EARLIER = {  # what a late answer meets
    Event.APPROVE: {State.APPROVED, State.REDEEMED},
    Event.DENY: {State.DENIED},
}


@dataclasses.dataclass
class Asked:
    """What is known of one consent; times are seconds of its own clock, which starts at 0."""

    consent_id: str
    person: int
    life_seconds: int
    now: int = 0
    state: State = State.PENDING
    interval: int = INTERVAL_SECONDS
    next_poll_at: int | None = None
    redeemed_at: int = 0
    claimed_at: int = 0
    delivered: bool = False
    told: bool = False
    token_sets: set[int] = dataclasses.field(default_factory=set)  # by when they are issued

    @property
    def expired(self) -> bool:
        return self.now >= self.life_seconds and self.state in {State.PENDING, State.APPROVED}

    def apply(self, event: Event) -> None:
        after = next_state(self.state, event)
        assert after is not None
        self.state = after

    def poll(self) -> str:
        """The outcome of a poll by its own client, and what it changes."""
        if self.state is State.REDEEMED:
            if self.delivered or self.now >= self.redeemed_at + policy.CLAIM_REPEATABLE_MS // 1_000:
                return "spent"
            if self.now * 1_000 < self.claimed_at * 1_000 + policy.CLAIM_ALONE_MS:
                return "slow_down"
            self.claimed_at = self.now
            return "granted"
        if self.state in {State.DENIED, State.UNREACHABLE}:
            return self.state.value
        if self.expired:
            return "expired"
        if self.state is State.APPROVED:
            self.apply(Event.REDEEM)
            self.redeemed_at = self.claimed_at = self.now
            return "granted"
        early = self.next_poll_at is not None and self.now < self.next_poll_at
        if early:
            slower = self.interval + policy.SLOW_DOWN_SECONDS
            self.interval = min(slower, policy.POLL_INTERVAL_SECONDS_MAX)
        self.next_poll_at = self.now + self.interval
        return "slow_down" if early else "pending"


class LifeCycle(RuleBasedStateMachine):
    redis_url: str
    consents = Bundle("consents")
    asked = 0

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.opening = opened(
            self.redis_url, person_requests_per_minute_max=1_000, person_open_requests_max=1_000
        )
        self.use: StoreInUse = self.do(self.opening.__aenter__())
        self.people: list[Person] = [self.do(self.use.person(devices=2)) for _ in range(2)]

    def teardown(self) -> None:
        if hasattr(self, "use"):
            self.do(self.opening.__aexit__(None, None, None))
            self.runner.close()

    def do(self, work: Any) -> Any:  # noqa: ANN401 - typed by its caller
        return self.runner.run(work)

    @precondition(lambda self: self.asked < CONSENTS_MAX)
    @rule(target=consents, person=st.integers(0, 1), life=st.sampled_from([15, 60, 300]))
    def accept(self, person: int, life: int) -> Asked:
        self.asked += 1
        asked = Asked(self.do(self.people[person].ask(life)), person, life)
        assert isinstance(asked.consent_id, str)
        return asked

    @rule(asked=consents)
    def accept_again(self, asked: Asked) -> None:
        """A repeated call neither asks anew nor brings an ended request back."""
        refused = self.do(
            self.use.store.consents.accept(
                consent_id=asked.consent_id,
                client_id="another client",
                person_id=self.people[asked.person].person_id,
                request=b"{}",
                life_seconds=300,
            )
        )
        assert refused is None

    @rule(asked=consents)
    def poll(self, asked: Asked) -> None:
        polled = self.do(self.use.store.consents.poll(asked.consent_id, CLIENT))
        assert polled.outcome == asked.poll()
        if polled.outcome == "slow_down":
            assert polled.interval_seconds == asked.interval
        if polled.outcome == "granted":
            asked.token_sets.add(polled.redeemed_at_ms + asked.now * 1_000)

    @rule(asked=consents)
    def poll_as_a_stranger(self, asked: Asked) -> None:
        polled = self.do(self.use.store.consents.poll(asked.consent_id, "another client"))
        assert polled.outcome == "unknown"

    @rule(asked=consents, event=st.sampled_from([Event.APPROVE, Event.DENY]), at=st.integers(0, 1))
    def answer(self, asked: Asked, event: Event, at: int) -> None:
        answered = self.do(self.people[asked.person].answer(asked.consent_id, event, at))
        if asked.state in ANSWERED_EARLIER[event]:
            assert answered == "repeated"
        elif next_state(asked.state, event) is None:
            assert answered == "conflict"
        elif asked.expired:
            assert answered == "expired"
        else:
            assert answered == "answered"
            asked.apply(event)

    @rule(asked=consents, event=st.sampled_from([Event.APPROVE, Event.DENY]))
    def answer_as_a_stranger(self, asked: Asked, event: Event) -> None:
        stranger = self.people[1 - asked.person]
        assert self.do(stranger.answer(asked.consent_id, event)) == "unknown"

    @rule(asked=consents, outcome=st.sampled_from(["retry", "delivered", "rejected"]))
    def notify(self, asked: Asked, outcome: str) -> None:
        """A worker does what is owed; every device fares alike."""
        consents = self.use.store.consents
        claim = self.do(consents.claim(asked.consent_id))
        if claim is None:
            return
        assert asked.state is State.PENDING
        assert not asked.expired
        attempts = [
            Attempt(device, outcome, address, "fcm", b"{}") for device, address in claim.addresses
        ]
        verdict = self.do(consents.report(claim, attempts, 0))
        if outcome == "retry":
            assert verdict == "retrying"
        elif outcome == "delivered":
            assert verdict == "told"
            asked.told = True
        else:
            assert verdict == "unreachable"
            asked.apply(Event.GIVE_UP)

    @rule(asked=consents)
    def deliver(self, asked: Asked) -> None:
        """The token response has left."""
        self.do(self.use.store.consents.delivered(asked.consent_id))
        asked.delivered = asked.state is State.REDEEMED

    @rule(asked=consents, steps=st.sampled_from([1, 2, 3, 12]))
    def time_passes(self, asked: Asked, steps: int) -> None:
        seconds = steps * STEP_SECONDS
        self.do(self._make_older(asked, seconds * 1_000))
        asked.now += seconds

    async def _make_older(self, asked: Asked, ms: int) -> None:
        key = Partition.of(asked.consent_id).consent(asked.consent_id)
        for field in EARLIER:
            value = await self.use.store.redis.execute("HGET", key, field)
            if value is not None:
                await self.use.store.redis.execute("HSET", key, field, int(value) - ms)

    @rule(asked=consents)
    def look(self, asked: Asked) -> None:
        """The record says what the model says, and there is one token set at most (I2, I3, I5)."""
        read = self.do(self.use.store.consents.read(asked.consent_id))
        assert read is not None
        assert read[0]["state"].decode() == asked.state
        assert len(asked.token_sets) == (1 if asked.state is State.REDEEMED else 0)


@pytest.mark.xdist_group("life_cycle")
def test_no_order_of_events_leaves_the_table(redis_server: RedisServer) -> None:
    LifeCycle.redis_url = redis_server.url
    run_state_machine_as_test(
        LifeCycle,
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            derandomize=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_model_knows_every_row_of_the_table() -> None:
    """An event the model does not drive would be a transition nobody has tried."""
    assert {row(event) for event in Event} == {
        (State.PENDING, State.APPROVED),
        (State.PENDING, State.DENIED),
        (State.PENDING, State.UNREACHABLE),
        (State.APPROVED, State.REDEEMED),
    }
