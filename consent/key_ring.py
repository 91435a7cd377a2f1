"""
Which of our signing keys signs now, and which are published (decision 10).

A key is published before it signs, so that whoever keeps copies of our key set has it in time,
and after it signs no more, until nothing it signed can be valid. Times are epoch milliseconds.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from consent import jose, policy
from consent.client import SigningAlgorithm
from consent.signing_key import SigningKey

State = Literal["upcoming", "signing", "superseded", "retired"]


class Entry(NamedTuple):
    """A key on the ring; `superseded_at` is when the next of its algorithm begins."""

    key: SigningKey
    signs_from: int
    superseded_at: int | None

    @property
    def published_until(self) -> int | None:
        if self.superseded_at is None:
            return None
        return self.superseded_at + policy.KEY_PUBLISHED_AFTER_SECONDS * 1_000

    def state(self, now_ms: float) -> State:
        """`retired` is what is published no more."""
        if now_ms < self.signs_from:
            return "upcoming"
        if self.superseded_at is None or now_ms < self.superseded_at:
            return "signing"
        if self.published_until is None or now_ms < self.published_until:
            return "superseded"
        return "retired"


class KeyRing:
    """Every key there is, each with the time from which it signs."""

    def __init__(self, keys: Iterable[tuple[SigningKey, int]]) -> None:
        self._by_alg: dict[SigningAlgorithm, list[Entry]] = {}  # the newest first
        # Equal times are told apart by kid: every process must choose the same key.
        for key, signs_from in sorted(keys, key=lambda it: (it[1], it[0].kid), reverse=True):
            entries = self._by_alg.setdefault(key.alg, [])
            superseded_at = entries[-1].signs_from if entries else None
            entries.append(Entry(key, signs_from, superseded_at))
        self.entries = [entry for entries in self._by_alg.values() for entry in entries]
        self._by_kid = {entry.key.kid: entry.key for entry in self.entries}

    def signer(self, alg: SigningAlgorithm, now_ms: float) -> SigningKey | None:
        """The newest key whose time has come."""
        for key, signs_from, _ in self._by_alg.get(alg, ()):
            if signs_from <= now_ms:
                return key
        return None

    def published(self, now_ms: float) -> list[dict[str, str]]:
        """The keys of our JWK Set: those that will sign, do, or did sign what may still live."""
        return [it.key.public for it in self.entries if it.state(now_ms) != "retired"]

    def find(self, kid: str) -> SigningKey | None:
        """The key of that name, retired or not: a hint may be older than any token (A031)."""
        return self._by_kid.get(kid)

    def public_keys(self) -> tuple[jose.PublicKey, ...]:
        """What verifies an `id_token_hint`: the current keys and the retired (CIBA 14, A031)."""
        return tuple(jose.public_key(entry.key.public) for entry in self.entries)
