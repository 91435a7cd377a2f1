"""
The CIBA grant: what an approval is exchanged for (CIBA 10.1, A110-A132).

The redemption is claimed by the poll that finds the approval, in Redis. Signing follows from the
claim alone; once the answer has left, the claim is marked delivered.
"""

import asyncio

import msgspec
import structlog

from api.edge import JSON_HEADERS, Call, Reply, json_reply
from api.long_polls import Woken, preferred_seconds
from api.sender_constraint import confirmation, is_bound
from api.services import Services
from consent import third_party, tokens
from consent.authentication_request import AuthenticationRequest
from consent.client import CIBA_GRANT, Client
from consent.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidGrant,
    InvalidRequest,
    OAuthError,
    Refusal,
    SlowDown,
    SlowDownAuth0,
    TemporarilyUnavailable,
    UnauthorizedClient,
    oauth_body,
)
from consent.identifiers import consent_id_of, is_auth_req_id
from consent.profile import rules
from consent.refresh_token import refresh_token
from consent.store.consents import Polled

log = structlog.get_logger()

# The deadline is Redis', the timer ours: by then it has passed there too.
_PAST_DEADLINE_SECONDS = 0.01
_REFUSALS: dict[str, OAuthError] = {
    "unknown": InvalidGrant("The auth_req_id is unknown or was issued to another client"),
    "spent": InvalidGrant("The auth_req_id has been used"),
    "denied": AccessDenied("The end-user denied the authorization request"),
    "unreachable": AccessDenied("None of the devices of the end-user can be reached"),
    "cancelled": AccessDenied("The request was cancelled by an administrator"),
    "refused": AccessDenied("The end-user may not authorize requests any more"),
    "expired": ExpiredToken("The auth_req_id has expired"),
}
# Auth0 folds both ends into one (auth0-wire 1.3).
_DENIED_OR_EXPIRED = "The end-user denied the authorization request or it has been expired"


def _fixed(refusal: Refusal) -> Reply:
    return Reply(
        refusal.status,
        msgspec.json.encode(oauth_body(refusal)),
        JSON_HEADERS,
        outcome=refusal.error,
    )


# Most polls hear this; it is written once.
PENDING = _fixed(AuthorizationPending("The end-user authorization is pending"))


class CibaGrant:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._consents = services.consents
        self._delivering: set[asyncio.Task[None]] = set()

    async def redeem(self, call: Call, parameters: dict[str, str], client: Client) -> Reply:
        # A123: what is pushed is not fetched.
        if not client.may_use(CIBA_GRANT) or client.backchannel_token_delivery_mode == "push":  # noqa: S105
            raise UnauthorizedClient("The client may not use this grant")
        # The tenant's own clients pay nothing for what is asked of others.
        if third_party.is_third_party(client) and not third_party.may_use_grant(
            client, await self._services.tenant(), CIBA_GRANT
        ):
            raise UnauthorizedClient("The client may not use this grant", detail="third-party")
        auth_req_id = parameters.get("auth_req_id")
        if auth_req_id is None:
            raise InvalidRequest("auth_req_id is missing")
        if not is_auth_req_id(auth_req_id):
            raise _REFUSALS["unknown"]
        # Most polls are bound to nothing and wait for nothing, and pay for neither.
        bound_to = ""
        if b"dpop" in call.fields or is_bound(client):
            bound_to = await confirmation(self._services, call, client)
        wait_seconds = client.long_poll_seconds
        if b"prefer" in call.fields:
            wait_seconds = preferred_seconds(call.list_header(b"prefer"), wait_seconds)
        consent_id = consent_id_of(auth_req_id)
        if wait_seconds:
            polled = await self._held(call, consent_id, client, bound_to, wait_seconds)
        else:
            polled = await self._consents.poll(
                consent_id, client.client_id, bound_to, client_since=client.since
            )
        if polled.outcome == "pending":
            return PENDING
        call.facts["consent"] = consent_id
        if polled.outcome == "granted":
            return await self._granted(consent_id, polled, bound_to)
        raise _refusal(polled, client)

    async def _held(
        self, call: Call, consent_id: str, client: Client, bound_to: str, wait_seconds: int
    ) -> Polled:
        """
        A poll that is answered when the person has, or after a while (A125).

        It listens before it asks, so that no decision falls between; when it asks again it is
        the same poll, and pacing counts it once (A116).
        """
        services = self._services
        operation_id = self._consents.operation_id()

        async def poll() -> Polled:
            return await self._consents.poll(
                consent_id,
                client.client_id,
                operation_id=operation_id,
                confirmation=bound_to,
                held=True,
                client_since=client.since,
            )

        with services.long_polls.hold(consent_id) as hold:
            polled = await poll()
            if polled.outcome != "pending" or hold is None:
                return polled
            left_seconds = polled.left_ms / 1_000 + _PAST_DEADLINE_SECONDS
            with call.waiting():
                woken = await hold.wait(min(wait_seconds, left_seconds))
        expired = woken is Woken.ELAPSED and left_seconds <= wait_seconds
        # Nobody is there to take the tokens: the approval stays to be redeemed.
        if not call.is_connected() or not (expired or woken in {Woken.DECIDED, Woken.DEAF}):
            return polled
        return await poll()

    async def _granted(self, consent_id: str, polled: Polled, bound_to: str) -> Reply:
        services = self._services
        request = msgspec.json.decode(polled.request, type=AuthenticationRequest)
        response = tokens.token_response(
            request,
            msgspec.json.decode(polled.user),
            # By the time of the claim: a rotation in between makes no second token set.
            access_key=await services.signer(request.access_token_alg, polled.redeemed_at_ms),
            id_key=await services.signer(request.id_token_alg, polled.redeemed_at_ms),
            issuer=services.settings.issuer,
            jti=tokens.redemption_jti(consent_id),
            issued_at=polled.redeemed_at_ms // 1_000,
            auth_time=polled.decided_at_ms // 1_000,
            confirmation=bound_to,
            refresh_token=refresh_token(services.seal, consent_id, 0)
            if request.refreshable
            else "",
        )
        return json_reply(response)._replace(after=lambda: self._mark_delivered(consent_id))

    def _mark_delivered(self, consent_id: str) -> None:
        task = asyncio.ensure_future(self._delivered(consent_id))
        self._delivering.add(task)
        task.add_done_callback(self._delivering.discard)

    async def _delivered(self, consent_id: str) -> None:
        try:
            await self._consents.delivered(consent_id)
        except TemporarilyUnavailable:
            # Unmarked, the claim may be answered once more for a minute, with these same tokens.
            log.warning("delivery_unmarked", consent=consent_id)


def _refusal(polled: Polled, client: Client) -> OAuthError:
    if polled.outcome == "slow_down":
        if rules(client).slow_down_status == SlowDownAuth0.status:
            return SlowDownAuth0(polled.interval_seconds)
        # Decision: the standard's 400 (CIBA 11), with the wait that ends it.
        return SlowDown(
            "The client polls faster than its interval",
            headers=(("Retry-After", str(polled.interval_seconds)),),
        )
    return refusal(polled.outcome, client)


def refusal(outcome: str, client: Client) -> OAuthError:
    """Why a request that has ended, or is none of this client's, leads to nothing."""
    known = _REFUSALS[outcome]
    if rules(client).expired_is_access_denied and isinstance(known, AccessDenied | ExpiredToken):
        return AccessDenied(_DENIED_OR_EXPIRED)
    return type(known)(known.description)
