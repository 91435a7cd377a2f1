"""The guarded client against real servers on loopback (T18, reliability 3.1, A152-A158, C027)."""

import asyncio
import contextlib
import gzip
import itertools
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from consent import policy
from consent.outbound import client as outbound
from consent.outbound.client import GuardedClient, OutboundFailed
from consent.settings import networks
from scripts.doubles.certificates import Certificates, write_certificates
from tests.support.domain import settings
from tests.support.waiting import until

LOOPBACK = networks("127.0.0.1")
PUBLIC = "93.184.216.34"
MOST = policy.OUTBOUND_BODY_BYTES_MAX

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return write_certificates(tmp_path_factory.mktemp("certificates"))


class Server:
    """Counts who comes, keeps what they send, answers as it is told; then the connection ends."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._writers: set[asyncio.StreamWriter] = set()
        self.connections = 0  # with TLS, those whose handshake came to an end
        self.requests: list[bytes] = []
        self.names: list[str | None] = []  # SNI

    @contextlib.asynccontextmanager
    async def serving(self, files: Certificates | None) -> AsyncIterator["Server"]:
        context = None
        if files:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(files.server_cert_file, files.server_key_file)
            context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}/"
        try:
            yield self
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self.requests.append(head + await reader.readexactly(int(length or b"0")))
            await self._answer(writer)
        writer.close()


def says(*parts: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return answer


def with_status(status: int, body: bytes = b"", *headers: str) -> Answer:
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", *headers, "", ""]
    return says("\r\n".join(lines).encode(), body)


def endless(*parts: bytes) -> Answer:
    """The last part again and again."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        await says(*parts)(writer)
        while True:
            await says(parts[-1])(writer)

    return answer


def silent(*parts: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        await says(*parts)(writer)
        await asyncio.Event().wait()

    return answer


OK = with_status(200, b'{"keys": []}')


@contextlib.asynccontextmanager
async def a_client(files: Certificates | None, **options: Any) -> AsyncIterator[GuardedClient]:  # noqa: ANN401
    options = {"allowed_networks": LOOPBACK, "ca_file": files and files.ca_file} | options
    client = GuardedClient(**options)
    try:
        yield client
    finally:
        await client.aclose()


def addresses(*found: str) -> outbound.LookUp:
    def look_up(_host: str, port: int, *_: object) -> list[tuple[object, ...]]:
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in found
        ]

    return look_up


async def failure(call: Coroutine[Any, Any, object]) -> OutboundFailed:
    with pytest.raises(OutboundFailed) as caught:
        await call
    return caught.value


def fetched(files: Certificates, answer: Answer, **options: Any) -> bytes | str:  # noqa: ANN401
    """The body, or the reason there is none."""

    async def run() -> bytes | str:
        async with Server(answer).serving(files) as server, a_client(files, **options) as client:
            try:
                return await client.get_json(server.url)
            except OutboundFailed as failed:
                return failed.reason

    return asyncio.run(run())


# What is reached


def test_a_host_that_the_operator_allowed_is_reached(files: Certificates) -> None:
    assert fetched(files, OK) == b'{"keys": []}'


def test_the_settings_say_what_is_allowed(files: Certificates) -> None:
    configured = settings(
        outbound_allowed_networks="127.0.0.0/8",
        outbound_ports="443,8443",
        outbound_ca_file=str(files.ca_file),
    )

    async def run() -> None:
        async with Server(OK).serving(files) as server:
            client = GuardedClient.from_settings(configured)
            assert await client.get_json(server.url) == b'{"keys": []}'
            await client.aclose()

    asyncio.run(run())


def test_a_name_is_reached_with_its_own_name(files: Certificates) -> None:
    """Host and SNI are the name's although the address is the one that was judged."""

    async def run() -> None:
        async with Server(OK).serving(files) as server, a_client(files) as client:
            url = f"https://localhost:{server.port}/keys?a=%2e%zz"
            assert await client.get_json(url) == b'{"keys": []}'
            assert server.names == ["localhost"]
            assert server.requests[0].startswith(b"GET /keys?a=%2e%zz HTTP/1.1\r\n")
            assert f"\r\nHost: localhost:{server.port}\r\n".encode() in server.requests[0]

    asyncio.run(run())


def test_a_post_is_sent_as_it_is_and_its_answers_body_dropped(files: Certificates) -> None:
    """A151, A153: and nothing of the machine goes with it."""
    headers = {"Authorization": "Bearer t", "Content-Type": "application/json"}

    async def run() -> None:
        answer = endless(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n\r\n", b"x" * 1_000)
        async with Server(answer).serving(files) as server, a_client(files) as client:
            for _ in range(2):
                called = await client.post(server.url, body=b'{"a": 1}', headers=headers)
                assert called.status == 200
            for request in server.requests:
                head, _, body = request.partition(b"\r\n\r\n")
                names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
                assert body == b'{"a": 1}'
                assert b"Authorization: Bearer t" in head
                assert names == {
                    b"host",
                    b"authorization",
                    b"content-type",
                    b"content-length",
                    b"accept",
                    b"accept-encoding",
                    b"user-agent",
                }
                assert b"python" not in head.lower()

    asyncio.run(run())


@pytest.mark.parametrize("status", [200, 204, 302, 307, 308, 401, 403, 404, 429, 500, 503])
def test_a_posts_status_is_the_callers_to_judge(files: Certificates, status: int) -> None:
    """A154, A174: a redirect too is an answer like any other."""

    async def run() -> None:
        async with Server(OK).serving(files) as other:
            answer = with_status(status, b"", f"Location: {other.url}")
            async with Server(answer).serving(files) as server, a_client(files) as client:
                called = await client.post(server.url, body=b"{}", headers={})
                assert (called.status, called.headers["location"]) == (status, other.url)
                assert len(server.requests) == 1
            assert other.connections == 0

    asyncio.run(run())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(files: Certificates, status: int) -> None:
    async def run() -> None:
        async with Server(OK).serving(files) as other:
            answer = with_status(status, b"", f"Location: {other.url}")
            async with Server(answer).serving(files) as server, a_client(files) as client:
                failed = await failure(client.get_json(server.url))
            assert (failed.reason, failed.may_retry) == (f"HTTP_{status}", False)
            assert other.connections == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("connection", True),
        ("timeout", True),
        ("HTTP_500", True),
        ("HTTP_503", True),
        ("HTTP_302", False),
        ("HTTP_401", False),
        ("HTTP_429", False),
        ("tls", False),
        ("too_large", False),
        ("malformed_answer", False),
        ("forbidden_url", False),
        ("forbidden_address", False),
    ],
)
def test_only_what_may_pass_by_itself_is_tried_again(reason: str, expected: bool) -> None:
    """A155, A156."""
    assert OutboundFailed(reason).may_retry is expected


# Where nothing leads


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["::1"],
        ["169.254.169.254"],
        ["fe80::1%1"],
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
    ],
    ids=" ".join,
)
def test_a_name_that_leads_to_a_neighbour_leads_nowhere(
    files: Certificates, found: list[str]
) -> None:
    """One forbidden address forbids all."""

    async def run() -> None:
        async with Server(OK).serving(files) as server:
            ports = frozenset({server.port})
            options = {"allowed_networks": (), "ports": ports, "look_up": addresses(*found)}
            async with a_client(files, **options) as client:
                url = f"https://client.example:{server.port}/"
                assert (await failure(client.get_json(url))).reason == "forbidden_address"
                called = client.post(url, body=b"", headers={})
                assert (await failure(called)).reason == "forbidden_address"
            assert server.connections == 0
            assert server.names == []

    asyncio.run(run())


def test_a_name_that_is_rebound_is_connected_to_where_it_was_judged(
    files: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers publicly when it is looked up first, and with loopback from then on."""
    connected: list[str] = []
    answers = itertools.chain([PUBLIC], itertools.repeat("127.0.0.1"))

    def look_up(host: str, port: int, *rest: object) -> object:
        return addresses(next(answers))(host, port, *rest)

    async def sock_connect(_loop: object, _socket: object, address: tuple[str, int]) -> None:
        connected.append(address[0])
        raise ConnectionRefusedError

    async def run() -> None:
        async with Server(OK).serving(files) as server:
            options = {"allowed_networks": (), "ports": {server.port, 443}, "look_up": look_up}
            async with a_client(files, **options) as client:
                loop = type(asyncio.get_running_loop())
                with monkeypatch.context() as patched:
                    patched.setattr(loop, "sock_connect", sock_connect)
                    failed = await failure(client.get_json(f"https://a.example:{server.port}/"))
                again = await failure(client.get_json("https://a.example:443/"))
            assert server.connections == 0
        assert failed.reason == "connection"
        assert connected == [PUBLIC]
        assert again.reason == "forbidden_address"

    asyncio.run(run())


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"])
def test_an_address_is_judged_again_where_it_is_connected_to(
    files: Certificates, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """Were the text to pass, or the library to look names up by itself."""
    monkeypatch.setattr(outbound, "checked_url", lambda text, **_: URL(text))

    async def run() -> None:
        async with Server(OK).serving(files) as server:
            async with a_client(files, allowed_networks=()) as client:
                failed = await failure(client.get_json(f"https://{host}:{server.port}/"))
            assert failed.reason == "forbidden_address"
            assert server.connections == 0
            assert server.names == []

    asyncio.run(run())


@pytest.mark.parametrize(
    "text",
    [
        "https://127.0.0.1:{port}/",
        "https://localhost:{port}/",
        "https://[::ffff:127.0.0.1]:{port}/",
        "https://2130706433:{port}/",
        "https://client.example@127.0.0.1:{port}/",
        "https://evil.com\\@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}/",
        "https://\u2460\u2461\u2466.1:{port}/",
        "",
    ],
)
def test_a_forbidden_url_is_not_called(files: Certificates, text: str) -> None:
    """A158: what was registered before a rule was there is judged again."""

    async def run() -> None:
        async with Server(OK).serving(files) as server:
            options = {"allowed_networks": (), "ports": {server.port}}
            async with a_client(files, **options) as client:
                failed = await failure(client.get_json(text.format(port=server.port)))
            assert failed.reason == "forbidden_url"
            assert server.connections == 0

    asyncio.run(run())


def test_no_proxy_of_the_environment_is_asked(
    files: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with Server(OK).serving(None) as proxy, Server(OK).serving(files) as server:
            for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            async with a_client(files) as client:
                assert await client.get_json(server.url) == b'{"keys": []}'
            assert proxy.connections == 0

    asyncio.run(run())


# Certificates


def test_a_certificate_of_nobody_we_trust_is_refused(files: Certificates) -> None:
    """A152."""

    async def run() -> None:
        async with Server(OK).serving(files) as server, a_client(None) as client:
            failed = await failure(client.post(server.url, body=b"", headers={}))
            assert (failed.reason, failed.may_retry) == ("tls", False)
            assert server.requests == []

    asyncio.run(run())


def test_a_certificate_of_another_host_is_refused(files: Certificates) -> None:
    async def run() -> None:
        async with Server(OK).serving(files) as server:
            options = {"ports": {server.port}, "look_up": addresses("127.0.0.1")}
            async with a_client(files, **options) as client:
                failed = await failure(client.get_json(f"https://client.example:{server.port}/"))
            assert failed.reason == "tls"
            assert server.names == ["client.example"]
            assert server.requests == []

    asyncio.run(run())


def test_a_server_without_tls_is_refused(files: Certificates) -> None:
    async def run() -> None:
        async with Server(says(b"HTTP/1.1 200 OK\r\n\r\n")).serving(None) as server:
            async with a_client(files, timeout_seconds=0.2) as client:
                failed = await failure(client.get_json(server.url))
            assert failed.reason in {"tls", "timeout"}  # it may wait for the end of a line
            assert server.requests == []

    asyncio.run(run())


def test_a_file_that_holds_no_authority_is_an_error_at_the_start(tmp_path: Path) -> None:
    async def run() -> None:
        empty = tmp_path / "ca.pem"
        empty.touch()
        with pytest.raises(ssl.SSLError):
            GuardedClient(ca_file=empty)

    asyncio.run(run())


# Answers


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(bytes(32 * 1_024 * 1_024))
FULL = b"x" * MOST
ANSWERS: dict[str, tuple[Answer, bytes | str]] = {
    "an empty body": (with_status(200), b""),
    "a body to the end": (says(HEAD + b"\r\n", b"{", b"}"), b"{}"),
    "a body in chunks": (says(CHUNKED, b"1\r\n{\r\n", b"1\r\n}\r\n0\r\n\r\n"), b"{}"),
    "the largest body": (with_status(200, FULL), FULL),
    "a larger one": (with_status(200, FULL + b"x"), "too_large"),
    "a larger one in chunks": (says(CHUNKED, b"10001\r\n", FULL, b"x\r\n"), "too_large"),
    "an endless one": (endless(HEAD + b"\r\n", FULL), "too_large"),
    "an endless one in chunks": (endless(CHUNKED, b"10000\r\n" + FULL + b"\r\n"), "too_large"),
    "a compressed one": (with_status(200, BOMB, "Content-Encoding: gzip"), BOMB),
    "no answer": (says(), "connection"),
    "half an answer": (says(HEAD), "connection"),
    "half a body": (says(HEAD + b"Content-Length: 9\r\n\r\n{"), "malformed_answer"),
    "half a chunk": (says(CHUNKED, b"9\r\n{"), "malformed_answer"),
    "no chunk": (says(CHUNKED, b"x\r\n"), "malformed_answer"),
    "another protocol": (says(b"SSH-2.0-OpenSSH_9.9\r\n"), "malformed_answer"),
    "a long line": (endless(HEAD + b"X: ", FULL), "malformed_answer"),
    "endless lines": (endless(HEAD, b"X: x\r\n" * 100), "malformed_answer"),
    "two lengths": (
        says(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),
        "malformed_answer",
    ),
    "a status of four digits": (says(b"HTTP/1.1 2000 OK\r\n\r\n"), "malformed_answer"),
    "no content": (with_status(204), "HTTP_204"),
    "not found": (with_status(404, b"{}"), "HTTP_404"),
    "unavailable": (with_status(503, b"{}"), "HTTP_503"),
}
SLOW: dict[str, Answer] = {
    "silence": silent(),
    "half a head": silent(HEAD),
    "no body": silent(HEAD + b"Content-Length: 9\r\n\r\n"),
    "half a body": silent(HEAD + b"Content-Length: 9\r\n\r\n{"),
    "always a moment": endless(b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize(("answer", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_a_body_or_a_reason(
    files: Certificates, answer: Answer, expected: bytes | str
) -> None:
    assert fetched(files, answer) == expected


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW)
def test_a_slow_answer_is_none(files: Certificates, answer: Answer) -> None:
    begun = time.monotonic()

    assert fetched(files, answer, timeout_seconds=0.2) == "timeout"
    assert time.monotonic() - begun < 3


def test_a_host_that_is_away_is_a_failed_connection(files: Certificates) -> None:
    def nobody(*_: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def run() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            async with a_client(files, look_up=nobody) as client:
                for url in (
                    f"https://127.0.0.1:{closed.getsockname()[1]}/",
                    "https://client.example/",
                ):
                    failed = await failure(client.get_json(url))
                    assert (failed.reason, failed.may_retry) == ("connection", True)

    asyncio.run(run())


# Others


def test_a_slow_host_does_not_keep_the_others_waiting(files: Certificates) -> None:
    async def run() -> None:
        async with (
            Server(silent()).serving(files) as slow,
            Server(OK).serving(files) as quick,
            a_client(files) as client,
        ):
            calls = outbound.CONNECTIONS_OF_A_HOST_MAX * 2
            waiting = [asyncio.create_task(client.get_json(slow.url)) for _ in range(calls)]
            await until(lambda: len(slow.requests) == outbound.CONNECTIONS_OF_A_HOST_MAX)
            async with asyncio.timeout(3):
                assert await client.get_json(quick.url) == b'{"keys": []}'
            assert slow.connections == outbound.CONNECTIONS_OF_A_HOST_MAX
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
            assert all(task.cancelled() for task in waiting)

    asyncio.run(run())


def test_a_name_server_that_does_not_answer_keeps_nobody_else_waiting(files: Certificates) -> None:
    answered = threading.Event()

    def look_up(host: str, port: int, *rest: object) -> object:
        if host.startswith("slow"):
            answered.wait(10)
        return addresses("127.0.0.1")(host, port, *rest)

    async def run() -> None:
        async with Server(OK).serving(files) as server:
            options = {"look_up": look_up, "timeout_seconds": 2}
            async with a_client(files, **options) as client:
                # As many as a pool of the loop's own would have threads, and one name many times.
                names = [f"slow{number}.example" for number in range(16)] + ["slow.example"] * 30
                waiting = [
                    asyncio.create_task(client.get_json(f"https://{name}/")) for name in names
                ]
                await asyncio.sleep(0)
                url = f"https://localhost:{server.port}/"
                assert await client.get_json(url) == b'{"keys": []}'
                await asyncio.to_thread(int)  # nor anybody else's threads
                for task in waiting:
                    task.cancel()
                await asyncio.wait(waiting)
                answered.set()

    asyncio.run(run())
