"""Every management route that changes something writes one event beside the change, or none."""

import itertools
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from api.management.routes import Row, table
from consent.identifiers import consent_id_of, new_auth_req_id, person_id_of
from consent.lifecycle import Event
from consent.store import keys, lane
from consent.store.consents import Answer
from consent.store.keys import partitions
from scripts.doubles import fcm as fcm_double
from tests.support.domain import a_request
from tests.support.management import BOOTSTRAP, ISSUER, Administration, Story, tell
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, Person

Told = Callable[[Story], None]
AGENT = "the console of the tests"
SECRET = "s3cret-of-the-body"  # what no event may repeat
API = "https://api.example/"
PROVIDERS = "guardian/factors/push-notification/providers"
P8 = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
APNS_BODY = {
    "bundle_id": "org.example.nod",
    "p8": P8,
    "key_id": "ABCDE12345",
    "team_id": "TEAM567890",
}


Refused = tuple[str, object, int]


class Change(NamedTuple):
    """A call that changes something: its path and body, and what its event is to say."""

    path: str
    body: object
    subject: dict[str, str | None]  # None: an id the answer has, or made up
    code: str = "sapi"
    refused: "Refused | None" = None  # path, body, status of one that is refused
    once: bool = True  # made again it changes nothing


Prepare = Callable[["Tenant"], Awaitable[Change]]


class Tenant:
    """A tenant with one of each thing, made as it is needed."""

    def __init__(self, admin: Administration, service_account: str = "") -> None:
        self.admin = admin
        self.service_account = service_account
        self.names = (f"n{number}" for number in itertools.count())

    async def client(self) -> str:
        body = {"name": "N", "client_metadata": {"note": SECRET}}
        return str((await self.admin.created("clients", body))["client_id"])

    async def api(self) -> dict[str, Any]:
        identifier = f"https://{next(self.names)}.example/"
        body = {"identifier": identifier, "scopes": [{"value": "a"}, {"value": "b"}]}
        return await self.admin.created("resource-servers", body)

    async def granted(self) -> dict[str, object]:
        """What a grant is made of."""
        audience = (await self.api())["identifier"]
        return {"client_id": await self.client(), "audience": audience, "scope": ["a"]}

    async def grant(self) -> str:
        return str((await self.admin.created("client-grants", await self.granted()))["id"])

    async def connection(self) -> str:
        return str((await self.admin.created("connections", {"name": next(self.names)}))["id"])

    async def user(self) -> str:
        body = {"email": f"{next(self.names)}@example.com", "connection": "users"}
        return str((await self.admin.created("users", body))["user_id"])

    async def person(self) -> Person:
        """A user with a device."""
        settings, user_id = self.admin.services.settings, await self.user()
        person_id = person_id_of(user_id, settings.partitions)
        person = Person(self.admin.services.store, user_id, person_id)
        await person.enroll()
        return person

    async def events(self) -> list[dict[str, Any]]:
        """All there are, with `e` read."""
        services = self.admin.services
        found: list[dict[str, Any]] = []
        streams = [keys.EVENTS, *[p.events for p in partitions(services.settings.partitions)]]
        for stream in streams:
            for _, flat in await services.store.redis.execute("XRANGE", stream, "-", "+"):
                fields = [text.decode() for text in flat]
                found.append(dict(zip(fields[::2], fields[1::2], strict=True)))
        return [event | {"e": json.loads(event.get("e", "{}"))} for event in found]


async def new_client(_: Tenant) -> Change:
    body = {"name": "N", "client_metadata": {"note": SECRET}}
    return Change("clients", body, {"client_id": None}, refused=("clients", {}, 400), once=False)


async def changed_client(it: Tenant) -> Change:
    path = f"clients/{await it.client()}"
    subject: dict[str, str | None] = {"client_id": path.rpartition("/")[2]}
    return Change(path, {"description": SECRET}, subject, refused=(path, {"name": 1}, 400))


async def deleted_client(it: Tenant) -> Change:
    client_id = await it.client()
    return Change(f"clients/{client_id}", None, {"client_id": client_id})


async def rotated_secret(it: Tenant) -> Change:
    client_id = await it.client()
    refused: Refused = ("clients/nobody/rotate-secret", {}, 404)
    path = f"clients/{client_id}/rotate-secret"
    return Change(path, {}, {"client_id": client_id}, refused=refused, once=False)


async def new_grant(it: Tenant) -> Change:
    body = await it.granted()
    refused = ("client-grants", body | {"client_id": "nobody"}, 404)
    subject = {"client_id": str(body["client_id"]), "grant_id": None}
    return Change("client-grants", body, subject, refused=refused)


async def changed_grant(it: Tenant) -> Change:
    grant_id = await it.grant()
    path = f"client-grants/{grant_id}"
    return Change(
        path, {"scope": ["a", "b"]}, {"grant_id": grant_id}, refused=(path, {"scope": ["c"]}, 400)
    )


async def deleted_grant(it: Tenant) -> Change:
    grant_id = await it.grant()
    return Change(f"client-grants/{grant_id}", None, {"grant_id": grant_id})


async def new_api(it: Tenant) -> Change:
    body = {"identifier": f"https://{next(it.names)}.example/", "name": SECRET}
    refused = ("resource-servers", {"identifier": f"{ISSUER}api/v2/"}, 409)
    return Change("resource-servers", body, {"audience": body["identifier"]}, refused=refused)


async def changed_api(it: Tenant) -> Change:
    api = await it.api()
    path = f"resource-servers/{api['id']}"
    refused = (path, {"identifier": "https://other.example/"}, 400)
    return Change(path, {"name": SECRET}, {"audience": api["identifier"]}, refused=refused)


async def deleted_api(it: Tenant) -> Change:
    api = await it.api()
    system = "resource-servers/" + quote(f"{ISSUER}api/v2/", safe="")
    path = f"resource-servers/{api['id']}"
    return Change(path, None, {"audience": api["identifier"]}, refused=(system, None, 403))


async def new_connection(it: Tenant) -> Change:
    body = {"name": next(it.names), "display_name": SECRET}
    refused = ("connections", {"name": "users"}, 409)
    return Change("connections", body, {"connection_id": None}, refused=refused)


async def changed_connection(it: Tenant) -> Change:
    name = await it.connection()
    path = f"connections/{name}"
    body = {"is_domain_connection": True}
    return Change(path, body, {"connection_id": name}, refused=(path, {"name": "other"}, 400))


async def deleted_connection(it: Tenant) -> Change:
    name = await it.connection()
    await it.user()
    listed = (await it.admin.call("GET", "connections")).json()
    (users,) = [known["id"] for known in listed if known["name"] == "users"]
    refused = (f"connections/{users}", None, 409)
    return Change(f"connections/{name}", None, {"connection_id": name}, refused=refused)


async def changed_tenant(_: Tenant) -> Change:
    path = "tenants/settings"
    refused = (path, {"default_audience": "https://nobody.example/"}, 400)
    return Change(path, {"friendly_name": SECRET}, {}, refused=refused)


async def new_user(it: Tenant) -> Change:
    body = {"email": f"{next(it.names)}@example.com", "connection": "users", "user_code": SECRET}
    refused = ("users", body | {"connection": "nowhere"}, 400)
    return Change("users", body, {"user_id": None}, refused=refused, once=False)


async def changed_user(it: Tenant) -> Change:
    user_id = await it.user()
    path, body = f"users/{quote(user_id)}", {"user_code": SECRET}
    refused = ("users/auth0%7Cnobody", body, 404)
    return Change(path, body, {"user_id": user_id}, refused=refused, once=False)


async def deleted_user(it: Tenant) -> Change:
    user_id = await it.user()
    return Change(f"users/{quote(user_id)}", None, {"user_id": user_id})


async def imported_user(it: Tenant) -> Change:
    listed = (await it.admin.call("GET", "connections")).json()
    name = next(it.names)
    users = [{"email": f"{name}@example.com", "user_id": name, "name": SECRET}]
    body = {"connection_id": listed[0]["id"], "users": users}
    refused = ("jobs/users-imports", body | {"connection_id": "con_nowhere"}, 400)
    return Change("jobs/users-imports", body, {"user_id": f"auth0|{name}"}, refused=refused)


async def new_ticket(it: Tenant) -> Change:
    user_id = await it.user()
    path = "guardian/enrollments/ticket"
    refused = (path, {"user_id": "auth0|nobody"}, 404)
    subject: dict[str, str | None] = {"user_id": user_id}
    return Change(
        path, {"user_id": user_id}, subject, "gd_ticket_creation", refused=refused, once=False
    )


async def deleted_enrollment(it: Tenant) -> Change:
    (device_id,) = (await it.person()).devices
    refused = ("guardian/enrollments/nobody", None, 404)
    subject: dict[str, str | None] = {"enrollment_id": device_id}
    path = f"guardian/enrollments/{device_id}"
    return Change(path, None, subject, "gd_unenroll", refused=refused)


async def deleted_authenticators(it: Tenant) -> Change:
    person = await it.person()
    path = f"users/{quote(person.user_id)}/authenticators"
    subject: dict[str, str | None] = {
        "user_id": person.user_id,
        "enrollment_id": person.devices[0],
    }
    return Change(path, None, subject, "gd_unenroll")


async def forgiven_client(it: Tenant) -> Change:
    person = await it.person()
    consent_id = await person.ask()
    not_me = Answer(Event.DENY, b"{}", not_me=True)
    assert await person.answer(consent_id, not_me) == "answered"
    path = f"users/{quote(person.user_id)}/refused-clients"
    subject: dict[str, str | None] = {"user_id": person.user_id, "client_id": CLIENT}
    refused = (f"{path}/nobody", None, 404)
    return Change(f"{path}/{CLIENT}", None, subject, refused=refused)


async def cancelled_consent(it: Tenant) -> Change:
    person = await it.person()
    consent_id = consent_id_of(new_auth_req_id(person.person_id))
    refused_request = await it.admin.services.consents.accept(
        consent_id=consent_id,
        client_id=BOOTSTRAP[0],
        person_id=person.person_id,
        request=msgspec.json.encode(a_request(user_id=person.user_id)),
        life_seconds=60,
    )
    assert refused_request is None
    nobodys = consent_id_of(new_auth_req_id("000"))
    refused: Refused = (f"consents/{nobodys}/cancel", {}, 404)
    path = f"consents/{consent_id}/cancel"
    return Change(path, {}, {"consent_id": consent_id}, "ciba_cancelled", refused=refused)


async def new_initial_access_token(_: Tenant) -> Change:
    path = "initial-access-tokens"
    refused = (path, {"uses": 0}, 400)
    return Change(path, {}, {"initial_access_token": None}, refused=refused, once=False)


async def deleted_initial_access_token(it: Tenant) -> Change:
    token_id = str((await it.admin.created("initial-access-tokens", {}))["id"])
    subject: dict[str, str | None] = {"initial_access_token": token_id}
    return Change(f"initial-access-tokens/{token_id}", None, subject)


async def changed_factor(_: Tenant) -> Change:
    path = "guardian/factors/push-notification"
    refused = (path, {"enabled": "no"}, 400)
    return Change(path, {"enabled": False}, {"factor": "push-notification"}, refused=refused)


def fcm(method: str) -> Prepare:
    subject: dict[str, str | None] = {"factor": "push-notification", "provider": "fcmv1"}

    async def prepare(it: Tenant) -> Change:
        path = f"{PROVIDERS}/fcmv1"
        body = {"server_credentials": it.service_account}
        if method == "DELETE":
            await it.admin.call("PUT", path, body)
            return Change(path, None, subject)
        return Change(path, body, subject, refused=(path, {}, 400), once=False)

    return prepare


def apns(method: str) -> Prepare:
    subject: dict[str, str | None] = {"factor": "push-notification", "provider": "apns"}

    async def prepare(it: Tenant) -> Change:
        path = f"{PROVIDERS}/apns"
        if method != "PUT":
            await it.admin.call("PUT", path, APNS_BODY)
        if method == "DELETE":
            return Change(path, None, subject)
        body = APNS_BODY | {"bundle_id": "org.example.other"}
        return Change(path, body, subject, refused=(path, {"sandbox": "x"}, 400), once=False)

    return prepare


CHANGES: dict[tuple[str, str], Prepare] = {
    ("POST", "/clients"): new_client,
    ("PATCH", "/clients/{client_id}"): changed_client,
    ("DELETE", "/clients/{client_id}"): deleted_client,
    ("POST", "/clients/{client_id}/rotate-secret"): rotated_secret,
    ("POST", "/client-grants"): new_grant,
    ("PATCH", "/client-grants/{id}"): changed_grant,
    ("DELETE", "/client-grants/{id}"): deleted_grant,
    ("POST", "/resource-servers"): new_api,
    ("PATCH", "/resource-servers/{id:rest}"): changed_api,
    ("DELETE", "/resource-servers/{id:rest}"): deleted_api,
    ("POST", "/connections"): new_connection,
    ("PATCH", "/connections/{id}"): changed_connection,
    ("DELETE", "/connections/{id}"): deleted_connection,
    ("PATCH", "/tenants/settings"): changed_tenant,
    ("POST", "/users"): new_user,
    ("PATCH", "/users/{user_id}"): changed_user,
    ("DELETE", "/users/{user_id}"): deleted_user,
    ("POST", "/jobs/users-imports"): imported_user,
    ("POST", "/guardian/enrollments/ticket"): new_ticket,
    ("DELETE", "/guardian/enrollments/{id}"): deleted_enrollment,
    ("DELETE", "/users/{user_id}/authenticators"): deleted_authenticators,
    ("DELETE", "/users/{user_id}/refused-clients/{client_id}"): forgiven_client,
    ("POST", "/consents/{consent_id}/cancel"): cancelled_consent,
    ("POST", "/initial-access-tokens"): new_initial_access_token,
    ("DELETE", "/initial-access-tokens/{id}"): deleted_initial_access_token,
    ("PUT", "/guardian/factors/{name}"): changed_factor,
    **{(method, f"/{PROVIDERS}/fcmv1"): fcm(method) for method in ("PUT", "PATCH", "DELETE")},
    **{(method, f"/{PROVIDERS}/apns"): apns(method) for method in ("PUT", "PATCH", "DELETE")},
}
# There is nothing to choose from, and nothing that is still taken.
CHANGE_NOTHING = {
    ("PUT", "/guardian/factors/push-notification/selected-provider"): {"provider": "direct"},
    ("PUT", f"/{PROVIDERS}/fcm"): {"server_key": SECRET},
    ("PATCH", f"/{PROVIDERS}/fcm"): {"server_key": SECRET},
}


@pytest.fixture(scope="module")
def service_account(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory: Path = tmp_path_factory.mktemp("fcm")
    return fcm_double.write_credentials(directory, "https://oauth2.googleapis.com").read_text()


def rows(admin: Administration) -> dict[tuple[str, str], Row]:
    """The routes that may change something."""
    return {(row.method, row.path): row for row in table(admin.services) if row.method != "GET"}


def secrets_of(*bodies: object) -> set[str]:
    """What a caller would not want to find in a log: texts that were sent or shown once."""
    named = {"p8", "server_credentials", "client_secret", "token", "ticket_id", "ticket_url"}
    sent = [it for body in bodies if isinstance(body, dict) for it in body.items()]
    texts = [value for name, value in sent if name in named]
    assert all(isinstance(text, str) for text in texts)
    lines = {line for text in texts for line in text.split("\n") if line and "-----" not in line}
    return {SECRET, *lines}


def test_every_route_that_may_change_something_is_in_these_tables(told: Told) -> None:
    async def story(admin: Administration) -> None:
        assert rows(admin).keys() == CHANGES.keys() | CHANGE_NOTHING.keys()

    told(story)


def test_a_change_writes_one_event_that_says_who_did_what(told: Told, service_account: str) -> None:
    async def story(admin: Administration) -> None:
        it = Tenant(admin, service_account)
        admin.http.headers["user-agent"] = AGENT
        for route, prepare in CHANGES.items():
            row, change = rows(admin)[route], await prepare(it)
            before = await it.events()
            answer = await admin.call(row.method, change.path, change.body)
            assert answer.is_success, (route, answer.text)
            shown = answer.json() if answer.content else {}

            (event,) = [event for event in await it.events() if event not in before]
            subject = event["e"].pop("subject")
            assert (event.pop("e"), event["t"]) == (
                {
                    "description": row.summary,
                    "client_id": BOOTSTRAP[0],
                    "ip": "127.0.0.1",
                    "user_agent": AGENT,
                    "request": {"method": row.method, "path": unquote(f"/api/v2/{change.path}")},
                },
                change.code,
            ), route
            assert subject.keys() == change.subject.keys(), route
            for name, known in change.subject.items():
                assert subject[name] == known if known else subject[name] in shown.values(), route
            said = json.dumps([event, subject])
            assert not [text for text in secrets_of(change.body, shown) if text in said], route

            after = await it.events()
            again = await admin.call(row.method, change.path, change.body)
            assert again.status_code < 500, route
            if change.once:
                assert await it.events() == after, route

    told(story)


def test_what_is_refused_writes_none(told: Told, service_account: str) -> None:
    """Also where the scope is missing, or the token is none."""

    async def story(admin: Administration) -> None:
        it = Tenant(admin, service_account)
        for route, prepare in CHANGES.items():
            change = await prepare(it)
            before = await it.events()
            for token, status in ((admin.token(["read:logs"]), 403), ("no token", 401)):
                answer = await admin.call(route[0], change.path, change.body, token=token)
                assert answer.status_code == status, route
            if change.refused:
                path, body, status = change.refused
                answer = await admin.call(route[0], path, body)
                assert answer.status_code == status, (route, answer.text)
            assert await it.events() == before, route

    told(story)


def test_what_changes_nothing_writes_none(told: Told) -> None:
    async def story(admin: Administration) -> None:
        it = Tenant(admin)
        before = await it.events()
        for (method, path), body in CHANGE_NOTHING.items():
            assert (await admin.call(method, path[1:], body)).status_code in {200, 400}
        assert await it.events() == before

    told(story)


def test_a_change_whose_reply_was_lost_is_made_and_told_once(
    redis_server: RedisServer, service_account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script is sent again, answers as it did, and stands in the trail once."""
    monkeypatch.setattr(lane, "RECONNECT_SECONDS", 0.0)
    repeated: set[bytes] = set()

    def choose(_number: int, command: list[bytes]) -> Fault | None:
        text = b" ".join(command)
        if command[0] != b"EVALSHA" or text in repeated:
            return None
        repeated.add(text)
        return Fault.CUT_AFTER

    async def story(admin: Administration) -> None:
        it = Tenant(admin, service_account)
        for route, prepare in CHANGES.items():
            change = await prepare(it)
            before = await it.events()
            repeated.clear()
            proxy.choose = choose
            answer = await admin.call(route[0], change.path, change.body)
            proxy.choose = lambda _number, _command: None
            assert repeated, route
            assert answer.is_success, (route, answer.text)
            assert len(await it.events()) == len(before) + 1, route

    with Proxy(redis_server.port) as proxy:
        tell(proxy.url, story)
