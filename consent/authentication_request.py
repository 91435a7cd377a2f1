"""
A backchannel authentication request: its rules, and the order they are checked in.

Each rule is one function, named after its parameter; `authentication_request` lists them (CIBA
7.1, 7.2; order of A048: the client is authenticated before and the person is looked up after).
"""

import re
from typing import Literal

import msgspec

from consent import access, policy
from consent.access import ResourceServer
from consent.authorization_details import authorization_details, request_context
from consent.channels import expiry_seconds_max
from consent.client import CIBA_GRANT, REFRESH_TOKEN_GRANT, Client, SigningAlgorithm
from consent.errors import (
    CibaNotAllowed,
    InvalidBindingMessage,
    InvalidRequest,
    InvalidTarget,
    UnauthorizedClient,
)
from consent.number_matching import ACR as NUMBER_MATCHING_ACR
from consent.profile import access_token_alg, may_start_ciba, run_time_violation
from consent.settings import Settings

_HINTS = ("login_hint", "login_hint_token", "id_token_hint")
_ALPHANUMERIC = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_NOTIFICATION_TOKEN_CHARACTERS_MAX = 1_024
_IS_B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*").fullmatch  # RFC 6750 2.1


class AuthenticationRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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
    acr: str = ""  # what the approval attains, of what was asked for
    authorization_details: list[dict[str, object]] = []
    request_context: dict[str, object] = {}
    access_token_alg: SigningAlgorithm = "ES256"  # noqa: S105 - the name of an algorithm
    id_token_alg: SigningAlgorithm = "ES256"  # noqa: S105 - the same
    refreshable: bool = False  # the tokens come with a refresh token
    approved_by: Literal["key", "mailbox"] = "key"
    matching_number: str = ""  # what the client shows and the person types, "10" to "99"


def authentication_request(
    parameters: dict[str, str],
    client: Client,
    resource_server: ResourceServer | None,
    settings: Settings,
    *,
    matching_number: str = "",
) -> AuthenticationRequest:
    """
    The request of an authenticated client, or the first rule it breaks; nobody is named in it
    yet, for who is asked is looked up last (A048).

    `parameters` are the form's or those of its request object, each once and none empty;
    `resource_server` is the one of its audience, None when it names none or an unknown one.
    Raises OAuthError.
    """
    check_one_hint(parameters)
    check_client_notification_token(parameters, client)
    requested_scope = scope(parameters)
    message = required_binding_message(parameters)
    audience = known_audience(parameters, resource_server, settings)
    expires_in = requested_expiry(parameters, client)
    context = parameters.get("request_context")
    lifetime = resource_server.token_lifetime if resource_server else 0
    return AuthenticationRequest(
        client_id=client.client_id,
        client_name=client.name,
        user_id="",
        scope=access.personal_scopes(requested_scope, resource_server),
        audience=audience,
        binding_message=binding_message(message, settings.binding_message_characters),
        expires_in=expires_in or settings.request_expiry_default_seconds,
        access_token_lifetime=lifetime or settings.access_token_lifetime_seconds,
        id_token_lifetime=client.jwt_configuration.lifetime_in_seconds,
        acr=acr(parameters.get("acr_values", ""), attainable_acr(settings, matching_number != "")),
        authorization_details=authorization_details(
            parameters["authorization_details"], client=client, resource_server=resource_server
        )
        if "authorization_details" in parameters
        else [],
        request_context=request_context(context) if context else {},
        access_token_alg=access_token_alg(client, resource_server.signing_alg)
        if resource_server
        else "ES256",
        id_token_alg=client.jwt_configuration.alg,
        refreshable=refreshable(requested_scope, client, resource_server),
        matching_number=matching_number,
    )


def check_client_may_start_ciba(client: Client) -> None:
    """A009, and what a profile forbids (B001, B002, B013)."""
    if not may_start_ciba(client):
        raise CibaNotAllowed(f"Grant type '{CIBA_GRANT}' not allowed for the client.")
    if client.profile != "standard" and (violation := run_time_violation(client)):
        raise UnauthorizedClient("The client does not fit its profile", detail=violation)


def check_one_hint(parameters: dict[str, str]) -> None:
    """A027: exactly one, decided before anybody is looked up."""
    if sum(name in parameters for name in _HINTS) != 1:
        raise InvalidRequest("Exactly one of login_hint, login_hint_token, id_token_hint is needed")


def check_client_notification_token(parameters: dict[str, str], client: Client) -> None:
    """A023, A024: what a client that is called back will know the call by; A026."""
    if client.backchannel_token_delivery_mode == "poll":  # noqa: S105 - a mode
        return
    token = parameters.get("client_notification_token")
    if token is None:
        raise InvalidRequest("client_notification_token is missing")
    if len(token) > _NOTIFICATION_TOKEN_CHARACTERS_MAX or not _IS_B64TOKEN(token):
        raise InvalidRequest("client_notification_token is too long or no bearer token")


def scope(parameters: dict[str, str]) -> list[str]:
    """A020; the text is the one Auth0 answers with."""
    if "scope" not in parameters:
        raise InvalidRequest("scope is missing")
    values = access.scope_values(parameters["scope"])
    if "openid" not in values:
        raise InvalidRequest("openid scope must be requested")
    return values


def required_binding_message(parameters: dict[str, str]) -> str:
    """A036, B003: what is missing is invalid_request, for every client."""
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


def requested_audience(parameters: dict[str, str]) -> str | None:
    """The audience asked for, by Auth0's name or by RFC 8707's."""
    audience = access.requested_audience(parameters.get("audience"))
    resource = access.requested_audience(parameters.get("resource"))
    if audience and resource and audience != resource:
        raise InvalidTarget("audience and resource name different targets")
    return audience or resource


def known_audience(
    parameters: dict[str, str], resource_server: ResourceServer | None, settings: Settings
) -> str:
    """The audience of the access token; without one it is userinfo's."""
    if "audience" not in parameters and "resource" not in parameters:  # as most do
        return settings.url("userinfo")
    audience = requested_audience(parameters)
    if audience is None:
        return settings.url("userinfo")
    if resource_server is None:
        if "resource" in parameters:
            raise InvalidTarget("The resource is unknown")
        raise access.no_access()
    return audience


def requested_expiry(parameters: dict[str, str], client: Client) -> int | None:
    """
    A042, auth0-wire 1.1, 1.5: seconds, 1 to 300, or to 259 200 for a client whose requests may
    travel by e-mail; None when it is left to us. `request_expiry` is its deprecated twin.
    """
    text = parameters.get("requested_expiry", parameters.get("request_expiry"))
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII):
        raise InvalidRequest("requested_expiry must be a whole number of seconds")
    most = expiry_seconds_max(client)
    if not 1 <= int(text) <= most:
        raise InvalidRequest(f"requested_expiry must be between 1 and {most} seconds")
    return int(text)


def attainable_acr(settings: Settings, number_matching: bool) -> str:  # noqa: FBT001 - named in it
    """What an approval attains, space separated, the best first."""
    return (
        f"{NUMBER_MATCHING_ACR} {settings.acr_values}" if number_matching else settings.acr_values
    )


def acr(requested: str, attained: str) -> str:
    """
    The first value asked for that an approval attains, else the best there is (A044, A045: the
    claim is voluntary); both are space separated.
    """
    known = attained.split(" ")
    if not requested:
        return known[0]
    return next((value for value in requested.split(" ") if value in known), known[0])


def refreshable(
    requested_scope: list[str], client: Client, resource_server: ResourceServer | None
) -> bool:
    """D086: asked for, registered, and allowed by the resource server."""
    return (
        "offline_access" in requested_scope
        and client.may_use(REFRESH_TOKEN_GRANT)
        and (resource_server is None or resource_server.allow_offline_access)
    )
