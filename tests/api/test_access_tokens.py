"""Which access tokens still stand."""

import pytest

from api.access_tokens import standing, verified
from consent.access_token import InvalidAccessToken
from tests.support.provider import API, Provider, tell
from tests.support.redis_server import RedisServer


def test_a_standing_token_comes_with_whom_it_is_about(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        client, person = await nod.client(), await nod.person(name="Aiko")
        text = (await nod.tokens(client, person, audience=API))["access_token"]

        token, user = await standing(nod.services, text, API)

        assert (token.client_id, token.user_id) == (client.client_id, person.user_id)
        assert user == {"user_id": person.user_id, "name": "Aiko"}

    tell(redis_server.url, story)


def test_a_clients_own_token_is_about_nobody_and_stands_until_it_is_revoked(
    redis_server: RedisServer,
) -> None:
    async def story(nod: Provider) -> None:
        client = await nod.client()
        text = await nod.own_token(client)

        token, user = await standing(nod.services, text)
        assert (token.user_id, user) == (None, {})
        await nod.post("oauth/revoke", client, token=text)
        with pytest.raises(InvalidAccessToken):
            await standing(nod.services, text)

    tell(redis_server.url, story)


def test_a_removed_clients_token_does_not_stand(redis_server: RedisServer) -> None:
    """T39."""

    async def story(nod: Provider) -> None:
        client = await nod.client()
        own = await nod.own_token(client)
        persons = (await nod.tokens(client, await nod.person()))["access_token"]
        await nod.remove(client)

        for text in (own, persons):
            assert (await verified(nod.services, text)).client_id == client.client_id
            with pytest.raises(InvalidAccessToken):
                await standing(nod.services, text)

    tell(redis_server.url, story)


def test_a_token_is_for_its_audience(redis_server: RedisServer) -> None:
    """T15."""

    async def story(nod: Provider) -> None:
        text = (await nod.tokens(await nod.client(), await nod.person()))["access_token"]

        with pytest.raises(InvalidAccessToken):
            await standing(nod.services, text, f"{API}other")

    tell(redis_server.url, story)
