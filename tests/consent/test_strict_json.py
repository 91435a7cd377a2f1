"""JSON that two readers cannot understand differently, and no input that hurts (U4, T32)."""

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.strict_json import DEPTH_MAX, INTEGER_MAX, MalformedJSON, loads, loads_object

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


def depth(value: object) -> int:
    match value:
        case dict():
            return 1 + max(map(depth, value.values()), default=0)
        case list():
            return 1 + max(map(depth, value), default=0)
    return 0


def reason(data: bytes) -> str:
    with pytest.raises(MalformedJSON) as caught:
        loads(data)
    return caught.value.reason


@given(values.filter(lambda value: depth(value) <= DEPTH_MAX), st.booleans())
def test_reads_what_was_written(value: object, ascii_only: bool) -> None:
    """Escaped or as itself, every value within the limits comes back."""
    assert loads(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary() | st.text(alphabet='[]{}",:\\u0dD8e1-. ntfNI').map(str.encode))
def test_any_octets_are_read_as_the_standard_library_does_or_refused(data: bytes) -> None:
    """Nothing but MalformedJSON is raised; nothing is read that the standard library refuses or
    reads otherwise.
    """
    with contextlib.suppress(MalformedJSON):
        value = loads(data)
        assert value == json.loads(data.decode())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b" \r\n", "is empty", id="blank"),
        pytest.param(b"{", "not JSON", id="broken"),
        pytest.param(b"{} {}", "not JSON", id="two-values"),
        pytest.param(b"[1,]", "not JSON", id="trailing-comma"),
        pytest.param(b"01", "not JSON", id="leading-zero"),
        pytest.param(b'"\n"', "not JSON", id="raw-line-feed"),
        pytest.param(b'"\0"', "not JSON", id="raw-nul"),
        pytest.param(b"\xef\xbb\xbf{}", "not JSON", id="byte-order-mark"),
        pytest.param('{"a":1}'.encode("utf-16"), "not UTF-8", id="utf-16"),
        pytest.param('{"a":1}'.encode("utf-16-le"), "not JSON", id="utf-16-without-mark"),
        pytest.param(b'"\xff"', "not UTF-8", id="invalid-utf-8"),
        pytest.param(b'"\xc0\x80"', "not UTF-8", id="overlong-nul"),
        pytest.param(b'"\xed\xa0\x80"', "not UTF-8", id="raw-surrogate"),
        pytest.param(b'{"a":"\\ud800"}', "has an unpaired surrogate", id="half-a-pair"),
        pytest.param(b'{"\\udc00":1}', "has an unpaired surrogate", id="half-a-pair-in-a-name"),
        pytest.param(b'["\\u0000"]', "has a NUL", id="nul"),
        pytest.param(b'{"a\\u0000b":1}', "has a NUL", id="nul-in-a-name"),
        pytest.param(b'{"a":1,"a":1}', "a member is repeated", id="repeated"),
        pytest.param(b'[{"b":{"a":1,"\\u0061":2}}]', "a member is repeated", id="repeated-deep"),
        pytest.param(b"NaN", "a number is out of range", id="nan"),
        pytest.param(b'{"a":-Infinity}', "a number is out of range", id="infinity"),
        pytest.param(b"1e999", "a number is out of range", id="float-overflow"),
        pytest.param(b"9223372036854775808", "a number is out of range", id="2**63"),
        pytest.param(b"-9223372036854775808", "a number is out of range", id="-2**63"),
        pytest.param(b"9" * 5_000, "a number is out of range", id="5000-digits"),
        pytest.param(b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1), "nested too deeply", id="17"),
        pytest.param(b"[" * 100_000, "nested too deeply", id="100000-arrays"),
        pytest.param(b'{"a":' * 100_000, "nested too deeply", id="100000-objects"),
        pytest.param(b'["' + b'\\"' * 50_000 + b'"' + b",[" * 20, "nested too deeply", id="quotes"),
    ],
)
def test_refuses(data: bytes, expected: str) -> None:
    assert reason(data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX, None, id="deepest"),
        pytest.param(b"[" + b",".join([b"[{}]"] * 5_000) + b"]", [[{}]] * 5_000, id="wide"),
        pytest.param(b'"' + b"[" * 100 + b'\\"{"', "[" * 100 + '"{', id="brackets-in-text"),
        pytest.param(b"9223372036854775807", INTEGER_MAX, id="largest"),
        pytest.param(b"-9223372036854775807", -INTEGER_MAX, id="least"),
        pytest.param(b'"\\\\u0000 \\\\ud800"', "\\u0000 \\ud800", id="escaped-backslashes"),
        pytest.param(b'"\\ud83d\\ude00"', "\U0001f600", id="surrogate-pair"),
        pytest.param(b' {"a" : [1.5e3, true, null]}\r\n', {"a": [1500.0, True, None]}, id="space"),
    ],
)
def test_reads(data: bytes, expected: object) -> None:
    value = loads(data)
    if expected is None:
        assert depth(value) == DEPTH_MAX
    else:
        assert value == expected


def test_tells_integers_from_floats() -> None:
    """A float cannot pass where a limit is an integer: 1.0 stays one."""
    assert [type(number) for number in [loads(b"1"), loads(b"1.0"), loads(b"1e2")]] == [
        int,
        float,
        float,
    ]
    assert math.copysign(1, loads(b"-0.0")) == -1  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"[]", b"1", b'"{}"', b"null"])
def test_an_object_is_nothing_else(data: bytes) -> None:
    with pytest.raises(MalformedJSON, match=r"^not a JSON object$"):
        loads_object(data)


def test_an_object_is_read() -> None:
    assert loads_object(b'{"a":{"b":[]}}') == {"a": {"b": []}}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"[[" * 9 + b'"' + b'\\"' * 500_000, "nested too deeply", id="quotes"),
        pytest.param(b"[[" * 8 + b'"' + b'\\"[' * 300_000, "not JSON", id="unclosed-string"),
        pytest.param(b"[" + b"[]," * 300_000 + b"]", "not JSON", id="brackets"),
        pytest.param(b'["' + b"\\u00e9" * 150_000, "not JSON", id="escapes"),
        pytest.param(b"[" + b"1" * 1_000_000, "a number is out of range", id="digits"),
        pytest.param(b"[" + b"1" * 1_000_000 + b".5", "a number is out of range", id="fraction"),
    ],
)
def test_a_mebibyte_of_one_thing_is_refused_at_once(data: bytes, expected: str) -> None:
    """Were any step quadratic, nobody would wait for this test to end."""
    assert reason(data) == expected
