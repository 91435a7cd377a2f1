"""Initial access tokens (RFC 7591 1.2, C002, C003): who holds one may register some clients."""

import hmac

import msgspec

from consent.errors import InvalidToken
from consent.identifiers import digest, new_secret

_ID_CHARACTERS = 24
_NOBODYS = digest("nobody's initial access token")


class InitialAccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """As stored: the token itself is kept as its digest only (C069). Times are in seconds."""

    id: str
    digest: str
    created_at: int
    expires_at: int
    uses_left: int

    def used(self) -> "InitialAccessToken | None":
        """What is left of it after one more use; None for nothing."""
        if self.uses_left <= 1:
            return None
        return msgspec.structs.replace(self, uses_left=self.uses_left - 1)


def new_initial_access_token(
    *, created_at: int, expires_at: int, uses: int
) -> tuple[InitialAccessToken, str]:
    """The record, and the token of 256 bits that is shown once."""
    token = new_secret()
    record = InitialAccessToken(
        id=token_id(token),
        digest=digest(token),
        created_at=created_at,
        expires_at=expires_at,
        uses_left=uses,
    )
    return record, token


def token_id(token: str) -> str:
    """What a token is called in lists and events; it follows from the token, and not back."""
    return f"iat_{digest(f'id of {token}')[:_ID_CHARACTERS]}"


def bearer_token(authorization: str | None) -> str:
    """The token of an RFC 6750 2.1 header. Raises InvalidToken (C003): no more is said."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidToken("An access token is required", headers=_challenge(""))
    return token


def checked(record: InitialAccessToken | None, token: str, now: float) -> InitialAccessToken:
    """The record of a token that may be used now. Raises InvalidToken."""
    matches = hmac.compare_digest(digest(token), record.digest if record else _NOBODYS)
    if record is None or not matches or now >= record.expires_at:
        raise invalid_token("The initial access token is invalid, expired or used up")
    return record


def invalid_token(description: str) -> InvalidToken:
    return InvalidToken(description, headers=_challenge(' error="invalid_token"'))


def _challenge(parameters: str) -> tuple[tuple[str, str], ...]:
    """RFC 6750 3."""
    return (("WWW-Authenticate", f"Bearer{parameters}"),)
