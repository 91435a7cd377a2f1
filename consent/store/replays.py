"""What may be used once, remembered for as long as it would be accepted again."""

import secrets

from consent.store import keys
from consent.store.connections import Redis
from consent.used_once import UsedOnce


class Replays:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def first_use(self, used: UsedOnce) -> bool:
        """
        Whether this is the first use. Raises StoreUnavailable: what cannot be remembered is not
        to be trusted (D072, T16).
        """
        operation_id = secrets.token_urlsafe(9)
        reply = await self._redis.run(
            "use_once", [keys.used(used.name)], operation_id, used.life_ms
        )
        return bool(reply)
