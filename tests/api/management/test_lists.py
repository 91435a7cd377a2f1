"""Lists of the directory, as every kind of record has them."""

from collections.abc import Callable

import pytest

from tests.support.management import Administration, Story, check_refused

Told = Callable[[Story], None]
APIS = sorted(f"https://api.example/{n}" for n in range(7))


async def named(admin: Administration, query: str) -> list[str]:
    """The names of a page, in its order."""
    answer = await admin.call("GET", f"clients?{query}")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return [it["client_id"] for it in (found if isinstance(found, list) else found["clients"])]


async def clients(admin: Administration, count: int, **members: object) -> list[str]:
    made = [await admin.created("clients", {"name": "N", **members}) for _ in range(count)]
    return sorted(str(it["client_id"]) for it in made)


def test_pagers_stop_on_an_empty_page_and_have_seen_everything_once(told: Told) -> None:
    """auth0-wire 5."""

    async def story(admin: Administration) -> None:
        known = sorted([*await clients(admin, 7), "bootstrap-client"])
        seen: list[str] = []
        page = 0
        while part := await named(admin, f"page={page}&per_page=3&include_totals=true"):
            seen += part
            page += 1
        assert seen == known
        answer = (await admin.call("GET", "clients?page=1&per_page=3&include_totals=true")).json()
        assert {name: answer[name] for name in ("total", "start", "limit", "length")} == {
            "total": 8,
            "start": 3,
            "limit": 3,
            "length": 3,
        }

    told(story)


def test_a_walk_goes_on_after_a_record_that_is_gone(told: Told) -> None:
    async def story(admin: Administration) -> None:
        known = sorted([*await clients(admin, 4), "bootstrap-client"])
        last = 2 if known[1] == "bootstrap-client" else 1  # which is the one that asks
        first = (await admin.call("GET", f"clients?take={last + 1}")).json()
        assert first["next"] == known[last]
        await admin.call("DELETE", f"clients/{known[last]}")
        rest = (await admin.call("GET", f"clients?take=50&from={known[last]}")).json()
        assert [it["client_id"] for it in rest["clients"]] == known[last + 1 :]
        assert "next" not in rest

    told(story)


def test_clients_are_listed_by_party_and_kind(told: Told) -> None:
    """auth0-wire 3.2; a client that changes its kind changes its lists."""

    async def story(admin: Administration) -> None:
        spa = await clients(admin, 2, app_type="spa")
        third = await clients(admin, 1, app_type="spa", is_first_party=False)
        assert await named(admin, "app_type=spa") == sorted(spa + third)
        assert await named(admin, "app_type=spa&is_first_party=false") == third
        assert await named(admin, "is_first_party=false") == third
        assert await named(admin, "is_first_party=true") == sorted([*spa, "bootstrap-client"])
        await admin.call("PATCH", f"clients/{third[0]}", {"app_type": "native"})
        assert await named(admin, "app_type=spa") == spa
        assert await named(admin, "app_type=native&is_first_party=false") == third

    told(story)


def test_grants_are_listed_by_client_and_by_audience(told: Told) -> None:
    """auth0-wire 3.3."""

    async def story(admin: Administration) -> None:
        one, other = await clients(admin, 2)
        for api in APIS[:3]:
            await admin.created("resource-servers", {"identifier": api})
            await admin.created("client-grants", {"client_id": one, "audience": api})
        await admin.created("client-grants", {"client_id": other, "audience": APIS[0]})

        async def pairs(query: str) -> set[tuple[str, str]]:
            found = (await admin.call("GET", f"client-grants?{query}&take=50")).json()
            return {(it["client_id"], it["audience"]) for it in found["client_grants"]}

        assert await pairs(f"client_id={one}") == {(one, api) for api in APIS[:3]}
        assert await pairs(f"audience={APIS[0]}") == {(one, APIS[0]), (other, APIS[0])}
        assert await pairs(f"audience={APIS[0]}&client_id={other}") == {(other, APIS[0])}
        assert await pairs("client_id=nobody") == set()
        await admin.call("DELETE", f"clients/{one}")
        assert await pairs(f"audience={APIS[0]}") == {(other, APIS[0])}

    told(story)


@pytest.mark.parametrize("query", ["take=0", "per_page=101", "fields=,", "q=x", "is_first_party=1"])
def test_a_query_that_means_nothing_is_refused(told: Told, query: str) -> None:
    async def story(admin: Administration) -> None:
        check_refused(await admin.call("GET", f"clients?{query}"), 400, "invalid_query_string")

    told(story)
