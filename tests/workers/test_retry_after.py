"""The header Retry-After, as any provider may write it (RFC 9110 10.2.3)."""

import pytest

from workers.retry_after import retry_after_seconds

NOW_SECONDS = 1_790_000_000.0
NOW_DATE = "Mon, 21 Sep 2026 14:13:20 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        ("999999999", 3_600.0),
        (NOW_DATE, 0.0),
        ("Mon, 21 Sep 2026 14:14:20 GMT", 60.0),
        ("Mon, 21 Sep 2026 14:12:20 GMT", 0.0),
        ("Tue, 21 Sep 2027 14:13:20 GMT", 3_600.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("9" * 400, None),
        ("Mon, 21 Sep 99999 14:13:20 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_an_hour(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after_seconds(value, NOW_SECONDS) == seconds
