"""MEMBER=VALUE: from the words of a command to the body of a call."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.administration.bodies import body_of
from scripts.administration.installation import AdministrationError

# What a command cannot be given: a terminal has no U+0000.
SAYABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("null", None),
        ("30", 30),
        ('"4711"', "4711"),
        ('["a"]', ["a"]),
        ('{"a":{"b":1}}', {"a": {"b": 1}}),
        ("", ""),
        ("Ann Smith", "Ann Smith"),
        ("+4930123456", "+4930123456"),
        ("007", "007"),
        ("NaN", "NaN"),
        ("a=b", "a=b"),
        ('{"a":1,"a":2}', '{"a":1,"a":2}'),
        ("[" * 10_000, "[" * 10_000),
    ],
)
def test_a_value_is_json_or_else_text(text: str, value: object) -> None:
    assert body_of([f"member={text}"]) == {"member": value}


def test_a_dot_leads_into_a_member() -> None:
    assert body_of(["flags.a=true", "flags.b=false", "name=x", "name=y"]) == {
        "flags": {"a": True, "b": False},
        "name": "y",
    }


@pytest.mark.parametrize("text", ["", "name", "=x", ".a=x", "a.=x", "a..b=x", "--yes"])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(AdministrationError, match="is not MEMBER=VALUE"):
        body_of([text])


def test_a_text_has_no_members() -> None:
    with pytest.raises(AdministrationError, match="leads into a member that is no object"):
        body_of(["a=1", "a.b=2"])


@given(st.lists(SAYABLE, max_size=4))
def test_any_words_end_in_a_body_or_a_refusal(words: list[str]) -> None:
    try:
        body = body_of(words)
    except AdministrationError:
        return
    assert len(body) <= len(words)


@given(st.dictionaries(st.from_regex(r"\A[a-z_]{1,8}\Z"), SAYABLE, max_size=4))
def test_every_body_of_texts_can_be_said(body: dict[str, str]) -> None:
    assert body_of([f"{name}={json.dumps(text)}" for name, text in body.items()]) == body


def test_a_file_comes_first_and_the_words_last(tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_text('{"name":"file","description":"file","jwks":{"keys":[]}}')

    body = body_of(["jwks.extra=1"], str(file), name="given", scope=None, empty="")

    assert body == {"name": "given", "description": "file", "jwks": {"keys": [], "extra": 1}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"[]", "not a JSON object"), (b"{", "not JSON"), (b"\xff", "not UTF-8"), (b"", "is empty")],
)
def test_a_file_that_is_no_object_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "body.json"
    file.write_bytes(content)

    with pytest.raises(AdministrationError, match=reason):
        body_of([], str(file))


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(AdministrationError, match=str(tmp_path / name)):
        body_of([], str(tmp_path / name))
