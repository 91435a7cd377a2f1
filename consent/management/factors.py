"""Factors and push providers: what an administrator says of them, and what is shown (3.5)."""

import re
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec

from consent.errors import ManagementError
from consent.management.payload import invalid_body, payload
from consent.management.push_credentials import (
    Unusable,
    check_provider_key,
    check_valid,
    push_certificate,
    service_account,
    topic_of,
)
from consent.outbound.address import ForbiddenUrl
from consent.push_providers import (
    APNS_SANDBOX_URL,
    PUSH,
    ApnsCertificate,
    ApnsKey,
    ApnsProvider,
    FactorRecord,
    ServiceAccount,
    push_enabled,
)
from consent.settings import Settings

# Those of Auth0, in its order; people here answer with their phones and in no other way.
FACTORS = (
    PUSH,
    "sms",
    "email",
    "duo",
    "otp",
    "webauthn-roaming",
    "webauthn-platform",
    "recovery-code",
)
DIRECT = "direct"  # pushes go to Apple and Google without another service between
P12_CHARACTERS_MAX = 10_000
_P8_CHARACTERS_MAX = 1_024
_SERVICE_ACCOUNT_CHARACTERS_MAX = 10_000
_IS_BUNDLE_ID = re.compile(r"[A-Za-z0-9.-]{1,155}").fullmatch  # it becomes a header
_IS_APPLE_ID = re.compile(r"[A-Z0-9]{10}").fullmatch

CheckUrl = Callable[[str], None]


class FactorChange(msgspec.Struct, frozen=True):
    """The body of PUT /guardian/factors/{name}."""

    enabled: bool


class ProviderChoice(msgspec.Struct, frozen=True):
    """The body of PUT selected-provider."""

    provider: Literal["direct", "guardian", "sns"]


class ApnsChange(msgspec.Struct, frozen=True):
    """
    The body of PUT and PATCH providers/apns: credentials are a `p12`, or (ours) a signing key
    with its id and team, whole or not at all.
    """

    bundle_id: str | None = None
    sandbox: bool | None = None
    p12: Annotated[str, msgspec.Meta(max_length=P12_CHARACTERS_MAX)] | None = None
    key_id: str | None = None
    team_id: str | None = None


def factors_shown(factors: dict[str, FactorRecord]) -> list[dict[str, object]]:
    on = push_enabled(factors)
    return [
        {"name": name, "enabled": on and name == PUSH, "trial_expired": False} for name in FACTORS
    ]


def factor_change(name: str, body: dict[str, object]) -> bool:
    """Whether the factor is to be on. Raises ManagementError."""
    if name not in FACTORS:
        raise ManagementError(404, "inexistent_factor", "The factor does not exist.")
    enabled = payload(body, FactorChange).enabled
    if enabled and name != PUSH:
        raise not_supported("This factor is not supported here: people answer with their phones.")
    return enabled


def check_provider_choice(body: dict[str, object]) -> None:
    """Raises ManagementError."""
    if payload(body, ProviderChoice).provider != DIRECT:
        raise not_supported(
            "This provider is a service of others and not supported here: "
            "pushes go to Apple and Google directly."
        )


def apns_provider(
    body: dict[str, object],
    *,
    stored: ApnsProvider | None,
    now: float,
    open_p12: Callable[[str], ApnsCertificate] = push_certificate,
) -> ApnsProvider:
    """
    The provider after a body: what it leaves out is as `stored`. `now` (epoch seconds) is when a
    certificate must be valid; `open_p12` may raise Unusable. Raises ManagementError invalid_body.
    """
    p8 = _text(body, "p8", _P8_CHARACTERS_MAX)
    wanted = payload({name: body[name] for name in body if name != "p8"}, ApnsChange)
    try:
        credentials = _apns_credentials(wanted, p8, open_p12, now)
    except Unusable as error:
        raise invalid_body(f"'{error.reason}' on property {error.name}.") from None
    if credentials is None and stored is not None:
        credentials = stored.credentials
    if credentials is None:
        raise invalid_body("'Missing required property' on property p12.")
    topic = topic_of(credentials) if isinstance(credentials, ApnsCertificate) else ""
    bundle_id = wanted.bundle_id or topic or (stored.bundle_id if stored else "")
    if not _IS_BUNDLE_ID(bundle_id):
        raise invalid_body("'Not a bundle id' on property bundle_id.")
    if topic and bundle_id != topic:
        raise invalid_body("'Not what the certificate is for' on property bundle_id.")
    sandbox = stored is not None and stored.sandbox if wanted.sandbox is None else wanted.sandbox
    return ApnsProvider(bundle_id=bundle_id, sandbox=sandbox, credentials=credentials)


def _apns_credentials(
    wanted: ApnsChange, p8: str | None, open_p12: Callable[[str], ApnsCertificate], now: float
) -> ApnsKey | ApnsCertificate | None:
    """Those that were sent. Raises Unusable."""
    signing = {"p8": p8, "key_id": wanted.key_id, "team_id": wanted.team_id}
    given = {name: value for name, value in signing.items() if value is not None}
    if not given:
        if wanted.p12 is None:
            return None
        certificate = open_p12(wanted.p12)
        check_valid(certificate, now=now)
        return certificate
    if wanted.p12 is not None:
        raise Unusable("p12", "Not together with a signing key")
    for name in signing:
        if name not in given:
            raise Unusable(name, "Missing required property")
        if name != "p8" and not _IS_APPLE_ID(given[name]):
            raise Unusable(name, "Not ten capitals and digits")
    check_provider_key(given["p8"])
    return ApnsKey(**given)


def fcm_provider(body: dict[str, object], *, check_token_uri: CheckUrl) -> ServiceAccount:
    """
    The service account in a body. `check_token_uri` raises ForbiddenUrl for one that may not be
    called. Raises ManagementError invalid_body.
    """
    name = "server_credentials"
    text = _text(body, name, _SERVICE_ACCOUNT_CHARACTERS_MAX)
    if text is None:
        raise invalid_body(f"'Missing required property' on property {name}.")
    try:
        account = service_account(text)
        check_token_uri(account.token_uri)
    except Unusable as error:
        raise invalid_body(f"'{error.reason}' on property {name}.") from None
    except ForbiddenUrl as error:
        raise invalid_body(f"'Its token_uri {error.reason}' on property {name}.") from None
    return account


def apns_shown(provider: ApnsProvider | None) -> dict[str, object]:
    """None is one that cannot be used. Credentials are never shown."""
    if provider is None:
        return {"bundle_id": None, "sandbox": False, "enabled": False}
    return apns_change_shown(provider) | {"enabled": True}


def apns_change_shown(provider: ApnsProvider) -> dict[str, object]:
    return {"sandbox": provider.sandbox, "bundle_id": provider.bundle_id}


def apns_of_settings_shown(settings: Settings) -> dict[str, object]:
    """What workers use while none is stored."""
    if settings.apns_key_file is None:
        return apns_shown(None)
    sandbox = settings.apns_base_url == APNS_SANDBOX_URL
    return {"bundle_id": settings.apns_topic, "sandbox": sandbox, "enabled": True}


def fcm_shown(account: ServiceAccount | None) -> dict[str, object]:
    return {"project_id": account and account.project_id, "enabled": account is not None}


def fcm_of_settings_shown(settings: Settings) -> dict[str, object]:
    return fcm_shown(None) | {"enabled": settings.fcm_credentials_file is not None}


def _text(body: dict[str, object], name: str, characters_max: int) -> str | None:
    """A text of several lines, which `payload` would refuse. Raises ManagementError."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise invalid_body(f"'Expected str' on property {name}.")
    if len(value) > characters_max:
        raise invalid_body(f"'Longer than {characters_max} characters' on property {name}.")
    return value


def dead_provider() -> ManagementError:
    return not_supported(
        "Google turned the legacy FCM API off in 2024: "
        "use the provider fcmv1 with a service account."
    )


def not_supported(message: str) -> ManagementError:
    return ManagementError(400, "not_supported", message)
