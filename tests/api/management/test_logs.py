"""/api/v2/logs: what happened, as an administrator looks for it."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from api.management import logs as module
from consent.audit import chain
from consent.audit.chain import log_id
from consent.management import logs
from consent.store import keys
from consent.store.audit import Audit
from tests.support.audited import ISSUER
from tests.support.management import Administration, Story, check_refused
from workers.appender import Appender

Told = Callable[[Story], None]
ABSENT = log_id(4_711)


class Logged:
    """A log in which things have happened; `base` is the number of the last record before."""

    def __init__(self, admin: Administration) -> None:
        self.admin = admin
        self.audit = Audit(admin.services.store.redis, admin.services.settings.partitions)
        self.base = 0

    async def add(self, code: str, **fields: str) -> None:
        flat = [text for field in fields.items() for text in field]
        await self.admin.services.store.redis.execute("XADD", keys.EVENTS, "*", "t", code, *flat)

    async def move(self) -> None:
        services = self.admin.services
        appender = Appender(self.audit, services.directory, services.seal.audit_key, ISSUER)
        while await appender.move():
            pass

    async def get(self, query: str = "", path: str = "logs") -> Any:  # noqa: ANN401 - JSON
        answer = await self.admin.call("GET", f"{path}?{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def numbers(self, query: str, path: str = "logs") -> list[int]:
        """Of the records in the answer, counted from those that were there before."""
        return [it["n"] - self.base for it in await self.get(query, path)]


async def logged(admin: Administration, count: int = 0) -> Logged:
    use = Logged(admin)
    await use.move()  # what the start of the API has done
    use.base = (await use.audit.state()).end.number
    for number in range(count):
        await use.add("seccft" if number % 2 else "srat", client=f"c{number}")
    await use.move()
    return use


def test_a_search_is_sent_under_either_name(told: Told) -> None:
    """Auth0's libraries know the second only; of both, both are meant."""

    async def story(admin: Administration) -> None:
        use = await logged(admin, 4)
        for query in ("q=client_id:c1", "search=client_id:c1", "q=type:seccft&search=client_id:c1"):
            assert await use.numbers(query) == [2]
        assert await use.get("q=type:srat&search=client_id:c1") == []

    told(story)


def test_a_page_is_newest_first(told: Told) -> None:
    async def story(admin: Administration) -> None:
        use = await logged(admin, 7)
        assert await use.numbers("per_page=3") == [7, 6, 5]
        assert await use.numbers("per_page=3&page=1") == [4, 3, 2]
        assert (await use.numbers("per_page=3&page=2"))[0] == 1
        assert await use.get("page=1000000") == []
        whole = await use.get("per_page=2&include_totals=true")
        assert {**whole, "logs": None} == {
            "total": use.base + 7,
            "start": 0,
            "limit": 2,
            "length": 2,
            "logs": None,
        }
        assert (await use.get("per_page=1&sort=date:1"))[0]["n"] == 1
        [last] = await use.get("per_page=1&sort=date:-1&fields=type,log_id")
        assert last == {"type": "srat", "log_id": log_id(use.base + 7)}

    told(story)


def test_a_walk_goes_on_from_the_oldest_to_the_newest(told: Told) -> None:
    async def story(admin: Administration) -> None:
        use = await logged(admin, 7)
        seen: list[int] = []
        after = log_id(use.base)
        while page := await use.get(f"from={after}&take=3"):
            seen += [it["n"] - use.base for it in page]
            after = page[-1]["log_id"]
        assert seen == [1, 2, 3, 4, 5, 6, 7]
        assert (await use.get("take=1"))[0]["n"] == 1
        assert await use.get(f"from={ABSENT}") == []
        await use.add("srrt")
        await use.move()
        assert await use.numbers(f"from={after}") == [8]

    told(story)


def test_a_record_is_found_by_its_id_and_can_be_checked(told: Told) -> None:
    async def story(admin: Administration) -> None:
        use = await logged(admin, 2)
        record = await use.get(path=f"logs/{log_id(use.base + 1)}")
        own = record.pop("hash")
        assert chain.hash_of(record) == own
        assert record["client_id"] == "c0"
        following = await use.get("fields=previous", f"logs/{log_id(use.base + 2)}")
        assert following == {"previous": own}

    told(story)


@pytest.mark.parametrize(
    "name", [ABSENT, log_id(0), "1", "x", "*", "%2B", "%00", "9" * 20, "9" * 8_000, "%FF"]
)
def test_an_id_that_is_none_finds_no_record(told: Told, name: str) -> None:
    """T28."""

    async def story(admin: Administration) -> None:
        answer = await admin.call("GET", f"logs/{name}")
        assert check_refused(answer, 404, "log_not_found") == "The log event does not exist."

    told(story)


def test_what_is_forged_after_the_end_is_not_shown(told: Told) -> None:
    async def story(admin: Administration) -> None:
        use = await logged(admin, 1)
        forged = await use.audit.last_number() + 1
        redis = admin.services.store.redis
        await redis.execute("XADD", keys.LOG_RECORDS, f"{forged}-0", "r", '{"n":0}')
        assert await use.numbers("per_page=1") == [1]
        check_refused(await admin.call("GET", f"logs/{log_id(forged)}"), 404, "log_not_found")

    told(story)


def test_what_is_looked_for_is_found(told: Told) -> None:
    async def story(admin: Administration) -> None:
        use = await logged(admin, 6)
        assert await use.numbers("q=type:seccft") == [6, 4, 2]
        assert await use.numbers("q=type:seccft&sort=date:1") == [2, 4, 6]
        assert await use.numbers("q=type:seccft&per_page=2&page=1") == [2]
        assert await use.numbers("q=type:srat AND NOT client_id:c0".replace(" ", "%20")) == [5, 3]
        assert await use.numbers("q=client_id:c1%20OR%20client_id:c2") == [3, 2]
        found = await use.get("q=client_id:c3&include_totals=true&fields=client_id")
        assert (found["total"], found["logs"]) == (1, [{"client_id": "c3"}])
        today = (await use.get("per_page=1"))[0]["date"][:10]
        dated = f"q=type:seccft%20AND%20date:[{today}%20TO%20{today}]"
        assert await use.numbers(dated) == [6, 4, 2]
        assert await use.get("q=type:seccft%20AND%20date:[2001%20TO%202002]") == []
        assert await use.get("q=type:seccft%20AND%20date:%3E2100-01-01") == []

    told(story)


def test_the_log_of_a_user(told: Told) -> None:
    async def story(admin: Administration) -> None:
        use = await logged(admin)
        for user_id in ("auth0|u1", "auth0|u2"):
            subject = msgspec.json.encode({"subject": {"user_id": user_id}}).decode()
            await use.add("sapi", e=subject)
        await use.add("srat")
        await use.move()
        path = "users/auth0%7Cu2/logs"
        assert await use.numbers("", path) == [2]
        assert await use.numbers("q=type:srat", path) == []
        check_refused(await admin.call("GET", f"{path}?take=1"), 400, "invalid_query_string")

    told(story)


def test_a_search_ends_and_says_so(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LOOKED_AT_MAX", 4)
    monkeypatch.setattr(module, "_READ_AT_ONCE", 2)

    async def story(admin: Administration) -> None:
        use = await logged(admin, 8)
        incomplete = await admin.call("GET", "logs?q=client_id:c0")
        assert incomplete.json() == []
        assert incomplete.headers["nod-search-incomplete"]
        assert incomplete.headers["content-type"] == "application/json"
        found = await admin.call("GET", "logs?q=client_id:c7&per_page=1")
        assert [it["n"] - use.base for it in found.json()] == [8]
        assert "nod-search-incomplete" not in found.headers
        assert "nod-search-incomplete" not in (await admin.call("GET", "logs")).headers

    told(story)


@pytest.mark.parametrize(
    "query",
    [
        "q=type",
        "q=(",
        "q=binding_message:x",
        "q=" + "x" * 3_000,
        "sort=type:1",
        "sort=date",
        "from=1",
        "from=x&take=5",
        f"from={ABSENT}&q=type:sapi",
        "take=0",
        "take=5&sort=date:1",
        "page=-1",
        "per_page=101",
        "include_totals=1",
        "fields=%3C",
        "page=1&page=2",
        "q=%FF",
    ],
)
def test_a_query_that_means_nothing_is_refused(told: Told, query: str) -> None:
    async def story(admin: Administration) -> None:
        answer = await admin.call("GET", f"logs?{query}")
        check_refused(answer, 400, "invalid_query_string")

    told(story)


@pytest.mark.parametrize("path", ["logs", f"logs/{ABSENT}", "users/auth0%7Cu/logs"])
def test_the_log_is_for_those_who_may_read_it(told: Told, path: str) -> None:
    async def story(admin: Administration) -> None:
        refused = await admin.call("GET", path, scopes=["read:users", "read:consents"])
        check_refused(refused, 403, "insufficient_scope")

    told(story)
