"""
What a client may use that is not the tenant's own: one that registered itself, or that an
administrator called third-party (auth0-wire 4). Of the tenant's own nothing is asked here.
"""

from collections.abc import Iterable

from consent.access import (
    OIDC_SCOPES,
    THIRD_PARTY_CLIENTS,
    ClientGrant,
    client_grant_id,
    management_audience,
    no_access,
)
from consent.client import CIBA_GRANT, CLIENT_CREDENTIALS_GRANT, REFRESH_TOKEN_GRANT, Client
from consent.errors import InvalidScope
from consent.tenant import Connection, SecurityMode, Tenant

_STRICT = frozenset({"authorization_code", REFRESH_TOKEN_GRANT})
GRANT_TYPES: dict[SecurityMode, frozenset[str]] = {
    "strict": _STRICT,
    "permissive": _STRICT | {CIBA_GRANT, CLIENT_CREDENTIALS_GRANT},
}


def is_third_party(client: Client) -> bool:
    return client.registration is not None or not client.is_first_party


def may_use_grant(client: Client, tenant: Tenant, grant_type: str) -> bool:
    """
    Whether the tenant's mode lets it. What the client registered is asked besides: a client that
    is pushed its tokens needs no grant type for it, yet CIBA is what it uses.
    """
    mode = tenant.dynamic_client_registration_security_mode
    return not is_third_party(client) or grant_type in GRANT_TYPES[mode]


def may_use_audience(client: Client, audience: str, issuer: str) -> bool:
    """The management API is never a third party's."""
    return not is_third_party(client) or audience != management_audience(issuer)


def client_grant_ids(client: Client, audience: str) -> tuple[str, ...]:
    """Where the grant may be that a client has for itself: its own goes before the default one."""
    own = client_grant_id(client.client_id, audience)
    if not is_third_party(client):
        return (own,)
    return own, client_grant_id(THIRD_PARTY_CLIENTS, audience)


def own_grant(grants: list[ClientGrant | None], audience: str) -> ClientGrant | None:
    """The first of those found that is for this audience and for the client itself."""
    for grant in grants:
        if grant and grant.audience == audience and grant.subject_type == "client":
            return grant
    return None


def personal_grant_ids(client: Client, audience: str) -> tuple[str, ...]:
    """Where the grants may be for the people it asks: its own, and the default one."""
    holders = (client.client_id, THIRD_PARTY_CLIENTS)
    return tuple(client_grant_id(holder, audience, "user") for holder in holders)


def check_personal_scopes(requested: list[str], grants: list[ClientGrant | None]) -> None:
    """
    What it may ask people for besides the scopes of OpenID Connect: what it, or every third party,
    was granted for them. Raises AccessForbidden, InvalidScope.
    """
    granted = [grant for grant in grants if grant is not None]
    if not granted:
        raise no_access()
    allowed = {scope for grant in granted for scope in grant.scope}.union(OIDC_SCOPES)
    if not allowed.issuperset(requested):
        raise InvalidScope("A requested scope is not granted to the client")


def check_registered_scope(client: Client, requested: list[str]) -> None:
    """C028: the scope it registered, if any, limits what it asks for. Raises InvalidScope."""
    if within_registered_scope(client, requested) != requested:
        raise InvalidScope("A requested scope is not registered for the client")


def within_registered_scope(client: Client, scope: list[str]) -> list[str]:
    """The same for what it gets without asking for it: what is beyond that is left out."""
    registered = client.registration.metadata.get("scope", "") if client.registration else ""
    allowed = set(registered.split())
    return [value for value in scope if value in allowed] if allowed else scope


def domain_connections(connections: Iterable[Connection]) -> tuple[str, ...]:
    """The names of those whose people it may ask."""
    return tuple(sorted(it.name for it in connections if it.is_domain_connection))
