"""/api/v2/initial-access-tokens."""

from collections.abc import Callable

import pytest

from tests.support.management import NOW, Administration, Story, check_refused

Told = Callable[[Story], None]
PATH = "initial-access-tokens"


def test_a_token_is_shown_once(told: Told) -> None:
    async def story(admin: Administration) -> None:
        created = await admin.created(PATH, {"expires_in_seconds": 60, "uses": 3})
        assert created == {
            "id": created["id"],
            "created_at": "2027-01-15T08:00:00.000Z",
            "expires_at": "2027-01-15T08:01:00.000Z",
            "uses_left": 3,
            "token": created["token"],
        }
        token = created.pop("token")
        assert len(str(token)) == 43
        assert (await admin.call("GET", PATH)).json() == [created]
        answer = await admin.call("GET", f"{PATH}?include_totals=true")
        assert answer.json()["initial_access_tokens"] == [created]
        assert answer.json()["total"] == 1

    told(story)


def test_by_default_it_is_good_for_one_client_and_a_day(told: Told) -> None:
    async def story(admin: Administration) -> None:
        for body in ({}, None, {"uses": None, "unknown": 1}):
            created = await admin.created(PATH, body)
            assert created["uses_left"] == 1
            assert created["expires_at"] == "2027-01-16T08:00:00.000Z"

    told(story)
    assert NOW == 1_800_000_000


def test_a_deleted_token_is_gone_and_stays_so(told: Told) -> None:
    async def story(admin: Administration) -> None:
        created = await admin.created(PATH, {})
        for _ in range(2):
            answer = await admin.call("DELETE", f"{PATH}/{created['id']}")
            assert (answer.status_code, answer.content) == (204, b"")
        assert (await admin.call("GET", PATH)).json() == []

    told(story)


HOSTILE: dict[str, dict[str, object]] = {
    "no life": {"expires_in_seconds": 0},
    "a life of years": {"expires_in_seconds": 31_536_001},
    "a fraction of a second": {"expires_in_seconds": 1.5},
    "a life that is a text": {"expires_in_seconds": "60"},
    "no use": {"uses": 0},
    "uses without end": {"uses": 100_001},
    "a truth of uses": {"uses": True},
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_bad_body_is_refused_by_the_name_of_its_member(
    told: Told, body: dict[str, object]
) -> None:
    async def story(admin: Administration) -> None:
        message = check_refused(await admin.call("POST", PATH, body), 400, "invalid_body")
        assert next(iter(body)) in message

    told(story)


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", PATH, "create:initial_access_tokens"),
        ("GET", PATH, "read:initial_access_tokens"),
        ("DELETE", f"{PATH}/x", "delete:initial_access_tokens"),
    ],
)
def test_each_call_has_its_scope(told: Told, method: str, path: str, scope: str) -> None:
    async def story(admin: Administration) -> None:
        others = ["create:clients", "read:tenant_settings"]
        answer = await admin.call(method, path, {}, scopes=others)
        check_refused(answer, 403, "insufficient_scope")
        assert (await admin.call(method, path, {}, scopes=[scope])).is_success

    told(story)
