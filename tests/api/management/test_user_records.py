"""A user made or changed, as the routes and imports do it."""

from collections.abc import Callable

import pytest

from api.management.user_records import UserRecords
from consent import policy
from consent.audit.event import Act
from consent.errors import ManagementError
from consent.identifiers import person_id_of
from consent.management.users import new_user, user_change
from consent.store.keys import Partition
from tests.support.management import Administration, Story

Told = Callable[[Story], None]
ACT = Act("Make a user", client_id="c")


def test_a_user_is_made_and_changed_with_the_events_beside_them(told: Told) -> None:
    async def story(admin: Administration) -> None:
        records = UserRecords(admin.services)
        made = await records.create(
            new_user({"user_id": "u", "email": "A@b", "blocked": True}), ACT
        )
        changed = await records.change("auth0|u", user_change({"name": "N"}), ACT)
        assert changed == made | {"name": "N"}
        assert (await admin.call("GET", "users/auth0%7Cu")).json() == changed
        person_id = person_id_of("auth0|u", admin.services.settings.partitions)
        assert await admin.services.people_lists.find_all("name", "n", most=2) == [person_id]
        events = await admin.services.store.redis.execute(
            "XRANGE", Partition.of(person_id).events, "-", "+"
        )
        fields = [dict(zip(event[1][::2], event[1][1::2], strict=True)) for event in events]
        assert [field[b"t"] for field in fields] == [b"sapi", b"sapi"]
        assert {field[b"e"] for field in fields} == {ACT.event(user_id="auth0|u")}

    told(story)


def test_who_cannot_be_made_or_changed_is_refused(told: Told) -> None:
    async def story(admin: Administration) -> None:
        records = UserRecords(admin.services)
        await records.create(new_user({"user_id": "u"}), ACT)
        with pytest.raises(ManagementError) as refused:
            await records.create(new_user({"user_id": "u"}), ACT)
        assert refused.value.status == 409
        with pytest.raises(ManagementError) as refused:
            await records.create(new_user({"user_id": "v", "connection": "nowhere"}), ACT)
        assert refused.value.error == "inexistent_connection"
        with pytest.raises(ManagementError) as refused:
            await records.change("auth0|v", user_change({}), ACT)
        assert refused.value.error == "inexistent_user"

    told(story)


def test_a_user_does_not_grow_for_ever(told: Told) -> None:
    """Metadata are merged member by member, so no single body shows how much there will be."""

    async def story(admin: Administration) -> None:
        records = UserRecords(admin.services)
        await records.create(new_user({"user_id": "u"}), ACT)
        for name in ("a", "b"):
            many: dict[str, object] = {
                "app_metadata": {name: "x" * (policy.USER_BYTES_MAX // 2 - 1_000)}
            }
            await records.change("auth0|u", user_change(many), ACT)
        with pytest.raises(ManagementError) as refused:
            await records.change("auth0|u", user_change({"user_metadata": {"c": "x" * 2_000}}), ACT)
        assert refused.value.error == "invalid_body"
        less = await records.change("auth0|u", user_change({"app_metadata": {"a": None}}), ACT)
        assert set(less["app_metadata"]) == {"b"}  # type: ignore[call-overload]

    told(story)
