"""
A backchannel authentication request: its rules, and the order they are checked in.

Each rule is one function, named after its parameter; `authentication_request` lists them (CIBA
7.1, 7.2; order of A048: the client is authenticated before and the person is looked up after).
"""

import re

import msgspec

from consent import access, policy
from consent.access import ResourceServer
from consent.client import CIBA_GRANT, Client
from consent.errors import (
    CibaNotAllowed,
    InvalidAuthorizationDetails,
    InvalidBindingMessage,
    InvalidRequest,
    UnknownUserId,
)
from consent.settings import Settings
from consent.strict_json import MalformedJSON, loads_object

_HINTS = ("login_hint", "login_hint_token", "id_token_hint")
_ALPHANUMERIC = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_USER_ID_CHARACTERS_MAX = 255


class AuthenticationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks a person, validated. Stored with the consent as JSON."""

    client_id: str
    client_name: str
    user_id: str
    scope: list[str]
    audience: str
    binding_message: str
    expires_in: int  # seconds
    access_token_lifetime: int  # seconds
    id_token_lifetime: int  # seconds


def authentication_request(
    parameters: dict[str, str],
    client: Client,
    resource_server: ResourceServer | None,
    settings: Settings,
) -> AuthenticationRequest:
    """
    The request of an authenticated client, or the first rule it breaks.

    `parameters` are the form's, each once and none empty; `resource_server` is the one of its
    audience, None when it names none or an unknown one. Raises OAuthError.
    """
    check_client_may_use_ciba(client)
    check_no_request_object(parameters)
    check_one_hint(parameters)
    requested_scope = scope(parameters)
    message = required_binding_message(parameters)
    audience = known_audience(parameters, resource_server, settings)
    expires_in = requested_expiry(parameters, settings)
    check_authorization_details(parameters)
    lifetime = resource_server.token_lifetime if resource_server else 0
    return AuthenticationRequest(
        client_id=client.client_id,
        client_name=client.name,
        scope=access.personal_scopes(requested_scope, resource_server),
        audience=audience,
        binding_message=binding_message(message, settings.binding_message_characters),
        expires_in=expires_in,
        access_token_lifetime=lifetime or settings.access_token_lifetime_seconds,
        id_token_lifetime=client.jwt_configuration.lifetime_in_seconds,
        user_id=login_hint(parameters["login_hint"], settings.issuer),
    )


def check_client_may_use_ciba(client: Client) -> None:
    """A009."""
    if not client.may_use(CIBA_GRANT):
        raise CibaNotAllowed(f"Grant type '{CIBA_GRANT}' not allowed for the client.")


def check_no_request_object(parameters: dict[str, str]) -> None:
    """A046, A181: discovery offers no signing algorithm, so none is accepted."""
    for name in ("request", "request_uri"):
        if name in parameters:
            raise InvalidRequest(f"{name} is not supported")


def check_one_hint(parameters: dict[str, str]) -> None:
    """A027: exactly one, decided before anybody is looked up."""
    given = [name for name in _HINTS if name in parameters]
    if len(given) != 1:
        raise InvalidRequest("Exactly one of login_hint, login_hint_token, id_token_hint is needed")
    if given != ["login_hint"]:
        raise InvalidRequest(f"{given[0]} is not supported")


def scope(parameters: dict[str, str]) -> list[str]:
    """A020; the text is the one Auth0 answers with."""
    if "scope" not in parameters:
        raise InvalidRequest("scope is missing")
    values = access.scope_values(parameters["scope"])
    if "openid" not in values:
        raise InvalidRequest("openid scope must be requested")
    return values


def required_binding_message(parameters: dict[str, str]) -> str:
    """A036: what is missing is invalid_request."""
    message = parameters.get("binding_message")
    if message is None:
        raise InvalidRequest("binding_message is missing")
    return message


def binding_message(message: str, extra_characters: str) -> str:
    """A035, auth0-wire 1.1: shown exactly as sent, so only what every phone can show."""
    if len(message) > policy.BINDING_MESSAGE_CHARACTERS_MAX:
        raise InvalidBindingMessage("binding_message is longer than 64 characters")
    if not _ALPHANUMERIC.union(extra_characters).issuperset(message):
        raise InvalidBindingMessage("binding_message has a character that is not allowed")
    return message


def known_audience(
    parameters: dict[str, str], resource_server: ResourceServer | None, settings: Settings
) -> str:
    """The audience of the access token; without one it is userinfo's."""
    audience = access.requested_audience(parameters.get("audience"))
    if audience is None:
        return settings.url("userinfo")
    if resource_server is None:
        raise access.no_access()
    return audience


def requested_expiry(parameters: dict[str, str], settings: Settings) -> int:
    """A042, auth0-wire 1.1: seconds, 1 to 300; `request_expiry` is its deprecated twin."""
    text = parameters.get("requested_expiry", parameters.get("request_expiry"))
    if text is None:
        return settings.request_expiry_default_seconds
    if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII):
        raise InvalidRequest("requested_expiry must be a whole number of seconds")
    if not 1 <= int(text) <= policy.REQUESTED_EXPIRY_SECONDS_MAX:
        raise InvalidRequest("requested_expiry must be between 1 and 300 seconds")
    return int(text)


def check_authorization_details(parameters: dict[str, str]) -> None:
    """RFC 9396 5: no type is registered, so each is unknown; never silently left out (D041)."""
    if "authorization_details" in parameters:
        raise InvalidAuthorizationDetails("No authorization details type is supported")


def login_hint(text: str, issuer: str) -> str:
    """A028: the user id of `{"format":"iss_sub","iss":…,"sub":…}`; whether it exists is Redis'."""
    try:
        hint = loads_object(text.encode())
    except MalformedJSON as error:
        raise _unknown_user(f"login_hint {error}") from None
    iss, sub = hint.get("iss"), hint.get("sub")
    if hint.get("format") != "iss_sub" or not isinstance(iss, str) or not isinstance(sub, str):
        raise _unknown_user("login_hint is not of format iss_sub")
    if iss.rstrip("/") != issuer.rstrip("/"):
        raise _unknown_user("login_hint names another issuer")
    if not 1 <= len(sub) <= _USER_ID_CHARACTERS_MAX:
        raise _unknown_user("login_hint has no user id, or too long a one")
    return sub


def _unknown_user(detail: str) -> UnknownUserId:
    return UnknownUserId("User ID is malformed or unknown", detail=detail)
