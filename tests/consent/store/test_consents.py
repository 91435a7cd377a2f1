"""The contract of the store: what each step decides, repeated, raced and out of order."""

import asyncio
import collections
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consent import policy
from consent.identifiers import consent_id_of, new_auth_req_id
from consent.lifecycle import Event
from consent.store import keys
from consent.store.connections import LISTENING
from consent.store.consents import Refused, Terms
from consent.store.keys import Partition
from consent.store.notifications import Attempt
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, Person, StoreInUse, opened, run
from tests.support.waiting import until


def test_a_request_is_accepted_with_what_it_owes(redis_server: RedisServer) -> None:
    """The consent and the notification it owes appear in one step (I1)."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            claim = await use.store.notifications.claim(consent_id)

        assert claim is not None
        assert [device for device, _ in claim.addresses] == person.devices

    run(test)


def test_accepting_the_same_request_again_changes_nothing(redis_server: RedisServer) -> None:
    """A lost reply has the script sent twice; it is one request all the same."""

    async def test() -> None:
        async with opened(redis_server.url, person_open_requests_max=2) as use:
            person = await use.person()
            consent_id = await person.ask()
            again = await use.store.consents.accept(
                consent_id=consent_id,
                client_id=CLIENT,
                person_id=person.person_id,
                request=b"{}",
                life_seconds=60,
            )

            assert again is None
            assert isinstance(await person.ask(), str)
            assert isinstance(await person.ask(), Refused)

    run(test)


@pytest.mark.parametrize("ending", ["pending", "denied", "approved", "redeemed", "delivered"])
def test_accepting_again_what_has_gone_on_since_changes_nothing(
    redis_server: RedisServer, ending: str
) -> None:
    """The second sending may come when all is over: nobody is asked twice, nothing is undone."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consents, consent_id = use.store.consents, await person.ask()
            if ending != "pending":
                event = Event.DENY if ending == "denied" else Event.APPROVE
                assert await person.answer(consent_id, event) == "answered"
            if ending in {"redeemed", "delivered"}:
                assert (await consents.poll(consent_id, CLIENT)).outcome == "granted"
            if ending == "delivered":
                await consents.delivered(consent_id)
            before = await _all_about(use, person, consent_id)

            again = await consents.accept(
                consent_id=consent_id,
                client_id=CLIENT,
                person_id=person.person_id,
                request=b"{}",
                life_seconds=60,
            )

            assert again is None
            assert await _all_about(use, person, consent_id) == before

    run(test)


async def _all_about(use: StoreInUse, person: Person, consent_id: str) -> dict[str, bytes]:
    """All that is kept of a request, its person and their partition, as Redis writes it down."""
    redis, p = use.store.redis, Partition.of(consent_id)
    names = [p.opened, p.accepted, p.outbox, p.calls, p.stats, p.events]
    for identifier in (consent_id, person.person_id):
        names += [it.decode() for it in await redis.execute("KEYS", f"{p.prefix}:*:{identifier}")]
    return {name: await redis.execute("DUMP", name) for name in names}


def test_sixty_four_starts_for_one_person_are_five(redis_server: RedisServer) -> None:
    """Counted in the step that accepts: 5 are, whoever races (T1)."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            asked = await asyncio.gather(*[person.ask() for _ in range(64)])
            owed = await use.store.redis.execute(
                "ZCARD", Partition.of(person.person_id).open(person.person_id)
            )

        refused = [result for result in asked if isinstance(result, Refused)]
        assert len(refused) == 59
        assert {result.why for result in refused} == {"too_many_recent"}
        assert all(0 < result.wait_ms <= 60_000 for result in refused)
        assert owed == 5

    run(test)


def test_five_open_requests_are_the_limit_whatever_the_minute(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url, person_requests_per_minute_max=100) as use:
            person = await use.person()
            consents = [await person.ask() for _ in range(5)]
            sixth = await person.ask()
            await person.answer(consents[0], Event.DENY)
            after_an_answer = await person.ask()

        assert sixth.why == "too_many_open"
        assert isinstance(after_an_answer, str)

    run(test)


def test_a_partition_holds_its_share_of_the_tenants_cap(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url, tenant_open_requests_max=1) as use:
            person = await use.person()
            await person.ask()
            refused = await person.ask()

        assert refused.why == "tenant_full"

    run(test)


def test_nobody_is_asked_who_is_unknown_or_cannot_be_rung(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            without_device = await use.person(devices=0)
            gone = await use.person()
            await use.store.people.remove(gone.person_id)

            assert (await without_device.ask()).why == "no_device"
            assert (await gone.ask()).why == "unknown_user"

    run(test)


def test_sixty_four_polls_of_one_approval_are_one_grant(redis_server: RedisServer) -> None:
    """A122, I2: one claims, the others hear slow_down."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            assert await person.answer(consent_id, Event.APPROVE) == "answered"
            polls = await asyncio.gather(
                *[use.store.consents.poll(consent_id, CLIENT) for _ in range(64)]
            )

        outcomes = collections.Counter(poll.outcome for poll in polls)
        assert outcomes == {"granted": 1, "slow_down": 63}

    run(test)


def test_a_delivered_redemption_is_over(redis_server: RedisServer) -> None:
    """A121."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            await person.answer(consent_id, Event.APPROVE)
            granted = await use.store.consents.poll(consent_id, CLIENT)
            await use.store.consents.delivered(consent_id)
            again = await use.store.consents.poll(consent_id, CLIENT)

        assert granted.outcome == "granted"
        assert again.outcome == "spent"

    run(test)


def test_a_claim_whose_process_died_is_taken_up_as_the_same_token_set(
    redis_server: RedisServer,
) -> None:
    """The approval is not eaten by a crash, and never gives a second token set (I2)."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            await person.answer(consent_id, Event.APPROVE)
            first = await use.store.consents.poll(consent_id, CLIENT)
            p = Partition.of(consent_id)
            longer_ago = first.redeemed_at_ms - policy.CLAIM_ALONE_MS
            await use.store.redis.execute("HSET", p.consent(consent_id), "claimed_at", longer_ago)
            second = await use.store.consents.poll(consent_id, CLIENT)
            racing = await use.store.consents.poll(consent_id, CLIENT)

        assert (second.outcome, second.redeemed_at_ms) == (
            "granted",
            first.redeemed_at_ms,
        )
        assert racing.outcome == "slow_down"

    run(test)


def test_yes_against_no_has_one_winner(redis_server: RedisServer) -> None:
    """Two devices answer differently at once, fifty times: one counts, the other is told (I5)."""

    async def test() -> None:
        async with opened(
            redis_server.url, person_requests_per_minute_max=1_000, person_open_requests_max=1_000
        ) as use:
            person = await use.person(devices=2)
            for _ in range(50):
                consent_id = await person.ask()
                answers = await asyncio.gather(
                    person.answer(consent_id, Event.APPROVE, 0),
                    person.answer(consent_id, Event.DENY, 1),
                    person.answer(consent_id, Event.APPROVE, 0),
                )

                assert sorted(answers[:2]) == ["answered", "conflict"]
                assert answers[2] == ("repeated" if answers[0] == "answered" else "conflict")

    run(test)


def test_an_answer_that_is_sent_again_after_the_redemption_is_still_that_answer(
    redis_server: RedisServer,
) -> None:
    """A phone whose reply was lost is told that it worked, however quick the client was."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consents, consent_id = use.store.consents, await person.ask()
            assert await person.answer(consent_id, Event.APPROVE) == "answered"
            assert (await consents.poll(consent_id, CLIENT)).outcome == "granted"
            before = await _all_about(use, person, consent_id)

            assert await person.answer(consent_id, Event.APPROVE) == "repeated"
            assert await person.answer(consent_id, Event.DENY) == "conflict"
            assert await _all_about(use, person, consent_id) == before

    run(test)


@pytest.mark.parametrize("event", [Event.APPROVE, Event.DENY])
def test_who_was_blocked_since_they_were_asked_answers_nothing(
    redis_server: RedisServer, event: Event
) -> None:
    """T39."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            await _block(use, person)
            before = await _all_about(use, person, consent_id)

            assert await person.answer(consent_id, event) == "blocked"
            assert await _all_about(use, person, consent_id) == before

    run(test)


def test_yes_against_the_deadline_has_one_winner(redis_server: RedisServer) -> None:
    """Answers rain on the last instant; what was not in time is expired and never approved (I3)."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask(life_seconds=1)
            answers = [await person.answer(consent_id, Event.APPROVE) for _ in range(3)]
            late = await person.ask(life_seconds=1)
            outcome = ""
            while outcome != "expired":
                outcome = (await use.store.consents.poll(late, CLIENT)).outcome
            after = await person.answer(late, Event.APPROVE)
            poll_after = await use.store.consents.poll(late, CLIENT)

        assert answers == ["answered", "repeated", "repeated"]
        assert after == "expired"
        assert poll_after.outcome == "expired"

    run(test)


def test_an_early_poll_slows_the_next_one_down(redis_server: RedisServer) -> None:
    """A113-A115: the first poll is free, each early one adds five seconds."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            consent_id = await (await use.person()).ask()
            polls = [await use.store.consents.poll(consent_id, CLIENT) for _ in range(4)]

        assert [(poll.outcome, poll.interval_seconds) for poll in polls] == [
            ("pending", 0),
            ("slow_down", 10),
            ("slow_down", 15),
            ("slow_down", 20),
        ]

    run(test)


def test_a_decision_is_told_however_early_the_poll(redis_server: RedisServer) -> None:
    """A118."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            for _ in range(3):
                await use.store.consents.poll(consent_id, CLIENT)
            await person.answer(consent_id, Event.DENY)
            poll = await use.store.consents.poll(consent_id, CLIENT)

        assert poll.outcome == "denied"

    run(test)


def test_another_clients_poll_finds_nothing_and_disturbs_nothing(
    redis_server: RedisServer,
) -> None:
    """A111, A112, T4."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            await person.answer(consent_id, Event.APPROVE)
            stranger = await use.store.consents.poll(consent_id, "another client")
            owner = await use.store.consents.poll(consent_id, CLIENT)

        assert stranger.outcome == "unknown"
        assert owner.outcome == "granted"

    run(test)


def test_a_notification_is_leased_to_one_worker(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            consent_id = await (await use.person()).ask()
            claims = await asyncio.gather(
                *[use.store.notifications.claim(consent_id) for _ in range(16)]
            )

        assert len([claim for claim in claims if claim]) == 1

    run(test)


def _attempt(outcome: str, device_id: str, address: bytes) -> Attempt:
    return Attempt(device_id, outcome, address, "fcm", b'{"event":"push"}')


def test_a_consent_nobody_can_be_told_of_ends_at_once(redis_server: RedisServer) -> None:
    """Both addresses are dead: they retire, and the poll says so before the deadline."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=2)
            consent_id = await person.ask()
            claim = await use.store.notifications.claim(consent_id)
            assert claim is not None
            attempts = [_attempt("unregistered", *known) for known in claim.addresses]
            verdict = await use.store.notifications.report(claim, attempts, 2_000)
            poll = await use.store.consents.poll(consent_id, CLIENT)
            next_request = await person.ask()

        assert verdict == "unreachable"
        assert poll.outcome == "unreachable"
        assert next_request.why == "no_device"

    run(test)


def test_only_the_device_that_was_not_told_is_owed_again(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=2)
            consent_id = await person.ask()
            claim = await use.store.notifications.claim(consent_id)
            assert claim is not None
            (told, failed) = claim.addresses
            attempts = [_attempt("delivered", *told), _attempt("retry", *failed)]
            verdict = await use.store.notifications.report(claim, attempts, 1)
            await asyncio.sleep(0.01)
            again = await use.store.notifications.claim(consent_id)

        assert verdict == "retrying"
        assert again is not None
        assert again.addresses == [failed]

    run(test)


def test_a_consent_a_phone_has_fetched_is_not_given_up(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            claim = await use.store.notifications.claim(consent_id)
            assert claim is not None
            await use.store.consents.fetch(
                consent_id=consent_id,
                person_id=person.person_id,
                device_id=person.devices[0],
                thumbprint="t" * 43,
                proof="proof" + consent_id,
            )
            verdict = await use.store.notifications.report(
                claim, [_attempt("rejected", *claim.addresses[0])], 2_000
            )
            answered = await person.answer(consent_id, Event.APPROVE)

        assert verdict == "told"
        assert answered == "answered"

    run(test)


def test_a_proof_counts_once(redis_server: RedisServer) -> None:
    """T11: a hundred times at once, one is answered."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            fetched = await asyncio.gather(
                *[
                    use.store.consents.fetch(
                        consent_id=consent_id,
                        person_id=person.person_id,
                        device_id=person.devices[0],
                        thumbprint="t" * 43,
                        proof="the same proof" + consent_id,
                    )
                    for _ in range(100)
                ]
            )

        outcomes = collections.Counter(question.outcome for question in fetched)
        assert outcomes == {"question": 1, "replayed": 99}

    run(test)


def test_a_stranger_neither_fetches_nor_answers(redis_server: RedisServer) -> None:
    """T8, T9: another person's device, and another key under the right device's name."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            asked, stranger = await use.person(), await use.person()
            consent_id = await asked.ask()
            question = await use.store.consents.fetch(
                consent_id=consent_id,
                person_id=asked.person_id,
                device_id=asked.devices[0],
                thumbprint="f" * 43,
                proof="foreign" + consent_id,
            )
            asked.devices[0], own = stranger.devices[0], asked.devices[0]
            foreign_device = await asked.answer(consent_id, Event.APPROVE)
            asked.devices[0] = own
            own_answer = await asked.answer(consent_id, Event.DENY)

        assert question.outcome == "unknown_device"
        assert foreign_device == "unknown_device"
        assert own_answer == "answered"

    run(test)


def test_with_the_last_device_goes_what_was_asked(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            await use.store.people.remove_device(person.person_id, person.devices[0])
            poll = await use.store.consents.poll(consent_id, CLIENT)

        assert poll.outcome == "unreachable"

    run(test)


def test_a_person_who_has_left_gets_no_tokens_out(redis_server: RedisServer) -> None:
    """T39: approved, then deleted, then redeemed."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            await person.answer(consent_id, Event.APPROVE)
            await use.store.people.remove(person.person_id)
            poll = await use.store.consents.poll(consent_id, CLIENT)

        assert poll.outcome == "refused"

    run(test)


def test_a_ticket_enrols_one_device(redis_server: RedisServer) -> None:
    """T34: a hundred at once, one is enrolled."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=0)
            ticket = person.person_id[:3] + "x" * 20 + person.person_id[3:12]
            await use.store.people.create_ticket(ticket, person.person_id, 60_000)
            outcomes = await asyncio.gather(
                *[
                    use.store.people.enroll(
                        ticket=ticket,
                        person_id=person.person_id,
                        device_id=f"device {number}",
                        thumbprint="t" * 43,
                        record=b"{}",
                        address=b'1 ["apns","x"]',
                        address_name=b'["apns","x"]',
                    )
                    for number in range(100)
                ]
            )

        counted = collections.Counter(outcome for outcome, _ in outcomes)
        assert counted == {"enrolled": 1, "used_ticket": 99}

    run(test)


async def _field(use: StoreInUse, key: str, *fields: str) -> list[str]:
    """Of a hash; '' what is not there."""
    values = await use.store.redis.execute("HMGET", key, *fields)
    return [value.decode() if value is not None else "" for value in values]


def test_the_terms_of_a_request_are_kept_for_as_long_as_they_may_be_needed(
    redis_server: RedisServer,
) -> None:
    """A023, A159, A175: and with a client that polls there is nothing to keep."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person, redis = await use.person(), use.store.redis
            for mode in ("ping", "push"):
                terms = Terms(mode, b"sealed", confirmation="jkt:a", refresh_lives_ms=(9_000, 60))
                consent_id = await person.ask(60, terms)
                p = Partition.of(consent_id)
                told = await _field(use, p.consent(consent_id), "mode", "cnf", "refresh")
                callback = await redis.execute("GET", p.callback(consent_id))
                life_ms = await redis.execute("PTTL", p.callback(consent_id))

                assert told == [mode, "jkt:a", "9000 60"]
                assert callback == b"sealed"
                callable_ms = 60_000 + policy.CALLABLE_AFTER_ANSWER_MS
                assert callable_ms - 10_000 < life_ms <= callable_ms

            polled = await person.ask()
            p = Partition.of(polled)
            assert await _field(use, p.consent(polled), "mode", "cnf", "refresh") == ["", "", ""]
            assert await redis.execute("EXISTS", p.callback(polled)) == 0

    run(test)


RIGHT, WRONG = Terms(user_code="the MAC"), Terms(user_code="another MAC")
NO_CODE, UNUSED = Terms(user_code=""), Terms(user_code="-")
OFTEN = {"person_requests_per_minute_max": 1_000, "person_open_requests_max": 1_000}


async def _with_code(use: StoreInUse) -> Person:
    person = await use.person()
    user = await use.store.people.read(person.person_id)
    assert user is not None
    changed = await use.store.people.change(
        person.person_id, read=user, user=user, user_code="the MAC"
    )
    assert changed
    return person


async def _told(person: Person, terms: Terms) -> str:
    """Why a request was refused, '' when it was accepted."""
    asked = await person.ask(60, terms)
    return asked.why if isinstance(asked, Refused) else ""


def test_who_has_a_user_code_is_asked_with_it(redis_server: RedisServer) -> None:
    """A038, A039, A040: and a client that uses none need not know it."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            coded, uncoded = await _with_code(use), await use.person()

            told = [await _told(coded, terms) for terms in (RIGHT, NO_CODE, WRONG, UNUSED)]
            assert told == ["", "missing_user_code", "invalid_user_code", ""]
            told = [await _told(uncoded, terms) for terms in (RIGHT, NO_CODE, WRONG, UNUSED)]
            assert told == ["", "", "", ""]

    run(test)


def test_after_some_wrong_codes_none_is_listened_to(redis_server: RedisServer) -> None:
    """A039: not even the right one, for a while; clients that use no codes are not touched."""

    async def test() -> None:
        async with opened(redis_server.url, **OFTEN) as use:
            person = await _with_code(use)
            for _ in range(policy.USER_CODE_FAILURES_MAX):
                assert await _told(person, WRONG) == "invalid_user_code"

            for terms in (RIGHT, WRONG, NO_CODE):
                refused = await person.ask(60, terms)
                assert refused.why == "user_code_locked"
                assert 0 < refused.wait_ms <= policy.USER_CODE_LOCKED_MS
            assert await _told(person, UNUSED) == ""

            key = Partition.of(person.person_id).person(person.person_id)
            await use.store.redis.execute("HSET", key, "code_locked_until", 1)
            assert await _told(person, WRONG) == "invalid_user_code"
            assert await _told(person, RIGHT) == ""

    run(test)


def test_the_right_code_forgives_the_wrong_ones(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url, **OFTEN) as use:
            person = await _with_code(use)
            few = [WRONG] * (policy.USER_CODE_FAILURES_MAX - 1)
            told = [await _told(person, terms) for terms in (*few, RIGHT, *few, RIGHT)]
            key = Partition.of(person.person_id).person(person.person_id)
            left = await _field(use, key, "code_failures", "code_failed_by", "code_locked_until")

        assert {*told} == {"invalid_user_code", ""}
        assert told[len(few)] == told[-1] == ""
        assert left == ["", "", ""]

    run(test)


def test_a_wrong_code_that_is_sent_again_counts_once(redis_server: RedisServer) -> None:
    """A lost reply has the script sent twice: the last wrong code before the lock as well."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await _with_code(use)
            key = Partition.of(person.person_id).person(person.person_id)
            for count in range(1, policy.USER_CODE_FAILURES_MAX + 1):
                consent_id = consent_id_of(new_auth_req_id(person.person_id))
                for _ in range(3):
                    refused = await use.store.consents.accept(
                        consent_id=consent_id,
                        client_id=CLIENT,
                        person_id=person.person_id,
                        request=b"{}",
                        life_seconds=60,
                        terms=WRONG,
                    )
                    assert refused == Refused("invalid_user_code")
                failures, locked = await _field(use, key, "code_failures", "code_locked_until")
                is_last = count == policy.USER_CODE_FAILURES_MAX
                assert (failures, bool(locked)) == ("0" if is_last else str(count), is_last)

    run(test)


def test_polls_of_one_operation_are_one_poll(redis_server: RedisServer) -> None:
    """A116: a held poll that asks again is not too early, and the next one is."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            consents = use.store.consents
            person = await use.person()
            consent_id = await person.ask()
            held = consents.operation_id()
            polls = [
                await consents.poll(consent_id, CLIENT, operation_id=held, held=True)
                for _ in range(3)
            ]
            early = await consents.poll(consent_id, CLIENT)
            early_and_held = consents.operation_id()
            slowed = [
                await consents.poll(consent_id, CLIENT, operation_id=early_and_held, held=True)
                for _ in range(2)
            ]

        assert {poll.outcome for poll in polls} == {"pending"}
        assert 60_000 >= polls[0].left_ms >= polls[1].left_ms >= polls[2].left_ms > 0
        assert (early.outcome, early.interval_seconds) == ("slow_down", 10)
        assert [(poll.outcome, poll.interval_seconds) for poll in slowed] == [("slow_down", 15)] * 2

    run(test)


def test_a_claim_is_taken_up_again_with_the_key_it_was_made_with(
    redis_server: RedisServer,
) -> None:
    """D085, I2: the same token set would be bound to another key, or to none."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            consents, person = use.store.consents, await use.person()
            for own, others in {"jkt:a": ("jkt:b", "x5t#S256:a", ""), "": ("jkt:a",)}.items():
                consent_id = await person.ask()
                await person.answer(consent_id, Event.APPROVE)
                first = await consents.poll(consent_id, CLIENT, own)
                longer_ago = first.redeemed_at_ms - policy.CLAIM_ALONE_MS
                key = Partition.of(consent_id).consent(consent_id)
                await use.store.redis.execute("HSET", key, "claimed_at", longer_ago)
                for another in others:
                    assert (await consents.poll(consent_id, CLIENT, another)).outcome == "spent"
                second = await consents.poll(consent_id, CLIENT, own)

                assert first.outcome == "granted"
                assert second == first

    run(test)


def test_what_is_pushed_is_not_fetched(redis_server: RedisServer) -> None:
    """A123: whoever's registration has changed meanwhile."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask(60, Terms("push", b"sealed"))
            assert await person.answer(consent_id, Event.APPROVE) == "call"
            poll = await use.store.consents.poll(consent_id, CLIENT)
            key = Partition.of(consent_id).consent(consent_id)

            assert poll.outcome == "unknown"
            assert await _field(use, key, "state", "redeemed_at") == ["approved", ""]

    run(test)


def test_a_redemption_makes_the_grant_of_its_refresh_token_once(redis_server: RedisServer) -> None:
    """D080, D082, D086: whose it is, what was approved, and for how long; an idle one ends."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            consents, redis, person = use.store.consents, use.store.redis, await use.person()
            for lives_ms, life_ms in (((3_600_000, 600_000), 600_000), ((9_000, 60_000), 9_000)):
                consent_id = await person.ask(60, Terms(refresh_lives_ms=lives_ms))
                p = Partition.of(consent_id)
                await person.answer(consent_id, Event.APPROVE)
                assert await redis.execute("EXISTS", p.grant(consent_id)) == 0
                granted = await consents.poll(consent_id, CLIENT)
                flat = await redis.execute("HGETALL", p.grant(consent_id))
                left_ms = await redis.execute("PTTL", p.grant(consent_id))

                assert dict(zip(flat[::2], flat[1::2], strict=True)) == {
                    b"client": CLIENT.encode(),
                    b"person": person.person_id.encode(),
                    b"request": granted.request,
                    b"auth_time_ms": str(granted.decided_at_ms).encode(),
                    b"generation": b"0",
                    b"cnf": b"",
                    b"expires_at": str(granted.redeemed_at_ms + lives_ms[0]).encode(),
                    b"idle_ms": str(lives_ms[1]).encode(),
                }
                assert life_ms - 5_000 < left_ms <= life_ms

                await redis.execute("DEL", p.grant(consent_id))  # it was revoked
                longer_ago = granted.redeemed_at_ms - policy.CLAIM_ALONE_MS
                await redis.execute("HSET", p.consent(consent_id), "claimed_at", longer_ago)
                assert (await consents.poll(consent_id, CLIENT)).outcome == "granted"
                assert await redis.execute("EXISTS", p.grant(consent_id)) == 0

    run(test)


def test_without_a_refresh_token_there_is_no_grant(redis_server: RedisServer) -> None:
    """D086."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            await person.answer(consent_id, Event.APPROVE)
            await use.store.consents.poll(consent_id, CLIENT)

            key = Partition.of(consent_id).grant(consent_id)
            assert await use.store.redis.execute("EXISTS", key) == 0

    run(test)


async def _block(use: StoreInUse, person: Person) -> None:
    user = await use.store.people.read(person.person_id)
    assert user is not None
    assert await use.store.people.change(person.person_id, read=user, user=user, blocked=True)


def test_who_may_not_be_answered_for_any_more_gets_no_tokens_out(
    redis_server: RedisServer,
) -> None:
    """T39: between the answer and the redemption, and between a claim and its repetition."""

    async def block(use: StoreInUse, person: Person) -> None:
        await _block(use, person)

    async def lose_the_device(use: StoreInUse, person: Person) -> None:
        assert await use.store.people.remove_device(person.person_id, person.devices[0])

    async def leave(use: StoreInUse, person: Person) -> None:
        assert await use.store.people.remove(person.person_id)

    async def test() -> None:
        async with opened(redis_server.url) as use:
            consents = use.store.consents
            for happens in (block, lose_the_device, leave):
                person = await use.person(devices=2)
                unclaimed, claimed = await person.ask(), await person.ask()
                for consent_id in (unclaimed, claimed):
                    await person.answer(consent_id, Event.APPROVE, device=0)
                first = await consents.poll(claimed, CLIENT)
                longer_ago = first.redeemed_at_ms - policy.CLAIM_ALONE_MS
                key = Partition.of(claimed).consent(claimed)
                await use.store.redis.execute("HSET", key, "claimed_at", longer_ago)
                await happens(use, person)

                for consent_id in (unclaimed, claimed):
                    assert (await consents.poll(consent_id, CLIENT)).outcome == "refused"

    run(test)


def test_another_device_that_is_removed_takes_no_answer_with_it(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person(devices=2)
            consent_id = await person.ask()
            await person.answer(consent_id, Event.APPROVE, device=0)
            await use.store.people.remove_device(person.person_id, person.devices[1])

            assert (await use.store.consents.poll(consent_id, CLIENT)).outcome == "granted"

    run(test)


def test_who_has_the_user_id_now_is_not_who_approved(redis_server: RedisServer) -> None:
    """T39: deleted and made again between the answer and the redemption, whatever the device."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            await person.answer(consent_id, Event.APPROVE)
            key = Partition.of(consent_id).consent(consent_id)
            asked_at = int((await _field(use, key, "created_at"))[0])
            await use.store.redis.execute("HSET", key, "created_at", asked_at - 1)
            await use.store.people.remove(person.person_id)
            assert await use.store.people.create(person.person_id, b'{"user_id":"again"}')
            await use.store.redis.execute("HSET", key, "decided_by", await person.enroll())

            assert (await use.store.consents.poll(consent_id, CLIENT)).outcome == "refused"

    run(test)


@asynccontextmanager
async def _hearing(use: StoreInUse) -> AsyncIterator[list[str]]:
    """What is said of decisions, from now on."""
    heard: list[str] = []

    async def listen() -> None:
        async for message in use.store.redis.messages(keys.DECIDED):
            heard.append(message)  # noqa: PERF401 - it never ends

    task = asyncio.create_task(listen())
    try:
        await until(lambda: LISTENING in heard)
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])


def test_an_end_is_told_to_who_holds_a_poll_and_owed_to_who_is_called(
    redis_server: RedisServer,
) -> None:
    """A150, A157, A170: in the step that ends it, an answer or none; a poll client owes nothing."""

    async def approve(use: StoreInUse, person: Person, consent_id: str) -> None:
        expected = "call" if await _is_called(use, consent_id) else "answered"
        assert await person.answer(consent_id, Event.APPROVE) == expected
        assert await person.answer(consent_id, Event.APPROVE) == "repeated"

    async def deny(use: StoreInUse, person: Person, consent_id: str) -> None:
        expected = "call" if await _is_called(use, consent_id) else "answered"
        assert await person.answer(consent_id, Event.DENY) == expected

    async def reach_nobody(use: StoreInUse, _person: Person, consent_id: str) -> None:
        claim = await use.store.notifications.claim(consent_id)
        assert claim is not None
        dead = [_attempt("unregistered", *known) for known in claim.addresses]
        assert await use.store.notifications.report(claim, dead, 2_000) == "unreachable"

    async def lose_the_last_device(use: StoreInUse, person: Person, _consent_id: str) -> None:
        assert await use.store.people.remove_device(person.person_id, person.devices[0])

    async def leave(use: StoreInUse, person: Person, _consent_id: str) -> None:
        assert await use.store.people.remove(person.person_id)

    async def test() -> None:
        async with opened(redis_server.url) as use, _hearing(use) as heard:
            for end in (approve, deny, reach_nobody, lose_the_last_device, leave):
                for terms in (Terms(), Terms("ping", b"sealed"), Terms("push", b"sealed")):
                    person = await use.person()
                    consent_id = await person.ask(60, terms)
                    assert await _owed_from(use, consent_id) is None
                    await end(use, person, consent_id)
                    await until(lambda told=consent_id: told in heard)  # type: ignore[misc]

                    assert heard.count(consent_id) == 1
                    due = await _owed_from(use, consent_id)
                    assert (due is not None) == (terms.mode != "poll"), end.__name__
                    if due is not None:
                        by = await _field(
                            use, Partition.of(consent_id).consent(consent_id), "decided_at"
                        )
                        # A job makes a call prompt; of what ends by itself there is none.
                        assert not by[0] or due == int(by[0]) + policy.SWEEP_AFTER_MS

    run(test)


async def _is_called(use: StoreInUse, consent_id: str) -> bool:
    return bool((await _field(use, Partition.of(consent_id).consent(consent_id), "mode"))[0])


async def _owed_from(use: StoreInUse, consent_id: str) -> int | None:
    """When a sweeper may claim the call that is owed."""
    score = await use.store.redis.execute("ZSCORE", Partition.of(consent_id).calls, consent_id)
    return None if score is None else int(score)


def test_what_ended_by_itself_is_due_at_once(redis_server: RedisServer) -> None:
    """Nobody else rings for it; what was answered is left to its job for a moment."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            answered, lost = await use.person(), await use.person()
            terms = Terms("ping", b"sealed")
            told, ended = await answered.ask(60, terms), await lost.ask(60, terms)
            await answered.answer(told, Event.DENY)
            await use.store.people.remove_device(lost.person_id, lost.devices[0])

            assert told not in (await use.store.notifications.due(Partition.of(told), 10_000)).calls
            assert ended in (await use.store.notifications.due(Partition.of(ended), 10_000)).calls

    run(test)
