"""Who calls the management API, and whether they may: asked before a body is looked at."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from api.edge import Call, Handler, Reply
from api.services import Services
from consent import tokens
from consent.errors import InvalidRequest, ManagementError
from consent.management.payload import invalid_body

_SCHEME = "bearer"


class Caller(NamedTuple):
    """A client that holds a valid access token for the management API, and the token's scopes."""

    client_id: str
    scopes: frozenset[str]


ManagementHandler = Callable[[Call, Caller], Awaitable[Reply]]


def guarded(services: Services, scope: str, handler: ManagementHandler) -> Handler:
    """The handler, for callers whose token has the scope (T33)."""

    async def guard(call: Call) -> Reply:
        caller = await _caller(services, call)
        call.facts["client"] = caller.client_id
        if scope not in caller.scopes:
            raise ManagementError(
                403,
                "insufficient_scope",
                f"Insufficient scope, expected any of: {scope}",
                headers=(
                    ("WWW-Authenticate", f'Bearer error="insufficient_scope", scope="{scope}"'),
                ),
            )
        return await handler(call, caller)

    return guard


async def _caller(services: Services, call: Call) -> Caller:
    """RFC 6750 2.1. Raises ManagementError (401)."""
    authorization = call.header(b"authorization")
    if authorization is None:
        raise _unauthorized("Missing authentication", "Bearer")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != _SCHEME:
        raise _unauthorized("Missing authentication", "Bearer")
    try:
        client_id, scopes = tokens.management_access(
            token.strip(),
            keys=[services.signing_key],
            issuer=services.settings.issuer,
            now=services.clock(),
        )
    except tokens.ExpiredAccessToken as error:
        raise _unauthorized("Expired token", detail=str(error)) from None
    except tokens.InvalidAccessToken as error:
        raise _unauthorized("Invalid token", detail=str(error)) from None
    # A token outlives its client on paper only: what was removed opens nothing any more.
    if await services.client(client_id) is None:
        raise _unauthorized("Invalid token", detail="the client of the token was removed")
    return Caller(client_id, scopes)


def _unauthorized(
    message: str, challenge: str = 'Bearer error="invalid_token"', *, detail: str = ""
) -> ManagementError:
    return ManagementError(
        401, "invalid_token", message, detail=detail, headers=(("WWW-Authenticate", challenge),)
    )


def body_of(call: Call) -> dict[str, object]:
    """The members of the JSON body. Raises ManagementError invalid_body."""
    try:
        return call.json_object()
    except InvalidRequest as refusal:
        raise invalid_body(refusal.description) from None
