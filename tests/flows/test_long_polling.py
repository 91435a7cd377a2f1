"""
Polls that are held until the person has decided (CIBA 10.1, A125, decision 11).

`TEST_HELD` sets how many wait at once.
"""

import contextlib
import os
import resource
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from api.__main__ import open_all_files_allowed
from api.long_polls import preferred_seconds
from consent.identifiers import consent_id_of
from consent.store.keys import Partition
from scripts.simulated_phone import SimulatedPhone
from tests.support.held_polls import ApiAlone, accepted_in_bulk, held_poll, wait_until_polled
from tests.support.nod import Nod, OAuthClient, wait_for
from tests.support.raw_http import Client, Response
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.xdist_group("long_polling")
HELD = int(os.environ.get("TEST_HELD", "2000"))
REQUESTS_OF_A_PERSON = 500
PROMPT_SECONDS = 0.5  # milliseconds, but for a machine that is shared
WAIT = "wait=30"
PENDING = (400, "authorization_pending")


class World(NamedTuple):
    nod: Nod
    server: RedisServer
    database: redis.Redis


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    started = RedisServer(tmp_path_factory.mktemp("redis_of_held_polls")).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def world(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    started = ApiAlone(
        server.url,
        tmp_path_factory.mktemp("held_polls"),
        poll_interval_seconds="1",
        person_requests_per_minute_max="1000000",
        person_open_requests_max="1000",
    ).start()
    with redis.Redis.from_url(server.url) as database:
        yield World(started, server, database)
    started.stop()


@pytest.fixture
def nod(world: World) -> Nod:
    return world.nod


class Asked(NamedTuple):
    client: OAuthClient
    user_id: str
    phone: SimulatedPhone
    auth_req_id: str


def asked(nod: Nod, expiry: str = "300", **metadata: object) -> Asked:
    client, user_id = nod.new_client(**metadata), nod.new_user()
    phone = nod.new_phone(user_id)
    return Asked(client, user_id, phone, nod.accepted(client, user_id, requested_expiry=expiry))


def decide(phone: SimulatedPhone, *, accept: bool = True) -> None:
    [notification] = phone.pending()
    phone.resolve(notification, accept=accept)


def outcome(answer: Response) -> tuple[int, str | None]:
    return answer.status, answer.json().get("error")


@contextlib.contextmanager
def held(world: World, one: Asked, *prefer: str) -> Iterator[Client]:
    """A poll that the server is holding."""
    with held_poll(world.nod, one.client, one.auth_req_id, *(prefer or (WAIT,))) as poll:
        wait_until_polled(world.database, one.auth_req_id)
        yield poll


def remove_user(nod: Nod, one: Asked) -> None:
    assert nod.admin("DELETE", f"users/{one.user_id}").status_code == 204


ENDS: dict[str, tuple[Any, tuple[int, str | None]]] = {
    "approved": (lambda _, one: decide(one.phone), (200, None)),
    "denied": (lambda _, one: decide(one.phone, accept=False), (400, "access_denied")),
    "the last phone leaves": (lambda _, one: one.phone.unenroll(), (400, "access_denied")),
    "the person is removed": (remove_user, (400, "access_denied")),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_held_poll_is_answered_when_it_is_decided(world: World, end: str) -> None:
    """A125: with the end itself, not with the next poll."""
    happen, expected = ENDS[end]
    one = asked(world.nod)
    with held(world, one) as poll:
        happen(world.nod, one)
        since = time.monotonic()
        answer = poll.response()
        seconds = time.monotonic() - since

    assert outcome(answer) == expected
    assert answer.headers["cache-control"] == "no-store"
    assert seconds < PROMPT_SECONDS
    assert answer.json().keys() == (
        {"access_token", "id_token", "token_type", "expires_in", "scope"}
        if expected[0] == 200
        else {"error", "error_description"}
    )


def test_a_request_expires_while_its_poll_is_held(world: World) -> None:
    """A119: at the deadline, not when the wait is over."""
    one = asked(world.nod, expiry="1")
    since = time.monotonic()
    with held(world, one) as poll:
        answer = poll.response()

    assert outcome(answer) == (400, "expired_token")
    assert 0.8 < time.monotonic() - since < 1 + PROMPT_SECONDS


def test_a_poll_is_held_for_as_long_as_it_says_and_may_be_repeated_at_once(world: World) -> None:
    """A116: the interval counts from when the poll arrived."""
    one = asked(world.nod)
    with held(world, one, "wait=1") as poll:
        since = time.monotonic()
        first = poll.response()
        seconds = time.monotonic() - since
        again = world.nod.poll(one.client, one.auth_req_id)

    assert outcome(first) == PENDING
    assert 0.8 < seconds < 1 + PROMPT_SECONDS
    assert (again.status_code, again.json()["error"]) == PENDING


def test_a_client_may_register_that_its_polls_are_held(world: World) -> None:
    """And still have one answered at once."""
    one = asked(world.nod, long_poll_seconds=30)
    with held_poll(world.nod, one.client, one.auth_req_id, "wait=0") as poll:
        assert outcome(poll.response()) == PENDING
    consent = Partition.of(one.auth_req_id).consent(consent_id_of(one.auth_req_id))
    world.database.hdel(consent, "last_op", "next_poll_at")  # as if the interval had passed
    with held_poll(world.nod, one.client, one.auth_req_id) as poll:
        wait_until_polled(world.database, one.auth_req_id)
        decide(one.phone)

        assert outcome(poll.response()) == (200, None)


def test_nobody_waits_for_what_is_already_known(world: World) -> None:
    """A118 and what is not this client's (A111, A112): at once, and the owner loses nothing."""
    one, stranger = asked(world.nod), world.nod.new_client()
    with held_poll(world.nod, stranger, one.auth_req_id, WAIT) as poll:
        assert outcome(poll.response()) == (400, "invalid_grant")
    with held_poll(world.nod, stranger, "nonsense", WAIT) as poll:
        assert outcome(poll.response()) == (400, "invalid_grant")
    decide(one.phone)
    with held_poll(world.nod, one.client, one.auth_req_id, WAIT) as poll:
        assert outcome(poll.response()) == (200, None)
    with held_poll(world.nod, one.client, one.auth_req_id, WAIT) as poll:
        assert outcome(poll.response()) == (400, "invalid_grant")


def test_a_poll_that_comes_too_early_is_not_held(world: World) -> None:
    """A114, A126: the second of two overlapping polls is told so, and the first waits on."""
    one = asked(world.nod)
    with held(world, one) as first:
        with held_poll(world.nod, one.client, one.auth_req_id, WAIT) as second:
            assert outcome(second.response()) == (400, "slow_down")
        decide(one.phone)

        assert outcome(first.response()) == (200, None)


def test_overlapping_held_polls_have_one_winner(world: World) -> None:
    """A126, A122: however many are held of one request."""
    one = asked(world.nod)
    consent = Partition.of(one.auth_req_id).consent(consent_id_of(one.auth_req_id))
    with contextlib.ExitStack() as opened:
        polls = []
        for _ in range(8):
            world.database.hdel(consent, "last_op", "next_poll_at")  # none of them too early
            polls.append(opened.enter_context(held(world, one)))
        decide(one.phone)
        answers = Counter(outcome(poll.response()) for poll in polls)

    assert answers[200, None] == 1
    assert answers.keys() <= {(200, None), (400, "slow_down"), (400, "invalid_grant")}


def test_who_hangs_up_leaves_the_approval_to_be_redeemed(world: World) -> None:
    """T7: nothing is claimed for nobody."""
    one = asked(world.nod)
    with held(world, one):
        pass
    decide(one.phone)
    record = world.nod.admin("GET", f"consents/{consent_id_of(one.auth_req_id)}").json()
    answer = world.nod.poll(one.client, one.auth_req_id)

    assert record["state"] == "approved"
    assert answer.status_code == 200


@pytest.fixture(scope="module")
def few(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """It holds two polls and works on two requests; its shell allowed it 512 files."""
    url, most = server.database(1), resource.getrlimit(resource.RLIMIT_NOFILE)
    directory: Path = tmp_path_factory.mktemp("few_held_polls")
    nod = ApiAlone(url, directory, long_polls_max="2", concurrent_requests_max="2")
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, most[1]))
    try:
        nod.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, most)
    with redis.Redis.from_url(url) as database:
        yield World(nod, server, database)
    nod.stop()


def test_polls_past_the_bound_are_answered_as_any_other(few: World) -> None:
    """And those that are held take no place of what has work to do."""
    one, two, three = (asked(few.nod) for _ in range(3))
    with held(few, one) as first, held(few, two) as second:
        with held_poll(few.nod, three.client, three.auth_req_id, WAIT) as third:
            assert outcome(third.response()) == PENDING
        assert few.nod.start_request(three.client, three.user_id).status_code == 200
        for asking, poll in ((one, first), (two, second)):
            decide(asking.phone)
            assert outcome(poll.response()) == (200, None)


@pytest.mark.skipif(sys.platform != "linux", reason="another process' limits are not shown")
def test_a_process_may_open_as_many_files_as_it_holds_polls(few: World) -> None:
    soft, hard = resource.prlimit(few.nod.api.pid, resource.RLIMIT_NOFILE)

    assert soft == hard > 512


@pytest.mark.parametrize(
    ("prefer", "registered", "seconds"),
    [
        ("", 0, 0),
        ("", 20, 20),
        ("wait=10", 0, 10),
        ("wait=0", 20, 0),
        ("wait=30", 0, 30),
        ("wait=31", 0, 30),  # A125
        ("wait=999999999", 0, 30),
        ("Wait = 10", 0, 10),  # RFC 7240 2: names are case-insensitive, BWS is allowed
        ('wait="10"', 0, 10),
        ("respond-async, wait=10", 0, 10),  # RFC 7240 4.3
        ("wait=10; foo=bar, return=minimal", 0, 10),
        ("wait=10, wait=20", 0, 10),  # RFC 7240 2: the first counts
        ("respond-async; wait=10", 20, 20),  # a parameter of another preference
        ("await=10", 20, 20),
        ("wait", 20, 20),
        ("wait=", 20, 20),
        ("wait=-1", 20, 20),
        ("wait=1.5", 20, 20),
        ("wait=\u0661\u0660", 20, 20),
        ("wait=10 s", 20, 20),
        ("wait=" + "1" * 10, 20, 20),
        ("x=" + "y" * 300 + ", wait=10", 20, 20),
    ],
)
def test_a_preference_says_how_long_a_poll_is_held(
    prefer: str, registered: int, seconds: int
) -> None:
    """Thirty seconds at most, whatever is preferred (A125)."""
    assert preferred_seconds(prefer, registered) == seconds


@given(st.text(max_size=300), st.integers(0, 30))
def test_whatever_is_preferred_is_a_time(prefer: str, registered: int) -> None:
    assert 0 <= preferred_seconds(prefer, registered) <= 30
    assert 0 <= preferred_seconds(f"wait={prefer}", registered) <= 30


def test_a_preference_may_come_in_a_header_of_its_own(world: World) -> None:
    """RFC 7240 2: several Prefer headers are one list."""
    one = asked(world.nod)
    with held(world, one, "respond-async", WAIT) as poll:
        decide(one.phone)

        assert outcome(poll.response()) == (200, None)


def test_redis_restarts_while_polls_are_held(world: World) -> None:
    """T20: they end at once, with what is known; and polls are held again afterwards."""
    nod, one = world.nod, asked(world.nod)
    with held(world, one) as poll:
        world.server.kill()
        world.server.start()
        since = time.monotonic()
        answer = poll.response()
        seconds = time.monotonic() - since

    assert seconds < 3
    assert outcome(answer) in {PENDING, (503, "temporarily_unavailable")}
    if answer.status == 503:
        assert int(answer.headers["retry-after"]) >= 1  # A131
    nod.wait_until_ready()
    decide(one.phone)
    wait_for(lambda: nod.poll(one.client, one.auth_req_id).status_code == 200, "the tokens")
    wait_for(lambda: is_held(world), "a poll that is held")


def is_held(world: World) -> bool:
    one = asked(world.nod)
    with held(world, one, "wait=1") as poll:
        since = time.monotonic()
        decide(one.phone, accept=False)
        return outcome(poll.response()) == (400, "access_denied") and time.monotonic() - since < 1


class Crowd(NamedTuple):
    """Polls that wait, by consent; `phones` are of the people who were asked."""

    client: OAuthClient
    phones: list[SimulatedPhone]
    polls: dict[str, Client]


@pytest.fixture(scope="module")
def crowd(world: World) -> Iterator[Crowd]:
    nod, database = world.nod, world.database
    open_all_files_allowed()
    client = nod.new_client()
    phones: list[SimulatedPhone] = []
    auth_req_ids: list[str] = []
    while len(auth_req_ids) < HELD:
        user_id = nod.new_user()
        phones.append(nod.new_phone(user_id))
        count = min(REQUESTS_OF_A_PERSON, HELD - len(auth_req_ids))
        auth_req_ids += accepted_in_bulk(nod, client, user_id, count)
    with contextlib.ExitStack() as opened:
        polls = {}
        for auth_req_id in auth_req_ids:
            poll = opened.enter_context(held_poll(nod, client, auth_req_id, WAIT))
            polls[consent_id_of(auth_req_id)] = poll
        wait_until_polled(database, *auth_req_ids)
        yield Crowd(client, phones, polls)


def commands(database: redis.Redis) -> Counter[str]:
    """How often each was called; those of a silent subscription and of this test are left out."""
    stats = database.info("commandstats")
    ours = {"cmdstat_info", "cmdstat_ping"}
    return Counter({name: stat["calls"] for name, stat in stats.items() if name not in ours})


def test_polls_that_are_held_cost_no_redis_command(world: World, crowd: Crowd) -> None:
    before = commands(world.database)
    threading.Event().wait(1)  # there is nothing to wait for: nothing is to happen
    after = commands(world.database)

    assert len(crowd.polls) == HELD
    assert after - before == Counter()


def test_a_client_polls_long_while_thousands_wait(world: World, crowd: Crowd) -> None:
    """And hears as soon as if it were alone."""
    assert crowd.polls
    for _ in range(5):
        one = asked(world.nod)
        with held(world, one) as poll:
            decide(one.phone)
            since = time.monotonic()

            assert outcome(poll.response()) == (200, None)
            assert time.monotonic() - since < PROMPT_SECONDS


def test_each_of_a_crowd_hears_its_own_decision(crowd: Crowd) -> None:
    """Of those whom the phones list first."""
    decided = [(phone, pending) for phone in crowd.phones for pending in phone.pending()]
    for number, (phone, pending) in enumerate(decided):
        phone.resolve(pending, accept=number % 2 == 0)
    answers = [outcome(crowd.polls.pop(pending.txlnkid).response()) for _, pending in decided]

    assert len(answers) >= 10
    assert answers[::2] == [(200, None)] * len(answers[::2])
    assert answers[1::2] == [(400, "access_denied")] * len(answers[1::2])


def test_a_process_that_ends_answers_whom_it_holds(world: World, crowd: Crowd) -> None:
    """U7: authorization_pending, and it is gone in a moment; the next process serves them."""
    nod, since = world.nod, time.monotonic()
    code = nod.api.end(signal.SIGTERM)
    seconds = time.monotonic() - since
    answers = Counter(outcome(poll.response()) for poll in crowd.polls.values())
    nod.api.start()
    nod.wait_until_ready()

    assert code == 0
    assert answers == {PENDING: len(crowd.polls)}
    assert seconds < 3
