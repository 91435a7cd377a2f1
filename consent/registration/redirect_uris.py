"""
Redirect URIs (RFC 7591 2, OIDCR 2, C013-C016): what is wrong with one is never repaired, and none
is replaced.
"""

import re
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from consent.errors import InvalidRedirectUri

ApplicationType = Literal["web", "native"]
URIS_MAX = 50
CHARACTERS_MAX = 2_048

# RFC 3986 2, without the asterisk: nobody who writes one means one (C015).
_IS_URI = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?@!$&'()+,;=\[\]-]|%[0-9A-Fa-f]{2})+"
).fullmatch
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?").fullmatch
_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_LOCALHOST = re.compile(r"(?:.*\.)?localhost").fullmatch

# What a browser or a system makes something else of than handing it to the app that owns it.
_IS_NO_APPS = re.compile(
    "about|blob|chrome|content|data|file|filesystem|ftps?|gopher|intent|jar|javascript|ldap|"
    "livescript|mailto|mhtml|mocha|ms-appx|news|nntp|res|resource|sftp|shell|sms|smb|ssh|tel|"
    "telnet|urn|vbscript|view-source|wss?|wyciwyg"
).fullmatch


def redirect_uris(
    sent: object, *, application_type: ApplicationType, required: bool, is_implicit: bool
) -> list[str]:
    """
    The value of `redirect_uris`, None for absent. `is_implicit`: tokens are to arrive at them.

    Raises InvalidRedirectUri.
    """
    if sent is None:
        sent = []
    if not isinstance(sent, list) or not all(isinstance(uri, str) for uri in sent):
        raise InvalidRedirectUri("redirect_uris must be a list of texts")
    if len(sent) > URIS_MAX:
        raise InvalidRedirectUri(f"redirect_uris has more than {URIS_MAX} entries")
    if required and not sent:
        raise InvalidRedirectUri("redirect_uris is required by a grant that redirects")
    for uri in sent:
        _check(uri, application_type, is_implicit=is_implicit)
    return sent


def _check(uri: str, application_type: ApplicationType, *, is_implicit: bool) -> None:
    parts = _parts(uri)
    if _IS_NO_APPS(parts.scheme):
        raise InvalidRedirectUri("A redirect URI has a scheme that is not allowed")
    if "@" in parts.netloc:
        raise InvalidRedirectUri("A redirect URI names a user")
    if application_type == "web":
        _check_web(parts, is_implicit=is_implicit)
    else:
        _check_native(parts)


def _parts(uri: str) -> SplitResult:
    """C013, C015: absolute, without a fragment, of the characters of a URI."""
    if len(uri) > CHARACTERS_MAX:
        raise InvalidRedirectUri(f"A redirect URI is longer than {CHARACTERS_MAX} characters")
    if "#" in uri:
        raise InvalidRedirectUri("A redirect URI has a fragment")
    if not _IS_URI(uri):
        raise InvalidRedirectUri("A redirect URI is not absolute or has a forbidden character")
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _malformed() from None
    if port == 0 or (host and ":" not in host and not _HOST_NAME(host)):
        raise _malformed()
    return parts


def _check_web(parts: SplitResult, *, is_implicit: bool) -> None:
    """C014 (OIDCR 2)."""
    if parts.scheme != "https":
        raise InvalidRedirectUri("A redirect URI of a web application must be https")
    if not parts.hostname:
        raise _malformed()
    if is_implicit and _LOCALHOST(parts.hostname):
        raise InvalidRedirectUri("A redirect URI of the implicit grant must not be localhost")


def _check_native(parts: SplitResult) -> None:
    """C014 (OIDCR 2, RFC 8252 7): a scheme of its own, or the device itself."""
    if parts.scheme == "https":
        raise InvalidRedirectUri(
            "A redirect URI of a native application has its own scheme, or is http on loopback"
        )
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK_HOSTS:
        raise InvalidRedirectUri("A redirect URI must not be http, but on the device itself")


def _malformed() -> InvalidRedirectUri:
    return InvalidRedirectUri("A redirect URI has a malformed host or port")
