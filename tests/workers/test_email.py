"""A mail server's answers to outcomes, through the real sender against the double."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from consent.mailbox import MailboxLink, address_digest, link_of_token
from consent.push import Address, Notice, Notification, Push
from consent.seal import Seal
from consent.settings import MailServer, mail_server
from consent.store.lane import StoreUnavailable
from consent.tenant import Tenant
from scripts.doubles.certificates import Certificates, write_certificates
from scripts.doubles.mail import USER, MailDouble
from tests.support.domain import CONSENT_ID, ISSUER, NOW
from tests.support.redis_server import RedisServer
from tests.support.store import opened
from workers import email
from workers.email import EmailSender
from workers.outcome import Delivered, Outcome, Rejected, RetryAfter
from workers.senders import senders

SEAL = Seal("s" * 32)
SENDER = "nod@example.org"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return write_certificates(Path(tmp_path_factory.mktemp("mail")))


def a_push(recipient: str = "ann@example.com", **changes: Any) -> Push:  # noqa: ANN401
    fields: dict[str, Any] = {
        "address": Address("email", recipient, 1),
        "notification": Notification(dai="", txtkn="", txlnkid=CONSENT_ID, c="", d="", sh=""),
        "collapse_id": CONSENT_ID,
        "expires_at_seconds": NOW + 600,
        "lifetime_seconds": 600,
    }
    return Push(**(fields | changes))


class Stage:
    """A double, and a sender to it as the settings would open it."""

    def __init__(self, double: MailDouble, certificates: Certificates) -> None:
        self.double, self.certificates = double, certificates
        self.tenant = Tenant()
        self.away = False
        self.senders: list[EmailSender] = []

    def sender(
        self, server: MailServer | None = None, *, timeout_seconds: float = 5, trusting: bool = True
    ) -> EmailSender:
        sender = EmailSender(
            server or mail_server(self.double.url()),
            sender=SENDER,
            issuer=ISSUER,
            friendly_name="Example Nod",
            tenant=self._tenant,
            seal=SEAL,
            ca_file=self.certificates.ca_file if trusting else None,
            timeout_seconds=timeout_seconds,
            now=lambda: NOW,
        )
        self.senders.append(sender)
        return sender

    async def arrived(self, recipient: str = "ann@example.com") -> dict[str, Any]:
        """The only mail for an address."""
        [mail] = await self.double.inbox.after(recipient)
        return mail

    async def _tenant(self) -> Tenant:
        if self.away:
            raise StoreUnavailable(detail="away")
        return self.tenant


@contextlib.asynccontextmanager
async def staged(certificates: Certificates, **options: Any) -> AsyncIterator[Stage]:  # noqa: ANN401
    own = None if options.pop("plain", False) else certificates
    async with MailDouble(own, **options).serving() as double:
        stage = Stage(double, certificates)
        try:
            yield stage
        finally:
            for sender in stage.senders:
                await sender.aclose()


def run(
    story: Callable[[Stage], Awaitable[None]],
    certificates: Certificates,
    **options: Any,  # noqa: ANN401
) -> None:
    async def told() -> None:
        async with staged(certificates, **options) as stage:
            await story(stage)

    asyncio.run(told())


@pytest.mark.parametrize("tls_first", [False, True], ids=["starttls", "tls"])
def test_a_mail_says_that_a_request_waits_until_when_and_where(
    certificates: Certificates, *, tls_first: bool
) -> None:
    async def story(stage: Stage) -> None:
        server = mail_server(stage.double.url(user="" if tls_first else USER))
        outcome = await stage.sender(server).send(a_push())

        mail = await stage.arrived()
        assert isinstance(outcome, Delivered)
        assert mail["headers"]["Message-ID"] == f"<{outcome.message_id}>"
        assert mail["envelope_from"] == SENDER
        assert mail["headers"]["Auto-Submitted"] == "auto-generated"
        for part in (mail["text"], mail["html"]):
            assert "Example Nod" in part
            assert "21 September 2026, 14:23 UTC" in part
            assert f"{ISSUER}authenticator#consent={CONSENT_ID}" in part
            assert "mailbox" not in part

    run(story, certificates, tls_first=tls_first)


def test_where_the_tenant_allows_it_the_link_holds_a_token_of_this_consent_alone(
    certificates: Certificates,
) -> None:
    async def story(stage: Stage) -> None:
        stage.tenant = Tenant(mailbox_approval=True, friendly_name="The bank")
        assert isinstance(await stage.sender().send(a_push()), Delivered)

        mail = await stage.arrived()
        found = re.search(r"#consent=([^&]+)&mailbox=(\S+)", mail["text"])
        assert found
        token = found[2]
        link = link_of_token(token, seal=SEAL, issuer=ISSUER, now=NOW)
        assert link == MailboxLink(found[1], address_digest("ann@example.com"))
        assert found[1] == CONSENT_ID
        assert "The bank" in mail["headers"]["From"]

    run(story, certificates)


def test_a_notice_is_words_and_holds_no_link(certificates: Certificates) -> None:
    async def story(stage: Stage) -> None:
        stage.tenant = Tenant(mailbox_approval=True)
        notice = Notice("A device was added", "Phone 2 can approve from now on.")
        sent = await stage.sender().send(a_push(notification=notice, collapse_id="notice 1"))

        mail = await stage.arrived()
        assert isinstance(sent, Delivered)
        assert mail["headers"]["Subject"] == "A device was added"
        assert "Phone 2 can approve from now on." in mail["text"]
        assert "#" not in mail["text"]

    run(story, certificates)


@pytest.mark.parametrize(
    ("recipient", "outcome"),
    [
        ("rcpt-550-a@example.com", Rejected("SMTP_550")),
        ("rcpt-450-a@example.com", RetryAfter(None, "SMTP_450")),
        ("data-554-a@example.com", Rejected("SMTP_554")),
        ("data-451-a@example.com", RetryAfter(None, "SMTP_451")),
        ("drop-a@example.com", RetryAfter(None, "network")),
        ("not an address", Rejected("malformed_address")),
        ("a@example.com\r\nBcc: b@example.com", Rejected("malformed_address")),
        ("a@example.com,b@example.com", Rejected("malformed_address")),
        ("a@b@example.com", Rejected("malformed_address")),
        ("<a@example.com>", Rejected("malformed_address")),
        ("a\x00@example.com", Rejected("malformed_address")),
        ("a\ud800@example.com", Rejected("malformed_address")),
        ("a" * 250 + "@example.com", Rejected("malformed_address")),
        ("", Rejected("malformed_address")),
    ],
    ids=lambda it: ascii(it)[:30],
)
def test_each_fault_is_an_outcome_and_the_next_mail_arrives(
    certificates: Certificates, recipient: str, outcome: Outcome
) -> None:
    async def story(stage: Stage) -> None:
        sender = stage.sender()

        assert await sender.send(a_push(recipient)) == outcome
        assert isinstance(await sender.send(a_push()), Delivered)
        assert stage.double.inbox.count == 1

    run(story, certificates)


def test_what_may_work_later_does_under_the_same_message_id(certificates: Certificates) -> None:
    async def story(stage: Stage) -> None:
        sender, push = stage.sender(), a_push("once-451-a@example.com")

        assert await sender.send(push) == RetryAfter(None, "SMTP_451")
        first, again = await sender.send(push), await sender.send(push)
        assert first == again
        assert isinstance(first, Delivered)

    run(story, certificates)


def test_a_server_that_does_not_answer_costs_a_send_its_time_and_no_more(
    certificates: Certificates,
) -> None:
    async def story(stage: Stage) -> None:
        sender = stage.sender(timeout_seconds=0.4)

        assert await sender.send(a_push("silent-a@example.com")) == RetryAfter(None, "timeout")

    run(story, certificates)


def test_letters_of_every_alphabet_arrive_where_the_server_takes_them(
    certificates: Certificates,
) -> None:
    """RFC 6531."""

    async def story(stage: Stage) -> None:
        outcome = await stage.sender().send(a_push("jürgen@exämple.com"))

        assert isinstance(outcome, Delivered)
        mail = await stage.arrived("jürgen@exämple.com")
        assert "jürgen@exämple.com" in mail["headers"]["To"]

    async def ascii_alone(stage: Stage) -> None:
        outcome = await stage.sender().send(a_push("jürgen@example.com"))

        assert outcome == Rejected("not_supported")

    run(story, certificates)
    run(ascii_alone, certificates, smtputf8=False)


@pytest.mark.parametrize(
    "name", ["Bank\r\nBcc: eve@example.com", "Bank\x00\u2028", '"><script>', "\ud800", "銀行" * 99]
)
def test_no_name_of_an_installation_adds_a_header_or_a_tag(
    certificates: Certificates, name: str
) -> None:
    async def story(stage: Stage) -> None:
        stage.tenant = Tenant(friendly_name=name)
        assert isinstance(await stage.sender().send(a_push()), Delivered)

        mail = await stage.arrived()
        assert mail["headers"].keys() == {
            *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
            *("MIME-Version", "Content-Type"),
        }
        assert "<script" not in mail["html"]
        assert stage.double.inbox.count == 1

    run(story, certificates)


def test_a_wrong_login_is_said_loudly_and_ends_it(certificates: Certificates) -> None:
    async def story(stage: Stage) -> None:
        server = mail_server(stage.double.url(password="another"))
        with capture_logs() as logs:
            assert await stage.sender(server).send(a_push()) == Rejected("auth")
        assert [(it["event"], it["log_level"]) for it in logs] == [("mail_refused", "error")]
        assert "another" not in str(logs)

        nobody = mail_server(stage.double.url(user=""))
        assert await stage.sender(nobody).send(a_push()) == Rejected("auth")

    run(story, certificates)


def test_a_certificate_nobody_vouches_for_is_told_apart(certificates: Certificates) -> None:
    async def story(stage: Stage) -> None:
        assert await stage.sender(trusting=False).send(a_push()) == RetryAfter(None, "tls")

    run(story, certificates)
    run(story, certificates, tls_first=True)


def test_without_starttls_nothing_is_said_unless_the_server_is_on_this_machine(
    certificates: Certificates,
) -> None:
    class Elsewhere(MailServer):
        needs_starttls = True  # as of any host but loopback

    async def story(stage: Stage) -> None:
        server = mail_server(stage.double.url(user=""))
        assert isinstance(await stage.sender(server).send(a_push()), Delivered)

        elsewhere = Elsewhere(*server)
        assert await stage.sender(elsewhere).send(a_push()) == Rejected("not_supported")
        assert stage.double.inbox.count == 1

        with_login = mail_server(stage.double.url())
        assert await stage.sender(with_login).send(a_push()) == Rejected("not_supported")

    run(story, certificates, plain=True)


def test_a_connection_is_used_again_and_one_that_has_died_is_not(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(stage: Stage) -> None:
        sender = stage.sender()
        for _ in range(25):
            assert isinstance(await sender.send(a_push()), Delivered)
        assert stage.double.connections == 1

        await stage.double.drop_all()
        assert isinstance(await sender.send(a_push()), Delivered | RetryAfter)
        assert isinstance(await sender.send(a_push()), Delivered)

        used = stage.double.connections
        monkeypatch.setattr(email, "KEPT_SECONDS", 0)
        assert isinstance(await sender.send(a_push()), Delivered)
        assert stage.double.connections == used + 1

    run(story, certificates)


def test_many_mails_share_few_connections(certificates: Certificates) -> None:
    async def story(stage: Stage) -> None:
        sender = stage.sender()
        outcomes = await asyncio.gather(*[sender.send(a_push(f"{n}@e.org")) for n in range(20)])

        assert all(isinstance(outcome, Delivered) for outcome in outcomes)
        assert stage.double.connections <= email.CONNECTIONS_MAX
        assert stage.double.inbox.count == 20

    run(story, certificates)


def test_nobody_there_is_a_fault_that_may_pass(certificates: Certificates) -> None:
    async def story(stage: Stage) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        nowhere = mail_server(f"smtp://127.0.0.1:{port}")

        assert await stage.sender(nowhere).send(a_push()) == RetryAfter(None, "network")

    run(story, certificates)


def test_a_store_that_is_away_costs_nobody_their_mail(certificates: Certificates) -> None:
    async def story(stage: Stage) -> None:
        sender = stage.sender()
        stage.away = True
        assert await sender.send(a_push()) == RetryAfter(None, "store_away")
        stage.away = False
        assert isinstance(await sender.send(a_push()), Delivered)

    run(story, certificates)


def test_a_login_can_be_tried_without_a_mail(certificates: Certificates) -> None:
    async def story(stage: Stage) -> None:
        assert await stage.sender().try_login() is None
        wrong = mail_server(stage.double.url(password="another"))
        assert await stage.sender(wrong).try_login() == Rejected("auth")
        assert not stage.double.inbox.count

    run(story, certificates)


def test_the_mail_server_of_the_settings_sends_and_without_one_there_is_no_sender(
    certificates: Certificates, redis_server: RedisServer
) -> None:
    async def story(stage: Stage) -> None:
        smtp = {
            "smtp_url": stage.double.url(),
            "smtp_from": SENDER,
            "smtp_ca_file": certificates.ca_file,
        }
        async with (
            opened(redis_server.url, **smtp) as use,
            senders(use.settings, use.store.directory, use.store.seal) as by_name,
        ):
            assert isinstance(await by_name["email"].send(a_push()), Delivered)
        async with (
            opened(redis_server.url) as use,
            senders(use.settings, use.store.directory, use.store.seal) as by_name,
        ):
            assert "email" not in by_name

    run(story, certificates)
