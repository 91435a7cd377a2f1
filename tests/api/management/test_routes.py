"""The table of routes: one scope opens each, and what is not there is said so."""

from collections.abc import Callable

from api.management.routes import table
from consent.access import MANAGEMENT_SCOPES
from tests.support.management import Administration, Story, check_refused

Told = Callable[[Story], None]

# Written a second time on purpose: a scope changed by mistake fails here.
OPENED_BY = {
    ("GET", "/initial-access-tokens"): "read:initial_access_tokens",
    ("POST", "/initial-access-tokens"): "create:initial_access_tokens",
    ("DELETE", "/initial-access-tokens/{id}"): "delete:initial_access_tokens",
    ("GET", "/logs"): "read:logs",
    ("GET", "/logs/{id}"): "read:logs",
    ("GET", "/users/{user_id}/logs"): "read:logs",
    ("GET", "/guardian/factors"): "read:guardian_factors",
    ("PUT", "/guardian/factors/{name}"): "update:guardian_factors",
    ("GET", "/guardian/factors/push-notification/selected-provider"): "read:guardian_factors",
    ("PUT", "/guardian/factors/push-notification/selected-provider"): "update:guardian_factors",
    ("GET", "/guardian/factors/push-notification/providers/apns"): "read:guardian_factors",
    ("GET", "/guardian/factors/push-notification/providers/fcmv1"): "read:guardian_factors",
    ("PUT", "/guardian/factors/push-notification/providers/apns"): "update:guardian_factors",
    ("PUT", "/guardian/factors/push-notification/providers/fcmv1"): "update:guardian_factors",
    ("PATCH", "/guardian/factors/push-notification/providers/apns"): "update:guardian_factors",
    ("PATCH", "/guardian/factors/push-notification/providers/fcmv1"): "update:guardian_factors",
    ("DELETE", "/guardian/factors/push-notification/providers/apns"): "update:guardian_factors",
    ("DELETE", "/guardian/factors/push-notification/providers/fcmv1"): "update:guardian_factors",
    ("PUT", "/guardian/factors/push-notification/providers/fcm"): "update:guardian_factors",
    ("PATCH", "/guardian/factors/push-notification/providers/fcm"): "update:guardian_factors",
    ("GET", "/users"): "read:users",
    ("GET", "/users-by-email"): "read:users",
    ("POST", "/jobs/users-imports"): "create:users",
    ("GET", "/jobs/{id}"): "read:users",
    ("GET", "/jobs/{id}/errors"): "read:users",
    ("GET", "/tenants/settings"): "read:tenant_settings",
    ("PATCH", "/tenants/settings"): "update:tenant_settings",
    ("GET", "/connections"): "read:connections",
    ("POST", "/connections"): "create:connections",
    ("GET", "/connections/{id}"): "read:connections",
    ("PATCH", "/connections/{id}"): "update:connections",
    ("DELETE", "/connections/{id}"): "delete:connections",
    ("PATCH", "/clients/{client_id}"): "update:clients",
    ("GET", "/client-grants/{id}"): "read:client_grants",
    ("PATCH", "/client-grants/{id}"): "update:client_grants",
    ("PATCH", "/resource-servers/{id:rest}"): "update:resource_servers",
    ("GET", "/consents"): "read:consents",
    ("POST", "/consents/{consent_id}/cancel"): "update:consents",
    ("POST", "/users"): "create:users",
    ("GET", "/users/{user_id}"): "read:users",
    ("PATCH", "/users/{user_id}"): "update:users",
    ("DELETE", "/users/{user_id}"): "delete:users",
    ("GET", "/users/{user_id}/enrollments"): "read:users",
    ("GET", "/users/{user_id}/refused-clients"): "read:users",
    ("DELETE", "/users/{user_id}/refused-clients/{client_id}"): "update:users",
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
    ("GET", "/resource-servers/{id:rest}"): "read:resource_servers",
    ("DELETE", "/resource-servers/{id:rest}"): "delete:resource_servers",
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
            path = template[1:].replace("{", "").replace("}", "").replace(":rest", "")
            body: object = {} if method in {"POST", "PATCH", "PUT"} else None
            tokens["all but one"] = admin.token(set(MANAGEMENT_SCOPES) - {opener})
            for scope, token in tokens.items():
                answer = await admin.call(method, path, body, token=token)
                if scope == opener:
                    assert answer.status_code in {200, 201, 204, 400, 404, 415}, (path, answer.text)
                    continue
                message = check_refused(answer, 403, "insufficient_scope")
                assert message == f"Insufficient scope, expected any of: {opener}"

    told(story)


def test_what_is_not_there_is_a_404_in_the_words_of_this_api(told: Told) -> None:
    async def story(admin: Administration) -> None:
        for path in (
            "",
            "nothing",
            "%0A",
            "nothing%0Aat%0Aall",
            "clients/",
            "users/a%2Fb",
            "clients/x/y/z",
            "..%2Fusers",
        ):
            check_refused(await admin.call("GET", path), 404, "not_found")
        answer = await admin.call("PUT", "clients")
        check_refused(answer, 405, "invalid_request")
        assert answer.headers["allow"] == "GET, POST"

    told(story)
