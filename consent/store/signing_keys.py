"""
The signing keys all processes share, kept in the directory.

What a process has parsed it keeps for as long as the directory keeps its copy of the records, so
a signature costs no Redis, and a rotation is heard of as any other change.
"""

import asyncio
from typing import Literal

from consent.audit.event import Act, system_act
from consent.client import SigningAlgorithm
from consent.key_ring import KeyRing
from consent.seal import Seal, SealError
from consent.settings import SettingsError
from consent.signing_key import SigningKey, StoredKey, new_signing_key, opened
from consent.store import keys
from consent.store.directory import Directory

# An algorithm's first key has a fixed place: of all who make one at once, one writes it. Every
# other key is filed under its kid, which is longer.
_FIRST: dict[SigningAlgorithm, str] = {
    "ES256": "current",
    "RS256": "first-RS256",
    "PS256": "first-PS256",
    "EdDSA": "first-EdDSA",
}
_ADDED = system_act("Add a signing key")
_REMOVED = system_act("Remove a signing key")


class SigningKeys:
    """Belongs to one event loop, as its directory does."""

    def __init__(self, directory: Directory, seal: Seal) -> None:
        self._directory = directory
        self._seal = seal
        self._records: dict[str, StoredKey] = {}
        self._ring = KeyRing([])  # of those records
        self._opened: dict[str, SigningKey] = {}  # by kid
        self._making = asyncio.Lock()

    async def ring(self) -> KeyRing:
        """Every key there is. Raises SettingsError when one is not for this secret key."""
        records = await self._directory.read_whole(keys.KEYS, StoredKey)
        if records is not self._records:
            stored = records.values()
            known = self._opened
            try:
                self._opened = {
                    it.kid: known.get(it.kid) or opened(it, self._seal) for it in stored
                }
            except SealError:
                raise SettingsError(
                    "NOD_SECRET_KEY: is not the one this store was made with"
                ) from None
            self._ring = KeyRing((self._opened[it.kid], it.signs_from) for it in stored)
            self._records = records
        return self._ring

    async def signer(self, alg: SigningAlgorithm, now_ms: float) -> SigningKey:
        """The key that signs at `now_ms`; who asks first for an algorithm makes its first key."""
        while (key := (await self.ring()).signer(alg, now_ms)) is None:
            await self._make_first(alg, now_ms)
        return key

    async def rotate(
        self, alg: SigningAlgorithm, *, overlap_seconds: int, act: Act = _ADDED
    ) -> str:
        """Add a key, published at once, that signs from `overlap_seconds` on; says its kid."""
        await self.ring()  # what would not open the others may not seal the next
        key = await asyncio.to_thread(new_signing_key, alg)
        signs_from = await self._directory.now_ms() + overlap_seconds * 1_000
        await self._directory.create(
            keys.KEYS,
            key.kid,
            key.stored(self._seal, signs_from),
            event=act.event(kid=key.kid),
        )
        return key.kid

    async def remove(
        self, kid: str, *, act: Act = _REMOVED
    ) -> Literal["removed", "unknown", "signing"]:
        """
        Forget a key: what it signed verifies no more. `signing` is the refusal to remove the key
        that signs now, for an older one would take its place.
        """
        records = await self._directory.read_whole(keys.KEYS, StoredKey)
        record_id = next((name for name, it in records.items() if it.kid == kid), None)
        if record_id is None:
            return "unknown"
        ring = await self.ring()
        signer = ring.signer(records[record_id].alg, await self._directory.now_ms())
        if signer is not None and signer.kid == kid:
            return "signing"
        await self._directory.remove(keys.KEYS, record_id, event=act.event(kid=kid))
        return "removed"

    async def _make_first(self, alg: SigningAlgorithm, now_ms: float) -> None:
        # RSA keys cost a tenth of a second of CPU: one is made, however many wait for it.
        async with self._making:
            if (await self.ring()).signer(alg, now_ms) is None:
                key = await asyncio.to_thread(new_signing_key, alg)
                await self._directory.create(
                    keys.KEYS,
                    _FIRST[alg],
                    key.stored(self._seal),
                    event=_ADDED.event(kid=key.kid),
                )
