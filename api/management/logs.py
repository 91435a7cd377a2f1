"""/api/v2/logs: what happened, newest first, one by one or as a walk from the oldest."""

from collections.abc import Callable

import msgspec

from api.edge import JSON_HEADERS, Call, Reply, json_reply
from api.management.guard import Caller
from api.services import Services
from consent.audit.chain import number_of
from consent.management import logs
from consent.management.listing import (
    Paging,
    Shown,
    invalid_query,
    page_shown,
    paging,
    query,
    selection,
)
from consent.management.search import Expression
from consent.store.audit import Audit

Selected = Callable[[Shown], Shown]
_READ_AT_ONCE = 250  # of those that are looked at; others have their turn in between
_INCOMPLETE = (
    b"nod-search-incomplete",
    b"the search ended after %d records" % logs.LOOKED_AT_MAX,
)


class Logs:
    def __init__(self, services: Services) -> None:
        self._audit = Audit(services.store.redis, services.settings.partitions)

    async def read_all(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        return await self._list(call)

    async def read_of_user(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        return await self._list(call, user_id=call.path["user_id"])

    async def read(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        selected = selection(query(call.scope["query_string"]))
        number = number_of(call.path["id"])
        if number is not None:
            # What stands after the end was not put there by this server.
            first, last = await self._numbers()
            stored = await self._audit.record(number) if first <= number <= last else None
            if stored is not None:
                return json_reply(selected(msgspec.json.decode(stored)))
        raise logs.inexistent_log()

    async def _list(self, call: Call, user_id: str = "") -> Reply:
        parameters = query(call.scope["query_string"])
        asked, selected = paging(parameters), selection(parameters)
        first, last = await self._numbers()
        if asked.after is not None:
            if user_id:
                raise invalid_query("the logs of a user have pages by number only")
            after = max(logs.checkpoint(parameters, asked.after), first - 1)
            walked = await self._records(after + 1, min(after + asked.take, last))
            return json_reply([selected(record) for record in walked])
        newest = logs.newest_first(parameters)
        # Auth0's libraries have their query in `search`.
        queries = (parameters.get(name, "") for name in ("q", "search"))
        expression = logs.search(*queries, user_id=user_id)
        if expression is not None:
            return await self._search(expression, asked, selected, newest=newest)
        page = logs.page_of((first, last), asked.start, asked.take, newest=newest)
        found = [selected(record) for record in await self._records(*page, newest=newest)]
        return json_reply(page_shown("logs", found, last - first + 1, asked))

    async def _search(
        self, expression: Expression, asked: Paging, selected: Selected, *, newest: bool
    ) -> Reply:
        """The page of what is found; the total is of what was looked at."""
        numbers = await self._window(expression)
        there_are = numbers[1] - numbers[0] + 1
        wanted = logs.LOOKED_AT_MAX if asked.include_totals else asked.start + asked.take
        found: list[Shown] = []
        looked_at = 0
        while looked_at < min(there_are, logs.LOOKED_AT_MAX) and len(found) < wanted:
            part = logs.page_of(numbers, looked_at, _READ_AT_ONCE, newest=newest)
            records = await self._records(*part, newest=newest)
            found += [it for it in records if logs.is_meant(expression, it)]
            looked_at += _READ_AT_ONCE
        page = [selected(it) for it in found[asked.start : asked.start + asked.take]]
        reply = json_reply(page_shown("logs", page, len(found), asked))
        is_incomplete = len(found) < wanted and looked_at < there_are
        return reply._replace(headers=(*JSON_HEADERS, _INCOMPLETE)) if is_incomplete else reply

    async def _window(self, expression: Expression) -> tuple[int, int]:
        """The numbers of the first and the last record that may be meant."""
        first, last = await self._numbers()
        since, until = logs.window(expression)
        if since is not None:
            first = max(first, await self._audit.first_since(since))
        if until is not None:
            last = min(last, await self._audit.first_since(until + 1) - 1)
        return first, last

    async def _numbers(self) -> tuple[int, int]:
        """Of the first and the last record of the log."""
        state = await self._audit.state()
        return state.anchor.number + 1, state.end.number

    async def _records(self, first: int, last: int, *, newest: bool = False) -> list[Shown]:
        if last < first:
            return []
        stored = await self._audit.records(first, last, newest_first=newest)
        return [msgspec.json.decode(it) for it in stored]
