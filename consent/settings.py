"""
Every setting, once: its variable, its type, its default and what it is for. More than 300 lines,
for a table is read whole.

The environment is handed in by the process that starts (`load(os.environ)`); a value that is
wrong or missing raises `SettingsError`, which names the variable and the reason. The table in
README.md is drawn from this file and a test holds the two together.
"""

# ruff: noqa: RUF009 - setting() makes a field, and what it defaults to never changes

import dataclasses
import difflib
import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from consent.mail import is_plain_address

_MISSPELT = 0.85  # how alike two names are (difflib's ratio) when one must be meant for the other


class SettingsError(Exception):
    """A variable cannot be used; the text names it and says why."""


class Secret(str):
    """A string, or a URL with a password, whose representation does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(...)"


def setting(default: Any, help: str, *, shown: str | None = None) -> Any:  # noqa: A002, ANN401
    """A field with its line for the README; `shown` is the default in words."""
    return dataclasses.field(default=default, metadata={"help": help, "shown": shown})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The variable of a field is `NOD_` and its name in capitals."""

    host: str = setting("127.0.0.1", "address the API listens on")
    port: int = setting(8000, "port the API listens on")
    issuer: str = setting(
        "",
        "issuer identifier and base of every URL, trailing slash kept; https unless the host is "
        "a loopback one",
        shown="`http://HOST:PORT/`, https with a certificate",
    )
    friendly_name: str = setting("Nod", "name of this installation as phones show it")
    redis_url: Secret = setting(
        Secret(""),
        "Redis for state: `redis://`, `rediss://`, `unix://` or `redis+cluster://`",
        shown="an embedded server, started by `scripts/run`",
    )
    queue_redis_url: Secret = setting(
        Secret(""), "Redis for RQ's queue, a single server", shown="the one of `NOD_REDIS_URL`"
    )
    partitions: int = setting(
        16, "parts the state is kept in, 1 to 4096, fixed at the first start; 1024 for a cluster"
    )
    data_dir: Path = setting(Path(".nod"), "generated keys and the embedded server's data")
    secret_key: Secret = setting(
        Secret(""),
        "encrypts what must be kept recoverable, at least 32 characters, the same for every "
        "process of an installation",
        shown="generated into `NOD_DATA_DIR`",
    )
    tls_cert_file: Path | None = setting(None, "certificate chain (PEM): the API serves https")
    tls_key_file: Path | None = setting(None, "private key of that certificate (PEM)")
    trusted_proxies: str = setting(
        "",
        "addresses or networks, comma separated, whose client certificate header and "
        "X-Forwarded-For count",
    )
    client_certificate_header: str = setting(
        "Client-Cert",
        "header in which a trusted proxy hands over a client's certificate, as in RFC 9440 or as "
        "nginx's `$ssl_client_escaped_cert`",
    )
    client_certificate_ca_file: Path | None = setting(
        None, "authorities (PEM) of the certificates of `tls_client_auth` clients"
    )
    mtls_base_url: str = setting(
        "", "base of the endpoints where clients show certificates, in `mtls_endpoint_aliases`"
    )
    outbound_allowed_networks: str = setting(
        "",
        "networks, comma separated, that a client's URLs and browsers' push services may lead to "
        "although they are not public",
    )
    outbound_ports: str = setting("443", "ports, comma separated, that those URLs may name")
    outbound_ca_file: Path | None = setting(
        None, "authority (PEM) to trust for those URLs, and an action's, besides the usual"
    )
    login_hint_token_issuers_file: Path | None = setting(
        None, "issuers of `login_hint_token` that are trusted (JSON), see below"
    )
    software_statement_issuers_file: Path | None = setting(
        None, "issuers of `software_statement` that are trusted (JSON), see below"
    )
    registrations_per_hour_max: int = setting(
        20, "clients that may register themselves from one address in an hour"
    )
    registered_clients_max: int = setting(10_000, "clients that registered themselves, in all")
    unused_registration_lifetime_seconds: int = setting(
        0, "a client that registered itself and was never used goes after this; 0 keeps it"
    )
    management_requests_per_minute_max: int = setting(
        6_000, "calls of one client to the management API in a minute, of each process"
    )
    log_retention_days: int = setting(30, "how long records stay in the log of the tenant")
    credentials_exchange_actions: str = setting(
        "",
        "Python entry points (`module:function`, comma separated) called before a "
        "`client_credentials` token is issued",
    )
    credentials_exchange_url: str = setting(
        "", "called with a signed request before a `client_credentials` token is issued"
    )
    credentials_exchange_secret: Secret = setting(
        Secret(""), "signs the calls to that URL, at least 32 characters"
    )
    credentials_exchange_timeout_milliseconds: int = setting(
        1_000, "time in which that URL must have answered"
    )
    credentials_exchange_fails_open: bool = setting(
        False,  # noqa: FBT003
        "a token is issued although that URL failed",
    )
    web_push_contact: str = setting(
        "",
        "e-mail address that push services may write to; shown to them with every web push",
        shown="`nod@` and the host of `NOD_ISSUER`",
    )
    smtp_url: Secret = setting(
        Secret(""),
        "where e-mail is handed over, `smtp://[user:password@]host[:port]` (STARTTLS) or `smtps://`",
    )
    smtp_from: str = setting("", "sender of e-mail; set together with `NOD_SMTP_URL`")
    smtp_ca_file: Path | None = setting(
        None, "authority (PEM) to trust for the mail server besides the usual"
    )
    new_device_cool_off_seconds: int = setting(
        0, "a device that joins others may not approve before this; it may deny"
    )
    not_me_block_seconds: int = setting(
        86_400, "a client cannot ask somebody for this long who said 'this was not me'"
    )
    event_streams_max: int = setting(
        20_000, "event streams one process holds at once; the next is told to come back (503)"
    )
    acr_values: str = setting(
        "urn:nod:acr:signed-approval",
        "what an approval attains (`acr`), space separated, the best first",
    )
    dpop_nonce_required: bool = setting(
        False,  # noqa: FBT003
        "DPoP proofs must hold a nonce of this server",
    )
    bootstrap_client_id: str = setting(
        "", "management client with every scope, created or updated at start"
    )
    bootstrap_client_secret: Secret = setting(Secret(""), "its secret")
    fcm_credentials_file: Path | None = setting(
        None, "Google service account (JSON); its `token_uri` is where tokens are fetched"
    )
    fcm_base_url: str = setting("https://fcm.googleapis.com", "where FCM messages go")
    apns_key_file: Path | None = setting(None, "Apple signing key (.p8)")
    apns_key_id: str = setting("", "its key id")
    apns_team_id: str = setting("", "the team it belongs to")
    apns_topic: str = setting("", "bundle id of the app")
    apns_base_url: str = setting("https://api.push.apple.com", "where APNs requests go")
    apns_ca_file: Path | None = setting(None, "authority to trust for that host besides the usual")
    demo: bool = setting(True, "`scripts/run` plays one request against itself")  # noqa: FBT003
    workers: int = setting(1, "worker processes that `scripts/run` keeps alive")
    log_level: str = setting("info", "`debug`, `info`, `warning` or `error`")
    binding_message_characters: str = setting(
        " +-_.,:#", "characters a `binding_message` may hold besides ASCII letters and digits"
    )
    poll_interval_seconds: int = setting(5, "least time between two polls of one request")
    request_expiry_default_seconds: int = setting(
        300, "life of a request that names none, at most 300"
    )
    person_requests_per_minute_max: int = setting(5, "requests to one person in a minute")
    person_open_requests_max: int = setting(5, "unanswered requests of one person")
    tenant_open_requests_max: int = setting(
        100_000, "unanswered requests in all; each partition holds its share"
    )
    ended_request_retention_seconds: int = setting(
        900, "how long the record of an ended request can still be read"
    )
    access_token_lifetime_seconds: int = setting(
        86_400, "life of an access token whose resource server sets none"
    )
    refresh_token_lifetime_seconds: int = setting(
        2_592_000, "life of a refresh token, counted from the approval"
    )
    refresh_token_idle_lifetime_seconds: int = setting(
        1_296_000, "life of a refresh token that is not used"
    )
    enrollment_ticket_lifetime_seconds: int = setting(300, "life of an enrolment ticket")
    request_body_max_bytes: int = setting(65_536, "largest request body that is read")
    request_deadline_seconds: int = setting(
        10, "time in which a client must have sent its whole request"
    )
    concurrent_requests_max: int = setting(
        2_000, "requests in work at once; the next is told to come back (503)"
    )
    long_polls_max: int = setting(
        20_000, "polls one process holds at once; the next is answered as any other poll"
    )

    @property
    def queue_url(self) -> Secret:
        return self.queue_redis_url or self.redis_url

    def url(self, path: str) -> str:
        """The public URL of a path given without its leading slash."""
        return self.issuer + path


def load(environ: Mapping[str, str]) -> Settings:
    """Read the settings. An unknown `NOD_` variable that looks like one of them is refused: it is
    misspelt; any other is somebody else's.
    """
    fields = {f"NOD_{field.name.upper()}": field for field in dataclasses.fields(Settings)}
    for name in sorted(name for name in environ if name.startswith("NOD_") and name not in fields):
        if meant := difflib.get_close_matches(name, fields, n=1, cutoff=_MISSPELT):
            raise SettingsError(f"{name}: there is no such setting; {meant[0]} is one")
    given: dict[str, Any] = {
        field.name: _parsed(name, environ[name], field.type)
        for name, field in fields.items()
        if environ.get(name, "") != ""
    }
    settings = Settings(**given)
    if not settings.issuer:
        scheme = "https" if settings.tls_cert_file else "http"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        settings = dataclasses.replace(settings, issuer=f"{scheme}://{host}:{settings.port}/")
    _check(settings)
    return settings


def _parsed(name: str, text: str, kind: Any) -> object:  # noqa: ANN401
    if kind is bool:
        if text not in {"0", "1"}:
            raise SettingsError(f"{name}: must be 0 or 1")
        return text == "1"
    if kind is int:
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise SettingsError(f"{name}: must be a whole number")
        return int(text)
    if kind in (Path, Path | None):
        return Path(text)
    return kind(text)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


_SECRET_KEY_CHARACTERS_MIN = 32
_LOG_LEVELS = frozenset({"debug", "info", "warning", "error"})
_RANGES = {
    "port": (1, 65_535),
    "partitions": (1, 4_096),
    "workers": (0, 64),
    "poll_interval_seconds": (1, 60),
    "request_expiry_default_seconds": (1, 300),
    "person_requests_per_minute_max": (1, 1_000_000),
    "person_open_requests_max": (1, 1_000),
    "tenant_open_requests_max": (1, 100_000_000),
    "ended_request_retention_seconds": (60, 604_800),
    "access_token_lifetime_seconds": (1, 2_592_000),
    "refresh_token_lifetime_seconds": (60, 315_576_000),
    "refresh_token_idle_lifetime_seconds": (60, 315_576_000),
    "enrollment_ticket_lifetime_seconds": (1, 2_592_000),
    "request_body_max_bytes": (16_384, 1_048_576),
    "request_deadline_seconds": (1, 300),
    "concurrent_requests_max": (1, 1_000_000),
    "long_polls_max": (0, 1_000_000),
    "new_device_cool_off_seconds": (0, 31_536_000),
    "not_me_block_seconds": (60, 31_536_000),
    "event_streams_max": (0, 1_000_000),
    "registrations_per_hour_max": (1, 1_000_000),
    "registered_clients_max": (0, 10_000_000),
    "unused_registration_lifetime_seconds": (0, 31_536_000),
    "management_requests_per_minute_max": (1, 10_000_000),
    "log_retention_days": (1, 3_650),
    "credentials_exchange_timeout_milliseconds": (10, 10_000),
}


def _check(settings: Settings) -> None:
    for name, (least, most) in _RANGES.items():
        if not least <= getattr(settings, name) <= most:
            raise SettingsError(f"NOD_{name.upper()}: must be between {least} and {most}")
    if settings.secret_key and len(settings.secret_key) < _SECRET_KEY_CHARACTERS_MIN:
        raise SettingsError("NOD_SECRET_KEY: must have at least 32 characters")
    if settings.log_level not in _LOG_LEVELS:
        raise SettingsError("NOD_LOG_LEVEL: must be debug, info, warning or error")
    if not settings.binding_message_characters.isprintable():
        raise SettingsError("NOD_BINDING_MESSAGE_CHARACTERS: holds a control character")
    _check_urls(settings)
    _check_lists(settings)
    _check_credentials_exchange(settings)
    _check_mail(settings)
    _check_companions(settings)
    _check_files(settings)


def networks(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """A comma separated list of addresses and networks. Raises ValueError."""
    return [ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()]


def ports(text: str) -> frozenset[int]:
    """A comma separated list of ports. Raises ValueError."""
    found = frozenset(int(part) for part in text.split(",") if part.strip())
    if not all(1 <= port <= 65_535 for port in found):  # noqa: PLR2004 - what 16 bits hold
        raise ValueError("no port")
    return found


class MailServer(NamedTuple):
    """Where mail is handed over; `tls` is from the first byte, else by STARTTLS (RFC 3207)."""

    host: str
    port: int
    user: str
    password: Secret
    tls: bool

    @property
    def needs_starttls(self) -> bool:
        """Nothing is said in the clear that leaves this machine, a password least of all."""
        return not self.tls and not is_loopback(self.host)


_MAIL_PORTS = {"smtp": 587, "smtps": 465}  # submission, RFC 6409 and RFC 8314
_IS_HOST_NAME = re.compile(r"[0-9A-Za-z:._-]{1,255}").fullmatch


def mail_server(url: str) -> MailServer:
    """`smtp[s]://[user:password@]host[:port]` and nothing else. Raises ValueError."""
    parts = urlsplit(url)
    port = parts.port
    if parts.scheme not in _MAIL_PORTS or not _IS_HOST_NAME(parts.hostname or "") or port == 0:
        raise ValueError("no mail server")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.path not in {"", "/"} or "?" in url or "#" in url or bool(user) != bool(password):
        raise ValueError("no mail server")
    if not (user + password).isprintable():
        raise ValueError("no mail server")
    return MailServer(
        host=str(parts.hostname),
        port=port or _MAIL_PORTS[parts.scheme],
        user=user,
        password=Secret(password),
        tls=parts.scheme == "smtps",
    )


def _check_mail(settings: Settings) -> None:
    if settings.smtp_url:
        try:
            mail_server(settings.smtp_url)
        except ValueError:
            raise SettingsError(
                "NOD_SMTP_URL: must be smtp:// or smtps://[user:password@]host[:port]"
            ) from None
    if bool(settings.smtp_url) != bool(settings.smtp_from):
        raise SettingsError("NOD_SMTP_FROM: set together with NOD_SMTP_URL")
    for name in ("smtp_from", "web_push_contact"):
        address = getattr(settings, name)
        if address and not (address.isascii() and is_plain_address(address)):
            raise SettingsError(f"NOD_{name.upper()}: must be one e-mail address, without a name")


def _check_lists(settings: Settings) -> None:
    for name in ("trusted_proxies", "outbound_allowed_networks"):
        try:
            networks(getattr(settings, name))
        except ValueError:
            raise SettingsError(f"NOD_{name.upper()}: is no list of networks") from None
    try:
        ports(settings.outbound_ports)
    except ValueError:
        raise SettingsError("NOD_OUTBOUND_PORTS: is no list of ports") from None
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", settings.client_certificate_header):
        raise SettingsError("NOD_CLIENT_CERTIFICATE_HEADER: is no name of a header")
    if not re.fullmatch(r"[\x21-\x7e]+( [\x21-\x7e]+)*", settings.acr_values):
        raise SettingsError("NOD_ACR_VALUES: must be names separated by one space")
    # What a typed number or a mailbox attains is said of approvals that had one (A044).
    for name in settings.acr_values.split(" "):
        if name.startswith("urn:nod:acr:") and name != Settings.acr_values:
            raise SettingsError("NOD_ACR_VALUES: of urn:nod:acr: only signed-approval may be named")


def _check_urls(settings: Settings) -> None:
    for name in ("issuer", "fcm_base_url", "apns_base_url"):
        _check_http(f"NOD_{name.upper()}", getattr(settings, name))
    if settings.mtls_base_url:
        _check_http("NOD_MTLS_BASE_URL", settings.mtls_base_url)
        if not re.fullmatch(r"[^?#@]+/", settings.mtls_base_url):
            raise SettingsError("NOD_MTLS_BASE_URL: must end with a slash and have no query")
    issuer = urlsplit(settings.issuer)
    if issuer.query or issuer.fragment or issuer.username or not settings.issuer.endswith("/"):
        raise SettingsError("NOD_ISSUER: must end with a slash and have no query or fragment")
    if issuer.path != "/":
        raise SettingsError("NOD_ISSUER: must be the root of its host")
    if settings.redis_url and not re.match(r"(redis(s|s?\+cluster)?|unix)://", settings.redis_url):
        raise SettingsError("NOD_REDIS_URL: must begin with redis, rediss, unix or redis+cluster")
    if settings.queue_url and not re.match(r"(rediss?|unix)://", settings.queue_url):
        raise SettingsError("NOD_QUEUE_REDIS_URL: must be the URL of a single Redis server")


def _check_http(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise SettingsError(f"{name}: is not a URL") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise SettingsError(f"{name}: must be an absolute http or https URL")
    if parts.scheme == "http" and not is_loopback(host):
        raise SettingsError(f"{name}: must be https unless its host is a loopback one")


def _check_credentials_exchange(settings: Settings) -> None:
    """The URL of an action, and the secret that signs the calls to it."""
    url, secret = settings.credentials_exchange_url, settings.credentials_exchange_secret
    if url:
        _check_http("NOD_CREDENTIALS_EXCHANGE_URL", url)
    if bool(url) != bool(secret):
        raise SettingsError("NOD_CREDENTIALS_EXCHANGE_SECRET: set together with its URL")
    if secret and len(secret) < _SECRET_KEY_CHARACTERS_MIN:
        raise SettingsError("NOD_CREDENTIALS_EXCHANGE_SECRET: must have at least 32 characters")


def _check_companions(settings: Settings) -> None:
    """What is set together or not at all."""
    if bool(settings.tls_cert_file) != bool(settings.tls_key_file):
        raise SettingsError("NOD_TLS_KEY_FILE: a certificate and its key are set together")
    if bool(settings.bootstrap_client_id) != bool(settings.bootstrap_client_secret):
        raise SettingsError("NOD_BOOTSTRAP_CLIENT_SECRET: set together with its client id")
    if settings.apns_key_file and not (
        settings.apns_key_id and settings.apns_team_id and settings.apns_topic
    ):
        raise SettingsError("NOD_APNS_KEY_FILE: needs NOD_APNS_KEY_ID, _TEAM_ID and _TOPIC")


def _check_files(settings: Settings) -> None:
    for field in dataclasses.fields(settings):
        path = getattr(settings, field.name)
        if isinstance(path, Path) and field.name.endswith("_file") and not path.is_file():
            raise SettingsError(f"NOD_{field.name.upper()}: there is no such file")
