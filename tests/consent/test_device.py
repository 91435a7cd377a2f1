"""What a phone sends to enrol and to change, field by field (auth0-wire 2.3, 2.6)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import device
from consent.errors import DeviceError
from consent.push import Address, AddressKind
from scripts.simulated_phone import Style
from tests.support.domain import a_phone, assert_says_nothing

NOW_MS = 1_790_000_000_123


def a_body(style: Style = "ec", **changes: object) -> dict[str, Any]:
    phone = a_phone(style)
    return {
        "identifier": "8D1E",
        "name": "Aiko\u2019s phone",
        "push_credentials": {"service": phone.push_service, "token": "f00d"},
        "public_key": phone.public_jwk(),
        **changes,
    }


def credentials(service: object, token: object) -> dict[str, Any]:
    return {"push_credentials": {"service": service, "token": token}}


def refused(body: dict[str, Any]) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        device.enrollment(body, NOW_MS)
    assert (caught.value.status, caught.value.error) == (400, "invalid_body")
    assert_says_nothing(caught.value)
    return caught.value


@pytest.mark.parametrize("style", ["ios", "android", "ec"])
def test_what_the_sdks_send_is_an_enrollment(style: Style) -> None:
    enrollment = device.enrollment(a_body(style), NOW_MS)

    assert (enrollment.identifier, enrollment.name) == ("8D1E", "Aiko\u2019s phone")
    assert enrollment.address.registered_at_ms == NOW_MS
    assert enrollment.key.algorithm == ("ES256" if style == "ec" else "RS256")


@pytest.mark.parametrize(
    ("service", "kind"),
    [("APNS", "apns"), ("GCM", "fcm_token"), ("FCM", "fcm_token"), ("FID", "fcm_fid")],
)
def test_a_service_is_a_kind_of_address(service: str, kind: str) -> None:
    enrollment = device.enrollment(a_body(**credentials(service, "f00d")), NOW_MS)

    assert (enrollment.service, enrollment.address.kind) == (service, kind)


BAD_TEXTS: list[object] = ["", "x" * 256, None, 5, [], {}, "a\nb", "a\0b", "\u202e", "\x1b[31m"]


@pytest.mark.parametrize("name", ["identifier", "name"])
@pytest.mark.parametrize("text", BAD_TEXTS)
def test_a_text_that_cannot_be_shown_is_refused(name: str, text: object) -> None:
    """T25, T30: log and screen alike."""
    assert name in refused(a_body() | {name: text}).description


@pytest.mark.parametrize(
    "credentials",
    [
        {"push_credentials": None},
        {"push_credentials": []},
        {"push_credentials": {}},
        credentials("SMS", "f00d"),
        credentials(["APNS"], "f00d"),
        credentials("APNS", ""),
        credentials("APNS", None),
        credentials("APNS", "a" * 4_097),
        credentials("APNS", "../../v1/projects"),
        credentials("APNS", "f00d\n"),
        credentials("GCM", "a/b"),
        credentials("GCM", "a\u00e9"),
        credentials("FID", "a:b"),
    ],
)
def test_an_address_no_provider_gave_is_refused(credentials: dict[str, Any]) -> None:
    """It becomes a part of a provider's URL: no slash, no control character (T26)."""
    assert "push_credentials" in refused(a_body(**credentials)).description


@pytest.mark.parametrize("jwk", [None, {}, a_phone().public_jwk() | {"d": "AQAB"}])
def test_an_unusable_key_is_refused(jwk: object) -> None:
    assert "public_key" in refused(a_body(public_key=jwk)).description


@pytest.mark.parametrize("missing", ["identifier", "name", "push_credentials", "public_key"])
def test_nothing_may_be_missing(missing: str) -> None:
    body = a_body()
    del body[missing]

    refused(body)


def test_a_change_is_of_what_is_named_alone() -> None:
    """auth0-wire 2.6."""
    assert device.change({}, NOW_MS) == device.Change(None, None, None, None)
    assert device.change({"name": "New", "other": 1}, NOW_MS).name == "New"
    assert device.change({"identifier": "9E"}, NOW_MS).identifier == "9E"
    moved = device.change(credentials("GCM", "t"), NOW_MS)
    assert (moved.service, moved.address) == ("GCM", Address("fcm_token", "t", NOW_MS))


@pytest.mark.parametrize(
    "body", [{"name": None}, {"identifier": ""}, {"push_credentials": None}, {"name": "a\0"}]
)
def test_a_change_is_held_to_the_same_rules(body: dict[str, object]) -> None:
    with pytest.raises(DeviceError):
        device.change(body, NOW_MS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["identifier", "name", "push_credentials", "public_key"])


@given(st.dictionaries(NAMES, JSON), st.sampled_from([{}, a_body()]))
def test_a_random_body_is_refused_or_read(changes: dict[str, Any], body: dict[str, Any]) -> None:
    for read in (device.enrollment, device.change):
        try:
            read(body | changes, NOW_MS)
        except DeviceError as refusal:
            assert_says_nothing(refusal)


@given(
    st.sampled_from(["apns", "fcm_token", "fcm_fid"]),
    st.text("0123456789abcdefABCDEF:._~-", min_size=1),
    st.integers(0, 2**53),
)
def test_an_address_survives_its_stored_form(kind: AddressKind, value: str, at_ms: int) -> None:
    """And ends with its name, by which a script tells that two devices have the same."""
    address = Address(kind, value, at_ms)

    stored, name = device.address_name(address)

    assert device.address_of(stored) == address
    assert stored.endswith(b" " + name)


def test_the_date_is_no_part_of_an_addresss_name() -> None:
    later = device.address_name(Address("apns", "f00d", 2))

    assert device.address_name(Address("apns", "f00d", 1))[1] == later[1]
