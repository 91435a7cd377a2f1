"""The management operations on the installation itself: its settings and its connections."""

from msgspec import UNSET, Struct

from api.openapi.answers import Date, Text
from api.openapi.management import FIELDS, GONE, PAGING, TEXT, Described, created, page_of
from api.openapi.operation import Answer, Body, Parameter, change_of, shown
from consent.management import connections, tenant_settings
from consent.management.initial_access_tokens import NewInitialAccessToken
from consent.tenant import STRATEGY, Connection, Tenant

_TENANT, _CONNECTIONS, _TOKENS = "Tenant", "Connections", "Initial access tokens"


class ShownInitialAccessToken(Struct, kw_only=True):
    """Who may register a client where that takes a token; `token` is shown when it is made."""

    id: str
    created_at: Date
    expires_at: Date
    uses_left: int
    token: Text = UNSET


TENANT = Answer(
    200,
    "The settings",
    shown(Tenant, "ShownTenantSettings", without=frozenset()),
    {
        "friendly_name": "Example Bank",
        "default_audience": "",
        "flags": {
            "enable_dynamic_client_registration": False,
            "enable_dynamic_client_management": False,
        },
        "dynamic_client_registration_security_mode": "strict",
        "dynamic_client_registration_access": "open",
        "number_matching": False,
        "mailbox_approval": False,
    },
)
CONNECTION = Answer(
    200,
    "The connection",
    shown(Connection, "ShownConnection", without=frozenset({"creation"})),
    {
        "id": "con_007Lp0WqPRmDFzOs",
        "name": "users",
        "strategy": "auth0",
        "display_name": "",
        "is_domain_connection": False,
        "metadata": {},
    },
)

TOKEN = Answer(
    200,
    "The token, without itself",
    ShownInitialAccessToken,
    {
        "id": "007Lp0WqPRmDFzOs",
        "created_at": "2026-03-01T12:00:00.000Z",
        "expires_at": "2026-03-02T12:00:00.000Z",
        "uses_left": 1,
    },
)

INSTALLATION = {
    ("GET", "/tenants/settings"): Described(_TENANT, TENANT, parameters=FIELDS),
    ("PATCH", "/tenants/settings"): Described(
        _TENANT,
        TENANT,
        Body(
            change_of(tenant_settings.TenantSettings, "TenantSettingsChange"),
            {"flags": {"enable_dynamic_client_registration": True}},
        ),
        description="What is left out stays, of `flags` each by itself.",
    ),
    ("GET", "/initial-access-tokens"): Described(
        _TOKENS, page_of("initial_access_tokens", TOKEN), parameters=(*PAGING, *FIELDS)
    ),
    ("POST", "/initial-access-tokens"): Described(
        _TOKENS,
        created(TOKEN.showing({"token": "iat_c2VjcmV0"})),
        Body(NewInitialAccessToken, {"expires_in_seconds": 86_400, "uses": 1}, required=False),
        description="The token is shown this once.",
    ),
    ("DELETE", "/initial-access-tokens/{id}"): Described(_TOKENS, GONE),
    ("GET", "/connections"): Described(
        _CONNECTIONS,
        page_of("connections", CONNECTION),
        parameters=(
            *PAGING,
            *FIELDS,
            Parameter("name", "The one of this name", TEXT, example="partners"),
            Parameter("strategy", "Of this strategy; may be repeated", TEXT, example=STRATEGY),
        ),
    ),
    ("POST", "/connections"): Described(
        _CONNECTIONS,
        created(CONNECTION),
        Body(connections.NewConnection, {"name": "partners"}),
        (connections.existing_connection(),),
    ),
    ("GET", "/connections/{id}"): Described(
        _CONNECTIONS, CONNECTION, errors=(connections.inexistent_connection(),), parameters=FIELDS
    ),
    ("PATCH", "/connections/{id}"): Described(
        _CONNECTIONS,
        CONNECTION,
        Body(
            change_of(connections.NewConnection, "ConnectionChange"), {"is_domain_connection": True}
        ),
        (connections.inexistent_connection(),),
    ),
    ("DELETE", "/connections/{id}"): Described(
        _CONNECTIONS, GONE, errors=(connections.connection_in_use(),)
    ),
}
