"""
Rich authorization requests: what exactly is to be authorized (RFC 9396, auth0-wire 1.6), and the
context of a request (CIBA 7.1).

The members of a type are its API's business: what is checked is that they can be kept, shown and
echoed as they were sent.
"""

import re

from consent import policy
from consent.access import ResourceServer
from consent.client import Client
from consent.errors import InvalidAuthorizationDetails, InvalidRequest
from consent.shown import INTEGER_MAX
from consent.strict_json import MalformedJSON, loads, loads_object

Detail = dict[str, object]

_IS_NAME = re.compile(r"[A-Za-z0-9_.-]+").fullmatch
# T36: controls, and what turns the direction of the text around it, show what was not sent.
_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]").search


def authorization_details(
    text: str, *, client: Client, resource_server: ResourceServer | None
) -> list[Detail]:
    """
    The details of a request, each of a type that the API registers and the client may use
    (D040, D041). Raises InvalidAuthorizationDetails.
    """
    details = _details(text)
    for detail in details:
        check_type(detail["type"], client, resource_server)
    return details


def narrowed(granted: list[Detail], requested: str) -> list[Detail]:
    """
    What a token is to be for, of what was granted: each entry as it is there, and no more often
    (D043, RFC 9396 6). Raises InvalidAuthorizationDetails.
    """
    left = [*granted]
    chosen = []
    for detail in _details(requested):
        place = next((i for i, other in enumerate(left) if _is_same(detail, other)), None)
        if place is None:
            raise InvalidAuthorizationDetails("authorization_details exceed what was granted")
        chosen.append(left.pop(place))
    return chosen


def request_context(text: str) -> dict[str, object]:
    """A047, B008: a JSON object of whatever the client knows. Raises InvalidRequest."""
    if _is_longer(text, policy.REQUEST_CONTEXT_BYTES_MAX):
        raise InvalidRequest("request_context is longer than 2 KB")
    try:
        return loads_object(_octets(text))
    except MalformedJSON as error:
        raise InvalidRequest(f"request_context: {error.reason}") from None


def check_type(name: object, client: Client, resource_server: ResourceServer | None) -> None:
    """D041, D044."""
    registered = resource_server.authorization_details if resource_server else []
    if name not in [known.type for known in registered]:
        raise _invalid("a type is not registered by the API")
    allowed = client.authorization_details_types
    if allowed is not None and name not in allowed:
        raise _invalid("a type may not be used by this client")


def _details(text: str) -> list[Detail]:
    if _is_longer(text, policy.AUTHORIZATION_DETAILS_BYTES_MAX):
        raise _invalid("longer than 5 KB")
    try:
        entries = loads(_octets(text))
    except MalformedJSON as error:
        raise _invalid(error.reason) from None
    if not isinstance(entries, list):
        raise _invalid("not a JSON array")
    if len(entries) > policy.AUTHORIZATION_DETAILS_MAX:
        raise _invalid("more than 5 entries")
    return [_detail(entry) for entry in entries]


def _detail(entry: object) -> Detail:
    if not isinstance(entry, dict):
        raise _invalid("an entry is not an object")
    if not isinstance(entry.get("type"), str):
        raise _invalid("an entry has no type that is a string")
    _check_value(entry, level=1)
    return entry


def _check_value(value: object, level: int) -> None:
    if isinstance(value, dict | list) and level > policy.AUTHORIZATION_DETAILS_LEVELS_MAX:
        raise _invalid("nested more than 5 levels deep")
    match value:
        case str():
            _check_text(value)
        case int() if abs(value) > INTEGER_MAX:
            raise _invalid("a number is larger than every phone can show")
        case dict():
            if len(value) > policy.AUTHORIZATION_DETAILS_PROPERTIES_MAX:
                raise _invalid("an object has more than 10 properties")
            for name, member in value.items():
                _check_name(name)
                _check_value(member, level + 1)
        case list():
            for element in value:
                _check_value(element, level + 1)


def _check_text(text: str) -> None:
    if len(text) > policy.AUTHORIZATION_DETAILS_CHARACTERS_MAX:
        raise _invalid("a value is longer than 255 characters")
    if _UNSHOWABLE(text):
        raise _invalid("a value has a character that cannot be shown")


def _check_name(name: str) -> None:
    if len(name) > policy.AUTHORIZATION_DETAILS_CHARACTERS_MAX:
        raise _invalid("a name is longer than 255 characters")
    if not _IS_NAME(name):
        raise _invalid("a name has a character that is not allowed")


def _is_same(one: object, other: object) -> bool:
    """As JSON has it: 25 and 25.0 are one number, and 1 is not true."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(_is_same(one[n], other[n]) for n in one)
        case list(), list():
            return len(one) == len(other) and all(map(_is_same, one, other))
        case _:
            return isinstance(one, bool) == isinstance(other, bool) and one == other


def _is_longer(text: str, octets_max: int) -> bool:
    # Characters first: there are no more of them than octets.
    return len(text) > octets_max or len(_octets(text)) > octets_max


def _octets(text: str) -> bytes:
    # Half a surrogate pair becomes what is not UTF-8, which the reader of JSON refuses.
    return text.encode(errors="surrogatepass")


def _invalid(reason: str) -> InvalidAuthorizationDetails:
    return InvalidAuthorizationDetails(f"authorization_details: {reason}")
