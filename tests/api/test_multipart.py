"""Forms with files."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.multipart import NAME_CHARACTERS_MAX, PARTS_MAX, MalformedMultipart, multipart

TYPE = "multipart/form-data; boundary=xyz"


def part(name: str, value: bytes, *, more: str = "") -> bytes:
    head = f'--xyz\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def test_the_parts_are_read_by_name() -> None:
    body = (
        part("users", b"[]\r\n--xy", more='; filename="u.json"\r\nContent-Type: application/json')
        + part("upsert", b"true")
        + part("empty", b"")
        + b"--xyz--\r\n"
    )

    assert multipart(body, TYPE) == {"users": b"[]\r\n--xy", "upsert": b"true", "empty": b""}


END = b"--xyz--\r\n"
REFUSED: dict[str, tuple[bytes, str, str]] = {
    "no boundary": (part("a", b"") + END, "multipart/form-data", "no boundary"),
    "a boundary of 1000": (END, f"multipart/form-data; boundary={'x' * 1_000}", "is not multipart"),
    "nothing": (b"", TYPE, "has no end"),
    "text": (b"hello", TYPE, "is not multipart"),
    "another boundary": (b"--abc\r\n\r\n\r\n--abc--", TYPE, "is not multipart"),
    "no end": (part("a", b"1"), TYPE, "has no end"),
    "cut short": (part("a", b"1") + b"--xyz-", TYPE, "has no end"),
    "repeated": (part("a", b"1") * 2 + END, TYPE, "is repeated"),
    "no name": (part("", b"1") + END, TYPE, "has no name"),
    "no disposition": (b"--xyz\r\nA: b\r\n\r\n1\r\n" + END, TYPE, "has no name"),
    "a long name": (part("a" * (NAME_CHARACTERS_MAX + 1), b"1") + END, TYPE, "has no name"),
    "many parts": (
        b"".join(part(f"p{n}", b"1") for n in range(PARTS_MAX + 1)) + END,
        TYPE,
        "too many parts",
    ),
    "many headers": (b"--xyz\r\n" + b"A: b\r\n" * 100, TYPE, "is not multipart"),
    "a long header": (b"--xyz\r\nA: " + b"b" * 100_000, TYPE, "is not multipart"),
}


@pytest.mark.parametrize(("body", "media_type", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_none_is_refused(body: bytes, media_type: str, said: str) -> None:
    with pytest.raises(MalformedMultipart, match=re.escape(said)) as refused:
        multipart(body, media_type)

    assert refused.value.reason.isascii()


PIECES = [
    b"--xyz",
    b"--",
    b"\r\n",
    b"\r",
    b"\n",
    b"Content-Disposition: form-data",
    b";",
    b'name="a"',
]


def outcome(body: bytes, media_type: str) -> str:
    try:
        return f"{len(multipart(body, media_type))} parts"
    except MalformedMultipart as refused:
        return refused.reason


@given(
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)), max_size=30).map(b"".join),
    st.one_of(st.just(TYPE), st.text(st.characters(codec="latin-1"), max_size=40)),
)
def test_any_body_is_read_or_refused(body: bytes, media_type: str) -> None:
    assert outcome(body, media_type).isascii()


def test_half_a_megabyte_of_signs_is_read_in_linear_time() -> None:
    """CVE-2024-53981: a byte at a time outside of parts."""
    for filler in (b"\r", b"\n", b"--xyz\r\n", b"\r\n--xy", b";"):
        started = time.process_time()
        outcome(filler * (500_000 // len(filler)), TYPE)
        outcome(part("a", filler * (500_000 // len(filler))) + END, TYPE)

        assert time.process_time() - started < 2
