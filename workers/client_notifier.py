"""
Calls clients that do not poll: claims what a decided consent owes, calls, records the outcome.

A ping says that there is something to ask; a push is the token set itself, signed here by the
same function as at the token endpoint, from the claim alone, so that every attempt sends the same
(CIBA 10.2, 10.3). What is decided and redeemable was committed before anything leaves (A157).
"""

import random
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import NamedTuple

import msgspec
import structlog

from consent import callback, policy, third_party, tokens
from consent.authentication_request import AuthenticationRequest
from consent.callback import Callback
from consent.client import CIBA_GRANT, Client
from consent.errors import TemporarilyUnavailable
from consent.outbound.client import GuardedClient, OutboundFailed
from consent.refresh_token import refresh_token
from consent.seal import Seal, SealError
from consent.store import keys
from consent.store.calls import CallClaim, Calls
from consent.store.directory import Directory
from consent.store.signing_keys import SigningKeys
from consent.tenant import TENANT_ID, Tenant
from workers.in_work import InWork
from workers.reporting import reported

log = structlog.get_logger()


class Outcome(NamedTuple):
    """`word` is delivered, refused or retry; `reason` is from a closed set."""

    word: str
    reason: str = ""


class ClientNotifier:
    def __init__(
        self,
        *,
        calls: Calls,
        directory: Directory,
        signing_keys: SigningKeys,
        seal: Seal,
        issuer: str,
        client: GuardedClient,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._calls = calls
        self._directory = directory
        self._signing_keys = signing_keys
        self._seal = seal
        self._issuer = issuer
        self._client = client
        self._jitter = jitter
        self._in_work = InWork()

    async def notify(self, consent_ids: Iterable[str]) -> None:
        """
        Start on each for which there is room; calling goes on after this returns.

        The others stay owed and are swept up: a client that is slow to answer keeps neither the
        sweeper waiting nor a job, and so no phone.
        """
        for consent_id in consent_ids:
            if self._in_work.is_full:
                return
            await self._in_work.begin(self._call(consent_id))

    async def settle(self) -> None:
        """Wait for the calls that are being made."""
        await self._in_work.settle()

    async def _call(self, consent_id: str) -> None:
        try:
            claim = await self._calls.claim(consent_id)
            if claim is None:
                return
            outcome = await self._made(claim)
        except TemporarilyUnavailable:
            return  # still owed; the sweeper asks again
        await self._report(claim, outcome)

    async def _made(self, claim: CallClaim) -> Outcome:
        """A defect costs one call; unreported, it would be made again at each lease."""
        try:
            return await self._called(claim)
        except TemporarilyUnavailable:
            raise
        except Exception as error:
            log.exception("call_defect", consent=claim.consent_id, error=type(error).__name__)
            return Outcome("refused", "defect")

    async def _called(self, claim: CallClaim) -> Outcome:
        try:
            back = callback.opened(claim.callback, self._seal, claim.consent_id)
        except SealError:
            return Outcome("refused", "sealed_with_another_key")
        # A client that has left is told nothing more (T39).
        client = await self._directory.read(keys.CLIENTS, back.client_id, Client)
        if client is None or client.since != back.client_since:
            return Outcome("refused", "client_gone")
        tenant = await self._directory.read(keys.TENANT, TENANT_ID, Tenant) or Tenant()
        if not third_party.may_use_grant(client, tenant, CIBA_GRANT):
            return Outcome("refused", "not_allowed")  # the mode is strict by now (auth0-wire 4)
        try:
            answer = await self._client.post(
                back.endpoint,
                body=await self._body(claim, back),
                headers={
                    "Authorization": f"Bearer {back.client_notification_token}",
                    "Content-Type": "application/json",
                },
            )
        except OutboundFailed as error:
            return Outcome("retry" if error.may_retry else "refused", error.reason)
        return outcome_of(answer.status)

    async def _body(self, claim: CallClaim, back: Callback) -> bytes:
        if back.mode == "ping":
            return callback.ping(back)
        if claim.state != "redeemed":
            return callback.push_error(back, claim.state)
        request = msgspec.json.decode(claim.request, type=AuthenticationRequest)
        issued_at = claim.redeemed_at_ms // 1_000
        signer = self._signing_keys.signer
        return callback.push(
            back,
            tokens.token_response(
                request,
                msgspec.json.decode(claim.user or b"{}"),
                access_key=await signer(request.access_token_alg, claim.redeemed_at_ms),
                id_key=await signer(request.id_token_alg, claim.redeemed_at_ms),
                issuer=self._issuer,
                jti=tokens.redemption_jti(claim.consent_id),
                issued_at=issued_at,
                auth_time=claim.decided_at_ms // 1_000,
                confirmation=claim.confirmation,
                refresh_token=refresh_token(self._seal, claim.consent_id, 0)
                if request.refreshable
                else "",
                auth_req_id=back.auth_req_id,
            ),
        )

    async def _report(self, claim: CallClaim, outcome: Outcome) -> None:
        steps = policy.CALL_RETRY_AFTER_SECONDS
        wait = steps[min(claim.attempt, len(steps)) - 1] * (0.8 + 0.4 * self._jitter())
        fact = {"event": "call", "attempt": claim.attempt, "outcome": outcome.word}
        if outcome.reason:
            fact["reason"] = outcome.reason
        verdict = await reported(
            claim.consent_id,
            lambda: self._calls.report(
                claim,
                outcome=outcome.word,
                retry_in_ms=int(wait * 1_000),
                fact=msgspec.json.encode(fact),
            ),
        )
        if verdict is not None:
            log.info(
                "client_called",
                consent=claim.consent_id,
                attempt=claim.attempt,
                outcome=outcome.word,
                reason=outcome.reason,
                verdict=verdict,
            )


def outcome_of(status: int) -> Outcome:
    """A153-A156: any success is one; a redirect or a refusal is the client's last word."""
    reason = f"HTTP_{status}"
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Outcome("delivered", reason)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Outcome("retry", reason)
    return Outcome("refused", reason)
