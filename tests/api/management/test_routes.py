"""The table of routes: one scope opens each, and what is not there is said so."""

from collections.abc import Callable

from api.management.routes import table
from consent.access import MANAGEMENT_SCOPES
from tests.support.management import Administration, Story, check_refused

Told = Callable[[Story], None]

# Written a second time on purpose: a scope changed by mistake fails here.
OPENED_BY = {
    ("POST", "/users"): "create:users",
    ("GET", "/users/{user_id}"): "read:users",
    ("PATCH", "/users/{user_id}"): "update:users",
    ("DELETE", "/users/{user_id}"): "delete:users",
    ("GET", "/users/{user_id}/enrollments"): "read:users",
    ("DELETE", "/users/{user_id}/authenticators"): "delete:guardian_enrollments",
    ("GET", "/clients"): "read:clients",
    ("POST", "/clients"): "create:clients",
    ("GET", "/clients/{client_id}"): "read:clients",
    ("DELETE", "/clients/{client_id}"): "delete:clients",
    ("POST", "/clients/{client_id}/rotate-secret"): "update:client_keys",
    ("GET", "/client-grants"): "read:client_grants",
    ("POST", "/client-grants"): "create:client_grants",
    ("DELETE", "/client-grants/{id}"): "delete:client_grants",
    ("GET", "/resource-servers"): "read:resource_servers",
    ("POST", "/resource-servers"): "create:resource_servers",
    ("GET", "/resource-servers/{id:path}"): "read:resource_servers",
    ("DELETE", "/resource-servers/{id:path}"): "delete:resource_servers",
    ("POST", "/guardian/enrollments/ticket"): "create:guardian_enrollment_tickets",
    ("GET", "/guardian/enrollments/{id}"): "read:guardian_enrollments",
    ("DELETE", "/guardian/enrollments/{id}"): "delete:guardian_enrollments",
    ("GET", "/consents/{consent_id}"): "read:consents",
}


def test_every_route_is_opened_by_its_own_scope_and_by_no_other(told: Told) -> None:
    """T33: every route with every single scope."""

    async def story(admin: Administration) -> None:
        rows = table(admin.services)
        assert {(row.method, row.path): row.scope for row in rows} == OPENED_BY
        tokens = {scope: admin.token([scope]) for scope in MANAGEMENT_SCOPES}
        tokens["all but one"] = ""
        for (method, template), opener in OPENED_BY.items():
            path = template[1:].replace("{", "").replace("}", "").replace(":path", "")
            body: object = {} if method == "POST" else None
            tokens["all but one"] = admin.token(set(MANAGEMENT_SCOPES) - {opener})
            for scope, token in tokens.items():
                answer = await admin.call(method, path, body, token=token)
                if scope == opener:
                    assert answer.status_code in {200, 204, 400, 404}, (path, answer.text)
                    continue
                message = check_refused(answer, 403, "insufficient_scope")
                assert message == f"Insufficient scope, expected any of: {opener}"

    told(story)


def test_what_is_not_there_is_a_404_in_the_words_of_this_api(told: Told) -> None:
    async def story(admin: Administration) -> None:
        for path in ("", "nothing", "clients/", "users/a%2Fb", "clients/x/y/z", "..%2Fusers"):
            check_refused(await admin.call("GET", path), 404, "not_found")
        answer = await admin.call("PUT", "clients")
        check_refused(answer, 405, "invalid_request")
        assert answer.headers["allow"] == "GET, POST"

    told(story)
