"""The management operations on applications: clients, their grants, and the APIs they are for."""

from msgspec import UnsetType

from api.openapi.management import (
    BOOLEAN,
    FIELDS,
    GONE,
    PAGING,
    TEXT,
    Described,
    created,
    one_of,
    page_of,
)
from api.openapi.operation import Answer, Body, Parameter, change_of, shown
from consent.access import THIRD_PARTY_CLIENTS, ClientGrant, ResourceServer
from consent.client import CIBA_GRANT, Client, JwtConfiguration, RefreshTokenPolicy
from consent.errors import ManagementError
from consent.management import client_grants, clients, resource_servers

_CLIENTS, _GRANTS, _SERVERS = "Clients", "Client grants", "Resource servers"
_AUDIENCE = "https://orders.example.com/"
_CLIENT_ID = "xK9pE2sVb4mQ7rT1yU8iO3aS5dF6gH0j"
_NOT_HELD = ManagementError(
    403, "insufficient_scope", "Insufficient scope, only scopes you hold can be granted"
)

CLIENT = Answer(
    200,
    "The client; its secret is shown when it is made, and then never again",
    shown(
        Client,
        "ShownClient",
        without=frozenset({"secret_digest", "secret_sealed", "registration", "since"}),
        client_secret=str | UnsetType,
    ),
    {
        "client_id": _CLIENT_ID,
        "name": "Example Shop",
        "description": "",
        "grant_types": [CIBA_GRANT],
        "token_endpoint_auth_method": "client_secret_post",
        "is_first_party": True,
        "oidc_conformant": True,
        "app_type": "regular_web",
        "callbacks": [],
        "client_metadata": {"konnect_application_id": "8f3c"},
        "jwt_configuration": {
            name: getattr(JwtConfiguration(), name) for name in JwtConfiguration.__struct_fields__
        },
        "profile": "standard",
        "refresh_token": {
            name: getattr(RefreshTokenPolicy(), name)
            for name in RefreshTokenPolicy.__struct_fields__
        },
        "tls_client_certificate_bound_access_tokens": False,
        "dpop_bound_access_tokens": False,
        "backchannel_token_delivery_mode": "poll",
        "backchannel_user_code_parameter": False,
        "number_matching": False,
        "long_poll_seconds": 0,
    },
)
_SECRET: dict[str, object] = {"client_secret": "c2VjcmV0"}
_NEW_CLIENT = {
    "name": "Example Shop",
    "grant_types": [CIBA_GRANT],
    "client_metadata": {"konnect_application_id": "8f3c"},
}

GRANT = Answer(
    200,
    "The grant",
    shown(
        ClientGrant,
        "ShownClientGrant",
        without=frozenset({"creation", "client_id"}),
        client_id=str | UnsetType,  # that of a default grant is of all clients it is for
    ),
    {
        "id": "cgr_007Lp0WqPRmDFzOs",
        "client_id": _CLIENT_ID,
        "audience": _AUDIENCE,
        "scope": ["read:orders"],
        "subject_type": "client",
    },
)

SERVER = Answer(
    200,
    "The resource server",
    shown(ResourceServer, "ShownResourceServer", without=frozenset({"creation"})),
    {
        "id": "007Lp0WqPRmDFzOsCFyw0ESJ",
        "identifier": _AUDIENCE,
        "name": "Orders",
        "scopes": [{"value": "read:orders", "description": "Read orders"}],
        "signing_alg": "ES256",
        "authorization_details": [],
        "token_lifetime": 0,
        "token_dialect": "rfc9068_profile",
        "allow_offline_access": False,
        "is_system": False,
    },
)
_NEW_SERVER = {
    "identifier": _AUDIENCE,
    "name": "Orders",
    "scopes": [{"value": "read:orders", "description": "Read orders"}],
}

APPLICATIONS = {
    ("GET", "/clients"): Described(
        _CLIENTS,
        page_of("clients", CLIENT),
        parameters=(
            *PAGING,
            *FIELDS,
            Parameter("is_first_party", "Those that registered themselves, or the others", BOOLEAN),
            Parameter("app_type", "Of this type", TEXT, example="regular_web"),
        ),
    ),
    ("POST", "/clients"): Described(
        _CLIENTS,
        created(CLIENT.showing(_SECRET)),
        Body(clients.NewClient, _NEW_CLIENT),
    ),
    ("GET", "/clients/{client_id}"): Described(
        _CLIENTS, CLIENT, errors=(clients.inexistent_client(),), parameters=FIELDS
    ),
    ("PATCH", "/clients/{client_id}"): Described(
        _CLIENTS,
        CLIENT,
        Body(change_of(clients.NewClient, "ClientChange"), {"name": "Example Shop 2"}),
        (clients.inexistent_client(), _NOT_HELD),
        description="What is left out stays; null takes a member back to its default.",
    ),
    ("DELETE", "/clients/{client_id}"): Described(
        _CLIENTS,
        GONE,
        errors=(_NOT_HELD,),
        description="Ends what it has asked, its tokens and its grants.",
    ),
    ("POST", "/clients/{client_id}/rotate-secret"): Described(
        _CLIENTS,
        CLIENT.showing(_SECRET),
        errors=(clients.inexistent_client(), clients.no_client_secret(), _NOT_HELD),
    ),
    ("GET", "/client-grants"): Described(
        _GRANTS,
        page_of("client_grants", GRANT),
        parameters=(
            *PAGING,
            *FIELDS,
            Parameter("client_id", "Of this client", TEXT),
            Parameter("audience", "For this audience", TEXT, example=_AUDIENCE),
            Parameter("default_for", "For all of these clients", one_of(THIRD_PARTY_CLIENTS)),
        ),
    ),
    ("POST", "/client-grants"): Described(
        _GRANTS,
        created(GRANT),
        Body(
            client_grants.NewClientGrant,
            {"client_id": _CLIENT_ID, "audience": _AUDIENCE, "scope": ["read:orders"]},
        ),
        (
            _NOT_HELD,
            clients.inexistent_client(),
            resource_servers.inexistent_resource_server(),
            client_grants.existing_client_grant(),
        ),
    ),
    ("GET", "/client-grants/{id}"): Described(
        _GRANTS, GRANT, errors=(client_grants.inexistent_client_grant(),)
    ),
    ("PATCH", "/client-grants/{id}"): Described(
        _GRANTS,
        GRANT,
        Body(client_grants.ClientGrantChange, {"scope": ["read:orders"]}),
        (client_grants.inexistent_client_grant(), _NOT_HELD),
    ),
    ("DELETE", "/client-grants/{id}"): Described(_GRANTS, GONE),
    ("GET", "/resource-servers"): Described(
        _SERVERS,
        page_of("resource_servers", SERVER),
        parameters=(
            *PAGING,
            *FIELDS,
            Parameter("identifiers", "Those with this one; may be repeated", TEXT),
        ),
    ),
    ("POST", "/resource-servers"): Described(
        _SERVERS,
        created(SERVER),
        Body(resource_servers.NewResourceServer, _NEW_SERVER),
        (resource_servers.existing_resource_server(),),
    ),
    ("GET", "/resource-servers/{id}"): Described(
        _SERVERS, SERVER, errors=(resource_servers.inexistent_resource_server(),)
    ),
    ("PATCH", "/resource-servers/{id}"): Described(
        _SERVERS,
        SERVER,
        Body(
            change_of(resource_servers.NewResourceServer, "ResourceServerChange"),
            {"token_lifetime": 3_600},
        ),
        (
            resource_servers.inexistent_resource_server(),
            resource_servers.system_resource_server("changed"),
        ),
    ),
    ("DELETE", "/resource-servers/{id}"): Described(
        _SERVERS, GONE, errors=(resource_servers.system_resource_server("deleted"),)
    ),
}
