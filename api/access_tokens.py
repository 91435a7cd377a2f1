"""Access tokens of ours that are handed back: verified, still standing, or asked for again."""

from typing import NamedTuple

import msgspec

from api.services import Services
from consent import jose
from consent.access_token import AccessToken, InvalidAccessToken, access_token
from consent.errors import Headers
from consent.identifiers import person_id_of

_ALGORITHMS = f'algs="{" ".join(jose.ALGORITHMS)}"'


class StandingToken(NamedTuple):
    """A token and, unless it is a client's own, the user it is about."""

    token: AccessToken
    user: dict[str, object]


async def verified(services: Services, text: str, audience: str | None = None) -> AccessToken:
    """An access token of ours, for this audience or any. Raises InvalidAccessToken."""
    return access_token(
        text,
        ring=await services.signing_keys.ring(),
        issuer=services.settings.issuer,
        audience=audience,
        now=services.clock(),
    )


async def standing(services: Services, text: str, audience: str | None = None) -> StandingToken:
    """
    The same, not revoked, for a client that is still there and a person who may be answered for
    (T39): a token outlives them on paper only. Raises InvalidAccessToken.
    """
    token = await verified(services, text, audience)
    client = await services.client(token.client_id)
    if client is None or token.iat < client.since:
        raise InvalidAccessToken("its client was removed")
    owner_id = owner_of(services, token)
    if token.is_clients_own:
        if await services.grants.is_revoked(owner_id, token.jti):
            raise InvalidAccessToken("revoked")
        return StandingToken(token, {})
    user = await services.grants.person_of_token(owner_id, token.jti, token.auth_time)
    if user is None:
        raise InvalidAccessToken("revoked, or its person is blocked or gone")
    return StandingToken(token, msgspec.json.decode(user))


def owner_of(services: Services, token: AccessToken) -> str:
    """The person_id of the token's `sub`, which says where the store keeps what became of it."""
    return person_id_of(token.sub, services.settings.partitions)


def challenge(scheme: str, error: str = "", *more: str) -> Headers:
    """RFC 6750 3; for DPoP with the algorithms of proofs (RFC 9449 7.1)."""
    parts = [f'error="{error}"'] if error else []
    parts += [*more, *([_ALGORITHMS] if scheme == "DPoP" else [])]
    return (("WWW-Authenticate", f"{scheme} {', '.join(parts)}".strip()),)
