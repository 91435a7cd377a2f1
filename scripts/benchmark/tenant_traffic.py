"""The requests that are made of a tenant, whatever its size, and what they must be answered."""

import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from consent.client import Client
from consent.management.users import User
from consent.store import keys
from scripts.benchmark import memory, residents, traffic
from scripts.benchmark.http_load import Expected
from scripts.benchmark.population import Person, Population, in_batches
from scripts.benchmark.residents import AUDIENCE, Size
from scripts.benchmark.traffic import Traffic

PAGE = 20
FEW = 50  # of the clients, whom everybody asks for
_NEW_APP = "new"
_NEW_EMAIL = "new-"
_NEW_CLIENT = {"name": "A new one", "app_type": _NEW_APP}
_MADE_MAX = 10_000  # in a round
_STEP = 7_919  # prime: the next of a tenant is far from the last, and all have their turn

LISTED_BY_NUMBER = Expected(200, b'"length":%d' % PAGE)
LISTED = Expected(200, b'"next":')
LAST = Expected(200, b"}]}")
FOUND_ONE = Expected(200, b'"email":')
FOUND_TEN = Expected(200, b'"length":10,')
CLIENT_SHOWN = Expected(200, b'"client_id":')
GRANT_SHOWN = Expected(200, b'"scope":["read:orders"]')
CREATED = Expected(201)
DELETED = Expected(204)


class Scenario(NamedTuple):
    """`build` makes the request that is the nth of its kind."""

    name: str
    expected: Expected
    build: Callable[[int], bytes]


class TenantTraffic:
    """Requests to one tenant of residents, by an administrator who holds a token."""

    def __init__(
        self, population: Population, size: Size, token: str, phones: Sequence[Person]
    ) -> None:
        self._population = population
        self._token = token
        self._phones = phones
        self._traffic = Traffic(population)
        self._store = population.store
        self._clients = _turns(size.clients)
        self._users = _turns(size.users)

    async def scenarios(self, count: int) -> list[Scenario]:
        """`count` is how many requests are to be made of each."""
        leaving = await self._leaving(count)
        build = self._traffic
        return [
            *await self._client_pages(),
            self._read("GET /clients/{id}, one of a few", CLIENT_SHOWN, self._client_of(FEW)),
            self._read("GET /clients/{id}, any", CLIENT_SHOWN, self._client_of(0)),
            self._read(
                "GET /client-grants?client_id=",
                GRANT_SHOWN,
                lambda _: f"client-grants?client_id={residents.client_id(next(self._clients))}",
            ),
            *await self._user_pages(),
            self._read("GET /users/{id}", FOUND_ONE, lambda _: f"users/{self._user()}"),
            self._read(
                "GET /users-by-email",
                FOUND_ONE,
                lambda _: f"users-by-email?email={residents.email(next(self._users))}",
            ),
            self._read(
                'GET /users?q=email:"..."',
                FOUND_ONE,
                lambda _: f"users?q=email:%22{residents.email(next(self._users))}%22",
            ),
            self._read(
                "GET /users?q=email:...* (ten)",
                FOUND_TEN,
                lambda _: (
                    "users?include_totals=true&q=email:"
                    f"{residents.email(next(self._users) // 10 * 10).partition('@')[0][:-1]}*"
                ),
            ),
            self._page(
                "GET /users?connection=",
                LISTED_BY_NUMBER,
                f"users?connection=users&include_totals=true&per_page={PAGE}",
            ),
            self._change("POST /clients", CREATED, "POST", lambda _: ("clients", _NEW_CLIENT)),
            self._change(
                "DELETE /clients/{id}", DELETED, "DELETE", lambda n: (f"clients/{leaving[n]}", None)
            ),
            self._change("POST /users", CREATED, "POST", lambda _: ("users", _new_user())),
            Scenario(
                "client_credentials, one of a few",
                traffic.GRANTED,
                lambda n: build.own_token(residents.client_id(n % FEW), AUDIENCE),
            ),
            Scenario(
                "client_credentials, any",
                traffic.GRANTED,
                lambda _: build.own_token(residents.client_id(next(self._clients)), AUDIENCE),
            ),
            Scenario(
                "POST /bc-authorize, by user_id",
                traffic.STARTED,
                lambda n: build.start(self._phones[n % len(self._phones)]),
            ),
            Scenario(
                "POST /bc-authorize, by e-mail",
                traffic.STARTED,
                lambda n: build.start_for(residents.email(n % len(self._phones))),
            ),
        ]

    async def tidy(self) -> None:
        """Take away what a round has made: a small tenant is to stay one."""
        directory, people = self._store.directory, self._store.people
        made, _ = await directory.page(
            keys.CLIENTS, Client, f"app {_NEW_APP}", start=0, count=_MADE_MAX
        )
        await in_batches(lambda client: directory.remove_client(client.client_id), made)
        found = await self._store.people_lists.find_all(
            "email", _NEW_EMAIL, prefix=True, most=_MADE_MAX
        )
        await in_batches(people.remove, found)
        await memory.clear_events(self._population)

    def _read(self, name: str, expected: Expected, path: Callable[[int], str]) -> Scenario:
        return self._change(name, expected, "GET", lambda n: (path(n), None))

    def _change(
        self,
        name: str,
        expected: Expected,
        method: str,
        call: Callable[[int], tuple[str, object]],
    ) -> Scenario:
        def build(n: int) -> bytes:
            path, body = call(n)
            return self._traffic.managed(self._token, method, path, body)

        return Scenario(name, expected, build)

    def _client_of(self, few: int) -> Callable[[int], str]:
        """The path of one of so many clients, or of any."""
        return lambda n: f"clients/{residents.client_id(n % few if few else next(self._clients))}"

    def _user(self) -> str:
        return residents.user_id(next(self._users)).replace("|", "%7C")

    async def _client_pages(self) -> list[Scenario]:
        directory, filtered = self._store.directory, f"app {residents.APP_TYPE}"

        async def total(index: str) -> int:
            _, count = await directory.page(keys.CLIENTS, Client, index, start=0, count=1)
            return count

        async def at(rank: int) -> str:
            [client], _ = await directory.page(keys.CLIENTS, Client, start=rank, count=1)
            return client.client_id

        first, last = await at(await total("") // 2), await at(await total("") - PAGE - 1)
        return [
            *self._numbered("clients?", await total("")),
            *self._walked("clients", first, last),
            *self._numbered(f"clients?app_type={residents.APP_TYPE}&", await total(filtered)),
        ]

    async def _user_pages(self) -> list[Scenario]:
        lists = self._store.people_lists
        _, total = await lists.page(0, 1)

        async def at(rank: int) -> str:
            [listed], _ = await lists.page(rank, 1)
            return msgspec.json.decode(listed.user, type=User).user_id.replace("|", "%7C")

        return [
            *self._numbered("users?", total),
            *self._walked("users", await at(total // 2), await at(total - PAGE - 1)),
        ]

    def _numbered(self, path: str, total: int) -> list[Scenario]:
        last = total // PAGE - 1  # the last that is full
        return [
            self._page(
                f"GET /{path.rstrip('?&')}, {place} page",
                LISTED_BY_NUMBER,
                f"{path}include_totals=true&per_page={PAGE}&page={page}",
            )
            for place, page in (("first", 0), ("middle", last // 2), ("last", last))
        ]

    def _walked(self, path: str, middle: str, last: str) -> list[Scenario]:
        return [
            self._page(f"GET /{path}, walk {place}", expected, f"{path}?take={PAGE}&from={after}")
            for place, after, expected in (
                ("begins", "", LISTED),
                ("half way", middle, LISTED),
                ("ends", last, LAST),
            )
        ]

    def _page(self, name: str, expected: Expected, path: str) -> Scenario:
        return self._read(name, expected, lambda _: path)

    async def _leaving(self, count: int) -> list[str]:
        """Clients that are there to be deleted."""
        leaving = [secrets.token_urlsafe(24) for _ in range(count)]

        async def create(client_id: str) -> None:
            client = msgspec.structs.replace(residents.client(0), client_id=client_id)
            await self._store.directory.create(keys.CLIENTS, client_id, client)

        await in_batches(create, leaving)
        return leaving


def _turns(count: int) -> Iterator[int]:
    return (n * _STEP % count for n in itertools.count())


def _new_user() -> dict[str, str]:
    return {"email": f"{_NEW_EMAIL}{secrets.token_hex(8)}@example.com", "name": "Somebody new"}
