"""/api/v2/client-grants."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from consent.access import MANAGEMENT_SCOPES
from tests.support.management import ISSUER, Administration, Story, check_refused

Told = Callable[[Story], None]
API = "https://api.example/"
MANAGEMENT = f"{ISSUER}api/v2/"


async def new_client(admin: Administration) -> dict[str, object]:
    return await admin.created("clients", {"name": "N"})


async def new_api(admin: Administration) -> None:
    scopes = [{"value": "a"}, {"value": "b"}]
    await admin.created("resource-servers", {"identifier": API, "scopes": scopes})


async def tokens_of(admin: Administration, client: dict[str, object]) -> int:
    answer = await admin.http.post(
        "oauth/token",
        json={
            "grant_type": "client_credentials",
            "audience": API,
            "client_id": client["client_id"],
            "client_secret": client["client_secret"],
        },
    )
    return answer.status_code


def test_a_grant_lets_its_client_ask_until_it_is_deleted(told: Told) -> None:
    async def story(admin: Administration) -> None:
        await new_api(admin)
        client = await new_client(admin)
        assert await tokens_of(admin, client) == 403
        body = {"client_id": client["client_id"], "audience": API, "scope": ["a"]}
        created = await admin.created("client-grants", body | {"id": "mine", "creation": "x"})
        assert created == body | {"id": created["id"], "subject_type": "client"}
        assert str(created["id"]).startswith("cgr_")
        assert await tokens_of(admin, client) == 200
        for _ in range(2):
            answer = await admin.call("DELETE", f"client-grants/{created['id']}")
            assert (answer.status_code, answer.content) == (204, b"")
        assert await tokens_of(admin, client) == 403

    told(story)


def test_of_many_equal_grants_one_is_created(told: Told) -> None:
    async def story(admin: Administration) -> None:
        await new_api(admin)
        client = await new_client(admin)
        body = {"client_id": client["client_id"], "audience": API, "scope": ["a"]}
        answers = await asyncio.gather(
            *[admin.call("POST", "client-grants", body) for _ in range(20)]
        )
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
        answer = await admin.call("POST", "client-grants", body | {"scope": ["b"]})
        check_refused(answer, 409, "client_grant_conflict")

    told(story)


def test_a_grant_needs_its_client_its_audience_and_defined_scopes(told: Told) -> None:
    async def story(admin: Administration) -> None:
        await new_api(admin)
        client = await new_client(admin)
        good = {"client_id": client["client_id"], "audience": API, "scope": ["a"]}
        for changed, status, error_code in (
            ({"client_id": "nobody"}, 404, "inexistent_client"),
            ({"client_id": "*"}, 404, "inexistent_client"),
            ({"audience": "https://nowhere/"}, 404, "inexistent_resource_server"),
            ({"scope": ["c"]}, 400, "invalid_body"),
            ({"scope": ["a", "a"]}, 400, "invalid_body"),
            ({"scope": "a"}, 400, "invalid_body"),
            ({"scope": [1]}, 400, "invalid_body"),
            ({"scope": ["a\n"]}, 400, "invalid_body"),
            ({"client_id": None}, 400, "invalid_body"),
            ({"client_id": ["a"]}, 400, "invalid_body"),
            ({"client_id": "a" * 256}, 400, "invalid_body"),
            ({"audience": 1}, 400, "invalid_body"),
        ):
            answer = await admin.call("POST", "client-grants", good | changed)
            check_refused(answer, status, error_code)
        assert len((await admin.call("GET", "client-grants")).json()) == 1

    told(story)


def test_nobody_grants_a_management_scope_they_do_not_hold(told: Told) -> None:
    """T33."""

    async def story(admin: Administration) -> None:
        client = await new_client(admin)
        body = {"client_id": client["client_id"], "audience": MANAGEMENT}
        held = ["create:client_grants", "read:users"]
        answer = await admin.call(
            "POST", "client-grants", body | {"scope": ["read:users", "delete:users"]}, scopes=held
        )
        check_refused(answer, 403, "insufficient_scope")
        answer = await admin.call(
            "POST", "client-grants", body | {"scope": ["read:users"]}, scopes=held
        )
        assert answer.status_code == 201

    told(story)


def test_grants_are_filtered_and_paged(told: Told) -> None:
    async def story(admin: Administration) -> None:
        await new_api(admin)
        clients = [await new_client(admin) for _ in range(3)]
        for client in clients:
            for audience in (API, MANAGEMENT):
                body = {"client_id": client["client_id"], "audience": audience, "scope": []}
                await admin.created("client-grants", body)

        async def found(query: str) -> Any:  # noqa: ANN401
            return (await admin.call("GET", f"client-grants?{query}")).json()

        one = clients[0]["client_id"]
        assert len(await found("")) == 7  # the bootstrap client has one
        assert len(await found(f"client_id={one}")) == 2
        [grant] = await found(f"client_id={one}&audience={API}")
        assert (grant["client_id"], grant["audience"]) == (one, API)
        assert await found(f"client_id={one}&audience=x") == []
        part = await found(f"client_id={one}&audience={API}&take=1")
        assert part == {"client_grants": [grant]}
        page = await found(f"audience={API}&include_totals=true&per_page=2&page=1")
        assert (page["total"], page["start"], page["limit"], page["length"]) == (3, 2, 2, 1)
        first = await found("include_totals=true&take=50")
        assert len(first["client_grants"]) == 7
        assert "next" not in first

    told(story)


def test_the_grants_of_all_third_parties_are_found(told: Told) -> None:
    """And what no list is kept of is refused: others would be shown in its stead."""

    async def story(admin: Administration) -> None:
        await new_api(admin)
        client_id = (await new_client(admin))["client_id"]
        await admin.created("client-grants", {"client_id": client_id, "audience": API, "scope": []})
        default = {"default_for": "third_party_clients", "audience": API, "scope": []}
        grants = [
            await admin.created("client-grants", default | {"subject_type": kind})
            for kind in ("client", "user")
        ]
        by_id = sorted(grants, key=lambda grant: str(grant["id"]))
        for query in ("", f"&audience={API}"):
            path = f"client-grants?default_for=third_party_clients{query}"
            assert (await admin.call("GET", path)).json() == by_id
            walked = (await admin.call("GET", f"{path}&take=1")).json()
            assert walked == {"client_grants": by_id[:1], "next": by_id[0]["id"]}
        for query in (
            "subject_type=user",
            "allow_any_organization=true",
            "default_for=anybody",
            f"default_for=third_party_clients&client_id={client_id}",
        ):
            answer = await admin.call("GET", f"client-grants?{query}")
            check_refused(answer, 400, "invalid_query_string")

    told(story)


@pytest.mark.parametrize("audience", [API, MANAGEMENT])
def test_a_grant_made_while_its_client_is_deleted_does_not_outlive_it(
    told: Told, audience: str
) -> None:
    """One step creates a grant where its client is, one removes a client with its grants."""

    async def story(admin: Administration) -> None:
        await new_api(admin)
        scope = ["a"] if audience == API else list(MANAGEMENT_SCOPES)
        for _ in range(10):
            client_id = (await new_client(admin))["client_id"]
            body = {"client_id": client_id, "audience": audience, "scope": scope}
            await asyncio.gather(
                admin.call("POST", "client-grants", body),
                admin.call("DELETE", f"clients/{client_id}"),
            )
        [left] = (await admin.call("GET", "client-grants")).json()
        assert left["audience"] == MANAGEMENT  # the bootstrap client's own

    told(story)
