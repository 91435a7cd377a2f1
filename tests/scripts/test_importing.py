"""`scripts/admin import`: what Auth0 exports goes on here under its own names."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from typer.testing import CliRunner, Result

from consent.client import CIBA_GRANT, Client, Credentials, authenticated
from consent.strict_json import DEPTH_MAX
from scripts.administration import importing, operator
from scripts.administration.exports import reading
from scripts.administration.exports.reading import entries, entries_of
from scripts.administration.exports.translation import (
    TRANSLATIONS,
    NotWanted,
    Unimportable,
    identity,
)
from scripts.administration.installation import AdministrationError
from scripts.administration.operator import Operator
from tests.support.command_line import start_once
from tests.support.redis_server import RedisServer

SECRET_KEY = "the secret key of this installation"
API = "https://api.example/"
CLIENT: dict[str, Any] = {
    "tenant": "example",
    "global": False,
    "name": "Bank",
    "client_id": "AaiyAPdpYdesoKnqjj8HJqRn4T5titww",
    "client_secret": "MG_TNT2ver-SylNat-_VeMmd-4m0Waba0jr1troztBniSChEw0glxEmgEi2Kw40H",
    "app_type": "regular_web",
    "is_first_party": True,
    "callbacks": ["https://bank.example/cb"],
    "grant_types": ["authorization_code", CIBA_GRANT],
    "jwt_configuration": {"alg": "RS256", "lifetime_in_seconds": 36_000, "secret_encoded": False},
    "refresh_token": {"rotation_type": "rotating", "expiration_type": "expiring", "leeway": 0},
    "token_endpoint_auth_method": "client_secret_post",
    "client_metadata": {"owner": "payments"},
    "signing_keys": [{"cert": "-----BEGIN CERTIFICATE-----"}],
    "web_origins": [],
}
SERVER: dict[str, Any] = {
    "id": "5f0",
    "identifier": API,
    "name": "Accounts",
    "scopes": [{"value": "read:accounts", "description": None}],
    "signing_alg": "RS256",
    "token_lifetime": 86_400,
    "token_dialect": "access_token",
}
GRANT = {
    "id": "cgr_1",
    "client_id": CLIENT["client_id"],
    "audience": API,
    "scope": ["read:accounts"],
}
CONNECTION = {
    "id": "con_1",
    "name": "Username-Password-Authentication",
    "strategy": "auth0",
    "options": {"passwordPolicy": "good"},
}
USER: dict[str, Any] = {
    "user_id": "auth0|5f1",
    "email": "ann@example.com",
    "email_verified": True,
    "name": "Ann",
    "created_at": "2020-01-02T03:04:05.678Z",
    "updated_at": "2021-01-02T03:04:05.678Z",
    "identities": [{"connection": "Username-Password-Authentication", "provider": "auth0"}],
    "user_metadata": {"color": "blue"},
    "app_metadata": {"plan": {"name": "full"}},
    "logins_count": 3,
    "custom_password_hash": {"algorithm": "bcrypt"},
}
SOCIAL = {
    "user_id": "google-oauth2|1234",
    "email": "bob@example.com",
    "identities": [{"connection": "google-oauth2", "isSocial": True}],
    "blocked": True,
}


@pytest.fixture
def url(redis_server: RedisServer) -> str:
    url = redis_server.database(4)
    with Redis.from_url(url) as client:
        client.flushdb()
    return url


class Export:
    """Files of an export, and the command that takes them over."""

    def __init__(self, url: str, directory: Path) -> None:
        self._directory = directory
        self.environ = {"NOD_REDIS_URL": url, "NOD_SECRET_KEY": SECRET_KEY}
        start_once(self.environ)
        self._app = typer.Typer()
        self._app.command()(importing.import_export)

    def file(self, name: str, *records: object, lines: bool = False) -> str:
        path = self._directory / name
        if lines:
            path.write_text("".join(json.dumps(record) + "\n" for record in records))
        else:
            path.write_text(json.dumps(records))
        return str(path)

    def run(self, *arguments: str) -> Result:
        return CliRunner(env=self.environ).invoke(self._app, arguments)

    def outcomes(self, *arguments: str) -> list[dict[str, Any]]:
        done = self.run(*arguments, "--json")
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return [json.loads(line) for line in done.stdout.splitlines()][:-1]

    def actions(self, *arguments: str) -> list[tuple[str, str]]:
        return [(it["kind"], it["action"]) for it in self.outcomes(*arguments)]

    def found(self, question: Callable[[Operator], Awaitable[Any]]) -> Any:  # noqa: ANN401
        async def ask() -> Any:  # noqa: ANN401
            async with operator.opened(self.environ) as opened:
                return await question(opened)

        return asyncio.run(ask())

    def client(self) -> Client:
        async def read(opened: Operator) -> Client | None:
            return await opened.services.client(CLIENT["client_id"])

        client = self.found(read)
        assert isinstance(client, Client)
        return client

    def user(self, user_id: str) -> dict[str, Any]:
        async def read(opened: Operator) -> Any:  # noqa: ANN401
            return await opened.call("GET", operator.at("users", user_id))

        shown: dict[str, Any] = self.found(read)
        return shown


@pytest.fixture
def export(url: str, tmp_path: Path) -> Export:
    return Export(url, tmp_path)


# What a file holds


def read(path: Path) -> list[tuple[str | None, str]]:
    return [(entry.kind, entry.place) for entry in entries_of(path)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[]", []),
        (json.dumps([CLIENT]), [("client", "f[1]")]),
        (json.dumps(CLIENT), [("client", "f:1")]),
        (json.dumps(CLIENT, indent=1), [("client", "f")]),
        ("\ufeff" + json.dumps([USER]), [("user", "f[1]")]),
        ("\ufeff" + json.dumps(USER), [("user", "f:1")]),
        (json.dumps(USER) + "\n\n" + json.dumps(SOCIAL), [("user", "f:1"), ("user", "f:3")]),
        (
            json.dumps({"clientGrants": [GRANT], "clients": [{"name": "Bank"}], "rules": [1]}),
            [("client", "f clients[1]"), ("client grant", "f clientGrants[1]")],
        ),
        (
            json.dumps([SERVER, CONNECTION, GRANT]),
            [
                ("resource server", "f[1]"),
                ("connection", "f[2]"),
                ("client grant", "f[3]"),
            ],
        ),
        (json.dumps([7, {"rule": 1}]), [(None, "f[1]"), (None, "f[2]")]),
        ("", [(None, "f")]),
        ("user_id,email", [(None, "f")]),
        ("[1", [(None, "f")]),
        ("[" * (DEPTH_MAX + 1), [(None, "f")]),
        (json.dumps(USER) + "\n{", [("user", "f:1"), (None, "f:2")]),
        (json.dumps(USER) + '\n{"user_id":"\\ud800"}', [("user", "f:1"), (None, "f:2")]),
    ],
)
def test_a_file_is_a_list_lists_a_record_or_lines(
    tmp_path: Path, text: str, wanted: list[tuple[str | None, str]]
) -> None:
    path = tmp_path / "f"
    path.write_text(text)
    packed = tmp_path / "packed" / "f"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(text.encode()))

    places = [(kind, place.replace("f:1 ", "f ")) for kind, place in read(path)]

    assert places == wanted
    assert read(packed) == read(path)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_a_file_holds_it_is_read_to_its_end(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "anything"
    path.write_bytes(b"{}" + data)

    for entry in entries_of(path):
        assert bool(entry.kind) != bool(entry.fault)


def test_a_line_too_long_is_one_fault_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LINE_BYTES_MAX", 1_000)
    path = tmp_path / "f"
    long = json.dumps({"user_id": "x" * 5_000})
    path.write_text(f"{json.dumps(SOCIAL)}\n{long}\n{json.dumps(SOCIAL)}\n{long}")

    assert read(path) == [("user", "f:1"), (None, "f:2"), ("user", "f:3"), (None, "f:4")]


def test_a_file_that_has_to_be_read_whole_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "FILE_BYTES_MAX", 1_000)
    path = tmp_path / "f"
    path.write_text(json.dumps([USER] * 100))

    [entry] = entries_of(path)

    assert "longer than 1000 bytes" in entry.fault


def test_lines_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text((json.dumps(SOCIAL) + "\n") * 3 + "{broken")

    found = entries_of(path)

    assert [next(found).place for _ in range(3)] == ["f:1", "f:2", "f:3"]
    assert next(found).fault


def test_what_others_rest_on_comes_first_whatever_file_it_is_in(tmp_path: Path) -> None:
    users, grants, clients = (tmp_path / name for name in ("a", "b", "c"))
    users.write_text(json.dumps(USER))
    grants.write_text(json.dumps({"client_grants": [GRANT], "resource_servers": [SERVER]}))
    clients.write_text(json.dumps(CLIENT) + "\n" + json.dumps(CLIENT))

    kinds = [entry.kind for entry in entries([users, grants, clients])]

    assert kinds == ["resource server", "client", "client", "client grant", "user"]


def test_a_file_that_cannot_be_read_is_refused_before_anything_is_taken(tmp_path: Path) -> None:
    users, cut = tmp_path / "users", tmp_path / "cut"
    users.write_text(json.dumps(USER))
    cut.write_bytes(gzip.compress(b"x" * 10_000)[:40])

    for path in (tmp_path / "none", tmp_path, cut):
        with pytest.raises(AdministrationError, match=str(path)):
            next(entries([users, path]))


# What is made of a record

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
SAMPLES = {
    "connection": CONNECTION,
    "resource server": SERVER,
    "client": CLIENT,
    "client grant": GRANT,
    "user": USER,
}


@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_whatever_a_member_is_a_record_is_translated_or_refused(
    kind: reading.Kind, data: st.DataObject
) -> None:
    sample = SAMPLES[kind]
    changes = data.draw(st.dictionaries(st.sampled_from(sorted(sample)), ANYTHING, max_size=3))
    record = {**sample, **changes}

    identity(kind, record)
    try:
        translated = TRANSLATIONS[kind](record)
    except (Unimportable, NotWanted):
        return
    assert not set(translated.left) & translated.body.keys()


@pytest.mark.parametrize(
    ("changes", "member", "value", "note"),
    [
        ({}, "grant_types", ["authorization_code", CIBA_GRANT], ""),
        ({"grant_types": ["x", CIBA_GRANT]}, "grant_types", [CIBA_GRANT], "left out"),
        ({"jwt_configuration": {"alg": "HS256"}}, "jwt_configuration", {"alg": "RS256"}, "a key"),
        ({"jwt_configuration": None}, "jwt_configuration", {"alg": "RS256"}, ""),
        ({"refresh_token": {"expiration_type": "non-expiring"}}, "refresh_token", {}, "expire"),
        ({"refresh_token": {"leeway": 900}}, "refresh_token", {}, ""),
        ({"refresh_token": {"leeway": 30}}, "refresh_token", {"leeway": 30}, ""),
    ],
)
def test_what_is_another_here_is_said(
    changes: dict[str, Any], member: str, value: object, note: str
) -> None:
    translated = TRANSLATIONS["client"]({**CLIENT, **changes})

    assert translated.body[member] == value
    assert len(translated.notes) == bool(note)
    assert note in "".join(translated.notes)


@pytest.mark.parametrize(
    ("kind", "record", "reason"),
    [
        ("client", {"name": "Bank"}, "no client_id"),
        ("client", {**CLIENT, "client_id": "a/b"}, "characters"),
        ("client", {**CLIENT, "global": True}, "Auth0's own"),
        (
            "client",
            {
                **CLIENT,
                "token_endpoint_auth_method": None,
                "client_authentication_methods": {"private_key_jwt": {}},
            },
            "jwks",
        ),
        ("client grant", {**GRANT, "audience": "https://t.auth0.com/api/v2/"}, "management API"),
        ("client grant", {**GRANT, "subject_type": "group"}, "subject_type"),
        ("client grant", {**GRANT, "client_id": None}, "no single client"),
        ("resource server", {**SERVER, "is_system": True}, "own API"),
        ("connection", {"strategy": "auth0"}, "no name"),
        ("user", {"email": "a@b.c"}, "no user_id"),
    ],
)
def test_what_cannot_or_need_not_be_taken_over_says_why(
    kind: reading.Kind, record: dict[str, Any], reason: str
) -> None:
    with pytest.raises((Unimportable, NotWanted), match=reason):
        TRANSLATIONS[kind](record)


def test_the_text_of_a_secret_is_in_no_body() -> None:
    translated = TRANSLATIONS["client"](CLIENT)

    assert CLIENT["client_secret"] not in json.dumps(translated.body)
    assert translated.left == ["signing_keys"]


# What becomes of it


def whole(export: Export) -> list[str]:
    return [
        export.file("users.json", USER, SOCIAL, lines=True),
        export.file("clients.json", CLIENT),
        export.file("others.json", GRANT, CONNECTION, SERVER),
    ]


CREATED = [
    ("connection", "created"),
    ("resource server", "created"),
    ("client", "created"),
    ("client grant", "created"),
    ("connection", "created"),  # google-oauth2, which a user names
    ("user", "created"),
    ("user", "created"),
]


def test_applications_and_people_go_on_under_their_names(export: Export) -> None:
    assert export.actions(*whole(export)) == CREATED

    client = export.client()
    offered = Credentials(client.client_id, (CLIENT["client_secret"],), by_header=False)
    assert authenticated(client, offered) is client
    assert (client.profile, client.jwt_configuration.alg) == ("auth0", "RS256")
    assert client.may_use(CIBA_GRANT)
    assert client.client_metadata == {"owner": "payments"}

    ann = export.user("auth0|5f1")
    assert {name: ann[name] for name in ("user_id", "email", "name", "created_at")} == {
        "user_id": "auth0|5f1",
        "email": "ann@example.com",
        "name": "Ann",
        "created_at": USER["created_at"],
    }
    assert (ann["email_verified"], ann["app_metadata"]) == (True, USER["app_metadata"])
    bob = export.user("google-oauth2|1234")
    assert (bob["user_id"], bob["blocked"]) == ("google-oauth2|1234", True)


def test_a_person_is_found_by_what_the_export_says(export: Export) -> None:
    export.actions(*whole(export))

    async def find(opened: Operator) -> object:
        people, lists = opened.services.people, opened.services.people_lists
        by_hint = await people.hints.find("email", "bob@example.com")
        return by_hint, len(await lists.find_all("email", "ann@example.com", most=2))

    assert export.found(find) == ("google-oauth2|1234", 1)


def test_an_import_that_is_made_again_changes_nothing(export: Export, url: str) -> None:
    files = whole(export)
    export.actions(*files)

    def stored() -> list[object]:
        with Redis.from_url(url) as client:
            streams = sorted(name for name in client.scan_iter() if name.endswith(b":events"))
            return [
                client.hgetall("nod:{directory}:clients"),
                client.hgetall("nod:{directory}:client_grants"),
                [client.hgetall(name) for name in sorted(client.keys("nod:*:person:*"))],
                # Opening the services writes what is to be there at every start.
                [client.xlen(name) for name in streams if b"directory" not in name],
            ]

    before = stored()
    for option in ("", "--upsert"):
        again = export.outcomes(*files, *filter(None, [option]))
        assert {it["action"] for it in again} == {"unchanged"}
        assert len(again) == len(CREATED) - 1  # nobody makes google-oauth2
        assert stored() == before


def test_what_is_another_here_is_kept_unless_it_is_to_be_changed(export: Export) -> None:
    export.actions(*whole(export))
    files = [
        export.file("users.json", USER | {"name": "Anna"}, SOCIAL | {"blocked": False}, lines=True),
        export.file("clients.json", CLIENT | {"name": "The Bank", "client_secret": "another"}),
        export.file(
            "others.json",
            GRANT | {"scope": []},
            CONNECTION | {"display_name": "Staff"},
            SERVER | {"name": "All accounts"},
        ),
    ]

    skipped = export.outcomes(*files)

    assert {it["action"] for it in skipped} == {"skipped"}
    assert all("--upsert" in it["said"] for it in skipped)
    assert export.client().name == "Bank"
    assert export.user("auth0|5f1")["name"] == "Ann"

    assert {it["action"] for it in export.outcomes(*files, "--upsert", "--dry-run")} == {"updated"}
    assert export.client().name == "Bank"
    assert {it["action"] for it in export.outcomes(*files, "--upsert")} == {"updated"}
    client = export.client()
    assert client.name == "The Bank"
    assert authenticated(client, Credentials(client.client_id, ("another",), by_header=False))
    assert export.user("auth0|5f1")["name"] == "Anna"
    assert "blocked" not in export.user("google-oauth2|1234")
    assert {it["action"] for it in export.outcomes(*files)} == {"unchanged"}


def test_a_client_keeps_what_it_got_here(export: Export) -> None:
    """An export says nothing of what Auth0 does not know."""
    files = [export.file("clients.json", CLIENT)]
    export.actions(*files)
    path = operator.at("clients", CLIENT["client_id"])
    given_here = {"profile": "standard", "long_poll_seconds": 30}
    export.found(lambda opened: opened.call("PATCH", path, given_here))

    assert export.actions(*files) == [("client", "unchanged")]
    files = [export.file("clients.json", CLIENT | {"name": "The Bank"})]
    assert export.actions(*files, "--upsert") == [("client", "updated")]

    client = export.client()
    assert (client.name, client.profile, client.long_poll_seconds) == ("The Bank", "standard", 30)


def test_a_dry_run_says_the_same_and_changes_nothing(export: Export, url: str) -> None:
    files = whole(export)

    assert export.actions(*files, "--dry-run") == CREATED

    with Redis.from_url(url) as client:
        assert client.hlen("nod:{directory}:clients") == 0
        assert client.hlen("nod:{directory}:client_grants") == 0
        assert not client.keys("nod:*:person:*")
    assert export.actions(*files) == CREATED


def test_a_client_whose_secret_is_not_exported_is_told_of(export: Export) -> None:
    record = {name: value for name, value in CLIENT.items() if name != "client_secret"}

    [outcome] = export.outcomes(export.file("clients.json", record))

    assert outcome["action"] == "created"
    assert "rotate-secret" in outcome["said"]
    assert export.client().secret_digest == ""


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (CLIENT | {"name": "<b>"}, "property name"),
        (CLIENT | {"callbacks": "x"}, "property callbacks"),
        (CLIENT | {"token_endpoint_auth_method": "none"}, "public client"),
        (USER | {"email": "ann"}, "property email"),
        (USER | {"user_id": "auth0|a/b"}, "property user_id"),
        (USER | {"blocked": "no"}, "property blocked"),
        (USER | {"connection": "-"}, "connection does not exist"),
        (GRANT, "resource server does not exist"),
        (SERVER | {"identifier": "a b"}, "property identifier"),
        (CONNECTION | {"name": "a b"}, "property name"),
    ],
)
def test_what_the_api_refuses_fails_alone_and_says_why(
    export: Export, record: dict[str, Any], reason: str
) -> None:
    found = export.outcomes(export.file("some.json", record, SOCIAL))

    [failed] = [outcome for outcome in found if outcome["action"] == "failed"]
    assert reason in failed["said"]
    assert export.user("google-oauth2|1234")["email"] == "bob@example.com"


def test_the_client_of_the_settings_is_left_alone(export: Export) -> None:
    export.environ |= {
        "NOD_BOOTSTRAP_CLIENT_ID": CLIENT["client_id"],
        "NOD_BOOTSTRAP_CLIENT_SECRET": "its secret",
    }

    assert export.actions(export.file("c.json", CLIENT), "--upsert") == [("client", "skipped")]


def test_many_people_are_counted_and_not_listed(export: Export) -> None:
    people = [USER | {"user_id": f"auth0|{it}", "email": f"p{it}@a.example"} for it in range(300)]
    path = export.file("users.json", *people, people[0], {"email": "nobody@a.example"}, lines=True)

    done = export.run(path)

    assert done.exit_code == 1
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["user", "300", "0", "1", "0", "1"] in lines
    assert [line[:2] for line in lines[:2]] == [["created", "connection"], ["failed", "user"]]
    assert "people sign with their phones" in done.stdout
    assert "nothing is changed" not in done.stdout
    assert "nothing is changed" in export.run(path, "--dry-run").stdout


def test_every_change_is_in_the_audit_trail(export: Export, url: str) -> None:
    export.actions(*whole(export))

    def told() -> Iterator[dict[str, Any]]:
        with Redis.from_url(url, decode_responses=True) as client:
            for name in client.keys("nod:*:events"):
                yield from (json.loads(fields["e"]) for _, fields in client.xrange(name))

    own = [it["subject"] for it in told() if it["client_id"] == operator.CLIENT_ID]
    assert {"client_id": CLIENT["client_id"]} in own
    assert {"user_id": "google-oauth2|1234"} in own
    assert CLIENT["client_secret"] not in json.dumps(own)
    assert len(own) == len(CREATED)
