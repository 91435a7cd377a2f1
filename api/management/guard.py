"""Who calls the management API, and whether they may: asked before a body is looked at."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from api import access_tokens
from api.access_tokens import challenge
from api.edge import Call, Handler, Reply
from api.remote_address import remote_address
from api.sender_constraint import check_sender
from api.services import Services
from consent.access import client_grant_id, management_audience
from consent.access_token import ExpiredAccessToken, InvalidAccessToken
from consent.audit.event import Act
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
    """
    A client that holds a valid access token for the management API, the token's scopes, and what
    it does with them, as the audit trail will say.
    """

    client_id: str
    scopes: frozenset[str]
    act: Act


ManagementHandler = Callable[[Call, Caller], Awaitable[Reply]]


def guarded(services: Services, scope: str, summary: str, handler: ManagementHandler) -> Handler:
    """The handler, for callers whose token has the scope (T33), as often as they may call."""

    async def guard(call: Call) -> Reply:
        client_id, scopes = await _caller(services, call)
        call.facts["client"] = client_id
        standing = services.rate_limit.count(client_id, services.clock())
        caller = Caller(client_id, scopes, _act(services, call, client_id, summary))
        try:
            check_scope(scope, caller)
            reply = await handler(call, caller)
        except ManagementError as refusal:
            refusal.headers += standing.headers
            raise
        return reply._replace(headers=reply.headers + standing.raw_headers)

    return guard


def check_scope(scope: str, caller: Caller) -> None:
    if scope not in caller.scopes:
        raise ManagementError(
            403,
            "insufficient_scope",
            f"Insufficient scope, expected any of: {scope}",
            headers=(("WWW-Authenticate", f'Bearer error="insufficient_scope", scope="{scope}"'),),
        )


def _act(services: Services, call: Call, client_id: str, summary: str) -> Act:
    return Act(
        summary,
        client_id=client_id,
        ip=remote_address(services, call),
        user_agent=call.header(b"user-agent") or "",
        method=call.scope["method"],
        path=call.scope["path"],
    )


async def _caller(services: Services, call: Call) -> tuple[str, frozenset[str]]:
    """RFC 6750 2.1, RFC 9449 7.1. Raises ManagementError (401)."""
    sent, _, text = (call.header(b"authorization") or "").partition(" ")
    scheme, token = _SCHEMES.get(sent.lower()), text.strip()
    if scheme is None:
        raise _unauthorized("Missing authentication", challenge("Bearer"))
    audience = management_audience(services.settings.issuer)
    try:
        # A token outlives its client on paper only: what was removed opens nothing any more.
        access_token, _ = await access_tokens.standing(services, token, audience)
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
    # And its grant: what was taken back nobody can use, or grant to themselves again (T33).
    client_id = access_token.client_id
    grant = await services.client_grant(client_grant_id(client_id, audience))
    granted = frozenset(grant.scope) if grant else frozenset()
    return client_id, granted.intersection(access_token.scope.split())


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
