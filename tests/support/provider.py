"""The API in a test's own event loop, over a real Redis, with people who have approved."""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import jwt
import msgspec
import redis
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from api.app import create_app
from api.services import Services, open_services
from consent import tokens
from consent.client import CIBA_GRANT, REFRESH_TOKEN_GRANT, Client
from consent.identifiers import consent_id_of, digest, new_auth_req_id
from consent.lifecycle import Event
from consent.settings import load
from consent.store import keys
from consent.store.consents import Terms
from tests.support.domain import a_client, a_request
from tests.support.forgery import signed
from tests.support.store import Person, StoreInUse

ISSUER = "http://127.0.0.1:8000/"
SECRET = "a secret of every client here"
API = "https://api.example/"


class Provider:
    """`late_seconds` is how far the clock of the API is ahead of the real one."""

    def __init__(self) -> None:
        self.late_seconds = 0.0
        self.services: Services
        self.http: httpx2.AsyncClient

    def now(self) -> float:
        return time.time() + self.late_seconds

    async def client(self, **changes: object) -> Client:
        fields = {
            "client_id": secrets.token_urlsafe(8),
            "secret_digest": digest(SECRET),
            "grant_types": [CIBA_GRANT, REFRESH_TOKEN_GRANT],
        }
        client = a_client(**(fields | changes))
        await self.services.directory.write(keys.CLIENTS, client.client_id, client)
        return client

    async def person(self, **profile: object) -> Person:
        """With a device; `profile` is the rest of the user's record."""
        store = self.services.store
        person = await StoreInUse(store, self.services.settings).person()
        read = await store.people.read(person.person_id)
        assert read is not None
        user = json.dumps(json.loads(read) | profile).encode()
        assert await store.people.change(person.person_id, read=read, user=user)
        return person

    async def tokens(
        self,
        client: Client,
        person: Person,
        *,
        headers: dict[str, str] | None = None,
        **asked: object,
    ) -> dict[str, Any]:
        """The token response to a request the person has approved."""
        auth_req_id = new_auth_req_id(person.person_id)
        consent_id = consent_id_of(auth_req_id)
        fields: dict[str, object] = {
            "client_id": client.client_id,
            "user_id": person.user_id,
            "audience": f"{ISSUER}userinfo",
            "refreshable": True,
        }
        request = a_request(**(fields | asked))
        refused = await self.services.consents.accept(
            consent_id=consent_id,
            client_id=client.client_id,
            person_id=person.person_id,
            request=msgspec.json.encode(request),
            life_seconds=60,
            terms=Terms(refresh_lives_ms=(3_600_000, 600_000)),
        )
        assert refused is None
        assert await person.answer(consent_id, Event.APPROVE) == "answered"
        form = {"grant_type": CIBA_GRANT, "auth_req_id": auth_req_id}
        answer = await self.post("oauth/token", client, headers, **form)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def own_token(self, client: Client, *scope: str) -> str:
        """What a client got for itself."""
        response = tokens.client_token_response(
            client.client_id,
            API,
            [*scope],
            key=await self.services.signer("ES256"),
            issuer=ISSUER,
            jti=secrets.token_urlsafe(16),
            issued_at=int(self.now()),
            lifetime_seconds=60,
        )
        return str(response["access_token"])

    async def refreshed(self, client: Client, refresh_token: str) -> dict[str, Any]:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return dict((await self.post("oauth/token", client, **form)).json())

    async def post(
        self,
        path: str,
        client: Client | None,
        headers: dict[str, str] | None = None,
        /,
        **form: str,
    ) -> httpx2.Response:
        """A form of an authenticated client."""
        if client is not None:
            form["client_id"] = client.client_id
            if client.token_endpoint_auth_method != "none":
                form["client_secret"] = SECRET
        return await self.http.post(path, data=form, headers=headers)

    async def block(self, person: Person) -> None:
        user = await self.services.people.read(person.person_id)
        assert user is not None
        assert await self.services.people.change(
            person.person_id, read=user, user=user, blocked=True
        )

    async def remove(self, client: Client) -> None:
        await self.services.directory.remove_client(client.client_id)


class ProofKey:
    """A client's key for DPoP proofs (RFC 9449 4.2)."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._jwk = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)

    def proof(self, method: str, path: str, access_token: str = "", **changes: object) -> str:
        claims: dict[str, object] = {
            "jti": secrets.token_urlsafe(8),
            "htm": method,
            "htu": ISSUER + path,
            "iat": int(time.time()),
        }
        if access_token:
            claims["ath"] = digest(access_token)
        return signed(
            {"typ": "dpop+jwt", "alg": "ES256", "jwk": self._jwk}, claims | changes, self._key
        )


Story = Callable[[Provider], Awaitable[None]]


@contextlib.asynccontextmanager
async def provider(redis_url: str, **settings: str) -> AsyncIterator[Provider]:
    environ = {
        "NOD_REDIS_URL": redis_url,
        "NOD_SECRET_KEY": "k" * 32,
        "NOD_ISSUER": ISSUER,
        "NOD_TRUSTED_PROXIES": "127.0.0.1",
        **{f"NOD_{name.upper()}": value for name, value in settings.items()},
    }
    nod = Provider()
    nod.services = await open_services(load(environ), nod.now)
    await nod.services.doorbell.depth()  # connected: a connection is not closed half open
    transport = httpx2.ASGITransport(create_app(nod.services))
    try:
        async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as nod.http:
            yield nod
    finally:
        await nod.services.aclose()


def tell(redis_url: str, story: Story, **settings: str) -> None:
    """Run a story over an empty database of its own."""
    url = redis_url.rpartition("/")[0] + "/8"

    async def told() -> None:
        async with provider(url, **settings) as nod:
            await story(nod)

    with redis.Redis.from_url(url) as client:
        client.flushdb()
    asyncio.run(told())


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def check_refused(answer: httpx2.Response, status: int, error: str) -> str:
    """RFC 6749 5.2; returns the description."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body.keys() == {"error", "error_description"}
    assert body["error"] == error
    assert body["error_description"].isascii()
    return str(body["error_description"])
