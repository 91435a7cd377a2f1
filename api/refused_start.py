"""Why a request is not accepted, in the words of the wire (CIBA 13, auth0-wire 1.2)."""

from consent import policy
from consent.channels import no_channel
from consent.client import Client
from consent.errors import (
    AccessForbidden,
    InvalidRequest,
    InvalidUserCode,
    MissingUserCode,
    OAuthError,
    TooManyRequests,
    UnknownUserId,
)
from consent.settings import Settings
from consent.store.consents import Refused

_REFUSALS: dict[str, OAuthError] = {
    "unknown_user": UnknownUserId("User ID is malformed or unknown"),
    "blocked": AccessForbidden("The user is blocked"),
    "not_me": AccessForbidden("The user does not accept requests of this client"),
    "no_able_device": InvalidRequest("No device of the user can match numbers"),
    "missing_user_code": MissingUserCode("The user_code of the end-user is needed"),
    "invalid_user_code": InvalidUserCode("The user_code is wrong"),
}


def refusal(refused: Refused, client: Client, settings: Settings, now: float) -> OAuthError:
    """The error a refused request is answered with."""
    if refused.why == "no_device":
        return no_channel(client)
    if known := _REFUSALS.get(refused.why):
        return type(known)(known.description)
    description, limit = _limits(settings)[refused.why]
    return _too_many(description, limit, refused.wait_ms, now)


def _limits(settings: Settings) -> dict[str, tuple[str, int]]:
    return {
        "user_code_locked": ("Too many wrong user codes", policy.USER_CODE_FAILURES_MAX),
        "too_many_mails": (
            "Too many e-mails to this user",
            policy.MAILS_OF_A_PERSON_PER_HOUR_MAX,
        ),
        "denied_before": ("The user has denied requests of this client", 1),
        "too_many_recent": (
            "Too many requests to this user",
            settings.person_requests_per_minute_max,
        ),
        "too_many_open": (
            "Too many unanswered requests to this user",
            settings.person_open_requests_max,
        ),
        "tenant_full": ("Too many unanswered requests", settings.tenant_open_requests_max),
    }


def _too_many(description: str, limit: int, wait_ms: int, now: float) -> TooManyRequests:
    wait_seconds = -(-wait_ms // 1_000)
    return TooManyRequests(
        description,
        headers=(
            ("Retry-After", str(wait_seconds)),
            ("x-ratelimit-limit", str(limit)),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", str(int(now) + wait_seconds)),
        ),
    )
