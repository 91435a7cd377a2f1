"""
The providers that are configured, by name: the one in the directory, or else that of the settings.

A worker takes up what an administrator puts while it runs. The directory keeps a copy until it
hears of a change, so that asking at every push costs nothing. What is being sent through a
provider that was replaced is finished before its connections are closed.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec
import structlog

from consent import policy
from consent.errors import TemporarilyUnavailable
from consent.outbound.client import GuardedClient
from consent.push import Push
from consent.push_providers import (
    APNS,
    APNS_SANDBOX_URL,
    FCM,
    WEB_PUSH,
    ApnsKey,
    ApnsProvider,
    FactorRecord,
    ServiceAccount,
    WebPushProvider,
    push_enabled,
    unsealed,
)
from consent.seal import Seal
from consent.settings import Settings, mail_server
from consent.store import keys
from consent.store.directory import Directory
from consent.tenant import TENANT_ID, Tenant
from consent.web_push import contact
from workers.apns import ApnsSender
from workers.email import EmailSender
from workers.fcm import FcmSender
from workers.notifier import Sender
from workers.outcome import NoProvider, Outcome, RetryAfter
from workers.web_push import CONNECTIONS_OF_A_HOST_MAX, WebPushSender

log = structlog.get_logger()


class ClosableSender(Sender, Protocol):
    """A provider with its connections."""

    async def aclose(self) -> None: ...


class _InUse:
    """A sender that is closed once it was replaced and nothing is being sent through it."""

    def __init__(self, sender: ClosableSender) -> None:
        self._sender = sender
        self._sending = 0
        self._replaced = False

    async def send(self, push: Push) -> Outcome:
        self._sending += 1
        try:
            return await self._sender.send(push)
        finally:
            self._sending -= 1
            if self._replaced and not self._sending:
                await self._sender.aclose()

    async def replaced(self) -> None:
        self._replaced = True
        if not self._sending:
            await self._sender.aclose()

    async def aclose(self) -> None:
        await self._sender.aclose()


class ConfiguredSender:
    """A `Sender` that is the provider configured at the moment."""

    def __init__(
        self,
        name: str,
        factors: Callable[[], Awaitable[dict[str, FactorRecord]]],
        *,
        of_settings: ClosableSender | None,
        opened: Callable[[FactorRecord], ClosableSender],
    ) -> None:
        """`name` is that of the record; `opened` raises for one that cannot be used."""
        self._name = name
        self._factors = factors
        self._of_settings = of_settings
        self._opened = opened
        self._record: FactorRecord | None = None
        self._stored: _InUse | None = None  # None for a record that cannot be used
        self._enabled = True

    async def send(self, push: Push) -> Outcome:
        try:
            await self.refresh()
        except TemporarilyUnavailable:  # it is the person who waits: come back within seconds
            return RetryAfter(None, "store_away")
        sender = self._current()
        return await sender.send(push) if sender else NoProvider()

    @property
    def is_configured(self) -> bool:
        return self._current() is not None

    async def refresh(self) -> None:
        """Take up what the directory holds. Raises TemporarilyUnavailable."""
        factors = await self._factors()
        self._enabled = push_enabled(factors)
        record = factors.get(self._name)
        if record == self._record:
            return
        replaced, self._stored, self._record = self._stored, self._open(record), record
        if replaced is not None:
            await replaced.replaced()

    async def aclose(self) -> None:
        if self._stored is not None:
            await self._stored.aclose()
        if self._of_settings is not None:
            await self._of_settings.aclose()

    def _current(self) -> ClosableSender | _InUse | None:
        """What cannot be used is not stood in for: pushes of another app would ring nobody."""
        if not self._enabled:
            return None
        return self._of_settings if self._record is None else self._stored

    def _open(self, record: FactorRecord | None) -> _InUse | None:
        if record is None:
            return None
        try:
            sender = self._opened(record)
        except Exception as error:  # whatever it is, it will not be another the next time
            log.exception("push_provider_unusable", provider=self._name, error=type(error).__name__)
            return None
        log.info("push_provider_taken_up", provider=self._name)
        return _InUse(sender)


@asynccontextmanager
async def senders(
    settings: Settings, directory: Directory, seal: Seal
) -> AsyncIterator[dict[str, Sender]]:
    """
    By provider (`apns`, `fcm`, `webpush`, `email`). A wrong provider of the settings raises at
    once.
    """

    async def factors() -> dict[str, FactorRecord]:
        return await directory.read_whole(keys.FACTORS, FactorRecord)

    by_name = {
        "apns": ConfiguredSender(
            APNS,
            factors,
            of_settings=_apns_of_settings(settings),
            opened=lambda record: _apns(unsealed(APNS, record, ApnsProvider, seal), settings),
        ),
        "fcm": ConfiguredSender(
            FCM,
            factors,
            of_settings=_fcm_of_settings(settings),
            opened=lambda record: _fcm(unsealed(FCM, record, ServiceAccount, seal), settings),
        ),
        "webpush": ConfiguredSender(
            WEB_PUSH,
            factors,
            of_settings=None,
            opened=lambda record: _web_push(
                unsealed(WEB_PUSH, record, WebPushProvider, seal), settings
            ),
        ),
    }
    email = email_of_settings(settings, directory, seal)
    async with contextlib.AsyncExitStack() as stack:
        if email is not None:
            stack.push_async_callback(email.aclose)
        for sender in by_name.values():
            stack.push_async_callback(sender.aclose)
        for sender in by_name.values():
            await sender.refresh()
        if email is None and not any(sender.is_configured for sender in by_name.values()):
            log.warning("no_provider_configured")
        yield {**by_name, "email": email} if email is not None else dict(by_name)


def apns_base_url(provider: ApnsProvider, settings: Settings) -> str:
    """Where the settings say, if they do; else one of Apple's two."""
    if provider.sandbox and settings.apns_base_url == Settings.apns_base_url:
        return APNS_SANDBOX_URL
    return settings.apns_base_url


def _apns(provider: ApnsProvider, settings: Settings) -> ApnsSender:
    return ApnsSender(
        provider,
        base_url=apns_base_url(provider, settings),
        ca_file=settings.apns_ca_file,
        timeout_seconds=policy.SEND_TIMEOUT_SECONDS,
    )


def _fcm(account: ServiceAccount, settings: Settings) -> FcmSender:
    return FcmSender(
        msgspec.to_builtins(account),
        base_url=settings.fcm_base_url,
        timeout_seconds=policy.SEND_TIMEOUT_SECONDS,
    )


def _web_push(provider: WebPushProvider, settings: Settings) -> WebPushSender:
    return WebPushSender(
        provider,
        contact=contact(settings.web_push_contact, settings.issuer),
        open_client=lambda: GuardedClient.from_settings(
            settings, connections_of_a_host_max=CONNECTIONS_OF_A_HOST_MAX
        ),
    )


def _apns_of_settings(settings: Settings) -> ApnsSender | None:
    if settings.apns_key_file is None:
        return None
    key = settings.apns_key_file.read_text()
    credentials = ApnsKey(key, settings.apns_key_id, settings.apns_team_id)
    return _apns(ApnsProvider(bundle_id=settings.apns_topic, credentials=credentials), settings)


def _fcm_of_settings(settings: Settings) -> FcmSender | None:
    if settings.fcm_credentials_file is None:
        return None
    return FcmSender(
        msgspec.json.decode(settings.fcm_credentials_file.read_bytes()),
        base_url=settings.fcm_base_url,
        timeout_seconds=policy.SEND_TIMEOUT_SECONDS,
    )


def email_of_settings(settings: Settings, directory: Directory, seal: Seal) -> EmailSender | None:
    if not settings.smtp_url:
        return None

    async def tenant() -> Tenant:
        return await directory.read(keys.TENANT, TENANT_ID, Tenant) or Tenant()

    return EmailSender(
        mail_server(settings.smtp_url),
        sender=settings.smtp_from,
        issuer=settings.issuer,
        friendly_name=settings.friendly_name,
        tenant=tenant,
        seal=seal,
        ca_file=settings.smtp_ca_file,
        timeout_seconds=policy.SEND_TIMEOUT_SECONDS,
    )
