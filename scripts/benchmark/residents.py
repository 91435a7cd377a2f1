"""
The clients and users of a tenant of a given size, put into its store without going through HTTP.

Each has a number from which follows what it is found by, so that requests can be made for any of
a million without a list of them.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from consent.access import (
    ClientGrant,
    ResourceServer,
    Scope,
    client_grant_id,
    resource_server_id,
)
from consent.client import CLIENT_CREDENTIALS_GRANT, Client
from consent.identifiers import digest, person_id_of
from consent.management import users
from consent.store import keys
from scripts.benchmark.memory import bytes_used, clear_events
from scripts.benchmark.population import CLIENT_SECRET, Population, in_batches

AUDIENCE = "https://orders.example.com/"
_SCOPE = "read:orders"
APP_TYPE = "non_interactive"  # of one client in four
_APP_TYPES = (APP_TYPE, "native", "regular_web", "spa")
_BETWEEN_CLEARINGS = 10_000
_REMEMBERED = "nod:{*}:done:*"
_LOOKED_AT_ONCE = 10_000


class Size(NamedTuple):
    clients: int
    users: int


class Bytes(NamedTuple):
    """What one of each costs in Redis, indexes included."""

    client: float
    client_grant: float
    user: float


def client_id(number: int) -> str:
    return digest(f"client {number}")[:32]


def own_user_id(number: int) -> str:
    """Without the provider in front of it."""
    return f"{number:024x}"


def user_id(number: int) -> str:
    return f"auth0|{own_user_id(number)}"


def email(number: int) -> str:
    return f"user{number:07}@example.com"


def client(number: int) -> Client:
    return Client(
        client_id=client_id(number),
        name=f"Shop {number}",
        secret_digest=digest(CLIENT_SECRET),
        grant_types=[CLIENT_CREDENTIALS_GRANT],
        app_type=_APP_TYPES[number % len(_APP_TYPES)],
        client_metadata={"developer": f"developer-{number}"},
    )


async def fill(population: Population, size: Size) -> Bytes:
    # Nobody is promised anything here, so the disk may lag behind until all are there.
    command = population.store.redis.command
    await command("CONFIG", "SET", "appendfsync", "everysec")
    try:
        return await _fill(population, size)
    finally:
        await command("CONFIG", "SET", "appendfsync", "always")


async def _fill(population: Population, size: Size) -> Bytes:
    directory = population.store.directory
    api = ResourceServer(
        id=resource_server_id(AUDIENCE), identifier=AUDIENCE, scopes=[Scope(_SCOPE)]
    )
    await directory.create(keys.RESOURCE_SERVERS, api.id, api)

    async def create_client(number: int) -> None:
        await directory.create(keys.CLIENTS, client_id(number), client(number))

    async def create_grant(number: int) -> None:
        grant_id = client_grant_id(client_id(number), AUDIENCE)
        await directory.create_client_grant(
            ClientGrant(id=grant_id, client_id=client_id(number), audience=AUDIENCE, scope=[_SCOPE])
        )

    async def create_user(number: int) -> None:
        await _create_user(population, number)

    return Bytes(
        client=await _bytes_of_each(population, create_client, size.clients),
        client_grant=await _bytes_of_each(population, create_grant, size.clients),
        user=await _bytes_of_each(population, create_user, size.users),
    )


async def _create_user(population: Population, number: int) -> None:
    wanted = users.NewUser(
        email=email(number), email_verified=True, name=f"User {number}", nickname=f"user{number}"
    )
    user = users.user(
        wanted,
        generated_id=own_user_id(number),
        creation="creation",
        created_at="2026-01-01T00:00:00.000Z",
    )
    await population.store.people.create(
        person_id_of(user.user_id, population.settings.partitions),
        msgspec.json.encode(user),
        hints=users.hints(user),
        terms=users.terms(user),
    )


async def _bytes_of_each(
    population: Population, create: Callable[[int], Awaitable[None]], count: int
) -> float:
    before = await bytes_used(population)
    for first in range(0, count, _BETWEEN_CLEARINGS):
        await in_batches(create, range(first, min(first + _BETWEEN_CLEARINGS, count)))
        await clear_events(population)
    await _forget_calls(population)
    return (await bytes_used(population) - before) / count


async def _forget_calls(population: Population) -> None:
    """What Redis remembers of each call for some seconds, in case it is sent again."""
    redis, cursor = population.store.redis, b"0"
    while True:
        cursor, names = await redis.command(
            "SCAN", cursor, "MATCH", _REMEMBERED, "COUNT", _LOOKED_AT_ONCE
        )
        if names:
            await redis.command("DEL", *names)
        if cursor == b"0":
            return
