"""
The records of an export, one after the other, whatever they were written by.

A list (`auth0 apps list --json`, `GET /api/v2/clients`), an object of lists (`{"clients": [...]}`,
the Deploy CLI), one record, or a record in each line (the job that exports users), each of them
also packed by gzip. Lines are read one by one, so that a file of them may be of any length.
"""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, get_args

from consent.strict_json import MalformedJSON, loads
from scripts.administration.installation import AdministrationError

# In the order they are taken over: each rests on those before it.
Kind = Literal["connection", "resource server", "client", "client grant", "user"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LISTS: dict[str, Kind] = {
    "connections": "connection",
    "databases": "connection",
    "resource_servers": "resource server",
    "resourceServers": "resource server",
    "clients": "client",
    "client_grants": "client grant",
    "clientGrants": "client grant",
    "users": "user",
}
LINE_BYTES_MAX = 1_048_576
FILE_BYTES_MAX = 67_108_864  # of one that is no lines, and has to be read whole

_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_IDENTIFYING = frozenset({"user_id", "email", "username", "phone_number"})


class Entry(NamedTuple):
    """A record, and where it stands; without a kind it is none, and `fault` says why."""

    place: str
    kind: Kind | None
    record: dict[str, object]
    fault: str = ""


def entries(paths: Sequence[Path]) -> Iterator[Entry]:
    """
    Of all files, kind by kind, as one rests on another; a file of lines, which is read once, goes
    with the kind of its first. Raises AdministrationError for a file that cannot be read, before
    the first entry.
    """
    lined = {path: _kind_of_lines(path) for path in paths}
    for kind in (*KINDS, None):
        for path in paths:
            first = lined[path]
            if first is None:
                yield from (entry for entry in entries_of(path) if entry.kind == kind)
            elif first.kind == kind:
                yield from entries_of(path)


def entries_of(path: Path) -> Iterator[Entry]:
    """Raises AdministrationError."""
    with _readable(path) as file:
        yield from _lines(path.name, file) if _first_line(file) else _whole(path.name, file)


def _kind_of_lines(path: Path) -> Entry | None:
    """The first record of a file of lines; None for any other file."""
    with _readable(path) as file:
        return _first_line(file)


def _first_line(file: BinaryIO | gzip.GzipFile) -> Entry | None:
    """The file is at its start, before and after."""
    start = file.read(LINE_BYTES_MAX).removeprefix(_BYTE_ORDER_MARK).lstrip()
    file.seek(0)
    try:
        value = loads(start.partition(b"\n")[0])
    except MalformedJSON:
        return None
    return _entry("", value, None) if isinstance(value, dict) and not _lists(value) else None


@contextmanager
def _readable(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    try:
        with _opened(path) as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:  # EOFError: a packed file without its end
        reason = getattr(error, "strerror", None) or "cannot be unpacked"
        raise AdministrationError(f"{path}: {reason}") from None


def _opened(path: Path) -> BinaryIO | gzip.GzipFile:
    with path.open("rb") as file:
        is_packed = file.read(len(_GZIP)) == _GZIP
    return gzip.open(path) if is_packed else path.open("rb")


def _whole(name: str, file: BinaryIO | gzip.GzipFile) -> Iterator[Entry]:
    text = file.read(FILE_BYTES_MAX + 1).removeprefix(_BYTE_ORDER_MARK)
    if len(text) > FILE_BYTES_MAX:
        fault = f"longer than {FILE_BYTES_MAX} bytes: export a record in each line"
        yield Entry(name, None, {}, fault)
        return
    yield from _parsed(name, text)


def _lines(name: str, file: BinaryIO | gzip.GzipFile) -> Iterator[Entry]:
    number = 0
    while line := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        place = f"{name}:{number}"
        if len(line) > LINE_BYTES_MAX:
            while line and not line.endswith(b"\n"):
                line = file.readline(LINE_BYTES_MAX)
            yield Entry(place, None, {}, f"longer than {LINE_BYTES_MAX} bytes")
        elif line.strip():
            yield from _parsed(place, line.removeprefix(_BYTE_ORDER_MARK))


def _parsed(place: str, text: bytes) -> Iterator[Entry]:
    try:
        value = loads(text)
    except MalformedJSON as error:
        yield Entry(place, None, {}, f"the JSON is malformed: {error.reason}")
        return
    if isinstance(value, dict) and (lists := _lists(value)):
        for name, records in sorted(lists.items(), key=lambda it: KINDS.index(LISTS[it[0]])):
            yield from _listed(f"{place} {name}", records, LISTS[name])
    elif isinstance(value, list):
        yield from _listed(place, value, None)
    else:
        yield _entry(place, value, None)


def _lists(value: dict[str, object]) -> dict[str, list[object]]:
    return {name: it for name, it in value.items() if name in LISTS and isinstance(it, list)}


def _listed(place: str, records: list[object], kind: Kind | None) -> Iterator[Entry]:
    for number, record in enumerate(records, 1):
        yield _entry(f"{place}[{number}]", record, kind)


def _entry(place: str, value: object, kind: Kind | None) -> Entry:
    if not isinstance(value, dict):
        return Entry(place, None, {}, "not an object")
    kind = kind or kind_of(value)
    return Entry(place, kind, value, "" if kind else "nothing that is taken over")


def kind_of(record: dict[str, object]) -> Kind | None:
    """By the members that no other kind has."""
    if "strategy" in record:
        return "connection"
    if "audience" in record:
        return "client grant"
    if "identifier" in record:
        return "resource server"
    if "client_id" in record or "app_type" in record:
        return "client"
    return "user" if _IDENTIFYING & record.keys() else None
