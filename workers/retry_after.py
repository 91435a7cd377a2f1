"""When a provider says to come back."""

import re
from email.utils import parsedate_to_datetime

RETRY_AFTER_SECONDS_MAX = 3_600.0


def retry_after_seconds(value: str | None, now_seconds: float) -> float | None:
    """Seconds or a date (RFC 9110 10.2.3), from 0 to an hour; None when it is neither."""
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", value):
        seconds = float(value)
    else:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now_seconds
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), RETRY_AFTER_SECONDS_MAX)
