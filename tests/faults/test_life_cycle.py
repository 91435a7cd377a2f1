"""
The life of a request against a model of it, in any order hypothesis can think of.

The model is the table of `consent.lifecycle` with a clock; the store is the real one. Time passes
by moving the times of a consent into the past, in steps of five seconds, so that no decision
hangs on how fast the test runs. `TEST_LIVES` sets how many lives are lived.
"""

import asyncio
import collections
import dataclasses
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from consent import policy
from consent.client import Client, RefreshTokenPolicy
from consent.identifiers import consent_id_of, new_auth_req_id
from consent.lifecycle import Event, State, next_state, row
from consent.profile import rotates_refresh_tokens
from consent.store.consents import Refused, Terms
from consent.store.keys import Partition
from consent.store.notifications import Attempt
from consent.tokens import redemption_jti
from tests.support.redis_server import RedisServer
from tests.support.store import Person, StoreInUse, opened

LIVES = int(os.environ.get("TEST_LIVES", "80"))
CONSENTS_MAX = 3
STEP_SECONDS = 5
INTERVAL_SECONDS = 5
CLIENTS = ("one client", "another client")
LIVES_MS = (36_000_000, 36_000_000)  # of a refresh token: longer than any of this takes
EARLIER = ("created_at", "expires_at", "next_poll_at", "redeemed_at", "claimed_at", "decided_at")
ANSWERED_EARLIER = {  # what a late answer meets
    Event.APPROVE: {State.APPROVED, State.REDEEMED},
    Event.DENY: {State.DENIED},
}
MODES = st.sampled_from(["poll", "ping", "push"])
POLICIES = {
    "keeps": RefreshTokenPolicy("non-rotating", leeway=0),
    "rotates": RefreshTokenPolicy("rotating", leeway=0),
    "forgives": RefreshTokenPolicy("rotating", leeway=60),
}


@dataclasses.dataclass
class Known:
    """
    What is known of one person: which of the devices they ever had are still theirs, and how often
    they have denied each client since they last approved of it.
    """

    blocked: bool = False
    devices: set[int] = dataclasses.field(default_factory=lambda: {0, 1})
    denials: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)


@dataclasses.dataclass
class Asked:
    """What is known of one consent; times are seconds of its own clock, which starts at 0."""

    consent_id: str
    whom: Known
    person: int
    client: int
    life_seconds: int
    mode: str
    refreshable: bool
    now: int = 0
    state: State = State.PENDING
    interval: int = INTERVAL_SECONDS
    next_poll_at: int | None = None
    decided_at: int | None = None  # by a device: what became unreachable has only its deadline
    decided_by: int | None = None
    redeemed_at: int = 0
    claimed_at: int = 0
    delivered: bool = False
    call_owed: bool = False
    called: bool = False
    call_leased_until: int = 0
    generation: int | None = None  # of the refresh token that counts
    revoked: bool = False
    token_sets: set[int] = dataclasses.field(default_factory=set)  # by when they are issued

    @property
    def client_id(self) -> str:
        return CLIENTS[self.client]

    @property
    def stranger_id(self) -> str:
        return CLIENTS[1 - self.client]

    @property
    def expired(self) -> bool:
        return self.now >= self.life_seconds and self.state in {State.PENDING, State.APPROVED}

    @property
    def stands(self) -> bool:
        """T39: whoever approved may still be answered for, by what they approved with."""
        return not self.whom.blocked and self.decided_by in self.whom.devices

    def apply(self, event: Event) -> None:
        after = next_state(self.state, event)
        assert after is not None
        self.state = after
        if event is Event.REDEEM:
            self.redeemed_at = self.now
            self.generation = 0 if self.refreshable else None
        else:
            self.call_owed = self.mode != "poll"

    def poll(self) -> str:
        """The outcome of a poll by its own client, and what it changes."""
        if self.state is State.REDEEMED:
            return self._poll_again()
        if self.state in {State.DENIED, State.UNREACHABLE, State.CANCELLED}:
            return self.state.value
        if self.expired:
            return "expired"
        if self.state is State.APPROVED:
            if not self.stands:
                return "refused"
            self.apply(Event.REDEEM)
            self.claimed_at = self.now
            return "granted"
        early = self.next_poll_at is not None and self.now < self.next_poll_at
        if early:
            slower = self.interval + policy.SLOW_DOWN_SECONDS
            self.interval = min(slower, policy.POLL_INTERVAL_SECONDS_MAX)
        self.next_poll_at = self.now + self.interval
        return "slow_down" if early else "pending"

    def _poll_again(self) -> str:
        """A claim that was made and not delivered is taken up again, after a moment."""
        if self.delivered:
            return "spent"
        if not self.stands:
            return "refused"
        if self.now * 1_000 < self.claimed_at * 1_000 + policy.CLAIM_ALONE_MS:
            return "slow_down"
        if self.now >= self.redeemed_at + policy.CLAIM_REPEATABLE_MS // 1_000:
            return "spent"
        self.claimed_at = self.now
        return "granted"

    def answer(self, event: Event, device: int) -> str:
        """The reply to a device of theirs, and what it changes."""
        if device not in self.whom.devices:
            return "unknown_device"
        if self.state in ANSWERED_EARLIER[event]:
            return "repeated"
        if next_state(self.state, event) is None:
            return "conflict"
        if self.expired:
            return "expired"
        if self.whom.blocked:
            return "blocked"
        self.apply(event)
        self.decided_at, self.decided_by = self.now, device
        self.whom.denials[self.client] += 1 if event is Event.DENY else 0
        if event is Event.APPROVE:
            self.whom.denials[self.client] = 0
        return "call" if self.call_owed else "answered"

    def cancel(self) -> str:
        """The reply to an administrator, and what it changes."""
        if self.state is State.CANCELLED:
            return "cancelled"
        if self.state is not State.PENDING or self.expired:
            return "over"
        self.apply(Event.CANCEL)
        return "call" if self.call_owed else "cancelled"

    def claim_call(self) -> str | None:
        """What a worker is to tell the client, and what its claim changes."""
        if not self.call_owed:
            return None
        if self.mode == "ping" and (self.expired or self.state is State.REDEEMED):
            self.call_owed = False
            return None
        if self.now < self.call_leased_until:
            return None
        first, self.called = not self.called, True
        if self.mode == "push" and self.state in {State.APPROVED, State.REDEEMED}:
            if self.expired:
                return "expired"
            if not self.stands or (self.state is State.APPROVED and not first):
                return "refused"
            if self.state is State.APPROVED:
                self.apply(Event.REDEEM)
        return self.state.value

    def report_call(self, outcome: str) -> str:
        """What is owed after a call; a retry is due at once."""
        self.call_leased_until = 0
        last = self.life_seconds
        if self.mode == "push" and self.decided_at is not None:
            last = max(last, self.decided_at + policy.CALLABLE_AFTER_ANSWER_MS // 1_000)
        if outcome == "retry" and self.now < last:
            return "retrying"
        self.call_owed = False
        self.delivered |= outcome == "delivered" and self.mode == "push"
        return "given_up" if outcome == "retry" else outcome

    def refresh(self, generation: int, client: Client) -> tuple[str, int]:
        """The outcome of a refresh, with the generation it hands out, and what it changes."""
        if self.generation is None or client.client_id != self.client_id:
            return "unknown", 0
        if self.whom.blocked:
            return "refused", 0
        if generation == self.generation:
            self.generation += rotates_refresh_tokens(client)
        elif generation != self.generation - 1 or not client.refresh_token.leeway:
            self.generation, self.revoked = None, True
            return "reused", 0
        return "refreshed", self.generation

    def revoke(self, client_id: str) -> bool:
        """Whether what was offered is revoked now."""
        if self.generation is not None and client_id == self.client_id:
            self.generation, self.revoked = None, True
        return self.generation is None and self.revoked


def _has_been_granted(machine: "LifeCycle") -> bool:
    return any(it.generation is not None or it.revoked for it in machine.asked)


class LifeCycle(RuleBasedStateMachine):
    redis_url: str
    consents = Bundle("consents")

    @initialize(
        target=consents,
        modes=st.tuples(MODES, MODES),
        refreshable=st.booleans(),
        life=st.sampled_from([15, 60, 300]),
        begun=st.integers(0, 2),
    )
    def open(
        self, modes: tuple[str, str], life: int, begun: int, *, refreshable: bool
    ) -> MultipleResults[Asked]:
        """
        Two people, each asked by one of two clients: few, so that much happens to each. Some lives
        begin where one of them has approved, or the tokens have been asked for.
        """
        self.runner = asyncio.Runner()
        self.opening = opened(
            self.redis_url, person_requests_per_minute_max=1_000, person_open_requests_max=1_000
        )
        self.use: StoreInUse = self.do(self.opening.__aenter__())
        self.people: list[Person] = [self.do(self._person()) for _ in CLIENTS]
        self.known = [Known() for _ in self.people]
        self.asked = [
            Asked(self._new_consent_id(at), self.known[at], at, at, life, mode, refreshable)
            for at, mode in enumerate(modes)
        ]
        for asked in self.asked:
            assert self.do(self._accept(asked, asked.client_id)) is None
        if begun >= 1:
            self.answer(self.asked[0], Event.APPROVE, 0, 1)
        if begun >= 2:
            self.poll(self.asked[0], 1)
            self.call(self.asked[0], "retry")
        return multiple(*self.asked)

    async def _person(self) -> Person:
        """Somebody who has been here for longer than time will be moved."""
        person = await self.use.person(devices=2)
        key = Partition.of(person.person_id).person(person.person_id)
        await self.use.store.redis.execute("HSET", key, "since", 0)
        return person

    def teardown(self) -> None:
        if hasattr(self, "use"):
            self.do(self.opening.__aexit__(None, None, None))
            self.runner.close()

    def do(self, work: Any) -> Any:  # noqa: ANN401 - typed by its caller
        return self.runner.run(work)

    @rule(target=consents, person=st.integers(0, 1), mode=MODES, refreshable=st.booleans())
    @precondition(lambda self: len(self.asked) < CONSENTS_MAX)
    def accept(
        self, person: int, mode: str, *, refreshable: bool
    ) -> Asked | MultipleResults[Asked]:
        """One more, of the other client: unless nobody could answer it, or it was denied twice."""
        known, consent_id = self.known[person], self._new_consent_id(person)
        asked = Asked(consent_id, known, person, 1 - person, 60, mode, refreshable)
        refused = self.do(self._accept(asked, asked.client_id))
        if not known.blocked and known.denials[asked.client] > 1:  # T1
            assert refused is not None
            assert refused.why == "denied_before"
            return multiple()
        if known.blocked or not known.devices:
            assert refused == Refused("blocked" if known.blocked else "no_device")
            return multiple()
        assert refused is None
        self.asked.append(asked)
        return asked

    def _new_consent_id(self, person: int) -> str:
        return consent_id_of(new_auth_req_id(self.people[person].person_id))

    async def _accept(self, asked: Asked, client_id: str) -> Refused | None:
        return await self.use.store.consents.accept(
            consent_id=asked.consent_id,
            client_id=client_id,
            person_id=self.people[asked.person].person_id,
            request=b'{"asked":1}',
            life_seconds=asked.life_seconds,
            terms=Terms(
                mode=asked.mode,
                callback=b"" if asked.mode == "poll" else b"sealed",
                refresh_lives_ms=LIVES_MS if asked.refreshable else (),
            ),
        )

    @rule(asked=consents)
    def accept_again(self, asked: Asked) -> None:
        """A repeated call neither asks anew nor brings an ended request back."""
        assert self.do(self._accept(asked, asked.stranger_id)) is None

    @rule(asked=consents, times=st.integers(1, 2))
    def poll(self, asked: Asked, times: int) -> None:
        """A poll whose reply was lost is sent again, and is one poll."""
        if asked.mode == "push":
            return  # refused before it gets here (A175)
        consents = self.use.store.consents
        name, expected = consents.operation_id(), asked.poll()
        for _ in range(times):
            polled = self.do(consents.poll(asked.consent_id, asked.client_id, operation_id=name))
            assert polled.outcome == expected
            if polled.outcome == "slow_down":
                assert polled.interval_seconds == asked.interval
            if polled.outcome == "granted":
                asked.token_sets.add(polled.redeemed_at_ms + asked.now * 1_000)

    @rule(asked=consents)
    def poll_as_a_stranger(self, asked: Asked) -> None:
        """I6."""
        polled = self.do(self.use.store.consents.poll(asked.consent_id, asked.stranger_id))
        assert polled.outcome == "unknown"

    @rule(
        asked=consents,
        event=st.sampled_from([Event.APPROVE, Event.DENY]),
        at=st.integers(0, 3),
        times=st.integers(1, 2),
    )
    def answer(self, asked: Asked, event: Event, at: int, times: int) -> None:
        device = at % len(self.people[asked.person].devices)
        for _ in range(times):
            answered = self.do(self.people[asked.person].answer(asked.consent_id, event, device))
            assert answered == asked.answer(event, device)

    @rule(asked=consents, event=st.sampled_from([Event.APPROVE, Event.DENY]))
    def answer_as_a_stranger(self, asked: Asked, event: Event) -> None:
        stranger = 1 - asked.person
        answered = self.do(self.people[stranger].answer(asked.consent_id, event))
        assert answered == ("unknown" if 0 in self.known[stranger].devices else "unknown_device")

    @rule(asked=consents, outcome=st.sampled_from(["retry", "delivered", "rejected"]))
    def notify(self, asked: Asked, outcome: str) -> None:
        """A worker does what is owed; every device fares alike."""
        notifications = self.use.store.notifications
        claim = self.do(notifications.claim(asked.consent_id))
        if claim is None:
            return
        assert asked.state is State.PENDING
        assert not asked.expired
        attempts = [
            Attempt(device, outcome, address, "fcm", b"{}") for device, address in claim.addresses
        ]
        verdicts = {self.do(notifications.report(claim, attempts, 0)) for _ in range(2)}
        if outcome == "rejected":
            asked.apply(Event.GIVE_UP)
        words = {"retry": "retrying", "delivered": "told", "rejected": "unreachable"}
        assert verdicts == {words[outcome]}

    @rule(asked=consents, outcome=st.sampled_from(["retry", "delivered", "refused", "stops"]))
    def call(self, asked: Asked, outcome: str) -> None:
        """A worker calls the client, if it is owed a call; or stops before it can report."""
        calls = self.use.store.calls
        claim = self.do(calls.claim(asked.consent_id))
        assert (claim.state if claim else None) == asked.claim_call()
        if claim is None:
            return
        if claim.state == "redeemed":
            asked.token_sets.add(claim.redeemed_at_ms + asked.now * 1_000)
        if outcome == "stops":
            asked.call_leased_until = asked.now + policy.CALL_LEASE_MS // 1_000
            return
        verdicts = {
            self.do(calls.report(claim, outcome=outcome, retry_in_ms=0, fact=b"{}"))
            for _ in range(2)
        }
        assert verdicts == {asked.report_call(outcome)}

    @rule(asked=consents)
    def deliver(self, asked: Asked) -> None:
        """The token response has left."""
        if asked.mode != "push":
            self.do(self.use.store.consents.delivered(asked.consent_id))
            asked.delivered = asked.state is State.REDEEMED

    @precondition(_has_been_granted)
    @rule(
        asked=consents,
        later=st.sampled_from([0, 0, 0, -1, -2, 1]),
        client=st.integers(0, 4).map(lambda number: max(0, number - 3)),
        kind=st.sampled_from([*POLICIES]),
    )
    def refresh(self, asked: Asked, later: int, client: int, kind: str) -> None:
        """With the generation that counts or another, by its client or a stranger."""
        generation = max(0, (asked.generation or 0) + later)
        by = Client(
            client_id=CLIENTS[asked.client - client],
            name="",
            secret_digest="",
            refresh_token=POLICIES[kind],
        )
        refreshed = self.do(
            self.use.store.grants.refresh(
                consent_id=asked.consent_id, generation=generation, client=by
            )
        )
        expected = asked.refresh(generation, by)
        assert (refreshed.outcome, refreshed.generation) == expected

    @precondition(_has_been_granted)
    @rule(asked=consents, client=st.integers(0, 1))
    def revoke(self, asked: Asked, client: int) -> None:
        revoked = self.do(self.use.store.grants.revoke(asked.consent_id, CLIENTS[client]))
        assert revoked == asked.revoke(CLIENTS[client])

    @rule(asked=consents)
    def cancel(self, asked: Asked) -> None:
        records = self.use.store.consent_records
        assert self.do(records.cancel(asked.consent_id, event=b"{}")) == asked.cancel()

    @rule(client=st.integers(0, 1))
    def remove_client(self, client: int) -> None:
        """What it asked ends; it is made again at once, and nothing of before comes back."""
        self.do(self.use.store.consent_records.end_of_client(CLIENTS[client]))
        for asked in self.asked:
            if asked.client == client and asked.state is State.PENDING and not asked.expired:
                asked.apply(Event.CANCEL)

    @rule(person=st.integers(0, 1), blocked=st.booleans())
    def block(self, person: int, *, blocked: bool) -> None:
        self.do(self._block(self.people[person].person_id, blocked=blocked))
        self.known[person].blocked = blocked

    async def _block(self, person_id: str, *, blocked: bool) -> None:
        user = await self.use.store.people.read(person_id)
        assert user is not None
        assert await self.use.store.people.change(person_id, read=user, user=user, blocked=blocked)

    @rule(person=st.integers(0, 1), at=st.integers(0, 3))
    def remove_device(self, person: int, at: int) -> None:
        """With the last one what is open ends, and what has expired has."""
        of, known = self.people[person], self.known[person]
        device = at % len(of.devices)
        removed = self.do(self.use.store.people.remove_device(of.person_id, of.devices[device]))
        assert removed == (device in known.devices)
        known.devices.discard(device)
        for asked in self.asked:
            gone = asked.whom is known and removed and not known.devices
            if gone and asked.state is State.PENDING and not asked.expired:
                asked.apply(Event.GIVE_UP)

    @precondition(lambda self: any(len(known.devices) < 2 for known in self.known))
    @rule(person=st.integers(0, 1))
    def enroll(self, person: int) -> None:
        self.do(self.people[person].enroll())
        self.known[person].devices.add(len(self.people[person].devices) - 1)

    @rule(asked=consents, steps=st.sampled_from([1, 2, 3, 12]))
    def time_passes(self, asked: Asked, steps: int) -> None:
        seconds = steps * STEP_SECONDS
        self.do(self._make_older(asked, seconds * 1_000))
        asked.now += seconds

    async def _make_older(self, asked: Asked, ms: int) -> None:
        redis, p = self.use.store.redis, Partition.of(asked.consent_id)
        for field in EARLIER:
            value = await redis.execute("HGET", p.consent(asked.consent_id), field)
            if value is not None:
                key = p.consent(asked.consent_id)
                await redis.execute("HSET", key, field, int(value) - ms)
        for owed in (p.outbox, p.calls):
            if await redis.execute("ZSCORE", owed, asked.consent_id) is not None:
                await redis.execute("ZINCRBY", owed, -ms, asked.consent_id)

    @rule(asked=consents)
    def look(self, asked: Asked) -> None:
        """The record says what the model says, and there is one token set at most (I2-I5)."""
        p, execute = Partition.of(asked.consent_id), self.use.store.redis.execute
        read = self.do(self.use.store.consent_records.read(asked.consent_id))
        assert read is not None
        assert read[0]["state"].decode() == asked.state
        assert len(asked.token_sets) == (1 if asked.state is State.REDEEMED else 0)
        owed = self.do(_value(execute("ZSCORE", p.calls, asked.consent_id)))
        assert (owed is not None) == asked.call_owed
        mark = p.revoked(f"{redemption_jti(asked.consent_id)}.*")
        assert bool(self.do(_value(execute("EXISTS", mark)))) == asked.revoked
        grant = self.do(_value(execute("HGET", p.grant(asked.consent_id), "generation")))
        assert (None if grant is None else int(grant)) == asked.generation


async def _value(reply: Any) -> Any:  # noqa: ANN401 - as Redis replies
    return await reply


@pytest.mark.xdist_group("life_cycle")
def test_no_order_of_events_leaves_the_table(redis_server: RedisServer) -> None:
    LifeCycle.redis_url = redis_server.url
    run_state_machine_as_test(
        LifeCycle,
        settings=settings(
            max_examples=LIVES,
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
        (State.PENDING, State.CANCELLED),
        (State.APPROVED, State.REDEEMED),
    }
