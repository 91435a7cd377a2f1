"""Who calls the management API, and whether they may: asked before a body is looked at."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from api.access_tokens import challenge, standing
from api.edge import Call, Handler, Reply
from api.sender_constraint import check_sender
from api.services import Services
from consent.access import management_audience
from consent.access_token import ExpiredAccessToken, InvalidAccessToken
from consent.errors import (
    Headers,
    InvalidDpopProof,
    InvalidRequest,
    ManagementError,
    UseDpopNonce,
)
from consent.management.payload import invalid_body

_SCHEMES = {scheme.lower(): scheme for scheme in ("Bearer", "DPoP")}


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
    """RFC 6750 2.1, RFC 9449 7.1. Raises ManagementError (401)."""
    sent, _, text = (call.header(b"authorization") or "").partition(" ")
    scheme, token = _SCHEMES.get(sent.lower()), text.strip()
    if scheme is None:
        raise _unauthorized("Missing authentication", challenge("Bearer"))
    audience = management_audience(services.settings.issuer)
    try:
        # A token outlives its client on paper only: what was removed opens nothing any more.
        access_token, _ = await standing(services, token, audience)
        await check_sender(
            services, call, access_token, scheme=scheme, text=token, path=_path(call)
        )
    except ExpiredAccessToken as error:
        raise _invalid("Expired token", scheme, detail=str(error)) from None
    except InvalidAccessToken as error:
        raise _invalid("Invalid token", scheme, detail=str(error)) from None
    except (InvalidDpopProof, UseDpopNonce) as refusal:
        raise ManagementError(
            401,
            refusal.error,
            refusal.description,
            headers=refusal.headers + challenge(scheme, refusal.error),
        ) from None
    if not access_token.is_clients_own:
        raise _invalid("Invalid token", scheme, detail="not a client's own")
    return Caller(access_token.client_id, frozenset(access_token.scope.split()))


def _path(call: Call) -> str:
    """As it was sent, which is how a proof names it."""
    raw: bytes = call.scope["raw_path"]
    return raw.decode("latin-1").removeprefix("/")


def _invalid(message: str, scheme: str, *, detail: str) -> ManagementError:
    return _unauthorized(message, challenge(scheme, "invalid_token"), detail=detail)


def _unauthorized(message: str, headers: Headers, *, detail: str = "") -> ManagementError:
    return ManagementError(401, "invalid_token", message, detail=detail, headers=headers)


def body_of(call: Call) -> dict[str, object]:
    """The members of the JSON body. Raises ManagementError invalid_body."""
    try:
        return call.json_object()
    except InvalidRequest as refusal:
        raise invalid_body(refusal.description) from None
