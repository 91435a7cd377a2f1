"""What may be used once: the `jti` of an assertion, of a request object, of a DPoP proof."""

import math
from typing import NamedTuple

from consent.identifiers import digest


class UsedOnce(NamedTuple):
    """A name to remember, and for how many milliseconds: as long as it would be accepted."""

    name: str
    life_ms: int


def used_once(kind: str, owner: str, jti: str, life_seconds: float) -> UsedOnce:
    """`kind` keeps one store from standing in for another (D073, T29)."""
    # JSON-free and unambiguous: neither a kind nor a digest holds a space.
    return UsedOnce(
        digest(f"{kind} {digest(owner)} {digest(jti)}"), math.ceil(life_seconds * 1_000)
    )
