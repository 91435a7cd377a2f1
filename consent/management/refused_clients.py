"""Clients a person does not want to hear of, as administrators see them (ours)."""

from collections.abc import Iterable
from typing import NamedTuple

from consent.errors import ManagementError
from consent.transaction import iso_date


class Refusal(NamedTuple):
    """
    A client that may have to wait: `why` is not_me or denied_before, `denials` are those since the
    person approved of it last.
    """

    client_id: str
    until_ms: int
    denials: int
    why: str


def refused_clients_shown(refusals: Iterable[Refusal], now_ms: int) -> list[dict[str, object]]:
    """Those that have to wait now: `reason` is not_me or denied_before."""
    return [
        {
            "client_id": refusal.client_id,
            "reason": refusal.why,
            "denials": refusal.denials,
            "until": iso_date(refusal.until_ms),
        }
        for refusal in refusals
        if refusal.until_ms > now_ms
    ]


def not_refused() -> ManagementError:
    return ManagementError(404, "not_refused", "The user has not refused this client.")
