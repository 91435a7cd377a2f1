"""/api/v2/users and /api/v2/users-by-email."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.identifiers import person_id_of
from consent.management.user_search import FOUND_MAX
from tests.support.management import Administration, Story, check_refused

Told = Callable[[Story], None]


async def people(admin: Administration, *bodies: Mapping[str, object]) -> None:
    await asyncio.gather(*[admin.created("users", body) for body in bodies])


def in_order(admin: Administration, *user_ids: str) -> list[str]:
    """The order of lists: that of the person_ids."""
    count = admin.services.settings.partitions
    return sorted(user_ids, key=lambda user_id: person_id_of(user_id, count))


async def listed(admin: Administration, path: str) -> Any:  # noqa: ANN401 - JSON
    answer = await admin.call("GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def found(admin: Administration, query: str, more: str = "") -> list[str]:
    """The user_ids without their prefix."""
    users = await listed(admin, f"users?q={quote(query)}&search_engine=v3{more}")
    return sorted(str(user["user_id"]).removeprefix("auth0|") for user in users)


def test_the_pages_of_a_tenant_hold_everybody_once(told: Told) -> None:
    async def story(admin: Administration) -> None:
        await people(admin, *[{"user_id": f"u{n}"} for n in range(7)])
        everybody = in_order(admin, *[f"auth0|u{n}" for n in range(7)])
        seen: list[str] = []
        for page in range(4):
            users = await listed(admin, f"users?page={page}&per_page=3")
            seen += [user["user_id"] for user in users]
        assert seen == everybody
        assert users == [], "a page past the end is empty, where pagers stop"

    told(story)


def test_a_page_with_totals_is_as_auth0_shapes_it(told: Told) -> None:
    async def story(admin: Administration) -> None:
        await people(admin, *[{"user_id": f"u{n}", "name": "N"} for n in range(3)])
        for query in ("", "&q=name:n&search_engine=v3", "&connection=users"):
            body = await listed(admin, f"users?include_totals=true&page=1&per_page=2{query}")
            [user] = body.pop("users")
            assert body == {"start": 2, "limit": 2, "length": 1, "total": 3}
            assert user == (await admin.call("GET", f"users/{quote(user['user_id'])}")).json()
            body = await listed(admin, f"users?include_totals=true&page=9{query}")
            assert body == {"users": [], "start": 450, "limit": 50, "length": 0, "total": 3}

    told(story)


@pytest.mark.parametrize(
    "query", ["", "&q=name:n", "&connection=users", "&q=name:n%20-blocked:true"]
)
def test_a_walk_from_checkpoints_meets_everybody_once(told: Told, query: str) -> None:
    async def story(admin: Administration) -> None:
        await people(admin, *[{"user_id": f"u{n}", "name": "N"} for n in range(5)])
        everybody = in_order(admin, *[f"auth0|u{n}" for n in range(5)])
        seen, after = [], ""
        for _ in range(3):
            body = await listed(admin, f"users?take=2{after}{query}")
            seen += [user["user_id"] for user in body["users"]]
            after = f"&from={quote(body.get('next', ''))}"
        assert seen == everybody
        assert "next" not in body
        await admin.call("DELETE", f"users/{quote(everybody[1])}")
        body = await listed(admin, f"users?from={quote(everybody[1])}{query}")
        assert [user["user_id"] for user in body["users"]] == everybody[2:], (
            "who is gone still counts"
        )

    told(story)


def test_users_are_found_by_what_is_true_of_them(told: Told) -> None:
    async def story(admin: Administration) -> None:
        await people(
            admin,
            {"user_id": "a", "email": "Ann@Example.com", "name": "Ann Smith", "blocked": True},
            {"user_id": "b", "email": "bob@example.com", "app_metadata": {"plan": "gold"}},
            {"user_id": "c", "username": "carol", "phone_number": "+4930123", "name": "Ann Smith"},
        )
        for query, expected in {
            "email:ann@example.com": ["a"],
            'email:"ANN@example.com"': ["a"],
            "email:(ann@example.com OR bob*)": ["a", "b"],
            'name:"ann smith"': ["a", "c"],
            'name:"Ann Smith" AND blocked:true': ["a"],
            'name:"Ann Smith" -blocked:true': ["c"],
            "phone_number:+4930*": ["c"],
            "username:carol OR user_id:auth0|b": ["b", "c"],
            "user_id:auth0|nobody": [],
            "identities.connection:users AND app_metadata.plan:gold": ["b"],
            "email:zoe*": [],
        }.items():
            assert await found(admin, query) == expected, query

    told(story)


def test_users_are_found_as_the_changes_left_them(told: Told) -> None:
    async def story(admin: Administration) -> None:
        await people(admin, {"user_id": "a", "email": "old@b", "name": "Old"})
        await admin.call("PATCH", "users/auth0%7Ca", {"email": "new@b"})
        assert await found(admin, "email:old@b") == []
        assert await found(admin, "email:new@b AND name:old") == ["a"]
        await admin.call("DELETE", "users/auth0%7Ca")
        assert await found(admin, "email:new@b") == []

    told(story)


def test_a_connection_narrows_a_list(told: Told) -> None:
    async def story(admin: Administration) -> None:
        await admin.created("connections", {"name": "staff", "strategy": "auth0"})
        await people(
            admin,
            {"user_id": "a", "connection": "staff", "name": "N"},
            {"user_id": "b", "name": "N"},
            {"user_id": "c", "connection": "staff", "name": "M"},
        )
        assert [user["user_id"] for user in await listed(admin, "users?connection=users")] == [
            "auth0|b"
        ]
        assert await found(admin, "name:n", "&connection=staff") == ["a"]
        assert await listed(admin, "users?connection=nowhere") == []

    told(story)


def test_a_list_is_sorted_and_shown_in_part(told: Told) -> None:
    async def story(admin: Administration) -> None:
        await people(admin, *[{"user_id": it, "name": f"n-{it}", "nickname": "N"} for it in "bca"])
        path = "users?connection=users&fields=name,user_id"
        users = await listed(admin, f"{path}&sort=name:-1&per_page=2")
        assert users == [{"user_id": f"auth0|{it}", "name": f"n-{it}"} for it in "cb"]
        users = await listed(admin, f"{path}&sort=name:1&per_page=2&page=1")
        assert users == [{"user_id": "auth0|c", "name": "n-c"}]
        [user, *_] = await listed(admin, f"{path}&include_fields=false")
        assert set(user) == {"nickname", "identities", "created_at", "updated_at"}

    told(story)


REFUSED = {
    "q=": None,
    "q=blocked:true": "needs a term",
    "q=jane": "must name its field",
    "q=email:a@b%20OR%20blocked:true": "needs a term",
    f"q=email:{'x' * 2_000}": "too long",
    "q=%00": "control character",
    "q=email:%ED%A0%80": "not UTF-8",
    "q=%E2%80%AE": "cannot be shown",
    "q=(((((((((((((((email:a": "nested too deeply",
    "q=email:a&q=email:b": "repeated",
    "q=email:a@b&search_engine=v2": "search_engine must be v3",
    "q=email:a@b&sort=shoe:1": "sort must be",
    "sort=name:1": "sort needs a q",
    "q=email:a@b&sort=name:1&take=5": "pages by number only",
    "q=email:a@b&per_page=101": "per_page must be",
    "q=email:a@b&fields=%F0%9F%92%A9": "fields must be",
    "per_page=0": "per_page must be",
    "include_totals=perhaps": "include_totals must be",
}


def test_a_query_that_cannot_be_answered_is_refused_by_its_reason(told: Told) -> None:
    async def story(admin: Administration) -> None:
        for query, said in REFUSED.items():
            answer = await admin.call("GET", f"users?{query}")
            if said is None:
                assert answer.json() == [], "an empty q is none"
            else:
                message = check_refused(answer, 400, "invalid_query_string")
                assert message.startswith("Query validation error: ")
                assert said in message

    told(story)


def test_more_candidates_than_are_looked_through_are_refused_and_not_cut(told: Told) -> None:
    """A user the query is true of must not be left out silently."""

    async def story(admin: Administration) -> None:
        async def find_all(field: str, value: str, *, prefix: bool = False, most: int) -> list[str]:
            del field, value, prefix
            return [f"{n:025x}" for n in range(most)]

        # A thousand users take seconds to make; what is decided here is how many ids there are.
        admin.services.people_lists.find_all = find_all  # type: ignore[method-assign]
        answer = await admin.call("GET", "users?q=name:abc*%20AND%20blocked:true")
        assert "more than 1000 users" in check_refused(answer, 400, "invalid_query_string")
        body = await listed(admin, "users?q=name:abc*&include_totals=true")
        assert body["total"] == FOUND_MAX, "of those a term alone finds a thousand can be reached"

    told(story)


def test_users_by_email_is_an_array_of_all_who_have_the_address(told: Told) -> None:
    async def story(admin: Administration) -> None:
        await people(
            admin,
            {"user_id": "a", "email": "Ann@Example.com"},
            {"user_id": "b", "email": "ann@example.com", "blocked": True},
            {"user_id": "c", "email": "annn@example.com"},
        )
        users = await listed(admin, "users-by-email?email=ANN%40example.com")
        assert [user["user_id"] for user in users] == in_order(admin, "auth0|a", "auth0|b")
        assert [user.get("blocked", False) for user in users].count(True) == 1
        users = await listed(admin, "users-by-email?email=annn@example.com&fields=email")
        assert users == [{"email": "annn@example.com"}]
        assert await listed(admin, "users-by-email?email=ann") == []
        message = check_refused(
            await admin.call("GET", "users-by-email"), 400, "invalid_query_string"
        )
        assert "email is needed" in message

    told(story)


def test_lists_of_users_need_the_scope_that_reads_them(told: Told) -> None:
    async def story(admin: Administration) -> None:
        for path in ("users", "users-by-email?email=a@b"):
            answer = await admin.call("GET", path, scopes=["create:users"])
            check_refused(answer, 403, "insufficient_scope")

    told(story)


PARAMETERS = [
    "q",
    "page",
    "per_page",
    "from",
    "take",
    "sort",
    "fields",
    "connection",
    "include_totals",
]
QUERIES = st.dictionaries(
    st.sampled_from(PARAMETERS),
    st.one_of(
        st.text(max_size=12),
        st.sampled_from(
            ["true", "1", "0", "name:abc*", "email:a@b -blocked:true", "name:1", "name"]
        ),
    ),
    max_size=4,
)


def test_any_query_is_answered_or_refused(told: Told) -> None:
    drawn: list[dict[str, str]] = []

    @settings(max_examples=60, suppress_health_check=[*HealthCheck])
    @given(QUERIES)
    def draw(query: dict[str, str]) -> None:
        drawn.append(query)

    async def story(admin: Administration) -> None:
        await people(admin, {"user_id": "a", "name": "abcd"})
        for query in drawn:
            text = "&".join(
                f"{name}={quote(value.encode('utf-8', 'surrogatepass'))}"
                for name, value in query.items()
            )
            answer = await admin.call("GET", f"users?{text}")
            if answer.status_code != 200:
                check_refused(answer, 400, "invalid_query_string")

    draw()
    assert drawn
    told(story)
