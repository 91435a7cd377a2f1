"""What the endpoints stand on: opened at start, closed at the end, handed to each of them."""

import asyncio
import dataclasses
import functools
import ipaddress
import time
from collections.abc import Callable

from cryptography import x509

from api.client_keys import ClientKeys
from api.credentials_exchange import Actions, entry_points
from api.doorbell import Doorbell
from api.event_stream import EventStreams
from api.long_polls import LongPolls
from api.rate_limit import RateLimit
from consent import access
from consent.audit.event import system_act
from consent.client import CLIENT_CREDENTIALS_GRANT, Client, SigningAlgorithm
from consent.client_assertion import Audiences
from consent.dpop import Nonces
from consent.hint_tokens import TrustedIssuer, trusted_issuers
from consent.identifiers import digest
from consent.outbound.address import checked_url
from consent.outbound.client import GuardedClient
from consent.outbound.key_sets import KeySets
from consent.push_providers import (
    WEB_PUSH,
    FactorRecord,
    WebPushProvider,
    push_enabled,
    sealed,
    unsealed,
)
from consent.seal import Seal
from consent.settings import Settings, SettingsError, networks, ports
from consent.signing_key import SigningKey
from consent.store import keys
from consent.store.connections import open_lane
from consent.store.consent_records import ConsentRecords
from consent.store.consents import Consents
from consent.store.directory import Directory
from consent.store.ending import ended
from consent.store.grants import Grants
from consent.store.mailboxes import Mailboxes
from consent.store.opening import Store, open_store
from consent.store.pending import PendingConsents
from consent.store.people import People
from consent.store.people_lists import PeopleLists
from consent.store.replays import Replays
from consent.store.signing_keys import SigningKeys
from consent.tenant import TENANT_ID, USERS, Connection, Tenant, connection_id
from consent.web_push import application_server_key, new_web_push_provider

# Where clients authenticate: an assertion may be meant for these where X01 is lenient.
_ASSERTED_AT = (
    "oauth/token",
    "token",
    "bc-authorize",
    "oauth/revoke",
    "oauth/introspect",
    "oauth/receipt",
)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclasses.dataclass(frozen=True)
class Services:
    settings: Settings
    clock: Callable[[], float]
    store: Store
    doorbell: Doorbell
    signing_keys: SigningKeys
    client_keys: ClientKeys
    long_polls: LongPolls
    event_streams: EventStreams
    nonces: Nonces
    outbound: GuardedClient
    actions: Actions
    hint_issuers: dict[str, TrustedIssuer]
    certificate_authorities: tuple[x509.Certificate, ...]
    trusted_proxies: tuple[Network, ...]
    audiences: Audiences
    rate_limit: RateLimit
    listening: tuple[asyncio.Task[None], ...]

    async def aclose(self) -> None:
        await ended(*self.listening)
        await self.outbound.aclose()
        await self.actions.aclose()
        await self.doorbell.aclose()
        await self.store.aclose()

    @property
    def seal(self) -> Seal:
        return self.store.seal

    @property
    def consents(self) -> Consents:
        return self.store.consents

    @property
    def pending(self) -> PendingConsents:
        return self.store.pending

    @property
    def mailboxes(self) -> Mailboxes:
        return self.store.mailboxes

    @property
    def consent_records(self) -> ConsentRecords:
        return self.store.consent_records

    @property
    def people(self) -> People:
        return self.store.people

    @property
    def people_lists(self) -> PeopleLists:
        return self.store.people_lists

    @property
    def directory(self) -> Directory:
        return self.store.directory

    @property
    def grants(self) -> Grants:
        return self.store.grants

    @property
    def replays(self) -> Replays:
        return self.store.replays

    @functools.cached_property
    def certificate_header(self) -> bytes:
        return self.settings.client_certificate_header.lower().encode()

    def urls(self, *paths: str) -> tuple[str, ...]:
        return urls(self.settings, *paths)

    async def push_enabled(self) -> bool:
        """Whether the factor push-notification is on; while it is off nobody is rung."""
        return push_enabled(await self.directory.read_whole(keys.FACTORS, FactorRecord))

    async def vapid_public_key(self) -> str:
        """What a browser subscribes with, so that its push service lets nobody else ring it."""
        factors = await self.directory.read_whole(keys.FACTORS, FactorRecord)
        provider = unsealed(WEB_PUSH, factors[WEB_PUSH], WebPushProvider, self.seal)
        return application_server_key(provider)

    async def friendly_name(self) -> str:
        """The name of this installation as phones show it."""
        return (await self.tenant()).friendly_name or self.settings.friendly_name

    def check_url(self, url: str) -> None:
        """
        What a client names to be called, by its text: where that leads is looked at when it is
        called. Raises ForbiddenUrl.
        """
        checked_url(
            url,
            allowed_networks=networks(self.settings.outbound_allowed_networks),
            ports=ports(self.settings.outbound_ports),
        )

    async def signer(self, alg: SigningAlgorithm, now_ms: float = 0) -> SigningKey:
        """Who signs at that time, or now."""
        return await self.signing_keys.signer(alg, now_ms or self.clock() * 1_000)

    def copied_client(self, client_id: str) -> Client | None:
        """The client, if a copy is at hand."""
        copy = self.store.directory.copy(keys.CLIENTS, client_id)
        return copy if isinstance(copy, Client) else None

    async def tenant(self) -> Tenant:
        """What administrators have set."""
        return await self.directory.read(keys.TENANT, TENANT_ID, Tenant) or Tenant()

    async def client(self, client_id: str) -> Client | None:
        return await self.store.directory.read(keys.CLIENTS, client_id, Client)

    async def client_grant(self, grant_id: str) -> access.ClientGrant | None:
        return await self.directory.read(keys.CLIENT_GRANTS, grant_id, access.ClientGrant)

    async def resource_server(self, identifier: str | None) -> access.ResourceServer | None:
        if identifier is None:
            return None
        return await self.directory.read(
            keys.RESOURCE_SERVERS, access.resource_server_id(identifier), access.ResourceServer
        )


def urls(settings: Settings, *paths: str) -> tuple[str, ...]:
    """Every URL these paths may be called by."""
    bases = filter(None, (settings.issuer, settings.mtls_base_url))
    return tuple(base + path for base in bases for path in paths)


async def open_services(
    settings: Settings, clock: Callable[[], float] = time.time, *, bootstrap: bool = True
) -> Services:
    """Open everything, waiting for a Redis that is away. Raises SettingsError."""
    action_functions = entry_points(settings.credentials_exchange_actions)
    hint_issuers = _hint_issuers(settings)
    authorities = _certificate_authorities(settings)
    store = await open_store(settings)
    signing_keys = SigningKeys(store.directory, store.seal)
    await signing_keys.signer("ES256", clock() * 1_000)  # a wrong secret key shows now
    if bootstrap:
        await _bootstrap(store.directory, store.seal, settings)
    outbound = GuardedClient.from_settings(settings)
    long_polls = LongPolls(store.redis, settings.long_polls_max)
    event_streams = EventStreams(store.redis, settings.event_streams_max)
    loop = asyncio.get_running_loop()
    return Services(
        settings=settings,
        clock=clock,
        store=store,
        doorbell=Doorbell(open_lane(settings.queue_url, scripts=False)),
        signing_keys=signing_keys,
        client_keys=ClientKeys(KeySets(outbound, time.monotonic)),
        long_polls=long_polls,
        event_streams=event_streams,
        nonces=Nonces(store.seal.nonce_key),
        outbound=outbound,
        actions=Actions.opened(settings, action_functions, clock),
        hint_issuers=hint_issuers,
        certificate_authorities=authorities,
        trusted_proxies=tuple(networks(settings.trusted_proxies)),
        audiences=Audiences(settings.issuer, frozenset(urls(settings, *_ASSERTED_AT))),
        rate_limit=RateLimit(settings.management_requests_per_minute_max),
        listening=(
            loop.create_task(store.directory.listen()),
            loop.create_task(long_polls.listen()),
            loop.create_task(event_streams.listen()),
        ),
    )


def _hint_issuers(settings: Settings) -> dict[str, TrustedIssuer]:
    path = settings.login_hint_token_issuers_file
    if path is None:
        return {}
    try:
        return trusted_issuers(path.read_bytes())
    except ValueError as error:
        raise SettingsError(f"NOD_LOGIN_HINT_TOKEN_ISSUERS_FILE: {error}") from None


def _certificate_authorities(settings: Settings) -> tuple[x509.Certificate, ...]:
    path = settings.client_certificate_ca_file
    if path is None:
        return ()
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except ValueError:
        raise SettingsError("NOD_CLIENT_CERTIFICATE_CA_FILE: holds no PEM certificate") from None


async def _bootstrap(directory: Directory, seal: Seal, settings: Settings) -> None:
    """The management API, the client that may do all of it, and a key for Web Push."""
    api = access.management_api(settings.issuer)
    act = system_act("Set up at start")
    await directory.write(
        keys.RESOURCE_SERVERS, api.id, api, event=act.event(audience=api.identifier)
    )
    await directory.create(keys.TENANT, TENANT_ID, Tenant(), event=act.event())
    users = Connection(id=connection_id(USERS), name=USERS)
    await directory.create(keys.CONNECTIONS, users.id, users, event=act.event(connection=USERS))
    await directory.create(
        keys.FACTORS,
        WEB_PUSH,
        sealed(WEB_PUSH, new_web_push_provider(), seal),
        event=act.event(provider=WEB_PUSH),
    )
    if not settings.bootstrap_client_id:
        return
    stored = await directory.read(keys.CLIENTS, settings.bootstrap_client_id, Client)
    client = Client(
        client_id=settings.bootstrap_client_id,
        name="Bootstrap management client",
        secret_digest=digest(settings.bootstrap_client_secret),
        grant_types=[CLIENT_CREDENTIALS_GRANT],
        app_type="non_interactive",
        since=stored.since if stored else await directory.now_ms() // 1_000,
    )
    grant_id = access.client_grant_id(client.client_id, api.identifier)
    grant = access.ClientGrant(
        id=grant_id,
        client_id=client.client_id,
        audience=api.identifier,
        scope=list(access.MANAGEMENT_SCOPES),
    )
    event = act.event(client_id=client.client_id)
    await directory.write(keys.CLIENTS, client.client_id, client, event=event)
    await directory.write(keys.CLIENT_GRANTS, grant_id, grant, event=event)
