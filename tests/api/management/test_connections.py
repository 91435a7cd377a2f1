"""/api/v2/connections."""

from collections.abc import Callable

from tests.support.management import Administration, Story, check_refused

Told = Callable[[Story], None]


def test_a_connection_is_made_promoted_and_deleted(told: Told) -> None:
    """auth0-wire 3.1."""

    async def story(admin: Administration) -> None:
        made = await admin.created("connections", {"name": "staff"})
        path = f"connections/{made['id']}"
        check_refused(
            await admin.call("POST", "connections", {"name": "staff"}), 409, "connection_conflict"
        )
        answer = await admin.call("PATCH", path, {"is_domain_connection": True})
        assert answer.json() == made | {"is_domain_connection": True}
        assert (await admin.call("GET", path)).json() == answer.json()
        listed = (await admin.call("GET", "connections?fields=name")).json()
        assert sorted(it["name"] for it in listed) == ["staff", "users"]
        for query, names in {
            "name=staff": ["staff"],
            "name=staff&strategy=auth0": ["staff"],
            "name=nobody": [],
            "strategy=samlp&strategy=auth0": ["staff", "users"],
            "strategy=samlp&strategy=oidc": [],
            "strategy=samlp&name=staff": [],
        }.items():
            answer = await admin.call("GET", f"connections?{query}&include_totals=true&take=50")
            assert answer.json().keys() == {"connections"}
            assert sorted(it["name"] for it in answer.json()["connections"]) == names
        for _ in range(2):
            assert (await admin.call("DELETE", path)).status_code == 204
        for method in ("GET", "PATCH"):
            check_refused(
                await admin.call(method, path, {} if method == "PATCH" else None),
                404,
                "inexistent_connection",
            )

    told(story)


def test_a_user_is_of_a_connection_that_is_there_and_keeps_it_so(told: Told) -> None:
    async def story(admin: Administration) -> None:
        user = {"email": "a@b.example", "connection": "staff"}
        check_refused(await admin.call("POST", "users", user), 400, "inexistent_connection")
        made = await admin.created("connections", {"name": "staff"})
        of_it = await admin.created("users", user)
        path = f"connections/{made['id']}"
        check_refused(await admin.call("DELETE", path), 409, "connection_in_use")
        await admin.call("DELETE", f"users/{str(of_it['user_id']).replace('|', '%7C')}")
        assert (await admin.call("DELETE", path)).status_code == 204

    told(story)
