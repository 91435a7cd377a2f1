"""The caller's address (T19): the connection's, or what trusted proxies vouch for."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.edge import Admission, Call
from api.remote_address import is_trusted, peer_address, quota_address, remote_address
from api.services import Services
from consent.settings import Settings, networks

PROXIES = "10.0.0.0/8, 2001:db8:aaaa::/48"


def services(trusted: str = PROXIES) -> Services:
    return cast("Services", SimpleNamespace(trusted_proxies=tuple(networks(trusted))))


def address(peer: str | None, *forwarded: str, trusted: str = PROXIES) -> str:
    scope: dict[str, Any] = {
        "client": (peer, 1) if peer is not None else None,
        "headers": [(b"x-forwarded-for", text.encode("latin-1")) for text in forwarded],
    }
    return remote_address(services(trusted), Call(scope, b"", Admission(Settings())))


CALLERS: dict[str, tuple[str, str | None, list[str]]] = {
    "a connection": ("192.0.2.1", "192.0.2.1", []),
    "a connection over a socket for both": ("192.0.2.1", "::ffff:192.0.2.1", []),
    "a Unix socket": ("", None, []),
    "what a stranger says of itself": ("192.0.2.1", "192.0.2.1", ["198.51.100.9"]),
    "a client behind a proxy": ("198.51.100.9", "10.0.0.1", ["198.51.100.9"]),
    "behind a proxy over a socket for both": ("198.51.100.9", "::ffff:10.0.0.1", ["198.51.100.9"]),
    "behind two proxies": ("198.51.100.9", "10.0.0.1", ["198.51.100.9, 10.0.0.2"]),
    "in two headers": ("198.51.100.9", "10.0.0.1", ["192.0.2.7, 198.51.100.9", "10.0.0.2"]),
    "what a client told the proxy": ("198.51.100.9", "10.0.0.1", ["192.0.2.7, 198.51.100.9"]),
    "IPv6 behind IPv6": ("2001:db8::1", "2001:db8:aaaa::1", ["2001:DB8:0::1"]),
    "a proxy that says nothing": ("10.0.0.1", "10.0.0.1", []),
    "proxies alone": ("10.0.0.3", "10.0.0.1", ["10.0.0.3, 10.0.0.2"]),
    "what nobody can read": ("10.0.0.1", "10.0.0.1", ["unknown"]),
    "what nobody can read behind a proxy": ("10.0.0.2", "10.0.0.1", ["198.51.100.9, _x, 10.0.0.2"]),
    "a zone, which is free text": ("10.0.0.1", "10.0.0.1", ["fe80::1%<script>"]),
}


@pytest.mark.parametrize(("found", "peer", "forwarded"), CALLERS.values(), ids=CALLERS)
def test_the_caller_is_who_the_last_one_we_trust_has_seen(
    found: str, peer: str | None, forwarded: list[str]
) -> None:
    assert address(peer, *forwarded) == found


def test_without_proxies_a_header_says_nothing() -> None:
    assert address("10.0.0.1", "198.51.100.9", trusted="") == "10.0.0.1"


@pytest.mark.parametrize(
    ("text", "counted_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_a_subscriber_counts_once(text: str, counted_as: str) -> None:
    assert quota_address(text) == counted_as


def test_a_peer_is_trusted_by_its_network() -> None:
    for peer, trusted in (("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("11.0.0.1", False)):
        found = peer_address({"type": "http", "client": (peer, 1)})
        assert found is not None
        assert is_trusted(services(), found) is trusted


@given(st.text(st.characters(max_codepoint=255)))
def test_any_header_leads_to_an_address(text: str) -> None:
    found = address("10.0.0.1", text)
    assert found
    assert quota_address(found)
    assert found.isascii()
