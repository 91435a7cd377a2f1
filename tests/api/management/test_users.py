"""/api/v2/users."""

import asyncio
from collections.abc import Callable

import httpx2
import pytest

from consent.identifiers import person_id_of
from consent.store.keys import Partition
from tests.support.management import Administration, Story, check_refused

Told = Callable[[Story], None]


def test_a_user_is_created_read_and_deleted(told: Told) -> None:
    async def story(admin: Administration) -> None:
        body = {
            "connection": "users",
            "user_id": "u1",
            "email": "a@example.com",
            "email_verified": True,
            "name": "Ängström 愛子",
            "password": "never kept 4711",
            "app_metadata": {"plan": {"id": 1}},
            "unknown": 1,
            "nickname": None,
        }
        created = await admin.created("users", body)
        assert created == {
            "user_id": "auth0|u1",
            "email": "a@example.com",
            "email_verified": True,
            "name": "Ängström 愛子",
            "app_metadata": {"plan": {"id": 1}},
            "identities": [
                {
                    "connection": "users",
                    "user_id": "u1",
                    "provider": "auth0",
                    "isSocial": False,
                }
            ],
            "created_at": "2027-01-15T08:00:00.000Z",
            "updated_at": "2027-01-15T08:00:00.000Z",
        }
        for path in ("users/auth0%7Cu1", "users/auth0|u1"):
            assert (await admin.call("GET", path)).json() == created
            some = (await admin.call("GET", f"{path}?fields=email,name")).json()
            assert some == {name: created[name] for name in ("email", "name")}
        for _ in range(2):
            answer = await admin.call("DELETE", "users/auth0%7Cu1")
            assert (answer.status_code, answer.content) == (204, b"")
        answer = await admin.call("GET", "users/auth0%7Cu1")
        assert check_refused(answer, 404, "inexistent_user") == "The user does not exist."

    told(story)


def test_a_user_id_is_generated_when_none_is_given(told: Told) -> None:
    async def story(admin: Administration) -> None:
        for body in ({"email": "a@b"}, {"phone_number": "+4912345"}, {"username": "u"}):
            user_id = str((await admin.created("users", body))["user_id"])
            assert len(user_id) == len("auth0|") + 24

    told(story)


def test_of_many_equal_users_one_is_created(told: Told) -> None:
    async def story(admin: Administration) -> None:
        answers = await asyncio.gather(
            *[admin.call("POST", "users", {"user_id": "u1"}) for _ in range(20)]
        )
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert check_refused(refused, 409, "auth0_idp_error") == "The user already exists."

    told(story)


def test_a_blocked_user_is_shown_and_stored_as_blocked(told: Told) -> None:
    """The scripts that accept and answer read the field beside the record."""

    async def story(admin: Administration) -> None:
        await admin.created("users", {"user_id": "b", "blocked": True})
        await admin.created("users", {"user_id": "free", "blocked": False})
        assert (await admin.call("GET", "users/auth0%7Cb")).json()["blocked"] is True
        assert "blocked" not in (await admin.call("GET", "users/auth0%7Cfree")).json()
        for user_id, is_blocked in (("auth0|b", 1), ("auth0|free", 0)):
            person_id = person_id_of(user_id, admin.services.settings.partitions)
            key = Partition.of(person_id).person(person_id)
            redis = admin.services.store.redis
            assert await redis.execute("HEXISTS", key, "blocked") == is_blocked

    told(story)


HOSTILE = {
    "nothing to know them by": ({"name": "N"}, "one of user_id, email"),
    "a number for an id": ({"user_id": 1}, "property user_id."),
    "an empty id": ({"user_id": ""}, "property user_id."),
    "an id of 250": ({"user_id": "a" * 250}, "property user_id."),
    "an id with a slash": ({"user_id": "a/b"}, "property user_id."),
    "an id with a newline": ({"user_id": "a\nb"}, "property user_id."),
    "an id with a bidi control": ({"user_id": "a\u202eb"}, "property user_id."),
    "an email of 256": ({"email": "a" * 254 + "@b"}, "property email."),
    "an email without at": ({"email": "SECRETVALUE"}, "property email."),
    "a phone number of words": ({"phone_number": "SECRETVALUE"}, "property phone_number."),
    "a phone number of other digits": ({"phone_number": "+٤٩١٢"}, "property phone_number."),
    "a text for a boolean": ({"user_id": "u", "blocked": "SECRETVALUE"}, "property blocked."),
    "a text for an object": ({"user_id": "u", "app_metadata": "SECRETVALUE"}, "app_metadata."),
    "a list for a name": ({"user_id": "u", "name": ["SECRETVALUE"]}, "property name."),
    "markup in a name": ({"user_id": "u", "name": "<b>SECRETVALUE"}, "property name."),
    "a picture of 2049": ({"user_id": "u", "picture": "a" * 2049}, "property picture."),
}


@pytest.mark.parametrize(("body", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_bad_body_is_refused_by_the_name_of_its_member(
    told: Told, body: dict[str, object], said: str
) -> None:
    async def story(admin: Administration) -> None:
        message = check_refused(await admin.call("POST", "users", body), 400, "invalid_body")
        assert message.startswith("Payload validation error: ")
        assert said in message
        assert "SECRETVALUE" not in message

    told(story)


@pytest.mark.parametrize(
    "user_id",
    ["*", "}", "nod:{directory}:clients", "a%0Ab", "a%00b", "%FF%FE", "%E2%80%AE", "x" * 8_000],
)
def test_an_id_that_is_not_one_finds_nobody(told: Told, user_id: str) -> None:
    """T28: what comes from outside is hashed before it is part of a key."""

    async def story(admin: Administration) -> None:
        for path in (f"users/{user_id}", f"users/{user_id}/enrollments"):
            check_refused(await admin.call("GET", path), 404, "inexistent_user")
        for path in (f"users/{user_id}", f"users/{user_id}/authenticators"):
            assert (await admin.call("DELETE", path)).status_code == 204

    told(story)


@pytest.mark.parametrize("user_id", ["*", "}", "a:b", "{000}", "愛子", "a b", "a%b"])
def test_an_odd_id_is_an_id_like_any_other(told: Told, user_id: str) -> None:
    async def story(admin: Administration) -> None:
        created = await admin.created("users", {"user_id": user_id})
        assert created["user_id"] == f"auth0|{user_id}"
        quoted = "".join(f"%{octet:02X}" for octet in f"auth0|{user_id}".encode())
        assert (await admin.call("GET", f"users/{quoted}")).json() == created

    told(story)


def test_a_user_is_changed_member_by_member(told: Told) -> None:
    async def story(admin: Administration) -> None:
        created = await admin.created("users", {"user_id": "u", "email": "a@b", "name": "N"})
        admin.now += 1
        body = {"name": "M", "phone_number": "+4915112345", "user_id": "v", "unknown": 1}
        answer = await admin.call("PATCH", "users/auth0%7Cu", body)
        assert (answer.status_code, answer.json()) == (200, created | {
            "name": "M",
            "phone_number": "+4915112345",
            "updated_at": "2027-01-15T08:00:01.000Z",
        })  # fmt: skip
        assert (await admin.call("GET", "users/auth0%7Cu")).json() == answer.json()
        check_refused(await admin.call("PATCH", "users/x", {}), 404, "inexistent_user")

    told(story)


def test_a_user_is_blocked_and_unblocked(told: Told) -> None:
    """T39: the scripts read the field beside the record."""

    async def story(admin: Administration) -> None:
        await admin.created("users", {"user_id": "u"})
        people = admin.services.people
        person_id = person_id_of("auth0|u", admin.services.settings.partitions)
        changes: list[tuple[dict[str, object], bool]] = [
            ({"blocked": True}, True),
            ({"name": "N"}, True),
            ({"blocked": None}, True),
            ({"blocked": False}, False),
        ]
        for body, blocked in changes:
            answer = await admin.call("PATCH", "users/auth0%7Cu", body)
            assert answer.status_code == 200
            assert answer.json().get("blocked", False) is blocked
            stored = await people.read_with_block(person_id)
            assert stored is not None
            assert stored[1] is blocked

    told(story)


def test_a_user_code_is_set_replaced_and_removed_and_never_shown(told: Told) -> None:
    """A041: what is kept is its MAC."""

    async def story(admin: Administration) -> None:
        services = admin.services
        person_id = person_id_of("auth0|u", services.settings.partitions)
        key = Partition.of(person_id).person(person_id)

        async def check_kept(answer: httpx2.Response, code: str | None) -> None:
            assert "2511" not in answer.text
            assert "user_code" not in answer.text
            kept = await services.store.redis.execute("HGET", key, "code")
            mac = services.seal.user_code(person_id, code) if code else None
            assert kept == (mac.encode() if mac else None)

        created = await admin.call("POST", "users", {"user_id": "u", "user_code": "2511 a"})
        await check_kept(created, "2511 a")
        changes: list[tuple[dict[str, object], str | None]] = [
            ({"user_code": "2511 b"}, "2511 b"),
            ({"name": "N"}, "2511 b"),
            ({"user_code": None}, None),
        ]
        for body, code in changes:
            await check_kept(await admin.call("PATCH", "users/auth0%7Cu", body), code)

    told(story)


def test_a_user_is_found_by_what_the_changes_left(told: Told) -> None:
    """A028, T41: however an address is spelt."""

    async def story(admin: Administration) -> None:
        find = admin.services.people.hints.find
        await admin.created("users", {"user_id": "u", "email": "Jane@Example.COM"})
        assert await find("email", "jane@example.com") == "auth0|u"
        body = {"email": "j@example.com", "phone_number": "+4915112345"}
        await admin.call("PATCH", "users/auth0%7Cu", body)
        assert await find("email", "jane@example.com") is None
        assert await find("email", "j@example.com") == "auth0|u"
        assert await find("phone_number", "+4915112345") == "auth0|u"
        await admin.call("DELETE", "users/auth0%7Cu")
        assert await find("email", "j@example.com") is None

    told(story)


def test_of_changes_at_once_none_is_lost(told: Told) -> None:
    async def story(admin: Administration) -> None:
        await admin.created("users", {"user_id": "u"})
        bodies: list[dict[str, object]] = [
            {"name": "N"},
            {"nickname": "K"},
            {"email": "a@b"},
            {"blocked": True},
            {"user_metadata": {"a": 1}},
            {"user_metadata": {"b": 1}},
        ]
        answers = await asyncio.gather(
            *[admin.call("PATCH", "users/auth0%7Cu", body) for body in bodies]
        )
        assert [answer.status_code for answer in answers] == [200] * len(bodies)
        stands = (await admin.call("GET", "users/auth0%7Cu")).json()
        assert (stands["name"], stands["nickname"], stands["email"]) == ("N", "K", "a@b")
        assert stands["blocked"] is True
        assert stands["user_metadata"] == {"a": 1, "b": 1}

    told(story)


def test_a_change_that_others_overtake_time_and_again_is_a_conflict(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(admin: Administration) -> None:
        await admin.created("users", {"user_id": "u"})

        async def overtaken(*_: object, **__: object) -> bool:
            return False

        monkeypatch.setattr(admin.services.people, "change", overtaken)
        check_refused(
            await admin.call("PATCH", "users/auth0%7Cu", {"name": "N"}), 409, "user_conflict"
        )

    told(story)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"blocked": "SECRETVALUE"}, "property blocked."),
        ({"user_code": "123"}, "property user_code."),
        ({"user_code": 2511}, "property user_code."),
        ({"user_code": "SECRETVALUE" * 3}, "property user_code."),
        ({"email": "SECRETVALUE"}, "property email."),
        ({"email": ""}, "property email."),
        ({"phone_number": "SECRETVALUE"}, "property phone_number."),
        ({"name": "<b>SECRETVALUE"}, "property name."),
        ({"username": ""}, "property username."),
        ({"user_metadata": ["SECRETVALUE"]}, "property user_metadata."),
    ],
)
def test_a_bad_change_is_refused_by_the_name_of_its_member(
    told: Told, body: dict[str, object], said: str
) -> None:
    async def story(admin: Administration) -> None:
        created = await admin.created("users", {"user_id": "u"})
        answer = await admin.call("PATCH", "users/auth0%7Cu", body)
        message = check_refused(answer, 400, "invalid_body")
        assert said in message
        assert "SECRETVALUE" not in message
        assert (await admin.call("GET", "users/auth0%7Cu")).json() == created

    told(story)
