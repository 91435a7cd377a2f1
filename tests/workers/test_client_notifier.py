"""
One claim is one call: what a client is told, when it is told again, and what nobody learns of it.

The endpoints are real ones on loopback, over TLS.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import jwt
import pytest
import structlog

from consent import policy
from consent.client import Client, DeliveryMode
from consent.lifecycle import Event
from consent.outbound.client import GuardedClient, OutboundFailed
from consent.refresh_token import refresh_token
from consent.seal import Seal
from consent.settings import networks
from consent.store import keys
from consent.store.calls import CallClaim, Calls
from consent.store.lane import StoreUnavailable
from consent.store.signing_keys import SigningKeys
from consent.tokens import redemption_jti
from scripts.doubles.certificates import Certificates, write_certificates
from scripts.doubles.client_endpoint import PATH, ClientEndpoint, Received
from tests.support.callbacks import (
    Asked,
    ask,
    facts,
    field,
    held,
    make_due,
    owes,
    set_field,
)
from tests.support.redis_server import RedisServer
from tests.support.store import Person, StoreInUse, opened, run
from tests.support.waiting import until
from workers import client_notifier as client_notifier_module
from workers import reporting
from workers.client_notifier import ClientNotifier, Outcome, outcome_of
from workers.in_work import InWork
from workers.sweeper import sweep_forever

ISSUER = "https://nod.example/"
MODES: list[DeliveryMode] = ["ping", "push"]
CLAIM = "urn:openid:params:jwt:claim:"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return write_certificates(tmp_path_factory.mktemp("client_endpoint"))


@pytest.fixture(scope="module")
def url(redis_server: RedisServer) -> str:
    """A database of its own: what is swept up here, and who signs, is nobody else's."""
    return redis_server.database(8)


class World:
    """A store, a person with a phone, a client's endpoint, and a worker that calls it."""

    def __init__(
        self, use: StoreInUse, person: Person, endpoint: ClientEndpoint, client: GuardedClient
    ) -> None:
        self.use = use
        self.person = person
        self.endpoint = endpoint
        self.client = client
        self.signing_keys = SigningKeys(use.store.directory, use.store.seal)

    async def ask(self, mode: DeliveryMode, **options: Any) -> Asked:  # noqa: ANN401
        options = {"endpoint": self.endpoint.url} | options
        return await ask(self.use, self.person, mode, **options)

    async def answered(
        self,
        mode: DeliveryMode,
        event: Event = Event.APPROVE,
        **options: Any,  # noqa: ANN401
    ) -> Asked:
        asked = await self.ask(mode, **options)
        assert await self.person.answer(asked.consent_id, event) == "call"
        return asked

    def worker(self, calls: Calls | None = None, **changes: Any) -> ClientNotifier:  # noqa: ANN401
        """A worker that has just started."""
        store = self.use.store
        options: dict[str, Any] = {
            "calls": calls or store.calls,
            "directory": store.directory,
            "signing_keys": SigningKeys(store.directory, store.seal),
            "seal": store.seal,
            "issuer": ISSUER,
            "client": self.client,
            "jitter": lambda: 0.5,
        }
        return ClientNotifier(**(options | changes))

    async def call(self, asked: Asked, worker: ClientNotifier | None = None) -> list[Received]:
        """Have the call made that is owed by now; what has been received so far."""
        worker = worker or self.worker()
        await worker.notify([asked.consent_id])
        await worker.settle()
        return self.endpoint.received

    async def call_again(self, asked: Asked) -> list[Received]:
        await make_due(self.use, asked.consent_id)
        return await self.call(asked)

    async def outcomes(self, asked: Asked) -> list[tuple[str, str]]:
        return [
            (fact["outcome"], fact.get("reason", ""))
            for fact in await facts(self.use, asked.consent_id)
        ]

    async def claims(self, token: str, audience: str) -> dict[str, Any]:
        """Those of a token of ours, whose signature holds."""
        key = (await self.signing_keys.ring()).find(jwt.get_unverified_header(token)["kid"])
        assert key is not None
        return dict(jwt.decode(token, key.public_key, [key.alg], audience=audience))


@asynccontextmanager
async def a_world(
    url: str,
    certificates: Certificates,
    *answers: int | str,
    timeout_seconds: float = 3,
) -> AsyncIterator[World]:
    client = GuardedClient(
        allowed_networks=networks("127.0.0.1"),
        ca_file=certificates.ca_file,
        timeout_seconds=timeout_seconds,
    )
    async with (
        opened(url) as use,
        aclosing(client),
        ClientEndpoint(certificates, *answers).serving() as endpoint,
    ):
        yield World(use, await use.person(), endpoint, client)


def body_of(received: Received) -> dict[str, Any]:
    return dict(json.loads(received.body))


# What is told


@pytest.mark.parametrize("event", [Event.APPROVE, Event.DENY])
def test_a_ping_is_the_auth_req_id_and_nothing_else(
    url: str, certificates: Certificates, event: Event
) -> None:
    """A150, A151: whichever the answer was."""

    async def test() -> None:
        async with a_world(url, certificates) as world:
            asked = await world.answered("ping", event, refreshable=True)
            [received] = await world.call(asked)
            assert (received.method, received.path) == ("POST", PATH)
            assert received.headers["authorization"] == f"Bearer {asked.bearer_token}"
            assert received.headers["content-type"] == "application/json"
            assert body_of(received) == {"auth_req_id": asked.auth_req_id}

    run(test)


def test_when_a_ping_arrives_the_tokens_can_be_asked_for(
    url: str, certificates: Certificates
) -> None:
    """A157: a client may ask from the handler that is pinged."""

    async def test() -> None:
        async with a_world(url, certificates, "silent") as world:
            asked = await world.answered("ping")
            worker = world.worker()
            await worker.notify([asked.consent_id])
            await until(lambda: len(world.endpoint.received) == 1)
            polled = await world.use.store.consents.poll(asked.consent_id, asked.client_id)
            assert polled.outcome == "granted"

    run(test)


def half_hash(token: str, hashed: Callable[[bytes], Any]) -> str:
    """OpenID Connect Core 3.1.3.6, once more, as it is written there."""
    octets = hashed(token.encode("ascii")).digest()
    return base64.urlsafe_b64encode(octets[: len(octets) // 2]).decode().rstrip("=")


@pytest.mark.parametrize(
    ("id_token_alg", "hashed"), [("ES256", hashlib.sha256), ("EdDSA", hashlib.sha512)]
)
@pytest.mark.parametrize("refreshable", [False, True])
def test_a_push_is_the_token_set(
    url: str,
    certificates: Certificates,
    id_token_alg: str,
    hashed: Callable[[bytes], Any],
    *,
    refreshable: bool,
) -> None:
    """A170-A172."""

    async def test() -> None:
        async with a_world(url, certificates) as world:
            asked = await world.answered(
                "push",
                refreshable=refreshable,
                id_token_alg=id_token_alg,
                scope=["openid", "offline_access"],
                confirmation="jkt:a-thumbprint",
            )
            [received] = await world.call(asked)
            assert received.headers["authorization"] == f"Bearer {asked.bearer_token}"
            assert received.headers["content-type"] == "application/json"
            body = body_of(received)
            access_token, id_token = body.pop("access_token"), body.pop("id_token")
            refresh = refresh_token(world.use.store.seal, asked.consent_id, 0)
            assert body == {
                "auth_req_id": asked.auth_req_id,
                "token_type": "DPoP",
                "expires_in": 600,
                "scope": "openid offline_access" if refreshable else "openid",
            } | ({"refresh_token": refresh} if refreshable else {})

            access = await world.claims(access_token, asked.request.audience)
            redeemed_at = int(await field(world.use, asked.consent_id, "redeemed_at"))
            assert (access["iss"], access["sub"]) == (ISSUER, world.person.user_id)
            assert access["jti"] == redemption_jti(asked.consent_id)
            decided_at = int(await field(world.use, asked.consent_id, "decided_at"))
            assert access["iat"] == redeemed_at // 1_000
            assert access["auth_time"] == decided_at // 1_000
            assert access["cnf"] == {"jkt": "a-thumbprint"}  # A175

            identity = await world.claims(id_token, asked.client_id)
            assert jwt.get_unverified_header(id_token)["alg"] == id_token_alg
            assert identity["at_hash"] == half_hash(access_token, hashed)
            assert identity[f"{CLAIM}auth_req_id"] == asked.auth_req_id
            assert identity.get(f"{CLAIM}rt_hash") == (
                half_hash(refresh, hashed) if refreshable else None
            )

    run(test)


async def expire(world: World, asked: Asked) -> None:
    await set_field(world.use, asked.consent_id, "expires_at", 1)


async def block(world: World, _asked: Asked) -> None:
    people, person_id = world.use.store.people, world.person.person_id
    user = await people.read(person_id)
    assert user is not None
    assert await people.change(person_id, read=user, user=user, blocked=True)


async def remove(world: World, _asked: Asked) -> None:
    await world.use.store.people.remove(world.person.person_id)


async def remove_device(world: World, _asked: Asked) -> None:
    device_id = world.person.devices[0]
    await world.use.store.people.remove_device(world.person.person_id, device_id)


async def nothing(_world: World, _asked: Asked) -> None:
    """The answer says it all."""


ERRORS: dict[str, tuple[Event | None, Callable[[World, Asked], Awaitable[None]], str]] = {
    "denied": (Event.DENY, nothing, "access_denied"),
    "expired": (Event.APPROVE, expire, "expired_token"),
    "unreachable": (None, remove_device, "transaction_failed"),
    "the person is blocked": (Event.APPROVE, block, "access_denied"),
    "the person has left": (Event.APPROVE, remove, "access_denied"),
    "the device has left": (Event.APPROVE, remove_device, "access_denied"),
}


@pytest.mark.parametrize(("event", "what", "error"), ERRORS.values(), ids=ERRORS)
def test_what_ends_without_tokens_is_pushed_as_an_error(
    url: str,
    certificates: Certificates,
    event: Event | None,
    what: Callable[[World, Asked], Awaitable[None]],
    error: str,
) -> None:
    """A173, T39."""

    async def test() -> None:
        async with a_world(url, certificates) as world:
            asked = await world.ask("push", refreshable=True)
            if event:
                await world.person.answer(asked.consent_id, event)
            await what(world, asked)
            [received] = await world.call(asked)
            assert received.headers["authorization"] == f"Bearer {asked.bearer_token}"
            body = body_of(received)
            assert body.pop("error_description")
            assert body == {"auth_req_id": asked.auth_req_id, "error": error}
            assert await field(world.use, asked.consent_id, "state") != "redeemed"

    run(test)


@pytest.mark.parametrize("what", [block, remove, remove_device])
def test_a_person_who_leaves_between_two_attempts_grants_no_more(
    url: str,
    certificates: Certificates,
    what: Callable[[World, Asked], Awaitable[None]],
) -> None:
    """T39."""

    async def test() -> None:
        async with a_world(url, certificates, 500, 204) as world:
            asked = await world.answered("push")
            await world.call(asked)
            await what(world, asked)
            _, second = await world.call_again(asked)
            assert body_of(second)["error"] == "access_denied"
            assert "access_token" not in body_of(second)

    run(test)


# Who is called


def test_a_client_that_has_left_is_called_no_more(url: str, certificates: Certificates) -> None:
    """T39."""

    async def test() -> None:
        async with a_world(url, certificates) as world:
            asked = [await world.answered(mode) for mode in MODES]
            for each in asked:
                await world.use.store.directory.remove_client(each.client_id)
                assert await world.call(each) == []
                assert await world.outcomes(each) == [("refused", "client_gone")]
                assert not await owes(world.use, each.consent_id)

    run(test)


@pytest.mark.parametrize("mode", MODES)
def test_an_endpoint_that_is_registered_later_is_not_called(
    url: str, certificates: Certificates, mode: DeliveryMode
) -> None:
    """T38: nor does another mode of delivery change how an open request ends."""

    async def test() -> None:
        async with (
            a_world(url, certificates) as world,
            ClientEndpoint(certificates).serving() as other,
        ):
            asked = await world.answered(mode)
            swapped = Client(
                client_id=asked.client_id,
                name="",
                secret_digest="",
                backchannel_token_delivery_mode="poll",
                backchannel_client_notification_endpoint=other.url,
            )
            await world.use.store.directory.write(keys.CLIENTS, asked.client_id, swapped)
            [received] = await world.call(asked)
            assert ("access_token" in body_of(received)) == (mode == "push")
            assert other.received == []

    run(test)


def test_an_address_that_may_not_be_called_is_not_asked_again(
    url: str, certificates: Certificates
) -> None:
    """A158, at the time of the call too."""

    async def test() -> None:
        async with (
            a_world(url, certificates) as world,
            aclosing(GuardedClient(ca_file=certificates.ca_file)) as guarded,
        ):
            asked = await world.answered("ping")
            assert await world.call(asked, world.worker(client=guarded)) == []
            [(outcome, reason)] = await world.outcomes(asked)
            assert outcome == "refused"
            assert reason in {"forbidden_url", "forbidden_address"}
            assert not await owes(world.use, asked.consent_id)

    run(test)


def test_who_has_asked_already_is_not_pinged(url: str, certificates: Certificates) -> None:
    async def test() -> None:
        async with a_world(url, certificates) as world:
            asked = await world.answered("ping")
            await world.use.store.consents.poll(asked.consent_id, asked.client_id)
            assert await world.call(asked) == []
            assert await world.outcomes(asked) == []
            assert not await owes(world.use, asked.consent_id)

    run(test)


# What the client answers


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (204, "delivered"),
        (200, "delivered"),
        ("slow", "delivered"),
        (302, "refused"),
        (307, "refused"),
        (400, "refused"),
        (401, "refused"),
        (403, "refused"),
        (429, "refused"),
    ],
)
def test_an_answer_of_the_client_is_its_last_word(
    url: str,
    certificates: Certificates,
    mode: DeliveryMode,
    answer: int | str,
    outcome: str,
) -> None:
    """A153-A155, A174: no body is waited for, no redirect followed, no refusal asked again."""

    async def test() -> None:
        async with a_world(url, certificates, answer) as world:
            asked = await world.answered(mode)
            assert len(await world.call(asked)) == 1
            status = 200 if answer == "slow" else answer
            assert await world.outcomes(asked) == [(outcome, f"HTTP_{status}")]
            assert not await owes(world.use, asked.consent_id)
            assert len(await world.call_again(asked)) == 1

    run(test)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (500, "HTTP_500"),
        (503, "HTTP_503"),
        ("reset", "connection"),
        ("silent", "timeout"),
    ],
)
def test_what_may_pass_is_tried_again_with_the_same_bytes(
    url: str,
    certificates: Certificates,
    mode: DeliveryMode,
    answer: int | str,
    reason: str,
) -> None:
    """A156: the client that has it already sees the same token set, not a second one."""

    async def test() -> None:
        seconds = 0.3 if answer == "silent" else 3
        async with a_world(url, certificates, answer, 204, timeout_seconds=seconds) as world:
            asked = await world.answered(mode, refreshable=True)
            assert len(await world.call(asked)) == 1
            assert await owes(world.use, asked.consent_id)
            assert len(await world.call(asked)) == 1  # it is not due yet
            first, second = await world.call_again(asked)
            assert first.body == second.body
            assert first.headers["authorization"] == second.headers["authorization"]
            assert await world.outcomes(asked) == [("retry", reason), ("delivered", "HTTP_204")]
            assert not await owes(world.use, asked.consent_id)

    run(test)


def test_a_key_that_begins_to_sign_between_two_attempts_changes_nothing(
    url: str, certificates: Certificates
) -> None:
    async def test() -> None:
        async with a_world(url, certificates, 500, 204) as world:
            asked = await world.answered("push")
            await world.call(asked)
            now_ms = await world.use.store.directory.now_ms()
            await until(lambda: _later_than(world, now_ms))
            kid = await world.signing_keys.rotate("ES256", overlap_seconds=0)
            first, second = await world.call_again(asked)
            assert first.body == second.body
            header = jwt.get_unverified_header(body_of(second)["access_token"])
            assert header["kid"] != kid

    run(test)


async def _later_than(world: World, now_ms: int) -> bool:
    return await world.use.store.directory.now_ms() > now_ms


@pytest.mark.parametrize(
    ("status", "word"),
    [(200, "delivered"), (299, "delivered"), (300, "refused"), (499, "refused"), (500, "retry")],
)
def test_a_status_is_judged_by_its_first_digit(status: int, word: str) -> None:
    assert outcome_of(status) == Outcome(word, f"HTTP_{status}")


@pytest.mark.parametrize(
    ("attempt", "jitter", "expected_ms"),
    [(1, 0.5, 1_000), (2, 0.5, 3_000), (5, 0.5, 40_000), (99, 0.5, 40_000), (2, 0, 2_400)],
)
def test_a_retry_waits_by_its_schedule(
    url: str,
    certificates: Certificates,
    attempt: int,
    jitter: float,
    expected_ms: int,
) -> None:
    waits: list[int] = []

    class Recording(Calls):
        async def claim(self, consent_id: str) -> CallClaim | None:
            claim = await super().claim(consent_id)
            assert claim is not None
            return claim._replace(attempt=attempt)

        async def report(
            self,
            claim: CallClaim,  # noqa: ARG002
            *,
            outcome: str,  # noqa: ARG002
            retry_in_ms: int,
            fact: bytes,  # noqa: ARG002
        ) -> str:
            waits.append(retry_in_ms)
            return "retrying"

    async def test() -> None:
        async with a_world(url, certificates, 500) as world:
            asked = await world.answered("ping")
            recording = Recording(world.use.store.redis)
            await world.call(asked, world.worker(recording, jitter=lambda: jitter))

    run(test)
    assert waits == [expected_ms]


# Workers that race, die, or find the store away


@pytest.mark.parametrize("mode", MODES)
def test_however_many_workers_are_told_one_calls(
    url: str, certificates: Certificates, mode: DeliveryMode
) -> None:
    async def test() -> None:
        async with a_world(url, certificates) as world:
            asked = await world.answered(mode)
            workers = [world.worker() for _ in range(4)]
            await asyncio.gather(*[worker.notify([asked.consent_id] * 2) for worker in workers])
            for worker in workers:
                await worker.settle()
            assert len(world.endpoint.received) == 1

    run(test)


@pytest.mark.parametrize("mode", MODES)
def test_a_worker_killed_before_it_reports_is_made_good_with_the_same_bytes(
    url: str, certificates: Certificates, mode: DeliveryMode
) -> None:
    class Killed(Calls):
        async def report(self, *_: object, **__: object) -> str:
            raise asyncio.CancelledError

    async def test() -> None:
        async with a_world(url, certificates) as world:
            asked = await world.answered(mode, refreshable=True)
            await world.call(asked, world.worker(Killed(world.use.store.redis)))
            assert await world.outcomes(asked) == []
            assert len(await world.call(asked)) == 1  # its lease has not run out
            first, second = await world.call_again(asked)
            assert first.body == second.body
            [fact] = await facts(world.use, asked.consent_id)
            assert (fact["attempt"], fact["outcome"]) == (2, "delivered")

    run(test)


def test_what_no_worker_was_told_of_is_swept_up_and_called(
    url: str, certificates: Certificates
) -> None:
    """Everything died between the decision and the call; only the outbox is left."""

    class Nobody:
        async def notify(self, _consent_ids: list[str]) -> None:
            """Phones are not the question."""

    async def test() -> None:
        async with a_world(url, certificates) as world:
            asked = await world.answered("push")
            await make_due(world.use, asked.consent_id)
            sweeping = asyncio.ensure_future(
                sweep_forever(
                    notifications=world.use.store.notifications,
                    directory=world.use.store.directory,
                    notifier=Nobody(),  # type: ignore[arg-type]  # all that is called is notify
                    client_notifier=world.worker(),
                    notice_giver=Nobody(),  # type: ignore[arg-type]  # the same
                    partition_count=world.use.settings.partitions,
                    worker="sweeping",
                )
            )
            await until(lambda: _is_settled(world, asked))
            sweeping.cancel()
            await asyncio.wait([sweeping])
            assert [body_of(it)["auth_req_id"] for it in world.endpoint.received] == [
                asked.auth_req_id
            ]

    run(test)


async def _is_settled(world: World, asked: Asked) -> bool:
    return not await owes(world.use, asked.consent_id)


def test_a_store_that_is_away_costs_no_call_and_repeats_none(
    url: str, certificates: Certificates
) -> None:
    class Flaky(Calls):
        claims_away = 1
        reports_away = 2

        async def claim(self, consent_id: str) -> CallClaim | None:
            if self.claims_away:
                self.claims_away -= 1
                raise StoreUnavailable(detail="away")
            return await super().claim(consent_id)

        async def report(self, *parts: Any, **named: Any) -> str:  # noqa: ANN401
            if self.reports_away:
                self.reports_away -= 1
                raise StoreUnavailable(detail="away")
            return await super().report(*parts, **named)

    async def test() -> None:
        async with a_world(url, certificates) as world:
            asked = await world.answered("ping")
            worker = world.worker(Flaky(world.use.store.redis))
            assert await world.call(asked, worker) == []
            assert await owes(world.use, asked.consent_id)
            assert len(await world.call(asked, worker)) == 1
            assert await world.outcomes(asked) == [("delivered", "HTTP_204")]

    run(test)


def test_a_store_that_goes_away_after_the_claim_leaves_the_call_to_its_lease(
    url: str, certificates: Certificates
) -> None:
    class Away:
        async def read(self, *_: object) -> None:
            raise StoreUnavailable(detail="away")

    async def test() -> None:
        async with a_world(url, certificates) as world:
            asked = await world.answered("push")
            assert await world.call(asked, world.worker(directory=Away())) == []
            assert await world.outcomes(asked) == []
            assert len(await world.call_again(asked)) == 1

    run(test)


def test_a_report_that_cannot_be_made_leaves_the_call_to_its_lease(
    url: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "ATTEMPTS", 1)

    class Away(Calls):
        async def report(self, *_: object, **__: object) -> str:
            raise StoreUnavailable(detail="away")

    async def test() -> None:
        async with a_world(url, certificates) as world:
            asked = await world.answered("ping")
            with structlog.testing.capture_logs() as logs:
                await world.call(asked, world.worker(Away(world.use.store.redis)))
            assert [line["event"] for line in logs] == ["report_lost"]
            assert await owes(world.use, asked.consent_id)

    run(test)


def test_a_defect_costs_one_call_and_is_not_repeated_at_each_lease(
    url: str, certificates: Certificates
) -> None:
    class Defective:
        async def post(self, *_: object, **__: object) -> int:
            raise KeyError("a defect")

    async def test() -> None:
        async with a_world(url, certificates) as world:
            asked, other = await world.answered("ping"), await world.answered("ping")
            await world.call(asked, world.worker(client=Defective()))
            assert await world.outcomes(asked) == [("refused", "defect")]
            assert not await owes(world.use, asked.consent_id)
            assert len(await world.call(other)) == 1

    run(test)


def test_what_another_secret_key_has_sealed_is_given_up(
    url: str, certificates: Certificates
) -> None:
    async def test() -> None:
        async with a_world(url, certificates) as world:
            asked = await world.answered("push")
            assert await world.call(asked, world.worker(seal=Seal("another" * 8))) == []
            assert await world.outcomes(asked) == [("refused", "sealed_with_another_key")]

    run(test)


def test_a_slow_client_keeps_nobody_waiting_for_room(
    url: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is no room for stays owed: the sweeper, and the jobs of phones, go on."""
    monkeypatch.setattr(client_notifier_module, "InWork", lambda: InWork(2))

    async def test() -> None:
        async with a_world(url, certificates, "silent", "silent", 204) as world:
            asked = [await world.answered("ping") for _ in range(4)]
            worker = world.worker()
            async with asyncio.timeout(1):
                await worker.notify([each.consent_id for each in asked])
            await until(lambda: len(world.endpoint.received) == 2)
            called = [body_of(each)["auth_req_id"] for each in world.endpoint.received]
            assert set(called) == {each.auth_req_id for each in asked[:2]}
            assert await field(world.use, asked[2].consent_id, "calls") == ""
            await world.call(asked[2])
            assert await world.outcomes(asked[2]) == [("delivered", "HTTP_204")]

    run(test)


# What nobody learns


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("answer", [204, 401, 500])
def test_neither_the_log_nor_the_story_nor_redis_holds_what_was_sent(
    url: str, certificates: Certificates, mode: DeliveryMode, answer: int
) -> None:
    """A159: gone when the call has been made, sealed while it may be made again."""

    async def test() -> None:
        async with a_world(url, certificates, answer) as world:
            asked = await world.answered(mode, refreshable=True)
            with structlog.testing.capture_logs() as logs:
                [received] = await world.call(asked)
            secrets = [asked.bearer_token, asked.auth_req_id]
            secrets += [
                value
                for name, value in body_of(received).items()
                if name in {"access_token", "id_token", "refresh_token"}
            ]
            assert len(secrets) == (5 if mode == "push" else 2)
            stored, logged = held(url), repr(logs)
            for secret in secrets:
                assert secret.encode() not in stored
                assert secret not in logged
            [line] = logs
            assert line == {
                "event": "client_called",
                "log_level": "info",
                "consent": asked.consent_id,
                "attempt": 1,
                "outcome": outcome_of(answer).word,
                "reason": f"HTTP_{answer}",
                "verdict": "retrying" if answer == 500 else outcome_of(answer).word,
            }

    run(test)


def test_a_failure_is_logged_by_its_name_alone(url: str, certificates: Certificates) -> None:
    class Failing:
        async def post(self, _url: str, *, body: bytes, headers: dict[str, str]) -> int:
            raise OutboundFailed("connection") from ValueError(f"{body!r} {headers}")

    async def test() -> None:
        async with a_world(url, certificates) as world:
            asked = await world.answered("push")
            with structlog.testing.capture_logs() as logs:
                await world.call(asked, world.worker(client=Failing()))
            assert asked.bearer_token not in repr(logs)
            assert asked.auth_req_id not in repr(logs)
            assert await world.outcomes(asked) == [("retry", "connection")]

    run(test)


def test_a_lease_outlives_the_longest_call() -> None:
    """Or two workers would call at once."""
    assert policy.CALL_LEASE_MS > policy.OUTBOUND_TIMEOUT_SECONDS * 1_000
