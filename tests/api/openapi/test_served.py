"""The description over HTTP."""

from api.openapi.page import PAGE_HEADERS
from tests.support.management import ISSUER, Administration, tell
from tests.support.redis_server import RedisServer


def test_anybody_may_read_the_document(redis_server: RedisServer) -> None:
    async def story(admin: Administration) -> None:
        answer = await admin.http.get("openapi.json")

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["servers"] == [{"url": ISSUER.rstrip("/")}]
        assert answer.json()["paths"]["/api/v2/clients"].keys() == {"get", "post"}

    tell(redis_server.database(7), story)


def test_anybody_may_read_the_page(redis_server: RedisServer) -> None:
    async def story(admin: Administration) -> None:
        answer = await admin.http.get("docs")

        assert answer.status_code == 200
        for name, value in PAGE_HEADERS:
            assert answer.headers[name.decode()] == value.decode()
        assert answer.text.startswith("<!doctype html>")
        assert "/bc-authorize" in answer.text

    tell(redis_server.database(7), story)
