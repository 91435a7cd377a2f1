"""Client grants: the body that makes one, its limits, and how one is shown (auth0-wire 3.3)."""

from typing import Annotated, get_args

import msgspec

from consent.access import (
    THIRD_PARTY_CLIENTS,
    ClientGrant,
    DefaultFor,
    ResourceServer,
    SubjectType,
    client_grant_id,
)
from consent.errors import ManagementError
from consent.management.listing import invalid_query
from consent.management.payload import RequiredText, Text, check_each_once, invalid_body, payload

Scopes = Annotated[list[RequiredText], msgspec.Meta(max_length=1_000)]


class NewClientGrant(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /client-grants."""

    audience: RequiredText
    client_id: Text = ""
    default_for: DefaultFor = ""
    scope: Scopes = []
    subject_type: SubjectType = "client"
    allow_all_scopes: bool = False


class ClientGrantChange(msgspec.Struct, frozen=True, kw_only=True):
    """The body of PATCH /client-grants/{id}: what is not named stays."""

    scope: Scopes | None = None


def new_client_grant(body: dict[str, object], *, creation: str) -> ClientGrant:
    """Raises ManagementError invalid_body."""
    wanted = payload(body, NewClientGrant)
    check_each_once("scope", wanted.scope)
    if wanted.allow_all_scopes:
        raise invalid_body("'Not supported, name them in scope' on property allow_all_scopes.")
    if bool(wanted.client_id) == bool(wanted.default_for):
        raise invalid_body("'One of client_id and default_for is needed' on property client_id.")
    holder = wanted.client_id or wanted.default_for
    return ClientGrant(
        id=client_grant_id(holder, wanted.audience, wanted.subject_type),
        client_id=wanted.client_id,
        audience=wanted.audience,
        scope=wanted.scope,
        subject_type=wanted.subject_type,
        default_for=wanted.default_for,
        creation=creation,
    )


def changed_client_grant(
    stored: ClientGrant,
    wanted: ClientGrantChange,
    resource_server: ResourceServer,
    held: frozenset[str],
) -> ClientGrant:
    """The grant with other scopes, as `check_grantable` says of those that are new."""
    scope = stored.scope if wanted.scope is None else wanted.scope
    changed = msgspec.structs.replace(stored, scope=scope)
    check_each_once("scope", scope)
    check_grantable(changed, resource_server, held | frozenset(stored.scope))
    return changed


def check_grantable(
    grant: ClientGrant, resource_server: ResourceServer, held: frozenset[str]
) -> None:
    """
    Only scopes the resource server defines; of the management API's, only those the caller
    holds (T33). Raises ManagementError invalid_body, insufficient_scope.
    """
    if not {scope.value for scope in resource_server.scopes}.issuperset(grant.scope):
        raise invalid_body("'Not defined by the resource server' on property scope.")
    if resource_server.is_system:
        if grant.default_for or grant.subject_type == "user":
            raise invalid_body(
                "'The management API is granted to single clients' on property audience."
            )
        check_held(grant, held)


def check_held(grant: ClientGrant | None, held: frozenset[str]) -> None:
    """Nobody gives, or takes over, a power they do not have themselves (T33)."""
    if grant is not None and not held.issuperset(grant.scope):
        raise ManagementError(
            403, "insufficient_scope", "Insufficient scope, only scopes you hold can be granted"
        )


def filters(parameters: dict[str, str]) -> tuple[str | None, str | None]:
    """
    The client_id and the audience of the grants that are meant; '' has those that are for all of
    a kind of clients. Raises ManagementError invalid_query_string.
    """
    for name in ("subject_type", "allow_any_organization"):
        if name in parameters:  # better than a list of others
            raise invalid_query(f"{name} is not a parameter of client grants")
    client_id, default_for = parameters.get("client_id"), parameters.get("default_for")
    if default_for is None:
        return client_id, parameters.get("audience")
    if default_for != THIRD_PARTY_CLIENTS or client_id is not None:
        raise invalid_query(f"default_for must be {THIRD_PARTY_CLIENTS}, without a client_id")
    return "", parameters.get("audience")


def possible_ids(client_id: str, audience: str) -> list[str]:
    """The ids of the grants a client, '' for third parties, may have for an audience."""
    holder = client_id or THIRD_PARTY_CLIENTS
    return [client_grant_id(holder, audience, kind) for kind in get_args(SubjectType)]


def client_grant_shown(grant: ClientGrant) -> dict[str, object]:
    shown: dict[str, object] = msgspec.to_builtins(grant)
    del shown["creation"]
    for name in ("client_id", "default_for"):
        if not shown[name]:
            del shown[name]
    return shown


def inexistent_client_grant() -> ManagementError:
    return ManagementError(404, "inexistent_client_grant", "The client grant does not exist.")


def existing_client_grant() -> ManagementError:
    return ManagementError(
        409, "client_grant_conflict", "A client grant of this client and audience already exists."
    )
