"""
A mail server over loopback: STARTTLS, a login, and an inbox for each address.

How an address begins chooses what happens to a mail for it:

    rcpt-CODE-      that answer to RCPT
    data-CODE-      that answer to DATA
    once-CODE-      that answer to RCPT the first time
    silent-         never an answer
    drop-           the connection is dropped

`python -m scripts.doubles.mail --directory D` writes its authority into D and serves.
"""

import argparse
import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from scripts.doubles.certificates import Certificates, write_certificates
from scripts.doubles.inbox import Inbox

USER, PASSWORD = "nod@example.org", "p@ss: a word"
_COMMANDS_MAX = 1_000_000  # of one connection; the library's own is 20


class MailDouble:
    """Lives on one event loop. Without certificates it offers neither TLS nor a login."""

    def __init__(
        self,
        certificates: Certificates | None,
        *,
        tls_first: bool = False,
        smtputf8: bool = True,
        password: str = PASSWORD,
    ) -> None:
        """`tls_first` is TLS from the first byte (RFC 8314), with no login."""
        self._tls: ssl.SSLContext | None = None
        if certificates is not None:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(certificates.server_cert_file, certificates.server_key_file)
        self._tls_first, self._smtputf8, self._password = tls_first, smtputf8, password
        self._attempts: Counter[str] = Counter()
        self._sessions: list[SMTP] = []
        self.inbox = Inbox()
        self.connections = 0
        self.port = 0

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator["MailDouble"]:
        """Serve while the context lasts; `port` is where."""
        listener = socket.create_server(("127.0.0.1", port))
        self.port = listener.getsockname()[1]
        server = await asyncio.get_running_loop().create_server(
            self._session, sock=listener, ssl=self._tls if self._tls_first else None
        )
        try:
            yield self
        finally:
            server.close()
            await self.drop_all()

    async def drop_all(self) -> None:
        """Every connection ends, whatever was said in it."""
        sessions, self._sessions = self._sessions, []
        for session in sessions:
            if session.transport is not None:
                session.transport.close()
        tasks = [it._handler_coroutine for it in sessions if it._handler_coroutine]  # noqa: SLF001
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def url(self, *, user: str = USER, password: str = PASSWORD) -> str:
        """As `NOD_SMTP_URL` has it."""
        scheme = "smtps" if self._tls_first else "smtp"
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
        return f"{scheme}://{login}127.0.0.1:{self.port}"

    def _session(self) -> SMTP:
        self.connections += 1
        logs_in = self._tls is not None and not self._tls_first
        session = SMTP(
            self,
            hostname="localhost",
            enable_SMTPUTF8=self._smtputf8,
            tls_context=self._tls if logs_in else None,
            require_starttls=logs_in,
            auth_required=logs_in,
            authenticator=self._authenticated,
            command_call_limit=_COMMANDS_MAX,
        )
        self._sessions.append(session)
        return session

    def _authenticated(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
    ) -> AuthResult:
        known = LoginPassword(USER.encode(), self._password.encode())
        return AuthResult(success=data == known, handled=False)

    # The hooks of the library, by its names

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: object
    ) -> str:
        fault, _, code = address.partition("@")[0].rpartition("-")[0].partition("-")
        self._attempts[address] += 1
        match fault:
            case "rcpt":
                return f"{code} scripted"
            case "once" if self._attempts[address] == 1:
                return f"{code} scripted"
            case "silent":
                await asyncio.Event().wait()
            case "drop" if server.transport is not None:
                server.transport.close()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        [address] = envelope.rcpt_tos
        fault, _, code = address.partition("@")[0].rpartition("-")[0].partition("-")
        if fault == "data":
            return f"{code} scripted"
        raw = envelope.original_content or b""
        mail = message_from_bytes(raw, policy=policy.default)
        parts = {part.get_content_type(): part.get_content() for part in mail.iter_parts()}
        self.inbox.put(
            address,
            {
                "envelope_from": envelope.mail_from,
                "headers": {name: str(value) for name, value in mail.items()},
                "text": parts.get("text/plain"),
                "html": parts.get("text/html"),
                "raw": raw.decode(),
            },
        )
        return "250 taken over"


async def _serve(double: MailDouble, port: int, inbox_port: int) -> None:
    app = web.Application()
    app.add_routes(double.inbox.routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", inbox_port).start()
    async with double.serving(port):
        inbox = f"http://127.0.0.1:{inbox_port}"
        print(f"mail double at {double.url()}, its inbox at {inbox}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--port", type=int, default=9587)
    parser.add_argument("--inbox-port", type=int, default=9588)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    served = MailDouble(write_certificates(arguments.directory))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(served, arguments.port, arguments.inbox_port))
