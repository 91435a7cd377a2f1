"""What a token may be for: audiences, and the scopes a person or a client may be given."""

import pytest

from consent import access
from consent.access import ClientGrant, ResourceServer, Scope
from consent.errors import AccessForbidden, InvalidScope
from tests.support.domain import ISSUER, assert_says_nothing

API = ResourceServer(
    id="rs1", identifier="https://api.example/", scopes=[Scope("pay"), Scope("read:balance")]
)
GRANT = ClientGrant(id="cgr_1", client_id="bank", audience=API.identifier, scope=["pay", "read"])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        ("openid", ["openid"]),
        ("openid email", ["openid", "email"]),
        ("email openid", ["email", "openid"]),
        ("openid openid", ["openid"]),
    ],
)
def test_a_scope_is_its_values_each_once(text: str, values: list[str]) -> None:
    """RFC 6749 3.3, A022."""
    assert access.scope_values(text) == values


@pytest.mark.parametrize("requested", [["openid"], ["pay", "openid"], list(access.OIDC_SCOPES)])
def test_a_person_is_asked_for_oidc_scopes_and_those_of_the_audience(requested: list[str]) -> None:
    """A021, A022: in the order requested."""
    assert access.personal_scopes(requested, API) == requested


@pytest.mark.parametrize(
    ("requested", "resource_server"),
    [
        (["openid", "pay"], None),
        (["openid", "Pay"], API),
        (["openid", ""], API),
        (["openid", "create:clients"], API),
    ],
)
def test_any_other_scope_is_invalid(
    requested: list[str], resource_server: ResourceServer | None
) -> None:
    with pytest.raises(InvalidScope) as refused:
        access.personal_scopes(requested, resource_server)

    assert_says_nothing(refused.value, *filter(None, requested[1:]))


def test_a_client_gets_the_scopes_of_its_grant_or_fewer() -> None:
    """T40."""
    assert access.own_scopes([], GRANT) == ["pay", "read"]
    assert access.own_scopes(["read"], GRANT) == ["read"]
    with pytest.raises(InvalidScope):
        access.own_scopes(["read", "write"], GRANT)


def test_a_client_without_a_grant_is_refused_as_auth0_refuses_it() -> None:
    """auth0-wire 3.6: 403 access_denied."""
    with pytest.raises(AccessForbidden) as refused:
        access.own_scopes(["read"], None)

    assert (refused.value.status, refused.value.error) == (403, "access_denied")
    assert_says_nothing(refused.value)


@pytest.mark.parametrize("text", [None, "", "None", "null"])
def test_the_ways_client_libraries_name_no_audience(text: str | None) -> None:
    """auth0-wire 0, rule 4."""
    assert access.requested_audience(text) is None


def test_an_audience_is_taken_as_it_is() -> None:
    assert access.requested_audience("https://api.example/") == "https://api.example/"


def test_the_management_api_is_a_resource_server_with_every_management_scope() -> None:
    api = access.management_api(ISSUER)

    assert api.identifier == "https://nod.example/api/v2/"
    assert api.is_system
    assert {scope.value for scope in api.scopes} == set(access.MANAGEMENT_SCOPES)
    assert api.id == access.resource_server_id(api.identifier)


def test_management_scopes_name_an_act_and_a_kind_of_thing() -> None:
    """auth0-wire 3: the names administrators' tools ask for."""
    scopes = access.MANAGEMENT_SCOPES

    assert {
        "create:clients",
        "update:client_keys",
        "create:client_grants",
        "read:users",
        "create:guardian_enrollment_tickets",
        "delete:guardian_enrollments",
        "read:consents",
    } <= set(scopes)
    assert len(scopes) == len(set(scopes))
    assert not set(scopes) & set(access.OIDC_SCOPES)


def test_a_client_has_one_grant_for_an_audience() -> None:
    """Its id follows from the pair, whose halves cannot be shifted."""
    grant_id = access.client_grant_id("bank", API.identifier)

    assert grant_id == access.client_grant_id("bank", API.identifier)
    assert grant_id.startswith("cgr_")
    assert grant_id != access.client_grant_id("bank2", API.identifier)
