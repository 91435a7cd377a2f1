"""Who may grant what."""

import pytest

from consent.access import client_grant_id, management_api
from consent.errors import ManagementError
from consent.management.client_grants import (
    check_grantable,
    check_held,
    client_grant_shown,
    new_client_grant,
)
from consent.management.resource_servers import new_resource_server

BODY: dict[str, object] = {"client_id": "c", "audience": "a", "scope": ["read:users"]}
API = new_resource_server({"identifier": "a", "scopes": [{"value": "read:users"}]}, creation="")


def test_a_grant_is_named_by_its_client_and_audience() -> None:
    grant = new_client_grant(BODY, creation="x")

    assert grant.id == client_grant_id("c", "a")
    assert client_grant_shown(grant) == BODY | {"id": grant.id, "subject_type": "client"}


def test_a_scope_of_ones_own_api_is_granted_without_holding_it() -> None:
    check_grantable(new_client_grant(BODY, creation="x"), API, frozenset())


def test_a_management_scope_is_granted_by_its_holders_only() -> None:
    """T33."""
    grant = new_client_grant(BODY, creation="x")
    management = management_api("https://nod/")

    check_grantable(grant, management, frozenset({"read:users"}))
    with pytest.raises(ManagementError) as refused:
        check_grantable(grant, management, frozenset({"create:users"}))
    assert (refused.value.status, refused.value.error) == (403, "insufficient_scope")


def test_a_client_without_power_can_be_taken_over_by_anybody() -> None:
    check_held(None, frozenset())


def test_a_scope_nobody_defined_is_not_granted() -> None:
    grant = new_client_grant(BODY | {"scope": ["fly"]}, creation="x")
    with pytest.raises(ManagementError, match="Not defined by the resource server"):
        check_grantable(grant, API, frozenset({"fly"}))
