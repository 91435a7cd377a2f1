"""Whose word about a certificate counts; the methods themselves are told of by the flows."""

from types import SimpleNamespace
from typing import Any

import pytest

from api.client_authentication import certificate_of
from api.edge import Admission, Call
from consent.errors import InvalidClient
from consent.settings import networks
from tests.support.domain import settings

PROXIES = tuple(networks("127.0.0.1, 10.1.0.0/16, fd00::/8"))


def certificate_from(peer: tuple[str, int] | None) -> object:
    scope: dict[str, Any] = {"headers": [(b"client-cert", b":AAAA:")], "client": peer}
    services: Any = SimpleNamespace(trusted_proxies=PROXIES, certificate_header=b"client-cert")
    return certificate_of(services, Call(scope, b"", Admission(settings())))


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "fd00::1", "::ffff:10.1.2.3"])
def test_what_a_trusted_proxy_hands_over_is_read(host: str) -> None:
    """D064; a socket that listens on `::` sees IPv4 mapped. What is read is no certificate here."""
    with pytest.raises(InvalidClient):
        certificate_from((host, 1))


@pytest.mark.parametrize("host", ["127.0.0.2", "10.2.0.1", "::1", "::ffff:8.8.8.8"])
def test_what_anybody_else_says_is_not(host: str) -> None:
    """D064."""
    assert certificate_from((host, 1)) is None


def test_a_connection_without_an_address_is_not_trusted() -> None:
    """Whoever speaks through a Unix socket has none."""
    assert certificate_from(None) is None
