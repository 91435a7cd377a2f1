"""Every setting that is wrong stops the process with its name and the reason."""

import dataclasses
from ipaddress import ip_network
from pathlib import Path

import pytest

from consent.settings import (
    Secret,
    Settings,
    SettingsError,
    is_loopback,
    load,
    mail_server,
    networks,
    ports,
    setting,
)

CERTIFICATE = {"NOD_TLS_CERT_FILE": __file__, "NOD_TLS_KEY_FILE": __file__}


def test_an_empty_environment_is_enough_to_start_on_loopback() -> None:
    settings = load({"PATH": "/bin", "NODE_ENV": "test"})

    assert settings.issuer == "http://127.0.0.1:8000/"
    assert settings.url("bc-authorize") == "http://127.0.0.1:8000/bc-authorize"


def test_an_empty_value_is_as_good_as_none() -> None:
    assert load({"NOD_PORT": "", "NOD_SECRET_KEY": ""}) == load({})


@pytest.mark.parametrize(
    ("environ", "issuer"),
    [
        ({"NOD_HOST": "::1", "NOD_PORT": "9000"}, "http://[::1]:9000/"),
        ({"NOD_HOST": "id.example", **CERTIFICATE}, "https://id.example:8000/"),
        ({"NOD_ISSUER": "https://id.example/"}, "https://id.example/"),
        ({"NOD_ISSUER": "http://nod.localhost:8000/"}, "http://nod.localhost:8000/"),
    ],
)
def test_the_issuer_follows_from_where_it_listens_unless_it_is_set(
    environ: dict[str, str], issuer: str
) -> None:
    assert load(environ).issuer == issuer


def test_each_kind_of_value_is_read() -> None:
    settings = load(
        {
            "NOD_PORT": "443",
            "NOD_DEMO": "0",
            "NOD_DATA_DIR": "/var/lib/nod",
            "NOD_TLS_CERT_FILE": __file__,
            "NOD_TLS_KEY_FILE": __file__,
            "NOD_SECRET_KEY": "k" * 32,
            "NOD_FRIENDLY_NAME": "Example",
        }
    )

    assert (settings.port, settings.demo, settings.data_dir) == (443, False, Path("/var/lib/nod"))
    assert settings.tls_cert_file == Path(__file__)
    assert isinstance(settings.secret_key, Secret)
    assert settings.friendly_name == "Example"


def test_the_queue_is_beside_the_state_unless_it_is_elsewhere() -> None:
    assert load({"NOD_REDIS_URL": "redis://a"}).queue_url == "redis://a"
    both = {"NOD_REDIS_URL": "redis+cluster://a", "NOD_QUEUE_REDIS_URL": "redis://b"}
    assert load(both).queue_url == "redis://b"


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("NOD_PORT", "http", "a whole number"),
        ("NOD_PORT", "-1", "a whole number"),
        ("NOD_PORT", "8000.0", "a whole number"),
        ("NOD_PORT", "\u0663", "a whole number"),
        ("NOD_PORT", "1" * 5_000, "a whole number"),
        ("NOD_PORT", "0", "between 1 and 65535"),
        ("NOD_PORT", "65536", "between 1 and 65535"),
        ("NOD_PARTITIONS", "4097", "between 1 and 4096"),
        ("NOD_POLL_INTERVAL_SECONDS", "0", "between 1 and 60"),
        ("NOD_REQUEST_EXPIRY_DEFAULT_SECONDS", "301", "between 1 and 300"),
        ("NOD_DEMO", "yes", "0 or 1"),
        ("NOD_ISSUER", "id.example", "absolute"),
        ("NOD_ISSUER", "ftp://id.example/", "absolute"),
        ("NOD_ISSUER", "https://[id.example/", "not a URL"),
        ("NOD_ISSUER", "https://id.example:port/", "not a URL"),
        ("NOD_ISSUER", "https://id.example", "end with a slash"),
        ("NOD_ISSUER", "https://id.example/?", "end with a slash"),
        ("NOD_ISSUER", "https://id.example/?a=/", "no query"),
        ("NOD_ISSUER", "https://id.example/#/", "no query"),
        ("NOD_ISSUER", "https://me@id.example/", "no query"),
        ("NOD_ISSUER", "https://id.example/nod/", "root of its host"),
        ("NOD_ISSUER", "http://id.example/", "https"),
        ("NOD_MTLS_BASE_URL", "mtls.id.example/", "absolute"),
        ("NOD_MTLS_BASE_URL", "http://mtls.id.example/", "https"),
        ("NOD_MTLS_BASE_URL", "https://mtls.id.example", "end with a slash"),
        ("NOD_MTLS_BASE_URL", "https://mtls.id.example/?a=/", "no query"),
        ("NOD_MTLS_BASE_URL", "https://mtls.id.example/#/", "no query"),
        ("NOD_MTLS_BASE_URL", "https://me@mtls.id.example/", "no query"),
        ("NOD_TRUSTED_PROXIES", "proxy.example", "list of networks"),
        ("NOD_TRUSTED_PROXIES", "10.0.0.1/8", "list of networks"),
        ("NOD_TRUSTED_PROXIES", "10.0.0.1;10.0.0.2", "list of networks"),
        ("NOD_OUTBOUND_ALLOWED_NETWORKS", "127.0.0.1/33", "list of networks"),
        ("NOD_OUTBOUND_ALLOWED_NETWORKS", "*", "list of networks"),
        ("NOD_OUTBOUND_PORTS", "https", "list of ports"),
        ("NOD_OUTBOUND_PORTS", "0", "list of ports"),
        ("NOD_OUTBOUND_PORTS", "443,65536", "list of ports"),
        ("NOD_OUTBOUND_PORTS", "-443", "list of ports"),
        ("NOD_OUTBOUND_PORTS", "1" * 5_000, "list of ports"),
        ("NOD_CLIENT_CERTIFICATE_HEADER", "Client Cert", "name of a header"),
        ("NOD_CLIENT_CERTIFICATE_HEADER", "x" * 65, "name of a header"),
        ("NOD_CLIENT_CERTIFICATE_HEADER", "Client-Cert:", "name of a header"),
        ("NOD_ACR_VALUES", " urn:a", "one space"),
        ("NOD_ACR_VALUES", "urn:a  urn:b", "one space"),
        ("NOD_ACR_VALUES", "urn:\u00e4", "one space"),
        ("NOD_ACR_VALUES", "urn:a\n", "one space"),
        ("NOD_ACR_VALUES", "urn:nod:acr:number-matching", "only signed-approval"),
        ("NOD_ACR_VALUES", "urn:a urn:nod:acr:mailbox", "only signed-approval"),
        ("NOD_DPOP_NONCE_REQUIRED", "true", "0 or 1"),
        ("NOD_REFRESH_TOKEN_LIFETIME_SECONDS", "59", "between 60 and"),
        ("NOD_REFRESH_TOKEN_IDLE_LIFETIME_SECONDS", "315576001", "between 60 and"),
        ("NOD_LONG_POLLS_MAX", "1000001", "between 0 and"),
        ("NOD_CLIENT_CERTIFICATE_CA_FILE", "/nowhere.pem", "no such file"),
        ("NOD_OUTBOUND_CA_FILE", "/nowhere.pem", "no such file"),
        ("NOD_LOGIN_HINT_TOKEN_ISSUERS_FILE", "/nowhere.json", "no such file"),
        ("NOD_FCM_BASE_URL", "http://fcm.example", "https"),
        ("NOD_APNS_BASE_URL", "api.push.apple.com", "absolute"),
        ("NOD_REDIS_URL", "localhost:6379", "must begin with"),
        ("NOD_REDIS_URL", "redis+sentinel://a", "must begin with"),
        ("NOD_QUEUE_REDIS_URL", "redis+cluster://a", "a single Redis server"),
        ("NOD_SECRET_KEY", "k" * 31, "at least 32"),
        ("NOD_LOG_LEVEL", "chatty", "debug, info"),
        ("NOD_BINDING_MESSAGE_CHARACTERS", "\t", "control character"),
        ("NOD_BINDING_MESSAGE_CHARACTERS", "\u202e", "control character"),
        ("NOD_TLS_CERT_FILE", "/nowhere.pem", "set together"),
        ("NOD_BOOTSTRAP_CLIENT_ID", "admin", "set together"),
        ("NOD_BOOTSTRAP_CLIENT_SECRET", "s" * 32, "set together"),
        ("NOD_APNS_KEY_FILE", __file__, "NOD_APNS_KEY_ID, _TEAM_ID and _TOPIC"),
        ("NOD_SMTP_URL", "mail.example", "smtp:// or smtps://"),
        ("NOD_SMTP_URL", "http://mail.example", "smtp:// or smtps://"),
        ("NOD_SMTP_URL", "smtp://", "smtp:// or smtps://"),
        ("NOD_SMTP_URL", "smtp://me@mail.example", "smtp:// or smtps://"),
        ("NOD_SMTP_URL", "smtp://:word@mail.example", "smtp:// or smtps://"),
        ("NOD_SMTP_URL", "smtp://mail.example:0", "smtp:// or smtps://"),
        ("NOD_SMTP_URL", "smtp://mail.example:65536", "smtp:// or smtps://"),
        ("NOD_SMTP_URL", "smtp://[mail.example", "smtp:// or smtps://"),
        ("NOD_SMTP_URL", "smtp://mail.example/path", "smtp:// or smtps://"),
        ("NOD_SMTP_URL", "smtp://mail.example?starttls=0", "smtp:// or smtps://"),
        ("NOD_SMTP_URL", "smtp://mail.example#", "smtp:// or smtps://"),
        ("NOD_SMTP_URL", "smtp://me:wo%0Ard@mail.example", "smtp:// or smtps://"),
        ("NOD_SMTP_URL", "smtp://mail.example", "set together"),
        ("NOD_SMTP_FROM", "nod@example.org", "set together"),
        ("NOD_SMTP_CA_FILE", "/nowhere.pem", "no such file"),
        ("NOD_FCM_CREDENTIALS_FILE", "/nowhere.json", "no such file"),
        ("NOD_APNS_CA_FILE", "/", "no such file"),
    ],
)
def test_a_wrong_value_is_refused_by_name(variable: str, value: str, reason: str) -> None:
    """The text names the variable (or its companion) and the reason, and is never the value."""
    with pytest.raises(SettingsError) as refused:
        load({variable: value})

    companions = {"NOD_TLS_CERT_FILE": "NOD_TLS_KEY_FILE"}
    companions["NOD_BOOTSTRAP_CLIENT_ID"] = "NOD_BOOTSTRAP_CLIENT_SECRET"
    if reason == "set together":
        companions["NOD_SMTP_URL"] = "NOD_SMTP_FROM"
    assert str(refused.value).startswith(f"{companions.get(variable, variable)}: ")
    assert reason in str(refused.value)
    if "SECRET" in variable:
        assert value not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" , ", []),
        ("10.0.0.1", [ip_network("10.0.0.1/32")]),
        ("10.0.0.0/8, ::1", [ip_network("10.0.0.0/8"), ip_network("::1/128")]),
    ],
)
def test_networks_are_addresses_and_networks_between_commas(
    text: str, expected: list[object]
) -> None:
    assert networks(text) == expected
    assert load({"NOD_TRUSTED_PROXIES": text}).trusted_proxies == text


@pytest.mark.parametrize(
    ("text", "expected"), [("", set()), ("443", {443}), ("443, 8443,443", {443, 8_443})]
)
def test_ports_are_numbers_between_commas(text: str, expected: set[int]) -> None:
    assert ports(text) == expected


def test_nothing_of_a_client_is_reached_or_believed_unless_a_setting_says_so() -> None:
    """T18, D064: public addresses and https alone; no proxy's header counts."""
    settings = load({})

    assert ports(settings.outbound_ports) == {443}
    assert networks(settings.outbound_allowed_networks) == []
    assert networks(settings.trusted_proxies) == []


def test_state_on_a_cluster_needs_a_single_server_for_the_queue() -> None:
    with pytest.raises(SettingsError, match=r"^NOD_QUEUE_REDIS_URL: "):
        load({"NOD_REDIS_URL": "redis+cluster://a"})


def test_a_misspelt_variable_is_refused() -> None:
    with pytest.raises(
        SettingsError, match=r"^NOD_PROT: there is no such setting; NOD_PORT is one$"
    ):
        load({"NOD_PROT": "9000"})


def test_no_secret_is_in_a_representation() -> None:
    """T24: neither the secrets nor the password of a Redis URL."""
    canary = "canary-" * 6
    settings = load(
        {
            "NOD_SECRET_KEY": canary,
            "NOD_BOOTSTRAP_CLIENT_ID": "admin",
            "NOD_BOOTSTRAP_CLIENT_SECRET": canary,
            "NOD_REDIS_URL": f"redis://:{canary}@redis.example/",
            "NOD_QUEUE_REDIS_URL": f"redis://:{canary}@queue.example/",
        }
    )

    assert "canary" not in repr(settings)
    assert settings.secret_key == canary


def test_every_setting_says_what_it_is_for() -> None:
    for field in dataclasses.fields(Settings):
        assert field.metadata["help"], field.name
    assert setting(1, "so many").metadata == {"help": "so many", "shown": None}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("nod.localhost", True),
        ("localhost.example", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("::ffff:8.8.8.8", False),
    ],
)
def test_a_loopback_host_is_told_from_others(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_variable_of_somebody_else_is_left_alone() -> None:
    assert load({"NOD_SOMEBODY_ELSES": "x"}) == load({})


@pytest.mark.parametrize(
    "sender",
    ["Nod <nod@example.org>", "a@b.org,c@d.org", "nod", "nod@example.org\n", "jürgen@example.org"],
)
def test_mail_comes_from_one_plain_address(sender: str) -> None:
    url = "smtp://mail.example"
    with pytest.raises(SettingsError, match=r"^NOD_SMTP_FROM: must be one e-mail address"):
        load({"NOD_SMTP_URL": url, "NOD_SMTP_FROM": sender})

    assert load({"NOD_SMTP_URL": url, "NOD_SMTP_FROM": "nod@example.org"}).smtp_url == url


@pytest.mark.parametrize(
    ("url", "parts", "needs_starttls"),
    [
        ("smtp://mail.example", ("mail.example", 587, "", "", False), True),
        ("smtps://mail.example/", ("mail.example", 465, "", "", True), False),
        ("smtp://a%40b:c%2Fd%3A@mail.example:25", ("mail.example", 25, "a@b", "c/d:", False), True),
        ("smtp://127.0.0.1:1025", ("127.0.0.1", 1025, "", "", False), False),
        ("smtp://[::1]", ("::1", 587, "", "", False), False),
        ("smtp://localhost", ("localhost", 587, "", "", False), False),
    ],
)
def test_a_mail_server_that_is_elsewhere_is_spoken_to_in_tls(
    url: str, parts: tuple[object, ...], *, needs_starttls: bool
) -> None:
    server = mail_server(url)

    assert tuple(server) == parts
    assert server.needs_starttls is needs_starttls
    assert "c/d" not in repr(server)
