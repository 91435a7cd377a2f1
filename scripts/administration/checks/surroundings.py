"""What surrounds the processes: their settings, the files these name, the proxies before them."""

import datetime as dt
import ipaddress
import ssl
import stat
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from cryptography import x509

from api.credentials_exchange import entry_points
from consent.hint_tokens import trusted_issuers
from consent.settings import Settings, SettingsError, is_loopback, load, networks
from scripts.administration.checks.finding import Finding, failure, ok, warning

CERTIFICATE_DAYS_MIN = 21
# A network as large as this is no list of one's own proxies any more.
_PREFIX_MIN = {4: 8, 6: 16}
_ISSUERS = ("login_hint_token_issuers_file", "software_statement_issuers_file")
_AUTHORITIES = (
    "client_certificate_ca_file",
    "outbound_ca_file",
    "apns_ca_file",
    "smtp_ca_file",
)


def settings_load(environ: Mapping[str, str]) -> tuple[Settings | None, list[Finding]]:
    """The settings, or everything that is wrong with them: each fault is looked past."""
    rest, found = dict(environ), []
    while True:
        try:
            settings = load(rest)
        except SettingsError as error:
            name, _, reason = str(error).partition(": ")
            found.append(failure("settings", f"{name} {reason}", "put it right and start again"))
            if rest.pop(name, None) is None:
                return None, found  # one that is missing cannot be looked past
        else:
            break
    return (None, found) if found else (settings, [ok("settings", "each of them can be used")])


def secret_key(settings: Settings) -> Iterator[Finding]:
    """What opens everything that is sealed: given, or kept where only its owner reads it."""
    name, path = "secret key", settings.data_dir / "secret.key"
    if settings.secret_key:
        yield ok(name, "given by NOD_SECRET_KEY")
        return
    if not path.is_file():
        text = f"NOD_SECRET_KEY is unset, and there is no {path}"
        yield failure(name, text, "set NOD_SECRET_KEY or NOD_DATA_DIR as the API has them")
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield failure(name, f"{path} has mode {mode:04o}: others read it", f"chmod 600 {path}")
    else:
        yield ok(name, f"{path}, which its owner alone reads")
    mode = stat.S_IMODE(settings.data_dir.stat().st_mode)
    if mode & 0o022:
        text = f"others may write to {settings.data_dir} (mode {mode:04o})"
        yield failure("data directory", text, f"chmod 700 {settings.data_dir}")


def server_certificate(settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    """Of the API, where it serves https itself: it loads with its key, and it has not expired."""
    name, path, key = "TLS certificate", settings.tls_cert_file, settings.tls_key_file
    if path is None or key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, key)
        [certificate, *_] = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        text = "NOD_TLS_CERT_FILE and NOD_TLS_KEY_FILE are no certificate and its key"
        yield failure(name, text, "give the chain (PEM, the server's first) and the key to it")
        return
    yield _validity(name, certificate, now, "renew it, and restart the API")


def _validity(name: str, certificate: x509.Certificate, now: dt.datetime, advice: str) -> Finding:
    until = certificate.not_valid_after_utc
    days = (until - now).days
    if now < certificate.not_valid_before_utc:
        return failure(name, f"is valid from {certificate.not_valid_before_utc:%Y-%m-%d}", advice)
    if now >= until:
        return failure(name, f"expired on {until:%Y-%m-%d}", advice)
    text = f"valid until {until:%Y-%m-%d} ({days} days)"
    return ok(name, text) if days >= CERTIFICATE_DAYS_MIN else warning(name, text, advice)


def authorities(settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    """The authorities that are trusted besides the usual can be read, and are still valid."""
    for member in _AUTHORITIES:
        path, name = getattr(settings, member), f"NOD_{member.upper()}"
        if path is None:
            continue
        try:
            certificates = x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError):
            yield failure(name, "holds no certificate in PEM", "give a file of authorities (PEM)")
            continue
        soonest = min(certificates, key=lambda each: each.not_valid_after_utc)
        yield _validity(name, soonest, now, "add the authority's new certificate to the file")


def trusted_token_issuers(settings: Settings) -> Iterator[Finding]:
    for member in _ISSUERS:
        path, name = getattr(settings, member), f"NOD_{member.upper()}"
        if path is None:
            continue
        try:
            known = trusted_issuers(path.read_bytes())
        except OSError:
            yield failure(name, "cannot be read", "let this user read the file")
        except ValueError as error:
            yield failure(name, str(error), "the README shows what the file looks like")
        else:
            yield ok(name, f"trusts {len(known)} issuers")


def actions(settings: Settings) -> Iterator[Finding]:
    """The functions of credentials exchanges load, as the API loads them."""
    name = "NOD_CREDENTIALS_EXCHANGE_ACTIONS"
    try:
        known = entry_points(settings.credentials_exchange_actions)
    except SettingsError as error:
        reason = str(error).removeprefix(f"{name}: ")
        yield failure(name, reason, "let this Python import module:function")
    else:
        if known:
            yield ok(name, f"{len(known)} functions load")


def trusted_proxies(settings: Settings) -> Iterator[Finding]:
    """Whom to believe about addresses and certificates: those before the API, and nobody else."""
    name, issuer = "trusted proxies", urlsplit(settings.issuer)
    known = networks(settings.trusted_proxies)
    wide = [str(each) for each in known if each.prefixlen < _PREFIX_MIN[each.version]]
    if wide:
        text = f"{', '.join(wide)} in NOD_TRUSTED_PROXIES holds strangers, who could claim to be "
        yield failure(name, f"{text}any address or certificate", "name the proxies' own addresses")
        return
    ends_tls_elsewhere = issuer.scheme == "https" and settings.tls_cert_file is None
    if ends_tls_elsewhere and not known:
        yield warning(
            name,
            "NOD_ISSUER is https and the API serves http, yet NOD_TRUSTED_PROXIES is empty: all "
            "clients seem to come from the proxy's address, and no certificate counts",
            "set NOD_TRUSTED_PROXIES to the proxy's address",
        )
        return
    text = ", ".join(map(str, known)) or "none: clients connect themselves"
    yield ok(name, text)
    if _is_open(settings.host) and not ends_tls_elsewhere and settings.tls_cert_file is None:
        text = f"NOD_HOST {settings.host} takes connections of others, without TLS"
        yield warning("listening", text, "listen on 127.0.0.1, or set NOD_TLS_CERT_FILE")


def _is_open(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return not is_loopback(host)
