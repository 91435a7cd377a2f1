"""Initial access tokens: the body that makes one, how one is shown (ours; Auth0 has none)."""

from typing import Annotated

import msgspec

from consent.management.payload import payload
from consent.registration.initial_access_token import (
    InitialAccessToken,
    new_initial_access_token,
)
from consent.transaction import iso_date

_LIFE_SECONDS_MAX = 31_536_000
_USES_MAX = 100_000


class NewInitialAccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /initial-access-tokens: by default good for one client, for a day."""

    expires_in_seconds: Annotated[int, msgspec.Meta(ge=1, le=_LIFE_SECONDS_MAX)] = 86_400
    uses: Annotated[int, msgspec.Meta(ge=1, le=_USES_MAX)] = 1


def new_token(body: dict[str, object], now: float) -> tuple[InitialAccessToken, str]:
    """The record and the token. Raises ManagementError invalid_body."""
    wanted = payload(body, NewInitialAccessToken)
    created_at = int(now)
    return new_initial_access_token(
        created_at=created_at,
        expires_at=created_at + wanted.expires_in_seconds,
        uses=wanted.uses,
    )


def token_shown(record: InitialAccessToken, token: str | None = None) -> dict[str, object]:
    """The object of the wire; the token itself is known, and shown, only when it is made."""
    shown: dict[str, object] = {
        "id": record.id,
        "created_at": iso_date(record.created_at * 1_000),
        "expires_at": iso_date(record.expires_at * 1_000),
        "uses_left": record.uses_left,
    }
    return shown if token is None else shown | {"token": token}
