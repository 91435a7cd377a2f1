"""Resource servers: the body that makes one, and how one is shown (auth0-wire 3.4)."""

import re
from typing import Annotated, Literal

import msgspec

from consent.access import AuthorizationDetailsType, ResourceServer, Scope, resource_server_id
from consent.client import SigningAlgorithm
from consent.errors import ManagementError
from consent.management.payload import (
    RequiredText,
    Text,
    check_each_once,
    check_no_markup,
    invalid_body,
    payload,
)

_IS_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+").fullmatch  # RFC 6749 3.3


class NewScope(msgspec.Struct, frozen=True):
    value: RequiredText
    description: Text = ""


class NewAuthorizationDetailsType(msgspec.Struct, frozen=True):
    type: RequiredText


class NewResourceServer(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /resource-servers: one dialect is spoken here."""

    identifier: RequiredText
    name: Text = ""
    scopes: Annotated[list[NewScope], msgspec.Meta(max_length=1_000)] = []
    signing_alg: SigningAlgorithm = "ES256"
    authorization_details: Annotated[
        list[NewAuthorizationDetailsType], msgspec.Meta(max_length=100)
    ] = []
    token_lifetime: Annotated[int, msgspec.Meta(ge=0, le=2_592_000)] = 0
    # The tokens are those of the profile, and say what those of Auth0's own dialect do besides.
    token_dialect: Literal["rfc9068_profile", "access_token"] = "rfc9068_profile"  # noqa: S105 - the name of a format
    allow_offline_access: bool = False


def changed_resource_server(stored: ResourceServer, body: dict[str, object]) -> ResourceServer:
    """What is not named stays. Raises ManagementError invalid_body, system_resource_server."""
    if stored.is_system:
        raise system_resource_server("changed")
    if body.get("identifier", stored.identifier) != stored.identifier:
        raise invalid_body("'Cannot be changed' on property identifier.")
    former = {name: getattr(stored, name) for name in NewResourceServer.__struct_fields__}
    merged: dict[str, object] = msgspec.to_builtins(former) | body
    return new_resource_server(merged, creation=stored.creation)


def new_resource_server(body: dict[str, object], *, creation: str) -> ResourceServer:
    """Raises ManagementError invalid_body."""
    wanted = payload(body, NewResourceServer)
    check_no_markup("name", wanted.name)
    # A space would make the pair of a client and an audience readable in two ways.
    if " " in wanted.identifier:
        raise invalid_body("'Must not contain a space' on property identifier.")
    values = [scope.value for scope in wanted.scopes]
    if not all(map(_IS_SCOPE_TOKEN, values)):
        raise invalid_body("'Not a scope token of RFC 6749' on property scopes.")
    check_each_once("scopes", values)
    if "openid" in values:
        raise invalid_body("'openid is not a scope of a resource server' on property scopes.")
    types = [known.type for known in wanted.authorization_details]
    check_each_once("authorization_details", types)
    members = {name: getattr(wanted, name) for name in NewResourceServer.__struct_fields__}
    members["token_dialect"] = "rfc9068_profile"  # noqa: S105 - as above
    members["scopes"] = [Scope(scope.value, scope.description) for scope in wanted.scopes]
    members["authorization_details"] = [AuthorizationDetailsType(name) for name in types]
    return ResourceServer(id=resource_server_id(wanted.identifier), creation=creation, **members)


def resource_server_shown(resource_server: ResourceServer) -> dict[str, object]:
    shown: dict[str, object] = msgspec.to_builtins(resource_server)
    del shown["creation"]
    return shown


def inexistent_resource_server() -> ManagementError:
    return ManagementError(404, "inexistent_resource_server", "The resource server does not exist.")


def existing_resource_server() -> ManagementError:
    return ManagementError(
        409, "resource_server_conflict", "A resource server with this identifier already exists."
    )


def system_resource_server(what: str) -> ManagementError:
    return ManagementError(
        403, "system_resource_server", f"The system resource server cannot be {what}."
    )
