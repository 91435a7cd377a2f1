"""Client grants: the body that makes one, its limits, and how one is shown (auth0-wire 3.3)."""

from typing import Annotated

import msgspec

from consent.access import ClientGrant, ResourceServer, client_grant_id
from consent.errors import ManagementError
from consent.management.payload import RequiredText, check_each_once, invalid_body, payload


class NewClientGrant(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /client-grants."""

    client_id: RequiredText
    audience: RequiredText
    scope: Annotated[list[RequiredText], msgspec.Meta(max_length=1_000)] = []


def new_client_grant(body: dict[str, object], *, creation: str) -> ClientGrant:
    """Raises ManagementError invalid_body."""
    wanted = payload(body, NewClientGrant)
    check_each_once("scope", wanted.scope)
    return ClientGrant(
        id=client_grant_id(wanted.client_id, wanted.audience),
        client_id=wanted.client_id,
        audience=wanted.audience,
        scope=wanted.scope,
        creation=creation,
    )


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
        check_held(grant, held)


def check_held(grant: ClientGrant | None, held: frozenset[str]) -> None:
    """Nobody gives, or takes over, a power they do not have themselves (T33)."""
    if grant is not None and not held.issuperset(grant.scope):
        raise ManagementError(
            403, "insufficient_scope", "Insufficient scope, only scopes you hold can be granted"
        )


def client_grant_shown(grant: ClientGrant) -> dict[str, object]:
    shown: dict[str, object] = msgspec.to_builtins(grant)
    del shown["creation"]
    return shown


def existing_client_grant() -> ManagementError:
    return ManagementError(
        409, "client_grant_conflict", "A client grant of this client and audience already exists."
    )
