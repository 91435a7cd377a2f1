"""Polls that are held, on connections of their own: sent now, answered when the server likes."""

import base64
import contextlib
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import redis

from consent.identifiers import consent_id_of
from consent.store.keys import Partition
from tests.support.nod import CIBA, Nod, OAuthClient, answers, wait_for
from tests.support.raw_http import Client

CONNECTIONS = 32


class ApiAlone(Nod):
    """Without workers: phones find what is pending, and nothing else asks Redis anything."""

    def __init__(self, redis_url: str, directory: Path, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(redis_url, directory, workers=0, **settings)

    def wait_until_ready(self) -> None:
        wait_for(lambda: answers(self.url + "healthz"), "the API")


def held_poll(
    nod: Nod, client: OAuthClient, auth_req_id: str, *prefer: str, path: str = "oauth/token"
) -> Client:
    """A poll that has been sent; `.response()` waits for its answer."""
    connection = Client(_address(nod))
    form = {"grant_type": CIBA, "auth_req_id": auth_req_id}
    connection.send(_post(path, client, form, *prefer))
    return connection


def wait_until_polled(database: redis.Redis, *auth_req_ids: str) -> None:
    """Until the store has answered a poll of each: what is decided from now on, it hears."""
    for auth_req_id in auth_req_ids:
        consent = Partition.of(auth_req_id).consent(consent_id_of(auth_req_id))
        wait_for(lambda consent=consent: database.hexists(consent, "last_op"), "a poll")


def accepted_in_bulk(nod: Nod, client: OAuthClient, user_id: str, count: int) -> list[str]:
    """So many requests to one person, over connections side by side."""
    form = {
        "scope": "openid",
        "binding_message": "Pay 10",
        "login_hint": nod.login_hint(user_id),
    }
    request = _post("bc-authorize", client, form)
    auth_req_ids: list[str] = []
    with contextlib.ExitStack() as opened:
        connections = [opened.enter_context(Client(_address(nod))) for _ in range(CONNECTIONS)]
        while left := min(CONNECTIONS, count - len(auth_req_ids)):
            for connection in connections[:left]:
                connection.send(request)
            for connection in connections[:left]:
                answer = connection.response()
                assert answer.status == 200, answer.body
                auth_req_ids.append(answer.json()["auth_req_id"])
    return auth_req_ids


def _address(nod: Nod) -> tuple[str, int]:
    url = urlsplit(nod.url)
    assert url.hostname
    assert url.port
    return url.hostname, url.port


def _post(path: str, client: OAuthClient, form: dict[str, str], *prefer: str) -> bytes:
    body = urlencode(form)
    basic = base64.b64encode(f"{client.client_id}:{client.client_secret}".encode()).decode()
    lines = [
        f"POST /{path} HTTP/1.1",
        "host: 127.0.0.1",
        f"authorization: Basic {basic}",
        "content-type: application/x-www-form-urlencoded",
        f"content-length: {len(body)}",
        *[f"Prefer: {preference}" for preference in prefer],
    ]
    return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode()
