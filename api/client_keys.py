"""A client's public keys: those it registered, or those its `jwks_uri` answers with."""

import collections

from consent import policy
from consent.client import Client
from consent.jose import PublicKey, UnusableKey, key_set
from consent.outbound.key_sets import KeySets


class ClientKeys:
    def __init__(self, key_sets: KeySets) -> None:
        self._key_sets = key_sets
        # Parsed, with the registration they are of: a changed client is another value.
        self._parsed: collections.OrderedDict[str, tuple[Client, tuple[PublicKey, ...]]] = (
            collections.OrderedDict()
        )

    async def of(self, client: Client, kid: str | None) -> tuple[PublicKey, ...]:
        """The keys, asked for anew when none has this `kid`. Raises OutboundFailed, UnusableKey."""
        if client.jwks is None:
            if not client.jwks_uri:
                raise UnusableKey("no keys are registered")
            return await self._key_sets.keys(client.jwks_uri, kid=kid)
        known = self._parsed.get(client.client_id)
        if known is not None and known[0] is client:
            return known[1]
        keys = key_set(client.jwks)
        self._parsed[client.client_id] = client, keys
        if len(self._parsed) > policy.KEY_SETS_MAX:
            self._parsed.popitem(last=False)
        return keys
