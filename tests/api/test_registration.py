"""/oidc/register: clients that register themselves, and manage that (C001-C070, auth0-wire 4)."""

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from api.registration import RegistrationEndpoint
from consent import policy
from consent.client import Client
from consent.settings import SettingsError
from scripts.doubles.certificates import write_certificates
from tests.support.key_host import Answer, KeyHost
from tests.support.provider import ISSUER, check_refused, tell
from tests.support.redis_server import RedisServer
from tests.support.registering import (
    CALLBACK,
    ISSUERS_FILE,
    POLL,
    WEB,
    Registrar,
    statement,
)

Story = Callable[[Registrar], Awaitable[None]]
Told = Callable[..., None]
DISABLED = {
    "statusCode": 400,
    "error": "Bad Request",
    "message": "dynamic client registration is disabled",
}
UNAUTHORIZED = 'Bearer error="invalid_token"'


@pytest.fixture
def told(redis_server: RedisServer) -> Told:
    """A provider of its own for a story, with many registrations an hour."""

    def run(story: Story, **settings: str) -> None:
        settings = {"registrations_per_hour_max": "1000", **settings}
        tell(redis_server.url, lambda nod: story(Registrar(nod)), **settings)

    return run


# POST


def test_it_is_off_until_the_tenant_turns_it_on(told: Told) -> None:
    async def story(it: Registrar) -> None:
        for switch in (False, True, False):
            await it.set_tenant(registration=switch)
            answer = await it.register()
            assert answer.status_code == (201 if switch else 400)
            assert switch or answer.json() == DISABLED

    told(story)


def test_a_client_registers_itself(told: Told) -> None:
    """C040-C043, W 4; openid-client demands 201, a text and a number."""

    async def story(it: Registrar) -> None:
        await it.set_tenant()
        answer = await it.register(WEB | {"token_endpoint_auth_method": "client_secret_post"})
        assert answer.status_code == 201
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        body = answer.json()
        assert body["client_id"].startswith("tpc_")
        assert len(body["client_secret"]) == 43
        assert body["client_secret_expires_at"] == 0
        assert abs(body["client_id_issued_at"] - it.nod.now()) < 60
        assert body["redirect_uris"] == [CALLBACK]
        assert body["grant_types"] == ["authorization_code"]
        assert "registration_access_token" not in body
        client = await it.nod.services.client(body["client_id"])
        assert client is not None
        assert not client.is_first_party
        assert await it.is_known(body["client_id"], body["client_secret"])
        assert not await it.is_known(body["client_id"], "another")

    told(story)


def test_a_permissive_tenant_registers_ciba_clients(told: Told) -> None:
    """Without the prefix; C005: ids and secrets are ours to choose."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(mode="permissive")
        body = await it.registered(POLL | {"client_id": "mine", "client_secret": "mine"})
        assert len(body["client_id"]) == 32
        assert not body["client_id"].startswith("tpc_")
        assert body["client_secret"] != "mine"
        assert body["grant_types"] == POLL["grant_types"]
        public = await it.registered(WEB | {"token_endpoint_auth_method": "none"})
        assert not public.keys() & {"client_secret", "client_secret_expires_at"}

    told(story)


def test_each_client_is_another(told: Told) -> None:
    """C042."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        bodies = await asyncio.gather(*[it.registered() for _ in range(20)])
        for name in ("client_id", "client_secret", "registration_access_token"):
            assert len({body[name] for body in bodies}) == 20

    told(story)


NO_OBJECTS: dict[str, tuple[bytes, str]] = {
    "C001: a form": (b"client_name=x", "application/x-www-form-urlencoded"),
    "C001: text": (b"{}", "text/plain"),
    "C001: no JSON": (b"{", "application/json"),
    "C001: nothing": (b"", "application/json"),
    "C001: a list": (b"[]", "application/json"),
    "C001: a text": (b'"x"', "application/json"),
    "a member twice": (b'{"client_name":"a","client_name":"b"}', "application/json"),
    "depth": (b'{"jwks":' + b"[" * 1_000 + b"]" * 1_000 + b"}", "application/json"),
    "a huge number": (b'{"default_max_age":' + b"9" * 5_000 + b"}", "application/json"),
    "a NUL": (b'{"client_name":"\\u0000"}', "application/json"),
    "half a surrogate pair": (b'{"client_name":"\\ud800"}', "application/json"),
    "no UTF-8": (b'{"client_name":"\xff"}', "application/json"),
}


@pytest.mark.parametrize(("content", "media_type"), NO_OBJECTS.values(), ids=NO_OBJECTS)
def test_what_is_no_json_object_is_no_metadata(told: Told, content: bytes, media_type: str) -> None:
    async def story(it: Registrar) -> None:
        await it.set_tenant()
        answer = await it.nod.http.post(
            "oidc/register", content=content, headers={"Content-Type": media_type}
        )
        check_refused(answer, 400, "invalid_client_metadata")

    told(story)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no redirect URI": ({"redirect_uris": None}, "invalid_redirect_uri"),
    "javascript": ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
    "a fragment": ({"redirect_uris": [f"{CALLBACK}#x"]}, "invalid_redirect_uri"),
    "a homograph": ({"client_name": "P\u0430y"}, "invalid_client_metadata"),
    "a neighbour": ({"jwks_uri": "https://192.168.0.1/jwks"}, "invalid_client_metadata"),
    "a private key": (
        {"jwks": {"keys": [{"kty": "RSA", "n": "x", "e": "AQAB", "d": "x"}]}},
        "invalid_client_metadata",
    ),
    "a name of many letters": ({"client_name": "x" * 60_000}, "invalid_client_metadata"),
    "a forged statement": ({"software_statement": "a.b.c"}, "invalid_software_statement"),
    "a method that needs a proxy": (
        {"token_endpoint_auth_method": "self_signed_tls_client_auth"},
        "invalid_client_metadata",
    ),
}


@pytest.mark.parametrize(("members", "error"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_of_rfc_7591_and_leaves_nothing(
    told: Told, members: dict[str, Any], error: str
) -> None:
    """C044, C045."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(mode="permissive")
        check_refused(await it.register(WEB | members), 400, error)
        assert await it.events() == []

    told(story)


def test_a_name_of_a_megabyte_is_not_even_read(told: Told) -> None:
    async def story(it: Registrar) -> None:
        await it.set_tenant()
        check_refused(await it.register({"client_name": "x" * 1_000_000}), 413, "invalid_request")

    told(story)


def test_another_method_is_not_allowed(told: Told) -> None:
    """C066."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        for method, path, allow in (
            ("GET", "oidc/register", "POST"),
            ("PATCH", "oidc/register/c", "DELETE, GET, PUT"),
            ("POST", "oidc/register/c", "DELETE, GET, PUT"),
        ):
            answer = await it.nod.http.request(method, path)
            check_refused(answer, 405, "invalid_request")
            assert answer.headers["allow"] == allow

    told(story)


# Initial access tokens


def test_a_tenant_may_ask_for_an_initial_access_token(told: Told) -> None:
    """C002, C003: asked for before the body is looked at."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(access="token")
        answer = await it.register({"redirect_uris": 1})
        check_refused(answer, 401, "invalid_token")
        assert answer.headers["www-authenticate"] == "Bearer"
        for token in ("another", "x" * 5_000):
            answer = await it.register(token=token)
            check_refused(answer, 401, "invalid_token")
            assert answer.headers["www-authenticate"] == UNAUTHORIZED
        token = await it.initial_access_token(uses=2)
        check_refused(await it.register({}, token), 400, "invalid_redirect_uri")
        for _ in range(2):
            await it.registered(token=token)
        check_refused(await it.register(token=token), 401, "invalid_token")
        expiring = await it.initial_access_token(life_seconds=30)
        it.nod.late_seconds = 31
        check_refused(await it.register(token=expiring), 401, "invalid_token")

    told(story)


def test_of_many_at_once_a_token_registers_as_many_as_it_is_for(told: Told) -> None:
    async def story(it: Registrar) -> None:
        await it.set_tenant(access="token")
        token = await it.initial_access_token(uses=3)
        answers = await asyncio.gather(*[it.register(token=token) for _ in range(8)])
        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [401] * 5

    told(story)


# Bounds


def test_an_address_is_told_when_to_come_back(told: Told) -> None:
    """T19; whoever is behind a proxy counts by itself, and a subscriber once."""

    async def story(it: Registrar) -> None:
        await it.set_tenant()

        async def status(address: str) -> int:
            return (await it.register(**{"X-Forwarded-For": address})).status_code

        assert [await status("192.0.2.1") for _ in range(3)] == [201, 201, 429]
        assert [await status(f"2001:db8::{n}") for n in range(3)] == [201, 201, 429]
        assert await status("192.0.2.1, 192.0.2.2") == 201
        answer = await it.register(**{"X-Forwarded-For": "192.0.2.1"})
        check_refused(answer, 429, "too_many_requests")
        wait_seconds = int(answer.headers["retry-after"])
        assert 0 < wait_seconds <= policy.REGISTRATIONS_COUNTED_MS / 1_000

    told(story, registrations_per_hour_max="2", trusted_proxies="127.0.0.1")


def test_there_are_so_many_in_all(told: Told) -> None:
    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        bodies = [await it.registered() for _ in range(3)]
        check_refused(await it.register(), 429, "too_many_requests")
        client_id, token = (bodies[0][name] for name in ("client_id", "registration_access_token"))
        assert (await it.manage("DELETE", client_id, token)).status_code == 204
        await it.registered()

    told(story, registered_clients_max="3")


# Software statements


def test_a_statement_of_a_trusted_issuer_is_believed(told: Told, tmp_path: Path) -> None:
    """C050-C052."""
    issuers = tmp_path / "issuers.json"
    issuers.write_text(ISSUERS_FILE)

    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        text = statement(client_name="Stated", aud=ISSUER)
        body = await it.registered(WEB | {"software_statement": text})
        assert (body["client_name"], body["software_statement"]) == ("Stated", text)
        stranger = statement(iss="https://stranger.example")
        answer = await it.register(WEB | {"software_statement": stranger})
        check_refused(answer, 400, "unapproved_software_statement")
        client_id, token = body["client_id"], body["registration_access_token"]
        answer = await it.manage("PUT", client_id, token, WEB | {"client_id": client_id})
        check_refused(answer, 400, "invalid_software_statement")  # C054

    told(story, software_statement_issuers_file=str(issuers))


def test_a_file_of_issuers_that_cannot_be_read_stops_the_start(told: Told, tmp_path: Path) -> None:
    issuers = tmp_path / "issuers.json"
    issuers.write_text("{}")

    async def story(it: Registrar) -> None:
        services = it.nod.services
        settings = dataclasses.replace(services.settings, software_statement_issuers_file=issuers)
        with pytest.raises(SettingsError, match="NOD_SOFTWARE_STATEMENT_ISSUERS_FILE"):
            RegistrationEndpoint(dataclasses.replace(services, settings=settings))

    told(story)


# Sector identifiers


class Host(NamedTuple):
    host: KeyHost
    settings: dict[str, str]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    certificates = write_certificates(tmp_path_factory.mktemp("hosts"))
    running = KeyHost(certificates)
    settings = {
        "outbound_allowed_networks": "127.0.0.0/8",
        "outbound_ca_file": str(certificates.ca_file),
    }
    yield Host(running, settings)
    running.stop()


def sectored(uri: str) -> dict[str, Any]:
    return WEB | {"sector_identifier_uri": uri}


def test_a_sector_vouches_for_every_uri(told: Told, host: Host) -> None:
    """C024: fetched when the client registers, and when it changes."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        uri = host.host.answer("/sector", Answer(body=json.dumps([CALLBACK]).encode()))
        body = await it.registered(sectored(uri))
        assert body["sector_identifier_uri"] == uri
        client_id, token = body["client_id"], body["registration_access_token"]
        elsewhere = sectored(uri) | {"redirect_uris": ["https://else.example/cb"]}
        check_refused(await it.register(elsewhere), 400, "invalid_client_metadata")
        answer = await it.manage("PUT", client_id, token, elsewhere | {"client_id": client_id})
        check_refused(answer, 400, "invalid_client_metadata")
        for path, answered in (
            ("/missing", Answer(404)),
            ("/moved", Answer(302, location=uri)),
            ("/page", Answer(body=b"<html>")),
            ("/long", Answer(body=b" " * 100_000)),
        ):
            answer = await it.register(sectored(host.host.answer(path, answered)))
            check_refused(answer, 400, "invalid_client_metadata")

    told(story, **host.settings)


def test_a_sector_next_door_is_not_asked(told: Told, host: Host) -> None:
    """T18."""
    asked = len(host.host.asked)

    async def story(it: Registrar) -> None:
        await it.set_tenant()
        answer = await it.register(sectored(f"{host.host.url}/sector"))
        check_refused(answer, 400, "invalid_client_metadata")

    told(story)
    assert len(host.host.asked) == asked


def test_sectors_that_hang_hold_up_nobody_else(told: Told, host: Host) -> None:
    """T19: few are waited for at once, and of one address one."""

    async def story(it: Registrar) -> None:
        await it.set_tenant()
        hanging = [
            asyncio.ensure_future(
                it.register(
                    sectored(f"{host.host.url}/hangs/{n}"),
                    **{"X-Forwarded-For": f"192.0.2.{n}"},
                )
            )
            for n in range(policy.SECTOR_FETCHES_MAX)
        ]
        for n in range(policy.SECTOR_FETCHES_MAX):
            await asyncio.to_thread(host.host.wait_until_asked, f"/hangs/{n}")
        for address in ("192.0.2.1", "192.0.2.99"):
            answer = await it.register(
                sectored(f"{host.host.url}/more"), **{"X-Forwarded-For": address}
            )
            check_refused(answer, 503, "temporarily_unavailable")
        await it.registered()
        host.host.release()
        for answer in await asyncio.gather(*hanging):
            check_refused(answer, 400, "invalid_client_metadata")
        assert host.host.times("/more") == []

    told(story, trusted_proxies="127.0.0.1", **host.settings)


def test_sectors_are_not_asked_for_without_end(
    told: Told, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T19: what is refused in the end counts as well, or we would call whoever we are told to."""
    monkeypatch.setattr(policy, "SECTOR_FETCHES_OF_ADDRESS_MAX", 3)

    async def story(it: Registrar) -> None:
        await it.set_tenant()
        uri = host.host.answer("/victim", Answer(body=b"[]"))
        for _ in range(3):
            check_refused(await it.register(sectored(uri)), 400, "invalid_client_metadata")
        answer = await it.register(sectored(uri))
        check_refused(answer, 429, "too_many_requests")
        assert 0 < int(answer.headers["retry-after"]) <= policy.REGISTRATIONS_COUNTED_MS / 1_000
        assert len(host.host.times("/victim")) == 3
        await it.registered()

    told(story, **host.settings)


# GET, PUT, DELETE (RFC 7592)


def test_a_client_reads_what_it_registered(told: Told) -> None:
    """C060, C043: with the token it asked with, and without its secret."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        body = await it.registered(WEB | {"client_name#ja": "アプリ"})
        assert body["registration_client_uri"] == f"{ISSUER}oidc/register/{body['client_id']}"
        token = body["registration_access_token"]
        answer = await it.manage("GET", body["client_id"], token)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        secret = body.pop("client_secret")
        assert answer.json() == body
        assert secret not in answer.text

    told(story)


def test_an_update_replaces_and_rotates(told: Told) -> None:
    """C061, C064, C067: the old token is dead, the secret lives."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        body = await it.registered(WEB | {"scope": "pay:all"})
        client_id, token = body["client_id"], body["registration_access_token"]
        wanted = {"client_id": client_id, "redirect_uris": ["https://new.example/cb"]}

        answer = await it.manage("PUT", client_id, token, wanted)

        assert answer.status_code == 200, answer.text
        changed = answer.json()
        assert changed["redirect_uris"] == wanted["redirect_uris"]
        assert changed["client_id_issued_at"] == body["client_id_issued_at"]
        assert not changed.keys() & {"scope", "client_secret"}
        assert changed["registration_access_token"] != token
        check_refused(await it.manage("GET", client_id, token), 401, "invalid_token")
        answer = await it.manage("GET", client_id, changed["registration_access_token"])
        assert answer.json() == changed
        assert await it.is_known(client_id, body["client_secret"])

    told(story)


def test_a_refused_update_changes_nothing(told: Told) -> None:
    """C062-C064: the token stays, too."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        body = await it.registered()
        client_id, token = body["client_id"], body["registration_access_token"]
        for members, error in (
            ({"client_id": "another"}, "invalid_client_metadata"),
            ({"client_id": None}, "invalid_client_metadata"),
            ({"registration_access_token": token}, "invalid_client_metadata"),
            ({"client_secret": "mine"}, "invalid_client_metadata"),
            ({"redirect_uris": ["data:x"]}, "invalid_redirect_uri"),
            ({"client_name": "<b>"}, "invalid_client_metadata"),
        ):
            answer = await it.manage(
                "PUT", client_id, token, WEB | {"client_id": client_id} | members
            )
            check_refused(answer, 400, error)
        answer = await it.manage("GET", client_id, token)
        assert answer.json() == {name: it for name, it in body.items() if name != "client_secret"}

    told(story)


def test_of_two_updates_with_one_token_one_is_made(told: Told) -> None:
    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        body = await it.registered()
        client_id, token = body["client_id"], body["registration_access_token"]
        answers = await asyncio.gather(
            *[
                it.manage("PUT", client_id, token, WEB | {"client_id": client_id, "client_name": n})
                for n in ("One", "Two", "Three")
            ]
        )
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
        [made] = [answer.json() for answer in answers if answer.status_code == 200]
        answer = await it.manage("GET", client_id, made["registration_access_token"])
        assert answer.json() == made

    told(story)


def test_a_new_method_gets_the_secret_it_needs(told: Told) -> None:
    """C042: shown once."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        body = await it.registered(WEB | {"token_endpoint_auth_method": "none"})
        client_id = body["client_id"]
        wanted = WEB | {"client_id": client_id}
        answer = await it.manage("PUT", client_id, body["registration_access_token"], wanted)
        secret = answer.json()["client_secret"]
        assert answer.json()["client_secret_expires_at"] == 0
        assert await it.is_known(client_id, secret)

    told(story)


def test_a_deleted_client_is_gone(told: Told) -> None:
    """C065, C068: and so are its secret and its token."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        body = await it.registered()
        client_id, token = body["client_id"], body["registration_access_token"]
        answer = await it.manage("DELETE", client_id, token)
        assert (answer.status_code, answer.content) == (204, b"")
        for method in ("GET", "PUT", "DELETE"):
            check_refused(await it.manage(method, client_id, token, {}), 401, "invalid_token")
        assert not await it.is_known(client_id, body["client_secret"])

    told(story)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_nobody_learns_which_clients_there_are(told: Told, method: str) -> None:
    """C066, C070: unknown, another's and an administrator's read the same; no 404."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        own, others = [await it.registered() for _ in range(2)]
        administrators: Client = await it.nod.client()
        token = own["registration_access_token"]
        said = set()
        for client_id, offered in (
            ("unknown", token),
            ("tpc_%00", token),
            ("%F0%9F%92%A9", token),
            (others["client_id"], token),
            (administrators.client_id, token),
            (own["client_id"], "another"),
            (own["client_id"], "é" * 1_000),
        ):
            answer = await it.nod.http.request(
                method,
                f"oidc/register/{client_id}",
                json={},
                headers=[(b"authorization", f"Bearer {offered}".encode())],
            )
            check_refused(answer, 401, "invalid_token")
            said.add((answer.content, answer.headers["www-authenticate"]))
        assert said == {(said_once(said), UNAUTHORIZED)}
        for client_id in (own["client_id"], others["client_id"], "unknown"):
            answer = await it.manage(method, client_id)
            check_refused(answer, 401, "invalid_token")
            assert answer.headers["www-authenticate"] == "Bearer"
            assert client_id not in answer.text
        for body in (own, others):  # nothing has happened
            answer = await it.manage("GET", body["client_id"], body["registration_access_token"])
            assert answer.status_code == 200

    told(story)


def said_once(said: set[tuple[bytes, str]]) -> bytes:
    [(content, _)] = said
    return content


def test_where_it_is_off_a_client_may_not_manage_itself(told: Told) -> None:
    """C066: forbidden to who holds a token; to everybody else as ever."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        body = await it.registered()
        client_id, token = body["client_id"], body["registration_access_token"]
        await it.set_tenant(management=False)
        for method in ("GET", "PUT", "DELETE"):
            check_refused(await it.manage(method, client_id, token, {}), 403, "access_denied")
            check_refused(await it.manage(method, client_id, "x", {}), 401, "invalid_token")
        unmanaged = await it.registered()
        assert not unmanaged.keys() & {"registration_access_token", "registration_client_uri"}
        await it.set_tenant(management=True)
        assert (await it.manage("GET", client_id, token)).status_code == 200

    told(story)


# Clients that are never used


def test_a_client_that_is_not_used_in_time_is_unknown(told: Told) -> None:
    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        idle, used = await it.registered(), await it.registered()
        assert not await it.is_known(used["client_id"], "another")
        assert await it.is_known(used["client_id"], used["client_secret"])
        it.nod.late_seconds = 61
        assert await it.is_known(used["client_id"], used["client_secret"])
        assert not await it.is_known(idle["client_id"], idle["client_secret"])
        answer = await it.manage("GET", idle["client_id"], idle["registration_access_token"])
        check_refused(answer, 401, "invalid_token")

    told(story, unused_registration_lifetime_seconds="60")


# The audit trail


def test_every_change_is_in_the_audit_trail(told: Told) -> None:
    """Who, from where and what; no secret and no token."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(management=True)
        agent = {"User-Agent": "openid-client/6", "X-Forwarded-For": "192.0.2.1"}
        answer = await it.register(**agent)
        body = answer.json()
        client_id, token = body["client_id"], body["registration_access_token"]
        await it.manage("GET", client_id, token)
        answer = await it.manage("PUT", client_id, token, WEB | {"client_id": client_id})
        await it.manage("DELETE", client_id, answer.json()["registration_access_token"])
        events = await it.events()
        assert [event["description"] for event in events] == [
            "Dynamic client registration",
            "Dynamic client registration update",
            "Dynamic client registration delete",
        ]
        assert events[0] == {
            "description": "Dynamic client registration",
            "client_id": client_id,
            "ip": "192.0.2.1",
            "user_agent": "openid-client/6",
            "request": {"method": "POST", "path": "/oidc/register"},
            "subject": {"client_id": client_id},
        }
        said = json.dumps(events)
        assert body["client_secret"] not in said
        assert token not in said

    told(story, trusted_proxies="127.0.0.1")


def test_an_application_of_today_registers(told: Told) -> None:
    """RFC 7591 2: an application of today, as its library registers it."""

    async def story(it: Registrar) -> None:
        await it.set_tenant(mode="permissive")
        body: dict[str, Any] = {
            "client_name": "MCP client",
            "redirect_uris": ["http://127.0.0.1:33418/cb", "cursor://host/cb"],
            "application_type": "native",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "client_uri": "https://client.example/",
            "scope": "openid offline_access",
            "post_logout_redirect_uris": ["https://client.example/"],
        }
        answer: httpx2.Response = await it.register(body)
        assert answer.status_code == 201, answer.text
        assert (
            answer.json().items()
            >= {name: value for name, value in body.items() if not name.startswith("post_")}.items()
        )

    told(story)
