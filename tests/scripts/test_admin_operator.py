"""An operator calls the management API's own handlers."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import redis

from consent.access import management_audience
from scripts.administration.installation import AdministrationError
from scripts.administration.operator import Operator, Refused, at, opened
from tests.support.command_line import start_once
from tests.support.redis_server import RedisServer

Story = Callable[[Operator], Awaitable[None]]


@pytest.fixture
def environ(redis_server: RedisServer) -> dict[str, str]:
    url = redis_server.database(4)
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    environ = {"NOD_REDIS_URL": url, "NOD_SECRET_KEY": "k" * 32}
    start_once(environ)
    return environ


def tell(environ: dict[str, str], story: Story) -> None:
    async def told() -> None:
        async with opened(environ) as operator:
            await story(operator)

    asyncio.run(told())


def test_a_call_answers_what_the_route_answers(environ: dict[str, str]) -> None:
    async def story(operator: Operator) -> None:
        created = await operator.call("POST", "/users", {"user_id": "a b%2F|ü"})
        path = at("users", created["user_id"])

        assert await operator.call("GET", path) == created
        assert await operator.call("GET", "/clients", parameters={"take": "1"}) == {"clients": []}
        assert await operator.call("DELETE", path) is None
        with pytest.raises(Refused) as refused:
            await operator.call("GET", path)
        assert (refused.value.status, refused.value.error) == (404, "inexistent_user")
        assert str(refused.value) == "The user does not exist."

    tell(environ, story)


def test_an_identifier_that_is_a_url_is_one_segment(environ: dict[str, str]) -> None:
    async def story(operator: Operator) -> None:
        audience = management_audience(operator.services.settings.issuer)

        api = await operator.call("GET", at("resource-servers", audience))

        assert api["identifier"] == audience

    tell(environ, story)


def test_what_is_in_an_id_leads_to_no_other_route(environ: dict[str, str]) -> None:
    async def story(operator: Operator) -> None:
        for name in ("x/rotate-secret", "..", "x?y", "x#y", "x%2Fy"):
            with pytest.raises(Refused, match="The client does not exist"):
                await operator.call("GET", at("clients", name))
        with pytest.raises(AssertionError, match="has no POST /clients/x%2Frotate-secret"):
            await operator.call("POST", at("clients", "x/rotate-secret"), {})

    tell(environ, story)


def test_a_redis_that_goes_away_is_named(environ: dict[str, str]) -> None:
    """And is not waited for, as the API waits for one at its start."""

    async def story(operator: Operator) -> None:
        raise AssertionError(f"{operator} was opened")

    with pytest.raises(AdministrationError, match="the Redis of NOD_REDIS_URL does not answer"):
        tell(environ | {"NOD_REDIS_URL": "redis://127.0.0.1:9"}, story)


def test_where_no_api_was_started_that_is_said_at_once(environ: dict[str, str]) -> None:
    """Another issuer is another installation: nothing of it is here."""

    async def story(operator: Operator) -> None:
        raise AssertionError(f"{operator} was opened")

    with pytest.raises(AdministrationError, match="no API was started with this NOD_ISSUER"):
        tell(environ | {"NOD_ISSUER": "https://other.example/"}, story)


def test_opening_and_closing_at_once_ends(environ: dict[str, str]) -> None:
    """Whatever of it is still on its way."""

    async def story(operator: Operator) -> None:
        assert operator.services

    for _ in range(10):
        tell(environ, story)
