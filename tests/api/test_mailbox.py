"""Who opens the link of a mail may answer its one request, once, where the tenant allows it."""

import dataclasses
import json
import secrets

import httpx2
import msgspec
import pytest

from consent.client import CIBA_GRANT, Client
from consent.identifiers import consent_id_of, new_auth_req_id, person_of_mailbox_device
from consent.lifecycle import Event
from consent.mailbox import ACR, mailbox_token
from consent.store import keys
from consent.store.consents import Terms
from consent.tenant import TENANT_ID, Tenant
from tests.support.domain import a_request
from tests.support.mailbox_page import RESOLVE, MailboxPage
from tests.support.provider import ISSUER, Provider, claims_of, tell
from tests.support.redis_server import RedisServer
from tests.support.store import Person

EMAIL = "ann@example.com"


@dataclasses.dataclass
class Asked:
    """A request that waits, and the token that its mail holds."""

    person: Person
    client: Client
    auth_req_id: str
    token: str

    @property
    def consent_id(self) -> str:
        return consent_id_of(self.auth_req_id)


async def allow(nod: Provider, *, mailbox_approval: bool = True) -> None:
    tenant = Tenant(mailbox_approval=mailbox_approval)
    await nod.services.directory.write(keys.TENANT, TENANT_ID, tenant)


async def asked(nod: Provider, person: Person | None = None, **request: object) -> Asked:
    await allow(nod)
    person = person or await nod.person(email=EMAIL, email_verified=True)
    client = await nod.client()
    auth_req_id = new_auth_req_id(person.person_id)
    fields: dict[str, object] = {
        "client_id": client.client_id,
        "user_id": person.user_id,
        "audience": f"{ISSUER}userinfo",
        "acr": "urn:nod:acr:signed-approval",
        "refreshable": True,
    }
    refused = await nod.services.consents.accept(
        consent_id=consent_id_of(auth_req_id),
        client_id=client.client_id,
        person_id=person.person_id,
        request=msgspec.json.encode(a_request(**(fields | request))),
        life_seconds=60,
        terms=Terms(refresh_lives_ms=(3_600_000, 600_000)),
    )
    assert refused is None
    token = mailbox_token(
        seal=nod.services.seal,
        issuer=ISSUER,
        consent_id=consent_id_of(auth_req_id),
        address=EMAIL,
        expires_at_seconds=int(nod.now()) + 60,
    )
    return Asked(person, client, auth_req_id, token)


async def changed(nod: Provider, person: Person, **profile: object) -> None:
    """What administrators do."""
    read = await nod.services.people.read(person.person_id)
    assert read is not None
    user = msgspec.json.encode(msgspec.json.decode(read) | profile)
    assert await nod.services.people.change(person.person_id, read=read, user=user)


async def polled(nod: Provider, it: Asked) -> httpx2.Response:
    form = {"grant_type": CIBA_GRANT, "auth_req_id": it.auth_req_id}
    return await nod.post("oauth/token", it.client, **form)


async def opened(nod: Provider, it: Asked) -> MailboxPage:
    page = MailboxPage(nod)
    answer = await page.open(it.token)
    assert answer.status_code == 201, answer.text
    return page


def check(answer: httpx2.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["errorCode"]) == (status, code), answer.text
    assert answer.json()["statusCode"] == status


def test_a_page_that_was_opened_from_the_mail_answers_and_the_tokens_say_so(
    redis_server: RedisServer,
) -> None:
    async def story(nod: Provider) -> None:
        it = await asked(nod)
        page = await opened(nod, it)

        assert person_of_mailbox_device(page.id) == it.person.person_id
        assert page.said["notification"]["txlnkid"] == it.consent_id
        assert page.said["notification"]["expires_at"].endswith("Z")
        shown = (await page.fetch()).json()
        assert shown["requested_details"]["binding_message"] == "Pay 10"
        assert (await page.resolve()).status_code == 204
        assert (await page.resolve(digest=shown["consent_digest"])).status_code == 204

        tokens = (await polled(nod, it)).json()
        refreshed = await nod.refreshed(it.client, tokens["refresh_token"])
        for token in (tokens["id_token"], tokens["access_token"], refreshed["access_token"]):
            claims = claims_of(token)
            assert (claims["acr"], claims["amr"]) == (ACR, ["mca", "user"])

    tell(redis_server.url, story)


def test_an_enrolled_key_attains_what_it_did_before(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        person, client = await nod.person(), await nod.client()
        await allow(nod)
        claims = claims_of((await nod.tokens(client, person))["access_token"])
        assert "pop" in claims["amr"]

    tell(redis_server.url, story)


@pytest.mark.parametrize("reason", [None, "not_me"])
def test_it_denies_as_any_device_does(redis_server: RedisServer, reason: str | None) -> None:
    async def story(nod: Provider) -> None:
        it = await asked(nod)
        page = await opened(nod, it)

        assert (await page.resolve(accept=False, reason=reason)).status_code == 204
        assert (await polled(nod, it)).json()["error"] == "access_denied"

    tell(redis_server.url, story)


def test_what_was_not_shown_is_not_approved_and_neither_is_a_wrong_number(
    redis_server: RedisServer,
) -> None:
    """T31, T36."""

    async def story(nod: Provider) -> None:
        it = await asked(nod, matching_number="42")
        page = await opened(nod, it)

        check(await page.resolve(digest="A" * 43), 409, "consent_mismatch")
        bare = page.phone.challenge_response(page.said["notification"]["c"], True)  # noqa: FBT003
        check(await page.answer(bare), 409, "consent_mismatch")
        check(await page.resolve(), 403, "number_required")
        assert (await polled(nod, it)).json()["error"] == "authorization_pending"
        check(await page.resolve(number="43"), 403, "wrong_number")

        right = await asked(nod, it.person, matching_number="42")
        page = await opened(nod, right)
        assert (await page.resolve(number="42")).status_code == 204
        assert (await polled(nod, right)).status_code == 200

    tell(redis_server.url, story)


def test_one_key_opens_it_and_no_other_ever_does(redis_server: RedisServer) -> None:
    """A scanner, or whoever finds the mail later, gets nothing; a reload of the page goes on."""

    async def story(nod: Provider) -> None:
        it = await asked(nod)
        page = await opened(nod, it)
        first = page.said
        assert (await page.open(it.token)).status_code == 201
        assert page.said == first

        other = MailboxPage(nod)
        check(await other.open(it.token), 409, "enrollment_conflict")
        other.said, other.phone.account = first, page.phone.account
        check(await other.fetch(), 403, "invalid_dpop_assertion")
        check(await other.resolve(), 401, "invalid_token")

        assert (await page.resolve()).status_code == 204
        check(await other.open(it.token), 409, "enrollment_conflict")

    tell(redis_server.url, story)


def test_looking_at_the_link_alone_binds_nothing(redis_server: RedisServer) -> None:
    """What a scanner of links can do: the fragment stays with it, and a GET is no opening."""

    async def story(nod: Provider) -> None:
        it = await asked(nod)
        for method in ("GET", "HEAD"):
            looked = await nod.http.request(
                method,
                "appliance-mfa/api/mailbox",
                headers={"Authorization": f"Mailbox {it.token}"},
            )
            assert looked.status_code == 405
        await opened(nod, it)

    tell(redis_server.url, story)


def test_the_token_of_another_consent_opens_that_one_alone(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        mine, others = await asked(nod), await asked(nod)
        page = await opened(nod, mine)

        check(await page.fetch(others.consent_id), 404, "login_transaction_not_found")
        assert (await page.resolve()).status_code == 204
        assert (await polled(nod, others)).json()["error"] == "authorization_pending"
        # The same key may open both, and is another device to each.
        twin = MailboxPage(nod)
        twin.phone = page.phone
        assert (await twin.open(others.token)).status_code == 201
        assert twin.id != page.id

    tell(redis_server.url, story)


@pytest.mark.parametrize(
    "now",
    [
        {"email": "ann@example.org"},
        {"email": ""},
        {"email": None},
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "true"},
    ],
    ids=lambda now: " ".join(f"{name} {value}" for name, value in now.items()),
)
def test_a_mail_counts_while_its_address_is_the_persons_verified_one(
    redis_server: RedisServer, now: dict[str, object]
) -> None:
    """The old mailbox learns nothing, not even that the link was once good or is in use (T3)."""

    async def story(nod: Provider) -> None:
        it = await asked(nod)
        page = MailboxPage(nod)
        await changed(nod, it.person, **now)
        check(await page.open(it.token), 404, "login_transaction_not_found")

        await changed(nod, it.person, email=EMAIL, email_verified=True)
        assert (await page.open(it.token)).status_code == 201
        await changed(nod, it.person, **now)
        check(await MailboxPage(nod).open(it.token), 404, "login_transaction_not_found")

    tell(redis_server.url, story)


def test_an_address_is_the_same_in_whatever_case_it_is_written(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        it = await asked(nod)
        await changed(nod, it.person, email=EMAIL.upper())
        await opened(nod, it)

    tell(redis_server.url, story)


def test_what_its_owner_has_opened_answers_although_the_address_changes(
    redis_server: RedisServer,
) -> None:
    """Opening is what asks for it; to open the link again is to ask again."""

    async def story(nod: Provider) -> None:
        it = await asked(nod)
        page = await opened(nod, it)
        await changed(nod, it.person, email="ann@example.org")

        check(await page.open(it.token), 404, "login_transaction_not_found")
        assert (await page.resolve()).status_code == 204
        assert (await polled(nod, it)).status_code == 200

    tell(redis_server.url, story)


def test_after_the_deadline_nothing_opens(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        it = await asked(nod)
        redis = nod.services.store.redis
        key = keys.Partition.of(it.consent_id).consent(it.consent_id)
        await redis.execute("HSET", key, "expires_at", 1)  # the store's clock has the last word
        check(await MailboxPage(nod).open(it.token), 410, "transaction_expired")

        late = await asked(nod)
        nod.late_seconds = 200
        check(await MailboxPage(nod).open(late.token), 410, "transaction_expired")

    tell(redis_server.url, story)


def test_what_was_answered_elsewhere_does_not_open_any_more(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        it = await asked(nod)
        page = await opened(nod, it)
        other = await asked(nod, it.person)
        assert (await page.resolve()).status_code == 204
        deny = await opened(nod, other)
        assert (await deny.resolve(accept=False)).status_code == 204
        check(await deny.fetch(), 404, "login_transaction_not_found")
        check(await deny.resolve(digest="A" * 43), 409, "consent_mismatch")

        third = await asked(nod, it.person)
        page = await opened(nod, third)
        digest = (await page.fetch()).json()["consent_digest"]
        assert await third.person.answer(third.consent_id, Event.DENY) == "answered"
        check(await page.resolve(digest=digest), 409, "transaction_already_resolved")

        late = await asked(nod, it.person)
        assert (
            await nod.services.consent_records.cancel(late.consent_id, event=b"{}") == "cancelled"
        )
        check(await MailboxPage(nod).open(late.token), 404, "login_transaction_not_found")

    tell(redis_server.url, story)


def test_once_the_tenant_forbids_it_nothing_opens_and_what_is_open_cannot_answer(
    redis_server: RedisServer,
) -> None:
    async def story(nod: Provider) -> None:
        it, unopened = await asked(nod), await asked(nod)
        page = await opened(nod, it)
        await allow(nod, mailbox_approval=False)

        check(await MailboxPage(nod).open(unopened.token), 403, "mailbox_not_allowed")
        check(await page.fetch(), 403, "mailbox_not_allowed")
        check(await page.resolve(digest="A" * 43), 403, "mailbox_not_allowed")
        assert (await polled(nod, it)).json()["error"] == "authorization_pending"

    tell(redis_server.url, story)


def test_nobody_answers_for_a_blocked_person(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        it = await asked(nod)
        await nod.block(it.person)
        answer = await MailboxPage(nod).open(it.token)
        assert answer.status_code in {403, 404}  # blocked, or ended with it

        approved = await asked(nod)
        page = await opened(nod, approved)
        assert (await page.resolve()).status_code == 204
        await nod.block(approved.person)
        assert (await polled(nod, approved)).status_code == 400

    tell(redis_server.url, story)


def test_a_client_that_has_left_is_not_answered(redis_server: RedisServer) -> None:
    """T39."""

    async def story(nod: Provider) -> None:
        it, unopened = await asked(nod), await asked(nod)
        page = await opened(nod, it)
        for left in (it, unopened):
            await nod.remove(left.client)

        check(await page.fetch(), 404, "login_transaction_not_found")
        check(await page.resolve(digest="A" * 43), 404, "login_transaction_not_found")
        check(await MailboxPage(nod).open(unopened.token), 404, "login_transaction_not_found")

    tell(redis_server.url, story)


def test_a_mailbox_can_neither_list_nor_stream_nor_change_nor_leave(
    redis_server: RedisServer,
) -> None:
    async def story(nod: Provider) -> None:
        it = await asked(nod)
        page = await opened(nod, it)
        device_tokens = [page.transaction_token, f"dt_{page.id}.{secrets.token_urlsafe(32)}"]
        for path in ("rich-consents", "rich-consents/events"):
            for token in device_tokens:
                check(await page.proven(path, token), 401, "invalid_token")
        path = f"appliance-mfa/api/device-accounts/{page.id}"
        for token in (*device_tokens, page.phone.device_token()):
            headers = {"Authorization": f"Bearer {token}"}
            changed = await nod.http.patch(path, headers=headers, json={"name": "Mine"})
            check(changed, 401, "invalid_token")
            check(await nod.http.delete(path, headers=headers), 401, "invalid_token")
        assert await nod.services.people.device(it.person.person_id, page.id) is None
        claim = await nod.services.store.notifications.claim(it.consent_id)
        assert claim is not None
        assert [device for device, _ in claim.addresses] == it.person.devices

    tell(redis_server.url, story)


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "invalid_bearer_format"),
        ("Bearer a.b.c", "invalid_bearer_format"),
        ("Mailbox ", "invalid_bearer_format"),
        ("Mailbox a.b.c", "invalid_token"),
        ("Mailbox \xff", "invalid_token"),
        ("Mailbox " + "x" * 9_000, "invalid_token"),
    ],
    ids=range(6),
)
def test_without_its_token_nothing_opens(
    redis_server: RedisServer, authorization: str, code: str
) -> None:
    async def story(nod: Provider) -> None:
        headers = [(b"authorization", authorization.encode("latin-1"))]
        answer = await nod.http.post("appliance-mfa/api/mailbox", headers=headers, json={})
        check(answer, 401, code)

    tell(redis_server.url, story)


def test_a_body_that_holds_no_p256_key_is_refused(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        it = await asked(nod)
        rsa = {"kty": "RSA", "n": "AQ" * 170 + "AQ", "e": "AQAB"}
        off_curve = {"kty": "EC", "crv": "P-256", "x": "A", "y": "\x00"}
        wrong: list[object] = [None, "", 7, [], {}, rsa, off_curve]
        for key in wrong:
            check(await MailboxPage(nod).open(it.token, public_key=key), 400, "invalid_body")
        for body in (b"", b"[]", b"{" * 9_000, b'{"public_key":"\\ud800"}', b"\xff"):
            headers = {
                "Authorization": f"Mailbox {it.token}",
                "Content-Type": "application/json",
            }
            answer = await nod.http.post("appliance-mfa/api/mailbox", headers=headers, content=body)
            check(answer, 400, "invalid_body")
        await opened(nod, it)

    tell(redis_server.url, story)


def test_neither_the_token_nor_the_answer_names_what_is_asked(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        page = await opened(nod, await asked(nod))
        assert "Pay 10" not in json.dumps(page.said)
        assert RESOLVE not in page.transaction_token

    tell(redis_server.url, story)
