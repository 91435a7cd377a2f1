"""Which channels a request may use, and in which order (auth0-wire 1.5)."""

import pytest

from consent.channels import Means, channels, expiry_seconds_max
from consent.client import Channel
from consent.errors import InvalidRequest
from tests.support.domain import a_client, assert_says_nothing

PUSH: Channel = "guardian-push"
MAIL: Channel = "email"


@pytest.mark.parametrize(
    ("registered", "requested_expiry", "expected"),
    [
        (None, None, ("push",)),
        (None, 300, ("push",)),
        ([PUSH], None, ("push",)),
        ([MAIL], None, ("email",)),
        # The client's order, while the length is left to us.
        ([PUSH, MAIL], None, ("push", "email")),
        ([MAIL, PUSH], None, ("email", "push")),
        # A length that is asked for chooses what comes first; the other is the fallback.
        ([MAIL, PUSH], 300, ("push", "email")),
        ([PUSH, MAIL], 1, ("push", "email")),
        ([PUSH, MAIL], 301, ("email", "push")),
        ([MAIL, PUSH], 259_200, ("email", "push")),
        ([MAIL], 300, ("email",)),
    ],
    ids=str,
)
def test_the_length_of_a_request_and_its_client_choose_the_channels(
    registered: list[Channel] | None, requested_expiry: int | None, expected: tuple[Means, ...]
) -> None:
    client = a_client(async_approval_notification_channels=registered)

    assert channels(client, requested_expiry, push=True, email="email") == expected


@pytest.mark.parametrize(
    ("registered", "push", "email", "expected"),
    [
        ([PUSH, MAIL], False, "email", ("email",)),
        ([PUSH, MAIL], True, None, ("push",)),
        ([PUSH, MAIL], True, "mailbox", ("push", "mailbox")),
    ],
    ids=["push is switched off", "no mail server", "reading the mailbox is enough"],
)
def test_a_channel_that_the_installation_lacks_is_left_out(
    registered: list[Channel], push: bool, email: Means | None, expected: tuple[Means, ...]
) -> None:
    client = a_client(async_approval_notification_channels=registered)

    assert channels(client, None, push=push, email=email) == expected


@pytest.mark.parametrize("registered", [None, [PUSH], [MAIL], [PUSH, MAIL]], ids=str)
def test_without_a_channel_nobody_is_asked(registered: list[Channel] | None) -> None:
    client = a_client(async_approval_notification_channels=registered)

    with pytest.raises(InvalidRequest, match="No eligible notification channels") as refused:
        channels(client, None, push=False, email=None)
    assert_says_nothing(refused.value, client.client_id)


@pytest.mark.parametrize(
    ("registered", "seconds"),
    [(None, 300), ([PUSH], 300), ([MAIL], 259_200), ([PUSH, MAIL], 259_200)],
    ids=str,
)
def test_only_who_may_be_written_to_is_asked_for_days(
    registered: list[Channel] | None, seconds: int
) -> None:
    client = a_client(async_approval_notification_channels=registered)

    assert expiry_seconds_max(client) == seconds
