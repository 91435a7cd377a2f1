"""What operators do with `scripts/admin`, over a real Redis."""

import json
import re
from pathlib import Path

import pytest
import redis

from consent.access import MANAGEMENT_SCOPES
from consent.client import CIBA_GRANT, CLIENT_CREDENTIALS_GRANT
from consent.store import keys
from scripts.administration import operator, users
from tests.support.command_line import CommandLine, start_once
from tests.support.redis_server import RedisServer

ISSUER = "https://nod.example/"
MANAGEMENT = f"{ISSUER}api/v2/"
REPORTS = "https://reports.example/"


@pytest.fixture
def url(redis_server: RedisServer) -> str:
    url = redis_server.database(4)
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def admin(url: str) -> CommandLine:
    environ = {"NOD_REDIS_URL": url, "NOD_SECRET_KEY": "k" * 32, "NOD_ISSUER": ISSUER}
    start_once(environ)
    return CommandLine(environ)


def rows(text: str) -> list[list[str]]:
    return [re.split(" {2,}", line) for line in text.splitlines()]


def new_client(admin: CommandLine, name: str = "Bank") -> str:
    return str(admin.json("clients", "create", name, "--grant-type", "ciba")["client_id"])


def test_a_client_is_created_shown_changed_and_removed(admin: CommandLine) -> None:
    client = admin.json(
        "clients",
        "create",
        "Bank",
        "--grant-type",
        "ciba",
        "--grant-type",
        "client_credentials",
        "client_metadata.owner=payments",
        "long_poll_seconds=20",
    )
    client_id = client["client_id"]
    assert client["grant_types"] == [CIBA_GRANT, CLIENT_CREDENTIALS_GRANT]
    assert client["client_metadata"] == {"owner": "payments"}

    changed = admin.json("clients", "change", client_id, "name=New name", "long_poll_seconds=5")

    assert changed == {
        **{name: value for name, value in client.items() if name != "client_secret"},
        "name": "New name",
        "long_poll_seconds": 5,
    }
    assert admin.json("clients", "show", client_id) == changed
    shown = dict(line[:2] for line in rows(admin.told("clients", "show", client_id)))
    assert (shown["client_id"], shown["client_metadata.owner"]) == (client_id, "payments")
    assert admin.json("clients", "list") == [changed]

    assert admin.told("clients", "delete", client_id, "--yes") == f"{client_id} is removed\n"

    assert admin.told("clients", "list") == "there are no clients\n"
    for command in ("show", "change", "rotate-secret", "delete"):
        assert admin.refused("clients", command, client_id) == "The client does not exist."


def test_a_secret_is_shown_once_and_rotated(admin: CommandLine) -> None:
    created = admin.told("clients", "create", "Bank")
    first, second = rows(created)[:2]
    assert (first[0], second[0]) == ("client_id", "client_secret")
    assert "The secret is shown this once" in created
    assert "client_secret" not in admin.told("clients", "show", first[1]).split()

    rotated = admin.json("clients", "rotate-secret", first[1], "--yes")

    assert rotated["client_secret"] != second[1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["clients", "create", "<b>"], "'Must not contain < or >' on property name."),
        (["clients", "create", "Bank", "--grant-type", "magic"], "'Not a known grant type'"),
        (["clients", "create", "Bank", "name"], "'name' is not MEMBER=VALUE"),
        (["clients", "create", "Bank", "--body", "/nowhere"], "No such file"),
        (["users", "create", "name=Ann"], "is needed"),
        (["users", "show", "auth0|nobody"], "The user does not exist."),
        (["users", "show", "auth0|a/b"], "The user does not exist."),
        (["users", "block", "nobody"], "The user does not exist."),
        (["tickets", "create", "auth0|nobody"], "The user does not exist."),
        (["enrolments", "list", "auth0|nobody"], "The user does not exist."),
        (["enrolments", "delete", "-nothing", "--yes"], "Enrollment not found"),
        (["grants", "create", "nobody", MANAGEMENT], "The client does not exist."),
        (["grants", "create", "nobody", REPORTS], "The resource server does not exist."),
        (["grants", "delete", "cgr_nothing", "--yes"], "The client grant does not exist."),
        (["apis", "delete", "nothing", "--yes"], "The resource server does not exist."),
        (["apis", "delete", MANAGEMENT, "--yes"], "The system resource server cannot be deleted."),
        (["consents", "show", "nothing"], "The consent does not exist."),
        (["consents", "cancel", "-nothing", "--yes"], "The consent does not exist."),
        (["consents", "list", "--state", "magic"], "state must be"),
        (["connections", "change", "con_nothing"], "The connection does not exist"),
        (["settings", "change", "flags=1"], "on property flags"),
    ],
)
def test_what_is_refused_is_said_in_one_line(
    admin: CommandLine, arguments: list[str], reason: str
) -> None:
    said = admin.refused(*arguments)

    assert reason in said
    assert "\n" not in said


def test_who_types_nothing_removes_nothing(admin: CommandLine) -> None:
    client_id = new_client(admin)
    admin.told("users", "create", "user_id=ann")
    admin.told("apis", "create", REPORTS, "--scope", "read:reports")
    grant = admin.json("grants", "create", client_id, REPORTS, "read:reports")

    for arguments, named in (
        (["clients", "delete", client_id], "Bank"),
        (["clients", "rotate-secret", client_id], "Bank"),
        (["grants", "delete", grant["id"]], REPORTS),
        (["apis", "delete", REPORTS], REPORTS),
        (["users", "delete", "auth0|ann"], "auth0|ann"),
    ):
        asked = admin.run(*arguments)
        assert asked.exit_code == 1
        assert named in asked.stderr
        assert admin.run(*arguments, typed="n\n").exit_code == 1

    assert len(admin.json("clients", "list")) == 1
    assert admin.json("grants", "list") == [grant]
    assert admin.json("users", "show", "auth0|ann")["user_id"] == "auth0|ann"
    assert admin.run("users", "delete", "auth0|ann", typed="y\n").exit_code == 0
    assert admin.refused("users", "show", "auth0|ann") == "The user does not exist."


def test_a_list_is_followed_by_its_checkpoints(admin: CommandLine) -> None:
    """One page says where the next begins; all of them are one list, in one table."""
    created = sorted(new_client(admin, f"Bank {number}") for number in range(4))
    listed, after = [], ""

    while True:
        page = admin.run("clients", "list", "--take", "3", "--from", after)
        assert page.exit_code == 0
        listed += [row[0] for row in rows(page.stdout)[1:]]
        if not page.stderr:
            break
        [after] = re.findall(r"^there are more: --from (\S+), or --all$", page.stderr.strip())

    assert listed == created
    everything = admin.run("clients", "list", "--all")
    assert (rows(everything.stdout)[0][0], everything.stderr) == ("client id", "")
    assert [row[0] for row in rows(everything.stdout)[1:]] == created
    assert [it["client_id"] for it in admin.json("clients", "list", "--all")] == created


def test_apis_and_grants(admin: CommandLine) -> None:
    client_id = new_client(admin)
    api = admin.json(
        "apis", "create", REPORTS, "--scope", "read:reports", "name=Reports", "token_lifetime=60"
    )
    assert api["scopes"] == [{"value": "read:reports", "description": ""}]
    assert api["token_lifetime"] == 60
    assert {row[1] for row in rows(admin.told("apis", "list"))[1:]} == {REPORTS, MANAGEMENT}

    grant = admin.json("grants", "create", client_id, REPORTS, "read:reports")
    own = admin.json("grants", "create", client_id, MANAGEMENT, *MANAGEMENT_SCOPES)

    assert {it["id"] for it in admin.json("grants", "list")} == {grant["id"], own["id"]}
    assert admin.json("grants", "list", "--audience", REPORTS) == [grant]
    assert admin.json("grants", "list", "--client-id", "nobody") == []
    table = rows(admin.told("grants", "list", "--client-id", client_id, "--audience", REPORTS))
    assert table[1] == [grant["id"], client_id, REPORTS, "read:reports"]
    assert admin.told("grants", "delete", own["id"], "--yes") == f"{own['id']} is removed\n"
    # With an API go the grants for it, whichever way it is named.
    assert admin.told("apis", "delete", api["id"], "--yes") == f"{REPORTS} is removed\n"
    assert admin.json("grants", "list") == []


def test_a_user_is_named_by_the_id_or_the_e_mail_address(admin: CommandLine) -> None:
    ann = admin.json("users", "create", "email=ann@example.com", "user_id=ann", "name=Ann Smith")
    assert ann["user_id"] == "auth0|ann"

    assert admin.json("users", "show", "ann@example.com") == ann
    assert admin.told("users", "block", "ann@example.com") == "auth0|ann is blocked\n"
    assert admin.json("users", "show", "auth0|ann")["blocked"] is True
    assert rows(admin.told("users", "list"))[1][3] == "yes"
    assert admin.told("users", "unblock", "auth0|ann") == "auth0|ann is not blocked\n"
    changed = admin.json("users", "change", "auth0|ann", "phone_number=+4930123456", 'name="7"')
    assert (changed["phone_number"], changed["name"]) == ("+4930123456", "7")

    # Two of one address cannot be told apart by it.
    admin.told("users", "create", "email=ann@example.com")
    assert "2 users have this e-mail address" in admin.refused("users", "delete", "ann@example.com")
    assert admin.refused("users", "show", "bob@example.com") == (
        "there is no user with this e-mail address"
    )


def test_users_are_found(admin: CommandLine) -> None:
    for name, phone in (("Ann Smith", "+4930111111"), ("Ann Jones", "+4930222222")):
        email = f"{name.split()[1].lower()}@example.com"
        admin.told("users", "create", f"email={email}", f"name={name}", f"phone_number={phone}")

    for query, found in (
        ("smith@example.com", {"Ann Smith"}),
        ("+4930222222", {"Ann Jones"}),
        ('name:"Ann Smith"', {"Ann Smith"}),
        ("name:ann*", {"Ann Smith", "Ann Jones"}),
        ("bob@example.com", set()),
    ):
        assert {it["name"] for it in admin.json("users", "find", query)} == found
    assert rows(admin.told("users", "find", "smith@example.com"))[1][-1] == "Ann Smith"
    assert admin.told("users", "find", "bob@example.com") == "there are no users\n"
    assert "it needs a term" in admin.refused("users", "find", "blocked:true")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("ann@example.com", 'email:"ann@example.com"'),
        ("+4930123456", 'phone_number:"+4930123456"'),
        ("email:ann*", "email:ann*"),
        ("ann", "ann"),
    ],
)
def test_an_address_or_a_number_is_a_query_too(text: str, query: str) -> None:
    assert users.query_for(text) == query


def test_a_ticket_is_a_code_and_a_link(admin: CommandLine) -> None:
    """What hangs on the ticket is said beside it: how long it is good."""
    admin.told("users", "create", "user_id=ann")
    ticket = admin.json("tickets", "create", "auth0|ann")
    assert ticket["ticket_url"] == f"{ISSUER}mfa/enrollment?ticket={ticket['ticket_id']}"

    shown = admin.told("tickets", "create", "auth0|ann").splitlines()

    code = [line for line in shown if re.fullmatch("[ █▀▄]{20,}", line)]
    assert len({len(line) for line in code}) == 1
    assert len(code[0]) <= 2 * len(code) <= len(code[0]) + 1
    [link] = [line.split()[-1] for line in shown if line.startswith("link")]
    assert link.startswith(f"{ISSUER}authenticator#ticket=")
    assert shown[-1].startswith("Within 5 minutes open this link in the browser that is to become")
    assert "https" not in shown[-1]


def test_without_https_a_ticket_is_for_browsers_of_this_machine(url: str) -> None:
    environ = {"NOD_REDIS_URL": url, "NOD_SECRET_KEY": "k" * 32}
    start_once(environ)
    admin = CommandLine(environ)
    admin.told("users", "create", "user_id=ann")

    shown = admin.told("tickets", "create", "auth0|ann").splitlines()

    assert shown[-1].startswith("NOD_ISSUER is not https: browsers of this machine can enrol")


def test_settings_are_shown_and_changed(admin: CommandLine) -> None:
    before = admin.json("settings", "show")

    after = admin.json(
        "settings",
        "change",
        "flags.enable_dynamic_client_registration=true",
        "dynamic_client_registration_access=token",
    )

    assert admin.json("settings", "show") == after
    assert after["flags"]["enable_dynamic_client_registration"] is True
    assert after["dynamic_client_registration_access"] == "token"
    same = {"flags", "dynamic_client_registration_access"} ^ before.keys()
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert "flags.enable_dynamic_client_registration   yes" in admin.told("settings", "show")


def test_a_connection_is_opened_to_third_parties(admin: CommandLine) -> None:
    [connection] = admin.json("connections", "list")

    changed = admin.json("connections", "change", connection["id"], "is_domain_connection=true")

    assert changed == connection | {"is_domain_connection": True}
    assert rows(admin.told("connections", "list"))[1][2] == "yes"


def test_an_initial_access_token_is_made_and_withdrawn(admin: CommandLine) -> None:
    created = admin.json("initial-access-tokens", "create", "--uses", "2")
    [listed] = admin.json("initial-access-tokens", "list")
    assert listed["id"] == created["id"]
    assert set(created) - set(listed)  # the token itself is shown once

    assert admin.told("initial-access-tokens", "delete", created["id"], "--yes")

    assert admin.told("initial-access-tokens", "list") == "there are no initial access tokens\n"


def test_a_body_may_come_from_a_file(admin: CommandLine, tmp_path: Path) -> None:
    """What the command says counts more."""
    file = tmp_path / "client.json"
    file.write_text(json.dumps({"name": "Other", "description": "From a file"}))

    client = admin.json("clients", "create", "Bank", "--body", str(file))

    assert (client["name"], client["description"]) == ("Bank", "From a file")
    piped = admin.run("users", "create", "--body", "-", "--json", typed='{"user_id":"ann"}')
    assert json.loads(piped.stdout)["user_id"] == "auth0|ann"


def test_a_change_is_in_the_audit_trail_as_the_command_lines(admin: CommandLine, url: str) -> None:
    client_id = new_client(admin)

    with redis.Redis.from_url(url) as client:
        entries = client.xrange(keys.EVENTS)

    [event] = [
        said
        for _, fields in entries
        if (said := json.loads(fields[b"e"]))["client_id"] == operator.CLIENT_ID
    ]
    assert event["subject"] == {"client_id": client_id}
    assert event["request"] == {"method": "POST", "path": "/api/v2/clients"}
    assert event["description"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["clients", "list"],
        ["grants", "list"],
        ["apis", "list"],
        ["users", "list"],
        ["users", "find", "ann@example.com"],
        ["consents", "list"],
        ["connections", "list"],
        ["initial-access-tokens", "list"],
    ],
)
def test_every_list_is_an_array_for_programs(admin: CommandLine, arguments: list[str]) -> None:
    assert isinstance(admin.json(*arguments), list)
    assert isinstance(admin.told(*arguments), str)


def test_every_command_says_what_it_is_and_shows_how_it_is_used(admin: CommandLine) -> None:
    """Examples stand as they are typed."""
    for group in ("clients", "grants", "apis", "users", "tickets", "settings", "connections"):
        verb = "change" if group in {"settings", "connections"} else "create"
        page = admin.told(group, verb, "--help")
        assert re.search(rf"^ +scripts/admin {group} {verb} .*$", page, re.MULTILINE), page
        assert group in admin.told("--help")
