"""What the endpoints stand on: opened at start, closed at the end, handed to each of them."""

import asyncio
import dataclasses
import time
from collections.abc import Callable

from api.doorbell import Doorbell
from consent import access
from consent.client import CLIENT_CREDENTIALS_GRANT, Client
from consent.identifiers import digest
from consent.seal import Seal, SealError
from consent.settings import Settings, SettingsError
from consent.signing_key import SigningKey, StoredKey, new_signing_key, opened
from consent.store import keys
from consent.store.connections import open_lane
from consent.store.consents import Consents
from consent.store.directory import Directory
from consent.store.opening import Store, open_store
from consent.store.people import People

_CURRENT_KEY = "current"


@dataclasses.dataclass(frozen=True)
class Services:
    settings: Settings
    clock: Callable[[], float]
    store: Store
    doorbell: Doorbell
    signing_key: SigningKey
    listening: asyncio.Task[None]

    async def aclose(self) -> None:
        self.listening.cancel()
        await asyncio.wait([self.listening])
        await self.doorbell.aclose()
        await self.store.aclose()

    @property
    def seal(self) -> Seal:
        return self.store.seal

    @property
    def consents(self) -> Consents:
        return self.store.consents

    @property
    def people(self) -> People:
        return self.store.people

    @property
    def directory(self) -> Directory:
        return self.store.directory

    def copied_client(self, client_id: str) -> Client | None:
        """The client, if a copy is at hand."""
        copy = self.store.directory.copy(keys.CLIENTS, client_id)
        return copy if isinstance(copy, Client) else None

    async def client(self, client_id: str) -> Client | None:
        return await self.store.directory.read(keys.CLIENTS, client_id, Client)

    async def resource_server(self, identifier: str | None) -> access.ResourceServer | None:
        if identifier is None:
            return None
        return await self.directory.read(
            keys.RESOURCE_SERVERS, access.resource_server_id(identifier), access.ResourceServer
        )


async def open_services(settings: Settings, clock: Callable[[], float] = time.time) -> Services:
    """Open everything, waiting for a Redis that is away. Raises SettingsError."""
    store = await open_store(settings)
    signing_key = await _signing_key(store.directory, store.seal)
    await _bootstrap(store.directory, settings)
    return Services(
        settings=settings,
        clock=clock,
        store=store,
        doorbell=Doorbell(open_lane(settings.queue_url, scripts=False)),
        signing_key=signing_key,
        listening=asyncio.get_running_loop().create_task(store.directory.listen()),
    )


async def _signing_key(directory: Directory, seal: Seal) -> SigningKey:
    """The key all processes sign with: the first to start makes it."""
    await directory.create(keys.KEYS, _CURRENT_KEY, new_signing_key().stored(seal))
    stored = await directory.read(keys.KEYS, _CURRENT_KEY, StoredKey)
    assert stored is not None  # noqa: S101 - created or found one line above
    try:
        return opened(stored, seal)
    except SealError:
        raise SettingsError("NOD_SECRET_KEY: is not the one this store was made with") from None


async def _bootstrap(directory: Directory, settings: Settings) -> None:
    """The management API, and the client that may do all of it."""
    api = access.management_api(settings.issuer)
    await directory.write(keys.RESOURCE_SERVERS, api.id, api)
    if not settings.bootstrap_client_id:
        return
    client = Client(
        client_id=settings.bootstrap_client_id,
        name="Bootstrap management client",
        secret_digest=digest(settings.bootstrap_client_secret),
        grant_types=[CLIENT_CREDENTIALS_GRANT],
        app_type="non_interactive",
    )
    grant_id = access.client_grant_id(client.client_id, api.identifier)
    grant = access.ClientGrant(
        id=grant_id,
        client_id=client.client_id,
        audience=api.identifier,
        scope=list(access.MANAGEMENT_SCOPES),
    )
    await directory.write(keys.CLIENTS, client.client_id, client)
    await directory.write(keys.CLIENT_GRANTS, grant_id, grant)
