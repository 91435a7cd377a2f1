"""A request that travels by e-mail: through the API, the notifier, and a mail server of our own."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis

from consent.client import CIBA_GRANT, Client
from consent.identifiers import consent_id_of
from consent.store import keys
from consent.tenant import TENANT_ID, Tenant
from scripts.doubles.certificates import Certificates, write_certificates
from scripts.doubles.mail import MailDouble
from tests.support.mailbox_page import MailboxPage
from tests.support.provider import ISSUER, Provider, claims_of, provider
from tests.support.redis_server import RedisServer
from tests.support.store import Person
from workers.notifier import Notifier
from workers.senders import senders

BINDING_MESSAGE = "Pay-10-to-the-gardener"
EMAIL = "ann@example.com"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return write_certificates(Path(tmp_path_factory.mktemp("mail")))


class Mailed(NamedTuple):
    """A whole installation in one loop."""

    nod: Provider
    double: MailDouble
    notifier: Notifier

    async def start(self, email: str = EMAIL, *, mailbox_approval: bool = False) -> "Started":
        """A request of a client that uses e-mail alone, and its mail, if one arrived."""
        nod = self.nod
        tenant = Tenant(mailbox_approval=mailbox_approval)
        await nod.services.directory.write(keys.TENANT, TENANT_ID, tenant)
        person = await nod.person(email=email, email_verified=True)
        client = await nod.client(async_approval_notification_channels=["email"])
        hint = {"format": "iss_sub", "iss": ISSUER, "sub": person.user_id}
        answer = await nod.post(
            "bc-authorize",
            client,
            scope="openid",
            binding_message=BINDING_MESSAGE,
            login_hint=json.dumps(hint),
            requested_expiry="3600",
        )
        assert answer.status_code == 200, answer.text
        auth_req_id = answer.json()["auth_req_id"]
        seen = len(await self.double.inbox.after(email))
        await self.notifier.notify([consent_id_of(auth_req_id)])
        await self.notifier.settle()
        return Started(person, client, auth_req_id, await self.double.inbox.after(email, seen))

    async def poll(self, it: "Started") -> dict[str, Any]:
        form = {"grant_type": CIBA_GRANT, "auth_req_id": it.auth_req_id}
        return dict((await self.nod.post("oauth/token", it.client, **form)).json())


class Started(NamedTuple):
    person: Person
    client: Client
    auth_req_id: str
    mails: list[dict[str, Any]]

    @property
    def link(self) -> str:
        [mail] = self.mails
        found = re.search(rf"{ISSUER}authenticator#\S+", mail["text"])
        assert found
        return found[0]


@contextlib.asynccontextmanager
async def mailed(redis_url: str, certificates: Certificates) -> AsyncIterator[Mailed]:
    async with MailDouble(certificates).serving() as double:
        smtp = {
            "smtp_url": double.url(),
            "smtp_from": "nod@example.org",
            "smtp_ca_file": str(certificates.ca_file),
        }
        async with provider(redis_url, **smtp) as nod:
            services = nod.services
            async with senders(services.settings, services.directory, services.seal) as by_name:

                async def is_known(client_id: str) -> bool:
                    return await services.client(client_id) is not None

                notifier = Notifier(
                    notifications=services.store.notifications,
                    is_known=is_known,
                    seal=services.seal,
                    issuer=ISSUER,
                    senders=by_name,
                )
                yield Mailed(nod, double, notifier)


def tell(
    server: RedisServer, certificates: Certificates, story: Callable[[Mailed], Awaitable[None]]
) -> None:
    url = server.database(8)

    async def told() -> None:
        async with mailed(url, certificates) as it:
            await story(it)

    with redis.Redis.from_url(url) as client:
        client.flushdb()
    asyncio.run(told())


def test_a_mail_is_answered_in_the_browser_it_is_opened_in_where_the_tenant_allows_it(
    redis_server: RedisServer, certificates: Certificates
) -> None:
    async def story(it: Mailed) -> None:
        started = await it.start(mailbox_approval=True)
        token = started.link.partition("&mailbox=")[2]
        page = MailboxPage(it.nod)
        assert (await page.open(token)).status_code == 201
        assert (await page.fetch()).json()["requested_details"]["binding_message"] == (
            BINDING_MESSAGE
        )
        assert (await it.poll(started))["error"] == "authorization_pending"
        assert (await page.resolve()).status_code == 204

        claims = claims_of((await it.poll(started))["id_token"])
        assert (claims["acr"], claims["amr"]) == ("urn:nod:acr:mailbox", ["mca", "user"])

    tell(redis_server, certificates, story)


def test_a_mail_to_an_address_the_person_has_left_opens_nothing(
    redis_server: RedisServer, certificates: Certificates
) -> None:
    """It may be somebody else's by now."""

    async def story(it: Mailed) -> None:
        started = await it.start("Ann@example.com", mailbox_approval=True)
        token = started.link.partition("&mailbox=")[2]
        people, person_id = it.nod.services.people, started.person.person_id
        read = await people.read(person_id)
        assert read is not None
        moved = json.dumps(json.loads(read) | {"email": "ann@example.org"}).encode()
        assert await people.change(person_id, read=read, user=moved)

        refused = await MailboxPage(it.nod).open(token)
        assert (refused.status_code, refused.json()["errorCode"]) == (
            404,
            "login_transaction_not_found",
        )

        assert await people.change(person_id, read=moved, user=read)
        assert (await MailboxPage(it.nod).open(token)).status_code == 201

    tell(redis_server, certificates, story)


def test_elsewhere_the_link_leads_to_a_key_that_is_registered(
    redis_server: RedisServer, certificates: Certificates
) -> None:
    async def story(it: Mailed) -> None:
        started = await it.start()
        assert started.link == f"{ISSUER}authenticator#consent={consent_id_of(started.auth_req_id)}"

    tell(redis_server, certificates, story)


def test_no_mail_says_what_is_asked_or_by_whom(
    redis_server: RedisServer, certificates: Certificates
) -> None:
    """A mail is read by servers on its way, and by whoever looks at the screen."""

    async def story(it: Mailed) -> None:
        for mailbox_approval in (False, True):
            started = await it.start(mailbox_approval=mailbox_approval)
            [mail] = started.mails
            for part in (mail["raw"], mail["text"], mail["html"]):
                for said in (
                    BINDING_MESSAGE,
                    started.client.name,
                    started.client.client_id,
                    started.auth_req_id,
                    started.person.user_id,
                ):
                    assert said not in part

    tell(redis_server, certificates, story)


@pytest.mark.parametrize(
    ("email", "error"),
    [
        ("rcpt-550-ann@example.com", "access_denied"),  # nobody is reached: it ends now
        ("rcpt-450-ann@example.com", "authorization_pending"),  # it is tried again
    ],
)
def test_what_the_mail_server_says_decides_whether_to_wait(
    redis_server: RedisServer, certificates: Certificates, email: str, error: str
) -> None:
    async def story(it: Mailed) -> None:
        started = await it.start(email)
        assert not started.mails
        assert (await it.poll(started))["error"] == error

    tell(redis_server, certificates, story)
