"""
People, their phones, a client and requests, put into a store without going through HTTP.

One key signs for every phone: what a signature costs does not depend on whose key it is.
"""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import httpx2
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import ECAlgorithm

from consent.authentication_request import AuthenticationRequest
from consent.client import CIBA_GRANT, Client
from consent.device import Device, address_name
from consent.device_key import device_key
from consent.identifiers import (
    consent_id_of,
    digest,
    new_auth_req_id,
    new_device_id,
    new_ticket,
    person_id_of,
)
from consent.lifecycle import Event
from consent.push import Address, AddressKind
from consent.settings import Settings
from consent.store import keys
from consent.store.consents import Answer
from consent.store.opening import Store
from scripts.simulated_phone import Account, SimulatedPhone

CLIENT_ID = "benchmark-client"
CLIENT_SECRET = secrets.token_urlsafe(32)
KEY_CLIENT_ID = "benchmark-key-client"  # authenticates with private_key_jwt
BINDING_MESSAGE = "Pay 10.00 to Example Shop"
LIFE_SECONDS = 3_600  # longer than the benchmark runs
AT_ONCE = 500
T = TypeVar("T")


class Person(NamedTuple):
    user_id: str
    person_id: str
    device_id: str
    identifier: str  # the phone's own


class Asked(NamedTuple):
    """A request as its client and its phone know it."""

    auth_req_id: str
    consent_id: str
    person: Person


class Population:
    """Fills the store of one installation."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        key = ec.generate_private_key(ec.SECP256R1())
        self._pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.client_key = ec.generate_private_key(ec.SECP256R1())
        self._http = httpx2.Client()  # a phone needs one; these send nothing
        self._key = device_key(self._phone("", "", "").public_jwk())

    async def add_clients(self) -> None:
        client = Client(
            client_id=CLIENT_ID,
            name="Example Shop",
            secret_digest=digest(CLIENT_SECRET),
            grant_types=[CIBA_GRANT],
        )
        public_key = ECAlgorithm.to_jwk(self.client_key.public_key(), as_dict=True)
        key_client = msgspec.structs.replace(
            client,
            client_id=KEY_CLIENT_ID,
            secret_digest="",
            token_endpoint_auth_method="private_key_jwt",  # noqa: S106 - the name of a method
            jwks={"keys": [public_key]},
        )
        for one in (client, key_client):
            await self.store.directory.write(keys.CLIENTS, one.client_id, one)

    async def people(self, count: int, kind: AddressKind = "fcm_token") -> list[Person]:
        return await in_batches(lambda _: self._person(kind), range(count))

    async def ask(
        self, people: Iterable[Person], count: int, client_id: str = CLIENT_ID
    ) -> list[Asked]:
        """`count` requests, each of the people in turn."""
        return await in_batches(
            lambda person: self._ask(person, client_id),
            itertools.islice(itertools.cycle(people), count),
        )

    async def approve(self, asked: Iterable[Asked]) -> None:
        await in_batches(self._approve, asked)

    def phone(self, person: Person) -> SimulatedPhone:
        """What signs for a person."""
        return self._phone(person.device_id, person.user_id, person.identifier)

    def _phone(self, device_id: str, user_id: str, identifier: str) -> SimulatedPhone:
        account = Account(
            style="ec",
            base_url=self.settings.issuer,
            identifier=identifier,
            push_token="",
            private_key=self._pem,
            id=device_id,
            user_id=user_id,
            token="",
            issuer="",
        )
        return SimulatedPhone(self._http, self.settings.issuer, account=account)

    async def _person(self, kind: AddressKind) -> Person:
        user_id = f"auth0|{secrets.token_hex(12)}"
        person_id = person_id_of(user_id, self.settings.partitions)
        user = {"user_id": user_id, "email": f"{secrets.token_hex(8)}@example.com"}
        await self.store.people.create(person_id, msgspec.json.encode(user))
        return await self.enroll(user_id, kind)

    async def enroll(self, user_id: str, kind: AddressKind = "fcm_token") -> Person:
        """A phone for somebody who is there."""
        person_id = person_id_of(user_id, self.settings.partitions)
        person = Person(user_id, person_id, new_device_id(person_id), secrets.token_hex(16))
        people = self.store.people
        ticket = new_ticket(person_id)
        await people.create_ticket(ticket, person_id, 60_000)
        device = Device(
            device_id=person.device_id,
            user_id=user_id,
            identifier=person.identifier,
            name="Simulated phone",
            public_key=self._key.jwk,
            token_digest=digest(own_token(person)),
            service="APNS" if kind == "apns" else "GCM",
            enrolled_at_ms=0,
        )
        # No prefix that has a provider's double play a fault.
        address, name = address_name(Address(kind, f"a{secrets.token_hex(32)[1:]}", 0))
        outcome, _ = await people.enroll(
            ticket=ticket,
            person_id=person_id,
            device_id=person.device_id,
            thumbprint=self._key.thumbprint,
            record=msgspec.json.encode(device),
            address=address,
            address_name=name,
        )
        if outcome != "enrolled":
            raise RuntimeError(f"a device was not enrolled: {outcome}")
        return person

    async def _ask(self, person: Person, client_id: str) -> Asked:
        auth_req_id = new_auth_req_id(person.person_id)
        asked = Asked(auth_req_id, consent_id_of(auth_req_id), person)
        request = AuthenticationRequest(
            client_id=client_id,
            client_name="Example Shop",
            user_id=person.user_id,
            scope=["openid"],
            audience=self.settings.url("userinfo"),
            binding_message=BINDING_MESSAGE,
            expires_in=300,
            access_token_lifetime=self.settings.access_token_lifetime_seconds,
            id_token_lifetime=36_000,
        )
        refused = await self.store.consents.accept(
            consent_id=asked.consent_id,
            client_id=client_id,
            person_id=person.person_id,
            request=msgspec.json.encode(request),
            life_seconds=LIFE_SECONDS,
        )
        if refused is not None:
            raise RuntimeError(f"a request was not accepted: {refused.why}")
        return asked

    async def _approve(self, asked: Asked) -> None:
        outcome = await self.store.consents.answer(
            consent_id=asked.consent_id,
            person_id=asked.person.person_id,
            device_id=asked.person.device_id,
            thumbprint=self._key.thumbprint,
            answer=Answer(Event.APPROVE, b'{"event":"answered"}'),
        )
        if outcome != "answered":
            raise RuntimeError(f"a request was not approved: {outcome}")


def own_token(person: Person) -> str:
    """What a device shows to list what is pending, and to stream it."""
    return f"dt_{person.device_id}.{person.identifier}"


S = TypeVar("S")


async def in_batches(work: Callable[[S], Awaitable[T]], items: Iterable[S]) -> list[T]:
    """The results in order, so many at once that Redis is kept busy and no reply is overdue."""
    results: list[T] = []
    left: Iterator[S] = iter(items)
    while batch := list(itertools.islice(left, AT_ONCE)):
        results += await asyncio.gather(*[work(item) for item in batch])
    return results
