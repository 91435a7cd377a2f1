"""
E-mail: a push becomes a message for the mail server, an answer becomes an outcome.

`EmailSender` adds connections and a clock; it knows neither requests for consent nor Redis. A
connection that was used is kept for the next message. Source: RFC 5321, and RFC 3207 and 8314 for
TLS. Delivered is what the mail server has taken over; whether anybody reads it is not promised.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import structlog

from consent.errors import TemporarilyUnavailable
from consent.mail import Head, consent_link, is_plain_address, notice_mail, request_mail
from consent.mailbox import mailbox_token
from consent.push import Notice, Push
from consent.seal import Seal
from consent.settings import MailServer
from consent.tenant import Tenant
from workers.outcome import Delivered, Outcome, Rejected, RetryAfter

log = structlog.get_logger()

CONNECTIONS_MAX = 4  # servers count those of one host
KEPT_SECONDS = 30.0  # what forgets connections on the way, forgets none so soon
QUIT_SECONDS = 1.0
AUTHENTICATION_REQUIRED = 530  # RFC 4954 6
_PERMANENT = 500  # RFC 5321 4.2.1: 4yz may work later, 5yz will not


def outcome_of(error: Exception) -> Outcome:
    """
    What a failure means. That nobody is let in, or too little is offered (STARTTLS, a way to log
    in, SMTPUTF8), does not pass by itself; a greeting that refuses, or no connection, may.
    """
    match error:
        case TimeoutError():
            return RetryAfter(None, "timeout")
        case aiosmtplib.SMTPRecipientsRefused(recipients=[refused]):
            return outcome_of(refused)
        case aiosmtplib.SMTPConnectResponseError(code=code):
            return RetryAfter(None, _reason(code))
        case aiosmtplib.SMTPAuthenticationError(code=code) if code >= _PERMANENT:
            return Rejected("auth")
        case aiosmtplib.SMTPResponseException(code=code):
            if code == AUTHENTICATION_REQUIRED:
                return Rejected("auth")
            return (Rejected if code >= _PERMANENT else _retry)(_reason(code))
        case OSError():
            return RetryAfter(None, _network_reason(error))
    return Rejected("not_supported")


def _retry(reason: str) -> RetryAfter:
    return RetryAfter(None, reason)


def _reason(code: int) -> str:
    return f"SMTP_{code}" if code > 0 else "malformed_answer"


def _network_reason(error: BaseException | None) -> str:
    """A certificate that is not trusted is told apart: somebody has to act on it."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return "tls"
        error = error.__context__
    return "network"


class EmailSender:
    """Lives on one event loop."""

    def __init__(
        self,
        server: MailServer,
        *,
        sender: str,
        issuer: str,
        friendly_name: str,
        tenant: Callable[[], Awaitable[Tenant]],
        seal: Seal,
        ca_file: Path | None,
        timeout_seconds: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        `friendly_name` is that of the settings; `tenant` is what administrators have set since,
        and may raise TemporarilyUnavailable. `timeout_seconds` bounds a whole send; `now` is the
        wall clock (epoch seconds). Raises ssl.SSLError for an authority that cannot be read.
        """
        self._server, self._sender, self._issuer = server, sender, issuer
        self._friendly_name, self._tenant, self._seal = friendly_name, tenant, seal
        self._timeout_seconds, self._now = timeout_seconds, now
        self._tls = ssl.create_default_context()
        if ca_file is not None:
            self._tls.load_verify_locations(ca_file)
        self._room = asyncio.Semaphore(CONNECTIONS_MAX)
        self._kept: list[tuple[float, aiosmtplib.SMTP]] = []  # since when, the oldest first

    async def send(self, push: Push) -> Outcome:
        """Never raises for what the network or the mail server does."""
        recipient = push.address.value
        if not is_plain_address(recipient):
            return Rejected("malformed_address")
        try:
            mail = self._mail(push, await self._tenant())
        except TemporarilyUnavailable:  # it is the person who waits: come back within seconds
            return RetryAfter(None, "store_away")
        failure = await self._failure(
            lambda smtp: smtp.send_message(mail, sender=self._sender, recipients=[recipient])
        )
        return failure or Delivered(mail["Message-ID"].strip("<>"))

    async def try_login(self) -> Outcome | None:
        """As far as a message is handed over, without one: why it would fail, None if not."""
        return await self._failure(lambda smtp: smtp.noop())

    async def aclose(self) -> None:
        kept, self._kept = self._kept, []
        for _, smtp in kept:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await smtp.quit(timeout=QUIT_SECONDS)
            smtp.close()

    def _mail(self, push: Push, tenant: Tenant) -> EmailMessage:
        head = Head(
            name=tenant.friendly_name or self._friendly_name,
            sender=self._sender,
            recipient=push.address.value,
            id=push.collapse_id,
        )
        if isinstance(push.notification, Notice):
            return notice_mail(head, push.notification, now=self._now())
        consent_id = push.notification.txlnkid
        token = ""
        if tenant.mailbox_approval:
            token = mailbox_token(
                seal=self._seal,
                issuer=self._issuer,
                consent_id=consent_id,
                address=push.address.value,
                expires_at_seconds=push.expires_at_seconds,
            )
        return request_mail(
            head,
            link=consent_link(self._issuer, consent_id, token),
            expires_at_seconds=push.expires_at_seconds,
            answers_by_link=bool(token),
            now=self._now(),
        )

    async def _failure(self, act: Callable[[aiosmtplib.SMTP], Awaitable[object]]) -> Outcome | None:
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._room,
                self._connection() as smtp,
            ):
                await act(smtp)
        except (aiosmtplib.SMTPException, OSError) as error:
            outcome = outcome_of(error)
        else:
            return None
        if outcome in (Rejected("auth"), Rejected("not_supported")):
            log.error("mail_refused", reason=outcome.reason)
        return outcome

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """One nobody else uses; it is kept where all went well, and else closed."""
        smtp = self._alive() or self._new()
        try:
            if not smtp.is_connected:
                await smtp.connect()
            yield smtp
        except BaseException:
            smtp.close()
            raise
        self._kept.append((time.monotonic(), smtp))

    def _alive(self) -> aiosmtplib.SMTP | None:
        while self._kept:
            since, smtp = self._kept.pop()
            if smtp.is_connected and time.monotonic() - since < KEPT_SECONDS:
                return smtp
            smtp.close()
        return None

    def _new(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=str(server.password) or None,
            use_tls=server.tls,
            # None: where it is offered. Beside TLS from the first byte there is none.
            start_tls=False if server.tls else server.needs_starttls or None,
            tls_context=self._tls,
            # The library would ask the resolver for ours, and block.
            local_hostname=self._sender.partition("@")[2],
            timeout=self._timeout_seconds,
        )
