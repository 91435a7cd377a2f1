"""The client credentials grant: who gets which token, and what is written before it is answered."""

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx2
import msgspec
import pytest

from consent import access
from consent.client import CIBA_GRANT, CLIENT_CREDENTIALS_GRANT, Client, Registration
from consent.credentials_exchange import Exchange, Outcome
from consent.store import keys
from consent.store.directory import Directory
from consent.tenant import TENANT_ID, SecurityMode, Tenant
from tests.support.actions import NAMESPACE, SECRET, ActionUrl
from tests.support.provider import API, ISSUER, Provider, check_refused, claims_of, tell
from tests.support.redis_server import RedisServer

ACTIONS = "tests.support.actions:rename_for_the_portal,tests.support.actions:obey"
KONNECT = {
    "konnect_portal_id": "portal",
    "konnect_developer_id": "developer",
    "konnect_application_id": "application",
}


async def a_client(nod: Provider, **changes: object) -> Client:
    return await nod.client(**({"grant_types": [CLIENT_CREDENTIALS_GRANT]} | changes))


async def an_api(nod: Provider, identifier: str = API) -> None:
    record = access.ResourceServer(
        id=access.resource_server_id(identifier), identifier=identifier, token_lifetime=120
    )
    await nod.services.directory.write(keys.RESOURCE_SERVERS, record.id, record)


async def grant(
    nod: Provider,
    client: Client | None,
    *scope: str,
    audience: str = API,
    subject: access.SubjectType = "client",
) -> None:
    """For a client, or as the default of all third parties."""
    holder = client.client_id if client else access.THIRD_PARTY_CLIENTS
    record = access.ClientGrant(
        id=access.client_grant_id(holder, audience),
        client_id=client.client_id if client else "",
        audience=audience,
        scope=list(scope),
        default_for="" if client else "third_party_clients",
        subject_type=subject,
    )
    await nod.services.directory.write(keys.CLIENT_GRANTS, record.id, record)


async def mode(nod: Provider, value: SecurityMode) -> None:
    tenant = Tenant(dynamic_client_registration_security_mode=value)
    await nod.services.directory.write(keys.TENANT, TENANT_ID, tenant)


async def asked(nod: Provider, client: Client, **form: str) -> httpx2.Response:
    form = {"grant_type": CLIENT_CREDENTIALS_GRANT, "audience": API} | form
    return await nod.post("oauth/token", client, {"User-Agent": "portal/1"}, **form)


async def token(nod: Provider, client: Client, **form: str) -> dict[str, Any]:
    """The claims of the access token, of the answer's scope."""
    answer = await asked(nod, client, **form)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    claims = claims_of(body["access_token"])
    assert body["scope"] == claims["scope"]
    return claims


async def events(nod: Provider, client: Client) -> list[tuple[str, dict[str, Any]]]:
    """Type code and content of the audit events about a client, in order."""
    entries = await nod.services.store.redis.execute("XRANGE", keys.EVENTS, "-", "+")
    found = []
    for _, flat in entries:
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        told = json.loads(fields[b"e"])
        if told.get("subject", {}).get("client_id") == client.client_id:
            found.append((fields[b"t"].decode(), told))
    return found


@contextlib.contextmanager
def after_the_actions(nod: Provider, happens: Callable[[], Awaitable[object]]) -> Iterator[None]:
    """What others do when the actions have run, and before the token is issued."""
    apply = nod.services.actions.apply

    async def applying(exchange: Exchange, before: Outcome) -> Outcome:
        outcome = await apply(exchange, before)
        await happens()
        return outcome

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nod.services.actions, "apply", applying)
        yield


def test_a_token_says_whose_it_is(redis_server: RedisServer) -> None:
    """RFC 9068 2.2, auth0-wire 3.6: `azp` is what a developer portal reads."""

    async def story(nod: Provider) -> None:
        client = await a_client(nod)
        await an_api(nod)
        await grant(nod, client, "read", "write")

        claims = await token(nod, client)

        assert {claims["azp"], claims["client_id"]} == {client.client_id}
        assert (claims["sub"], claims["aud"]) == (f"{client.client_id}@clients", API)
        assert (claims["gty"], claims["scope"]) == ("client-credentials", "read write")
        assert claims["exp"] - claims["iat"] == 120
        assert (await token(nod, client, scope="write"))["scope"] == "write"

    tell(redis_server.url, story)


def test_a_token_is_in_the_audit_trail_before_it_is_answered(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        client = await a_client(nod)
        await an_api(nod)
        await grant(nod, client, "read")
        await token(nod, client)
        check_refused(await asked(nod, client, scope="write"), 400, "invalid_scope")

        [(code, told)] = await events(nod, client)

        assert code == "seccft"
        assert told == {
            "description": "Client credentials exchange",
            "client_id": client.client_id,
            "ip": "127.0.0.1",
            "user_agent": "portal/1",
            "request": {"method": "POST", "path": "/oauth/token"},
            "subject": {"client_id": client.client_id, "audience": API, "scope": "read"},
        }

    tell(redis_server.url, story)


def test_without_its_event_there_is_no_token(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: object, **__: object) -> None:
        raise ConnectionError

    async def story(nod: Provider) -> None:
        client = await a_client(nod)
        await an_api(nod)
        await grant(nod, client, "read")
        monkeypatch.setattr(Directory, "record", failing)

        check_refused(await asked(nod, client), 500, "server_error")

    tell(redis_server.url, story)


def test_who_names_no_audience_gets_the_tenants(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        client = await a_client(nod)
        await an_api(nod)
        await grant(nod, client, "read")
        check_refused(await asked(nod, client, audience="None"), 400, "invalid_request")
        await nod.services.directory.write(keys.TENANT, TENANT_ID, Tenant(default_audience=API))

        assert (await token(nod, client, audience="None"))["aud"] == API

    tell(redis_server.url, story)


def test_a_grant_for_people_is_none_for_the_client(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        client = await a_client(nod)
        await an_api(nod)
        await grant(nod, client, "read", subject="user")

        check_refused(await asked(nod, client), 403, "access_denied")

    tell(redis_server.url, story)


@pytest.mark.parametrize(
    "third_party", [{"is_first_party": False}, {"registration": Registration(issued_at=1)}]
)
def test_a_third_party_gets_what_the_mode_of_the_tenant_allows(
    redis_server: RedisServer, third_party: dict[str, object]
) -> None:
    async def story(nod: Provider) -> None:
        client = await a_client(nod, **third_party)
        own = await a_client(nod)
        await an_api(nod)
        await grant(nod, None, "read")
        check_refused(await asked(nod, client), 400, "unauthorized_client")
        await mode(nod, "permissive")

        assert (await token(nod, client))["scope"] == "read"
        check_refused(await asked(nod, client, scope="write"), 400, "invalid_scope")
        await grant(nod, client, "write")
        assert (await token(nod, client))["scope"] == "write"
        check_refused(await asked(nod, own), 403, "access_denied")
        await mode(nod, "strict")
        check_refused(await asked(nod, client), 400, "unauthorized_client")

    tell(redis_server.url, story)


def test_the_scope_a_client_registered_limits_what_it_gets(redis_server: RedisServer) -> None:
    """C028: asked for or not."""

    async def story(nod: Provider) -> None:
        await mode(nod, "permissive")
        await an_api(nod)
        registration = Registration(issued_at=1, metadata={"scope": "openid read:a"})
        client = await a_client(nod, registration=registration)
        await grant(nod, None, "read:a", "read:b")
        check_refused(await asked(nod, client, scope="read:b"), 400, "invalid_scope")
        for form in ({}, {"scope": "read:a"}):
            assert (await token(nod, client, **form))["scope"] == "read:a"

    tell(redis_server.url, story)


def test_the_management_api_is_never_a_third_partys(redis_server: RedisServer) -> None:
    """Whatever grants have been written."""

    async def story(nod: Provider) -> None:
        management = access.management_audience(ISSUER)
        client = await a_client(nod, registration=Registration(issued_at=1))
        await mode(nod, "permissive")
        await grant(nod, client, "read:clients", audience=management)
        await grant(nod, None, "read:clients", audience=management)

        check_refused(await asked(nod, client, audience=management), 403, "access_denied")

    tell(redis_server.url, story)


def test_the_grant_type_must_be_registered(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        client = await a_client(nod, grant_types=[CIBA_GRANT])
        await an_api(nod)
        await grant(nod, client, "read")

        check_refused(await asked(nod, client), 400, "unauthorized_client")

    tell(redis_server.url, story)


# With actions


def test_an_action_renames_a_client_before_its_token_is_issued(redis_server: RedisServer) -> None:
    """Once: when there is nothing left to change, nothing is written."""

    async def story(nod: Provider) -> None:
        client = await a_client(nod, client_metadata=KONNECT)
        await an_api(nod)
        await grant(nod, client, "read")
        await token(nod, client)
        await token(nod, client)
        changed = await nod.services.client(client.client_id)

        assert changed == msgspec.structs.replace(
            client,
            name="portal+developer+application",
            client_metadata=KONNECT | {"renamed": "yes"},
        )
        told = await events(nod, client)
        assert [code for code, _ in told] == ["sapi", "seccft", "seccft"]
        assert told[0][1]["description"] == "Action changed a client"
        assert told[0][1]["client_id"] == client.client_id

    tell(redis_server.url, story, credentials_exchange_actions=ACTIONS)


def test_an_action_denies_adds_and_widens(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        client = await a_client(nod, client_metadata={"team": "blue"})
        await an_api(nod)
        await grant(nod, client, "read", "write")

        denied = await asked(nod, client, action="deny")
        assert check_refused(denied, 400, "invalid_scope") == "Not on Sundays"
        check_refused(await asked(nod, client, action="fail"), 500, "server_error")

        claims = await token(nod, client, action="claim")
        assert claims[f"{NAMESPACE}team"] == "blue"
        assert claims["sub"] == f"{client.client_id}@clients"

        widened = await token(nod, client, scope="read", action="widen", wanted="write")
        assert widened["scope"] == "read write"
        outside = await asked(nod, client, action="widen", wanted="admin")
        check_refused(outside, 500, "server_error")
        assert [code for code, _ in await events(nod, client)] == ["seccft", "seccft"]

    tell(redis_server.url, story, credentials_exchange_actions=ACTIONS)


def test_who_is_denied_is_not_changed(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        client = await a_client(nod, client_metadata=KONNECT)
        await an_api(nod)
        await grant(nod, client, "read")
        check_refused(await asked(nod, client, action="deny"), 400, "invalid_scope")

        assert await nod.services.client(client.client_id) == client
        assert await events(nod, client) == []

    tell(redis_server.url, story, credentials_exchange_actions=ACTIONS)


def test_an_action_sees_the_request_without_its_credentials(redis_server: RedisServer) -> None:
    with ActionUrl().serving() as server:

        async def story(nod: Provider) -> None:
            client = await a_client(nod)
            await an_api(nod)
            await grant(nod, client, "read", "write")
            await token(nod, client, scope="read", mine="1", refresh_token="SECRET")

            [event] = server.events
            assert event["request"] == {
                "body": {
                    "grant_type": "client_credentials",
                    "client_id": client.client_id,
                    "audience": API,
                    "scope": "read",
                    "mine": "1",
                },
                "hostname": "127.0.0.1",
                "ip": "127.0.0.1",
                "method": "POST",
                "user_agent": "portal/1",
            }
            assert event["access_token"] == {"custom_claims": {}, "scope": ["read"]}
            assert event["transaction"] == {"requested_scopes": ["read"]}
            assert event["resource_server"] == {"identifier": API}
            assert event["tenant"] == {"id": "127.0.0.1"}

        tell(
            redis_server.url,
            story,
            credentials_exchange_url=server.url,
            credentials_exchange_secret=SECRET,
        )


def test_a_client_removed_while_an_action_thinks_gets_nothing(redis_server: RedisServer) -> None:
    with ActionUrl().serving() as server:
        server.answers({"client": {"name": "Renamed"}})

        async def story(nod: Provider) -> None:
            client = await a_client(nod)
            await an_api(nod)
            await grant(nod, client, "read")
            with after_the_actions(nod, lambda: nod.remove(client)):
                check_refused(await asked(nod, client), 401, "invalid_client")
            assert await nod.services.client(client.client_id) is None

        tell(
            redis_server.url,
            story,
            credentials_exchange_url=server.url,
            credentials_exchange_secret=SECRET,
        )


def test_of_two_changes_at_once_neither_is_lost(redis_server: RedisServer) -> None:
    """An action changes its client while an administrator does."""

    async def story(nod: Provider) -> None:
        client = await a_client(nod, client_metadata=KONNECT)
        await an_api(nod)
        await grant(nod, client, "read")
        change = nod.services.directory.change(
            keys.CLIENTS,
            client.client_id,
            Client,
            lambda it: msgspec.structs.replace(it, description="An administrator's"),
        )
        with after_the_actions(nod, lambda: change):
            await token(nod, client)
        changed = await nod.services.client(client.client_id)

        assert changed is not None
        assert changed.description == "An administrator's"
        assert changed.name == "portal+developer+application"

    tell(redis_server.url, story, credentials_exchange_actions=ACTIONS)


def test_a_change_that_has_no_room_any_more_is_a_server_error(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        client = await a_client(nod, client_metadata=KONNECT)
        await an_api(nod)
        await grant(nod, client, "read")
        full = msgspec.structs.replace(client, client_metadata=dict.fromkeys("0123456789", "v"))
        write = nod.services.directory.write(keys.CLIENTS, client.client_id, full)
        with after_the_actions(nod, lambda: write):
            check_refused(await asked(nod, client), 500, "server_error")
        assert await nod.services.client(client.client_id) == full

    tell(redis_server.url, story, credentials_exchange_actions=ACTIONS)
