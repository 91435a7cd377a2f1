"""/api/v2/jobs: users imported by the hundred."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from api.management.jobs import import_users
from consent.audit.event import Act
from consent.management.user_import import JOB_LIFE_MS
from consent.store import keys
from consent.tenant import USERS, connection_id
from tests.support.management import Administration, Story, check_refused

Told = Callable[[Story], None]
PATH = "jobs/users-imports"


async def posted(
    admin: Administration, users: object, *, token: str = "", **parts: str
) -> httpx2.Response:
    """As Auth0's libraries send it."""
    return await admin.http.post(
        f"api/v2/{PATH}",
        data=parts,
        files={"users": ("users.json", json.dumps(users).encode(), "application/json")},
        headers={"Authorization": f"Bearer {token or admin.token()}"},
    )


async def done(admin: Administration, users: object, **parts: str) -> dict[str, Any]:
    answer = await posted(admin, users, **parts)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def errors(admin: Administration, job: dict[str, Any]) -> list[tuple[Any, str, str]]:
    answer = await admin.call("GET", f"jobs/{job['id']}/errors")
    assert answer.status_code == 200
    return [
        (failure["user"], error["code"], error["path"])
        for failure in answer.json()
        for error in failure["errors"]
    ]


def test_users_are_imported_before_the_answer(told: Told) -> None:
    async def story(admin: Administration) -> None:
        users = [
            {"user_id": "auth0|a", "email": "a@example.com", "email_verified": True},
            {"email": "B@example.com", "blocked": True, "app_metadata": {"plan": 1}},
        ]
        job = await done(
            admin, users, connection_id=connection_id(USERS), upsert="false", external_id="mine"
        )
        assert job == {
            "id": job["id"],
            "type": "users_import",
            "status": "completed",
            "created_at": "2027-01-15T08:00:00.000Z",
            "connection_id": connection_id(USERS),
            "upsert": False,
            "external_id": "mine",
            "summary": {"failed": 0, "updated": 0, "inserted": 2, "total": 2},
        }
        assert (await admin.call("GET", f"jobs/{job['id']}")).json() == job
        assert await errors(admin, job) == []
        shown = (await admin.call("GET", "users/auth0%7Ca")).json()
        assert (shown["email"], shown["email_verified"]) == ("a@example.com", True)
        [shown] = (await admin.call("GET", "users-by-email?email=b@example.com")).json()
        assert (shown["blocked"], shown["app_metadata"]) == (True, {"plan": 1})
        assert await admin.services.people.hints.find("email", "b@example.com") == shown["user_id"]

    told(story)


def test_one_who_is_there_fails_or_is_changed(told: Told) -> None:
    async def story(admin: Administration) -> None:
        users: list[dict[str, object]] = [
            {"user_id": "a", "name": "A"},
            {"email": "B@example.com", "user_metadata": {"x": 1}},
            {"username": "c"},
        ]
        await done(admin, users)
        job = await done(admin, [*users, {"user_id": "d"}])
        assert job["summary"] == {"failed": 3, "updated": 0, "inserted": 1, "total": 4}
        assert await errors(admin, job) == [
            ({"user_id": "a"}, "DUPLICATED_USER", ""),
            ({"email": "B@example.com"}, "DUPLICATED_USER", ""),
            ({"username": "c"}, "DUPLICATED_USER", ""),
        ]
        changes: list[dict[str, object]] = [
            {"user_id": "auth0|a", "name": "AA"},
            {"email": "b@example.com", "user_metadata": {"y": 2}},
            {"user_id": "e"},
        ]
        job = await done(admin, changes, upsert="true")
        assert job["summary"] == {"failed": 0, "updated": 2, "inserted": 1, "total": 3}
        assert (await admin.call("GET", "users/auth0%7Ca")).json()["name"] == "AA"
        [shown] = (await admin.call("GET", "users-by-email?email=b@example.com")).json()
        assert shown["user_metadata"] == {"x": 1, "y": 2}

    told(story)


def test_a_user_who_is_twice_in_a_file_is_imported_once(told: Told) -> None:
    async def story(admin: Administration) -> None:
        for upsert in ("false", "true"):
            users = [{"email": f"{upsert}@b", "name": name} for name in ("first", "second")]
            job = await done(admin, users, upsert=upsert)
            assert job["summary"] == {"failed": 1, "updated": 0, "inserted": 1, "total": 2}
            [(_, code, _)] = await errors(admin, job)
            assert code == "DUPLICATED_USER"
            [shown] = (await admin.call("GET", f"users-by-email?email={upsert}@b")).json()
            assert shown["name"] == "first"

    told(story)


def test_an_address_that_several_have_names_none_of_them(told: Told) -> None:
    async def story(admin: Administration) -> None:
        await admin.created("users", {"user_id": "a", "email": "a@b"})
        await admin.created("users", {"user_id": "b", "email": "a@b"})
        job = await done(admin, [{"email": "a@b", "name": "N"}], upsert="true")
        assert await errors(admin, job) == [({"email": "a@b"}, "DUPLICATED_USER", "")]

    told(story)


def test_users_are_imported_into_their_connection(told: Told) -> None:
    """The same address in another connection is another user, as it is at Auth0."""

    async def story(admin: Administration) -> None:
        staff = await admin.created("connections", {"name": "staff", "strategy": "auth0"})
        await admin.created("users", {"user_id": "a", "email": "a@b"})
        users = [{"email": "a@b", "connection": "users"}]
        job = await done(admin, users, connection_id=str(staff["id"]))
        assert job["summary"]["inserted"] == 1
        shown = (await admin.call("GET", "users-by-email?email=a@b")).json()
        connections = [user["identities"][0]["connection"] for user in shown]
        assert sorted(connections) == ["staff", "users"]
        answer = await posted(admin, users, connection_id="con_nowhere")
        check_refused(answer, 400, "inexistent_connection")

    told(story)


def test_who_is_wrong_fails_alone_and_no_secret_is_told_or_kept(told: Told) -> None:
    async def story(admin: Administration) -> None:
        hostile: list[object] = [
            {"email": "no address", "password_hash": "SECRETVALUE"},
            {"name": "SECRETVALUE"},
            {"user_id": "a/b", "custom_password_hash": {"hash": "SECRETVALUE"}},
            {"user_id": "x", "blocked": "SECRETVALUE"},
            7,
            ["SECRETVALUE"],
            {"user_id": "good", "password": "SECRETVALUE", "mfa_factors": ["SECRETVALUE"]},
        ]
        job = await done(admin, hostile)
        assert job["summary"] == {"failed": 6, "updated": 0, "inserted": 1, "total": 7}
        assert "mfa_factors of 1 users was left out" in job["warnings"]
        assert await errors(admin, job) == [
            ({"email": "no address"}, "INVALID_FORMAT", "email"),
            ({}, "INVALID_FORMAT", ""),
            ({"user_id": "a/b"}, "INVALID_FORMAT", "user_id"),
            ({"user_id": "x"}, "INVALID_FORMAT", "blocked"),
            ({}, "INVALID_FORMAT", "users"),
            ({}, "INVALID_FORMAT", "users"),
        ]
        redis = admin.services.store.redis
        assert b"SECRETVALUE" not in await redis.execute("GET", keys.job(job["id"]))
        assert 0 < await redis.execute("PTTL", keys.job(job["id"])) <= JOB_LIFE_MS
        assert "SECRETVALUE" not in (await admin.call("GET", "users/auth0%7Cgood")).text

    told(story)


def test_a_json_body_is_an_import_as_well(told: Told) -> None:
    async def story(admin: Administration) -> None:
        answer = await admin.call("POST", PATH, {"users": [{"user_id": "a"}], "upsert": True})
        assert answer.status_code == 202
        assert answer.json()["summary"]["inserted"] == 1

    told(story)


BAD_FORMS = {
    "nothing": (b"", "multipart/form-data; boundary=x", "form is malformed"),
    "no boundary": (b"", "multipart/form-data", "form is malformed"),
    "no users": (
        b'--x\r\nContent-Disposition: form-data; name="upsert"\r\n\r\ntrue\r\n--x--',
        "multipart/form-data; boundary=x",
        "property users",
    ),
    "another type": (b"[]", "text/plain", "must be application/json"),
    "JSON that is a list": (b"[]", "application/json", "not a JSON object"),
}


@pytest.mark.parametrize(("body", "media_type", "said"), BAD_FORMS.values(), ids=BAD_FORMS)
def test_a_bad_body_is_refused(told: Told, body: bytes, media_type: str, said: str) -> None:
    async def story(admin: Administration) -> None:
        headers = {"Authorization": f"Bearer {admin.token()}", "Content-Type": media_type}
        answer = await admin.http.post(f"api/v2/{PATH}", content=body, headers=headers)
        assert said in check_refused(answer, 400, "invalid_body")

    told(story)


def test_an_import_that_may_change_users_needs_the_scope_that_changes_one(told: Told) -> None:
    """T33: nobody does by the hundred what they may not do once."""

    async def story(admin: Administration) -> None:
        token = admin.token(["create:users"])
        assert (await posted(admin, [], token=token)).status_code == 202
        answer = await posted(admin, [], token=token, upsert="true")
        assert "update:users" in check_refused(answer, 403, "insufficient_scope")
        answer = await posted(admin, [], token=admin.token(["update:users", "read:users"]))
        check_refused(answer, 403, "insufficient_scope")
        for path in ("jobs/job_x", "jobs/job_x/errors"):
            answer = await admin.call("GET", path, scopes=["create:users"])
            check_refused(answer, 403, "insufficient_scope")

    told(story)


@pytest.mark.parametrize("job_id", ["job_" + "a" * 22, "job_*", "x", "%00", "a%20b"])
def test_a_job_that_is_none_is_not_found(told: Told, job_id: str) -> None:
    async def story(admin: Administration) -> None:
        for path in (f"jobs/{job_id}", f"jobs/{job_id}/errors"):
            check_refused(await admin.call("GET", path), 404, "inexistent_job")

    told(story)


def test_an_import_of_the_command_line_is_the_same_function(told: Told) -> None:
    async def story(admin: Administration) -> None:
        entries: list[object] = [{"user_id": f"u{n}"} for n in range(100)]
        act = Act("Import users", client_id="scripts/admin")
        for inserted, updated in ((100, 0), (0, 100)):
            result = await import_users(admin.services, entries, USERS, upsert=True, act=act)
            assert (result.inserted, result.updated, result.failures) == (inserted, updated, [])
        _, total = await admin.services.people_lists.page(0, 1)
        assert total == 100

    told(story)


def test_an_import_may_be_larger_than_other_bodies(told: Told) -> None:
    """Half a megabyte, as at Auth0 (auth0-wire 3.5); and no more."""

    async def story(admin: Administration) -> None:
        padding = "x" * 400_000
        job = await done(admin, [{"user_id": "a", "custom_password_hash": padding}])
        assert job["summary"]["inserted"] == 1
        answer = await posted(admin, [{"user_id": "b", "custom_password_hash": padding * 2}])
        assert answer.status_code == 413
        answer = await admin.call("POST", "users", {"user_id": "b", "padding": padding})
        assert answer.status_code == 413

    told(story)
