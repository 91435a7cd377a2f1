"""
/oidc/register: clients register themselves where the tenant lets them (RFC 7591, auth0-wire 4),
and manage their registration where it lets them do that, too (RFC 7592).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from api.edge import Call, Reply, json_reply
from api.remote_address import quota_address, remote_address
from api.services import Services
from consent import policy
from consent.audit.event import Act
from consent.client import Client, failed
from consent.client_metadata import InvalidClientMetadata, with_new_secret
from consent.errors import (
    AccessForbidden,
    InvalidMetadata,
    InvalidRequest,
    TemporarilyUnavailable,
    TooManyRequests,
)
from consent.hint_tokens import TrustedIssuer, trusted_issuers
from consent.identifiers import new_client_id
from consent.metadata import authentication_methods
from consent.outbound.client import OutboundFailed
from consent.registration import initial_access_token as access
from consent.registration import sector
from consent.registration.answer import client_information
from consent.registration.client import Terms, new_client, refused
from consent.registration.initial_access_token import InitialAccessToken, bearer_token
from consent.registration.update import (
    authorized,
    is_expired,
    updated_client,
    with_fitting_secret,
    with_new_token,
)
from consent.settings import Settings, SettingsError
from consent.store import keys
from consent.store.registrations import Quota, Refused
from consent.tenant import Tenant

_ATTEMPTS = 16  # with one initial access token, while others use it
_PREFIX = {"strict": "tpc_", "permissive": ""}  # auth0-wire 4
_DISABLED = msgspec.json.encode(
    {
        "statusCode": 400,
        "error": "Bad Request",
        "message": "dynamic client registration is disabled",
    }
)


class RegistrationEndpoint:
    def __init__(self, services: Services) -> None:
        """Raises SettingsError."""
        self._services = services
        settings = services.settings
        self._registrations = services.store.registrations
        self._quota = Quota(settings.registered_clients_max, settings.registrations_per_hour_max)
        self._methods = frozenset({*authentication_methods(settings), "none"})
        self._statement_issuers = _statement_issuers(settings)
        self._fetching: set[str] = set()  # addresses whose sector documents are on their way

    async def register(self, call: Call) -> Reply:
        """POST /oidc/register."""
        services, now = self._services, self._services.clock()
        tenant = await services.tenant()
        if not tenant.flags.enable_dynamic_client_registration:
            return Reply(400, _DISABLED, outcome="registration_disabled")
        token = await self._initial_access_token(call, tenant)
        life = services.settings.unused_registration_lifetime_seconds
        described = new_client(
            _body(call),
            self._terms(tenant),
            client_id=_PREFIX[tenant.dynamic_client_registration_security_mode] + new_client_id(),
            now=now,
            unused_until=int(now) + life if life else 0,
        )
        await self._check_sector(call, described)
        client, secret = with_new_secret(described, services.seal)
        managed = tenant.flags.enable_dynamic_client_management
        client, own_token = with_new_token(client) if managed else (client, None)
        # The first key of an algorithm is published before its first token is asked for.
        await services.signer(client.jwt_configuration.alg)
        await self._keep(call, client, token)
        call.facts["subject"] = client.client_id
        return self._information(client, own_token, secret, status=201)

    async def read(self, call: Call) -> Reply:
        """GET /oidc/register/{client_id} (RFC 7592 2.1): with the token it was asked with."""
        client, token, _ = await self._authorized(call)
        return self._information(client, token)

    async def update(self, call: Call) -> Reply:
        """
        PUT (RFC 7592 2.2): all metadata anew and another token, or nothing of it. Of two at once
        with the same token one is refused.
        """
        services, now = self._services, self._services.clock()
        client, token, tenant = await self._authorized(call)
        body, terms = _body(call), self._terms(tenant)
        await self._check_sector(call, updated_client(client, body, terms, now=now))
        shown: tuple[str, str | None] = ("", None)

        def changed(stored: Client) -> Client:
            nonlocal shown
            wanted = updated_client(authorized(stored, token, now), body, terms, now=now)
            wanted, secret = with_fitting_secret(stored, wanted, services.seal)
            wanted, own_token = with_new_token(wanted)
            shown = own_token, secret
            return wanted

        changes = self._act(call, "Dynamic client registration update", client)
        stored = await services.directory.change(
            keys.CLIENTS,
            client.client_id,
            Client,
            changed,
            event=changes.event(client_id=client.client_id),
        )
        written = authorized(stored, shown[0], now)  # unless it was removed meanwhile
        await services.signer(written.jwt_configuration.alg)
        return self._information(written, *shown)

    async def delete(self, call: Call) -> Reply:
        """DELETE (RFC 7592 2.3, C065): the client and all it has asked for."""
        client, _, _ = await self._authorized(call)
        ends = self._act(call, "Dynamic client registration delete", client)
        await self._services.store.end_client(
            client.client_id, event=ends.event(client_id=client.client_id)
        )
        return Reply(204, headers=())

    async def _authorized(self, call: Call) -> tuple[Client, str, Tenant]:
        """
        The client by its registration access token, and that. An operation that is switched off
        is a 403 to who holds one, and a 401 like any other to everybody else (C066).
        """
        token = bearer_token(call.header(b"authorization"))
        client = authorized(
            await self._services.client(call.path["client_id"]), token, self._services.clock()
        )
        call.facts["client"] = client.client_id
        tenant = await self._services.tenant()
        if not tenant.flags.enable_dynamic_client_management:
            raise AccessForbidden("Registered clients may not manage their registration here")
        return client, token, tenant

    async def _initial_access_token(
        self, call: Call, tenant: Tenant
    ) -> tuple[InitialAccessToken, str] | None:
        """What the tenant asks for, before anything of the body is looked at (C002, C003)."""
        if tenant.dynamic_client_registration_access == "open":
            return None
        token = bearer_token(call.header(b"authorization"))
        return await self._standing(token), token

    async def _standing(self, token: str) -> InitialAccessToken:
        record = await self._registrations.initial_access_token(access.token_id(token))
        return access.checked(record, token, self._services.clock())

    async def _keep(
        self, call: Call, client: Client, token: tuple[InitialAccessToken, str] | None
    ) -> None:
        """Raises TooManyRequests, InvalidToken."""
        address = remote_address(self._services, call)
        registers = self._act(call, "Dynamic client registration", client)
        event = registers.event(client_id=client.client_id)
        for _ in range(_ATTEMPTS):
            match await self._registrations.register(
                client,
                address=quota_address(address),
                quota=self._quota,
                token=token[0] if token else None,
                event=event,
            ):
                case None:
                    return
                case Refused("too_many"):
                    raise TooManyRequests("No more clients can register themselves here")
                case Refused("too_many_of_address", wait_ms):
                    raise _come_back(
                        wait_ms, "Too many clients have registered themselves from this address"
                    )
                case Refused("superseded") if token is not None:
                    token = await self._standing(token[1]), token[1]
                case refusal:
                    raise AssertionError(f"register_client.lua replied {refusal}")
        raise TemporarilyUnavailable(detail="an initial access token is used all the time")

    async def _check_sector(self, call: Call, client: Client) -> None:
        """C024. Raises InvalidMetadata, TemporarilyUnavailable, TooManyRequests."""
        uri = sector.sector_identifier_uri(client)
        if uri is None:
            return
        try:
            async with self._one_fetch(remote_address(self._services, call)):
                document = await self._services.outbound.get_json(uri)
            sector.check_sector(client, document)
        except OutboundFailed as error:
            raise InvalidMetadata(
                "sector_identifier_uri cannot be read", detail=error.reason
            ) from None
        except InvalidClientMetadata as error:
            raise refused(error) from None

    @asynccontextmanager
    async def _one_fetch(self, address: str) -> AsyncIterator[None]:
        """Strangers make us call strangers: few at once, none twice, not many at all (T18, T19)."""
        caller = quota_address(address)
        if caller in self._fetching or len(self._fetching) >= policy.SECTOR_FETCHES_MAX:
            raise TemporarilyUnavailable(detail="too many sector documents are being fetched")
        self._fetching.add(caller)
        try:
            if wait_ms := await self._registrations.count_fetch(caller):
                raise _come_back(wait_ms, "Too many sector documents were asked for from here")
            yield
        finally:
            self._fetching.discard(caller)

    def _terms(self, tenant: Tenant) -> Terms:
        services = self._services
        return Terms(
            mode=tenant.dynamic_client_registration_security_mode,
            methods=self._methods,
            check_url=services.check_url,
            statement_issuers=self._statement_issuers,
            issuer=services.settings.issuer,
        )

    def _act(self, call: Call, description: str, client: Client) -> Act:
        return Act(
            description,
            client_id=client.client_id,
            ip=remote_address(self._services, call),
            user_agent=call.header(b"user-agent") or "",
            method=call.scope["method"],
            path=call.scope["path"],
        )

    def _information(
        self, client: Client, token: str | None, secret: str | None = None, *, status: int = 200
    ) -> Reply:
        uri = self._services.settings.url(f"oidc/register/{client.client_id}")
        shown = client_information(client, uri=uri, token=token, secret=secret)
        return json_reply(shown, status)


async def first_use(services: Services, client: Client, *, by_header: bool) -> None:
    """
    A client that would have gone unless it was used has authenticated: it stays, or is gone
    already. Raises InvalidClient.
    """
    if is_expired(client, services.clock()):
        raise failed(by_header=by_header, detail="it registered, and was not used in time")
    event = Act("Dynamic client registration use", client_id=client.client_id).event(
        client_id=client.client_id
    )
    registrations = services.store.registrations
    await registrations.first_use(client.client_id, event=event)


def _statement_issuers(settings: Settings) -> dict[str, TrustedIssuer]:
    path = settings.software_statement_issuers_file
    if path is None:
        return {}
    try:
        return trusted_issuers(path.read_bytes())
    except ValueError as error:
        raise SettingsError(f"NOD_SOFTWARE_STATEMENT_ISSUERS_FILE: {error}") from None


def _body(call: Call) -> dict[str, object]:
    """C001: the refusal is that of RFC 7591, whatever is wrong. Raises InvalidMetadata."""
    try:
        return call.json_object()
    except InvalidRequest as refusal:
        raise InvalidMetadata(refusal.description) from None


def _come_back(wait_ms: int, description: str) -> TooManyRequests:
    seconds = max(1, -(-wait_ms // 1_000))
    return TooManyRequests(description, headers=(("Retry-After", str(seconds)),))
