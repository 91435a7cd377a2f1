"""
Push providers: their credentials, tried on a message that nobody can get.

The address is none that Apple or Google ever gave a phone. Whoever is let in hears that; whoever
is not hears about the credentials first.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from consent.management.push_credentials import Unusable, check_provider_key, service_account
from consent.push import Address, Notification, Push
from consent.push_providers import (
    APNS,
    FCM,
    WEB_PUSH,
    FactorRecord,
    WebPushProvider,
    push_enabled,
    unsealed,
)
from consent.seal import Seal, SealError
from consent.settings import Settings
from consent.store import keys
from consent.store.directory import Directory
from scripts.administration.checks.finding import Finding, failure, ok, warning
from workers.outcome import Delivered, NoProvider, Outcome, Rejected, RetryAfter, Unregistered
from workers.senders import senders

LIFETIME_SECONDS = 60
_NAME = "push provider"
_UNREACHED = frozenset({"network", "timeout", "tls", "token_unavailable"})
_NOT_LET_IN = frozenset({"UNAUTHENTICATED", "ExpiredProviderToken"})  # retried, for it may pass


class Provider(NamedTuple):
    """`sender` is its name among the senders, `record` that of what administrators have put."""

    sender: str
    record: str
    company: str
    nobody: Address
    is_about_the_address: frozenset[str]  # reasons, of whoever was let in


PROVIDERS = (
    Provider(
        "apns", APNS, "Apple", Address("apns", "bad0" + 60 * "0", 0), frozenset({"BadDeviceToken"})
    ),
    Provider(
        "fcm",
        FCM,
        "Google",
        Address("fcm_token", "unregistered-nod-doctor", 0),
        frozenset({"INVALID_ARGUMENT"}),
    ),
)


async def providers(settings: Settings, directory: Directory, seal: Seal) -> list[Finding]:
    """Those of the settings and of the directory, as a worker opens them."""
    if unusable := [*_unusable_files(settings)]:
        return unusable
    factors = await directory.read_whole(keys.FACTORS, FactorRecord)
    if not push_enabled(factors):
        advice = "PUT /guardian/factors/push-notification, where that is not meant"
        return [warning(_NAME, "push notifications are switched off", advice)]
    found: list[Finding] = []
    async with senders(settings, directory, seal) as by_name:
        for provider in PROVIDERS:
            outcome = await by_name[provider.sender].send(_push(provider))
            found += credentials(provider, outcome, is_stored=provider.record in factors)
    if not found:
        text = "none is configured: phones have to ask by themselves"
        advice = "set NOD_FCM_… or NOD_APNS_…, or put one through the API"
        found.append(warning(_NAME, text, advice))
    return [*found, *web_push(factors, seal)]


def web_push(factors: dict[str, FactorRecord], seal: Seal) -> Iterator[Finding]:
    """Whose push services there are is known to browsers alone: what is looked at is our key."""
    name, record = f"{_NAME} {WEB_PUSH}", factors.get(WEB_PUSH)
    if record is None:  # an API that starts makes it
        return
    try:
        unsealed(WEB_PUSH, record, WebPushProvider, seal)
    except SealError:
        advice = "set NOD_SECRET_KEY to what it was when this installation first started"
        yield failure(name, "the key in the directory cannot be used", advice)
    else:
        yield ok(name, "browsers are rung, with a key of our own")


def credentials(provider: Provider, outcome: Outcome, *, is_stored: bool) -> Iterator[Finding]:
    """What the answer to a push to nobody says of those who sent it."""
    name = f"{_NAME} {provider.sender}"
    origin = "those in the directory" if is_stored else "those of the settings"
    match outcome:
        case NoProvider():
            if is_stored:
                advice = "put the provider again: it was sealed with another secret key"
                yield failure(name, "what is in the directory cannot be used", advice)
        case Delivered() | Unregistered():
            yield ok(name, f"{provider.company} takes our credentials ({origin})")
        case Rejected(reason) if reason in provider.is_about_the_address:
            yield ok(name, f"{provider.company} takes our credentials ({origin})")
        case RetryAfter(_, reason) if reason in _UNREACHED:
            advice = "workers must be let out to it; a proxy that opens TLS needs its CA trusted"
            yield failure(name, f"{provider.company} cannot be reached ({reason})", advice)
        case RetryAfter(_, reason) if reason not in _NOT_LET_IN:
            text = f"{provider.company} has no answer for now ({reason})"
            yield warning(name, text, "run this again in some minutes")
        case RetryAfter(_, reason) | Rejected(reason):
            text = f"{provider.company} refuses {origin} ({reason})"
            yield failure(name, text, "compare key, ids, project and topic with its console")


def _unusable_files(settings: Settings) -> Iterator[Finding]:
    files: tuple[tuple[str, Path | None, Callable[[str], object]], ...] = (
        ("NOD_APNS_KEY_FILE", settings.apns_key_file, check_provider_key),
        ("NOD_FCM_CREDENTIALS_FILE", settings.fcm_credentials_file, service_account),
    )
    for name, path, read in files:
        if path is None:
            continue
        try:
            read(path.read_text())
        except Unusable as error:
            yield failure(name, str(error), "download it again from the provider's console")
        except (OSError, UnicodeDecodeError):
            yield failure(name, "cannot be read", "give the file and let this user read it")


def _push(provider: Provider) -> Push:
    said = Notification(dai="", txtkn="", txlnkid="", c="", d="", sh="")
    expires_at = int(time.time()) + LIFETIME_SECONDS
    return Push(
        address=provider.nobody,
        notification=said,
        collapse_id="nod-doctor",
        expires_at_seconds=expires_at,
        lifetime_seconds=LIFETIME_SECONDS,
    )
