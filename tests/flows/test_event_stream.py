"""The event stream of a phone, through HTTP: two processes, and what is asked of the people."""

import signal
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx2
import pytest

from consent import policy
from consent.identifiers import consent_id_of
from scripts import nginx
from scripts.doubles.certificates import write_certificates
from scripts.simulated_phone import SimulatedPhone
from tests.support.event_streams import PATH, Connection, Heard, Listener, proven
from tests.support.held_polls import ApiAlone
from tests.support.nod import Nod, OAuthClient, wait_for
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.xdist_group("event_stream")
MOST = 6  # streams of the other process
PROMPT_SECONDS = 1.0


class World(NamedTuple):
    nod: Nod
    other: Nod  # another process of the same installation

    def both(self) -> tuple[Nod, Nod]:
        return self.nod, self.other


@pytest.fixture(scope="module")
def world(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory, url = tmp_path_factory.mktemp("event_stream"), redis_server.database(11)
    limits = {"person_requests_per_minute_max": "1000", "person_open_requests_max": "20"}
    one = ApiAlone(url, directory / "one", **limits)
    other = ApiAlone(
        url, directory / "other", issuer=one.url, event_streams_max=str(MOST), **limits
    )
    other.environ["NOD_FCM_CREDENTIALS_FILE"] = one.environ["NOD_FCM_CREDENTIALS_FILE"]
    try:
        one.start()
        other.api.start()
        other.wait_until_ready()
        yield World(one, other)
    finally:
        for nod in (one, other):
            nod.stop()


class Somebody:
    """With two phones, and a client that asks."""

    def __init__(self, nod: Nod) -> None:
        self.nod = nod
        self.client: OAuthClient = nod.new_client()
        self.user_id = nod.new_user()
        self.phone: SimulatedPhone = nod.new_phone(self.user_id)
        self.second: SimulatedPhone = nod.new_phone(self.user_id)

    def asked(self, **parameters: str) -> str:
        return consent_id_of(self.nod.accepted(self.client, self.user_id, **parameters))

    def answered(self, consent_id: str, *, accept: bool = True) -> None:
        [notification] = [it for it in self.second.pending() if it.txlnkid == consent_id]
        self.second.resolve(notification, accept=accept)


@pytest.fixture
def somebody(world: World) -> Somebody:
    return Somebody(world.nod)


def address(nod: Nod) -> tuple[str, int]:
    return "127.0.0.1", nod.port


def stream(nod: Nod, phone: SimulatedPhone, listener: Listener | None = None) -> Connection:
    return Connection(address(nod), proven(phone), listener)


def open_streams(nod: Nod) -> int:
    text = httpx2.get(nod.url + "metrics").text
    return int(float(text.partition("\nnod_event_streams_open ")[2].partition("\n")[0]))


def test_a_request_appears_everywhere_and_disappears_when_it_is_answered_elsewhere(
    world: World, somebody: Somebody
) -> None:
    """Whichever process has the stream, and whichever was asked and answered."""
    with stream(world.nod, somebody.phone) as one, stream(world.other, somebody.phone) as other:
        for connection in (one, other):
            connection.until(lambda: connection.listener.retry_ms > 0)  # noqa: B023
        consent_id = somebody.asked()
        assert max(one.shows(consent_id), other.shows(consent_id)) < PROMPT_SECONDS
        somebody.answered(consent_id)
        assert max(one.shows(), other.shows()) < PROMPT_SECONDS

    assert one.status == 200
    assert {name: one.headers[name] for name in ("content-type", "cache-control")} == {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
    }
    assert one.headers["x-accel-buffering"] == "no"
    expected = [Heard("pending", consent_id), Heard("resolved", consent_id, "approved")]
    assert one.listener.heard == other.listener.heard == expected


def test_an_event_is_an_item_of_the_list(world: World, somebody: Somebody) -> None:
    """What a push would have carried: enough to fetch and to answer."""
    consent_id = somebody.asked()
    with stream(world.nod, somebody.phone) as connection:
        connection.shows(consent_id)
        [line] = [it for it in connection.body.decode().split("\n") if it.startswith("data: ")]
        answer = somebody.nod.http.get(
            "rich-consents", headers=proven(somebody.phone, "rich-consents")
        )
        [notification] = somebody.phone.pending()
        somebody.phone.resolve(notification, accept=False)
        connection.shows()

    assert f"[{line.removeprefix('data: ')}]" == answer.text
    assert connection.listener.heard[-1] == Heard("resolved", consent_id, "denied")


def test_a_phone_goes_on_where_it_was_cut_off_with_another_process(
    world: World, somebody: Somebody
) -> None:
    listener = Listener()
    first, second = somebody.asked(), somebody.asked()
    with stream(world.nod, somebody.phone, listener) as connection:
        connection.shows(first, second)
    somebody.answered(first)
    third = somebody.asked()
    with stream(world.other, somebody.phone, listener) as connection:
        connection.shows(second, third)
        somebody.answered(second)
        somebody.answered(third)
        connection.shows()

    assert sorted(listener.heard[:2]) == sorted([Heard("pending", it) for it in (first, second)])
    assert listener.heard[2:4] == [Heard("resolved", first, "approved"), Heard("pending", third)]
    assert len(listener.heard) == 6


def test_a_page_that_was_reloaded_is_told_all_that_is_pending(
    world: World, somebody: Somebody
) -> None:
    consent_id = somebody.asked()
    for nod in world.both():
        with stream(nod, somebody.phone) as connection:
            connection.shows(consent_id)
    somebody.answered(consent_id)


def test_a_request_that_is_cancelled_or_whose_time_is_over_disappears(
    world: World, somebody: Somebody
) -> None:
    with stream(world.nod, somebody.phone) as connection:
        short, long = somebody.asked(requested_expiry="1"), somebody.asked()
        connection.shows(short, long)
        connection.shows(long)
        assert world.nod.admin("POST", f"consents/{long}/cancel").is_success
        connection.shows()

    assert connection.listener.heard[-2:] == [
        Heard("expired", short),
        Heard("resolved", long, "cancelled"),
    ]


class Attempt(NamedTuple):
    headers: dict[str, str]
    refusal: tuple[int, str]


def attempts(somebody: Somebody) -> dict[str, Attempt]:
    phone, own = somebody.phone, proven(somebody.phone)
    replayed = proven(phone)
    with Connection(address(somebody.nod), replayed) as connection:
        connection.until(lambda: connection.status == 200)
    invalid, no_bearer = (403, "invalid_dpop_assertion"), (401, "invalid_bearer_format")
    return {
        "no token": Attempt({"MFA-DPoP": own["MFA-DPoP"]}, no_bearer),
        "another scheme": Attempt(
            own | {"Authorization": own["Authorization"].removeprefix("MFA-DPoP ")}, no_bearer
        ),
        "no proof": Attempt({"Authorization": own["Authorization"]}, invalid),
        "a proof for the list": Attempt(proven(phone, "rich-consents"), invalid),
        "a proof that was used": Attempt(replayed, invalid),
        "the key of another device": Attempt(
            own
            | {
                "MFA-DPoP": somebody.second.proof(
                    "GET", phone.base_url + PATH, own["Authorization"].split()[1]
                )
            },
            invalid,
        ),
        "a token that is no device's": Attempt(
            own | {"Authorization": own["Authorization"] + "x"}, (401, "invalid_token")
        ),
        "the id of no event": Attempt(own | {"Last-Event-ID": "x"}, (400, "invalid_request")),
        "an id that is not ASCII": Attempt(
            own | {"Last-Event-ID": "\xe9" * 47}, (400, "invalid_request")
        ),
        "two ids": Attempt(
            own | {"Last-Event-ID": "-", "last-event-id": "-"}, (400, "invalid_request")
        ),
    }


def test_only_a_device_that_proves_its_key_is_told_anything(
    world: World, somebody: Somebody
) -> None:
    """And once for each proof, which is for this path alone."""
    for name, attempt in attempts(somebody).items():
        with Connection(address(world.nod), attempt.headers) as connection:
            assert connection.refused() == attempt.refusal, name
    assert somebody.nod.http.post(PATH).status_code == 405


def test_who_holds_a_token_but_not_the_key_takes_nobodys_place(
    world: World, somebody: Somebody
) -> None:
    with stream(world.nod, somebody.phone) as connection:
        connection.until(lambda: connection.status == 200)
        attempt = attempts(somebody)["the key of another device"]
        for _ in range(policy.EVENT_STREAMS_OF_A_DEVICE_MAX + 1):
            with Connection(address(world.nod), attempt.headers) as other:
                assert other.refused() == attempt.refusal
        consent_id = somebody.asked()
        connection.shows(consent_id)
        somebody.answered(consent_id)
        connection.shows()


def test_a_stream_ends_when_its_device_is_removed_or_its_person_blocked(world: World) -> None:
    """It says so, and what is asked afterwards is refused."""
    leaving = Somebody(world.nod)
    with stream(world.nod, leaving.phone) as own, stream(world.other, leaving.second) as other:
        for connection in (own, other):
            connection.until(lambda: connection.listener.retry_ms > 0)  # noqa: B023
        headers = proven(leaving.phone)
        leaving.phone.unenroll()
        assert own.until(lambda: own.is_complete) < PROMPT_SECONDS
        blocked = world.nod.admin("PATCH", f"users/{leaving.user_id}", {"blocked": True})
        assert blocked.is_success
        assert other.until(lambda: other.is_complete) < PROMPT_SECONDS
    with Connection(address(world.nod), headers) as again:
        assert again.refused() == (401, "invalid_token")
    with stream(world.nod, leaving.second) as again:
        assert again.refused() == (403, "user_blocked")

    assert own.listener.heard == other.listener.heard == [Heard("gone")]


def test_a_process_has_so_many_streams_and_forgets_who_has_left(
    world: World, somebody: Somebody
) -> None:
    """At once: a page that is reloaded again and again is one page (A106)."""
    wait_for(lambda: open_streams(world.other) == 0, "the end of the streams before")
    phones = [somebody.phone, somebody.second]
    held = [stream(world.other, phones[number % 2]) for number in range(MOST)]
    for connection in held:
        connection.until(lambda: connection.status == 200)  # noqa: B023
    assert open_streams(world.other) == MOST
    with stream(world.other, somebody.phone) as refused:
        assert refused.refused() == (503, "temporarily_unavailable")
        assert refused.headers["retry-after"] == "1"
    for connection in held:
        connection.socket.close()
    wait_for(lambda: open_streams(world.other) == 0, "the end of the streams", seconds=2)


def test_a_list_that_is_known_is_not_sent_again(world: World, somebody: Somebody) -> None:
    """RFC 9110 13.1.2."""

    def listed(**headers: str) -> httpx2.Response:
        own = proven(somebody.phone, "rich-consents")
        return world.nod.http.get("rich-consents", headers=own | headers)

    consent_id = somebody.asked()
    first = listed()
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = listed(**{"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert "content-length" not in again.headers
        assert again.headers["cache-control"] == "no-store"
    assert listed(**{"If-None-Match": '"other"'}).json() == first.json()
    somebody.answered(consent_id)
    changed = listed(**{"If-None-Match": tag})

    assert (changed.status_code, changed.json()) == (200, [])
    assert changed.headers["etag"] != tag


def test_nginx_passes_a_stream_on_as_it_comes(
    world: World, somebody: Somebody, tmp_path: Path
) -> None:
    """By the configuration that the README recommends."""
    certificates = write_certificates(tmp_path)
    trust = ssl.create_default_context(cafile=str(certificates.ca_file))
    trust.check_hostname = False
    with nginx.running(tmp_path / "nginx", certificates, urlsplit(world.nod.url).port or 0) as port:
        headers = proven(somebody.phone) | {"Host": nginx.HOST}
        with Connection(("127.0.0.1", port), headers, tls=trust) as connection:
            connection.until(lambda: connection.listener.retry_ms > 0)
            consent_id = somebody.asked()
            assert connection.shows(consent_id) < PROMPT_SECONDS
            somebody.answered(consent_id)
            assert connection.shows() < PROMPT_SECONDS


def test_a_process_that_ends_lets_its_streams_go(world: World, somebody: Somebody) -> None:
    """U7: whole, in a moment; the phone goes on with the other."""
    consent_id = somebody.asked()
    listener = Listener()
    with stream(world.nod, somebody.phone, listener) as connection:
        connection.shows(consent_id)
        since = time.monotonic()
        code = world.nod.api.end(signal.SIGTERM)
        seconds = time.monotonic() - since
        connection.until(lambda: connection.is_complete)
    with stream(world.other, somebody.phone, listener) as connection:
        connection.until(lambda: connection.status == 200)
        world.nod.api.start()
        world.nod.wait_until_ready()
        somebody.answered(consent_id)
        connection.shows()

    assert code == 0
    assert seconds < 3
    assert listener.heard == [
        Heard("pending", consent_id),
        Heard("resolved", consent_id, "approved"),
    ]
