"""/api/v2/tenants/settings."""

import asyncio
from collections.abc import Callable

from tests.support.management import Administration, Story, check_refused

Told = Callable[[Story], None]
PATH = "tenants/settings"


def test_settings_stay_as_they_were_set(told: Told) -> None:
    """auth0-wire 3.1."""

    async def story(admin: Administration) -> None:
        first = (await admin.call("GET", PATH)).json()
        assert not any(first["flags"].values())
        answer = await admin.call(
            "PATCH", PATH, {"flags": {"enable_dynamic_client_registration": True}}
        )
        assert answer.status_code == 200
        assert answer.json()["flags"]["enable_dynamic_client_registration"] is True
        assert (await admin.call("GET", PATH)).json() == answer.json()
        assert (await admin.call("GET", f"{PATH}?fields=flags")).json().keys() == {"flags"}

    told(story)


def test_two_administrators_never_mix_or_lose_a_setting(told: Told) -> None:
    async def story(admin: Administration) -> None:
        bodies = [
            {"friendly_name": "Bank"},
            {"flags": {"enable_dynamic_client_registration": True}},
            {"flags": {"enable_dynamic_client_management": True}},
            {"dynamic_client_registration_security_mode": "permissive"},
            {"dynamic_client_registration_access": "token"},
            {"number_matching": True},
        ]
        await asyncio.gather(*[admin.call("PATCH", PATH, body) for body in bodies])
        assert (await admin.call("GET", PATH)).json() == {
            "friendly_name": "Bank",
            "default_audience": "",
            "flags": {
                "enable_dynamic_client_registration": True,
                "enable_dynamic_client_management": True,
            },
            "dynamic_client_registration_security_mode": "permissive",
            "dynamic_client_registration_access": "token",
            "number_matching": True,
            "mailbox_approval": False,
        }

    told(story)


def test_a_default_audience_is_one_that_is_there(told: Told) -> None:
    async def story(admin: Administration) -> None:
        body = {"default_audience": "https://api.example/"}
        check_refused(await admin.call("PATCH", PATH, body), 400, "invalid_body")
        await admin.created("resource-servers", {"identifier": "https://api.example/"})
        assert (await admin.call("PATCH", PATH, body)).status_code == 200

    told(story)
