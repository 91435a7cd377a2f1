"""The edge over real sockets: what a client can make the server read, hold or wait for."""

import itertools
import select
import time
from collections.abc import Iterator

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.protocol import HEAD_OCTETS_MAX, HEADERS_MAX, LimitedProtocol
from tests.support.edge import BODY_MAX, CHUNKED, CLOSE, MIB, Edge, assert_refused, head


@pytest.fixture(scope="module")
def patient() -> Iterator[Edge]:
    server = Edge(deadline_seconds=10)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def hasty() -> Iterator[Edge]:
    server = Edge(deadline_seconds=0.3)
    yield server
    server.stop()


def test_a_body_of_the_largest_size_is_read_by_either_framing(patient: Edge) -> None:
    body = b"x" * BODY_MAX

    by_length = patient.ask(head("/length", CLOSE, f"Content-Length: {BODY_MAX}"), body)
    in_chunks = patient.ask(
        head("/chunks", CLOSE, CHUNKED), b"%x\r\n%s\r\n" % (BODY_MAX, body), b"0\r\n\r\n"
    )

    assert (by_length.status, by_length.json()["octets"]) == (200, BODY_MAX)
    assert (in_chunks.status, in_chunks.json()["octets"]) == (200, BODY_MAX)


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [head("/refused", "Content-Length: 16777216"), b"x" * 16 * MIB], id="declared"
        ),
        pytest.param([head("/refused", f"Content-Length: {BODY_MAX + 1}")], id="one-too-many"),
        pytest.param(
            [head("/refused", "Expect: 100-continue", f"Content-Length: {BODY_MAX + 1}")],
            id="expecting-to-continue",
        ),
        pytest.param(
            [head("/refused", CHUNKED), *[b"10000\r\n" + b"x" * 65_536 + b"\r\n"] * 256],
            id="chunked",
        ),
        pytest.param(
            [head("/refused", CHUNKED), b"1;" + b"x" * MIB], id="chunk-extension-without-end"
        ),
        pytest.param(
            [head("/refused", CHUNKED), b"0\r\nTrailer: " + b"x" * MIB], id="trailer-without-end"
        ),
    ],
)
def test_a_larger_body_is_refused_and_the_client_can_read_why(
    patient: Edge, pieces: list[bytes]
) -> None:
    """413 reaches even a client that sends 16 MiB before it looks (U3, T32)."""
    assert_refused(patient.ask(*pieces), 413)
    assert "/refused" not in patient.started


def padded(octets: int) -> bytes:
    """A whole request whose head counts this many octets, of path, names, values, separators."""
    fixed = len("/padded") + len("host" + "nod" + "connection" + "close" + "x") + 3 * 4
    return head("/padded", CLOSE, "X: " + "x" * (octets - fixed))


def test_the_largest_head_and_the_most_headers_are_read(patient: Edge) -> None:
    largest = patient.ask(padded(HEAD_OCTETS_MAX))
    most = patient.ask(head("/most", CLOSE, *[f"X{n}: 1" for n in range(HEADERS_MAX - 2)]))

    assert largest.status == 200
    assert len(most.json()["headers"]) == HEADERS_MAX


@pytest.mark.parametrize(
    "request_head",
    [
        pytest.param(padded(HEAD_OCTETS_MAX + 1), id="one-octet-too-many"),
        pytest.param(head("/refused", *["X: 1"] * HEADERS_MAX), id="one-header-too-many"),
        pytest.param(head("/refused", *["X: 1"] * 50_000), id="50000-headers"),
        pytest.param(head("/refused", "X: " + "x" * 16 * MIB), id="16-MiB-header"),
        pytest.param(head("/" + "x" * 16 * MIB), id="16-MiB-path"),
        pytest.param(b"\r\n" * MIB, id="blank-lines"),
    ],
)
def test_a_larger_head_is_refused(patient: Edge, request_head: bytes) -> None:
    """431, as soon as it is too large and not when it ends (U2)."""
    assert_refused(patient.ask(request_head), 431)
    assert "/refused" not in patient.started


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"P", id="first-octet"),
        pytest.param(head("/refused")[:-2], id="half-a-head"),
        pytest.param(head("/refused", "Content-Length: 2") + b"x", id="half-a-body"),
        pytest.param(head("/refused", CHUNKED) + b"2\r\nx", id="half-a-chunk"),
    ],
)
def test_half_a_request_is_given_up_at_the_deadline(hasty: Edge, start: bytes) -> None:
    """408, and the application has never heard of it (U1)."""
    assert_refused(hasty.ask(start), 408)
    assert "/refused" not in hasty.started


def test_the_deadline_is_absolute_however_steadily_octets_drip(hasty: Edge) -> None:
    """Each octet resets a keep-alive timer; none moves the deadline (U1)."""
    drip = itertools.chain([b"\r\n", b"\r\n", b"GET /"], itertools.repeat(b"x"))
    with hasty.connect() as client:
        client.send(head("/before"))
        assert client.response().status == 200
        began = time.monotonic()
        for octets in itertools.islice(drip, 200):
            if select.select([client.socket], [], [], 0.02)[0]:
                break
            client.send(octets)

        assert_refused(client.response(), 408)
    assert time.monotonic() - began < 3  # of which the deadline is 0.3


def test_a_connection_that_says_nothing_is_closed_without_a_word(hasty: Edge) -> None:
    assert hasty.exchange() == []


def test_the_deadline_is_for_requests_and_not_for_the_time_between(hasty: Edge) -> None:
    """An idle connection lives on (until uvicorn's keep-alive timeout), and so does a held one."""
    with hasty.connect() as client:
        client.send(head("/first"))
        assert client.response().status == 200
        time.sleep(0.4)
        client.send(head("/held"))
        time.sleep(0.4)
        hasty.release()

        assert client.response().status == 200


def test_200_half_open_connections_do_not_delay_a_request(hasty: Edge) -> None:
    """F19: each of them is told 408, and who asks meanwhile is answered."""
    half_open = [hasty.connect() for _ in range(200)]
    for client in half_open:
        client.send(head("/refused", "Content-Length: 2") + b"x")

    assert hasty.ask(head("/legitimate", CLOSE)).status == 200
    for client in half_open:
        with client:
            assert_refused(client.response(), 408)
    assert "/refused" not in hasty.started


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="tls-client-hello"),
        pytest.param(b"GET nothing\r\n\r\n", id="no-version"),
        pytest.param(b"CONNECT nod:443 HTTP/1.1\r\nHost: nod\r\n\r\n", id="connect"),
        pytest.param(head("/refused", "X: a\0b"), id="nul-in-a-header"),
        pytest.param(head("/refused", "X : a"), id="space-before-colon"),
        pytest.param(head("/refused", "Content-Length: -1"), id="negative-length"),
        pytest.param(head("/refused", "Content-Length: " + "0" * 5_000), id="endless-zero"),
        pytest.param(head("/refused", "Content-Length: 1", "Content-Length: 2"), id="two-lengths"),
        pytest.param(head("/refused", "Content-Length: 1", CHUNKED), id="two-framings"),
        pytest.param(head("/refused", CHUNKED) + b"-1\r\n", id="negative-chunk"),
        pytest.param(head("/refused", CHUNKED) + b"f" * 17 + b"\r\n", id="chunk-size-overflow"),
        pytest.param(head("/refused", CHUNKED) + b"1\r\nxx\r\n", id="chunk-longer-than-said"),
        pytest.param(head("/refused", CHUNKED) + b"1\nx\r\n", id="bare-line-feed"),
    ],
)
def test_what_is_not_http_is_refused(patient: Edge, request_: bytes) -> None:
    """400 with a JSON body, never 500 (I8; the smuggling cases of CVE-2025-43859 among them)."""
    assert_refused(patient.ask(request_), 400)
    assert "/refused" not in patient.started


def test_trailers_do_not_become_headers(patient: Edge) -> None:
    """RFC 9110 6.5.1: else a proxy's header rules would be evaded by sending them last."""
    answer = patient.ask(
        head("/trailers", CLOSE, CHUNKED) + b"1\r\nx\r\n0\r\nAuthorization: Basic x\r\n\r\n"
    )

    assert (answer.status, answer.json()["octets"]) == (200, 1)
    assert "authorization" not in answer.json()["headers"]


def test_a_client_that_expects_to_continue_is_told_to(patient: Edge) -> None:
    with patient.connect() as client:
        client.send(head("/expect", "Expect: 100-continue", "Content-Length: 2"))
        assert client.response() == (100, {}, b"")
        client.send(b"xx")

        assert client.response().json()["octets"] == 2


def test_an_offer_to_upgrade_is_declined_by_answering(patient: Edge) -> None:
    with patient.connect() as client:
        for protocol in ("h2c", "websocket"):
            offer = ["Connection: Upgrade", f"Upgrade: {protocol}", "Content-Length: 1"]
            client.send(head("/offer", *offer) + b"x")
            assert client.response().status == 200
        client.send(head("/after"))

        assert client.response().status == 200


def test_pipelined_requests_are_answered_in_order(patient: Edge) -> None:
    lengths = [3, 0, 60_000, 7]

    answers = patient.exchange(
        b"".join(head("/in-order", f"Content-Length: {n}") + b"x" * n for n in lengths)
        + head("/last", CLOSE)
    )

    assert [answer.json()["octets"] for answer in answers] == [*lengths, 0]


def test_the_limits_are_of_each_request_and_not_of_the_connection(patient: Edge) -> None:
    with patient.connect() as client:
        for _ in range(4):
            client.send(head("/again", "Content-Length: 60000"), b"x" * 60_000)
            assert client.response().json()["octets"] == 60_000


@pytest.mark.parametrize(
    ("second", "status"),
    [
        pytest.param(b"\0", 400, id="malformed"),
        pytest.param(head("/refused", "X: " + "x" * MIB), 431, id="large-head"),
        pytest.param(head("/refused", f"Content-Length: {MIB}"), 413, id="large-body"),
        pytest.param(
            head("/refused", CHUNKED) + b"%x\r\n" % MIB + b"x" * 100_000, 413, id="large-chunk"
        ),
    ],
)
def test_a_refusal_waits_for_the_answers_before_it(hasty: Edge, second: bytes, status: int) -> None:
    """Written at once it would be read as the answer to the first request."""
    with hasty.connect() as client:
        client.send(head("/held") + second[:60_000])
        hasty.release()
        first = client.response()
        client.send(second[60_000:])

        assert first.json() == {"held": True}
        assert_refused(client.response(), status)
    assert "/refused" not in hasty.started


def test_nothing_follows_the_answer_that_closes(hasty: Edge) -> None:
    with hasty.connect() as client:
        client.send(head("/held", CLOSE) + b"\0")
        hasty.release()

        assert [answer.json() for answer in client.responses()] == [{"held": True}]


def test_the_deadline_of_a_queued_request_runs_from_when_it_can_be_read(hasty: Edge) -> None:
    """Reading pauses while an earlier request is answered; that is not the client's delay."""
    half = head("/queued", "Content-Length: 40000") + b"x" * 20_000
    with hasty.connect() as client:
        client.send(head("/held") + half[:20])
        hasty.wait_until_held()
        client.send(half[20:])
        time.sleep(0.4)
        hasty.release()
        assert client.response().json() == {"held": True}
        client.send(b"x" * 20_000)
        assert client.response().json()["octets"] == 40_000

        client.send(head("/held") + half)
        hasty.release()
        assert client.response().json() == {"held": True}

        assert_refused(client.response(), 408)
    assert hasty.started.count("/queued") == 1


def test_uvicorn_is_still_built_as_the_protocol_assumes() -> None:
    """What is overridden or used is there; what it means to uvicorn, the tests above show."""
    assert {
        "connection_made", "connection_lost", "data_received", "on_headers_complete", "on_body",
        "on_message_complete", "on_response_complete", "_start_asgi_task", "_should_upgrade",
        "_unset_keepalive_if_required",
    } <= vars(HttpToolsProtocol).keys()  # fmt: skip
    assert {"cycle", "flow", "headers", "parser", "scope", "server_state", "transport", "url"} <= {
        *HttpToolsProtocol.__init__.__code__.co_names
    } | {*HttpToolsProtocol.on_message_begin.__code__.co_names}
    assert {
        "body", "keep_alive", "more_body", "response_complete", "scope", "waiting_for_100_continue",
    } <= {*RequestResponseCycle.__init__.__code__.co_names}  # fmt: skip
    added = {name for name in vars(LimitedProtocol) if not hasattr(HttpToolsProtocol, name)}
    assert added.isdisjoint(HttpToolsProtocol.__init__.__code__.co_names)
