"""The API in a test's own event loop, over a real Redis, with administrators of any power."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

import httpx2
import redis

from api.app import create_app
from api.services import Services, open_services
from consent import tokens
from consent.access import MANAGEMENT_SCOPES, management_audience
from consent.settings import load
from consent.signing_key import SigningKey

ISSUER = "http://127.0.0.1:8000/"
BOOTSTRAP = ("bootstrap-client", "bootstrap-secret-of-the-tests")
NOW = 1_800_000_000.0


class Administration:
    """What tests do as an administrator; `now` is the clock of the API."""

    def __init__(self) -> None:
        self.now = NOW
        self.services: Services
        self.signing_key: SigningKey
        self.http: httpx2.AsyncClient

    def token(
        self,
        scopes: Iterable[str] = MANAGEMENT_SCOPES,
        *,
        client_id: str = BOOTSTRAP[0],
        audience: str = management_audience(ISSUER),
        issuer: str = ISSUER,
    ) -> str:
        response = tokens.client_token_response(
            client_id,
            audience,
            list(scopes),
            key=self.signing_key,
            issuer=issuer,
            jti="j",
            issued_at=int(self.now),
            lifetime_seconds=60,
        )
        return str(response["access_token"])

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        scopes: Iterable[str] = MANAGEMENT_SCOPES,
        token: str | None = None,
    ) -> httpx2.Response:
        """`path` is below /api/v2/, quoted as it goes over the wire."""
        authorization = {"Authorization": f"Bearer {token or self.token(scopes)}"}
        return await self.http.request(method, f"api/v2/{path}", json=body, headers=authorization)

    async def created(self, path: str, body: object) -> dict[str, object]:
        answer = await self.call("POST", path, body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


Story = Callable[[Administration], Awaitable[None]]


@asynccontextmanager
async def administration(redis_url: str) -> AsyncIterator[Administration]:
    settings = load(
        {
            "NOD_REDIS_URL": redis_url,
            "NOD_SECRET_KEY": "k" * 32,
            "NOD_ISSUER": ISSUER,
            "NOD_FRIENDLY_NAME": "Bank & Co",
            "NOD_BOOTSTRAP_CLIENT_ID": BOOTSTRAP[0],
            "NOD_BOOTSTRAP_CLIENT_SECRET": BOOTSTRAP[1],
        }
    )
    admin = Administration()
    admin.services = await open_services(settings, lambda: admin.now)
    admin.signing_key = await admin.services.signer("ES256")
    await admin.services.doorbell.depth()  # connected: a connection is not closed half open
    transport = httpx2.ASGITransport(create_app(admin.services))
    try:
        async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as admin.http:
            yield admin
    finally:
        await admin.services.aclose()


def tell(redis_url: str, story: Story) -> None:
    """Run a story over an empty database of its own."""
    url = redis_url.rpartition("/")[0] + "/7"

    async def told() -> None:
        async with administration(url) as admin:
            await story(admin)

    with redis.Redis.from_url(url) as client:
        client.flushdb()
    asyncio.run(told())


def check_refused(answer: httpx2.Response, status: int, error_code: str) -> str:
    """The shape of Auth0's errors; returns the message."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"statusCode", "error", "message", "errorCode"}
    assert (body["statusCode"], body["errorCode"]) == (status, error_code)
    assert body["message"].isascii()
    assert body["message"].isprintable()
    return str(body["message"])
