"""What a tenant is at its first start, and how connections are named."""

from consent.tenant import Tenant, connection_id


def test_nobody_registers_themselves_until_an_administrator_says_so() -> None:
    """T19."""
    tenant = Tenant()

    assert not tenant.flags.enable_dynamic_client_registration
    assert not tenant.flags.enable_dynamic_client_management
    assert tenant.dynamic_client_registration_security_mode == "strict"


def test_the_id_of_a_connection_follows_from_its_name() -> None:
    assert connection_id("users") == connection_id("users") != connection_id("Users")
    assert connection_id("users").startswith("con_")
