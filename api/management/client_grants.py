"""/api/v2/client-grants: what a client may ask of an audience for itself."""

import secrets

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller, body_of
from api.services import Services
from consent.access import ClientGrant
from consent.management import client_grants
from consent.management.clients import inexistent_client
from consent.management.listing import listing, query
from consent.management.resource_servers import inexistent_resource_server
from consent.store import keys


class ClientGrants:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, call: Call, caller: Caller) -> Reply:
        services = self._services
        grant = client_grants.new_client_grant(body_of(call), creation=secrets.token_urlsafe(8))
        resource_server = await services.resource_server(grant.audience)
        if resource_server is None:
            raise inexistent_resource_server()
        client_grants.check_grantable(grant, resource_server, caller.scopes)
        match await services.directory.create_client_grant(grant):
            case "created":
                return json_reply(client_grants.client_grant_shown(grant), 201)
            case "exists":
                raise client_grants.existing_client_grant()
            case "unknown_client":
                raise inexistent_client()
            case "unknown_resource_server":
                raise inexistent_resource_server()
            case reply:
                raise AssertionError(f"create_client_grant.lua replied {reply}")

    async def read_all(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        parameters = query(call.scope["query_string"])
        found = [
            grant
            for grant in await self._services.directory.read_all(keys.CLIENT_GRANTS, ClientGrant)
            if parameters.get("audience", grant.audience) == grant.audience
            and parameters.get("client_id", grant.client_id) == grant.client_id
        ]
        return json_reply(
            listing(
                "client_grants",
                found,
                lambda grant: grant.id,
                client_grants.client_grant_shown,
                parameters,
            )
        )

    async def delete(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        await self._services.directory.remove((keys.CLIENT_GRANTS, call.path["id"]))
        return Reply(204, headers=())
