"""
What a token may be for: resource servers, their scopes, and which client may ask by itself
(auth0-wire 3.3, 3.4).
"""

from typing import Literal

import msgspec

from consent.client import SigningAlgorithm
from consent.errors import AccessForbidden, InvalidScope
from consent.identifiers import digest

OIDC_SCOPES = ("openid", "profile", "email", "address", "phone", "offline_access")

# Scopes of the management API, one for each thing an administrator does to each kind of thing.
MANAGEMENT_SCOPES = tuple(
    f"{verb}:{thing}"
    for thing, verbs in {
        "clients": "create read update delete",
        "client_keys": "update",
        "client_grants": "create read update delete",
        "resource_servers": "create read update delete",
        "connections": "create read update delete",
        "users": "create read update delete",
        "guardian_enrollments": "read delete",
        "guardian_enrollment_tickets": "create",
        "guardian_factors": "read update",
        "initial_access_tokens": "create read delete",
        "tenant_settings": "read update",
        "logs": "read",
        "consents": "read update",
    }.items()
    for verb in verbs.split()
)


SubjectType = Literal["client", "user"]
DefaultFor = Literal["", "third_party_clients"]


class Scope(msgspec.Struct, frozen=True):
    value: str
    description: str = ""


class AuthorizationDetailsType(msgspec.Struct, frozen=True):
    """A type of authorization details an API understands (RFC 9396 2)."""

    type: str


class ResourceServer(msgspec.Struct, frozen=True, kw_only=True):
    """An API that accepts our access tokens; `identifier` is its audience."""

    id: str
    identifier: str
    name: str = ""
    scopes: list[Scope] = []
    signing_alg: SigningAlgorithm = "ES256"
    authorization_details: list[AuthorizationDetailsType] = []
    token_lifetime: int = 0  # seconds; 0 is the setting's default
    token_dialect: str = "rfc9068_profile"  # noqa: S105 - the name of a format
    allow_offline_access: bool = False
    is_system: bool = False
    creation: str = ""  # random: the same creation, sent again, is told from a second one


class ClientGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A client may ask for these scopes of an audience, for itself."""

    id: str
    client_id: str
    audience: str
    scope: list[str]
    subject_type: SubjectType = "client"  # for itself, or for people it asks
    default_for: DefaultFor = ""  # instead of one client, of all of those
    creation: str = ""  # as above


THIRD_PARTY_CLIENTS: DefaultFor = "third_party_clients"  # those a default grant is for


def client_grant_id(client_id: str, audience: str, subject_type: SubjectType = "client") -> str:
    """One grant a client, audience and kind of subject, so its id follows from them."""
    kind = "" if subject_type == "client" else f"{subject_type} "
    return f"cgr_{digest(f'{kind}{client_id} {audience}')[:16]}"


def resource_server_id(identifier: str) -> str:
    """The id of a resource server follows from its identifier, which is unique."""
    return digest(identifier)[:24]


def management_audience(issuer: str) -> str:
    return f"{issuer}api/v2/"


def management_api(issuer: str) -> ResourceServer:
    """The resource server that is always there."""
    identifier = management_audience(issuer)
    return ResourceServer(
        id=resource_server_id(identifier),
        identifier=identifier,
        name="Nod Management API",
        scopes=[Scope(value) for value in MANAGEMENT_SCOPES],
        is_system=True,
    )


def requested_audience(text: str | None) -> str | None:
    """The audience asked for. Client libraries send an empty one, or the word None, for none."""
    return None if text in {None, "", "None", "null"} else text


def scope_values(text: str) -> list[str]:
    """The values of a scope parameter, each once, in the order given (RFC 6749 3.3)."""
    return list(dict.fromkeys(text.split(" "))) if text else []


def personal_scopes(requested: list[str], resource_server: ResourceServer | None) -> list[str]:
    """The scopes a person may be asked for: OIDC's and the resource server's (A021, A022)."""
    defined = {scope.value for scope in resource_server.scopes} if resource_server else set()
    for value in requested:
        if value not in defined and value not in OIDC_SCOPES:
            raise InvalidScope("A requested scope is unknown or not allowed")
    return requested


def own_scopes(requested: list[str], grant: ClientGrant | None) -> list[str]:
    """The scopes a client gets for itself: those of its grant, or fewer when it asks for fewer."""
    if grant is None:
        raise no_access()
    if not requested:
        return grant.scope
    if not set(requested) <= set(grant.scope):
        raise InvalidScope("A requested scope is not in the client grant")
    return requested


def no_access() -> AccessForbidden:
    return AccessForbidden(
        "Client is not authorized to access the requested audience. "
        "You need to create a client-grant associated to this API."
    )
