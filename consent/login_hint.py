"""
Whom a client means: a user id, an e-mail address or a phone number (CIBA 7.1, A028).

Pure; whether there is such a person is Redis' to say. What cannot name anybody is answered like
somebody unknown, and why goes to the log.
"""

import re
import unicodedata
from string import ascii_lowercase, ascii_uppercase
from typing import Literal

import msgspec

from consent.errors import UnknownUserId
from consent.strict_json import MalformedJSON, loads_object

HintKind = Literal["user_id", "email", "phone_number"]

_CHARACTERS_MAX = 255
_IS_PHONE_NUMBER = re.compile(r"\+[0-9]{7,15}").fullmatch  # E.164
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


class LoginHint(msgspec.Struct, frozen=True):
    """An e-mail address and a phone number are normal, as they are kept with users."""

    kind: HintKind
    value: str


def login_hint(text: str, *, issuer: str) -> LoginHint:
    """
    A subject identifier in JSON, or the bare value of one. Raises UnknownUserId.

    A bare value with a `|` is a user id; else one with an `@` is an e-mail address and one that
    begins with a `+` a phone number; any other is a user id.
    """
    try:
        octets = text.encode()
    except UnicodeEncodeError:
        raise _unknown_user("the hint has half a surrogate pair") from None
    if text.lstrip().startswith("{"):
        try:
            return subject(loads_object(octets), issuer=issuer)
        except MalformedJSON as error:
            raise _unknown_user(f"the hint {error.reason}") from None
    if "|" in text:
        return user_id(text)
    if "@" in text:
        return _email(text)
    if text.startswith("+"):
        return _phone_number(text)
    return user_id(text)


def subject(identifier: object, *, issuer: str) -> LoginHint:
    """
    The person of a subject identifier (RFC 9493 3.2), auth0-wire 1.1's first.

    Libraries write the issuer with and without its slash. Raises UnknownUserId.
    """
    match identifier:
        case {"format": "iss_sub", "iss": str(iss), "sub": sub}:
            if iss.rstrip("/") != issuer.rstrip("/"):
                raise _unknown_user("the hint names another issuer")
            return user_id(sub)
        case {"format": "email", "email": email}:
            return _email(email)
        case {"format": "phone_number", "phone_number": phone_number}:
            return _phone_number(phone_number)
    raise _unknown_user("the hint is no subject identifier of a known format")


def user_id(value: object) -> LoginHint:
    """Raises UnknownUserId."""
    if not isinstance(value, str) or not 1 <= len(value) <= _CHARACTERS_MAX:
        raise _unknown_user("the hint has no user id, or too long a one")
    return LoginHint("user_id", value)


def normal_email(text: str) -> str | None:
    """
    The one spelling of an e-mail address that is kept and looked for; None for what is none.

    NFC and lower case, in ASCII alone: what other letters' lower case is, depends on who asks.
    """
    if len(text) > _CHARACTERS_MAX:
        return None
    # Again after, for a small letter may have a composed form that its capital has not.
    normal = _nfc(_nfc(text).translate(_LOWER))
    local, _, domain = normal.partition("@")
    if not local or not domain or "@" in domain:
        return None
    # White space other than the space, controls and unassigned characters are not printable.
    return normal if normal.isprintable() and " " not in normal else None


def normal_phone(text: str) -> str | None:
    """A phone number in full (E.164), which has one spelling; None for what is none."""
    return text if _IS_PHONE_NUMBER(text) else None


def _email(value: object) -> LoginHint:
    normal = normal_email(value) if isinstance(value, str) else None
    if normal is None:
        raise _unknown_user("the hint has no e-mail address")
    return LoginHint("email", normal)


def _phone_number(value: object) -> LoginHint:
    normal = normal_phone(value) if isinstance(value, str) else None
    if normal is None:
        raise _unknown_user("the hint has no phone number")
    return LoginHint("phone_number", normal)


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _unknown_user(detail: str) -> UnknownUserId:
    return UnknownUserId("User ID is malformed or unknown", detail=detail)
