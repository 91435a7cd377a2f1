"""A form body has one meaning or none (A010, A013, U5, U6, T32)."""

import contextlib
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.forms import (
    NAME_OCTETS_MAX,
    PARAMETERS_MAX,
    VALUE_OCTETS_MAX,
    MalformedForm,
    parse,
)

texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60)


def refusal(body: bytes) -> tuple[str, str | None]:
    with pytest.raises(MalformedForm) as caught:
        parse(body)
    return caught.value.reason, caught.value.parameter


@given(st.dictionaries(texts, texts, max_size=PARAMETERS_MAX))
def test_reads_what_was_encoded(parameters: dict[str, str]) -> None:
    """Every text without control characters comes back; the empty ones are as if not sent."""
    assert parse(urlencode(parameters).encode()) == {
        name: value for name, value in parameters.items() if value
    }


@given(st.binary() | st.text(alphabet="ab=&%+;0eE9F\n").map(str.encode))
def test_any_octets_are_read_as_the_standard_library_does_or_refused(body: bytes) -> None:
    """Nothing but MalformedForm is raised; nothing is read otherwise than the library does."""
    with contextlib.suppress(MalformedForm):
        parameters = parse(body)
        assert parameters == dict(parse_qsl(body.decode(), errors="strict"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", {}, id="empty"),
        pytest.param(b"&&a=1&", {"a": "1"}, id="empty-fields"),
        pytest.param(b"a=&b&c=1", {"c": "1"}, id="empty-values-are-omitted"),
        pytest.param(b"a=1;b=2", {"a": "1;b=2"}, id="semicolon-separates-nothing"),
        pytest.param(b"a==%3D=", {"a": "==="}, id="equals-in-a-value"),
        pytest.param(b"a+b=c+d%2B", {"a b": "c d+"}, id="plus-is-a-space"),
        pytest.param(b"%67rant%5Ftype=x%26y", {"grant_type": "x&y"}, id="escapes"),
        pytest.param(b"a=%C3%A9%f0%9f%98%80", {"a": "\xe9\U0001f600"}, id="utf-8"),
        pytest.param(b"a=%E2%80%AE", {"a": "\u202e"}, id="format-characters-are-not-control"),
        pytest.param(b"A-b.9=1", {"A-b.9": "1"}, id="unknown-names"),
    ],
)
def test_reads(body: bytes, expected: dict[str, str]) -> None:
    assert parse(body) == expected


@pytest.mark.parametrize(
    ("body", "reason", "parameter"),
    [
        pytest.param(b"scope=a&scope=a", "a parameter is repeated", "scope", id="repeated"),
        pytest.param(b"scope=&scope=a", "a parameter is repeated", "scope", id="repeated-empty"),
        pytest.param(b"scope&b=1&scope", "a parameter is repeated", "scope", id="repeated-bare"),
        pytest.param(b"scope=a&%73cope=b", "a parameter is repeated", "scope", id="disguised"),
        pytest.param(b"S=a&S=b", "a parameter is repeated", None, id="name-not-repeated-back"),
        pytest.param(b"=a&=b", "a parameter is repeated", None, id="repeated-without-name"),
        pytest.param(b"scope=%ff", "not UTF-8", "scope", id="not-utf-8"),
        pytest.param(b"scope=%C0%80", "not UTF-8", "scope", id="overlong-nul"),
        pytest.param(b"scope=%ED%A0%80", "not UTF-8", "scope", id="surrogate"),
        pytest.param(b"%ff=1", "not UTF-8", None, id="name-not-utf-8"),
        pytest.param(b"scope=\xc3\xa9", "not ASCII", None, id="not-escaped"),
        pytest.param(b"scope=a%00b", "has a control character", "scope", id="nul"),
        pytest.param(b"scope=a\nb", "has a control character", "scope", id="line-feed"),
        pytest.param(b"scope=%7F", "has a control character", "scope", id="delete"),
        pytest.param(b"scope=%C2%85", "has a control character", "scope", id="c1"),
        pytest.param(b"a%0d%0ab=1", "has a control character", None, id="control-in-a-name"),
        pytest.param(b"scope=%", "has a malformed escape", "scope", id="bare-percent"),
        pytest.param(b"scope=%4", "has a malformed escape", "scope", id="half-an-escape"),
        pytest.param(b"scope=%zz", "has a malformed escape", "scope", id="not-hexadecimal"),
        pytest.param(b"scope=%+1", "has a malformed escape", "scope", id="sign-and-digit"),
        pytest.param(b"scope=%4%31", "has a malformed escape", "scope", id="escape-in-an-escape"),
    ],
)
def test_refuses(body: bytes, reason: str, parameter: str | None) -> None:
    """With the parameter at fault, when its name is safe to say."""
    assert refusal(body) == (reason, parameter)


def test_limits_are_in_octets_before_escaping() -> None:
    name, value = "n" * NAME_OCTETS_MAX, "%C3%A9" * (VALUE_OCTETS_MAX // 2)

    assert parse(f"{name}={value}".encode()) == {name: "\xe9" * (VALUE_OCTETS_MAX // 2)}
    assert refusal(f"scope={value}%41".encode()) == ("too long", "scope")
    assert refusal(f"scope={'a' * (VALUE_OCTETS_MAX + 1)}".encode()) == ("too long", "scope")
    assert refusal(f"{name}n=1".encode()) == ("too long", None)


def test_at_most_50_parameters_are_read() -> None:
    """CVE-2026-54283: separators count, or a body of nothing else would cost a pass each."""
    fields = [f"a{n}=1" for n in range(PARAMETERS_MAX + 1)]

    assert len(parse("&".join(fields[:-1]).encode())) == PARAMETERS_MAX
    assert refusal("&".join(fields).encode()) == ("too many parameters", None)


@pytest.mark.parametrize(
    ("piece", "reason"),
    [
        pytest.param(b"a;", "too long", id="semicolons"),
        pytest.param(b"a&", "too many parameters", id="ampersands"),
        pytest.param(b"=", "too long", id="equals"),
        pytest.param(b"%41", "too long", id="escapes"),
        pytest.param(b"%", "has a malformed escape", id="percents"),
        pytest.param(b"+", "too long", id="pluses"),
    ],
)
def test_a_mebibyte_of_one_thing_is_refused_at_once(piece: bytes, reason: str) -> None:
    """CVE-2026-53539: python-multipart was quadratic in `;`. Here nothing of it is decoded."""
    assert refusal(piece * (1_048_576 // len(piece)))[0] == reason
