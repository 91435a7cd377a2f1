"""
The whole API called as its description says, and as it says not to: every answer is one that is
described, to the member, and none is a failure of ours.

The seed is fixed, so that a run is the same each time. Objects of the description are closed
first: an answer with a member that nobody described is a failure too.
"""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from consent.access import resource_server_id
from consent.identifiers import consent_id_of
from scripts.simulated_phone import Account, SimulatedPhone
from tests.support.description import closed, described
from tests.support.nod import BOOTSTRAP, CIBA, Nod, OAuthClient
from tests.support.redis_server import RedisServer

EXAMPLES = 8  # of each operation, half of them against its description
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DOCUMENT = described()
ENDLESS = ("/rich-consents/events",)  # a stream; `test_event_stream` asks for it
OPERATIONS = [
    (method.upper(), path)
    for path, item in DOCUMENT["paths"].items()
    for method in item
    if path not in ENDLESS
]
# Examples that name nothing that could be made: a private key, a job, an event of the log.
UNMADE = ("/providers/", "/jobs/{id}", "/logs/{id}")
EXAMPLED = [
    (method, path)
    for method, path in OPERATIONS
    if path.startswith(("/api/v2/", "/bc-authorize", "/oauth/revoke", "/oauth/introspect"))
    and not any(part in path for part in UNMADE)
]
TENANT_FLAGS = ("enable_dynamic_client_registration", "enable_dynamic_client_management")

# The warnings are of libraries that the description is read with.
pytestmark = pytest.mark.filterwarnings("default")


def account_of(phone: SimulatedPhone) -> Account:
    assert phone.account is not None
    return phone.account


class Tenant:
    """A Nod of its own, for what is sent to it changes its settings and empties its lists."""

    def __init__(self, nod: Nod) -> None:
        self.nod = nod
        self.session = requests.Session()
        self.schema: Any = schemathesis.openapi.from_dict(closed(DOCUMENT))
        self.token = nod.client_token(OAuthClient(*BOOTSTRAP))["access_token"]
        self.client = nod.new_client(grant_types=[CIBA, "client_credentials", "refresh_token"])
        self.switch_all_on()
        self.user_id = self.newest_user_id = nod.new_user()
        self.phone = nod.new_phone(self.user_id)
        self.device = account_of(self.phone)
        self.leaving = account_of(nod.new_phone(nod.new_user()))
        self.registration_token = ""
        self.persons_token = nod.poll(self.client, self.approved()).json()["access_token"]
        self.audience = a_server(self)
        grant = {"client_id": self.client.client_id, "audience": self.audience}
        self.made("client-grants", grant | {"scope": ["read:orders"]})
        nod.accepted(self.client, self.user_id)
        [self.notification] = self.phone.pending()

    def approved(self) -> str:
        """The auth_req_id of a request that waits to be redeemed."""
        self.switch_all_on()
        before = {it.txlnkid for it in self.phone.pending()}
        auth_req_id = self.nod.accepted(self.client, self.user_id)
        [asked] = [it for it in self.phone.pending() if it.txlnkid not in before]
        self.phone.resolve(asked, accept=True)
        return auth_req_id

    def switch_all_on(self) -> None:
        """Registrations and pushes, which another test may have switched off."""
        settings = {
            "flags": dict.fromkeys(TENANT_FLAGS, True),
            "dynamic_client_registration_access": "open",
        }
        for method, path, body in (
            ("PATCH", "tenants/settings", settings),
            ("PUT", "guardian/factors/push-notification", {"enabled": True}),
        ):
            answer = self.nod.admin(method, path, body)
            assert answer.status_code == 200, answer.text

    def made(self, path: str, body: object) -> dict[str, Any]:
        answer = self.nod.admin("POST", path, body)
        assert answer.status_code in {200, 201}, answer.text
        return dict(answer.json())

    def credentials(self, scheme: str, method: str, url: str) -> dict[str, Any]:
        """What opens an operation: headers, or a client's name and secret."""
        match scheme:
            case "clientSecretBasic":
                return {"auth": tuple(self.client)}
            case "managementToken":
                return {"headers": {"Authorization": f"Bearer {self.token}"}}
            case "accessToken":
                return {"headers": {"Authorization": f"Bearer {self.persons_token}"}}
            case "deviceToken":
                return {"headers": {"Authorization": f"Bearer {self.leaving.token}"}}
            case "registrationAccessToken":
                return {"headers": {"Authorization": f"Bearer {self.registration_token}"}}
            case "enrollmentTicket":
                ticket = self.nod.new_ticket(self.user_id)
                return {"headers": {"Authorization": f'Ticket id="{ticket}"'}}
            case "transactionToken":
                return {"headers": {"Authorization": f"Bearer {self.notification.txtkn}"}}
            case "mfaDpopTransactionToken":
                return self._proven(method, url, self.notification.txtkn)
            case "mfaDpopDeviceToken":
                return self._proven(method, url, self.device.token)
        return {}

    def _proven(self, method: str, url: str, token: str) -> dict[str, Any]:
        proof = self.phone.proof(method, url, token)
        return {"headers": {"Authorization": f"MFA-DPoP {token}", "MFA-DPoP": proof}}

    def answered(self, case: Any) -> Any:  # noqa: ANN401 - a generic of types that are not told
        """The answer; it is one that is described."""
        schemes = [name for it in case.operation.definition.raw.get("security", ()) for name in it]
        url = self.nod.url + case.operation.path.format(**case.path_parameters).lstrip("/")
        options = self.credentials(schemes[0], case.method, url) if schemes else {}
        response = case.call(
            session=self.session, base_url=self.nod.url.rstrip("/"), timeout=20, **options
        )
        case.validate_response(response, checks=CHECKS)
        if "registrationAccessToken" in schemes and response.status_code == 200:  # it rotates
            self.registration_token = response.json()["registration_access_token"]
        return response


def a_client(tenant: Tenant) -> str:
    return tenant.nod.new_client().client_id


def an_identifier(_tenant: Tenant) -> str:
    return f"https://{uuid.uuid4().hex}.example/"


def a_server(tenant: Tenant) -> str:
    body = {"identifier": an_identifier(tenant), "scopes": [{"value": "read:orders"}]}
    return str(tenant.made("resource-servers", body)["identifier"])


def a_grant(tenant: Tenant) -> str:
    body = {"client_id": a_client(tenant), "audience": a_server(tenant), "scope": ["read:orders"]}
    return str(tenant.made("client-grants", body)["id"])


def a_user(tenant: Tenant) -> str:
    tenant.newest_user_id = tenant.nod.new_user()
    return tenant.newest_user_id


def a_refused_client(tenant: Tenant) -> str:
    """By the user who was made last, whom the path names before it."""
    client, phone = tenant.nod.new_client(), tenant.nod.new_phone(tenant.newest_user_id)
    tenant.switch_all_on()
    tenant.nod.accepted(client, tenant.newest_user_id)
    [asked] = phone.pending()
    phone.resolve(asked, accept=False, reason="not_me")
    return client.client_id


def a_device(tenant: Tenant) -> str:
    return account_of(tenant.nod.new_phone(a_user(tenant))).id


def a_registration(tenant: Tenant) -> str:
    tenant.switch_all_on()
    answer = tenant.nod.http.post("oidc/register", json={"redirect_uris": ["https://a.example/"]})
    assert answer.status_code == 201, answer.text
    tenant.registration_token = answer.json()["registration_access_token"]
    return str(answer.json()["client_id"])


def a_name(_tenant: Tenant) -> str:
    return f"n-{uuid.uuid4().hex}"


def a_connection(tenant: Tenant) -> str:
    return str(tenant.made("connections", {"name": a_name(tenant)})["id"])


def an_initial_access_token(tenant: Tenant) -> str:
    return str(tenant.made("initial-access-tokens", {})["id"])


def a_consent(tenant: Tenant) -> str:
    tenant.switch_all_on()
    user_id = a_user(tenant)
    tenant.nod.new_phone(user_id)
    return consent_id_of(tenant.nod.accepted(tenant.client, user_id))


# Who is there to be asked for, by what a path begins with; its last part is the parameter.
MAKERS: dict[str, Callable[[Tenant], str]] = {
    "/api/v2/clients/{client_id}": a_client,
    "/api/v2/client-grants/{id}": a_grant,
    "/api/v2/resource-servers/{id}": lambda tenant: resource_server_id(a_server(tenant)),
    "/api/v2/connections/{id}": a_connection,
    "/api/v2/initial-access-tokens/{id}": an_initial_access_token,
    "/api/v2/users/{user_id}": a_user,
    "/api/v2/users/{user_id}/refused-clients/{client_id}": a_refused_client,
    "/api/v2/guardian/enrollments/{id}": a_device,
    "/api/v2/guardian/factors/{name}": lambda _: "push-notification",
    "/api/v2/consents/{consent_id}": a_consent,
    "/rich-consents/{consent_id}": lambda tenant: tenant.notification.txlnkid,
    "/appliance-mfa/api/device-accounts/{device_id}": lambda tenant: tenant.leaving.id,
    "/oidc/register/{client_id}": a_registration,
}
# And by the member of a body that names them.
NAMED: dict[str, Callable[[Tenant], str]] = {
    "client_id": a_client,
    "user_id": lambda tenant: tenant.user_id,
    "login_hint": lambda tenant: tenant.user_id,
    "audience": lambda tenant: tenant.audience,
    "identifier": an_identifier,
    "name": a_name,
}
CLIENT_AUTHENTICATION = ("client_id", "client_secret", "client_assertion", "client_assertion_type")


def known(tenant: Tenant, path: str) -> dict[str, str]:
    """Path parameters that name what is there."""
    return {
        prefix.rpartition("{")[2].rstrip("}"): make(tenant)
        for prefix, make in MAKERS.items()
        if path.startswith(prefix)
    }


@pytest.fixture(scope="module")
def tenant(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    running = Nod(
        redis_server.database(5),
        Path(tmp_path_factory.mktemp("fuzzed")),
        management_requests_per_minute_max="1000000",
        person_requests_per_minute_max="1000000",
        person_open_requests_max="1000",
        registrations_per_hour_max="1000000",
    )
    try:
        yield Tenant(running.start())
    finally:
        running.stop()


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_operation_answers_as_it_is_described(tenant: Tenant, method: str, path: str) -> None:
    operation, there = tenant.schema[path][method], known(tenant, path)
    tenant.switch_all_on()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases(operation), names_what_is_there=st.booleans())
    def sent(*, case: Any, names_what_is_there: bool) -> None:  # noqa: ANN401
        if names_what_is_there:
            case.path_parameters = there or case.path_parameters
            case.body = naming(tenant, path, case.body, example_of(operation))
        tenant.answered(case)

    sent()


def naming(tenant: Tenant, path: str, body: object, example: dict[str, Any]) -> object:
    """
    The body, where it names somebody who is there. A client of the protocol is known without its
    body, and asks for nearly what it should.
    """
    if not isinstance(body, dict):
        return body
    if not path.startswith("/api/v2/"):
        odd = [it for it in body.items() if it[0] not in {*CLIENT_AUTHENTICATION, *example}]
        body = example | dict(odd[:2])
    return body | {name: make(tenant) for name, make in NAMED.items() if name in body}


def example_of(operation: Any) -> dict[str, Any]:  # noqa: ANN401 - untyped there
    described: dict[str, Any] = operation.definition.raw
    for content in described.get("requestBody", {}).get("content", {}).values():
        return dict(content["example"])
    return {}


def cases(operation: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - untyped there
    """As it is described, and as it is not, where there is anything to get wrong."""
    good: st.SearchStrategy[Any] = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if not (operation.body or operation.query or operation.headers or operation.path_parameters):
        return good
    bad: st.SearchStrategy[Any] = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    return good | bad


@pytest.mark.parametrize(("method", "path"), EXAMPLED)
def test_the_example_of_an_operation_works(tenant: Tenant, method: str, path: str) -> None:
    operation = tenant.schema[path][method]
    options: dict[str, Any] = {"path_parameters": known(tenant, path)}
    if "requestBody" in operation.definition.raw:
        example = example_of(operation)
        media_type = next(iter(operation.definition.raw["requestBody"]["content"]))
        options |= {"media_type": media_type, "body": naming(tenant, path, example, example)}
    required = [it for it in operation.definition.raw.get("parameters", ()) if it["required"]]
    options["query"] = {it["name"]: it["example"] for it in required if it["in"] == "query"}

    tenant.switch_all_on()
    assert tenant.answered(operation.Case(**options)).status_code < 300


def test_a_client_registers_as_the_example_says(tenant: Tenant) -> None:
    operation = tenant.schema["/oidc/register"]["POST"]
    case = operation.Case(body=example_of(operation), media_type="application/json")

    tenant.switch_all_on()
    assert tenant.answered(case).status_code == 201


@pytest.mark.parametrize("path", ["/token", "/oauth/token"])
def test_tokens_are_as_they_are_described(tenant: Tenant, path: str) -> None:
    operation = tenant.schema[path]["POST"]
    for body in (
        {"grant_type": CIBA, "auth_req_id": tenant.approved()},
        {"grant_type": "client_credentials", "audience": tenant.audience},
    ):
        case = operation.Case(body=body, media_type="application/x-www-form-urlencoded")

        assert tenant.answered(case).status_code == 200
