"""
Every order of concurrent calls to Redis, and every one with an actor that stops or a reply that is
lost on the way: no second token set, no lost answer, nothing owed that is not in the outbox.

Expiry is the clock, which is an actor here (see `tests.support.schedules`).
"""

import random
import re
import sys
from functools import partial
from typing import Any, NamedTuple

import pytest
import redis

from consent import policy
from consent.client import Client, RefreshTokenPolicy
from consent.lifecycle import TRANSITIONS, Event, State
from consent.profile import rotates_refresh_tokens
from consent.store.consents import Terms
from consent.store.keys import Partition
from consent.store.notifications import Attempt
from consent.store.opening import Store
from consent.store.scripts import SOURCES
from consent.tokens import redemption_jti
from tests.support import schedules
from tests.support.redis_server import RedisServer
from tests.support.schedules import Actor, Command, Ended, Schedules, Step, World, passes
from tests.support.store import CLIENT, Person

LIFE_SECONDS = 60
RETRY_IN_MS = 2_000
LIVES_MS = (3_600_000, 600_000)
TERMS = {"poll": Terms()} | {m: Terms(mode=m, callback=b"sealed") for m in ("ping", "push")}
REFRESHABLE = Terms(refresh_lives_ms=LIVES_MS)


# The actors.


async def poll(store: Store, consent_id: str) -> tuple[str, int]:
    polled = await store.consents.poll(consent_id, CLIENT)
    if polled.outcome == "granted":
        await store.consents.delivered(consent_id)
    return polled.outcome, polled.redeemed_at_ms


async def answer(store: Store, consent_id: str, person: Person, event: Event, device: int) -> str:
    own = Person(store, person.user_id, person.person_id)
    own.devices = person.devices
    return await own.answer(consent_id, event, device)


async def ring(store: Store, consent_id: str, outcome: str) -> str:
    """A worker's or a sweeper's turn for the phones of the person."""
    claim = await store.notifications.claim(consent_id)
    if claim is None:
        return "nothing"
    attempts = [
        Attempt(device, outcome, address, "fcm", b"{}") for device, address in claim.addresses
    ]
    return await store.notifications.report(claim, attempts, RETRY_IN_MS)


async def call(store: Store, consent_id: str, outcome: str) -> tuple[str, int]:
    """A worker's or a sweeper's turn for the client: what it was told, and of which redemption."""
    claim = await store.calls.claim(consent_id)
    if claim is None:
        return "nothing", 0
    await store.calls.report(claim, outcome=outcome, retry_in_ms=RETRY_IN_MS, fact=b"{}")
    return claim.state, claim.redeemed_at_ms


async def cancel(store: Store, consent_id: str) -> str:
    """Whether it was withdrawn, or was over."""
    event = b'{"description":"by whom"}'
    reply = await store.consent_records.cancel(consent_id, event=event)
    return "over" if reply == "over" else "cancelled"


async def end_client(store: Store, consent_id: str) -> None:
    """The part of it that is about consents; of one partition, where this one is."""
    p = Partition.of(consent_id)
    await store.redis.run(
        "end_of_client", [p.opened], p.prefix, CLIENT, "pending", "cancelled", 0, 500
    )


async def expire(_store: Store, *, steps_ms: tuple[int, ...] = ()) -> None:
    for ms in (*steps_ms, LIFE_SECONDS * 1_000):
        await passes(ms)


# What must hold.


def verdict(state: schedules.State, key: str) -> str:
    """The state of a consent as whoever looks must see it: expiry is nowhere written."""
    fields = state.fields(key)
    open_ = fields["state"] in {"pending", "approved"}
    return "expired" if open_ and state.now_ms >= int(fields["expires_at"]) else fields["state"]


class Case(NamedTuple):
    """A consent of a world, and what must hold of it whatever happens."""

    world: World
    consent_id: str
    mode: str = "poll"

    @property
    def partition(self) -> Partition:
        return Partition.of(self.consent_id)

    @property
    def key(self) -> str:
        return self.partition.consent(self.consent_id)

    def actors(self, **named: tuple[Any, ...]) -> dict[str, Actor]:
        """Each a function of a store and this consent, and what else it takes."""

        def actor(does: Any, *rest: Any) -> Actor:  # noqa: ANN401 - typed where it is written
            return lambda store: does(store, self.consent_id, *rest)

        return {name: actor(*how) for name, how in named.items()}

    def polls(self, count: int) -> dict[str, Actor]:
        one = self.actors(poll=(poll,))["poll"]
        return {f"poll {number}": one for number in range(1, count + 1)}

    def answers(self, **named: tuple[Event, int]) -> dict[str, Actor]:
        return self.actors(**{n: (answer, self.world.person, *how) for n, how in named.items()})

    def stands(self, state: schedules.State, device: str) -> bool:
        """T39: the person may be answered for, and the device is still theirs."""
        person_id = self.world.person.person_id
        person = state.fields(self.partition.person(person_id))
        devices = state.fields(self.partition.devices(person_id))
        return "user" in person and "blocked" not in person and device in devices

    def at_step(self, step: Step) -> None:
        self.stays_on_the_table(step)
        self.loses_no_answer(step)
        self.owes_what_is_in_the_outbox(step)
        self.tells_each_change_once(step)

    def stays_on_the_table(self, step: Step) -> None:
        """I2, I5: one row at a time; what is decided, redeemed or expired is so for good."""
        before, after = step.before.fields(self.key), step.after.fields(self.key)
        follow = TRANSITIONS[State(before["state"])].values()
        assert after["state"] == before["state"] or after["state"] in follow
        for field in ("redeemed_at", "decided_at", "decided_by", "expires_at"):
            assert field not in before or after[field] == before[field]
        was, is_ = verdict(step.before, self.key), verdict(step.after, self.key)
        if was in {"denied", "unreachable", "cancelled", "redeemed", "expired"}:
            assert is_ == was

    def tells_each_change_once(self, step: Step) -> None:
        """I12: an event stands beside every change, also when the call that made it is repeated."""
        codes = [
            event["t"]
            for event in step.after.events(self.partition.events)
            if event.get("consent") == self.consent_id
        ]
        fields = step.after.fields(self.key)
        assert codes.count("ciba_start_succeeded") == 1
        assert codes.count("ciba_exchange_succeeded") == ("redeemed_at" in fields)
        answers = codes.count("gd_auth_succeed"), codes.count("gd_auth_rejected")
        assert sum(answers) == ("decided_at" in fields)
        assert answers[1] == (fields["state"] == "denied")
        assert codes.count("ciba_unreachable") == (fields["state"] == "unreachable")
        assert codes.count("ciba_cancelled") == (fields["state"] == "cancelled")

    def loses_no_answer(self, step: Step) -> None:
        """I3, I4: an answer counts while it is asked for; the first poll after a yes redeems it."""
        was, is_ = verdict(step.before, self.key), verdict(step.after, self.key)
        if step.script == "answer":
            acknowledged = step.reply[0] in {b"answered", b"call"}
            stands = self.stands(step.before, self.world.person.devices[step.actor[-1] == "2"])
            assert acknowledged == (was == "pending" and stands)
            assert acknowledged == (was != is_)
        if step.script == "poll":
            decided_by = step.before.fields(self.key).get("decided_by", "")
            granted, stands = step.reply[0] == b"granted", self.stands(step.before, decided_by)
            if was == "approved":
                assert granted == stands
            assert not granted or (stands and was in {"approved", "redeemed"})
            assert not granted or is_ == "redeemed"

    def owes_what_is_in_the_outbox(self, step: Step) -> None:
        """I1, A157: what is owed lies in the outbox, due when its lease has run out."""
        after = step.after
        fields, seen = after.fields(self.key), verdict(after, self.key)
        if seen == "pending" and "handed_over_at" not in fields:
            due = after.scores(self.partition.outbox)[self.consent_id]
            assert due <= after.now_ms + policy.LEASE_MS
        if fields["state"] != "pending":
            assert self.consent_id not in after.scores(self.partition.open(fields["person"]))
        calls, callback = after.scores(self.partition.calls), self.partition.callback
        if self.mode == "poll" or fields["state"] == "pending":
            assert self.consent_id not in calls
        elif after.has(callback(self.consent_id)):
            assert calls[self.consent_id] <= after.now_ms + policy.CALL_LEASE_MS
        else:
            assert self.consent_id not in calls
            if step.before.has(callback(self.consent_id)):
                needless = self.mode == "ping" and seen in {"redeemed", "expired"}
                assert needless or step.reply in {b"delivered", b"refused", b"given_up"}

    def afterwards(self, world: World) -> None:
        if self.mode != "poll":
            self.is_called_as_decided(world)
        if self.mode != "push":
            self.is_told_as_decided(world)

    def at_end(self, ended: Ended) -> None:
        """I2, I3: one answer counts, and one token set is all that ever comes of it."""
        fields = ended.state.fields(self.key)
        counted = [name for name, it in ended.results.items() if it in {"answered", "call"}]
        assert len(counted) <= 1
        for name in counted:
            assert fields["state"] in ({"denied"} if "deny" in name else {"approved", "redeemed"})
        cancelled = {it for name, it in ended.results.items() if name.startswith("cancel") and it}
        assert cancelled <= {"cancelled" if fields["state"] == "cancelled" else "over"}
        # Of a call: that it says `approved` is a ping and gives nothing away.
        outcomes = [it for it in ended.results.values() if isinstance(it, tuple)]
        granted = [at for outcome, at in outcomes if outcome in {"granted", "redeemed"}]
        assert {*granted} <= {int(fields.get("redeemed_at", "-1"))}
        if not ended.faulty:
            assert bool(counted) == (fields["state"] in {"approved", "denied", "redeemed"})
            assert bool(granted) == (fields["state"] == "redeemed")

    def is_told_as_decided(self, world: World) -> None:
        """T5, T6: the client that comes back hears how it ended, and takes what nobody took."""
        world.do(passes(policy.CLAIM_ALONE_MS))
        state = world.state()
        fields, seen = state.fields(self.key), verdict(state, self.key)
        taken_until = int(fields.get("redeemed_at", "0")) + policy.CLAIM_REPEATABLE_MS
        outcome, redeemed_at = world.do(poll(world.store(), self.consent_id))
        if seen == "pending":
            assert outcome in {"pending", "slow_down"}
        elif seen == "redeemed" and "delivered_at" in fields:
            assert outcome == "spent"
        elif seen in {"approved", "redeemed"} and not self.stands(state, fields["decided_by"]):
            assert outcome == "refused"
        elif seen == "redeemed" and state.now_ms >= taken_until:
            assert outcome == "spent"
        elif seen in {"approved", "redeemed"}:
            assert outcome == "granted"
            assert redeemed_at == int(fields.get("redeemed_at", state.now_ms))
            world.do(passes(policy.CLAIM_ALONE_MS))
            assert world.do(poll(world.store(), self.consent_id))[0] == "spent"
        else:
            assert outcome == seen

    def is_called_as_decided(self, world: World) -> None:
        """A150, A170, A157: whoever sweeps last calls the client, if nobody has."""
        world.do(passes(policy.CALL_LEASE_MS))
        state = world.state()
        fields, seen = state.fields(self.key), verdict(state, self.key)
        outcome, redeemed_at = world.do(call(world.store(), self.consent_id, "delivered"))
        owed = fields["state"] != "pending" and state.has(self.partition.callback(self.consent_id))
        if not owed or (self.mode == "ping" and seen in {"redeemed", "expired"}):
            assert outcome == "nothing"
        elif (
            self.mode == "push"
            and seen in {"approved", "redeemed"}
            and not self.stands(state, fields["decided_by"])
        ):
            assert outcome == "refused"
        elif self.mode == "push" and seen == "approved":
            assert (outcome, redeemed_at) == ("redeemed", state.now_ms)
        else:
            assert (outcome, redeemed_at) == (seen, int(fields.get("redeemed_at", "0")))
        assert world.do(call(world.store(), self.consent_id, "delivered"))[0] == "nothing"


def a_case(mode: str = "poll", terms: Terms | None = None) -> Case:
    world = World()
    asked = world.person.ask(LIFE_SECONDS, terms or TERMS[mode])
    return Case(world, world.prepare(asked), mode)


def explore(
    case: Case,
    actors: dict[str, Actor],
    *,
    faults: int = 0,
    at_least: int,
    rules: "Case | Granted | None" = None,
) -> None:
    must = rules or case
    explored = Schedules(case.world, actors, faults=faults).explore(
        at_step=must.at_step, at_end=must.at_end, afterwards=must.afterwards
    )
    sys.stdout.write(
        f"\n{len(actors)} actors, {faults} faults: {explored.schedules:,} schedules,"
        f" {explored.states:,} states, {explored.calls:,} calls\n"
    )
    assert explored.schedules >= at_least


YES_1, YES_2 = (Event.APPROVE, 0), (Event.APPROVE, 1)
NO_1, NO_2 = (Event.DENY, 0), (Event.DENY, 1)


@pytest.mark.parametrize("outcome", ["delivered", "retry", "rejected"])
def test_polls_answers_expiry_and_workers_in_every_order(outcome: str) -> None:
    """The issue's actors: poll x3, approve x2, deny, expire, worker x2."""
    case = a_case()
    actors: dict[str, Actor] = {
        **case.polls(3),
        **case.answers(**{"approve 1": YES_1, "approve 2": YES_2, "deny 1": NO_1}),
        **case.actors(**{"worker 1": (ring, outcome), "worker 2": (ring, "delivered")}),
        "expire": expire,
    }
    explore(case, actors, at_least=500_000)


@pytest.mark.parametrize("outcome", ["delivered", "rejected"])
def test_one_that_stops_or_hears_nothing_at_any_moment(outcome: str) -> None:
    """T5, T6, F1, F3: a crash or a lost reply, in every order, and leases that run out."""
    case = a_case()
    actors: dict[str, Actor] = {
        **case.polls(2),
        **case.answers(**{"approve 1": YES_1, "deny 2": NO_2}),
        **case.actors(worker=(ring, outcome)),
        "expire": partial(expire, steps_ms=(policy.LEASE_MS,)),
    }
    explore(case, actors, faults=1, at_least=150_000)


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [("ping", "delivered"), ("push", "retry")],
)
def test_calls_to_clients_with_a_crash_or_a_lost_reply_anywhere(mode: str, outcome: str) -> None:
    """A150, A157, A170: what was decided is called once it is, and its tokens are one set."""
    case = a_case(mode)
    actors: dict[str, Actor] = {
        **(case.polls(1) if mode == "ping" else case.actors(worker=(ring, "rejected"))),
        **case.answers(**{"approve 1": YES_1, "deny 2": NO_2}),
        **case.actors(**{"caller 1": (call, outcome), "caller 2": (call, "delivered")}),
        "expire": partial(expire, steps_ms=(policy.CALL_LEASE_MS,)),
    }
    explore(case, actors, faults=1, at_least=200_000)


@pytest.mark.parametrize("faults", [0, 1])
@pytest.mark.parametrize("mode", ["poll", "ping", "push"])
def test_a_cancellation_in_every_order(mode: str, faults: int) -> None:
    """One of cancel, answer and deadline wins; the client hears of it in its mode, and once."""
    case = a_case(mode)
    hears = case.polls(1) if mode == "poll" else case.actors(caller=(call, "delivered"))
    actors: dict[str, Actor] = {
        **hears,
        **case.answers(**{"approve 1": YES_1, "deny 2": NO_2}),
        **case.actors(**{"cancel 1": (cancel,), "cancel 2": (cancel,), "client": (end_client,)}),
        "expire": partial(expire, steps_ms=(policy.CALL_LEASE_MS,)),
    }
    if faults:
        del actors["deny 2"], actors["cancel 2"]
    explore(case, actors, faults=faults, at_least=500)


async def block(store: Store, person: Person) -> bool:
    user = await store.people.read(person.person_id)
    assert user is not None
    return await store.people.change(person.person_id, read=user, user=user, blocked=True)


async def forget(store: Store, person: Person, device: int) -> bool:
    return await store.people.remove_device(person.person_id, person.devices[device])


@pytest.mark.parametrize("mode", ["poll", "push"])
def test_a_person_or_a_device_that_goes_meanwhile(mode: str) -> None:
    """T39: from then on nobody answers, and nothing is redeemed."""
    case = a_case(mode)
    person = case.world.person
    actors: dict[str, Actor] = {
        **(case.polls(2) if mode == "poll" else case.actors(caller=(call, "delivered"))),
        **case.answers(**{"approve 1": YES_1}),
        "block": partial(block, person=person),
        "forget 1": partial(forget, person=person, device=0),
        "forget 2": partial(forget, person=person, device=1),
        "expire": partial(expire, steps_ms=(policy.CLAIM_ALONE_MS,)),
    }
    explore(case, actors, at_least=20_000)


def a_client(rotation: Any, leeway: int) -> Client:  # noqa: ANN401 - a word of the type
    tokens = RefreshTokenPolicy(rotation, leeway=leeway)
    return Client(client_id=CLIENT, name="", secret_digest="", refresh_token=tokens)


class Granted(NamedTuple):
    """A refreshable approval, and what must hold of the grant that comes of it."""

    case: Case
    client: Client

    def at_step(self, step: Step) -> None:
        self.case.at_step(step)
        p, consent_id = self.case.partition, self.case.consent_id
        grant, mark = p.grant(consent_id), p.revoked(f"{redemption_jti(consent_id)}.*")
        before, after = step.before, step.after
        redeemed = after.fields(self.case.key)["state"] == "redeemed"
        # T17, D021: it is there from its redemption to its revocation, which is for good.
        assert after.has(grant) == (redeemed and not after.has(mark))
        assert after.has(mark) or not before.has(mark)
        if after.has(grant) and before.has(grant):
            was, is_ = before.fields(grant)["generation"], after.fields(grant)["generation"]
            assert int(was) <= int(is_) <= int(was) + rotates_refresh_tokens(self.client)
        if step.script == "refresh_grant":
            word = step.reply[0]
            assert (word == b"refreshed") <= (before.has(grant) and after.has(grant))
            assert (word == b"reused") <= after.has(mark)
            assert (word == b"unknown") <= (not before.has(grant))
        if step.script == "revoke_grant":
            assert step.reply == before.has(grant) or before.has(mark)

    def at_end(self, ended: Ended) -> None:
        self.case.at_end(ended)
        # What was handed out: a client that rotates has one successor of its token, not two.
        refreshed = [it[1:] for name, it in ended.results.items() if "refresh" in name and it]
        generations = [generation for (generation,) in refreshed if generation is not None]
        assert {*generations} <= {1 if rotates_refresh_tokens(self.client) else 0}
        if rotates_refresh_tokens(self.client) and not self.client.refresh_token.leeway:
            assert len(generations) <= 1

    def afterwards(self, world: World) -> None:
        """Revoked is revoked, whoever offers what, and however late."""
        world.do(passes(policy.CLAIM_ALONE_MS))
        world.do(poll(world.store(), self.case.consent_id))
        world.do(revoke(world.store(), self.case.consent_id))
        for generation in (0, 1):
            word, _ = world.do(
                refresh(world.store(), self.case.consent_id, self.client, generation)
            )
            assert word == "unknown"


async def refresh(
    store: Store, consent_id: str, client: Client, generation: int = 0
) -> tuple[str, int | None]:
    refreshed = await store.grants.refresh(
        consent_id=consent_id, generation=generation, client=client
    )
    granted = refreshed.outcome == "refreshed"
    return f"{refreshed.outcome}", refreshed.generation if granted else None


async def revoke(store: Store, consent_id: str) -> bool:
    return await store.grants.revoke(consent_id, CLIENT)


@pytest.mark.parametrize(
    ("rotation", "leeway"), [("rotating", 0), ("rotating", 10), ("non-rotating", 0)]
)
def test_redemption_refresh_and_revocation_in_every_order(
    rotation: Any,  # noqa: ANN401 - a word of the type
    leeway: int,
) -> None:
    """
    T17, D021, D081, X07: also where a claim is taken up again after the revocation. With a fault
    or without one.
    """
    case = a_case(terms=REFRESHABLE)
    client = a_client(rotation, leeway)
    rules = Granted(case, client)
    actors: dict[str, Actor] = {
        **case.polls(2),
        **case.answers(**{"approve 1": YES_1}),
        **case.actors(
            **{"refresh 1": (refresh, client), "refresh 2": (refresh, client)}, revoke=(revoke,)
        ),
        "time": partial(passes_by, ms=policy.CLAIM_ALONE_MS),
    }
    explore(case, actors, faults=1, at_least=3_000, rules=rules)


async def passes_by(_store: Store, *, ms: int) -> None:
    await passes(ms)


def test_a_real_server_replies_as_the_one_that_is_explored(redis_server: RedisServer) -> None:
    """The same calls in the same order: whatever the explorer met, Redis would have done."""
    chance = random.Random(5)
    for mode in ("poll", "ping", "push"):
        case = a_case(mode, TERMS[mode]._replace(refresh_lives_ms=LIVES_MS))
        client = a_client("rotating", 0)
        actors: dict[str, Actor] = {
            **case.polls(2),
            **case.answers(**{"approve 1": YES_1, "deny 2": NO_2}),
            **case.actors(
                worker=(ring, "rejected"),
                caller=(call, "retry"),
                refresh=(refresh, client),
                revoke=(revoke,),
            ),
        }
        for _ in range(15):
            replay(
                redis_server, [*case.world.prepared, *Schedules(case.world, actors).sample(chance)]
            )


def replay(redis_server: RedisServer, done: list[tuple[Command, Any]]) -> None:
    with redis.Redis.from_url(redis_server.database(7), protocol=2) as client:
        client.response_callbacks.clear()
        client.flushdb()
        for source in SOURCES.values():
            client.script_load(source)
        for command, reply in done:
            assert timeless(client.execute_command(*command)) == timeless(reply), command


def timeless(reply: Any) -> Any:  # noqa: ANN401 - as Redis replies
    """A reply with every time in it left out, and the order of a hash's fields."""
    match reply:
        case list() | tuple():
            return sorted(map(timeless, reply), key=repr)
        case bytes() | int():
            text = reply if isinstance(reply, bytes) else str(reply).encode()
            return re.sub(rb"\b1[0-9]{12}\b", b"", text)
    return reply
