"""Whose keys an assertion or a request object is verified with (A075)."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from api.client_keys import ClientKeys
from consent import policy
from consent.client import Client
from consent.jose import UnusableKey
from consent.outbound.client import OutboundFailed
from consent.outbound.key_sets import KeySets
from consent.signing_key import SigningKey
from tests.support.domain import a_client, an_ec_key

JWK = SigningKey(an_ec_key()).public
URI = "https://client.example/jwks.json"


class Host:
    """Behind the URLs that clients name; `answer` is a key set, or a reason why there is none."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: dict[str, Any] | str = {"keys": [JWK]}

    async def get_json(self, url: str) -> bytes:
        self.asked.append(url)
        if isinstance(self.answer, str):
            raise OutboundFailed(self.answer)
        return json.dumps(self.answer).encode()


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def client_keys(host: Host) -> ClientKeys:
    return ClientKeys(KeySets(host, lambda: 0.0))


def registered(**changes: object) -> Client:
    return a_client(**({"jwks": {"keys": [JWK]}} | changes))


def test_registered_keys_are_parsed_once(client_keys: ClientKeys, host: Host) -> None:
    """Parsing costs more than verifying; what is registered is not asked for anywhere."""
    client = registered()

    async def test() -> None:
        first = await client_keys.of(client, "any kid")
        assert [key.kid for key in first] == [JWK["kid"]]
        assert await client_keys.of(client, None) is first

    asyncio.run(test())
    assert host.asked == []


def test_a_changed_client_has_its_new_keys_at_once(client_keys: ClientKeys) -> None:
    """The registration they were parsed from is part of what is kept."""
    client = registered()
    changed = msgspec.structs.replace(client, jwks={"keys": [JWK | {"kid": "new"}]})

    async def test() -> None:
        await client_keys.of(client, None)
        assert [key.kid for key in await client_keys.of(changed, None)] == ["new"]

    asyncio.run(test())


def test_keys_behind_a_url_are_asked_for_with_the_kid_that_is_wanted(
    client_keys: ClientKeys, host: Host
) -> None:
    """And kept by the URL (see `consent.outbound.key_sets`)."""
    client = a_client(jwks_uri=URI)

    async def test() -> None:
        for _ in range(3):
            assert [key.kid for key in await client_keys.of(client, JWK["kid"])] == [JWK["kid"]]

    asyncio.run(test())
    assert host.asked == [URI]


@pytest.mark.parametrize(
    "client",
    [a_client(), registered(jwks={}), registered(jwks={"keys": [{"kty": "oct"}]})],
    ids=["nothing registered", "no set", "a secret"],
)
def test_who_has_no_usable_keys_is_told_so_every_time(
    client_keys: ClientKeys, client: Client
) -> None:
    async def test() -> None:
        for _ in range(2):
            with pytest.raises(UnusableKey):
                await client_keys.of(client, None)

    asyncio.run(test())


def test_a_url_that_does_not_answer_has_no_keys(client_keys: ClientKeys, host: Host) -> None:
    host.answer = "connection"

    with pytest.raises(OutboundFailed, match="connection"):
        asyncio.run(client_keys.of(a_client(jwks_uri=URI), None))


def test_the_keys_of_so_many_clients_are_kept(
    client_keys: ClientKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "KEY_SETS_MAX", 2)
    clients = [registered(client_id=f"client {number}") for number in range(3)]

    async def test() -> None:
        kept = [await client_keys.of(client, None) for client in clients]
        assert await client_keys.of(clients[2], None) is kept[2]
        assert await client_keys.of(clients[1], None) is kept[1]
        assert await client_keys.of(clients[0], None) is not kept[0]

    asyncio.run(test())
