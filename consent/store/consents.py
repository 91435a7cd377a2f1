"""
Consents: the life of a request, one method a script.

What a consent owes to phones is `notifications`, to clients `calls`; what a phone has not answered
is `pending`; lists are `consent_records`.
"""

import secrets
from typing import NamedTuple

from consent import policy
from consent.lifecycle import Event, State, row
from consent.settings import Settings
from consent.store.connections import Redis
from consent.store.keys import Partition

_PENDING = State.PENDING.value
_REDEEM_FROM, _REDEEM_TO = row(Event.REDEEM)


class Refused(NamedTuple):
    """Why a request was not accepted, and after how many milliseconds it might be."""

    why: str  # as accept.lua replies; `api.refused_start` has an error for each
    wait_ms: int = 0


class Polled(NamedTuple):
    """
    Where a polled request stands: `outcome` is unknown, pending, slow_down, denied, unreachable,
    expired, spent, refused or granted; what follows is there when it is granted.
    """

    outcome: str
    interval_seconds: int = 0
    request: bytes = b""
    person_id: str = ""
    user: bytes = b""
    decided_at_ms: int = 0
    redeemed_at_ms: int = 0
    left_ms: int = 0  # while it is pending


class Terms(NamedTuple):
    """How a request is to end: `callback` is sealed, what it takes to call the client back."""

    mode: str = "poll"
    callback: bytes = b""
    user_code: str = "-"  # its MAC, '' when none was sent, '-' when the client uses none
    refresh_lives_ms: tuple[int, ...] = ()  # absolute and idle, where there is a refresh token
    confirmation: str = ""  # what the tokens of a push are bound to
    connections: tuple[str, ...] | None = None  # of the people a third party may ask; None: all
    channels: tuple[str, ...] = ()  # in order: push, email, mailbox; none: push alone
    capability: str = ""  # what a device must be able to do to approve


class Answer(NamedTuple):
    """
    A device's verified answer. `fact` (JSON) goes into the story; `receipt` (JSON) is kept of an
    approval, and `request` (JSON) is what it is of from then on, if that is not as it was asked.
    Of a denial `not_me` says that the person did not expect this client.
    """

    event: Event
    fact: bytes
    receipt: bytes = b""
    not_me: bool = False
    request: bytes = b""


PLAIN = Terms()


def _said(terms: Terms) -> tuple[str | bytes | int, ...]:
    """Most requests have nothing to say here, and do not pay for it."""
    if terms is PLAIN:
        return ()
    return (
        terms.mode,
        terms.callback,
        terms.user_code,
        policy.USER_CODE_FAILURES_MAX,
        policy.USER_CODE_LOCKED_MS,
        " ".join(map(str, terms.refresh_lives_ms)),
        terms.confirmation,
        policy.CALLABLE_AFTER_ANSWER_MS,
        "" if terms.connections is None else "\n" + "".join(f"{it}\n" for it in terms.connections),
        " ".join(terms.channels),
        terms.capability,
        policy.MAILS_OF_A_PERSON_PER_HOUR_MAX,
    )


class Question(NamedTuple):
    """What a phone fetched: `outcome` is question, or the reason there is none."""

    outcome: str
    request: bytes = b""
    created_at_ms: int = 0
    expires_at_ms: int = 0


_POLLED_PENDING = Polled("pending")


def _beside(confirmation: str, *, held: bool, since: int) -> tuple[str | int, ...]:
    """What most polls have no need to say."""
    if since:
        return confirmation, "1" if held else "", since * 1_000
    if held:
        return confirmation, "1"
    return (confirmation,) if confirmation else ()


class Consents:
    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._settings = settings
        self._name = secrets.token_urlsafe(6)
        self._operations = 0
        self._partition_open_max = -(-settings.tenant_open_requests_max // settings.partitions)

    async def accept(
        self,
        *,
        consent_id: str,
        client_id: str,
        person_id: str,
        request: bytes,
        life_seconds: int,
        terms: Terms = PLAIN,
    ) -> Refused | None:
        """Accept a request, counted and owed in the same step; None when it was accepted."""
        p, settings = Partition.of(consent_id), self._settings
        reply = await self._redis.run(
            "accept",
            [
                p.consent(consent_id),
                p.person(person_id),
                p.addresses(person_id),
                p.open(person_id),
                p.recent(person_id),
                p.opened,
                p.outbox,
                p.story(consent_id),
                p.accepted,
                p.refusals(person_id),
            ],
            consent_id,
            client_id,
            person_id,
            request,
            life_seconds,
            settings.poll_interval_seconds,
            settings.person_requests_per_minute_max,
            settings.person_open_requests_max,
            self._partition_open_max,
            settings.ended_request_retention_seconds,
            policy.SWEEP_AFTER_MS,
            _PENDING,
            *_said(terms),
        )
        if reply[0] == b"accepted":
            return None
        return Refused(reply[0].decode(), *reply[1:])

    def operation_id(self) -> str:
        """Names one call, so that its script knows it when it is sent again."""
        self._operations += 1
        return f"{self._name}{self._operations:x}"

    async def poll(
        self,
        consent_id: str,
        client_id: str,
        confirmation: str = "",
        *,
        operation_id: str = "",
        held: bool = False,
        client_since: int = 0,
    ) -> Polled:
        """
        One poll of an authenticated client, paced; claims the redemption when there is one.

        A poll that is `held` asks again under its `operation_id`: it is one poll. `confirmation`
        is the thumbprint its tokens will be bound to; `client_since` is the client's `since`.
        """
        p = Partition.of(consent_id)
        reply = await self._redis.run(
            "poll",
            [p.consent(consent_id), p.prefix],
            client_id,
            operation_id or self.operation_id(),
            _REDEEM_FROM,
            _REDEEM_TO,
            policy.EARLY_POLL_ALLOWANCE_MS,
            policy.SLOW_DOWN_SECONDS,
            policy.POLL_INTERVAL_SECONDS_MAX,
            policy.CLAIM_ALONE_MS,
            policy.CLAIM_REPEATABLE_MS,
            *_beside(confirmation, held=held, since=client_since),
        )
        if reply[0] == b"pending":  # nearly all are
            return Polled("pending", left_ms=reply[1]) if held else _POLLED_PENDING
        match reply:
            case [b"granted", story, person_id, user, decided_at, redeemed_at]:
                return Polled(
                    "granted",
                    0,
                    story.partition(b"\n")[0],
                    person_id.decode(),
                    user,
                    int(decided_at),
                    int(redeemed_at),
                )
            case [b"slow_down", interval]:
                return Polled("slow_down", int(interval))
            case [outcome]:
                return Polled(outcome.decode())
        raise AssertionError(f"poll.lua replied {reply[0]}")

    async def delivered(self, consent_id: str) -> None:
        """The token response has left: nobody redeems this again."""
        await self._redis.run(
            "delivered", [Partition.of(consent_id).consent(consent_id)], _REDEEM_TO
        )

    async def fetch(
        self, *, consent_id: str, person_id: str, device_id: str, thumbprint: str, proof: str
    ) -> Question:
        """What a device is asked; uses up the proof (`proof` is its digest)."""
        p = Partition.of(person_id)
        reply = await self._redis.run(
            "fetch",
            [
                p.consent(consent_id),
                p.devices_that_answer(person_id, device_id, consent_id),
                p.proof(proof),
                p.stats,
                p.story(consent_id),
            ],
            person_id,
            device_id,
            thumbprint,
            policy.PROOF_REMEMBERED_MS,
            self.operation_id(),
            _PENDING,
        )
        if reply[0] != b"question":
            return Question(reply[0].decode())
        return Question("question", reply[1].partition(b"\n")[0], int(reply[2]), int(reply[3]))

    async def answer(
        self,
        *,
        consent_id: str,
        person_id: str,
        device_id: str,
        thumbprint: str,
        answer: Answer,
    ) -> str:
        """Apply a device's verified answer; the reply says whether it is the one that counts."""
        p, settings = Partition.of(person_id), self._settings
        source, target = row(answer.event)
        follows = _REDEEM_TO if target == _REDEEM_FROM else target
        reply = await self._redis.run(
            "answer",
            [
                p.consent(consent_id),
                p.devices_that_answer(person_id, device_id, consent_id),
                p.person(person_id),
                p.open(person_id),
                p.opened,
                p.outbox,
                p.stats,
                p.story(consent_id),
                p.refusals(person_id),
                p.receipt(consent_id),
            ],
            consent_id,
            person_id,
            device_id,
            thumbprint,
            source,
            target,
            answer.fact,
            follows,
            policy.SWEEP_AFTER_MS,
            *(
                (settings.new_device_cool_off_seconds * 1_000, answer.receipt)
                if answer.event is Event.APPROVE
                else ("not_me" if answer.not_me else "", settings.not_me_block_seconds * 1_000)
            ),
            policy.DENIAL_WAIT_MS,
            policy.DENIAL_WAIT_MS_MAX,
            policy.DENIALS_REMEMBERED_MS,
            answer.request,
        )
        return str(reply[0].decode())
