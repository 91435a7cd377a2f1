"""Signing keys are rotated while the server works: nobody is refused and every token verifies."""

import concurrent.futures
import threading
from typing import Any

import httpx2
import jwt
import pytest

from consent.client import REFRESH_TOKEN_GRANT
from tests.support.command_line import CommandLine
from tests.support.nod import Nod, wait_for
from tests.support.token_client import TokenClient, granted, verified

pytestmark = pytest.mark.xdist_group("own_nod")

ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"]


def rotate(nod: Nod, alg: str, overlap_seconds: int = 0) -> str:
    """As an operator does; says the kid."""
    command = ["keys", "rotate", "--alg", alg, "--overlap-seconds", str(overlap_seconds)]
    return str(CommandLine(nod.environ).json(*command)["kid"])


def published(nod: Nod) -> set[str]:
    return {key["kid"] for key in nod.http.get(".well-known/jwks.json").json()["keys"]}


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def signs(client: TokenClient, refresh_token: str) -> str:
    """The kid by which tokens are signed now."""
    return kid_of(granted(client.refresh(refresh_token))["id_token"])


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_the_next_key_signs_and_the_last_one_verifies(own_nod: Nod, alg: str) -> None:
    """Decision 10: whoever keeps our key set for a while is not left behind."""
    client = TokenClient(own_nod, jwt_configuration={"alg": alg})
    before = client.tokens()
    kid = rotate(own_nod, alg)
    wait_for(lambda: kid in published(own_nod), "the new key")
    after = granted(client.refresh(before["refresh_token"]))

    assert kid_of(after["id_token"]) == kid != kid_of(before["id_token"])
    assert {kid, kid_of(before["id_token"])} <= published(own_nod)
    for token_set in (before, after):
        assert verified(own_nod, token_set["id_token"], client.client_id)["sub"] == client.user_id
        assert client.is_active(token_set["access_token"])
        assert client.userinfo(token_set["access_token"]).status_code == 200


def test_a_key_is_published_before_it_signs(own_nod: Nod) -> None:
    client = TokenClient(own_nod)
    before = client.tokens()
    kid = rotate(own_nod, "ES256", overlap_seconds=600)
    wait_for(lambda: kid in published(own_nod), "the new key")
    after = granted(client.refresh(before["refresh_token"]))

    assert kid_of(after["id_token"]) == kid_of(before["id_token"]) != kid


def test_an_id_token_of_the_last_key_is_a_hint(own_nod: Nod) -> None:
    """A031: a hint is older than the key that signs now."""
    client = TokenClient(own_nod)
    id_token = client.tokens()["id_token"]
    kid = rotate(own_nod, "ES256")
    wait_for(lambda: kid in published(own_nod), "the new key")
    form = {"scope": "openid", "binding_message": "Pay 10", "id_token_hint": id_token}

    assert client.post("bc-authorize", **form).status_code == 200


def test_a_rotation_under_load_fails_nobody(own_nod: Nod) -> None:
    """Three rotations while eight hands refresh: no failure, and each token is of a known key."""
    client = TokenClient(own_nod)
    refresh_token = client.tokens()["refresh_token"]
    done = threading.Event()

    def refresh(_: int) -> list[dict[str, Any]]:
        answers = []
        with httpx2.Client(base_url=own_nod.url, timeout=15) as http:
            while not done.is_set():
                form = {"grant_type": REFRESH_TOKEN_GRANT, "refresh_token": refresh_token}
                answers.append(
                    granted(http.post("oauth/token", data=form, auth=client.oauth.basic))
                )
        return answers

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        loads = [pool.submit(refresh, number) for number in range(8)]
        try:
            kids = []
            for _ in range(3):
                kids.append(rotate(own_nod, "ES256"))
                wait_for(lambda: signs(client, refresh_token) == kids[-1], "the new key")
        finally:
            done.set()
        token_sets = [token_set for load in loads for token_set in load.result()]

    keys = jwt.PyJWKSet.from_dict(own_nod.http.get(".well-known/jwks.json").json())
    used = set()
    for token_set in token_sets:
        for name, audience in (
            ("id_token", client.client_id),
            ("access_token", f"{own_nod.url}userinfo"),
        ):
            token = token_set[name]
            used.add(kid_of(token))
            key = keys[kid_of(token)]
            jwt.decode(token, key, algorithms=["ES256"], audience=audience, issuer=own_nod.url)
    assert used.issuperset(kids[:-1])  # the last may have come too late for them
