"""Where a client's URL may lead: every form of address (T18, reliability 3.1, A158)."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from consent.outbound.address import (
    URL_CHARACTERS_MAX,
    ForbiddenUrl,
    checked_url,
    is_public,
    is_reachable,
)
from consent.settings import networks

PORTS = frozenset({443, 8443})
LOOPBACK = networks("127.0.0.0/8,::1")

NOT_PUBLIC = {
    "this network": "0.0.0.0",
    "this network's last": "0.255.255.255",
    "RFC 1918, 10": "10.0.0.1",
    "RFC 1918, 172.16": "172.16.0.1",
    "RFC 1918, 172.31": "172.31.255.255",
    "RFC 1918, 192.168": "192.168.0.1",
    "carriers' own": "100.64.0.1",
    "carriers' own, last": "100.127.255.255",
    "metadata of Alibaba": "100.100.100.200",
    "loopback": "127.0.0.1",
    "loopback's last": "127.255.255.255",
    "link-local": "169.254.0.1",
    "metadata of AWS, Google, Azure": "169.254.169.254",
    "metadata of Azure": "168.63.129.16",
    "protocol assignments": "192.0.0.8",
    "metadata of Oracle": "192.0.0.192",
    "TEST-NET-1": "192.0.2.1",
    "6to4 relays": "192.88.99.1",
    "benchmarks": "198.18.0.1",
    "benchmarks, last": "198.19.255.255",
    "TEST-NET-2": "198.51.100.1",
    "TEST-NET-3": "203.0.113.1",
    "multicast": "224.0.0.1",
    "multicast, global": "232.1.1.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "IPv6 unspecified": "::",
    "IPv6 loopback": "::1",
    "IPv4-compatible": "::7f00:1",
    "IPv4-compatible, public": "::808:808",
    "IPv4-mapped loopback": "::ffff:127.0.0.1",
    "IPv4-mapped in hexadecimal": "::ffff:7f00:1",
    "IPv4-mapped metadata": "::ffff:169.254.169.254",
    "IPv4-translated": "::ffff:0:7f00:1",
    "NAT64 of loopback": "64:ff9b::7f00:1",
    "NAT64 of RFC 1918": "64:ff9b::10.0.0.1",
    "NAT64 beyond its /96": "64:ff9b::1:0:0",
    "local NAT64": "64:ff9b:1::7f00:1",
    "local NAT64 of a public one": "64:ff9b:1::808:808",
    "discard-only": "100::1",
    "Teredo": "2001::1",
    "Teredo of loopback": "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "benchmarks of IPv6": "2001:2::1",
    "ORCHID": "2001:10::1",
    "ORCHIDv2": "2001:20::1",
    "documentation": "2001:db8::1",
    "6to4 of loopback": "2002:7f00:1::",
    "6to4 of a public one": "2002:808:808::1",
    "documentation, new": "3fff::1",
    "unassigned": "4000::1",
    "segment routing": "5f00::1",
    "unique local": "fc00::1",
    "metadata of AWS, IPv6": "fd00:ec2::254",
    "link-local of IPv6": "fe80::1",
    "link-local with its interface": "fe80::1%1",
    "site-local": "fec0::1",
    "multicast of IPv6": "ff02::1",
    "multicast of IPv6, global": "ff0e::1",
}
PUBLIC = (
    "8.8.8.8",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "192.0.1.1",
    "2606:4700::1111",
    "2a00:1450::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
)


@pytest.mark.parametrize("text", NOT_PUBLIC.values(), ids=NOT_PUBLIC)
def test_a_special_address_is_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))
    assert not is_reachable(text, ())


@pytest.mark.parametrize("text", PUBLIC)
def test_any_other_address_is_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))
    assert is_reachable(text, ())


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_wherever_it_is_wrapped(
    address: ipaddress.IPv4Address,
) -> None:
    for prefix in ("::ffff:", "64:ff9b::"):
        wrapped = ipaddress.IPv6Address(f"{prefix}{address}")
        assert is_public(wrapped) == is_public(address)
        assert is_reachable(str(wrapped), LOOPBACK) == is_reachable(str(address), LOOPBACK)


@given(st.ip_addresses())
def test_what_python_knows_is_not_global_is_not_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    wraps = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped
    assert not is_public(address) or wraps or (address.is_global and not address.is_multicast)


def test_an_allowed_network_is_reachable_and_its_neighbours_are_not() -> None:
    allowed = networks("127.0.0.1, 10.1.0.0/16, fd00::/8")

    assert is_reachable("127.0.0.1", allowed)
    assert is_reachable("::ffff:127.0.0.1", allowed)
    assert is_reachable("10.1.2.3", allowed)
    assert is_reachable("fd12::1", allowed)
    for other in ("127.0.0.2", "10.2.0.1", "::1", "fc00::1"):
        assert not is_reachable(other, allowed)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "2130706433", "0177.0.0.1", "\0"])
def test_what_is_no_address_is_not_reachable(text: str) -> None:
    assert not is_reachable(text, LOOPBACK)


# URLs


def judged(text: str, allowed: str = "") -> URL:
    return checked_url(text, allowed_networks=networks(allowed), ports=PORTS)


def reason(text: str, allowed: str = "") -> str:
    with pytest.raises(ForbiddenUrl) as caught:
        judged(text, allowed)
    assert caught.value.reason.isascii()
    return caught.value.reason


@pytest.mark.parametrize(
    "text",
    [
        "https://client.example",
        "https://client.example/jwks.json",
        "https://client.example:8443/a/../b?c=%2e%zz&d",
        "https://CLIENT.example/",
        "https://client.example:443/",
        "https://xn--bcher-kva.example/",
        "https://intranet/",
        "https://a--b.3com.example/",
        "https://1.2.3.4.example/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]:8443/",
        "https://client.example/a@b",
        f"https://client.example/{'a' * (URL_CHARACTERS_MAX - 23)}",
    ],
)
def test_a_public_https_url_is_passed_on_as_it_is_written(text: str) -> None:
    url = judged(text)

    assert url.scheme == "https"
    assert f"https://{url.raw_authority}{url.raw_path_qs}".startswith(text)


CHARACTERS = "has a character that no URL has"
HOST = "has a malformed host or port"
NOT_A_PUBLIC_HOST = "has a host that is not public"
FORBIDDEN = {
    "empty": ("", CHARACTERS),
    "http": ("http://client.example/", "must be https"),
    "file": ("file:///etc/passwd", "must be https"),
    "ftp": ("ftp://client.example/", "must be https"),
    "gopher": ("gopher://client.example:443/_", "must be https"),
    "data": ("data:application/json,{}", "must be https"),
    "relative": ("//client.example/", "must be https"),
    "a name": ("client.example", "must be https"),
    "too long": (f"https://client.example/{'a' * URL_CHARACTERS_MAX}", "is too long"),
    "a user": ("https://user@client.example/", "names a user"),
    "a user and a password": ("https://user:password@client.example/", "names a user"),
    "an empty user": ("https://@client.example/", "names a user"),
    "a user that looks like a host": ("https://client.example@127.0.0.1/", "names a user"),
    "a user with a port": ("https://client.example:443@127.0.0.1/", "names a user"),
    "a backslash and a user": ("https://evil.com\\@127.0.0.1/", CHARACTERS),
    "a backslash": ("https:\\\\client.example/", CHARACTERS),
    "a fragment": ("https://client.example/#a", "has a fragment"),
    "a fragment and a user": ("https://client.example#@127.0.0.1/", "has a fragment"),
    "a space": ("https://client.example/a b", CHARACTERS),
    "a space before": (" https://client.example/", CHARACTERS),
    "a tab in the host": ("https://client\t.example/", CHARACTERS),
    "a line end": ("https://client.example/\r\nHost: a", CHARACTERS),
    "a line end at the end": ("https://client.example/\n", CHARACTERS),
    "NUL": ("https://client.example\0.evil/", CHARACTERS),
    "DEL": ("https://client.example/\x7f", CHARACTERS),
    "half a surrogate pair": ("https://client.example/\ud800", CHARACTERS),
    "a host in other letters": ("https://b\u00fccher.example/", CHARACTERS),
    "circled digits": ("https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/", CHARACTERS),
    "full-width digits": ("https://\uff11\uff12\uff17.0.0.1/", CHARACTERS),
    "an ideographic full stop": ("https://127\u30020\u30020\u30021/", CHARACTERS),
    "the Kelvin sign": ("https://\u212a.example/", CHARACTERS),
    "no host": ("https:///a", HOST),
    "no host but a port": ("https://:443/a", HOST),
    "no authority": ("https:client.example", HOST),
    "one slash": ("https:/client.example/", HOST),
    "an escape in the host": ("https://%31%32%37.0.0.1/", HOST),
    "an underscore in the host": ("https://my_client.example/", HOST),
    "an empty label": ("https://client..example/", HOST),
    "a dot at the end": ("https://client.example./", HOST),
    "a dot after loopback": ("https://127.0.0.1./", HOST),
    "a dot after localhost": ("https://localhost./", HOST),
    "a hyphen first": ("https://-client.example/", HOST),
    "a hyphen last": ("https://client-.example/", HOST),
    "a label of 64": (f"https://{'a' * 64}.example/", HOST),
    "a name of 254": (f"https://{'a.' * 126}aa/", HOST),
    "decimal": ("https://2130706433/", HOST),
    "hexadecimal": ("https://0x7f000001/", HOST),
    "hexadecimal and short": ("https://0x7f.1/", HOST),
    "octal": ("https://0177.0.0.1/", HOST),
    "octal in one": ("https://017700000001/", HOST),
    "short": ("https://127.1/", HOST),
    "short with three": ("https://127.0.1/", HOST),
    "zeros before": ("https://127.000.000.001/", HOST),
    "a byte too large": ("https://127.0.0.256/", HOST),
    "five bytes": ("https://127.0.0.1.1/", HOST),
    "zero": ("https://0/", HOST),
    "unclosed brackets": ("https://[::1/", HOST),
    "IPv4 in brackets": ("https://[8.8.8.8]/", HOST),
    "a name in brackets": ("https://[client.example]/", HOST),
    "a later version in brackets": ("https://[v1.fe80]/", HOST),
    "no address in brackets": ("https://[:::]/", HOST),
    "an interface": ("https://[fe80::1%25eth0]/", HOST),
    "text after brackets": ("https://[::1].client.example/", HOST),
    "a port of letters": ("https://client.example:https/", HOST),
    "a signed port": ("https://client.example:+443/", HOST),
    "a grouped port": ("https://client.example:4_43/", HOST),
    "port 0": ("https://client.example:0/", HOST),
    "port 65536": ("https://client.example:65536/", HOST),
    "another port": ("https://client.example:6379/", "has a port that is not allowed"),
    "another port of a literal": ("https://8.8.8.8:22/", "has a port that is not allowed"),
    "localhost": ("https://localhost/", NOT_A_PUBLIC_HOST),
    "LOCALHOST": ("https://LocalHost:8443/", NOT_A_PUBLIC_HOST),
    "a name under localhost": ("https://nod.localhost/", NOT_A_PUBLIC_HOST),
    "a name of multicast DNS": ("https://printer.local/", NOT_A_PUBLIC_HOST),
    "a private name": ("https://metadata.google.internal/", NOT_A_PUBLIC_HOST),
}


@pytest.mark.parametrize(("text", "expected"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_any_other_url_is_forbidden(text: str, expected: str) -> None:
    """T18, CVE-2026-48522 (its schemes): whatever another parser would make of it."""
    assert reason(text) == expected


@pytest.mark.parametrize(
    "text", [text for text in NOT_PUBLIC.values() if "%" not in text], ids=lambda text: text
)
def test_a_literal_address_that_is_not_public_is_forbidden(text: str) -> None:
    literal = f"[{text}]" if ":" in text else text

    assert reason(f"https://{literal}/") == NOT_A_PUBLIC_HOST


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("https://127.0.0.1:50123/", "127.0.0.0/8"),
        ("https://[::1]:50123/", "::1"),
        ("https://[::ffff:127.0.0.1]:50123/", "127.0.0.0/8"),
        ("https://localhost:50123/", "127.0.0.1"),
        ("https://client.localhost:50123/", "::1"),
        ("https://10.1.2.3:6443/", "10.0.0.0/8"),
        ("https://client.internal/", "10.0.0.0/8"),
        ("https://client.local:8443/", "10.0.0.0/8"),
    ],
)
def test_what_the_operator_allowed_is_open(text: str, allowed: str) -> None:
    assert str(judged(text, allowed)) == text


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("https://10.1.2.3/", "127.0.0.0/8"),
        ("https://localhost/", "10.0.0.0/8"),
        ("https://client.internal:6443/", "10.0.0.0/8"),
        ("https://client.example:50123/", "127.0.0.0/8"),
        ("https://a..localhost:50123/", "127.0.0.0/8"),
        ("https://127.1:50123/", "127.0.0.0/8"),
        ("https://127.0.0.1:0/", "127.0.0.0/8"),
        ("https://8.8.8.8:50123/", "127.0.0.0/8"),
        ("http://127.0.0.1/", "127.0.0.0/8"),
    ],
)
def test_and_nothing_else_is(text: str, allowed: str) -> None:
    assert reason(text, allowed)


@given(
    st.text()
    | st.builds("https://{}".format, st.text())
    | st.builds(
        "https://{}".format,
        st.text("0123456789abcdefxX.:[]%@\\/?#-_\u2460\uff11", max_size=24),
    )
)
def test_a_random_text_is_a_public_url_or_forbidden(text: str) -> None:
    try:
        url = judged(text)
    except ForbiddenUrl:
        return
    host = url.raw_host or ""
    assert f"https://{host}".lower() in text.lower() or f"https://[{host}]".lower() in text.lower()
    assert url.port in PORTS
    assert url.user is None
