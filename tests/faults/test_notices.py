"""
Notice that a device was added, in every order of two workers, a removal and a lease that runs out,
with one that stops or a reply that is lost anywhere: it is given at least once, and of itself no
more (T35, F1, F3).
"""

from functools import partial
from typing import NamedTuple

import pytest

from consent import policy
from consent.store.keys import Partition
from consent.store.notifications import Attempt
from consent.store.opening import Store
from tests.support.schedules import Actor, Ended, Schedules, State, Step, World, passes
from tests.support.store import Person

RETRY_IN_MS = 2_000


async def give(store: Store, device_id: str, outcome: str) -> str:
    """A worker's turn; what it sends leaves between its claim and its report."""
    claim = await store.notices.claim(device_id)
    if claim is None:
        return "nothing"
    attempts = [Attempt(to, outcome, address, "fcm", b"{}") for to, address in claim.addresses]
    await store.notices.report(claim, attempts, RETRY_IN_MS)
    return "gave" if attempts else "nothing"


async def forget(store: Store, person: Person, device: int) -> bool:
    return await store.people.remove_device(person.person_id, person.devices[device])


async def lease_ends(_store: Store) -> None:
    await passes(policy.LEASE_MS)


class Case(NamedTuple):
    world: World
    outcome: str

    @property
    def old(self) -> str:
        return self.world.person.devices[0]

    @property
    def added(self) -> str:
        return self.world.person.devices[1]

    @property
    def partition(self) -> Partition:
        return Partition.of(self.world.person.person_id)

    def is_settled(self, state: State) -> bool:
        """The other device was told, or one of the two is not there any more."""
        devices = state.fields(self.partition.devices(self.world.person.person_id))
        told = state.fields(self.partition.notice(self.added))
        return f"told:{self.old}" in told or not {self.old, self.added} <= devices.keys()

    def events(self, state: State) -> list[str]:
        return [
            it["t"] for it in state.events(self.partition.events) if it["t"].startswith("gd_send")
        ]

    def at_step(self, step: Step) -> None:
        """What is not settled is in the list, and due when its lease has run out."""
        after = step.after
        if not self.is_settled(after):
            due = after.scores(self.partition.notices)[self.added]
            assert due <= after.now_ms + policy.LEASE_MS
        told = len(self.events(after)) - len(self.events(step.before))
        assert told <= (step.script == "report_notice")

    def at_end(self, ended: Ended) -> None:
        """Of those who heard that it is theirs, each has written its event; once, with no fault."""
        gave = [it for it in ended.results.values() if it == "gave"]
        assert len(self.events(ended.state)) >= len(gave)
        if not ended.faulty and self.outcome == "delivered":
            assert self.is_settled(ended.state)

    def afterwards(self, world: World) -> None:
        """Whoever sweeps last gives it, if nobody has; and then nobody."""
        world.do(passes(policy.LEASE_MS))
        owed = not self.is_settled(world.state())
        assert world.do(give(world.store(), self.added, "delivered")) == (
            "gave" if owed else "nothing"
        )
        world.do(passes(policy.LEASE_MS))
        assert world.do(give(world.store(), self.added, "delivered")) == "nothing"
        assert self.added not in world.state().scores(self.partition.notices)


@pytest.mark.parametrize("outcome", ["delivered", "retry"])
@pytest.mark.parametrize("removed", [0, 1])
def test_in_every_order_it_is_given_at_least_once(outcome: str, removed: int) -> None:
    world = World()
    case = Case(world, outcome)
    actors: dict[str, Actor] = {
        "worker 1": partial(give, device_id=case.added, outcome=outcome),
        "worker 2": partial(give, device_id=case.added, outcome=outcome),
        "forget": partial(forget, person=world.person, device=removed),
        "time": lease_ends,
    }
    explored = Schedules(world, actors, faults=1).explore(
        at_step=case.at_step, at_end=case.at_end, afterwards=case.afterwards
    )
    assert explored.schedules > 300


def test_of_two_workers_in_any_order_one_gives_it() -> None:
    """No fault, and no time that passes: one claim, one push, one event."""
    world = World()
    case = Case(world, "delivered")
    actors: dict[str, Actor] = {
        name: partial(give, device_id=case.added, outcome="delivered") for name in ("1", "2", "3")
    }

    def at_end(ended: Ended) -> None:
        assert sorted(ended.results.values()) == ["gave", "nothing", "nothing"]
        assert case.events(ended.state) == ["gd_send_pn"]

    explored = Schedules(world, actors).explore(
        at_step=case.at_step, at_end=at_end, afterwards=case.afterwards
    )
    assert explored.schedules > 10
