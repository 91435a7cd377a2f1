"""Credentials-exchange actions through HTTP: a developer portal, and what stops the process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from consent.client import CLIENT_CREDENTIALS_GRANT
from tests.support.actions import NAMESPACE, SECRET, ActionUrl
from tests.support.nod import ROOT, Nod, OAuthClient
from tests.support.redis_server import RedisServer
from tests.support.token_client import granted, new_api, refused, verified

PORTAL = {
    "konnect_portal_id": "portal",
    "konnect_developer_id": "developer",
    "konnect_application_id": "application",
}


@pytest.fixture(scope="module")
def server() -> Iterator[ActionUrl]:
    with ActionUrl().serving() as running:
        yield running


@pytest.fixture(scope="module")
def acting_nod(
    server: ActionUrl, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nod]:
    """With two functions and a URL; no worker, for nobody is asked anything."""
    running = Nod(
        redis_server.database(11),
        Path(tmp_path_factory.mktemp("acting")),
        credentials_exchange_actions="tests.support.actions:rename_for_the_portal,"
        "tests.support.actions:obey",
        credentials_exchange_url=server.url,
        credentials_exchange_secret=SECRET,
        credentials_exchange_timeout_milliseconds="5000",
    )
    try:
        yield running.start()
    finally:
        running.stop()


def application(nod: Nod, audience: str, *scope: str, **metadata: str) -> OAuthClient:
    """A client with a grant, as a portal makes one."""
    client = nod.new_client(grant_types=[CLIENT_CREDENTIALS_GRANT], client_metadata=metadata)
    body = {"client_id": client.client_id, "audience": audience, "scope": [*scope]}
    assert nod.admin("POST", "client-grants", body).status_code == 201
    return client


def asked(nod: Nod, client: OAuthClient, audience: str, **form: str) -> httpx2.Response:
    form = {"grant_type": CLIENT_CREDENTIALS_GRANT, "audience": audience} | form
    return nod.http.post("oauth/token", data=form, auth=client.basic)


def scoped_api(nod: Nod) -> str:
    return new_api(nod, scopes=[{"value": "read"}, {"value": "write"}])


def test_a_developer_portals_application_is_named_by_its_action(
    acting_nod: Nod, server: ActionUrl
) -> None:
    """The portal's sequence: client with metadata, grant, token with `azp`, then its name."""
    nod = acting_nod
    audience = scoped_api(nod)
    server.answers({"custom_claims": {f"{NAMESPACE}plan": {"tier": "gold"}}})
    client = application(nod, audience, "read", **PORTAL)

    token_set = granted(asked(nod, client, audience))
    claims = verified(nod, token_set["access_token"], audience)
    shown: dict[str, Any] = nod.admin("GET", f"clients/{client.client_id}").json()

    assert claims["azp"] == client.client_id
    assert claims[f"{NAMESPACE}plan"] == {"tier": "gold"}
    assert shown["name"] == "portal+developer+application"
    assert shown["client_metadata"] == PORTAL | {"renamed": "yes"}
    event = server.events[-1]
    assert event["client"]["name"] == "portal+developer+application"
    assert event["resource_server"] == {"identifier": audience}
    assert client.client_secret not in str(server.calls)


def test_actions_refuse_in_the_words_of_oauth(acting_nod: Nod, server: ActionUrl) -> None:
    nod = acting_nod
    audience = scoped_api(nod)
    client = application(nod, audience, "read")
    server.answers({})

    assert refused(asked(nod, client, audience, action="deny")) == (400, "invalid_scope")
    assert refused(asked(nod, client, audience, action="fail")) == (500, "server_error")
    server.answers({"deny": {"code": "invalid_request", "reason": "Not on Mondays"}})
    assert refused(asked(nod, client, audience)) == (400, "invalid_request")
    server.answers({}, status=500)
    failed = asked(nod, client, audience)
    assert refused(failed) == (503, "temporarily_unavailable")
    assert failed.headers["retry-after"] == "1"
    server.answers({"target_scopes": []})
    assert granted(asked(nod, client, audience))["scope"] == ""
    assert client.client_secret not in nod.logs()
    assert SECRET not in nod.logs()


def test_an_action_that_cannot_be_loaded_stops_the_process() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NOD_")}
    ended = subprocess.run(
        [sys.executable, "-m", "api"],
        cwd=ROOT,
        env=environ
        | {
            "NOD_REDIS_URL": "redis://127.0.0.1:1",  # it is not even asked
            "NOD_CREDENTIALS_EXCHANGE_ACTIONS": "tests.support.actions:no_such_action",
        },
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert ended.returncode != 0
    assert "NOD_CREDENTIALS_EXCHANGE_ACTIONS: tests.support.actions:no_such_action" in ended.stderr
    assert "Traceback" not in ended.stderr
