"""From an empty installation to a signed answer, with nothing but the command line and a phone."""

import pytest

from scripts.simulated_phone import SimulatedPhone
from tests.support.command_line import CommandLine
from tests.support.nod import Nod, OAuthClient


@pytest.fixture
def admin(nod: Nod) -> CommandLine:
    return CommandLine({name: it for name, it in nod.environ.items() if name[:4] == "NOD_"})


def new_client(admin: CommandLine) -> OAuthClient:
    client = admin.json("clients", "create", "Bank", "--grant-type", "ciba")
    return OAuthClient(client["client_id"], client["client_secret"])


def new_user(admin: CommandLine, name: str) -> str:
    user = admin.json("users", "create", f"email={name}@flow.example")
    return str(user["user_id"])


def new_phone(admin: CommandLine, nod: Nod, user_id: str) -> SimulatedPhone:
    """Enrolled with what the code of the terminal says."""
    ticket = admin.json("tickets", "create", user_id)
    phone = SimulatedPhone(nod.http, nod.url, style="ec")
    phone.enroll(ticket["enrollment_uri"])
    return phone


def test_an_operator_lets_a_client_ask_a_person(nod: Nod, admin: CommandLine) -> None:
    client, user_id = new_client(admin), new_user(admin, "aiko")
    phone = new_phone(admin, nod, user_id)
    auth_req_id = nod.accepted(client, user_id)
    [asked] = admin.json("consents", "list", "--user", user_id)
    assert (asked["state"], asked["client_id"]) == ("pending", client.client_id)

    phone.resolve(nod.notified(phone), accept=True)

    answer = nod.poll(client, auth_req_id)
    assert answer.status_code == 200, answer.text
    shown = admin.json("consents", "show", asked["id"])
    assert (shown["state"], shown["user_id"]) == ("redeemed", user_id)
    page = admin.told("consents", "show", asked["id"])
    assert "decided_at" in page
    assert "\nattempts\nat " in page
    assert admin.json("consents", "list", "--client-id", client.client_id) == [shown]
    assert admin.json("consents", "list", "--user", user_id, "--state", "pending") == []
    assert "not pending any more" in admin.refused("consents", "cancel", asked["id"], "--yes")


def test_an_operator_ends_what_nobody_has_answered(nod: Nod, admin: CommandLine) -> None:
    client, user_id = new_client(admin), new_user(admin, "bruno")
    phone = new_phone(admin, nod, user_id)
    auth_req_id = nod.accepted(client, user_id)
    [asked] = admin.json("consents", "list", "--user", user_id)
    assert admin.run("consents", "cancel", asked["id"]).exit_code == 1  # nothing typed

    told = admin.told("consents", "cancel", asked["id"], "--yes")

    assert told == f"{asked['id']} is cancelled\n"
    assert nod.poll(client, auth_req_id).json()["error"] == "access_denied"
    assert phone.pending() == []
    assert admin.json("consents", "show", asked["id"])["state"] == "cancelled"


def test_an_operator_removes_a_lost_phone(nod: Nod, admin: CommandLine) -> None:
    user_id = new_user(admin, "chiara")
    assert admin.told("enrolments", "list", user_id) == "this user has no phone yet\n"
    new_phone(admin, nod, user_id)
    new_phone(admin, nod, user_id)
    lost, kept = admin.json("enrolments", "list", "chiara@flow.example")
    assert lost["id"] in admin.told("enrolments", "list", user_id)

    asked = admin.run("enrolments", "delete", lost["id"])
    assert (asked.exit_code, lost["enrolled_at"] in asked.stderr) == (1, True)
    assert admin.told("enrolments", "delete", lost["id"], "--yes") == f"{lost['id']} is removed\n"

    assert admin.json("enrolments", "list", user_id) == [kept]
    assert admin.refused("enrolments", "delete", lost["id"], "--yes") == "Enrollment not found"
