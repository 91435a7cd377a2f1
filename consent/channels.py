"""
By which channels a person is told of a request, and for how long it may last (auth0-wire 1.5).

A client registers which it may use, in order; the length of a request that it asks for itself
chooses which is used first. The next one is used when nobody can be told by those before it, or
has looked at the request for a while. Who can be told by which is for the accepting step to say.
"""

from typing import Literal

from consent import policy
from consent.client import Client
from consent.errors import InvalidRequest

# `email` leads to a device the person has; with `mailbox` reading the e-mail is enough.
Means = Literal["push", "email", "mailbox"]
PUSH: tuple[Means, ...] = ("push",)


def may_be_written_to(client: Client) -> bool:
    return "email" in (client.async_approval_notification_channels or ())


def expiry_seconds_max(client: Client) -> int:
    """Only an e-mail waits for days."""
    if may_be_written_to(client):
        return policy.REQUESTED_EXPIRY_SECONDS_MAX_EMAIL
    return policy.REQUESTED_EXPIRY_SECONDS_MAX


def channels(
    client: Client, requested_expiry: int | None, *, push: bool, email: Means | None
) -> tuple[Means, ...]:
    """
    The channels of a request, in order. `requested_expiry` (seconds) is None when the client left
    it to us; `push` says whether anybody may be rung, `email` what a mail means where one can be
    sent. Raises InvalidRequest when none is left.
    """
    registered = client.async_approval_notification_channels or ["guardian-push"]
    if requested_expiry is not None:
        by_mail = requested_expiry > policy.REQUESTED_EXPIRY_SECONDS_MAX
        registered = sorted(registered, key=lambda name: (name == "email") is not by_mail)
    found: list[Means] = []
    for name in registered:
        if name == "email" and email is not None:
            found.append(email)
        elif name == "guardian-push" and push:
            found.append("push")
    if not found:
        raise no_channel(client)
    return tuple(found)


def no_channel(client: Client) -> InvalidRequest:
    """In Auth0's words, and for each channel why it cannot be used."""
    reasons = {
        "guardian-push": "User does not have push notifications set up",
        "email": "User does not have a verified e-mail address, or a device to open a link with",
    }
    registered = client.async_approval_notification_channels or ["guardian-push"]
    said = " ".join(f"{name}: {reasons[name]}" for name in registered)
    return InvalidRequest(f"No eligible notification channels were found. {said}")
