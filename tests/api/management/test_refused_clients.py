"""Whom a user refuses is seen, and ended, by an administrator."""

from urllib.parse import quote

from consent.lifecycle import Event
from consent.store.consents import Answer
from tests.support.management import Administration, check_refused, tell
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, StoreInUse


def test_a_client_that_was_not_expected_is_listed_and_let_in_again(
    redis_server: RedisServer,
) -> None:
    async def told(admin: Administration) -> None:
        admin.now = (await admin.services.directory.now_ms()) / 1_000
        person = await StoreInUse(admin.services.store, admin.services.settings).person()
        path = f"users/{quote(person.user_id)}/refused-clients"
        await person.answer(await person.ask(), Answer(Event.DENY, b"{}", not_me=True))

        [refused] = (await admin.call("GET", path)).json()
        assert (refused["client_id"], refused["reason"]) == (CLIENT, "not_me")
        assert (await person.ask()).why == "not_me"

        assert (await admin.call("DELETE", f"{path}/{CLIENT}")).status_code == 204
        assert (await admin.call("GET", path)).json() == []
        assert isinstance(await person.ask(), str)
        check_refused(await admin.call("DELETE", f"{path}/{CLIENT}"), 404, "not_refused")
        check_refused(
            await admin.call("GET", "users/nobody/refused-clients"), 404, "inexistent_user"
        )

    tell(redis_server.url, told)
