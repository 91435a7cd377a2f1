"""
The one way out to the URLs that clients name (T18, C027): jwks_uri, notification endpoints and
every other.

https alone, its certificate verified; no redirect is followed; no proxy, cookie or credential of
the environment is used. A name is looked up once, all its addresses are judged, and a connection
is opened to one that was: what is not reachable is refused again where the socket is made, for
literal addresses and for whatever a library may do in between.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from consent import policy
from consent.outbound.address import ForbiddenUrl, Network, checked_url, is_reachable
from consent.settings import Settings, networks, ports

CONNECTIONS_MAX = 256
CONNECTIONS_OF_A_HOST_MAX = 16  # a slow host keeps its own callers waiting, not the others
LOOKUPS_MAX = 32  # a name server that does not answer holds a thread for many seconds

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "Nod"}

LookUp = Callable[..., Any]  # socket.getaddrinfo, or a test's


class Answer(NamedTuple):
    """Without its body. The headers are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]


class OutboundFailed(Exception):  # noqa: N818 - said of the call
    """
    There is no answer, or none that can be used. `reason` is one word, never the other side's:

    forbidden_url, forbidden_address, connection (or no such name), tls, timeout, too_large,
    malformed_answer, or HTTP_ and a status.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def may_retry(self) -> bool:
        """A156: connection errors, timeouts and 5xx alone."""
        return self.reason in {"connection", "timeout"} or self.reason.startswith("HTTP_5")


class GuardedClient:
    """Lives on the event loop it was built on."""

    def __init__(
        self,
        *,
        allowed_networks: Collection[Network] = (),
        ports: Collection[int] = (443,),
        ca_file: Path | None = None,
        timeout_seconds: float = policy.OUTBOUND_TIMEOUT_SECONDS,
        connections_of_a_host_max: int = CONNECTIONS_OF_A_HOST_MAX,
        look_up: LookUp = socket.getaddrinfo,
    ) -> None:
        """`timeout_seconds` bounds a whole call. Raises OSError for a file that holds no CA."""
        self._allowed_networks = tuple(allowed_networks)
        self._ports = frozenset(ports)
        self._timeout_seconds = timeout_seconds
        trust = ssl.create_default_context()
        if ca_file:
            trust.load_verify_locations(ca_file)
        self._resolver = _Resolver(self._allowed_networks, look_up)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=trust,
                resolver=self._resolver,
                socket_factory=self._socket,
                limit=CONNECTIONS_MAX,
                limit_per_host=connections_of_a_host_max,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            timeout=aiohttp.ClientTimeout(total=None),  # a whole call has its own
            auto_decompress=False,  # so that what is counted is what is kept
            trust_env=False,
        )

    @classmethod
    def from_settings(
        cls, settings: Settings, *, connections_of_a_host_max: int = CONNECTIONS_OF_A_HOST_MAX
    ) -> Self:
        return cls(
            allowed_networks=networks(settings.outbound_allowed_networks),
            ports=ports(settings.outbound_ports),
            ca_file=settings.outbound_ca_file,
            connections_of_a_host_max=connections_of_a_host_max,
        )

    async def get_json(self, url: str) -> bytes:
        """The body of a 200 as it was sent, at most policy.OUTBOUND_BODY_BYTES_MAX long.

        Raises OutboundFailed, also for any other status.
        """
        headers = {"Accept": "application/json, application/jwk-set+json"}
        async with self._answer("GET", url, headers=headers) as answer:
            if answer.status != HTTPStatus.OK:
                raise OutboundFailed(f"HTTP_{answer.status}")
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > policy.OUTBOUND_BODY_BYTES_MAX:
                    raise OutboundFailed("too_large")
            return bytes(body)

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Whatever it is; its body is not read. Raises OutboundFailed."""
        async with self._answer("POST", url, data=body, headers=headers) as answer:
            return Answer(answer.status, answer.headers)

    async def aclose(self) -> None:
        await self._session.close()
        await self._resolver.close()

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        url: str,
        **request: Any,  # noqa: ANN401 - aiohttp's
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer while its body can be read, or OutboundFailed for all that may go wrong."""
        try:
            checked = checked_url(url, allowed_networks=self._allowed_networks, ports=self._ports)
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._session.request(method, checked, allow_redirects=False, **request) as answer,
            ):
                yield answer
        except ForbiddenUrl:
            raise OutboundFailed("forbidden_url") from None
        except TimeoutError:
            raise OutboundFailed("timeout") from None
        except aiohttp.ClientSSLError:
            raise OutboundFailed("tls") from None
        except aiohttp.ClientConnectorError as error:
            forbidden = isinstance(error.os_error, _ForbiddenAddressError)
            raise OutboundFailed("forbidden_address" if forbidden else "connection") from None
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError):
            raise OutboundFailed("malformed_answer") from None
        except (aiohttp.ClientError, OSError):
            raise OutboundFailed("connection") from None

    def _socket(self, where: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = where
        if not is_reachable(address[0], self._allowed_networks):
            raise _ForbiddenAddressError
        return socket.socket(family, kind, protocol)


class _ForbiddenAddressError(OSError):
    """Of this family, for what looks up and connects expects no other."""


class _Resolver(AbstractResolver):
    """The system's resolver, in threads of its own: those of the loop are for everybody."""

    def __init__(self, allowed_networks: tuple[Network, ...], look_up: LookUp) -> None:
        self._allowed_networks = allowed_networks
        self._look_up = look_up
        self._threads = ThreadPoolExecutor(LOOKUPS_MAX, thread_name_prefix="outbound-lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises OSError, also when one of the addresses is forbidden: then all are."""
        look_up = partial(self._look_up, host, port, family, socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        if not all(is_reachable(address[0], self._allowed_networks) for *_, address in found):
            raise _ForbiddenAddressError
        return [
            ResolveResult(
                hostname=host, host=address[0], port=port, family=family, proto=protocol, flags=0
            )
            for family, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
