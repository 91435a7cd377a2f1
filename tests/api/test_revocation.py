"""POST /oauth/revoke: what is given up, by whom, and that nobody learns what was."""

import pytest

from consent.client import Client, RefreshTokenPolicy
from tests.support.forgery import unsigned
from tests.support.provider import Provider, check_refused, tell
from tests.support.redis_server import RedisServer


async def is_active(nod: Provider, client: Client, token: str) -> bool:
    answer = await nod.post("oauth/introspect", client, token=token)
    assert answer.status_code == 200
    return bool(answer.json()["active"])


def test_a_revoked_refresh_token_ends_with_all_its_access_tokens(redis_server: RedisServer) -> None:
    """D020, D022."""

    async def story(nod: Provider) -> None:
        client, person = await nod.client(), await nod.person()
        first = await nod.tokens(client, person)
        second = await nod.refreshed(client, first["refresh_token"])
        other = await nod.tokens(client, person)

        answer = await nod.post("oauth/revoke", client, token=first["refresh_token"])

        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["cache-control"] == "no-store"
        refused = await nod.refreshed(client, first["refresh_token"])
        assert refused["error"] == "invalid_grant"
        for token in (first["access_token"], second["access_token"], first["refresh_token"]):
            assert not await is_active(nod, client, token)
        assert await is_active(nod, client, other["access_token"])
        assert await is_active(nod, client, other["refresh_token"])

    tell(redis_server.url, story)


def test_a_replaced_refresh_token_revokes_as_the_current_one_does(
    redis_server: RedisServer,
) -> None:
    async def story(nod: Provider) -> None:
        rotating = RefreshTokenPolicy("rotating")
        client, person = await nod.client(refresh_token=rotating), await nod.person()
        first = await nod.tokens(client, person)
        second = await nod.refreshed(client, first["refresh_token"])
        assert second["refresh_token"] != first["refresh_token"]

        await nod.post("oauth/revoke", client, token=first["refresh_token"])

        assert not await is_active(nod, client, second["refresh_token"])
        assert not await is_active(nod, client, second["access_token"])

    tell(redis_server.url, story)


def test_a_revoked_access_token_ends_alone(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        client, person = await nod.client(), await nod.person()
        first = await nod.tokens(client, person)
        second = await nod.refreshed(client, first["refresh_token"])
        own = await nod.own_token(client)

        for token in (first["access_token"], own):
            answer = await nod.post("oauth/revoke", client, token=token)
            assert answer.status_code == 200

        assert not await is_active(nod, client, first["access_token"])
        assert not await is_active(nod, client, own)
        assert await is_active(nod, client, second["access_token"])
        assert await is_active(nod, client, first["refresh_token"])

    tell(redis_server.url, story)


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token", "x" * 300])
def test_a_wrong_hint_is_ignored(redis_server: RedisServer, hint: str) -> None:
    """D023, RFC 7009 2.2."""

    async def story(nod: Provider) -> None:
        client = await nod.client()
        token_set = await nod.tokens(client, await nod.person())

        for name in ("access_token", "refresh_token"):
            form = {"token": token_set[name], "token_type_hint": hint}
            assert (await nod.post("oauth/revoke", client, **form)).status_code == 200
            assert not await is_active(nod, client, token_set[name])

    tell(redis_server.url, story)


def test_another_clients_token_is_not_revoked_and_nobody_learns_that(
    redis_server: RedisServer,
) -> None:
    """D021."""

    async def story(nod: Provider) -> None:
        client, thief = await nod.client(), await nod.client()
        token_set = await nod.tokens(client, await nod.person())

        for name in ("access_token", "refresh_token"):
            answer = await nod.post("oauth/revoke", thief, token=token_set[name])
            assert (answer.status_code, answer.content) == (200, b"")
            assert await is_active(nod, client, token_set[name])

    tell(redis_server.url, story)


def test_what_never_was_a_token_is_revoked_already(redis_server: RedisServer) -> None:
    """D020: unknown, expired, forged or of another server, it cannot be used."""

    async def story(nod: Provider) -> None:
        client = await nod.client()
        token_set = await nod.tokens(client, await nod.person())
        await nod.post("oauth/revoke", client, token=token_set["refresh_token"])
        nod.late_seconds = 601
        for token in (
            "x",
            "\u00e9" * 10,
            "." * 9_000,
            "[" * 9_000,
            token_set["access_token"],
            token_set["access_token"][:-3] + "AAA",
            token_set["refresh_token"],
            unsigned({"alg": "none", "typ": "JWT"}, {"sub": "x"}),
        ):
            answer = await nod.post("oauth/revoke", client, token=token)
            assert (answer.status_code, answer.content) == (200, b""), token

    tell(redis_server.url, story)


def test_an_id_token_is_of_a_type_that_is_not_revoked(redis_server: RedisServer) -> None:
    """D023, RFC 7009 2.2.1."""

    async def story(nod: Provider) -> None:
        client = await nod.client()
        token_set = await nod.tokens(client, await nod.person())

        answer = await nod.post("oauth/revoke", client, token=token_set["id_token"])

        check_refused(answer, 400, "unsupported_token_type")

    tell(redis_server.url, story)


def test_a_public_client_revokes_what_is_its_own(redis_server: RedisServer) -> None:
    """RFC 7009 5: it shows nothing, so it can end only what it holds."""

    async def story(nod: Provider) -> None:
        client, person = await nod.client(), await nod.person()
        token_set = await nod.tokens(client, person)
        public = await nod.client(client_id=client.client_id, token_endpoint_auth_method="none")

        answer = await nod.post("oauth/revoke", public, token=token_set["refresh_token"])

        assert answer.status_code == 200
        assert (await nod.refreshed(public, token_set["refresh_token"]))["error"] == "invalid_grant"

    tell(redis_server.url, story)


def test_who_asks_must_be_a_client_and_name_a_token(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        client = await nod.client()
        token_set = await nod.tokens(client, await nod.person())

        check_refused(await nod.post("oauth/revoke", client), 400, "invalid_request")
        form = {"token": token_set["refresh_token"]}
        check_refused(await nod.post("oauth/revoke", None, **form), 401, "invalid_client")
        form |= {"client_id": client.client_id, "client_secret": "wrong"}
        check_refused(await nod.post("oauth/revoke", None, **form), 401, "invalid_client")
        get = await nod.http.get("oauth/revoke")
        assert (get.status_code, get.headers["allow"]) == (405, "POST")
        assert await is_active(nod, client, token_set["refresh_token"])

    tell(redis_server.url, story)
