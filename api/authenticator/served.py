"""
/authenticator: the page that makes a browser an authenticator, as files that are read at start.

What is served is what was in the folder then, by name: no path is made of what was sent, so that
nothing outside of it can be read. Each answer is asked for again (`no-cache`) and is a 304 while
the content is the same; a release is therefore there with the next look, and the worker of the
page, which is told the files and their version, replaces what it keeps offline.
"""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from api.authenticator.security_headers import SECURITY_HEADERS
from api.edge import JSON_HEADERS, Call, Reply, json_reply
from api.services import Services
from consent.errors import Refusal
from consent.identifiers import b64url

FOLDER = Path(__file__).parent / "static"
PAGE, WORKER = "index.html", "sw.js"
MEDIA_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".webmanifest": b"application/manifest+json",
    ".svg": b"image/svg+xml",
    ".png": b"image/png",
}
_SCOPE = (b"service-worker-allowed", b"/authenticator")


class NotFound(Refusal):
    status = 404
    error = "not_found"


class File(NamedTuple):
    body: bytes
    etag: bytes
    headers: tuple[tuple[bytes, bytes], ...]


def files(folder: Path) -> dict[str, File]:
    """The files of a folder by name, those of a kind that a page is made of."""
    contents = {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.suffix in MEDIA_TYPES and path.is_file()
    }
    if WORKER in contents:
        contents[WORKER] = shell(contents) + contents[WORKER]
    return {name: _file(name, body) for name, body in contents.items()}


def shell(contents: dict[str, bytes]) -> bytes:
    """
    The line before the worker's own script: what to keep so that the page opens offline. The
    version is that of all content, the worker's included, so that each change is a new worker.
    """
    version = hashlib.sha256()
    for name, body in contents.items():
        version.update(f"{name} {len(body)}\n".encode() + body)
    urls = [_url(name) for name in contents if name != WORKER]
    told = json.dumps({"version": b64url(version.digest()), "urls": urls})
    return f"self.SHELL = {told};\n".encode()


def _url(name: str) -> str:
    return "/authenticator" if name == PAGE else f"/authenticator/{name}"


def _file(name: str, body: bytes) -> File:
    etag = f'"{b64url(hashlib.sha256(body).digest())}"'.encode()
    headers = [
        (b"content-type", MEDIA_TYPES[Path(name).suffix]),
        (b"cache-control", b"no-cache"),
        (b"etag", etag),
        *SECURITY_HEADERS,
    ]
    if name == WORKER:
        headers.append(_SCOPE)  # its own folder would be /authenticator/, without the page
    return File(body, etag, tuple(headers))


class Authenticator:
    def __init__(self, services: Services, folder: Path = FOLDER) -> None:
        self._services = services
        self._files = files(folder)

    async def page(self, call: Call) -> Reply:
        """GET, HEAD /authenticator."""
        return self._reply(call, PAGE)

    async def file(self, call: Call) -> Reply:
        """GET, HEAD /authenticator/{file}."""
        return self._reply(call, call.path["file"])

    def _reply(self, call: Call, name: str) -> Reply:
        file = self._files.get(name)
        if file is None:
            raise NotFound("There is nothing at this path")
        if is_current(call.list_header(b"if-none-match"), file.etag.decode()):
            return Reply(304, b"", file.headers, outcome="not_modified")
        return Reply(200, file.body, file.headers)

    async def config(self, call: Call) -> Reply:  # noqa: ARG002 - the same for every call
        """GET /authenticator/config.json: what the page must know of this installation."""
        services = self._services
        return json_reply(
            {
                "issuer": services.settings.issuer,
                "name": await services.friendly_name(),
                "vapid_public_key": await services.vapid_public_key(),
            }
        )._replace(headers=(*JSON_HEADERS, *SECURITY_HEADERS))


def is_current(if_none_match: str, etag: str) -> bool:
    """RFC 9110 13.1.2: any of a list, compared weakly; a proxy that compresses makes them weak."""
    sent = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return bool(sent & {etag, "*"})
