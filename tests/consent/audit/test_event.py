"""What an audit event says beside what a script knows."""

import json

from consent.audit.event import Act, system_act


def test_an_event_says_who_did_what_from_where_to_what() -> None:
    act = Act("Update a client", "admin", "192.0.2.1", "curl/8", "PATCH", "/api/v2/clients/c")

    assert json.loads(act.event(client_id="c")) == {
        "description": "Update a client",
        "client_id": "admin",
        "ip": "192.0.2.1",
        "user_agent": "curl/8",
        "request": {"method": "PATCH", "path": "/api/v2/clients/c"},
        "subject": {"client_id": "c"},
    }


def test_a_user_agent_is_kept_in_part() -> None:
    said = json.loads(Act("x", user_agent="u" * 10_000).event())

    assert len(said["user_agent"]) == 255


def test_what_the_server_does_by_itself_has_no_request() -> None:
    said = json.loads(system_act("Add a signing key").event())

    assert (said["client_id"], said["description"]) == ("nod", "Add a signing key")
    assert "request" not in said
