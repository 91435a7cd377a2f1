"""A management client of few scopes tries every way to more of them (T33)."""

from typing import Any
from urllib.parse import quote

import pytest

from consent.access import (
    THIRD_PARTY_CLIENTS,
    ClientGrant,
    client_grant_id,
    management_audience,
    resource_server_id,
)
from consent.client import Client
from consent.store import keys
from tests.support.management import BOOTSTRAP, ISSUER, Administration, tell
from tests.support.redis_server import RedisServer

AUDIENCE = management_audience(ISSUER)
SERVERS = f"resource-servers/{resource_server_id(AUDIENCE)}"
MINE = "the attacker's client"  # stands for its id in what follows
OWN_GRANT = "the attacker's grant"
WANTED = "read:users"
# All that changes what a client may do, and nothing about people.
HELD = [
    f"{verb}:{thing}"
    for thing in ("clients", "client_grants", "resource_servers", "connections")
    for verb in ("create", "read", "update", "delete")
] + ["update:client_keys", "update:tenant_settings", "create:users", "create:initial_access_tokens"]

KEY: dict[str, Any] = {
    "token_endpoint_auth_method": "private_key_jwt",
    "jwks": {"keys": [{"kty": "EC", "crv": "P-256"}]},
}
SCOPES = [{"value": WANTED}]


def grant(**members: object) -> dict[str, object]:
    return {"audience": AUDIENCE, "scope": [WANTED], **members}


REFUSED: dict[str, tuple[str, str, object, int]] = {
    "a grant": ("POST", "client-grants", grant(client_id=MINE), 403),
    "a grant for people": (
        "POST",
        "client-grants",
        grant(client_id=MINE, subject_type="user"),
        400,
    ),
    "a grant for all third parties": (
        "POST",
        "client-grants",
        grant(default_for=THIRD_PARTY_CLIENTS),
        400,
    ),
    "an empty grant for all third parties": (
        "POST",
        "client-grants",
        grant(default_for=THIRD_PARTY_CLIENTS, scope=[]),
        400,
    ),
    "more in its own grant": ("PATCH", OWN_GRANT, {"scope": [*HELD, WANTED]}, 403),
    "the secret of another": ("POST", f"clients/{BOOTSTRAP[0]}/rotate-secret", None, 403),
    "the keys of another": ("PATCH", f"clients/{BOOTSTRAP[0]}", KEY, 403),
    "the name of another": ("PATCH", f"clients/{BOOTSTRAP[0]}", {"name": "Mine"}, 403),
    "the API's scopes": ("PATCH", SERVERS, {"scopes": SCOPES}, 403),
    "the API by its identifier": (
        "PATCH",
        f"resource-servers/{quote(AUDIENCE, safe='')}",
        {"scopes": SCOPES},
        403,
    ),
    "the API itself": ("DELETE", SERVERS, None, 403),
    "an API in its place": ("POST", "resource-servers", {"identifier": AUDIENCE}, 409),
    "users through an import": (
        "POST",
        "jobs/users-imports",
        {"users": [{"email": "a@example.com"}], "upsert": True},
        403,
    ),
}


@pytest.mark.parametrize(("method", "path", "body", "status"), REFUSED.values(), ids=REFUSED)
def test_no_route_gives_a_scope_that_is_not_held(
    redis_server: RedisServer, method: str, path: str, body: object, status: int
) -> None:
    async def story(admin: Administration) -> None:
        attacker = await _attacker(admin)
        before = await _powers(admin)
        real = path.replace(OWN_GRANT, f"client-grants/{client_grant_id(attacker, AUDIENCE)}")
        if isinstance(body, dict):
            sent: object = {name: attacker if it == MINE else it for name, it in body.items()}
        else:
            sent = body

        answer = await admin.call(method, real, sent, token=admin.token(HELD, client_id=attacker))

        assert answer.status_code == status, answer.text
        assert await _powers(admin) == before

    tell(redis_server.url, story)


# What no body has a say in; each is taken for a member that nobody knows.
FORCED: dict[str, Any] = {
    "client_id": BOOTSTRAP[0],
    "id": BOOTSTRAP[0],
    "secret_digest": "x",
    "secret_sealed": "eA==",
    "registration": {"issued_at": 1, "token_digest": "x"},
    "is_system": True,
    "creation": "x",
    "tenant": "other",
    "scope": [WANTED],
    "scopes": SCOPES,
    "global": True,
}


@pytest.mark.parametrize("path", ["clients", "client-grants"])
def test_members_that_are_ours_to_say_are_not_taken_from_a_body(
    redis_server: RedisServer, path: str
) -> None:
    async def story(admin: Administration) -> None:
        attacker = await _attacker(admin)
        before = await _powers(admin)
        is_client = path == "clients"
        record_id = attacker if is_client else client_grant_id(attacker, AUDIENCE)
        forced = FORCED if is_client else FORCED | {"scope": HELD}
        answer = await admin.call(
            "PATCH", f"{path}/{record_id}", forced, token=admin.token(HELD, client_id=attacker)
        )
        assert answer.status_code == 200, answer.text
        assert await _powers(admin) == before

    tell(redis_server.url, story)


def test_an_audience_that_looks_like_the_apis_opens_nothing(redis_server: RedisServer) -> None:
    async def story(admin: Administration) -> None:
        attacker = await _attacker(admin)
        for identifier in (AUDIENCE.removesuffix("/"), AUDIENCE.upper(), f"{AUDIENCE}/"):
            token = admin.token(HELD, client_id=attacker)
            body: dict[str, object] = {"identifier": identifier, "scopes": SCOPES}
            answer = await admin.call("POST", "resource-servers", body, token=token)
            assert answer.status_code == 201, answer.text
            body = grant(client_id=attacker, audience=identifier)
            answer = await admin.call("POST", "client-grants", body, token=token)
            assert answer.status_code == 201, answer.text
            own = admin.token([WANTED], client_id=attacker, audience=identifier)
            assert (await admin.call("GET", "users", token=own)).status_code == 401

    tell(redis_server.url, story)


async def _attacker(admin: Administration) -> str:
    client = await admin.created("clients", {"name": "Attacker"})
    client_id = str(client["client_id"])
    await admin.created("client-grants", grant(client_id=client_id, scope=HELD))
    return client_id


async def _powers(admin: Administration) -> object:
    """Who may do what, and how they prove to be themselves."""
    directory = admin.services.directory
    clients = await directory.read_whole(keys.CLIENTS, Client)
    return clients, await directory.read_whole(keys.CLIENT_GRANTS, ClientGrant)
