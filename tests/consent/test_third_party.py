"""What clients may use that are not the tenant's own (auth0-wire 4)."""

import pytest

from consent.access import THIRD_PARTY_CLIENTS, ClientGrant, client_grant_id
from consent.client import CIBA_GRANT, CLIENT_CREDENTIALS_GRANT, REFRESH_TOKEN_GRANT, Registration
from consent.tenant import SecurityMode, Tenant
from consent.third_party import (
    client_grant_ids,
    is_third_party,
    may_use_audience,
    may_use_grant,
    own_grant,
)
from tests.support.domain import CLIENT_ID, ISSUER, a_client

OWN = a_client()
REGISTERED = a_client(registration=Registration(issued_at=1))
CALLED_SO = a_client(is_first_party=False)
AUDIENCE = "https://api.example/"
MANAGEMENT = f"{ISSUER}api/v2/"


def tenant(mode: SecurityMode) -> Tenant:
    return Tenant(dynamic_client_registration_security_mode=mode)


def test_a_third_party_registered_itself_or_is_called_one() -> None:
    assert not is_third_party(OWN)
    assert is_third_party(REGISTERED)
    assert is_third_party(CALLED_SO)


@pytest.mark.parametrize("client", [REGISTERED, CALLED_SO])
@pytest.mark.parametrize(
    ("mode", "grant_type", "allowed"),
    [
        ("strict", "authorization_code", True),
        ("strict", REFRESH_TOKEN_GRANT, True),
        ("strict", CIBA_GRANT, False),
        ("strict", CLIENT_CREDENTIALS_GRANT, False),
        ("strict", "implicit", False),
        ("permissive", "authorization_code", True),
        ("permissive", REFRESH_TOKEN_GRANT, True),
        ("permissive", CIBA_GRANT, True),
        ("permissive", CLIENT_CREDENTIALS_GRANT, True),
        ("permissive", "implicit", False),
        ("permissive", "password", False),
    ],
)
def test_the_mode_of_the_tenant_rules_what_a_third_party_uses(
    client: object, mode: SecurityMode, grant_type: str, *, allowed: bool
) -> None:
    assert may_use_grant(client, tenant(mode), grant_type) is allowed  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["strict", "permissive"])
def test_of_the_tenants_own_nothing_is_asked(mode: SecurityMode) -> None:
    for grant_type in (CIBA_GRANT, CLIENT_CREDENTIALS_GRANT, "implicit"):
        assert may_use_grant(OWN, tenant(mode), grant_type)


def test_the_management_api_is_never_a_third_partys() -> None:
    assert may_use_audience(OWN, MANAGEMENT, ISSUER)
    assert may_use_audience(REGISTERED, AUDIENCE, ISSUER)
    assert not may_use_audience(REGISTERED, MANAGEMENT, ISSUER)
    assert not may_use_audience(CALLED_SO, MANAGEMENT, ISSUER)


def test_a_third_party_falls_back_to_the_default_grant() -> None:
    own = client_grant_id(CLIENT_ID, AUDIENCE)
    default = client_grant_id(THIRD_PARTY_CLIENTS, AUDIENCE)

    assert client_grant_ids(OWN, AUDIENCE) == (own,)
    assert client_grant_ids(REGISTERED, AUDIENCE) == (own, default)


def test_the_grant_is_the_first_that_is_for_the_client_itself() -> None:
    own = ClientGrant(id="1", client_id=CLIENT_ID, audience=AUDIENCE, scope=["a"])
    default = ClientGrant(
        id="2", client_id="", audience=AUDIENCE, scope=["b"], default_for="third_party_clients"
    )
    for_people = ClientGrant(
        id="3", client_id=CLIENT_ID, audience=AUDIENCE, scope=["c"], subject_type="user"
    )
    elsewhere = ClientGrant(id="4", client_id=CLIENT_ID, audience=MANAGEMENT, scope=["d"])

    assert own_grant([own, default], AUDIENCE) == own
    assert own_grant([None, default], AUDIENCE) == default
    assert own_grant([for_people, default], AUDIENCE) == default
    assert own_grant([for_people, elsewhere, None], AUDIENCE) is None
    assert own_grant([], AUDIENCE) is None
