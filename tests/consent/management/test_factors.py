"""Factors as bodies and as shown; what comes over HTTP is in tests/api/management/test_factors."""

from pathlib import Path

import pytest

from consent.errors import ManagementError
from consent.management.factors import (
    FACTORS,
    apns_of_settings_shown,
    apns_provider,
    apns_shown,
    check_provider_choice,
    factor_change,
    factors_shown,
    fcm_of_settings_shown,
    fcm_provider,
)
from consent.outbound.address import ForbiddenUrl
from consent.push_providers import (
    APNS_SANDBOX_URL,
    PUSH,
    ApnsKey,
    ApnsProvider,
    FactorRecord,
)
from consent.settings import Settings

STORED = ApnsProvider(
    bundle_id="org.example.nod", sandbox=True, credentials=ApnsKey("pem", "KEY4567890", "T")
)


def refused(error: pytest.ExceptionInfo[ManagementError]) -> tuple[int, str]:
    return error.value.status, error.value.error


def test_the_one_factor_that_works_is_the_first() -> None:
    assert FACTORS[0] == PUSH
    on = [shown["name"] for shown in factors_shown({}) if shown["enabled"]]
    assert on == [PUSH]
    off = factors_shown({PUSH: FactorRecord(enabled=False)})
    assert not [shown for shown in off if shown["enabled"]]


@pytest.mark.parametrize("name", FACTORS[1:])
def test_no_other_factor_is_turned_on(name: str) -> None:
    assert factor_change(name, {"enabled": False}) is False
    with pytest.raises(ManagementError) as error:
        factor_change(name, {"enabled": True})
    assert refused(error) == (400, "not_supported")


@pytest.mark.parametrize("provider", ["guardian", "sns"])
def test_services_between_us_and_the_phone_are_not_supported(provider: str) -> None:
    check_provider_choice({"provider": "direct"})
    with pytest.raises(ManagementError) as error:
        check_provider_choice({"provider": provider})
    assert refused(error) == (400, "not_supported")


def test_a_change_is_merged_into_what_is_stored() -> None:
    changed = apns_provider({"sandbox": False}, stored=STORED, now=0)
    assert changed == ApnsProvider(
        bundle_id=STORED.bundle_id, sandbox=False, credentials=STORED.credentials
    )
    assert apns_provider({"sandbox": None}, stored=STORED, now=0) == STORED
    with pytest.raises(ManagementError) as error:
        apns_provider({"sandbox": False}, stored=None, now=0)
    assert refused(error) == (400, "invalid_body")


def test_a_key_id_alone_is_half_of_new_credentials() -> None:
    with pytest.raises(ManagementError, match="p8") as error:
        apns_provider({"key_id": "ABCDE12345"}, stored=STORED, now=0)
    assert refused(error) == (400, "invalid_body")


def test_a_service_account_is_refused_before_its_token_uri_is_judged() -> None:
    def check(_url: str) -> None:
        raise ForbiddenUrl("has been judged")

    with pytest.raises(ManagementError) as error:
        fcm_provider({"server_credentials": "{}"}, check_token_uri=check)
    assert "judged" not in error.value.description


def test_what_is_shown_holds_no_credentials() -> None:
    assert apns_shown(STORED) == {
        "bundle_id": "org.example.nod",
        "sandbox": True,
        "enabled": True,
    }


def test_while_nothing_is_stored_the_settings_count() -> None:
    assert apns_of_settings_shown(Settings())["enabled"] is False
    assert fcm_of_settings_shown(Settings())["enabled"] is False
    key = Settings(apns_key_file=Path("k.p8"), apns_topic="org.example.app")
    assert apns_of_settings_shown(key) == {
        "bundle_id": "org.example.app",
        "sandbox": False,
        "enabled": True,
    }
    sandbox = Settings(apns_key_file=Path("k.p8"), apns_base_url=APNS_SANDBOX_URL)
    assert apns_of_settings_shown(sandbox)["sandbox"] is True
    assert fcm_of_settings_shown(Settings(fcm_credentials_file=Path("f.json"))) == {
        "project_id": None,
        "enabled": True,
    }
