"""The settings of the tenant: the body that changes them, and how they are shown (3.1)."""

import msgspec

from consent.errors import ManagementError
from consent.management.payload import Text, check_no_markup, invalid_body, payload
from consent.tenant import Flags, RegistrationAccess, SecurityMode, Tenant


class TenantSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The body of PATCH /tenants/settings, what is not named being as it was."""

    friendly_name: Text = ""
    default_audience: Text = ""
    flags: Flags = Flags()
    dynamic_client_registration_security_mode: SecurityMode = "strict"
    dynamic_client_registration_access: RegistrationAccess = "open"
    number_matching: bool = False
    mailbox_approval: bool = False


def changed_tenant(stored: Tenant, body: dict[str, object]) -> Tenant:
    """
    What is not named stays, of `flags` each by itself; null takes it back to what it was at the
    first start. Raises ManagementError invalid_body.
    """
    former: dict[str, object] = msgspec.to_builtins(stored)
    merged = former | body
    given = body.get("flags")
    if isinstance(given, dict):
        flags = msgspec.to_builtins(stored.flags) | given
        merged["flags"] = {name: value for name, value in flags.items() if value is not None}
    wanted = payload(merged, TenantSettings)
    check_no_markup("friendly_name", wanted.friendly_name)
    return Tenant(**{name: getattr(wanted, name) for name in TenantSettings.__struct_fields__})


def tenant_shown(tenant: Tenant) -> dict[str, object]:
    shown: dict[str, object] = msgspec.to_builtins(tenant)
    return shown


def unknown_audience() -> ManagementError:
    return invalid_body("'Not the identifier of a resource server' on property default_audience.")
