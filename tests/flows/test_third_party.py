"""What a client may use that is not the tenant's own: by its mode, connections and grants (W 4)."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from consent.client import CIBA_GRANT, CLIENT_CREDENTIALS_GRANT
from consent.identifiers import person_id_of
from consent.lifecycle import Event
from tests.support.management import ISSUER, Administration, Story, tell
from tests.support.redis_server import RedisServer
from tests.support.store import Person

Told = Callable[[Story], None]
API = "https://api.example/"
CLIENT_CREDENTIALS = {"grant_type": CLIENT_CREDENTIALS_GRANT}


@pytest.fixture
def told(redis_server: RedisServer) -> Told:
    return lambda story: tell(redis_server.url, story)


class Tenant:
    """Permissive, with an API, a domain connection and another, and a user of each."""

    def __init__(self, admin: Administration) -> None:
        self.admin = admin
        admin.now = time.time()  # that of Redis
        self.client: dict[str, Any] = {}

    async def set_up(self, *, registered: bool) -> None:
        flags = {"enable_dynamic_client_registration": True}
        await self.set(flags=flags, dynamic_client_registration_security_mode="permissive")
        scopes = [{"value": "a"}, {"value": "b"}]
        await self.admin.created("resource-servers", {"identifier": API, "scopes": scopes})
        staff = await self.admin.created("connections", {"name": "staff"})
        assert not staff["is_domain_connection"]
        (users,) = [it for it in await self._connections() if it["name"] == "users"]
        self.domain = f"connections/{users['id']}"
        await self.admin.call("PATCH", self.domain, {"is_domain_connection": True})
        self.public = await self.person("users", "ann@example.com", "+15550100")
        self.staff = await self.person("staff", "ben@example.com", "+15550101")
        grants = [CIBA_GRANT, CLIENT_CREDENTIALS_GRANT]
        if registered:
            body: dict[str, object] = {
                "client_name": "Agent",
                "grant_types": grants,
                "scope": "openid email a",
            }
            body |= {"response_types": [], "backchannel_token_delivery_mode": "poll"}
            answer = await self.admin.http.post("oidc/register", json=body)
            assert answer.status_code == 201, answer.text
            self.client = answer.json()
        else:
            body = {"name": "Agent", "grant_types": grants, "is_first_party": False}
            self.client = await self.admin.created("clients", body)

    async def set(self, **settings: object) -> None:
        answer = await self.admin.call("PATCH", "tenants/settings", settings)
        assert answer.status_code == 200, answer.text

    async def _connections(self) -> list[Any]:
        return list((await self.admin.call("GET", "connections")).json())

    async def person(self, connection: str, email: str, phone: str) -> Person:
        body: dict[str, object] = {"connection": connection}
        body |= {"email": email, "email_verified": True}
        body |= {"phone_number": phone, "phone_verified": True}
        user = await self.admin.created("users", body)
        settings = self.admin.services.settings
        person_id = person_id_of(str(user["user_id"]), settings.partitions)
        person = Person(self.admin.services.store, str(user["user_id"]), person_id)
        await person.enroll()
        return person

    async def grant(self, **members: object) -> None:
        await self.admin.created("client-grants", {"audience": API, "scope": ["a"], **members})

    async def post(self, path: str, **form: str) -> httpx2.Response:
        own = {name: self.client[name] for name in ("client_id", "client_secret")}
        return await self.admin.http.post(path, data=own | form)

    async def ask(self, hint: dict[str, str], **form: str) -> httpx2.Response:
        asked = {"scope": "openid", "binding_message": "Pay 10", "login_hint": json.dumps(hint)}
        return await self.post("bc-authorize", **(asked | form))


def hints(person: Person, email: str, phone: str) -> list[dict[str, str]]:
    return [
        {"format": "iss_sub", "iss": ISSUER, "sub": person.user_id},
        {"format": "email", "email": email},
        {"format": "phone_number", "phone_number": phone},
    ]


BOTH = pytest.mark.parametrize("registered", [False, True], ids=["called so", "registered"])


def error_of(answer: httpx2.Response) -> str:
    return "" if answer.status_code == 200 else str(answer.json()["error"])


@BOTH
def test_it_asks_people_of_domain_connections_alone(told: Told, *, registered: bool) -> None:
    """Whoever else there is is as unknown as nobody, also one who is blocked."""

    async def story(admin: Administration) -> None:
        it = Tenant(admin)
        await it.set_up(registered=registered)
        for hint in hints(it.public, "ann@example.com", "+15550100"):
            assert error_of(await it.ask(hint)) == ""
        nobody = await it.ask({"format": "email", "email": "nobody@example.com"})
        staff = hints(it.staff, "ben@example.com", "+15550101")
        await admin.call("PATCH", f"users/{it.staff.user_id}", {"blocked": True})
        for hint in staff:
            answer = await it.ask(hint)
            assert (answer.status_code, answer.json()) == (nobody.status_code, nobody.json())
        await admin.call("PATCH", it.domain, {"is_domain_connection": False})
        answer = await it.ask(hints(it.public, "", "")[0])
        assert answer.json() == nobody.json()

    told(story)


@BOTH
def test_the_mode_rules_from_the_moment_it_is_set(told: Told, *, registered: bool) -> None:
    """Also what was approved before is not redeemed, until the mode allows it again."""

    async def story(admin: Administration) -> None:
        it = Tenant(admin)
        await it.set_up(registered=registered)
        await it.grant(default_for="third_party_clients")
        hint = hints(it.public, "", "")[0]
        asked = (await it.ask(hint)).json()
        consent = (await admin.call("GET", "consents")).json()["consents"][0]
        assert await it.public.answer(consent["id"], Event.APPROVE) == "answered"
        redeem = {"grant_type": CIBA_GRANT, "auth_req_id": asked["auth_req_id"]}
        own = CLIENT_CREDENTIALS | {"audience": API}

        await it.set(dynamic_client_registration_security_mode="strict")
        assert error_of(await it.ask(hint)) == "unauthorized_client"
        assert error_of(await it.post("oauth/token", **redeem)) == "unauthorized_client"
        assert error_of(await it.post("oauth/token", **own)) == "unauthorized_client"

        await it.set(dynamic_client_registration_security_mode="permissive")
        assert error_of(await it.post("oauth/token", **redeem)) == ""
        assert error_of(await it.post("oauth/token", **own)) == ""

    told(story)


@BOTH
def test_it_gets_of_an_api_what_it_or_all_like_it_were_granted(
    told: Told, *, registered: bool
) -> None:
    """For itself and for people, each by its own grant; no more than it registered."""

    async def story(admin: Administration) -> None:
        it = Tenant(admin)
        await it.set_up(registered=registered)
        hint, own = hints(it.public, "", "")[0], CLIENT_CREDENTIALS | {"audience": API}
        person = {"audience": API, "scope": "openid a"}
        assert (await it.post("oauth/token", **own)).status_code == 403
        assert (await it.ask(hint, **person)).status_code == 403

        await it.grant(default_for="third_party_clients")
        assert (await it.post("oauth/token", **own)).json()["scope"] == "a"
        assert (await it.ask(hint, **person)).status_code == 403
        await it.grant(default_for="third_party_clients", subject_type="user", scope=["a", "b"])
        assert error_of(await it.ask(hint, **person)) == ""
        wider = await it.ask(hint, audience=API, scope="openid b")
        assert error_of(wider) == ("invalid_scope" if registered else "")
        assert error_of(await it.ask(hint, scope="openid email")) == ""
        phone = await it.ask(hint, scope="openid phone")
        assert error_of(phone) == ("invalid_scope" if registered else "")

    told(story)


@BOTH
def test_the_management_api_is_never_its(told: Told, *, registered: bool) -> None:
    """Not by a default grant, for there can be none; nor by one of its own."""

    async def story(admin: Administration) -> None:
        it = Tenant(admin)
        await it.set_up(registered=registered)
        management = f"{ISSUER}api/v2/"
        for members in ({"default_for": "third_party_clients"}, {"subject_type": "user"}):
            body = {"audience": management, "scope": ["read:users"], **members}
            if "subject_type" in members:
                body["client_id"] = it.client["client_id"]
            assert (await admin.call("POST", "client-grants", body)).status_code == 400
        body = {"audience": management, "scope": ["read:users"]}
        await admin.call("POST", "client-grants", body | {"client_id": it.client["client_id"]})
        own = await it.post("oauth/token", **CLIENT_CREDENTIALS, audience=management)
        assert own.status_code == 403
        hint = hints(it.public, "", "")[0]
        asked = await it.ask(hint, audience=management, scope="openid read:users")
        assert asked.status_code in {400, 403}

    told(story)
