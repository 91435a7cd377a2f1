"""An administrator sees who has to wait, and nobody whose wait is over."""

from consent.management.refused_clients import Refusal, not_refused, refused_clients_shown


def test_who_has_to_wait_is_shown_until_then() -> None:
    refusals = [
        Refusal("bank", 2_000, 1, "not_me"),
        Refusal("shop", 1_000, 3, "denied_before"),
        Refusal("taxi", 1_001, 2, "denied_before"),
    ]

    shown = refused_clients_shown(refusals, now_ms=1_000)

    assert shown == [
        {
            "client_id": "bank",
            "reason": "not_me",
            "denials": 1,
            "until": "1970-01-01T00:00:02.000Z",
        },
        {
            "client_id": "taxi",
            "reason": "denied_before",
            "denials": 2,
            "until": "1970-01-01T00:00:01.001Z",
        },
    ]
    assert not_refused().status == 404
