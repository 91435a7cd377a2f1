"""A developer portal drives Nod as it drives Auth0: its whole sequence (auth0-wire 3.7, 3.8)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from consent.client import CLIENT_CREDENTIALS_GRANT
from tests.support.nod import Nod, OAuthClient
from tests.support.redis_server import RedisServer
from tests.support.token_client import granted, new_api, refused, verified

# What the portal's own client may do: no more than it takes.
INITIAL_SCOPES = [
    *(f"{verb}:{thing}" for thing in ("client_grants", "clients") for verb in ("read", "create")),
    *(f"{verb}:{thing}" for thing in ("client_grants", "clients") for verb in ("update", "delete")),
    "update:client_keys",
]
METADATA = {
    "konnect_portal_id": "portal",
    "konnect_developer_id": "developer",
    "konnect_org_id": "organisation",
    "konnect_application_id": "application",
}


@pytest.fixture(scope="module")
def nod(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nod]:
    """With the portal's action; no worker, for nobody is asked anything."""
    running = Nod(
        redis_server.database(10),
        Path(tmp_path_factory.mktemp("portal")),
        credentials_exchange_actions="tests.support.actions:name_after_the_application",
    )
    try:
        yield running.start()
    finally:
        running.stop()


class Portal:
    """Its client, and the calls it makes with the token of it."""

    def __init__(self, nod: Nod, *scope: str) -> None:
        self.nod = nod
        self.audience = f"{nod.url}api/v2/"
        self.client = nod.new_client(name="Portal", grant_types=[CLIENT_CREDENTIALS_GRANT])
        body = {"client_id": self.client.client_id, "audience": self.audience, "scope": [*scope]}
        assert nod.admin("POST", "client-grants", body).status_code == 201
        self.token = granted(self.exchange(self.client, self.audience))["access_token"]

    def exchange(self, client: OAuthClient, audience: str) -> httpx2.Response:
        """In JSON, as the portal and the gateway behind it send it."""
        body = {
            "grant_type": CLIENT_CREDENTIALS_GRANT,
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "audience": audience,
        }
        return self.nod.http.post("oauth/token", json=body)

    def call(self, method: str, path: str, body: object = None) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.nod.http.request(method, f"api/v2/{path}", json=body, headers=headers)

    def new_application(self, audience: str) -> OAuthClient:
        """An application of a developer's: its client, and what that may ask of an API."""
        body = {
            "name": "An application",
            "grant_types": [CLIENT_CREDENTIALS_GRANT],
            "client_metadata": METADATA,
        }
        created = self.call("POST", "clients", body)
        assert created.status_code == 201, created.text
        client = OAuthClient(created.json()["client_id"], created.json()["client_secret"])
        assert created.json()["client_metadata"] == METADATA
        grant = {"client_id": client.client_id, "audience": audience, "scope": ["read"]}
        answer = self.call("POST", "client-grants", grant)
        assert answer.status_code == 201, answer.text
        assert answer.json()["id"].startswith("cgr_")
        return client

    def shown(self, client: OAuthClient) -> dict[str, Any]:
        answer = self.call("GET", f"clients/{client.client_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def scoped_api(nod: Nod) -> str:
    return new_api(nod, scopes=[{"value": "read"}, {"value": "write"}])


def test_an_application_lives_from_its_creation_to_its_second_deletion(nod: Nod) -> None:
    portal, audience = Portal(nod, *INITIAL_SCOPES), scoped_api(nod)
    client = portal.new_application(audience)

    token_set = granted(portal.exchange(client, audience))
    claims = verified(nod, token_set["access_token"], audience)
    assert claims["azp"] == client.client_id
    assert claims["sub"] == f"{client.client_id}@clients"
    assert claims["scope"] == token_set["scope"] == "read"
    assert (token_set["token_type"], token_set["expires_in"]) == ("Bearer", 86_400)
    # The action has named it, and left alone what it did not speak of.
    assert portal.shown(client)["name"] == "portal+developer+application"
    assert portal.shown(client)["client_metadata"] == METADATA

    rotated = portal.call("POST", f"clients/{client.client_id}/rotate-secret")
    assert rotated.status_code == 200, rotated.text
    anew = client._replace(client_secret=rotated.json()["client_secret"])
    assert refused(portal.exchange(client, audience), client.client_secret) == (
        401,
        "invalid_client",
    )
    granted(portal.exchange(anew, audience))
    assert rotated.json()["name"] == "portal+developer+application"

    for _ in range(2):  # whoever deletes it again finds what they wanted
        deleted = portal.call("DELETE", f"clients/{client.client_id}")
        assert (deleted.status_code, deleted.content) == (204, b"")
    gone = portal.call("GET", f"clients/{client.client_id}")
    assert (gone.status_code, gone.json()["errorCode"]) == (404, "inexistent_client")
    assert refused(portal.exchange(anew, audience)) == (401, "invalid_client")
    left = portal.call("GET", f"client-grants?client_id={client.client_id}")
    assert left.json() == []
    assert client.client_secret not in nod.logs()
    assert anew.client_secret not in nod.logs()


def test_the_portal_may_name_an_application_itself(nod: Nod) -> None:
    """By PATCH, as an action of Auth0's does with a token of its own (auth0-wire 3.8)."""
    portal, audience = Portal(nod, *INITIAL_SCOPES), scoped_api(nod)
    client = portal.new_application(audience)

    answer = portal.call("PATCH", f"clients/{client.client_id}", {"name": "Weather"})

    assert answer.status_code == 200, answer.text
    assert (answer.json()["name"], answer.json()["client_metadata"]) == ("Weather", METADATA)
    assert "client_secret" not in answer.json()
    granted(portal.exchange(client, audience))
    assert portal.shown(client)["name"] == "portal+developer+application"


def test_a_client_that_is_no_application_keeps_its_name(nod: Nod) -> None:
    portal = Portal(nod, *INITIAL_SCOPES)

    assert portal.shown(portal.client)["name"] == "Portal"


def test_an_application_is_granted_nothing_it_did_not_get(nod: Nod) -> None:
    """auth0-wire 3.6: its credentials are looked at before its grant is."""
    portal, audience = Portal(nod, *INITIAL_SCOPES), scoped_api(nod)
    client = portal.new_application(audience)
    other = scoped_api(nod)

    assert refused(portal.exchange(client, other), client.client_secret) == (403, "access_denied")
    assert refused(portal.exchange(client, portal.audience)) == (403, "access_denied")
    wrong = client._replace(client_secret="wrong")
    assert refused(portal.exchange(wrong, other)) == (401, "invalid_client")


@pytest.mark.parametrize("missing", ["create:clients", "update:client_keys", "delete:clients"])
def test_a_portal_does_what_its_scopes_say(nod: Nod, missing: str) -> None:
    audience = scoped_api(nod)
    client = Portal(nod, *INITIAL_SCOPES).new_application(audience)
    portal = Portal(nod, *(scope for scope in INITIAL_SCOPES if scope != missing))
    calls = {
        "create:clients": ("POST", "clients", {"name": "Another"}),
        "update:client_keys": ("POST", f"clients/{client.client_id}/rotate-secret", None),
        "delete:clients": ("DELETE", f"clients/{client.client_id}", None),
    }

    answer = portal.call(*calls[missing])

    assert (answer.status_code, answer.json()["errorCode"]) == (403, "insufficient_scope")
    assert missing in answer.json()["message"]
    granted(portal.exchange(client, audience))
