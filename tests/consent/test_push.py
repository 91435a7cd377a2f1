"""The doorbell's two spellings, as the Guardian SDKs read them."""

import json

import msgspec

from consent.push import Notice, Notification, Push, apns_payload, fcm_content, fcm_data
from tests.support.domain import vector
from tests.support.pushes import a_push

READ_BY_BOTH_SDKS = {"dai", "txtkn", "txlnkid", "c", "d", "sh"}
WORDS = {"title": "New device", "body": "If it was not you, call us"}


def said(push: Push, **changes: object) -> Notification:
    assert isinstance(push.notification, Notification)
    return msgspec.structs.replace(push.notification, **changes)


def a_notice() -> Push:
    push = a_push("apns", "00" * 32)
    return msgspec.structs.replace(push, notification=Notice(**WORDS))


def test_an_apns_payload_has_the_category_the_ios_sdk_insists_on() -> None:
    payload = apns_payload(a_push("apns", "00" * 32))

    assert payload["aps"] == {
        "alert": {"title": "Sign-in request", "body": "Tap to review"},
        "category": "com.auth0.notification.authentication",
        "sound": "default",
    }


def test_an_apns_payload_nests_the_notification_under_mfa() -> None:
    """The iOS SDK ignores a push whose `dai`, `txtkn`, `d`, `sh` or `c` is not a string."""
    mfa = json.loads(msgspec.json.encode(apns_payload(a_push("apns", "00" * 32))))["mfa"]

    assert all(isinstance(mfa[key], str) for key in READ_BY_BOTH_SDKS)
    assert (mfa["s"], mfa["l"]) == ({}, {})


def test_fcm_data_is_flat_text() -> None:
    """FCM refuses values that are no strings; the Android SDK reads `s` and `l` as JSON text."""
    located = said(
        a_push("fcm_token", "t"),
        s={"b": {"n": "Chrome", "v": "139"}},
        l={"n": "Osaka, JP", "lat": "34.69", "long": "135.50"},
    )

    data = fcm_data(located)

    assert data.keys() == READ_BY_BOTH_SDKS | {"s", "l"}
    assert all(isinstance(value, str) for value in data.values())
    assert json.loads(data["s"]) == {"b": {"n": "Chrome", "v": "139"}}
    assert json.loads(data["l"]) == {"n": "Osaka, JP", "lat": "34.69", "long": "135.50"}


def test_both_spellings_say_the_same() -> None:
    push = a_push("fcm_token", "t")
    data = fcm_data(said(push))

    mfa = {**data, "s": json.loads(data["s"]), "l": json.loads(data["l"])}

    assert apns_payload(push)["mfa"] == mfa


def test_a_push_carries_nothing_but_the_doorbell() -> None:
    """No field could hold the question, the scopes or the `auth_req_id`."""
    assert set(Notification.__struct_fields__) == READ_BY_BOTH_SDKS | {"s", "l"}


def test_both_messages_fit_the_providers_4096_bytes_with_a_transaction_token_of_2048() -> None:
    push = a_push("fcm_token", "t")
    large = msgspec.structs.replace(push, notification=said(push, txtkn="t" * 2_048))

    assert len(msgspec.json.encode(apns_payload(large))) <= 4_096
    assert sum(len(name) + len(value) for name, value in fcm_data(said(large)).items()) <= 4_096


def test_both_spellings_are_the_example_of_the_wire() -> None:
    """auth0-wire 2.4."""
    example = vector("guardian_notification")

    assert (
        json.loads(msgspec.json.encode(apns_payload(a_push("apns", "00" * 32))))
        == (example["apns"])
    )
    assert fcm_content(a_push("fcm_token", "t")) == {"data": example["fcm_data"]}


def test_a_notice_is_shown_by_the_system_and_not_read_by_the_sdk() -> None:
    """T35: there is nothing to answer, so no `mfa`, no category and no data."""
    assert apns_payload(a_notice()) == {"aps": {"alert": WORDS, "sound": "default"}}
    assert fcm_content(a_notice()) == {"notification": WORDS}
