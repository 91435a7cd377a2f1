"""
GET and POST /userinfo: the claims about a person that an access token releases (OpenID Connect
Core 5.3), guarded as a FAPI resource is (FAPI 1.0 Part 1 6.2.1, B023).
"""

import re
import uuid

from api.access_tokens import challenge, standing
from api.edge import Call, Reply, json_reply
from api.sender_constraint import check_sender
from api.services import Services
from consent import tokens
from consent.access_token import AccessToken, InvalidAccessToken
from consent.errors import (
    InsufficientScope,
    InvalidDpopProof,
    InvalidToken,
    Refusal,
    UseDpopNonce,
)

PATH = "userinfo"
_SCOPE = "openid"
_INTERACTION = "x-fapi-interaction-id"
_IS_INTERACTION_ID = re.compile(r"[A-Za-z0-9-]{1,128}").fullmatch


class UserInfo:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def claims(self, call: Call) -> Reply:
        """The claims, or a refusal; either says which interaction it belongs to (B023)."""
        interaction = interaction_id(call.header(_INTERACTION.encode()))
        try:
            reply = json_reply(await self._released(call))
        except Refusal as refusal:
            refusal.headers += ((_INTERACTION, interaction),)
            raise
        header = (_INTERACTION.encode(), interaction.encode())
        return reply._replace(headers=(*reply.headers, header))

    async def _released(self, call: Call) -> dict[str, object]:
        scheme, text = presented(call.header(b"authorization"))
        try:
            # D005, T15: a token for an API is not for whoever runs that API to look further with.
            token, user = await standing(self._services, text, self._services.settings.url(PATH))
            await check_sender(self._services, call, token, scheme=scheme, text=text, path=PATH)
        except InvalidAccessToken as error:
            raise invalid_token(scheme, detail=str(error)) from None
        except (InvalidDpopProof, UseDpopNonce) as refusal:
            # RFC 9449 7.1: what is a 400 at the token endpoint is a challenge here.
            refusal.status = InvalidToken.status
            refusal.headers += challenge(scheme, refusal.error)
            raise
        call.facts["client"] = token.client_id
        check_scope(scheme, token)
        return {**tokens.released_claims(user, token.scope.split()), "sub": token.sub}


def presented(authorization: str | None) -> tuple[str, str]:
    """
    The scheme, `Bearer` or `DPoP`, and the token: from the header and nowhere else (B023).

    Raises InvalidToken, which without a token names no error (RFC 6750 3.1).
    """
    scheme, _, text = (authorization or "").partition(" ")
    for known in ("Bearer", "DPoP"):
        if scheme.lower() == known.lower() and text.strip():
            return known, text.strip()
    raise InvalidToken("An access token is needed", headers=challenge("Bearer") + challenge("DPoP"))


def check_scope(scheme: str, token: AccessToken) -> None:
    """What a person agreed to sign in with; of a client's own token there is nobody to tell."""
    if token.user_id is None:
        raise invalid_token(scheme, detail="a client's own token")
    if _SCOPE not in token.scopes:
        raise InsufficientScope(
            "The access token has no openid scope",
            headers=challenge(scheme, InsufficientScope.error, f'scope="{_SCOPE}"'),
        )


def invalid_token(scheme: str, detail: str) -> InvalidToken:
    return InvalidToken(
        "The access token is invalid, expired, revoked or another sender's",
        detail=detail,
        headers=challenge(scheme, InvalidToken.error),
    )


def interaction_id(sent: str | None) -> str:
    """The one the client sent, else one of ours."""
    return sent if sent is not None and _IS_INTERACTION_ID(sent) else str(uuid.uuid4())
