"""The store in a test's own event loop, and people in it without going through HTTP."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from consent.device import address_name
from consent.identifiers import (
    consent_id_of,
    new_auth_req_id,
    new_device_id,
    new_ticket,
    person_id_of,
)
from consent.lifecycle import Event
from consent.push import Address, AddressKind
from consent.settings import Settings, load
from consent.store.consents import PLAIN, Answer, Terms
from consent.store.opening import Store, open_store

THUMBPRINT = "t" * 43
CLIENT = "client"
POLLED = PLAIN


def settings(redis_url: str, **values: object) -> Settings:
    environ = {
        "NOD_REDIS_URL": redis_url,
        "NOD_QUEUE_REDIS_URL": "redis://127.0.0.1",  # the store itself does not use it
        "NOD_SECRET_KEY": "k" * 32,
    }
    environ |= {f"NOD_{name.upper()}": str(value) for name, value in values.items()}
    return load(environ)


@asynccontextmanager
async def opened(redis_url: str, **values: object) -> AsyncIterator["StoreInUse"]:
    used = settings(redis_url, **values)
    store = await open_store(used)
    try:
        yield StoreInUse(store, used)
    finally:
        await store.aclose()


class StoreInUse:
    def __init__(self, store: Store, used: Settings) -> None:
        self.store = store
        self.settings = used

    async def person(self, devices: int = 1) -> "Person":
        user_id = f"auth0|{secrets.token_hex(8)}"
        person_id = person_id_of(user_id, self.settings.partitions)
        assert await self.store.people.create(person_id, json.dumps({"user_id": user_id}).encode())
        person = Person(self.store, user_id, person_id)
        for _ in range(devices):
            await person.enroll()
        return person


class Person:
    def __init__(self, store: Store, user_id: str, person_id: str) -> None:
        self.store = store
        self.user_id = user_id
        self.person_id = person_id
        self.devices: list[str] = []

    async def enroll(self, token: str = "", kind: AddressKind = "fcm_token") -> str:
        ticket = new_ticket(self.person_id)
        assert await self.store.people.create_ticket(ticket, self.person_id, 60_000)
        device_id = new_device_id(self.person_id)
        address, name = address_name(Address(kind, token or secrets.token_hex(8), 1))
        outcome, _ = await self.store.people.enroll(
            ticket=ticket,
            person_id=self.person_id,
            device_id=device_id,
            thumbprint=THUMBPRINT,
            record=b"{}",
            address=address,
            address_name=name,
        )
        assert outcome == "enrolled"
        self.devices.append(device_id)
        return device_id

    async def ask(self, life_seconds: int = 60, terms: Terms = POLLED) -> Any:  # noqa: ANN401
        """A new request to this person: its consent_id, or why it was refused."""
        consent_id = consent_id_of(new_auth_req_id(self.person_id))
        refused = await self.store.consents.accept(
            consent_id=consent_id,
            client_id=CLIENT,
            person_id=self.person_id,
            request=b'{"asked":1}',
            life_seconds=life_seconds,
            terms=terms,
        )
        return refused or consent_id

    async def answer(self, consent_id: str, answer: Event | Answer, device: int = 0) -> str:
        return await self.store.consents.answer(
            consent_id=consent_id,
            person_id=self.person_id,
            device_id=self.devices[device],
            thumbprint=THUMBPRINT,
            answer=answer if isinstance(answer, Answer) else Answer(answer, b"{}"),
        )


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]
