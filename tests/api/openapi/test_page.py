"""The page says what the document says, loads nothing, runs nothing, and escapes everything."""

import base64
import hashlib
import json
import re
import shlex
from html.parser import HTMLParser
from typing import Any

from api.openapi.page import PAGE_HEADERS, curl, page
from tests.support.description import described

DOCUMENT = described()
PAGE = page(DOCUMENT).decode()
HEADERS = dict(PAGE_HEADERS)
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Read(HTMLParser):
    """The elements of a page, each opened and closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]


READ = Read(PAGE)


def test_every_element_is_closed() -> None:
    assert READ.open == []


def test_every_operation_and_every_body_has_its_place_and_every_link_leads_to_one() -> None:
    anchors = READ.values("id")
    named = {it["operationId"] for item in DOCUMENT["paths"].values() for it in item.values()}

    assert len(set(anchors)) == len(anchors)
    assert named <= set(anchors)
    assert {f"schema-{name}" for name in DOCUMENT["components"]["schemas"]} <= set(anchors)
    links = set(READ.values("href")) - {"/openapi.json"}
    assert links == {f"#{anchor}" for anchor in anchors if f"#{anchor}" in links}


def test_nothing_is_loaded_and_nothing_runs() -> None:
    tags = {tag for tag, _ in READ.elements}

    assert not tags & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert not READ.values("src")
    assert not [name for _, attributes in READ.elements for name in attributes if name[:2] == "on"]
    assert not READ.values("style")


def test_the_policy_allows_the_one_style_and_nothing_else() -> None:
    [style] = re.findall(r"<style>(.*?)</style>", PAGE, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert HEADERS[b"content-security-policy"].decode() == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    assert "url(" not in style
    assert "@import" not in style
    assert "color-scheme:light dark" in style


def _spoilt(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The document with markup in each text that is there to be read."""
    if isinstance(value, list):
        return [_spoilt(it) for it in value]
    if not isinstance(value, dict):
        return value
    return {
        name: "<script>alert(1)</script>\"'&"
        if name in {"description", "summary", "example", "value", "default"} and isinstance(it, str)
        else _spoilt(it)
        for name, it in value.items()
    }


def test_every_text_is_escaped() -> None:
    spoilt = page(_spoilt(DOCUMENT)).decode()

    assert "alert(1)" in spoilt
    assert "<script" not in spoilt
    assert Read(spoilt).open == []


def test_an_operation_can_be_tried_in_a_shell() -> None:
    item = DOCUMENT["paths"]["/api/v2/users/{user_id}"]["patch"]
    line = curl("PATCH", "/api/v2/users/{user_id}", item, "https://nod.example.com")

    assert shlex.split(line) == [
        "curl",
        "-X",
        "PATCH",
        "https://nod.example.com/api/v2/users/auth0%7C5f7c8ec7c33c6c004bbafe82",
        "-H",
        "Authorization: Bearer $TOKEN",
        "-H",
        "Content-Type: application/json",
        "-d",
        '{"blocked": true}',
    ]


def test_every_operation_has_its_line_for_a_shell() -> None:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            words = shlex.split(curl(method.upper(), path, operation, "https://nod.example.com"))

            assert words[:3] == ["curl", "-X", method.upper()]
            assert "{" not in words[3]


def test_a_body_with_an_apostrophe_survives_the_shell() -> None:
    content = {"application/json": {"example": {"name": "Aiko's $HOME"}}}
    line = curl("POST", "/x", {"requestBody": {"content": content}}, "")

    assert json.loads(shlex.split(line)[-1]) == {"name": "Aiko's $HOME"}
