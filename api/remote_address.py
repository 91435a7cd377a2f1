"""Whose request it is by its address: the connection's, or the one a trusted proxy vouches for."""

import ipaddress

from starlette.types import Scope

from api.edge import Call
from api.services import Services

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_QUOTA_PREFIX_V6 = 64  # what one subscriber has, who may take any address of it


def remote_address(services: Services, call: Call) -> str:
    """
    The caller's address in its one form; empty where there is none (a Unix socket).

    What X-Forwarded-For says counts only as far as trusted proxies wrote it: from its right end,
    the first address that is none of theirs.
    """
    found = peer_address(call.scope)
    if found is None:
        return ""
    if is_trusted(services, found):
        for entry in reversed(call.list_header(b"x-forwarded-for").split(",")):
            forwarded = _address(entry.strip())
            if forwarded is None:
                break  # what is left of an entry nobody can read is not known to be a proxy's
            found = forwarded
            if not is_trusted(services, found):
                break
    return str(found)


def quota_address(address: str) -> str:
    """What counts as one caller: an IPv4 address, or the /64 an IPv6 address lies in."""
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((found, _QUOTA_PREFIX_V6), strict=False))
    return address


def peer_address(scope: Scope) -> Address | None:
    """Of the other end of the connection, whatever a header says about it."""
    peer = scope.get("client")
    return None if peer is None else _address(peer[0])


def is_trusted(services: Services, address: Address) -> bool:
    return any(address in network for network in services.trusted_proxies)


def _address(text: str) -> Address | None:
    """Without a zone, which is free text, and as IPv4 where it is mapped."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address  # as a socket that listens on `::` sees IPv4
    return address
