"""The operations of clients that register themselves (RFC 7591, RFC 7592)."""

import msgspec
from msgspec import Struct, UnsetType

from api.openapi.operation import Answer, Body, Operation, Security, shown
from consent.errors import (
    AccessForbidden,
    InvalidMetadata,
    InvalidRedirectUri,
    InvalidRequest,
    InvalidSoftwareStatement,
    InvalidToken,
    TooManyRequests,
    UnapprovedSoftwareStatement,
    oauth_body,
)
from consent.registration.metadata import Metadata

_TAG = "Registration"
_PATH = "/oidc/register/{client_id}"
_OPEN: Security = ({}, {"initialAccessToken": []})
_OWN: Security = ({"registrationAccessToken": []},)


class NewRegistration(Metadata, frozen=True, kw_only=True):
    """What a client says of itself; texts for people also by language, as `client_name#ja`."""

    redirect_uris: list[str] = msgspec.field(default_factory=list)


class WholeRegistration(NewRegistration, frozen=True, kw_only=True):
    """All metadata anew: what is left out goes back to its default (RFC 7592 2.2)."""

    client_id: str
    client_secret: str | None = None


class RegistrationDisabled(Struct, rename={"status_code": "statusCode"}, kw_only=True):
    """As Auth0 says that a tenant takes no registrations."""

    status_code: int
    error: str
    message: str


_INFORMATION = Answer(
    200,
    "All that is registered, also what the client did not choose",
    shown(
        Metadata,
        "ClientInformation",
        without=frozenset({"backchannel_user_code_parameter", "contacts", "client_name"}),
        client_id=str,
        client_id_issued_at=int,
        client_name=str,
        redirect_uris=list[str] | UnsetType,
        contacts=list[str] | UnsetType,
        backchannel_user_code_parameter=bool | UnsetType,
        client_secret=str | UnsetType,
        client_secret_expires_at=int | UnsetType,
        registration_access_token=str | UnsetType,
        registration_client_uri=str | UnsetType,
    ),
    {
        "client_id": "tpc_xK9pE2sVb4mQ7rT1yU8iO3aS5dF6gH0j",
        "client_id_issued_at": 1_772_366_400,
        "client_name": "Example Agent",
        "redirect_uris": ["https://agent.example.com/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_post",
        "id_token_signed_response_alg": "ES256",
        "tls_client_certificate_bound_access_tokens": False,
        "dpop_bound_access_tokens": False,
        "application_type": "web",
        "subject_type": "public",
        "require_auth_time": False,
        "require_signed_request_object": False,
        "use_mtls_endpoint_aliases": False,
        "client_secret_expires_at": 0,
    },
)
_NEW: dict[str, object] = {
    "client_name": "Example Agent",
    "redirect_uris": ["https://agent.example.com/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
}
_REFUSED = (
    InvalidMetadata("'Not a text' on property client_name."),
    InvalidRedirectUri("A redirect URI is not allowed"),
    InvalidSoftwareStatement("The software statement is invalid"),
    UnapprovedSoftwareStatement("The software statement is of nobody who is trusted here"),
)
_OWNED = (
    InvalidRequest("A header is repeated"),
    InvalidToken("The registration access token is invalid"),
    AccessForbidden("Registered clients may not manage their registration here"),
)

REGISTRATION = (
    Operation(
        "POST",
        "/oidc/register",
        _TAG,
        "Register a client",
        (
            _INFORMATION.showing({"client_secret": "c2VjcmV0"})._replace(status=201),
            Answer(
                400,
                "Registration is switched off",
                RegistrationDisabled,
                {
                    "statusCode": 400,
                    "error": "Bad Request",
                    "message": "dynamic client registration is disabled",
                },
            ),
        ),
        oauth_body,
        _OPEN,
        body=Body(NewRegistration, _NEW),
        errors=(
            InvalidRequest("A header is repeated"),
            *_REFUSED,
            InvalidToken("The initial access token is invalid, expired or used up"),
            TooManyRequests("Too many clients have registered themselves from this address"),
        ),
        description="Off until the tenant's flag `enable_dynamic_client_registration` is set.",
    ),
    Operation(
        "GET",
        _PATH,
        _TAG,
        "Read one's own registration",
        (_INFORMATION,),
        oauth_body,
        _OWN,
        errors=_OWNED,
    ),
    Operation(
        "PUT",
        _PATH,
        _TAG,
        "Replace one's own registration",
        (_INFORMATION,),
        oauth_body,
        _OWN,
        body=Body(WholeRegistration, _NEW | {"client_id": _INFORMATION.example["client_id"]}),
        errors=(
            *_OWNED,
            *_REFUSED,
            TooManyRequests("Too many sector documents were asked for from here"),
        ),
        description="Answers with another registration access token; the one before is void.",
    ),
    Operation(
        "DELETE",
        _PATH,
        _TAG,
        "Unregister",
        (Answer(204, "The client is gone, and all it has asked for"),),
        oauth_body,
        _OWN,
        errors=_OWNED,
    ),
)
