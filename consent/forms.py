"""
The body of a form post, application/x-www-form-urlencoded, read so that one body has one meaning.

Pure. Every poll passes through here, so the common case is a split and a few look-ups; the size
of the body is the caller's to bound, and the work done here is linear in it.
"""

import re
from typing import Final

PARAMETERS_MAX = 50
NAME_OCTETS_MAX = 256
VALUE_OCTETS_MAX = 16_384

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SAFE_NAME = re.compile(r"[a-z_]{1,64}")
_HEX = "0123456789abcdefABCDEF"
_OCTETS: Final = {
    high + low: chr(int(high + low, 16)) for high in _HEX for low in _HEX
}  # an escape's two digits to its octet, as the Latin-1 character of the same number


class MalformedForm(Exception):  # noqa: N818
    """The body is refused. `reason` is ASCII and repeats nothing of the body; `parameter` is the
    name at fault where it is known and harmless to repeat (`[a-z_]`, at most 64), else None.
    """

    def __init__(self, reason: str, name: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.parameter = name if _SAFE_NAME.fullmatch(name) else None


def parse(body: bytes) -> dict[str, str]:
    """The parameters that have a value, by name, in the order sent.

    A parameter sent twice is refused, even empty (A010); an empty value is as good as none
    (A013). Names and values are UTF-8 without control characters; `;` separates nothing.
    Raises `MalformedForm`, and nothing but that.
    """
    if not body:
        return {}
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        raise MalformedForm("not ASCII") from None
    fields = text.split("&", PARAMETERS_MAX)
    if len(fields) > PARAMETERS_MAX:
        raise MalformedForm("too many parameters")
    # Of a short body all is said at once: what has no escape then stands for itself.
    short = len(text) <= NAME_OCTETS_MAX and text.isprintable() and "+" not in text
    parameters: dict[str, str] = {}
    for field in fields:
        if field:
            name, _, value = field.partition("=")
            if not short or "%" in field:
                name = _text(name, NAME_OCTETS_MAX)
                value = _text(value, VALUE_OCTETS_MAX, name)
            if name in parameters:
                raise MalformedForm("a parameter is repeated", name)
            parameters[name] = value
    if "" in parameters.values():
        return {name: value for name, value in parameters.items() if value}
    return parameters


def _text(escaped: str, octets_max: int, name: str = "") -> str:
    """What an escaped name or value says; `name` is the parameter to blame."""
    if len(escaped) > octets_max and len(escaped) - 2 * escaped.count("%") > octets_max:
        raise MalformedForm("too long", name)
    text = escaped.replace("+", " ")
    if "%" in text:
        text = _unescaped(text, name)
    # What is printable has no control character, and is far quicker to tell.
    if not text.isprintable() and _CONTROL.search(text):
        raise MalformedForm("has a control character", name)
    return text


def _unescaped(escaped: str, name: str) -> str:
    """The octets are gathered as Latin-1 characters, so that what stays ASCII, nearly all, is
    never encoded and decoded again.
    """
    head, *rest = escaped.split("%")
    try:
        octets = head + "".join([_OCTETS[escape[:2]] + escape[2:] for escape in rest])
    except KeyError:
        raise MalformedForm("has a malformed escape", name) from None
    if octets.isascii():
        return octets
    try:
        return octets.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedForm("not UTF-8", name) from None
