"""
A reply that is lost: the step was taken, its answer never arrived, and the lane asks again.

Every script must answer the second time as it did the first (decision: every write names itself),
so that no approval is eaten, no lease is lost and nobody is told "no" who was told "yes".
"""

from collections.abc import Iterator

import pytest

from consent import policy
from consent.device import address_name
from consent.identifiers import new_device_id, new_ticket
from consent.lifecycle import Event
from consent.push import Address
from consent.store import lane
from consent.store.consents import Terms
from consent.store.keys import Partition
from consent.store.notifications import Attempt
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import RedisServer
from tests.support.store import CLIENT, THUMBPRINT, opened, run


@pytest.fixture
def lost(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy that carries out every script and loses its first reply, with the connection."""
    monkeypatch.setattr(lane, "RECONNECT_SECONDS", 0.01)
    repeated: set[bytes] = set()

    def choose(_number: int, command: list[bytes]) -> Fault | None:
        if command[0] != b"EVALSHA":
            return None
        text = b" ".join(command)
        if text in repeated:
            repeated.discard(text)
            return None
        repeated.add(text)
        return Fault.CUT_AFTER

    with Proxy(redis_server.port) as proxy:
        proxy.choose = choose
        yield proxy


def test_a_start_a_poll_and_an_answer_are_what_they_were(lost: Proxy) -> None:
    async def test() -> None:
        async with opened(lost.url) as use:
            consents, person = use.store.consents, await use.person()
            consent_id = await person.ask()
            assert isinstance(consent_id, str)
            polls = [await consents.poll(consent_id, CLIENT) for _ in range(3)]
            assert [(poll.outcome, poll.interval_seconds) for poll in polls] == [
                ("pending", 0),
                ("slow_down", 10),
                ("slow_down", 15),
            ]
            assert await person.answer(consent_id, Event.APPROVE) in {"answered", "repeated"}
            granted = await consents.poll(consent_id, CLIENT)
            assert granted.outcome == "granted"
            await consents.delivered(consent_id)
            assert (await consents.poll(consent_id, CLIENT)).outcome == "spent"

    run(test)


def test_a_ticket_is_not_used_up_by_nobody(lost: Proxy) -> None:
    async def test() -> None:
        async with opened(lost.url) as use:
            person = await use.person(devices=0)
            ticket, device_id = new_ticket(person.person_id), new_device_id(person.person_id)
            assert await use.store.people.create_ticket(ticket, person.person_id, 60_000)
            address, name = address_name(Address("fcm_token", "token", 1))
            outcome, user = await use.store.people.enroll(
                ticket=ticket,
                person_id=person.person_id,
                device_id=device_id,
                thumbprint=THUMBPRINT,
                record=b"{}",
                address=address,
                address_name=name,
            )
            assert outcome == "enrolled"
            assert user == await use.store.people.read(person.person_id)
            assert list(await use.store.people.devices(person.person_id)) == [device_id]

    run(test)


def test_a_proof_is_not_used_up_by_nobody(lost: Proxy) -> None:
    async def test() -> None:
        async with opened(lost.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            who = {
                "person_id": person.person_id,
                "device_id": person.devices[0],
                "thumbprint": THUMBPRINT,
            }
            question = await use.store.consents.fetch(
                consent_id=consent_id, proof="one" + consent_id, **who
            )
            assert question.outcome == "question"
            look = await use.store.pending.look(proof="two" + consent_id, told=(), **who)
            assert not isinstance(look, str)
            assert [known.consent_id for known in look.pending] == [consent_id]

    run(test)


def test_a_lease_is_not_lost(lost: Proxy) -> None:
    """Or a phone would be rung only when the lease has run out, eight seconds later."""

    async def test() -> None:
        async with opened(lost.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            claim = await use.store.notifications.claim(consent_id)
            assert claim is not None
            assert claim.attempt == 1
            assert await use.store.notifications.claim(consent_id) is None

    run(test)


def test_a_report_counts_once(lost: Proxy) -> None:
    """I12: one record for each attempt."""

    async def test() -> None:
        async with opened(lost.url) as use:
            person = await use.person()
            consent_id = await person.ask()
            claim = await use.store.notifications.claim(consent_id)
            assert claim is not None
            (device_id, address) = claim.addresses[0]
            attempt = Attempt(device_id, "delivered", address, "fcm", b'{"event":"push"}')
            before = (await use.store.consent_records.stats()).get("push:fcm:delivered", 0)
            assert await use.store.notifications.report(claim, [attempt], 2_000) == "told"
            read = await use.store.consent_records.read(consent_id)
            after = (await use.store.consent_records.stats())["push:fcm:delivered"]
            assert read is not None
            assert len(read[1]) == 1
            assert after == before + 1

    run(test)


def test_a_wrong_user_code_counts_once(lost: Proxy) -> None:
    """A039: or a bad connection would lock people out."""

    async def test() -> None:
        async with opened(lost.url) as use:
            person = await use.person()
            user = await use.store.people.read(person.person_id)
            assert user is not None
            await use.store.people.change(person.person_id, read=user, user=user, user_code="MAC")
            wrong = Terms(user_code="another MAC")
            for _ in range(policy.USER_CODE_FAILURES_MAX):
                assert (await person.ask(60, wrong)).why == "invalid_user_code"
            assert (await person.ask(60, wrong)).why == "user_code_locked"

    run(test)


def test_a_redemption_is_one_with_its_key_and_its_refresh_token(lost: Proxy) -> None:
    """I2, D080: granted, whoever hears of it the second time."""

    async def test() -> None:
        async with opened(lost.url) as use:
            person = await use.person()
            consent_id = await person.ask(60, Terms(refresh_lives_ms=(60_000, 30_000)))
            await person.answer(consent_id, Event.APPROVE)
            granted = await use.store.consents.poll(consent_id, CLIENT, "jkt:a")
            grant = Partition.of(consent_id).grant(consent_id)
            ends_at = await use.store.redis.execute("HGET", grant, "expires_at")
            assert granted.outcome == "granted"
            assert int(ends_at) == granted.redeemed_at_ms + 60_000

    run(test)


def test_a_call_to_a_client_is_claimed_and_reported_once(lost: Proxy) -> None:
    """A150, I12: owed by the answer, leased to one, and told of once."""

    async def test() -> None:
        async with opened(lost.url) as use:
            person = await use.person()
            consent_id = await person.ask(60, Terms("ping", b"sealed"))
            assert await person.answer(consent_id, Event.APPROVE) in {"call", "repeated"}
            claim = await use.store.calls.claim(consent_id)
            assert claim is not None
            assert (claim.attempt, claim.state) == (1, "approved")
            assert await use.store.calls.claim(consent_id) is None
            before = (await use.store.consent_records.stats()).get("call:ping:delivered", 0)
            reported = await use.store.calls.report(
                claim, outcome="delivered", retry_in_ms=1_000, fact=b'{"event":"call"}'
            )
            read = await use.store.consent_records.read(consent_id)
            after = (await use.store.consent_records.stats())["call:ping:delivered"]
            assert reported == "delivered"
            assert read is not None
            assert len(read[1]) == 2
            assert after == before + 1

    run(test)


def test_an_event_that_changes_nothing_else_is_told_once(lost: Proxy) -> None:
    """It stands in the log for ever: an exchange that was made once is not two."""

    async def test() -> None:
        async with opened(lost.url) as use:
            client = new_ticket("000")
            await use.store.directory.record("seccft", client=client, event=b"{}")
            events = (await use.store.audit.unmoved({})).events
            assert [it.fields["t"] for it in events if it.fields.get("client") == client] == [
                "seccft"
            ]

    run(test)


def test_a_notice_is_owed_claimed_and_reported_once(lost: Proxy) -> None:
    """T35, I12."""

    async def test() -> None:
        async with opened(lost.url) as use:
            person = await use.person(devices=2)
            added, notices = person.devices[1], use.store.notices
            claim = await notices.claim(added)
            assert claim is not None
            assert claim.attempt == 1
            told = [
                Attempt(it, "delivered", address, "fcm", b"{}") for it, address in claim.addresses
            ]
            assert await notices.report(claim, told, 2_000) == "done"
            assert await notices.claim(added) is None
            events = await use.store.redis.execute(
                "XRANGE", Partition.of(person.person_id).events, "-", "+"
            )
            of_it = [fields for _, fields in events if person.devices[0].encode() in fields]
            assert [fields[1] for fields in of_it] == [b"gd_enrollment_complete", b"gd_send_pn"]

    run(test)
