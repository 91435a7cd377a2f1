"""Which management route is whose, and the scope that opens it: the one table of both."""

from typing import NamedTuple

from starlette.routing import BaseRoute, Route

from api.edge import Admission, Call, Endpoint, Handler, Reply
from api.management.client_grants import ClientGrants
from api.management.clients import Clients
from api.management.consents import ConsentRecords
from api.management.enrollment_page import EnrollmentPage
from api.management.enrollments import Enrollments
from api.management.guard import ManagementHandler, guarded
from api.management.resource_servers import ResourceServers
from api.management.users import Users
from api.services import Services
from consent.errors import ManagementError, management_body

_METHODS = {"GET", "POST", "PATCH", "PUT", "DELETE"}


class Row(NamedTuple):
    method: str
    path: str
    scope: str
    handler: ManagementHandler


def table(services: Services) -> list[Row]:
    users = Users(services)
    clients = Clients(services)
    grants = ClientGrants(services)
    servers = ResourceServers(services)
    enrollments = Enrollments(services)
    consents = ConsentRecords(services)
    enrollment, ticket = "/guardian/enrollments/{id}", "/guardian/enrollments/ticket"
    # An identifier of a resource server is a URL: decoded, its path has slashes.
    server = "/resource-servers/{id:path}"
    return [
        Row("POST", "/users", "create:users", users.create),
        Row("GET", "/users/{user_id}", "read:users", users.read),
        Row("PATCH", "/users/{user_id}", "update:users", users.change),
        Row("DELETE", "/users/{user_id}", "delete:users", users.delete),
        Row("GET", "/users/{user_id}/enrollments", "read:users", enrollments.of_user),
        Row(
            "DELETE",
            "/users/{user_id}/authenticators",
            "delete:guardian_enrollments",
            enrollments.delete_of_user,
        ),
        Row("GET", "/clients", "read:clients", clients.read_all),
        Row("POST", "/clients", "create:clients", clients.create),
        Row("GET", "/clients/{client_id}", "read:clients", clients.read),
        Row("DELETE", "/clients/{client_id}", "delete:clients", clients.delete),
        Row(
            "POST",
            "/clients/{client_id}/rotate-secret",
            "update:client_keys",
            clients.rotate_secret,
        ),
        Row("GET", "/client-grants", "read:client_grants", grants.read_all),
        Row("POST", "/client-grants", "create:client_grants", grants.create),
        Row("DELETE", "/client-grants/{id}", "delete:client_grants", grants.delete),
        Row("GET", "/resource-servers", "read:resource_servers", servers.read_all),
        Row("POST", "/resource-servers", "create:resource_servers", servers.create),
        Row("GET", server, "read:resource_servers", servers.read),
        Row("DELETE", server, "delete:resource_servers", servers.delete),
        Row("POST", ticket, "create:guardian_enrollment_tickets", enrollments.create_ticket),
        Row("GET", enrollment, "read:guardian_enrollments", enrollments.read),
        Row("DELETE", enrollment, "delete:guardian_enrollments", enrollments.delete),
        Row("GET", "/consents/{consent_id}", "read:consents", consents.read),
    ]


def management_routes(services: Services, admission: Admission) -> list[BaseRoute]:
    paths: dict[str, dict[str, Handler]] = {}
    for row in table(services):
        handler = guarded(services, row.scope, row.handler)
        paths.setdefault(f"/api/v2{row.path}", {})[row.method] = handler
    # Last, so that what is not there is said in the words of this API.
    paths["/api/v2/{path:path}"] = dict.fromkeys(_METHODS, _not_found)
    # The one page: opened by the ticket in its address, not by a token.
    paths["/mfa/enrollment"] = {"GET": EnrollmentPage(services).show}
    return [
        Route(path, Endpoint(path, handlers, management_body, admission))
        for path, handlers in paths.items()
    ]


async def _not_found(call: Call) -> Reply:  # noqa: ARG001 - the same for every call
    raise ManagementError(404, "not_found", "There is nothing at this path")
