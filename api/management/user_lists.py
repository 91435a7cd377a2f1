"""/api/v2/users and /api/v2/users-by-email: users in lists, all of them or those looked for."""

import msgspec

from api.edge import Call, Reply, json_reply
from api.management.guard import Caller
from api.services import Services
from consent.identifiers import person_id_of
from consent.management.listing import (
    Paging,
    Shown,
    checkpoint_shown,
    invalid_query,
    page_shown,
    paging,
    query,
    selection,
)
from consent.management.search import MalformedQuery, matches
from consent.management.user_search import FOUND_MAX, Plan, normal, ordered, plan, values
from consent.management.users import User, user_shown
from consent.store.people_lists import Listed

_SEARCH_ENGINE = "v3"


class UserLists:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._lists = services.people_lists

    async def read_all(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        parameters = query(call.scope["query_string"])
        asked, selected = paging(parameters), selection(parameters)
        try:
            if "q" in parameters or "connection" in parameters:
                users, rest = await self._search(parameters, asked)
            else:
                users, rest = await self._all(parameters, asked)
        except MalformedQuery as error:
            raise invalid_query(error.reason) from None
        shown = [selected(user) for user in users[: asked.take]]
        if asked.after is None:
            return json_reply(page_shown("users", shown, rest, asked))
        last = str(users[asked.take - 1]["user_id"]) if len(users) > asked.take else None
        return json_reply(checkpoint_shown("users", shown, last))

    async def by_email(self, call: Call, caller: Caller) -> Reply:  # noqa: ARG002
        parameters = query(call.scope["query_string"])
        selected = selection(parameters)
        if "email" not in parameters:
            raise invalid_query("email is needed")
        found = await self._lists.find_all(
            "email", normal("email", parameters["email"]), most=FOUND_MAX
        )
        return json_reply([selected(user) for user in _shown(await self._lists.read_many(found))])

    async def _all(self, parameters: dict[str, str], asked: Paging) -> tuple[list[Shown], int]:
        """
        What is asked for of the tenant, one more than that of a walk, to see if it goes on, and how
        many there are. Raises MalformedQuery.
        """
        if "sort" in parameters:
            raise MalformedQuery("sort needs a q or a connection")
        if asked.after is None:
            listed, total = await self._lists.page(asked.start, asked.take)
            return _shown(listed), total
        after = self._person(asked.after) if asked.after else ""
        return _shown(await self._lists.page_after(after, asked.take + 1)), 0

    async def _search(self, parameters: dict[str, str], asked: Paging) -> tuple[list[Shown], int]:
        """The same of those who are looked for. Raises MalformedQuery."""
        if parameters.get("search_engine", _SEARCH_ENGINE) != _SEARCH_ENGINE:
            raise MalformedQuery("search_engine must be v3")
        wanted = plan(parameters.get("q", ""), parameters.get("connection", ""))
        sort = parameters.get("sort", "")
        if sort and asked.after is not None:
            raise MalformedQuery("a sorted list has pages by number only")
        after = self._person(asked.after) if asked.after else ""
        match wanted.lookups:
            case [("connection" as field, value, False)] if wanted.is_exact and not sort:
                # Half of the tenant has it: not even the ids of all who can be reached are read.
                listed, total = await self._lists.page_of(
                    field, value, asked.start, asked.take + 1, after=after, most=FOUND_MAX
                )
                return _shown(listed), total
        found = await self._candidates(wanted)
        if after:
            found = [person_id for person_id in found if person_id > after]
        begin, end = asked.start, asked.start + asked.take + 1
        if wanted.is_exact and not sort:
            return _shown(await self._lists.read_many(found[begin:end])), len(found)
        users = _shown(await self._lists.read_many(found))
        users = [user for user in users if matches(wanted.expression, values(user))]
        if sort:
            users = ordered(users, sort)
        return users[begin:end], len(users)

    async def _candidates(self, wanted: Plan) -> list[str]:
        """The person_ids, in order, of whom the query may be true. Raises MalformedQuery."""
        found: set[str] = set()
        for field, value, prefix in wanted.lookups:  # one by one: enough is enough
            if field == "user_id":
                found.add(self._person(value))
            else:
                found.update(
                    await self._lists.find_all(field, value, prefix=prefix, most=FOUND_MAX + 1)
                )
            if len(found) > FOUND_MAX:
                break
        if len(found) > FOUND_MAX and not wanted.is_exact:
            # Those it is true of may be among the others: no answer is better than half of one.
            raise MalformedQuery(f"more than {FOUND_MAX} users may be meant: narrow it down")
        return sorted(found)[:FOUND_MAX]

    def _person(self, user_id: str) -> str:
        return person_id_of(user_id, self._services.settings.partitions)


def _shown(listed: list[Listed]) -> list[Shown]:
    return [
        user_shown(msgspec.json.decode(user, type=User), blocked=blocked)
        for user, blocked in listed
    ]
