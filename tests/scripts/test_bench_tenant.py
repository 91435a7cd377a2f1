"""A large tenant beside a small one: every request is answered as expected, and both are filled."""

import asyncio
from pathlib import Path

import pytest

from consent.client import Client
from consent.store import keys
from scripts.benchmark import memory, residents, tenant
from scripts.benchmark.installation import installation
from scripts.benchmark.residents import Size

BARELY = Size(clients=120, users=140)


@pytest.fixture(autouse=True)
def _memory_is_not_what_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "SETTLE_SECONDS", 0)


def test_every_request_of_both_tenants_is_answered_as_expected(tmp_path: Path) -> None:
    """A request with another answer than its scenario's ends the benchmark."""

    async def run() -> None:
        tenants, figures_of_memory = await tenant.measure(
            tmp_path, BARELY, rounds=1, under_load=2, in_turn=1
        )
        names = [figures.name for figures in tenants]
        assert len(set(names)) == len(names)
        for asked in ("clients", "users"):
            numbered = {f"GET /{asked}, {place} page" for place in ("first", "middle", "last")}
            walked = {f"GET /{asked}, walk {place}" for place in ("begins", "half way", "ends")}
            assert (numbered | walked) <= set(names)
        for figures in tenants:
            assert figures.worst > 0
            assert figures.target == tenant.TARGET
        assert all(figure.value > 0 for figure in figures_of_memory)

    asyncio.run(run())


def test_residents_are_found_by_what_follows_from_their_number(tmp_path: Path) -> None:
    async def run() -> None:
        async with installation(tmp_path / "nod") as nod:
            store = nod.population.store
            await residents.fill(nod.population, Size(clients=8, users=12))
            listed, total = await store.people_lists.page(0, 100)
            assert total == len(listed) == 12
            assert await store.people.hints.find("email", residents.email(7)) == residents.user_id(
                7
            )
            [person_id] = await store.people_lists.find_all("email", residents.email(7), most=2)
            read = await store.people.read(person_id)
            assert read is not None
            filtered, count = await store.directory.page(
                keys.CLIENTS,
                Client,
                f"app {residents.APP_TYPE}",
                start=0,
                count=9,
            )
            assert count == 2
            assert {client.client_id for client in filtered} == {
                residents.client_id(0),
                residents.client_id(4),
            }
            assert await store.audit.backlog() == 0, "what nobody moves is not to be counted"

    asyncio.run(run())
