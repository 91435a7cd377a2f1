"""/api/v2/initial-access-tokens: who may register a client where that takes a token (ours)."""

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller, body_of
from api.management.lists import directory_list
from api.services import Services
from consent.management.initial_access_tokens import new_token, token_shown
from consent.management.listing import query
from consent.registration.initial_access_token import InitialAccessToken
from consent.store import keys


class InitialAccessTokens:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, call: Call, caller: Caller) -> Reply:
        """All members of the body have defaults, and so has the body."""
        body = body_of(call) if call.body else {}
        record, token = new_token(body, self._services.clock())
        await self._services.directory.create(
            keys.INITIAL_ACCESS_TOKENS,
            record.id,
            record,
            event=caller.act.event(initial_access_token=record.id),
        )
        return json_reply(token_shown(record, token), 201)

    async def read_all(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        return await directory_list(
            self._services.directory,
            keys.INITIAL_ACCESS_TOKENS,
            InitialAccessToken,
            query(call.scope["query_string"]),
            name="initial_access_tokens",
            id_of=lambda record: record.id,
            shown=token_shown,
        )

    async def delete(self, call: Call, caller: Caller) -> Reply:
        """It registers nobody any more; who registered by it stays."""
        token_id = call.path["id"]
        await self._services.directory.remove(
            keys.INITIAL_ACCESS_TOKENS,
            token_id,
            event=caller.act.event(initial_access_token=token_id),
        )
        return Reply(204, headers=())
