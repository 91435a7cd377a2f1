"""The files of the browser authenticator, and what else its page is told."""

import json
import re
from pathlib import Path

import pytest

from api.authenticator.security_headers import SECURITY_HEADERS
from api.authenticator.served import FOLDER, MEDIA_TYPES, files, is_current
from tests.support.management import ISSUER, Administration, tell
from tests.support.redis_server import RedisServer

NOT_FILES = [
    "nothing.js",
    "__init__.py",
    "../served.py",
    "..%2Fserved.py",
    "%2e%2e%2fserved.py",
    "..%5Cserved.py",
    "%2Fetc%2Fpasswd",
    "static",
    "index.html%00",
    "index.html%0A",
    "style.css/",
    "%F0%9F%98%80",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "index.html": "<!doctype html>",
        "app.js": "export {};",
        "style.css": "body {}",
        "sw.js": "const urls = self.SHELL.urls;",
        "notes.txt": "a secret of the editor",
        ".app.js.swp": "another",
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "folder.js").mkdir()
    return tmp_path


def test_what_is_served_is_what_a_page_is_made_of(folder: Path) -> None:
    served = files(folder)

    assert set(served) == {"index.html", "app.js", "style.css", "sw.js"}
    assert served["app.js"].body == b"export {};"
    assert dict(served["app.js"].headers)[b"content-type"] == b"text/javascript; charset=utf-8"


def told_to_worker(folder: Path) -> dict[str, object]:
    line, _, rest = files(folder)["sw.js"].body.decode().partition("\n")
    assert rest == (folder / "sw.js").read_text()
    found = re.fullmatch(r"self\.SHELL = (\{.*\});", line)
    assert found
    return dict(json.loads(found[1]))


def test_the_worker_is_told_what_to_keep_and_each_change_is_a_new_version(folder: Path) -> None:
    first = told_to_worker(folder)
    assert first["urls"] == ["/authenticator/app.js", "/authenticator", "/authenticator/style.css"]
    assert told_to_worker(folder) == first

    versions = {first["version"]}
    for name in ("app.js", "sw.js", "index.html"):
        (folder / name).write_text(f"{(folder / name).read_text()} ")
        versions.add(told_to_worker(folder)["version"])
    (folder / "style.css").rename(folder / "other.css")
    versions.add(told_to_worker(folder)["version"])

    assert len(versions) == 5


@pytest.mark.parametrize(
    ("if_none_match", "current"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"x", W/"y" , "a"', True),
        ("*", True),
        ("", False),
        ('"A"', False),
        ("a", False),
        ('"b"', False),
    ],
)
def test_a_tag_is_compared_weakly(if_none_match: str, *, current: bool) -> None:
    """RFC 9110 13.1.2."""
    assert is_current(if_none_match, '"a"') is current


def test_every_file_of_the_page_is_served_and_asked_for_again_by_its_tag(
    redis_server: RedisServer,
) -> None:
    async def story(admin: Administration) -> None:
        names = sorted(path.name for path in FOLDER.iterdir())
        assert "enrollment.js" in names
        for name in names:
            path = "authenticator" if name == "index.html" else f"authenticator/{name}"
            answer = await admin.http.get(path)

            assert answer.status_code == 200, name
            assert answer.headers["content-type"].encode() == MEDIA_TYPES[Path(name).suffix]
            assert answer.headers["cache-control"] == "no-cache"
            for header, value in SECURITY_HEADERS:
                assert answer.headers[header.decode()] == value.decode()
            allowed = answer.headers.get("service-worker-allowed")
            assert allowed == ("/authenticator" if name == "sw.js" else None)
            assert (await admin.http.head(path)).headers["etag"] == answer.headers["etag"]

            tag = {"If-None-Match": answer.headers["etag"]}
            again = await admin.http.get(path, headers=tag)
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == answer.headers["etag"]
            assert (await admin.http.get(path, headers={"If-None-Match": '"x"'})).content

    tell(redis_server.database(7), story)


def test_nothing_outside_the_folder_can_be_read(redis_server: RedisServer) -> None:
    async def story(admin: Administration) -> None:
        for name in NOT_FILES:
            answer = await admin.http.get(f"authenticator/{name}")

            assert answer.status_code == 404, name
            assert answer.json()["error"] == "not_found"
            assert name not in answer.text

    tell(redis_server.database(7), story)


def test_the_page_is_told_of_its_installation(redis_server: RedisServer) -> None:
    async def story(admin: Administration) -> None:
        answer = await admin.http.get("authenticator/config.json")

        body = answer.json()
        assert answer.headers["cache-control"] == "no-store"
        assert set(body) == {"issuer", "name", "vapid_public_key"}
        assert (body["issuer"], body["name"]) == (ISSUER, "Bank & Co")
        assert re.fullmatch(r"B[A-Za-z0-9_-]{86}", body["vapid_public_key"])  # 04, x, y
        assert (await admin.http.get("authenticator/config.json")).json() == body

    tell(redis_server.database(7), story)
