"""Requests of clients that are called back, without going through HTTP."""

import secrets
from typing import Any, NamedTuple

import msgspec
import redis

from consent.authentication_request import AuthenticationRequest
from consent.callback import Callback, sealed
from consent.client import CIBA_GRANT, Client, DeliveryMode
from consent.identifiers import consent_id_of, new_auth_req_id
from consent.store import keys
from consent.store.consents import Terms
from consent.store.keys import Partition
from tests.support.domain import a_request
from tests.support.store import Person, StoreInUse

LIVES_MS = (3_600_000, 600_000)  # absolute and idle


class Asked(NamedTuple):
    """An accepted request, and the secrets it is called back with."""

    consent_id: str
    auth_req_id: str
    bearer_token: str
    client_id: str
    request: AuthenticationRequest


async def ask(
    use: StoreInUse,
    person: Person,
    mode: DeliveryMode,
    *,
    endpoint: str = "https://client.example/ciba",
    life_seconds: int = 60,
    confirmation: str = "",
    **changes: Any,  # noqa: ANN401 - fields of the request
) -> Asked:
    """Register a client and have it ask; its notification is owed, nothing else yet."""
    client_id = f"client-{secrets.token_hex(4)}"
    client = Client(
        client_id=client_id,
        name="Example bank",
        secret_digest="",
        grant_types=[CIBA_GRANT],
        backchannel_token_delivery_mode=mode,
        backchannel_client_notification_endpoint=endpoint,
    )
    await use.store.directory.write(keys.CLIENTS, client_id, client)
    auth_req_id, bearer_token = new_auth_req_id(person.person_id), secrets.token_urlsafe(16)
    consent_id = consent_id_of(auth_req_id)
    callback = Callback(
        mode=mode,
        endpoint=endpoint,
        auth_req_id=auth_req_id,
        client_notification_token=bearer_token,
        client_id=client_id,
    )
    request = a_request(client_id=client_id, user_id=person.user_id, **changes)
    refused = await use.store.consents.accept(
        consent_id=consent_id,
        client_id=client_id,
        person_id=person.person_id,
        request=msgspec.json.encode(request),
        life_seconds=life_seconds,
        terms=Terms(
            mode=mode,
            callback=sealed(callback, use.store.seal, consent_id),
            refresh_lives_ms=LIVES_MS if request.refreshable else (),
            confirmation=confirmation,
        ),
    )
    assert refused is None
    return Asked(consent_id, auth_req_id, bearer_token, client_id, request)


async def make_due(use: StoreInUse, consent_id: str) -> None:
    """The call that is owed, and leased or waited for, is due now."""
    await use.store.redis.execute("ZADD", Partition.of(consent_id).calls, "XX", 0, consent_id)


async def owes(use: StoreInUse, consent_id: str) -> bool:
    key = Partition.of(consent_id).calls
    return await use.store.redis.execute("ZSCORE", key, consent_id) is not None


async def field(use: StoreInUse, consent_id: str, name: str) -> str:
    key = Partition.of(consent_id).consent(consent_id)
    return (await use.store.redis.execute("HGET", key, name) or b"").decode()


async def set_field(use: StoreInUse, consent_id: str, name: str, value: int) -> None:
    key = Partition.of(consent_id).consent(consent_id)
    await use.store.redis.execute("HSET", key, name, value)


async def facts(use: StoreInUse, consent_id: str) -> list[dict[str, Any]]:
    """What became of the calls, each as it was recorded."""
    read = await use.store.consent_records.read(consent_id)
    assert read is not None
    told = [msgspec.json.decode(fact.partition(b" ")[2]) for fact in read[1]]
    return [fact for fact in told if fact.get("event") == "call"]


def held(url: str) -> bytes:
    """All there is in a database, as a dump without compression would show it."""
    parts: list[bytes] = []
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(count=1_000):
            parts.append(key)
            match client.type(key):
                case b"hash":
                    parts += [part for pair in client.hgetall(key).items() for part in pair]
                case b"string":
                    parts.append(client.get(key) or b"")
                case b"zset":
                    parts += client.zrange(key, 0, -1)
                case b"set":
                    parts += client.smembers(key)
    return b"\n".join(parts)
