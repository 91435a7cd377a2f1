"""
Where a URL that a client names may lead (T18).

Pure: a URL is judged by its text, an address by its number. The text is judged where a URL is
registered and again where it is called; the addresses its name stands for when it is called.
"""

import ipaddress
import re
from collections.abc import Collection, Iterable

from yarl import URL

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

URL_CHARACTERS_MAX = 2_048

# The IANA registries of special-purpose addresses (RFC 6890), written out: `is_global` calls some
# of these global, and which ones depends on the version of Python.
_SPECIAL_V4 = [
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' own
        "127.0.0.0/8",
        "168.63.129.16/32",  # answers inside Azure alone, and hands out credentials there
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
# Of IPv6 only global unicast is assigned (RFC 4291 2.4), and in it these are not for a server.
# 6to4 and Teredo hold an IPv4 address each; tunnels serve nobody, so what they hold is not asked.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_SPECIAL_V6 = [
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
    )
]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: where there is no IPv4, all of it

_URL_CHARACTERS = re.compile(r"[!-\[\]-~]+")  # visible ASCII without the backslash
_AUTHORITY = re.compile(
    r"(?:\[[0-9a-f.]*:[0-9a-f:.]*\]|[0-9a-z.-]+)(?::[0-9]{1,5})?", re.IGNORECASE
)
# RFC 1123 2.1; the last label begins with a letter, or a resolver may take the whole for a number
# (2130706433, 0x7f.1, 0177.0.0.1, 127.1).
_LABEL = r"[0-9a-z](?:[0-9a-z-]{0,61}[0-9a-z])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?=[a-z]){_LABEL}", re.IGNORECASE)
_LOOPBACK_NAME = re.compile(r"(?:.*\.)?localhost", re.IGNORECASE)
_LOOPBACK = (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))
_PRIVATE_NAME = re.compile(r".*\.(?:local|internal)", re.IGNORECASE)  # RFC 6762, ICANN's choice

_MALFORMED = "has a malformed host or port"


class ForbiddenUrl(Exception):  # noqa: N818 - said of the URL
    """`reason` is ASCII, repeats nothing of the URL and continues a sentence about it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def checked_url(text: str, *, allowed_networks: Iterable[Network], ports: Collection[int]) -> URL:
    """
    The URL, if one that a client names may be this one. Raises ForbiddenUrl.

    A literal address in an allowed network, and `localhost` when loopback is allowed, may have any
    port: the operator opened those hosts. Any other literal must be public, any other name look
    so, and its port be one of `ports`; where the name leads is judged when it is known.
    """
    url = _well_formed(text)
    host = _host(url)
    allowed = tuple(allowed_networks)
    if not _is_opened(host, allowed):
        if not _looks_public(host, allowed):
            raise ForbiddenUrl("has a host that is not public")
        if url.port not in ports:
            raise ForbiddenUrl("has a port that is not allowed")
    return url


def _well_formed(text: str) -> URL:
    """What every parser of URLs reads alike; the client calls what was parsed here."""
    if len(text) > URL_CHARACTERS_MAX:
        raise ForbiddenUrl("is too long")
    if not _URL_CHARACTERS.fullmatch(text):
        raise ForbiddenUrl("has a character that no URL has")
    try:
        url = URL(text, encoded=True)
        port = url.port
    except ValueError:
        raise ForbiddenUrl(_MALFORMED) from None
    if url.scheme != "https":
        raise ForbiddenUrl("must be https")
    if "@" in url.raw_authority:
        raise ForbiddenUrl("names a user")
    if "#" in text:
        raise ForbiddenUrl("has a fragment")
    if not _AUTHORITY.fullmatch(url.raw_authority) or port == 0:
        raise ForbiddenUrl(_MALFORMED)
    return url


def _host(url: URL) -> Address | str:
    host = url.raw_host or ""
    address = _literal(host)
    if address is None and not _NAME.fullmatch(host):
        raise ForbiddenUrl(_MALFORMED)
    return address or host


def _literal(host: str) -> Address | None:
    """An address in the one form that every reader takes for the same."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_opened(host: Address | str, allowed: tuple[Network, ...]) -> bool:
    """A host that the operator allowed beyond doubt, before any name is looked up."""
    if not isinstance(host, str):
        return _is_in(host, allowed)
    return bool(_LOOPBACK_NAME.fullmatch(host)) and any(_is_in(it, allowed) for it in _LOOPBACK)


def _looks_public(host: Address | str, allowed: tuple[Network, ...]) -> bool:
    if not isinstance(host, str):
        return is_public(host)
    private = _PRIVATE_NAME.fullmatch(host) and not allowed
    return not private and not _LOOPBACK_NAME.fullmatch(host)


def is_reachable(host: str, allowed_networks: Iterable[Network]) -> bool:
    """Whether an address, as a resolver writes it, is public or in an allowed network."""
    address = _literal(host)
    return address is not None and (is_public(address) or _is_in(address, allowed_networks))


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    unwrapped = _unwrapped(address)
    return any(unwrapped in network for network in networks)


def is_public(address: Address) -> bool:
    """An address of the public internet, whose server is not a neighbour of ours."""
    unwrapped = _unwrapped(address)
    if not unwrapped.is_global or unwrapped.is_multicast:  # what a later registry adds
        return False
    if isinstance(unwrapped, ipaddress.IPv4Address):
        return not any(unwrapped in network for network in _SPECIAL_V4)
    return unwrapped in _GLOBAL_UNICAST and not any(unwrapped in it for it in _SPECIAL_V6)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that a packet to an IPv4-mapped or NAT64 address arrives at."""
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped or address in _NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
