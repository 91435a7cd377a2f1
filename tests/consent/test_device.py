"""What a phone sends to enrol and to change, field by field (auth0-wire 2.3, 2.6)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import device
from consent.errors import DeviceError
from consent.outbound.address import checked_url
from consent.push import Address, AddressKind
from scripts.doubles.web_push_browser import Browser
from scripts.simulated_phone import Style
from tests.support.domain import a_phone, assert_says_nothing

NOW_MS = 1_790_000_000_123
THUMBPRINT = "t" * 43
SUBSCRIPTION = {"endpoint": "https://push.example.com/a", "keys": Browser().keys}


def check_url(url: str) -> None:
    checked_url(url, allowed_networks=(), ports={443})


def enrollment(body: dict[str, Any]) -> device.Enrollment:
    return device.enrollment(body, NOW_MS, check_url=check_url)


def change(body: dict[str, Any]) -> device.Change:
    return device.change(body, NOW_MS, thumbprint=THUMBPRINT, check_url=check_url)


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
        enrollment(body)
    assert (caught.value.status, caught.value.error) == (400, "invalid_body")
    assert_says_nothing(caught.value)
    return caught.value


@pytest.mark.parametrize("style", ["ios", "android", "ec"])
def test_what_the_sdks_send_is_an_enrollment(style: Style) -> None:
    read = enrollment(a_body(style))

    assert (read.identifier, read.name) == ("8D1E", "Aiko\u2019s phone")
    assert read.address.registered_at_ms == NOW_MS
    assert read.capabilities == []
    assert read.key.algorithm == ("ES256" if style == "ec" else "RS256")


@pytest.mark.parametrize(
    ("service", "kind"),
    [("APNS", "apns"), ("GCM", "fcm_token"), ("FCM", "fcm_token"), ("FID", "fcm_fid")],
)
def test_a_service_is_a_kind_of_address(service: str, kind: str) -> None:
    sent = credentials(service, "f00d")
    read = enrollment(a_body(**sent))

    assert (read.service, read.address.kind) == (service, kind)
    assert device.credentials_shown(read.service, read.address) == sent["push_credentials"]


def test_a_browser_is_rung_at_its_subscription() -> None:
    sent = {"service": "WEBPUSH", **SUBSCRIPTION}
    read = enrollment(a_body(push_credentials=sent | {"expirationTime": None}))

    assert (read.service, read.address.kind) == ("WEBPUSH", "webpush")
    assert device.credentials_shown(read.service, read.address) == sent


def test_a_browser_that_cannot_be_rung_has_its_keys_thumbprint_for_an_address() -> None:
    read = enrollment(a_body(push_credentials={"service": "NONE", "token": "ignored"}))

    assert (read.service, read.address) == ("NONE", Address("pull", read.key.thumbprint, NOW_MS))
    assert device.credentials_shown(read.service, read.address) == {"service": "NONE"}


@pytest.mark.parametrize(
    ("sent", "known"),
    [
        ([], []),
        (["number_matching"], ["number_matching"]),
        (["consent_digest", "number_matching"], ["number_matching", "consent_digest"]),
        (["consent_digest", "consent_digest", "holograms", ""], ["consent_digest"]),
    ],
)
def test_a_capability_that_nobody_knows_is_ignored(sent: list[str], known: list[str]) -> None:
    """T44."""
    assert enrollment(a_body(capabilities=sent)).capabilities == known


@pytest.mark.parametrize(
    "sent", [None, "number_matching", {}, 5, [1], [None], [["consent_digest"]]]
)
def test_capabilities_are_a_list_of_texts(sent: object) -> None:
    assert "capabilities" in refused(a_body(capabilities=sent)).description


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
        credentials("webpush", "f00d"),
        credentials("WEBPUSH", "f00d"),
        {"push_credentials": {"service": "WEBPUSH", **SUBSCRIPTION, "keys": {}}},
        {
            "push_credentials": {
                "service": "WEBPUSH",
                **SUBSCRIPTION,
                "endpoint": "https://10.0.0.1/",
            }
        },
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
    assert change({}) == device.Change(None, None, None, None)
    assert change({"name": "New", "other": 1}).name == "New"
    assert change({"identifier": "9E"}).identifier == "9E"
    moved = change(credentials("GCM", "t"))
    assert (moved.service, moved.address) == ("GCM", Address("fcm_token", "t", NOW_MS))
    silent = change({"push_credentials": {"service": "NONE"}})
    assert (silent.service, silent.address) == ("NONE", Address("pull", THUMBPRINT, NOW_MS))
    subscribed = change({"push_credentials": {"service": "WEBPUSH", **SUBSCRIPTION}})
    assert subscribed.address is not None
    assert (subscribed.service, subscribed.address.kind) == ("WEBPUSH", "webpush")


@pytest.mark.parametrize(
    "body", [{"name": None}, {"identifier": ""}, {"push_credentials": None}, {"name": "a\0"}]
)
def test_a_change_is_held_to_the_same_rules(body: dict[str, object]) -> None:
    with pytest.raises(DeviceError):
        change(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["identifier", "name", "push_credentials", "public_key", "capabilities"])


@given(st.dictionaries(NAMES, JSON), st.sampled_from([{}, a_body()]))
def test_a_random_body_is_refused_or_read(changes: dict[str, Any], body: dict[str, Any]) -> None:
    for read in (enrollment, change):
        try:
            read(body | changes)
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
