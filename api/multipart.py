"""A form with files, multipart/form-data (RFC 7578): each part once, and few of them."""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

PARTS_MAX = 10
NAME_CHARACTERS_MAX = 64


class MalformedMultipart(Exception):  # noqa: N818
    """The body is refused; `reason` is ASCII and repeats nothing of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def multipart(body: bytes, content_type: str) -> dict[str, bytes]:
    """
    The contents of the parts by name; the size of the body is the caller's to bound. Raises
    MalformedMultipart, and nothing but that.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise MalformedMultipart("it has no boundary")
    parts = _Parts()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": parts.begin,
                "on_header_field": parts.header_name,
                "on_header_value": parts.header_value,
                "on_header_end": parts.header_end,
                "on_part_data": parts.data,
                "on_part_end": parts.end,
                "on_end": parts.close,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise MalformedMultipart("it is not multipart/form-data") from None
    if not parts.is_closed:
        raise MalformedMultipart("it has no end")
    return parts.found


class _Parts:
    """What the parser calls, as it reads."""

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}
        self.is_closed = False

    def begin(self) -> None:
        if len(self.found) == PARTS_MAX:
            raise MalformedMultipart("it has too many parts")
        self._name, self._header, self._value = "", b"", b""
        self._data: list[bytes] = []

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            kind, options = parse_options_header(self._value)
            if kind == b"form-data":
                self._name = options.get(b"name", b"").decode("latin-1")
        self._header, self._value = b"", b""

    def data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def end(self) -> None:
        if not 1 <= len(self._name) <= NAME_CHARACTERS_MAX:
            raise MalformedMultipart("a part has no name")
        if self._name in self.found:
            raise MalformedMultipart("a part is repeated")
        self.found[self._name] = b"".join(self._data)

    def close(self) -> None:
        self.is_closed = True
