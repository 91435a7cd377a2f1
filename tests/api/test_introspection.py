"""POST /oauth/introspect: what a token is, and who is told."""

import pytest

from consent.client import Client, RefreshTokenPolicy
from tests.support.provider import API, ISSUER, ProofKey, Provider, check_refused, claims_of, tell
from tests.support.redis_server import RedisServer

INACTIVE = {"active": False}


async def introspected(
    nod: Provider, client: Client, token: str, hint: str = ""
) -> dict[str, object]:
    form = {"token": token} | ({"token_type_hint": hint} if hint else {})
    answer = await nod.post("oauth/introspect", client, **form)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


def test_an_access_token_is_shown_with_its_claims(redis_server: RedisServer) -> None:
    """D012, D013."""

    async def story(nod: Provider) -> None:
        client, person = await nod.client(), await nod.person()
        details = [{"type": "payment"}]
        token_set = await nod.tokens(client, person, audience=API, authorization_details=details)
        token = token_set["access_token"]

        shown = await introspected(nod, client, token)

        claims = claims_of(token)
        assert shown == {
            "active": True,
            "token_type": "Bearer",
            "scope": "openid email",
            "client_id": client.client_id,
            "sub": person.user_id,
            "aud": API,
            "iss": ISSUER,
            "exp": claims["exp"],
            "iat": claims["iat"],
            "nbf": claims["iat"],
            "jti": claims["jti"],
            "authorization_details": details,
            "auth_time": claims["auth_time"],
            "amr": claims["amr"],
        }

    tell(redis_server.url, story)


def test_a_bound_token_says_what_it_is_bound_to(redis_server: RedisServer) -> None:
    """D012, RFC 9449 6.2."""

    async def story(nod: Provider) -> None:
        client, key = await nod.client(), ProofKey()
        proof = {"DPoP": key.proof("POST", "oauth/token")}
        token = (await nod.tokens(client, await nod.person(), headers=proof))["access_token"]

        shown = await introspected(nod, client, token)

        assert shown["token_type"] == "DPoP"
        assert shown["cnf"] == claims_of(token)["cnf"]

    tell(redis_server.url, story)


def test_a_refresh_token_is_shown_to_its_client_alone(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        client, person = await nod.client(), await nod.person()
        api = await nod.client(resource_server_identifier=API)
        token = (await nod.tokens(client, person, audience=API))["refresh_token"]

        shown = await introspected(nod, client, token)

        expires_at = shown.pop("exp")
        assert isinstance(expires_at, int)
        assert nod.now() + 590 < expires_at < nod.now() + 610
        assert shown == {
            "active": True,
            "scope": "openid email",
            "client_id": client.client_id,
            "sub": person.user_id,
            "aud": API,
            "iss": ISSUER,
        }
        assert await introspected(nod, api, token) == INACTIVE

    tell(redis_server.url, story)


def test_a_resource_server_sees_only_what_is_aimed_at_it(redis_server: RedisServer) -> None:
    """D011, D015."""

    async def story(nod: Provider) -> None:
        client, person = await nod.client(), await nod.person()
        token = (await nod.tokens(client, person, audience=API))["access_token"]
        api = await nod.client(resource_server_identifier=API)
        other_api = await nod.client(resource_server_identifier="https://other.example/")
        other = await nod.client()

        assert (await introspected(nod, api, token))["active"] is True
        assert await introspected(nod, other_api, token) == INACTIVE
        assert await introspected(nod, other, token) == INACTIVE

    tell(redis_server.url, story)


def test_a_clients_own_token_is_shown(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        client = await nod.client()
        token = await nod.own_token(client, "read:things")

        shown = await introspected(nod, client, token)

        assert (shown["active"], shown["scope"]) == (True, "read:things")
        assert shown["sub"] == f"{client.client_id}@clients"
        assert "auth_time" not in shown

    tell(redis_server.url, story)


def test_a_replaced_refresh_token_is_not_active(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        client = await nod.client(refresh_token=RefreshTokenPolicy("rotating"))
        first = (await nod.tokens(client, await nod.person()))["refresh_token"]
        second = (await nod.refreshed(client, first))["refresh_token"]

        assert await introspected(nod, client, first) == INACTIVE
        assert (await introspected(nod, client, second))["active"] is True

    tell(redis_server.url, story)


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "other"])
def test_a_wrong_hint_hides_no_token(redis_server: RedisServer, hint: str) -> None:
    """D014."""

    async def story(nod: Provider) -> None:
        client = await nod.client()
        token_set = await nod.tokens(client, await nod.person())

        for name in ("access_token", "refresh_token"):
            assert (await introspected(nod, client, token_set[name], hint))["active"] is True

    tell(redis_server.url, story)


def test_nothing_is_told_of_what_cannot_be_used(redis_server: RedisServer) -> None:
    """D011: unknown, forged, expired, of another type: no word more than that."""

    async def story(nod: Provider) -> None:
        client = await nod.client()
        token_set = await nod.tokens(client, await nod.person())
        access_token = token_set["access_token"]
        for token in (
            "x",
            "\u00e9",
            "." * 9_000,
            token_set["id_token"],
            access_token[:-3] + "AAA",
            token_set["refresh_token"][:-3] + "AAA",
        ):
            assert await introspected(nod, client, token) == INACTIVE
        nod.late_seconds = 601
        assert await introspected(nod, client, access_token) == INACTIVE

    tell(redis_server.url, story)


def test_a_blocked_or_removed_persons_tokens_are_not_active(redis_server: RedisServer) -> None:
    """T39."""

    async def story(nod: Provider) -> None:
        client, blocked, gone = await nod.client(), await nod.person(), await nod.person()
        of_blocked, of_gone = await nod.tokens(client, blocked), await nod.tokens(client, gone)
        await nod.block(blocked)
        await nod.services.people.remove(gone.person_id)

        for token_set in (of_blocked, of_gone):
            for name in ("access_token", "refresh_token"):
                assert await introspected(nod, client, token_set[name]) == INACTIVE

    tell(redis_server.url, story)


def test_who_asks_must_be_an_authenticated_client_and_name_a_token(
    redis_server: RedisServer,
) -> None:
    """D010, D014: a public client, which could be anybody, is none."""

    async def story(nod: Provider) -> None:
        client, public = await nod.client(), await nod.client(token_endpoint_auth_method="none")
        token = (await nod.tokens(client, await nod.person()))["access_token"]

        check_refused(await nod.post("oauth/introspect", client), 400, "invalid_request")
        for nobody in (None, public):
            answer = await nod.post("oauth/introspect", nobody, token=token)
            check_refused(answer, 401, "invalid_client")
        get = await nod.http.get("oauth/introspect", params={"token": token})
        assert (get.status_code, get.headers["allow"]) == (405, "POST")

    tell(redis_server.url, story)
