"""A browser's subscription and what it is sent (RFC 8030, 8291, 8292; T18)."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import web_push
from consent.device import address_name, address_of
from consent.outbound.address import checked_url
from consent.push import Address, Notice
from consent.push_providers import WebPushProvider
from consent.web_push import Subscription, UnusableSubscription
from scripts.doubles.web_push_browser import Browser, decoded
from tests.support.domain import NOW
from tests.support.pushes import a_push

BROWSER = Browser()
KEYS = BROWSER.keys
ENDPOINT = "https://push.example.com/wpush/v2/gAAA-Bc_9?a=%2e"


def check_url(url: str) -> None:
    checked_url(url, allowed_networks=(), ports={443})


def credentials(**changes: object) -> dict[str, object]:
    return {"service": "WEBPUSH", "endpoint": ENDPOINT, "keys": KEYS} | changes


def reason(sent: dict[str, object]) -> str:
    with pytest.raises(UnusableSubscription) as caught:
        web_push.subscription(sent, check_url)
    assert_names_a_member(caught.value)
    return str(caught.value)


def assert_names_a_member(refusal: UnusableSubscription) -> None:
    assert re.match(r"(endpoint|keys|keys\.p256dh|keys\.auth) [ -~]+\Z", str(refusal))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"expirationTime": None},
        {"keys": {**KEYS, "other": 1}},
        {"keys": {name: key + "=" * (-len(key) % 4) for name, key in KEYS.items()}},
    ],
    ids=["plain", "as toJSON says it", "another key", "padded"],
)
def test_what_a_browser_says_is_read(changes: dict[str, object]) -> None:
    read = web_push.subscription(credentials(**changes), check_url)

    assert read == Subscription(ENDPOINT, KEYS["p256dh"], KEYS["auth"])


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        (None, "endpoint is missing or not a text"),
        (5, "endpoint is missing or not a text"),
        ("", "endpoint has a character that no URL has"),
        ("http://push.example.com/", "endpoint must be https"),
        ("https://127.0.0.1/", "endpoint has a host that is not public"),
        ("https://169.254.169.254/", "endpoint has a host that is not public"),
        ("https://localhost/", "endpoint has a host that is not public"),
        ("https://push.example.com:8443/", "endpoint has a port that is not allowed"),
        ("https://a@push.example.com/", "endpoint names a user"),
        ("https://push.example.com/ b", "endpoint has a character that no URL has"),
        ("https://push.example.com/\ud800", "endpoint has a character that no URL has"),
        ("https://push.example.com/\0", "endpoint has a character that no URL has"),
        ("https://push.example.com/" + "a" * 2_048, "endpoint is too long"),
    ],
)
def test_a_url_that_leads_nowhere_allowed_is_refused(endpoint: object, why: str) -> None:
    """T18: where it is named, and again where it is called."""
    assert reason(credentials(endpoint=endpoint)) == why


POINT = decoded(KEYS["p256dh"])
BAD_POINTS = [
    None,
    5,
    "",
    "!",
    "\u00e9" * 87,
    KEYS["auth"],
    "A" * 87,
    KEYS["p256dh"][:-1],
    KEYS["p256dh"] + "AA",
    KEYS["p256dh"][:43] + "\n" + KEYS["p256dh"][43:],
    "A" * 5_000,
]


@pytest.mark.parametrize("p256dh", BAD_POINTS, ids=range(len(BAD_POINTS)))
def test_a_key_that_is_no_point_is_refused(p256dh: object) -> None:
    """Off the curve, compressed, cut short: each would cost every push to it."""
    sent = credentials(keys={**KEYS, "p256dh": p256dh})

    assert reason(sent) == "keys.p256dh is not an uncompressed point of P-256"


@pytest.mark.parametrize(
    "auth",
    [None, 5, "", "!!", KEYS["auth"][:-2], KEYS["auth"] + "AAAA"],
    ids=["none", "a number", "empty", "no base64", "short", "long"],
)
def test_a_secret_of_another_length_is_refused(auth: object) -> None:
    assert reason(credentials(keys={**KEYS, "auth": auth})) == (
        "keys.auth is not 16 octets in base64url"
    )


@pytest.mark.parametrize("value", [None, [], "keys", 5])
def test_keys_are_an_object(value: object) -> None:
    assert reason(credentials(keys=value)) == "keys is missing or not an object"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "endpoint": JSON | st.just(ENDPOINT),
            "keys": JSON | st.fixed_dictionaries({}, optional={"p256dh": JSON, "auth": JSON}),
        },
    )
)
def test_anything_at_all_is_refused_or_read(sent: dict[str, Any]) -> None:
    try:
        web_push.subscription(sent, check_url)
    except UnusableSubscription as refusal:
        assert_names_a_member(refusal)


def test_a_subscription_survives_as_the_value_of_an_address() -> None:
    read = web_push.subscription(credentials(), check_url)
    address = Address("webpush", web_push.address_value(read), NOW)

    stored, name = address_name(address)

    assert web_push.subscription_of(address_of(stored).value) == read
    assert re.match(rb'[0-9]+ \["webpush",', stored), "report.lua knows it by this"
    assert stored.endswith(b" " + name)


def test_a_page_is_sent_a_notification_or_words() -> None:
    push = a_push("webpush", "")
    said = msgspec.to_builtins(push.notification)
    words = msgspec.structs.replace(push, notification=Notice("New device", "It was you?"))

    assert json.loads(web_push.payload(push)) == {"notification": said}
    assert json.loads(web_push.payload(words)) == {
        "notice": {"title": "New device", "body": "It was you?"}
    }


def test_a_notification_with_a_transaction_token_of_2048_fits_one_record() -> None:
    push = a_push("webpush", "")
    large = msgspec.structs.replace(
        push,
        notification=msgspec.structs.replace(push.notification, txtkn="t" * 2_048),
    )

    assert len(web_push.payload(large)) <= web_push.PLAINTEXT_OCTETS_MAX == 4_096 - 86 - 16 - 1


def test_a_topic_is_of_one_request_and_of_32_characters_of_base64url() -> None:
    """RFC 8030 5.4."""
    topics = {web_push.topic(collapse_id) for collapse_id in ("a", "b", "a")}

    assert len(topics) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", each) for each in topics)


def test_the_key_browsers_subscribe_with_is_the_point_of_the_one_that_signs() -> None:
    provider = web_push.new_web_push_provider()
    other = web_push.new_web_push_provider()

    point = decoded(web_push.application_server_key(provider))

    assert (len(point), point[0]) == (65, 4)
    assert web_push.application_server_key(provider) != web_push.application_server_key(other)


def test_a_key_that_is_none_is_noticed() -> None:
    with pytest.raises(ValueError, match="PEM"):
        web_push.private_key(WebPushProvider(private_key="no key"))


@pytest.mark.parametrize(
    ("configured", "issuer", "contact"),
    [
        ("", "https://nod.example.com/", "nod@nod.example.com"),
        ("", "https://nod.example.com:8443/nod/", "nod@nod.example.com"),
        ("ops@bank.example", "https://nod.example.com/", "ops@bank.example"),
        ("", "http://localhost:8000/", "nod@example.com"),
        ("", "http://127.0.0.1:8000/", "nod@example.com"),
        ("", "http://[::1]:8000/", "nod@example.com"),
    ],
)
def test_there_is_always_somebody_to_write_to(configured: str, issuer: str, contact: str) -> None:
    """RFC 8292 2.1; services that check it refuse the message for a host without mail."""
    assert web_push.contact(configured, issuer) == contact
