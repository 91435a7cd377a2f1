"""A request of the benchmark is what a client library sends, to the octet."""

from scripts.benchmark.traffic import request


def test_a_request_with_a_body_says_how_long_it_is() -> None:
    text = request("POST", "/p", "h:1", b"a=b", {"Content-Type": "t"}).decode()
    head, _, body = text.partition("\r\n\r\n")
    assert head.startswith("POST /p HTTP/1.1\r\nHost: h:1\r\n")
    assert head.split("\r\n")[-2:] == ["Content-Type: t", "Content-Length: 3"]
    assert body == "a=b"


def test_a_request_without_a_body_ends_with_its_head() -> None:
    assert request("GET", "/p", "h:1").endswith(b"\r\n\r\n")
    assert b"content-length" not in request("GET", "/p", "h:1").lower()
