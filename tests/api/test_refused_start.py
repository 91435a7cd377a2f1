"""Every reason of the store has its error on the wire, and says nothing of anybody."""

import pytest

from api.refused_start import refusal
from consent.errors import AccessForbidden, InvalidRequest, OAuthError, TooManyRequests
from consent.store.consents import Refused
from tests.support.domain import a_client, assert_says_nothing, settings

WAITS = (
    "user_code_locked",
    "denied_before",
    "too_many_recent",
    "too_many_open",
    "too_many_mails",
    "tenant_full",
)


@pytest.mark.parametrize("why", WAITS)
def test_who_may_ask_later_is_told_when(why: str) -> None:
    """A105: whole seconds, never zero."""
    refused = refusal(Refused(why, 1_200), a_client(), settings(), now=1_000.0)

    assert isinstance(refused, TooManyRequests)
    assert dict(refused.headers)["Retry-After"] == "2"
    assert dict(refused.headers)["x-ratelimit-reset"] == "1002"
    assert_says_nothing(refused)


@pytest.mark.parametrize(
    ("why", "error"),
    [
        ("not_me", AccessForbidden),
        ("blocked", AccessForbidden),
        ("no_device", InvalidRequest),
        ("no_able_device", InvalidRequest),
    ],
)
def test_who_may_not_ask_is_refused(why: str, error: type[OAuthError]) -> None:
    refused = refusal(Refused(why, 60_000), a_client(), settings(), now=1_000.0)

    assert type(refused) is error
    assert "60" not in refused.description
    assert_says_nothing(refused)


def test_a_refusal_is_made_anew() -> None:
    """An exception keeps its traceback: one for all requests would keep them alive."""
    one, other = (refusal(Refused("blocked"), a_client(), settings(), now=0) for _ in range(2))

    assert one is not other
