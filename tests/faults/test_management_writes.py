"""
What administrators write: two at once mix no fields and lose none, and what was answered stands,
whatever is killed.
"""

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx2
import msgspec
import pytest

from consent.access import ClientGrant, ResourceServer, client_grant_id, resource_server_id
from consent.client import Client
from consent.store import directory as directory_module
from consent.store import keys
from consent.store.opening import Store
from tests.support.domain import a_client
from tests.support.management import Administration, Story, tell
from tests.support.nod import BOOTSTRAP, Nod, OAuthClient, wait_for
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import RedisServer
from tests.support.schedules import Actor, Ended, Explored, Schedules, State, Step, World
from tests.support.store import opened, run

Told = Callable[[Story], None]
API = "https://api.example/"
WRITERS = 8  # at once; each finds its turn among so many


@pytest.fixture
def told(redis_server: RedisServer) -> Told:
    return lambda story: tell(redis_server.url, story)


# In every order.


async def change(store: Store, field: str, value: str) -> bool:
    def changed(client: Client) -> Client:
        return msgspec.structs.replace(client, **{field: value})

    changed_to = await store.directory.change(
        keys.CLIENTS, "c", Client, changed, event=f'"{field}"'.encode()
    )
    return changed_to is not None


async def remove(store: Store) -> bool:
    return await store.directory.remove_client("c", event=b'"removed"')


async def create(store: Store) -> bool:
    return await store.directory.create(keys.CLIENTS, "c", THE_CLIENT, event=b'"created"')


async def grant(store: Store) -> str:
    return await store.directory.create_client_grant(THE_GRANT, event=b'"granted"')


API_RECORD = ResourceServer(id=resource_server_id(API), identifier=API)
THE_CLIENT = a_client(client_id="c", name="", description="")
THE_GRANT = ClientGrant(id=client_grant_id("c", API), client_id="c", audience=API, scope=[])


def stored(state: State) -> Client | None:
    record = state.fields(keys.CLIENTS).get("c")
    return msgspec.json.decode(record, type=Client) if record else None


def told_of(state: State) -> list[str]:
    return [msgspec.json.decode(event["e"]) for event in state.events(keys.EVENTS)]


def explore(
    actors: dict[str, Actor], *, at_end: Callable[[Ended], None], faults: int, there: bool = True
) -> Explored:
    world = World()
    record = world.store().directory
    world.prepare(record.create(keys.RESOURCE_SERVERS, API_RECORD.id, API_RECORD, event=b'"api"'))
    if there:
        world.prepare(create(world.store()))

    def at_step(step: Step) -> None:
        """A record, its place in the index and its grants are there together or not at all."""
        names = {"", "first", "app regular_web", "first app regular_web"}
        known = stored(step.after) is not None
        for name in names:
            assert ("c" in step.after.scores(keys.index(keys.CLIENTS, name))) == known
        granted = THE_GRANT.id in step.after.fields(keys.CLIENT_GRANTS)
        assert granted <= known
        for name in ("", "client c", f"audience {API}"):
            index = step.after.scores(keys.index(keys.CLIENT_GRANTS, name))
            assert (THE_GRANT.id in index) == granted

    return Schedules(world, actors, faults=faults).explore(
        at_step=at_step, at_end=at_end, afterwards=lambda _: None
    )


@pytest.mark.parametrize("faults", [0, 1])
def test_of_two_changes_and_a_removal_none_is_lost_and_none_comes_back(faults: int) -> None:
    """In every order; with a fault, where one stops for good or its reply is lost."""

    def at_end(ended: Ended) -> None:
        client, events = stored(ended.state), told_of(ended.state)
        results = ended.results
        if client is None:
            assert events.count("removed") == 1
        else:
            assert not results["remove"]
            assert client.name == ("a" if results["name"] else client.name)
            assert client.description == ("b" if results["description"] else client.description)
            assert events.count("name") == (client.name == "a")
            assert events.count("description") == (client.description == "b")
        # Each change that was answered is in the trail, and none is there twice.
        for name, event in (
            ("name", "name"),
            ("description", "description"),
            ("remove", "removed"),
        ):
            assert events.count(event) <= 1
            assert not results[name] or events.count(event) == 1

    actors: dict[str, Actor] = {
        "name": partial(change, field="name", value="a"),
        "description": partial(change, field="description", value="b"),
        "remove": remove,
    }
    explored = explore(actors, at_end=at_end, faults=faults)
    assert explored.schedules > 50


@pytest.mark.parametrize("faults", [0, 1])
def test_what_was_removed_is_not_made_again_by_a_call_that_is_repeated(faults: int) -> None:
    """Its maker never heard that it was made; another found it, and removed it."""

    def at_end(ended: Ended) -> None:
        events = told_of(ended.state)
        assert events.count("created") <= 1
        assert events.count("removed") <= 1
        there = stored(ended.state) is not None
        assert there == (events.count("created") > events.count("removed"))
        assert not (ended.results["remove"] and ended.results["create"] and there)

    actors: dict[str, Actor] = {"create": create, "remove": remove}
    explored = explore(actors, at_end=at_end, faults=faults, there=False)
    assert explored.schedules >= 2


@pytest.mark.parametrize("faults", [0, 1])
def test_no_grant_outlives_its_client(faults: int) -> None:
    """It is made while the client is there, or not; and goes with it."""

    def at_end(ended: Ended) -> None:
        events = told_of(ended.state)
        assert events.count("granted") <= 1
        assert ended.results["grant"] in {"created", "unknown_client", "exists", None}
        assert ended.results["grant"] != "created" or events.count("granted") == 1
        if ended.results["remove"]:
            assert THE_GRANT.id not in ended.state.fields(keys.CLIENT_GRANTS)

    actors: dict[str, Actor] = {
        "grant": grant,
        "change": partial(change, field="name", value="a"),
        "remove": remove,
    }
    assert explore(actors, at_end=at_end, faults=faults).schedules > 20


# At once, through the API.


async def gathered(admin: Administration, *calls: tuple[str, str, object]) -> list[httpx2.Response]:
    answers = await asyncio.gather(*[admin.call(*call) for call in calls])
    assert {answer.status_code for answer in answers} <= {200, 201}, [it.text for it in answers]
    return answers


def test_changes_of_one_client_at_once_are_all_there(told: Told) -> None:
    async def story(admin: Administration) -> None:
        client = await admin.created("clients", {"name": "N"})
        path = f"clients/{client['client_id']}"
        bodies: list[dict[str, Any]] = [
            {"client_metadata": {f"m{number}": str(number)}} for number in range(WRITERS - 3)
        ]
        bodies += [{"name": "O"}, {"description": "d"}, {"app_type": "native"}]
        await gathered(admin, *[("PATCH", path, body) for body in bodies])
        shown = (await admin.call("GET", path)).json()
        assert shown["client_metadata"] == {f"m{n}": str(n) for n in range(WRITERS - 3)}
        assert (shown["name"], shown["description"], shown["app_type"]) == ("O", "d", "native")
        listed = (await admin.call("GET", "clients?app_type=native")).json()
        assert [known["client_id"] for known in listed] == [client["client_id"]]

    told(story)


def test_changes_of_one_user_at_once_are_all_there(told: Told) -> None:
    async def story(admin: Administration) -> None:
        body = {"email": "ann@example.com", "connection": "users"}
        user = await admin.created("users", body)
        path = f"users/{user['user_id']}"
        bodies: list[dict[str, Any]] = [
            {"app_metadata": {"a": 1}},
            {"app_metadata": {"b": 2}},
            {"user_metadata": {"c": 3}},
            {"name": "Ann"},
            {"phone_number": "+15550100"},
            {"blocked": True},
        ]
        await gathered(admin, *[("PATCH", path, body) for body in bodies])
        shown = (await admin.call("GET", path)).json()
        assert shown["app_metadata"] == {"a": 1, "b": 2}
        assert shown["user_metadata"] == {"c": 3}
        assert (shown["name"], shown["phone_number"]) == ("Ann", "+15550100")
        assert shown["blocked"] is True

    told(story)


def test_changes_of_the_tenant_a_connection_and_an_api_at_once_are_all_there(told: Told) -> None:
    async def story(admin: Administration) -> None:
        api = await admin.created("resource-servers", {"identifier": API})
        connection = await admin.created("connections", {"name": "staff"})
        changes: dict[str, list[dict[str, Any]]] = {
            "tenants/settings": [
                {"friendly_name": "Bank"},
                {"flags": {"enable_dynamic_client_registration": True}},
                {"flags": {"enable_dynamic_client_management": True}},
                {"dynamic_client_registration_security_mode": "permissive"},
                {"default_audience": API},
            ],
            f"connections/{connection['id']}": [
                {"display_name": "Staff"},
                {"is_domain_connection": True},
                {"metadata": {"a": "1"}},
            ],
            f"resource-servers/{api['id']}": [
                {"name": "An API"},
                {"token_lifetime": 7},
                {"scopes": [{"value": "a", "description": ""}]},
                {"allow_offline_access": True},
            ],
        }
        await gathered(
            admin,
            *[("PATCH", path, body) for path, bodies in changes.items() for body in bodies],
        )
        for path, bodies in changes.items():
            shown = (await admin.call("GET", path)).json()
            for name, value in itertools.chain(*[body.items() for body in bodies]):
                if isinstance(value, dict):
                    assert value.items() <= shown[name].items()
                else:
                    assert shown[name] == value

    told(story)


def test_scopes_and_conflicting_names_have_one_winner_each(told: Told) -> None:
    """Of a field that all write one value stands; of things of one name one is made."""

    async def story(admin: Administration) -> None:
        scopes = [{"value": str(number)} for number in range(WRITERS)]
        await admin.created("resource-servers", {"identifier": API, "scopes": scopes})
        client = await admin.created("clients", {"name": "N"})
        body = {"client_id": client["client_id"], "audience": API, "scope": []}
        made = await asyncio.gather(
            *[admin.call("POST", "client-grants", body) for _ in range(WRITERS)]
        )
        assert sorted(answer.status_code for answer in made) == [201, *[409] * (WRITERS - 1)]
        (grant_id,) = {it.json()["id"] for it in made if it.status_code == 201}
        path = f"client-grants/{grant_id}"
        answers = await gathered(
            admin, *[("PATCH", path, {"scope": [str(n)]}) for n in range(WRITERS)]
        )
        shown = (await admin.call("GET", path)).json()
        assert shown["scope"] in [answer.json()["scope"] for answer in answers]
        assert len(shown["scope"]) == 1

    told(story)


def test_of_rotations_at_once_one_secret_works_and_it_was_answered(told: Told) -> None:
    async def story(admin: Administration) -> None:
        client = await admin.created("clients", {"name": "N"})
        path = f"clients/{client['client_id']}/rotate-secret"
        answers = await gathered(admin, *[("POST", path, {})] * WRITERS)
        secrets = [str(client["client_secret"])]
        secrets += [answer.json()["client_secret"] for answer in answers]
        assert len(set(secrets)) == WRITERS + 1
        works = []
        for secret in secrets:
            form = {"client_id": client["client_id"], "client_secret": secret, "token": "none"}
            answer = await admin.http.post("oauth/revoke", data=form)
            assert answer.status_code in {200, 401}
            works += [secret] if answer.status_code == 200 else []
        assert len(works) == 1
        assert works[0] in secrets[1:]

    told(story)


# Cut short.


@pytest.mark.parametrize("of", ["client", "resource server"])
def test_a_removal_that_was_cut_short_is_completed_by_the_next(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    """With more grants than go at once: nothing that is left behind comes to life."""
    monkeypatch.setattr(directory_module, "_GRANTS_REMOVED_AT_ONCE", 3)
    url = redis_server.database(6)

    async def test() -> None:
        async with opened(url) as use:
            await use.store.redis.command("FLUSHDB")
            directory = use.store.directory
            await directory.create(keys.RESOURCE_SERVERS, API_RECORD.id, API_RECORD)
            for number in range(10):
                name, audience = ("c", f"{API}{number}") if of == "client" else (f"c{number}", API)
                await directory.write(keys.CLIENTS, name, a_client(client_id=name))
                record = ResourceServer(id=resource_server_id(audience), identifier=audience)
                await directory.write(keys.RESOURCE_SERVERS, record.id, record)
                wanted = ClientGrant(
                    id=client_grant_id(name, audience), client_id=name, audience=audience, scope=[]
                )
                assert await directory.create_client_grant(wanted) == "created"

        def cut_short(_number: int, command: list[bytes]) -> Fault | None:
            return Fault.HOLD if command[0] == b"EVALSHA" and next(calls) == 2 else None

        calls = itertools.count()
        with Proxy(redis_server.port) as proxy:
            async with opened(proxy.url.removesuffix("0") + "6") as use:
                proxy.choose = cut_short
                removing = asyncio.ensure_future(removed(use.store))
                await asyncio.to_thread(proxy.caught.wait, 5)
                removing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await removing
        async with opened(url) as use:
            directory = use.store.directory
            left = await directory.read_whole(keys.CLIENT_GRANTS, ClientGrant)
            assert 0 < len(left) < 10
            assert await removed(use.store)
            assert await directory.read_whole(keys.CLIENT_GRANTS, ClientGrant) == {}
            assert not await removed(use.store)
            for name in ("", "client c", f"audience {API}"):
                key = keys.index(keys.CLIENT_GRANTS, name)
                assert await use.store.redis.execute("EXISTS", key) == 0

    async def removed(store: Store) -> bool:
        if of == "client":
            return await store.directory.remove_client("c")
        return await store.directory.remove_resource_server(API)

    run(test)


# kill -9


class Writers:
    """Administrators who write until they are stopped, and note what was answered."""

    def __init__(self, nod: Nod) -> None:
        self.nod = nod
        self.token = nod.client_token(OAuthClient(*BOOTSTRAP))["access_token"]
        self.created: list[str] = []
        self.users: list[str] = []
        self.deleted: list[str] = []
        self.secrets: dict[str, list[str]] = {}
        self.statuses: set[int] = set()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(3)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self, writer: int) -> None:
        with httpx2.Client(base_url=self.nod.url, timeout=5) as http:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                with contextlib.suppress(httpx2.TransportError):
                    self._one(http, f"{writer}-{number}")

    def _one(self, http: httpx2.Client, name: str) -> None:
        def call(method: str, path: str, body: object = None) -> httpx2.Response | None:
            answer = http.request(
                method,
                f"api/v2/{path}",
                json=body,
                headers={"Authorization": f"Bearer {self.token}"},
            )
            self.statuses.add(answer.status_code)
            return answer if answer.is_success else None

        if client := call("POST", "clients", {"name": name}):
            client_id = client.json()["client_id"]
            self.secrets[client_id] = [client.json()["client_secret"]]
            self.created.append(client_id)
            self.secrets[client_id].append("")  # asked for: it may be another from now on
            if rotated := call("POST", f"clients/{client_id}/rotate-secret", {}):
                self.secrets[client_id] = [rotated.json()["client_secret"]]
        if user := call("POST", "users", {"email": f"{name}@example.com", "connection": "users"}):
            self.users.append(user.json()["user_id"])
        if gone := call("POST", "clients", {"name": name}):
            client_id = gone.json()["client_id"]
            if call("DELETE", f"clients/{client_id}"):
                self.deleted.append(client_id)


def listed(nod: Nod, path: str) -> list[Any]:
    pages = (
        nod.admin("GET", f"{path}?per_page=100&page={number}").json()
        for number in itertools.count()
    )
    return [*itertools.chain(*itertools.takewhile(bool, pages))]


def test_what_was_answered_is_there_after_any_kill(tmp_path: Path) -> None:
    """Of the API, or of a Redis that writes its log once a second: the kernel has it by then."""
    server = RedisServer(tmp_path / "redis", "--appendfsync", "everysec").start()
    nod = Nod(server.url, tmp_path / "nod").start()
    try:
        with Writers(nod) as writers:
            for round_ in range(2):
                time.sleep(0.4)
                if round_ % 2:
                    server.kill()
                    server.start()
                else:
                    nod.api.kill()
                    nod.api.start()
                nod.wait_until_ready()
                time.sleep(0.2)
        for worker in nod.workers:
            worker.kill()
            worker.start()
        wait_for(lambda: nod.admin("GET", "tenants/settings").status_code == 200, "the API")

        assert len(writers.created) > 5
        assert len(writers.deleted) > 5
        assert writers.statuses <= {200, 201, 204, 404, 503}
        known = {it["client_id"] for it in listed(nod, "clients")}
        assert known.issuperset(writers.created)
        assert known.isdisjoint(writers.deleted)
        assert {it["user_id"] for it in listed(nod, "users")}.issuperset(writers.users)
        for client_id, secrets in writers.secrets.items():
            if len(secrets) == 1:
                form = {"client_id": client_id, "client_secret": secrets[0], "token": "none"}
                assert nod.http.post("oauth/revoke", data=form).status_code == 200
    finally:
        nod.stop()
        server.stop()
