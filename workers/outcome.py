"""
What came of one push, in the words every provider shares.

Values alone. A `reason` is a word from a closed set (a provider's documented error code, `HTTP_`
and a status, or one of ours in lower case), never text a provider chose: it is logged and counted.
"""

from typing import ClassVar

import msgspec


class Delivered(msgspec.Struct, frozen=True):
    """The provider accepted the push; whether the phone rings is not promised."""

    word: ClassVar[str] = "delivered"
    message_id: str


class Unregistered(msgspec.Struct, frozen=True):
    """The address is dead. `since_ms` (epoch), where known, may be older than its registration."""

    word: ClassVar[str] = "unregistered"
    since_ms: int | None


class RetryAfter(msgspec.Struct, frozen=True):
    """It may work later: in `seconds`, or by the sender's own schedule when that is None.

    A push that was not answered in time may have been accepted; its collapse id makes the
    repetition harmless.
    """

    word: ClassVar[str] = "retry"
    seconds: float | None
    reason: str


class Rejected(msgspec.Struct, frozen=True):
    """It will never work as it is, yet nothing says that the address is dead."""

    word: ClassVar[str] = "rejected"
    reason: str


class NoProvider(msgspec.Struct, frozen=True):
    """No provider is configured for this kind of address: the phone has to ask by itself."""

    word: ClassVar[str] = "no_provider"


Outcome = Delivered | Unregistered | RetryAfter | Rejected | NoProvider
