"""/api/v2/tenants/settings."""

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller, body_of
from api.services import Services
from consent.management import tenant_settings
from consent.management.listing import query, selection
from consent.store import keys
from consent.tenant import TENANT_ID, Tenant


class TenantSettings:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def read(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        selected = selection(query(call.scope["query_string"]))
        return json_reply(selected(tenant_settings.tenant_shown(await self._services.tenant())))

    async def change(self, call: Call, caller: Caller) -> Reply:
        """Of changes at once each is merged into what the other has left."""
        services, body = self._services, body_of(call)
        wanted = tenant_settings.changed_tenant(await services.tenant(), body)
        if wanted.default_audience and not await services.resource_server(wanted.default_audience):
            raise tenant_settings.unknown_audience()
        changed = await services.directory.change(
            keys.TENANT,
            TENANT_ID,
            Tenant,
            lambda stored: tenant_settings.changed_tenant(stored, body),
            event=caller.act.event(),
        )
        if changed is None:
            raise AssertionError("the tenant's record was made at start")
        return json_reply(tenant_settings.tenant_shown(changed))
