"""The settings of the tenant as they are changed."""

import pytest

from consent.errors import ManagementError
from consent.management.tenant_settings import changed_tenant, tenant_shown
from consent.tenant import Flags, Tenant

ON: dict[str, object] = {"flags": {"enable_dynamic_client_registration": True}}


def test_what_a_change_does_not_name_stays() -> None:
    """auth0-wire 3.1: of the flags, too, each is changed by itself."""
    tenant = changed_tenant(Tenant(friendly_name="Bank"), ON)
    assert tenant == Tenant(
        friendly_name="Bank", flags=Flags(enable_dynamic_client_registration=True)
    )

    both = changed_tenant(tenant, {"flags": {"enable_dynamic_client_management": True}})
    assert both.flags == Flags(
        enable_dynamic_client_registration=True, enable_dynamic_client_management=True
    )
    assert changed_tenant(both, {"flags": {"enable_dynamic_client_registration": None}}).flags == (
        Flags(enable_dynamic_client_management=True)
    )
    assert changed_tenant(both, {"flags": None}).flags == Flags()


def test_members_nobody_knows_change_nothing() -> None:
    assert changed_tenant(Tenant(), {"enable_pipeline2": True, "flags": {"x": 1}}) == Tenant()


def test_the_settings_are_shown_whole() -> None:
    assert tenant_shown(Tenant()) == {
        "friendly_name": "",
        "default_audience": "",
        "flags": {
            "enable_dynamic_client_registration": False,
            "enable_dynamic_client_management": False,
        },
        "dynamic_client_registration_security_mode": "strict",
        "dynamic_client_registration_access": "open",
        "number_matching": False,
        "mailbox_approval": False,
    }


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({"flags": 1}, "flags"),
        ({"flags": {"enable_dynamic_client_registration": "true"}}, "flags"),
        ({"dynamic_client_registration_security_mode": "lax"}, "security_mode"),
        ({"dynamic_client_registration_access": "closed"}, "access"),
        ({"friendly_name": "<b>"}, "friendly_name"),
        ({"friendly_name": "a\u202eb"}, "friendly_name"),
        ({"friendly_name": "x" * 256}, "friendly_name"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(body: dict[str, object], member: str) -> None:
    with pytest.raises(ManagementError, match=member) as refused:
        changed_tenant(Tenant(), body)
    assert refused.value.error == "invalid_body"
