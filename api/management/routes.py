"""Which management route is whose, and the scope that opens it: the one table of both."""

from typing import NamedTuple

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import BaseRoute, Route

from api.edge import Admission, Call, Endpoint, Handler, Reply
from api.management.client_grants import ClientGrants
from api.management.clients import Clients
from api.management.connections import Connections
from api.management.consents import ConsentRecords
from api.management.enrollments import Enrollments
from api.management.factors import Factors
from api.management.guard import ManagementHandler, guarded
from api.management.initial_access_tokens import InitialAccessTokens
from api.management.jobs import Jobs
from api.management.logs import Logs
from api.management.refused_clients import RefusedClients
from api.management.resource_servers import ResourceServers
from api.management.tenant_settings import TenantSettings
from api.management.user_lists import UserLists
from api.management.users import Users
from api.services import Services
from consent.errors import ManagementError, management_body
from consent.management import user_import

# Paths that take files, and how many bytes.
LARGER_BODIES = {"/api/v2/jobs/users-imports": user_import.BODY_BYTES_MAX}


class _Rest(Convertor[str]):
    """The rest of a path, whatever is in it: Starlette's `path` stops at a line feed."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("rest", _Rest())
_METHODS = {"GET", "POST", "PATCH", "PUT", "DELETE"}


class Row(NamedTuple):
    method: str
    path: str
    scope: str
    handler: ManagementHandler
    summary: str  # what it does, as the audit trail and the documentation say it


def table(services: Services) -> list[Row]:
    users = Users(services)
    user_lists = UserLists(services)
    jobs = Jobs(services)
    clients = Clients(services)
    grants = ClientGrants(services)
    servers = ResourceServers(services)
    connections = Connections(services)
    tenant = TenantSettings(services)
    enrollments = Enrollments(services)
    consents = ConsentRecords(services)
    refused = RefusedClients(services)
    logs = Logs(services)
    factors = Factors(services)
    push = "/guardian/factors/push-notification"
    selected, apns = f"{push}/selected-provider", f"{push}/providers/apns"
    fcm, legacy_fcm = f"{push}/providers/fcmv1", f"{push}/providers/fcm"
    see_factors, set_factors = "read:guardian_factors", "update:guardian_factors"
    client, grant, connection = "/clients/{client_id}", "/client-grants/{id}", "/connections/{id}"
    user, enrollment = "/users/{user_id}", "/guardian/enrollments/{id}"
    consent = "/consents/{consent_id}"
    # An identifier of a resource server is a URL: decoded, its path has slashes.
    server = "/resource-servers/{id:rest}"
    initial = InitialAccessTokens(services)
    rows: list[tuple[str, str, str, ManagementHandler, str]] = [
        (
            "GET",
            "/initial-access-tokens",
            "read:initial_access_tokens",
            initial.read_all,
            "Get initial access tokens",
        ),
        (
            "POST",
            "/initial-access-tokens",
            "create:initial_access_tokens",
            initial.create,
            "Create an initial access token",
        ),
        (
            "DELETE",
            "/initial-access-tokens/{id}",
            "delete:initial_access_tokens",
            initial.delete,
            "Delete an initial access token",
        ),
        ("GET", "/tenants/settings", "read:tenant_settings", tenant.read, "Get tenant settings"),
        (
            "PATCH",
            "/tenants/settings",
            "update:tenant_settings",
            tenant.change,
            "Update tenant settings",
        ),
        ("GET", "/connections", "read:connections", connections.read_all, "Get all connections"),
        ("POST", "/connections", "create:connections", connections.create, "Create a connection"),
        ("GET", connection, "read:connections", connections.read, "Get a connection"),
        ("PATCH", connection, "update:connections", connections.change, "Update a connection"),
        ("DELETE", connection, "delete:connections", connections.delete, "Delete a connection"),
        ("GET", "/users", "read:users", user_lists.read_all, "List or search users"),
        ("POST", "/users", "create:users", users.create, "Create a user"),
        ("GET", "/users-by-email", "read:users", user_lists.by_email, "Search users by email"),
        (
            "POST",
            "/jobs/users-imports",
            "create:users",
            jobs.import_users,
            "Create import users job",
        ),
        ("GET", "/jobs/{id}", "read:users", jobs.read, "Get a job"),
        ("GET", "/jobs/{id}/errors", "read:users", jobs.read_errors, "Get job error details"),
        ("GET", user, "read:users", users.read, "Get a user"),
        ("PATCH", user, "update:users", users.change, "Update a user"),
        ("DELETE", user, "delete:users", users.delete, "Delete a user"),
        ("GET", f"{user}/enrollments", "read:users", enrollments.of_user, "Get user enrollments"),
        (
            "DELETE",
            f"{user}/authenticators",
            "delete:guardian_enrollments",
            enrollments.delete_of_user,
            "Delete all authenticators of a user",
        ),
        (
            "GET",
            f"{user}/refused-clients",
            "read:users",
            refused.read_all,
            "Get the clients a user refuses",
        ),
        (
            "DELETE",
            f"{user}/refused-clients/{{client_id}}",
            "update:users",
            refused.lift,
            "Let a refused client ask a user again",
        ),
        ("GET", "/clients", "read:clients", clients.read_all, "Get clients"),
        ("POST", "/clients", "create:clients", clients.create, "Create a client"),
        ("GET", client, "read:clients", clients.read, "Get a client"),
        ("PATCH", client, "update:clients", clients.change, "Update a client"),
        ("DELETE", client, "delete:clients", clients.delete, "Delete a client"),
        (
            "POST",
            f"{client}/rotate-secret",
            "update:client_keys",
            clients.rotate_secret,
            "Rotate a client secret",
        ),
        ("GET", "/client-grants", "read:client_grants", grants.read_all, "Get client grants"),
        ("POST", "/client-grants", "create:client_grants", grants.create, "Create a client grant"),
        ("GET", grant, "read:client_grants", grants.read, "Get a client grant"),
        ("PATCH", grant, "update:client_grants", grants.change, "Update a client grant"),
        ("DELETE", grant, "delete:client_grants", grants.delete, "Delete a client grant"),
        (
            "GET",
            "/resource-servers",
            "read:resource_servers",
            servers.read_all,
            "Get resource servers",
        ),
        (
            "POST",
            "/resource-servers",
            "create:resource_servers",
            servers.create,
            "Create a resource server",
        ),
        ("GET", server, "read:resource_servers", servers.read, "Get a resource server"),
        ("PATCH", server, "update:resource_servers", servers.change, "Update a resource server"),
        ("DELETE", server, "delete:resource_servers", servers.delete, "Delete a resource server"),
        (
            "POST",
            "/guardian/enrollments/ticket",
            "create:guardian_enrollment_tickets",
            enrollments.create_ticket,
            "Create a Guardian enrollment ticket",
        ),
        (
            "GET",
            enrollment,
            "read:guardian_enrollments",
            enrollments.read,
            "Get a Guardian enrollment",
        ),
        (
            "DELETE",
            enrollment,
            "delete:guardian_enrollments",
            enrollments.delete,
            "Delete a Guardian enrollment",
        ),
        ("GET", "/logs", "read:logs", logs.read_all, "Search log events"),
        ("GET", "/logs/{id}", "read:logs", logs.read, "Get a log event by id"),
        ("GET", f"{user}/logs", "read:logs", logs.read_of_user, "Get log events of a user"),
        ("GET", "/consents", "read:consents", consents.read_all, "Get consents"),
        ("GET", consent, "read:consents", consents.read, "Get a consent"),
        ("POST", f"{consent}/cancel", "update:consents", consents.cancel, "Cancel a consent"),
        ("GET", "/guardian/factors", see_factors, factors.read_all, "Get the factors"),
        ("PUT", "/guardian/factors/{name}", set_factors, factors.change, "Update a factor"),
        ("GET", selected, see_factors, factors.read_selected, "Get the selected push provider"),
        ("PUT", selected, set_factors, factors.select, "Select the push provider"),
        ("GET", apns, see_factors, factors.read_apns, "Get the APNs provider"),
        ("PUT", apns, set_factors, factors.put_apns, "Set the APNs provider"),
        ("PATCH", apns, set_factors, factors.merge_apns, "Update the APNs provider"),
        ("DELETE", apns, set_factors, factors.delete_apns, "Delete the APNs provider"),
        ("GET", fcm, see_factors, factors.read_fcm, "Get the FCM provider"),
        ("PUT", fcm, set_factors, factors.put_fcm, "Set the FCM provider"),
        ("PATCH", fcm, set_factors, factors.put_fcm, "Update the FCM provider"),
        ("DELETE", fcm, set_factors, factors.delete_fcm, "Delete the FCM provider"),
        ("PUT", legacy_fcm, set_factors, factors.refuse_legacy_fcm, "Set the legacy FCM provider"),
        (
            "PATCH",
            legacy_fcm,
            set_factors,
            factors.refuse_legacy_fcm,
            "Update the legacy FCM provider",
        ),
    ]
    return [Row(*row) for row in rows]


def management_routes(services: Services, admission: Admission) -> list[BaseRoute]:
    paths: dict[str, dict[str, Handler]] = {}
    for row in table(services):
        handler = guarded(services, row.scope, row.summary, row.handler)
        paths.setdefault(f"/api/v2{row.path}", {})[row.method] = handler
    # Last, so that what is not there is said in the words of this API.
    paths["/api/v2/{path:rest}"] = dict.fromkeys(_METHODS, _not_found)
    return [
        Route(
            path,
            Endpoint(path, handlers, management_body, admission, LARGER_BODIES.get(path, 0)),
        )
        for path, handlers in paths.items()
    ]


async def _not_found(call: Call) -> Reply:  # noqa: ARG001 - the same for every call
    raise ManagementError(404, "not_found", "There is nothing at this path")
