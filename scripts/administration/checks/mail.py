"""The mail server: reached, in TLS, and logged in at, as a worker does it, and no mail is sent."""

from consent.seal import Seal
from consent.settings import Settings, mail_server
from consent.store.directory import Directory
from scripts.administration.checks.finding import Finding, failure, ok, warning
from workers.outcome import Outcome, Rejected, RetryAfter
from workers.senders import email_of_settings

NAME = "mail server"
_ADVICE = {
    "auth": "see the user and password in NOD_SMTP_URL",
    "not_supported": "it offers no STARTTLS or no login that can be used; try smtps://",
    "tls": "its certificate must be of the host in NOD_SMTP_URL, and its authority known: "
    "NOD_SMTP_CA_FILE",
    "network": "workers must be let out to it; some hosters close port 25",
    "timeout": "workers must be let out to it; some hosters close port 25",
}


async def mail(settings: Settings, directory: Directory, seal: Seal) -> list[Finding]:
    """Nothing is said of what is not set."""
    sender = email_of_settings(settings, directory, seal)
    if sender is None:
        return []
    try:
        return [finding(settings, await sender.try_login())]
    finally:
        await sender.aclose()


def finding(settings: Settings, outcome: Outcome | None) -> Finding:
    server = mail_server(settings.smtp_url)
    where = f"{server.host}:{server.port}"
    match outcome:
        case Rejected(reason) | RetryAfter(_, reason) if reason in _ADVICE:
            return failure(NAME, f"{where} cannot be used ({reason})", _ADVICE[reason])
        case Rejected(reason) | RetryAfter(_, reason):
            text = f"{where} has no answer for now ({reason})"
            return warning(NAME, text, "run this again in some minutes")
    login = "takes our login" if server.user else "answers; there is no login"
    return ok(NAME, f"{where} {login}")
