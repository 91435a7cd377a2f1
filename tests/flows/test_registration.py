"""Applications that register themselves, from the first call to the last; and hostile numbers."""

import asyncio
import json
import resource
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api.app import create_app
from consent import policy
from consent.audit.event import system_act
from consent.client import CIBA_GRANT
from consent.store import keys
from consent.store.registrations import Registrations
from consent.tenant import USERS, Connection, connection_id
from tests.support.provider import Provider, check_refused, tell
from tests.support.redis_server import RedisServer
from tests.support.registering import CALLBACK, POLL, WEB, Registrar
from tests.support.store import Person

Story = Callable[[Registrar], Awaitable[None]]
Told = Callable[..., None]


@pytest.fixture
def told(redis_server: RedisServer) -> Told:
    def run(story: Story, **settings: str) -> None:
        tell(redis_server.url, lambda nod: story(Registrar(nod)), **settings)

    return run


async def ask(nod: Provider, client: dict[str, Any], person: Person) -> Any:  # noqa: ANN401
    """The answer to a request of a registered client to a person."""
    hint = {"format": "iss_sub", "iss": nod.services.settings.issuer, "sub": person.user_id}
    form = {
        "client_id": client["client_id"],
        "client_secret": client["client_secret"],
        "scope": "openid",
        "binding_message": "Pay 10",
        "login_hint": json.dumps(hint),
    }
    return await nod.http.post("bc-authorize", data=form)


async def poll(nod: Provider, client: dict[str, Any], auth_req_id: str) -> Any:  # noqa: ANN401
    form = {
        "client_id": client["client_id"],
        "client_secret": client["client_secret"],
        "grant_type": CIBA_GRANT,
        "auth_req_id": auth_req_id,
    }
    return await nod.http.post("oauth/token", data=form)


async def open_to_strangers(nod: Provider) -> None:
    users = Connection(id=connection_id(USERS), name=USERS, is_domain_connection=True)
    await nod.services.directory.write(keys.CONNECTIONS, users.id, users)


def test_a_registered_client_asks_a_person_and_leaves(told: Told) -> None:
    """C065, C068: what it has asked ends with it."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(mode="permissive", management=True)
        await open_to_strangers(it.nod)
        person = await it.nod.person()
        client = await it.registered(POLL)
        asked = await ask(it.nod, client, person)
        assert asked.status_code == 200, asked.text
        auth_req_id = asked.json()["auth_req_id"]
        check_refused(await poll(it.nod, client, auth_req_id), 400, "authorization_pending")

        token = client["registration_access_token"]
        assert (await it.manage("DELETE", client["client_id"], token)).status_code == 204

        check_refused(await poll(it.nod, client, auth_req_id), 401, "invalid_client")
        check_refused(await ask(it.nod, client, person), 401, "invalid_client")
        assert await it.nod.services.people.devices(person.person_id)
        opened = keys.Partition.of(person.person_id).opened
        assert await it.nod.services.store.redis.execute("ZCARD", opened) == 0

    told(story)


def test_a_client_of_a_strict_tenant_asks_nobody(told: Told) -> None:
    """T19; nor has any client that registered itself a management scope."""

    async def story(it: Registrar) -> None:
        await it.set_tenant()
        await open_to_strangers(it.nod)
        person = await it.nod.person()
        client = await it.registered(WEB | {"grant_types": [CIBA_GRANT, "authorization_code"]})
        check_refused(await ask(it.nod, client, person), 403, "unauthorized_client")
        await it.set_tenant(mode="permissive")
        own = await it.registered({"grant_types": ["client_credentials"], "scope": "read:users"})
        assert "scope" not in own
        answer = await it.nod.http.post(
            "oauth/token",
            data={
                "grant_type": "client_credentials",
                "client_id": own["client_id"],
                "client_secret": own["client_secret"],
                "audience": f"{it.nod.services.settings.issuer}api/v2/",
            },
        )
        check_refused(answer, 403, "access_denied")

    told(story)


def test_people_of_other_connections_are_nobody_to_a_third_party(told: Told) -> None:
    """W 4: whether they are there, blocked or without a phone; known by their id or address."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(mode="permissive")
        client = await it.registered(POLL)
        store = it.nod.services.store
        there, blocked, without_phone = [await it.nod.person() for _ in range(3)]
        user = await store.people.read(blocked.person_id)
        assert user is not None
        assert await store.people.change(blocked.person_id, read=user, user=user, blocked=True)
        for device_id in await store.people.devices(without_phone.person_id):
            await store.people.remove_device(without_phone.person_id, device_id)
        gone = await it.nod.person()
        await store.people.remove(gone.person_id)

        answers = [await ask(it.nod, client, it_) for it_ in (gone, there, blocked, without_phone)]

        assert {(answer.status_code, answer.content) for answer in answers} == {
            (answers[0].status_code, answers[0].content)
        }
        check_refused(answers[0], 400, "unknown_user_id")
        await open_to_strangers(it.nod)
        check_refused(await ask(it.nod, client, blocked), 403, "access_denied")
        assert (await ask(it.nod, client, there)).status_code == 200

    told(story)


def test_what_is_never_used_is_swept_away(told: Told) -> None:
    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        services = it.nod.services
        idle, used = await it.registered(), await it.registered()
        assert await it.is_known(used["client_id"], used["client_secret"])
        registrations = Registrations(services.store.redis, services.directory)
        event = system_act("Dynamic client registration expiry").event()

        async def end_client(client_id: str) -> bool:
            return await services.store.end_client(client_id, event=event)

        late = it.nod.now() + 60 + policy.CLOCK_SKEW_SECONDS
        assert await registrations.sweep_unused(late, end_client) == 1
        assert await services.client(idle["client_id"]) is None
        assert await services.client(used["client_id"]) is not None

    told(story, unused_registration_lifetime_seconds="60")


def test_discovery_names_the_endpoint_while_it_is_open(told: Told) -> None:
    async def story(it: Registrar) -> None:
        for switch in (False, True, False):
            await it.set_tenant(registration=switch)
            for path in ("openid-configuration", "oauth-authorization-server"):
                answer = await it.nod.http.get(f".well-known/{path}")
                expected = f"{it.nod.services.settings.issuer}oidc/register" if switch else None
                assert answer.json().get("registration_endpoint") == expected

    told(story)


# Hostile numbers

HOSTILE: list[dict[str, Any]] = [
    WEB,
    WEB | {"client_name": "x" * 250, "contacts": ["y" * 250] * 20},
    WEB | {"redirect_uris": ["javascript:alert(1)"]},
    WEB | {"redirect_uris": [f"{CALLBACK}#{'x' * 1_000}"]},
    WEB | {"client_name": "P\u0430yments"},
    WEB | {"client_name": "x" * 60_000},
    WEB | {"jwks_uri": "https://169.254.169.254/latest/meta-data"},
    WEB | {"jwks": {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "AQAB"}]}},
    WEB | {"jwks": {"keys": [{"kty": "RSA"}] * 1_000}},
    WEB | {"software_statement": "x" * 10_000},
    WEB | {"sector_identifier_uri": "https://10.0.0.1/"},
    POLL,
]
BODIES = [json.dumps(body).encode() for body in HOSTILE]
HOSTILE_CALLS, AT_ONCE, ADDRESSES = 10_000, 100, 7
OF_AN_ADDRESS, IN_ALL = 20, 100


async def registration(app: Any, body: bytes, address: str) -> int:  # noqa: ANN401
    """The status of one call, straight into the application."""
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/oidc/register",
        "raw_path": b"/oidc/register",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": (address, 1),
    }
    await app(scope, receive, send)
    [status] = statuses
    return status


def test_ten_thousand_hostile_registrations_harm_nobody(told: Told) -> None:
    """T19, T20: capped, memory flat, and others are served meanwhile."""

    async def story(it: Registrar) -> None:
        nod = it.nod
        await it.set_tenant()
        app = create_app(nod.services)
        redis, other = nod.services.store.redis, await nod.client()
        counted: Counter[int] = Counter()
        memory: list[tuple[int, int]] = []
        for start in range(0, HOSTILE_CALLS, AT_ONCE):
            calls = [
                registration(app, BODIES[n % len(BODIES)], f"192.0.2.{n % ADDRESSES}")
                for n in range(start, start + AT_ONCE)
            ]
            served, statuses = await asyncio.gather(
                nod.post("oauth/revoke", other, token="none"), asyncio.gather(*calls)
            )
            assert served.status_code == 200
            counted.update(statuses)
            used = await redis.command("INFO", "memory")
            memory.append((redis_octets(used), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))

        registered = await redis.execute("ZCARD", keys.index(keys.CLIENTS, "registered"))
        assert registered == counted[201] == IN_ALL
        assert counted.keys() == {201, 400, 429}
        assert counted.total() == HOSTILE_CALLS
        # Whatever was to be kept was kept in the first tenth; from then on nothing grows.
        settled, last = memory[len(memory) // 10], memory[-1]
        assert last[0] < settled[0] * 1.1
        assert last[1] < settled[1] * 1.1
        assert len(it.nod.services.directory._copies) < IN_ALL  # noqa: SLF001

    told(
        story,
        registrations_per_hour_max=str(OF_AN_ADDRESS),
        registered_clients_max=str(IN_ALL),
        log_level="error",
    )


def redis_octets(info: bytes) -> int:
    fields = dict(line.split(b":", 1) for line in info.splitlines() if b":" in line)
    return int(fields[b"used_memory"])
