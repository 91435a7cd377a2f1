"""Connections as they are made and changed."""

import pytest

from consent.errors import ManagementError
from consent.management.connections import changed_connection, connection_shown, new_connection
from consent.tenant import connection_id

MADE = new_connection({"name": "staff"}, creation="x")


def test_a_connection_is_no_domain_connection_until_it_is_promoted() -> None:
    """auth0-wire 3.1."""
    assert connection_shown(MADE) == {
        "id": connection_id("staff"),
        "name": "staff",
        "strategy": "auth0",
        "display_name": "",
        "is_domain_connection": False,
        "metadata": {},
    }
    promoted = changed_connection(MADE, {"is_domain_connection": True})
    assert promoted.is_domain_connection
    assert changed_connection(promoted, {"display_name": "Staff"}).is_domain_connection
    assert not changed_connection(promoted, {"is_domain_connection": None}).is_domain_connection


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "-a"}, "name"),
        ({"name": "a" * 129}, "name"),
        ({"name": "a\n"}, "name"),
        ({"name": "a", "strategy": "google-oauth2"}, "strategy"),
        ({"name": "a", "is_domain_connection": "yes"}, "is_domain_connection"),
        ({"name": "a", "display_name": "<b>"}, "display_name"),
        ({"name": "a", "metadata": {"a": "\u202e"}}, "metadata"),
        ({"name": "a", "metadata": {str(n): "" for n in range(11)}}, "metadata"),
    ],
)
def test_a_connection_that_cannot_be_is_refused(body: dict[str, object], member: str) -> None:
    with pytest.raises(ManagementError, match=f"property {member}") as refused:
        new_connection(body, creation="x")
    assert refused.value.error == "invalid_body"


def test_a_connection_keeps_its_name() -> None:
    assert changed_connection(MADE, {"name": "staff"}) == MADE
    with pytest.raises(ManagementError, match="Cannot be changed"):
        changed_connection(MADE, {"name": "other"})
