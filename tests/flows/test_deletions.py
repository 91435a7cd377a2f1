"""A client, a user or a device that is deleted takes along what it asked for and was given."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import redis

from consent.client import CIBA_GRANT, CLIENT_CREDENTIALS_GRANT, REFRESH_TOKEN_GRANT, Client
from consent.identifiers import consent_id_of, new_auth_req_id
from consent.lifecycle import Event
from consent.store import keys
from scripts.simulated_phone import PhoneError
from tests.support.domain import a_request
from tests.support.management import BOOTSTRAP, Administration, administration
from tests.support.nod import Nod
from tests.support.provider import API, Provider, tell
from tests.support.redis_server import RedisServer
from tests.support.registering import Registrar
from tests.support.store import Person
from tests.support.waiting import until

Story = Callable[[Provider], Awaitable[None]]


def test_what_a_deleted_client_asked_is_taken_off_the_phone(nod: Nod) -> None:
    """T39: not listed, not shown, not answered; and in the record it was cancelled."""
    client, user_id = nod.new_client(), nod.new_user()
    phone = nod.new_phone(user_id)
    consent_id = consent_id_of(nod.accepted(client, user_id))
    other = consent_id_of(nod.accepted(nod.new_client(), user_id))
    rung = {nod.notified(phone, after=count).txlnkid for count in (0, 1)}
    listed = {it.txlnkid: it for it in phone.pending()}
    assert rung == listed.keys()
    assert listed.keys() == {consent_id, other}

    for _ in range(2):
        assert nod.admin("DELETE", f"clients/{client.client_id}").status_code == 204
    assert [it.txlnkid for it in phone.pending()] == [other]
    assert phone.fetch(consent_id, listed[consent_id].txtkn) is None
    with pytest.raises(PhoneError) as refused:
        phone.resolve(listed[consent_id], accept=True)
    assert refused.value.status == 404
    assert nod.admin("GET", f"consents/{consent_id}").json()["state"] == "cancelled"
    assert phone.fetch(other, listed[other].txtkn) is not None


@pytest.mark.parametrize("what", ["user", "device"])
def test_what_was_asked_of_a_deleted_user_or_device_ends(nod: Nod, what: str) -> None:
    client, user_id = nod.new_client(), nod.new_user()
    phone = nod.new_phone(user_id)
    auth_req_id = nod.accepted(client, user_id)
    (notification,) = phone.pending()
    assert phone.account is not None
    path = f"users/{user_id}" if what == "user" else f"guardian/enrollments/{phone.account.id}"
    assert nod.admin("DELETE", path).status_code == 204
    with pytest.raises(PhoneError) as refused:
        phone.resolve(notification, accept=True)
    assert refused.value.status == 404
    assert nod.poll(client, auth_req_id).json()["error"] == "access_denied"
    consent = nod.admin("GET", f"consents/{consent_id_of(auth_req_id)}").json()
    assert consent["state"] == "unreachable"


@pytest.fixture
def told(redis_server: RedisServer) -> Callable[[Story], None]:
    return lambda story: tell(redis_server.url, story)


Told = Callable[[Story], None]


async def what_stands(nod: Provider, client: Client, held: dict[str, Any]) -> set[str]:
    """Of what a client held, all that is still good for something; asked by it and by an API."""
    api = await nod.client(resource_server_identifier=API)
    found: set[str] = set()
    bearer = {"Authorization": f"Bearer {held['access_token']}"}
    if (await nod.http.get("userinfo", headers=bearer)).status_code == 200:
        found.add("userinfo")
    for asking, name in ((client, "access_token"), (client, "refresh_token"), (api, "own_token")):
        answer = await nod.post("oauth/introspect", asking, token=held[name])
        assert answer.status_code in {200, 401}
        if answer.status_code == 200 and answer.json()["active"]:
            found.add(f"introspection of {name}")
    form = {"grant_type": REFRESH_TOKEN_GRANT, "refresh_token": held["refresh_token"]}
    if (await nod.post("oauth/token", client, **form)).status_code == 200:
        found.add("refresh")
    form = {"grant_type": CIBA_GRANT, "auth_req_id": held["auth_req_id"]}
    if (await nod.post("oauth/token", client, **form)).status_code == 200:
        found.add("approval")
    return found


ALL = {
    "userinfo",
    "introspection of access_token",
    "introspection of refresh_token",
    "introspection of own_token",
    "refresh",
    "approval",
}


async def approved(nod: Provider, client: Client, person: Person) -> str:
    """A request that its client may redeem."""
    auth_req_id = new_auth_req_id(person.person_id)
    request = a_request(client_id=client.client_id, user_id=person.user_id)
    consent_id = consent_id_of(auth_req_id)
    refused = await nod.services.consents.accept(
        consent_id=consent_id,
        client_id=client.client_id,
        person_id=person.person_id,
        request=msgspec.json.encode(request),
        life_seconds=60,
    )
    assert refused is None
    assert await person.answer(consent_id, Event.APPROVE) == "answered"
    return auth_req_id


async def holding(nod: Provider, client: Client, person: Person) -> dict[str, Any]:
    """Tokens of every kind, and an approval that is not redeemed yet."""
    held = await nod.tokens(client, person)
    held["own_token"] = await nod.own_token(client)
    held["auth_req_id"] = await approved(nod, client, person)
    return held


@pytest.mark.parametrize("again", [False, True])
def test_nothing_a_deleted_client_held_stands_also_when_its_id_comes_again(
    told: Told, *, again: bool
) -> None:
    async def story(nod: Provider) -> None:
        person = await nod.person()
        grants = [CIBA_GRANT, REFRESH_TOKEN_GRANT, CLIENT_CREDENTIALS_GRANT]
        client = await nod.client(grant_types=grants)
        assert await what_stands(nod, client, await holding(nod, client, person)) == ALL
        held = await holding(nod, client, person)
        await nod.services.store.end_client(client.client_id, event=b"{}")
        if again:
            since = await nod.services.directory.now_ms() // 1_000 + 1  # later than all of it
            new = msgspec.structs.replace(client, since=since)
            await nod.services.directory.create(keys.CLIENTS, client.client_id, new)
        assert await what_stands(nod, client, held) == set()

    told(story)


def test_nothing_a_deleted_user_approved_stands(told: Told) -> None:
    async def story(nod: Provider) -> None:
        person, client = await nod.person(), await nod.client()
        held = await holding(nod, client, person)
        assert await nod.services.people.remove(person.person_id)
        assert await what_stands(nod, client, held) == {"introspection of own_token"}

    told(story)


def test_a_registration_access_token_goes_with_its_client(told: Told) -> None:
    """C065, C070; the tenant lets registered clients manage themselves."""

    async def story(nod: Provider) -> None:
        it = Registrar(nod)
        await it.set_tenant(management=True)
        client = await it.registered()
        client_id, token = client["client_id"], client["registration_access_token"]
        assert (await it.manage("GET", client_id, token)).status_code == 200
        await nod.services.store.end_client(client_id, event=b"{}")
        for method in ("GET", "PUT", "DELETE"):
            assert (await it.manage(method, client_id, token, {})).status_code == 401

    told(story)


def test_a_management_token_ends_with_its_client_and_not_with_a_restart(
    redis_server: RedisServer,
) -> None:
    """The bootstrap client is made at every start: the same while it is there, else another."""
    url = redis_server.database(7)
    tokens: list[str] = []

    async def first(admin: Administration) -> None:
        now = await admin.services.directory.now_ms() // 1_000
        admin.now = now  # the clocks of hosts are alike
        tokens.append(admin.token())
        assert (await admin.call("GET", "clients", token=tokens[0])).status_code == 200

    async def restarted(admin: Administration) -> None:
        admin.now = await admin.services.directory.now_ms() // 1_000
        assert (await admin.call("GET", "clients", token=tokens[0])).status_code == 200
        assert (await admin.call("DELETE", f"clients/{BOOTSTRAP[0]}")).status_code == 204
        assert (await admin.call("GET", "clients", token=tokens[0])).status_code == 401
        await until(lambda: _later(admin))

    async def _later(admin: Administration) -> bool:
        return await admin.services.directory.now_ms() // 1_000 > admin.now

    async def made_again(admin: Administration) -> None:
        admin.now = await admin.services.directory.now_ms() // 1_000
        assert (await admin.call("GET", "clients", token=tokens[0])).status_code == 401
        assert (await admin.call("GET", "clients")).status_code == 200

    async def told() -> None:
        for part in (first, restarted, made_again):
            async with administration(url) as admin:
                await part(admin)

    with redis.Redis.from_url(url) as database:
        database.flushdb()
    asyncio.run(told())
