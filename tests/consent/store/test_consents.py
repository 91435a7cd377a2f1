"""The contract of the store: what each step decides, repeated, raced and out of order."""

import asyncio
import collections

from consent import policy
from consent.lifecycle import Event
from consent.store.consents import Attempt, Refused
from consent.store.keys import Partition
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, opened, run


def test_a_request_is_accepted_with_what_it_owes(redis_server: RedisServer) -> None:
    """The consent and the notification it owes appear in one step (I1)."""

    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            claim = await use.store.consents.claim(consent_id)

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
                *[use.store.consents.claim(consent_id) for _ in range(16)]
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
            claim = await use.store.consents.claim(consent_id)
            assert claim is not None
            attempts = [_attempt("unregistered", *known) for known in claim.addresses]
            verdict = await use.store.consents.report(claim, attempts, 2_000)
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
            claim = await use.store.consents.claim(consent_id)
            assert claim is not None
            (told, failed) = claim.addresses
            attempts = [_attempt("delivered", *told), _attempt("retry", *failed)]
            verdict = await use.store.consents.report(claim, attempts, 1)
            await asyncio.sleep(0.01)
            again = await use.store.consents.claim(consent_id)

        assert verdict == "retrying"
        assert again is not None
        assert again.addresses == [failed]

    run(test)


def test_a_consent_a_phone_has_fetched_is_not_given_up(redis_server: RedisServer) -> None:
    async def test() -> None:
        async with opened(redis_server.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            claim = await use.store.consents.claim(consent_id)
            assert claim is not None
            await use.store.consents.fetch(
                consent_id=consent_id,
                person_id=person.person_id,
                device_id=person.devices[0],
                thumbprint="t" * 43,
                proof="proof" + consent_id,
            )
            verdict = await use.store.consents.report(
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
