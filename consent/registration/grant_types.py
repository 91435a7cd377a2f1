"""
Grants, and what follows from them: response types and the way a CIBA client is told (C010-C012,
A183, A185). What a tenant lets strangers use is its security mode (auth0-wire 4).
"""

from typing import NamedTuple

import msgspec

from consent.client import CIBA_GRANT, CLIENT_CREDENTIALS_GRANT, REFRESH_TOKEN_GRANT
from consent.client_metadata import InvalidClientMetadata
from consent.registration.metadata import Metadata
from consent.tenant import SecurityMode
from consent.third_party import GRANT_TYPES

CODE_GRANT = "authorization_code"
_IMPLICIT_GRANT = "implicit"
_IMPLICIT_TYPES = frozenset({"token", "id_token"})
_RESPONSE_TYPES = frozenset({"code", "none"}) | _IMPLICIT_TYPES


class Granted(NamedTuple):
    """What is registered of what was asked for (C041)."""

    grant_types: list[str]
    response_types: list[str]


def granted(wanted: Metadata, mode: SecurityMode) -> Granted:
    """
    What the mode does not allow is dropped in silence, as Auth0 does. `wanted` is what is left by
    `without_forbidden`. Raises InvalidClientMetadata when nothing a token comes from is left.
    """
    asked = [CODE_GRANT] if wanted.grant_types is None else wanted.grant_types
    check_consistency(asked, wanted.response_types)
    grant_types = [name for name in dict.fromkeys(asked) if name in GRANT_TYPES[mode]]
    is_pushed_to = wanted.backchannel_token_delivery_mode == "push"  # noqa: S105 - a mode
    if not is_pushed_to and not set(grant_types) - {REFRESH_TOKEN_GRANT}:  # A177
        raise InvalidClientMetadata("grant_types", "None of them can be registered here")
    _check_delivery_mode(wanted, grant_types)
    if wanted.token_endpoint_auth_method == "none" and CLIENT_CREDENTIALS_GRANT in grant_types:  # noqa: S105
        raise InvalidClientMetadata("grant_types", "A public client cannot have client_credentials")
    return Granted(grant_types, _response_types(wanted, grant_types))


def without_forbidden(wanted: Metadata, mode: SecurityMode) -> Metadata:
    """In strict mode there is no CIBA: its members are as those nobody knows (C004)."""
    if mode == "permissive":
        return wanted
    return msgspec.structs.replace(
        wanted,
        backchannel_token_delivery_mode=None,
        backchannel_client_notification_endpoint="",
        backchannel_authentication_request_signing_alg="",
        backchannel_user_code_parameter=False,
    )


def check_consistency(grant_types: list[str], response_types: list[str] | None) -> None:
    """C012, of what was asked for. Raises InvalidClientMetadata."""
    if response_types is None:
        return
    words = _words(response_types)
    if not words <= _RESPONSE_TYPES:
        raise InvalidClientMetadata("response_types", "Not a known response type")
    if ("code" in words) != (CODE_GRANT in grant_types):
        raise InvalidClientMetadata("response_types", "code goes with authorization_code")
    if words.isdisjoint(_IMPLICIT_TYPES) == (_IMPLICIT_GRANT in grant_types):
        raise InvalidClientMetadata("response_types", "token and id_token go with implicit")


def is_implicit(wanted: Metadata) -> bool:
    """Whether tokens would arrive at the redirect URIs."""
    words = _words(wanted.response_types or [])
    return _IMPLICIT_GRANT in (wanted.grant_types or []) or not words.isdisjoint(_IMPLICIT_TYPES)


def _check_delivery_mode(wanted: Metadata, grant_types: list[str]) -> None:
    mode = wanted.backchannel_token_delivery_mode
    if CIBA_GRANT in grant_types and mode is None:  # A183
        raise InvalidClientMetadata("backchannel_token_delivery_mode", "Required by the CIBA grant")
    if CIBA_GRANT not in grant_types and mode in {"poll", "ping"}:  # A185
        raise InvalidClientMetadata("grant_types", "The CIBA grant is required by poll and ping")


def _response_types(wanted: Metadata, grant_types: list[str]) -> list[str]:
    """C010; C011: none for a client that is never redirected. Those of dropped grants go too."""
    asked = wanted.response_types or []
    left = [name for name in dict.fromkeys(asked) if name in {"code", "none"}]
    if CODE_GRANT in grant_types and "code" not in left:
        left.append("code")
    return left


def _words(response_types: list[str]) -> set[str]:
    return {word for name in response_types for word in name.split(" ")}
