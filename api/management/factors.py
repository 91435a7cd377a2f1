"""/api/v2/guardian/factors and the push providers below."""

from collections.abc import Callable
from urllib.parse import urlsplit

import structlog

from api.edge import Call, Reply, json_reply
from api.management import pkcs12_child
from api.management.guard import Caller, body_of
from api.services import Services
from consent.errors import TemporarilyUnavailable
from consent.management import factors
from consent.management.push_credentials import Unusable, push_certificate
from consent.outbound.address import checked_url
from consent.push_providers import (
    APNS,
    FCM,
    PUSH,
    ApnsCertificate,
    ApnsProvider,
    FactorRecord,
    ProviderT,
    ServiceAccount,
    sealed,
    unsealed,
)
from consent.seal import SealError
from consent.settings import is_loopback, networks, ports
from consent.store import keys

log = structlog.get_logger()
Opening = Callable[[str], ApnsCertificate]
_ATTEMPTS = 8  # of one merge, while others put and delete the same provider


class Factors:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def read_all(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        return json_reply(factors.factors_shown(await self._records()))

    async def change(self, call: Call, caller: Caller) -> Reply:
        name = call.path["name"]
        enabled = factors.factor_change(name, body_of(call))
        if name == PUSH:
            await self._services.directory.write(
                keys.FACTORS, PUSH, FactorRecord(enabled), event=caller.act.event(factor=PUSH)
            )
        return json_reply({"enabled": enabled})

    async def read_selected(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        return json_reply({"provider": factors.DIRECT})

    async def select(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        """There is nothing to choose from, so nothing to write."""
        factors.check_provider_choice(body_of(call))
        return json_reply({"provider": factors.DIRECT})

    async def read_apns(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        records = await self._records()
        if APNS in records:
            return json_reply(factors.apns_shown(self._unsealed(APNS, records[APNS], ApnsProvider)))
        return json_reply(factors.apns_of_settings_shown(self._services.settings))

    async def put_apns(self, call: Call, caller: Caller) -> Reply:
        open_p12 = await _opening(body_of(call))
        provider = self._apns_provider(call, open_p12, stored=None)
        await self._write(APNS, provider, caller)
        return json_reply(factors.apns_change_shown(provider))

    async def merge_apns(self, call: Call, caller: Caller) -> Reply:
        """Of changes at once each is merged into what the other has left."""
        services, event = self._services, caller.act.event(factor=PUSH, provider=APNS)
        open_p12 = await _opening(body_of(call))

        def merged(record: FactorRecord) -> FactorRecord:
            stored = self._unsealed(APNS, record, ApnsProvider)
            return sealed(APNS, self._apns_provider(call, open_p12, stored=stored), services.seal)

        for _ in range(_ATTEMPTS):
            record = await services.directory.change(
                keys.FACTORS, APNS, FactorRecord, merged, event=event
            )
            if record is None:  # none yet: what is sent has to be all of it
                record = sealed(
                    APNS, self._apns_provider(call, open_p12, stored=None), services.seal
                )
                if not await services.directory.create(keys.FACTORS, APNS, record, event=event):
                    continue
            provider = unsealed(APNS, record, ApnsProvider, services.seal)
            return json_reply(factors.apns_change_shown(provider))
        raise TemporarilyUnavailable(detail="a push provider is put and deleted all the time")

    async def read_fcm(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        records = await self._records()
        if FCM in records:
            return json_reply(factors.fcm_shown(self._unsealed(FCM, records[FCM], ServiceAccount)))
        return json_reply(factors.fcm_of_settings_shown(self._services.settings))

    async def put_fcm(self, call: Call, caller: Caller) -> Reply:
        """PATCH as well: a service account is one piece."""
        account = factors.fcm_provider(body_of(call), check_token_uri=self._check_token_uri)
        await self._write(FCM, account, caller)
        return json_reply({})

    async def refuse_legacy_fcm(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        raise factors.dead_provider()

    async def delete_apns(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        return await self._delete(APNS, caller)

    async def delete_fcm(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        return await self._delete(FCM, caller)

    async def _records(self) -> dict[str, FactorRecord]:
        return await self._services.directory.read_whole(keys.FACTORS, FactorRecord)

    def _unsealed(self, name: str, record: FactorRecord, kind: type[ProviderT]) -> ProviderT | None:
        """None for one that nobody can use: the workers do without it too."""
        try:
            return unsealed(name, record, kind, self._services.seal)
        except SealError:
            log.exception("push_provider_unusable", provider=name, error="SealError")
            return None

    def _apns_provider(
        self, call: Call, open_p12: Opening, *, stored: ApnsProvider | None
    ) -> ApnsProvider:
        now = self._services.clock()
        return factors.apns_provider(body_of(call), stored=stored, now=now, open_p12=open_p12)

    async def _write(
        self, name: str, provider: ApnsProvider | ServiceAccount, caller: Caller
    ) -> None:
        await self._services.directory.write(
            keys.FACTORS,
            name,
            sealed(name, provider, self._services.seal),
            event=caller.act.event(factor=PUSH, provider=name),
        )

    async def _delete(self, name: str, caller: Caller) -> Reply:
        """Back to the provider of the settings, if there is one."""
        await self._services.directory.remove(
            keys.FACTORS, name, event=caller.act.event(factor=PUSH, provider=name)
        )
        return Reply(204, headers=())

    def _check_token_uri(self, url: str) -> None:
        """
        As any URL that was handed in; on loopback only where the messages stay there as well.
        Raises ForbiddenUrl.
        """
        settings = self._services.settings
        if _is_on_loopback(url) and _is_on_loopback(settings.fcm_base_url):
            return
        checked_url(
            url,
            allowed_networks=networks(settings.outbound_allowed_networks),
            ports=ports(settings.outbound_ports),
        )


async def _opening(body: dict[str, object]) -> Opening:
    """A body's file is opened before anything is changed, for that takes a while."""
    text = body.get("p12")
    if not isinstance(text, str) or len(text) > factors.P12_CHARACTERS_MAX:
        return push_certificate  # what is no file, or too long for one, is refused before it
    try:
        certificate = await pkcs12_child.opened(text)
    except Unusable as error:
        refusal = error

        def refuse(_: str) -> ApnsCertificate:
            raise refusal

        return refuse
    return lambda _: certificate


def _is_on_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and is_loopback(parts.hostname or "")
    except ValueError:
        return False
