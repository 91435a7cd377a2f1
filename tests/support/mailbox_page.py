"""The page behind the link of a mail, as a browser plays it: a key, one consent, one answer."""

from typing import Any

import httpx2
import jwt

from scripts.guardian_messages import consent_digest
from scripts.simulated_phone import Account, SimulatedPhone
from tests.support.provider import ISSUER, Provider

OPEN = "appliance-mfa/api/mailbox"
RESOLVE = "appliance-mfa/api/resolve-transaction"


class MailboxPage:
    """`said` is the answer to its opening."""

    def __init__(self, nod: Provider) -> None:
        self._nod = nod
        self.phone = SimulatedPhone(httpx2.Client(), ISSUER, clock=nod.now)
        self.said: dict[str, Any] = {}

    async def open(self, token: str, **changes: object) -> httpx2.Response:
        headers = {"Authorization": f"Mailbox {token}"}
        body = {"public_key": self.phone.public_jwk()} | changes
        answer = await self._nod.http.post(OPEN, headers=headers, json=body)
        if answer.status_code == 201:
            self.said = answer.json()
            self.phone.account = Account(
                style="ec",
                base_url=ISSUER,
                identifier=self.id,
                push_token="",
                private_key="",
                id=self.id,
                user_id="",
                token="",
                issuer="",
            )
        return answer

    @property
    def id(self) -> str:
        return str(self.said["id"])

    @property
    def transaction_token(self) -> str:
        return str(self.said["notification"]["txtkn"])

    async def fetch(self, consent_id: str = "") -> httpx2.Response:
        consent_id = consent_id or self.said["notification"]["txlnkid"]
        return await self.proven(f"rich-consents/{consent_id}", self.transaction_token)

    async def proven(self, path: str, token: str) -> httpx2.Response:
        """GET with a proof of the page's key."""
        headers = {
            "Authorization": f"MFA-DPoP {token}",
            "MFA-DPoP": self.phone.proof("GET", ISSUER + path, token),
        }
        return await self._nod.http.get(path, headers=headers)

    async def resolve(
        self, *, accept: bool = True, reason: str | None = None, digest: str = "", number: str = ""
    ) -> httpx2.Response:
        """Signs the digest of what it was shown, unless it is to sign another."""
        if not digest:
            shown = await self.fetch()
            digest = consent_digest(shown.json()) if shown.status_code == 200 else ""
        return await self.answer(
            self.phone.challenge_response(
                self.said["notification"]["c"],
                accept,
                reason,
                consent_digest=digest,
                matching_number=number,
            )
        )

    async def answer(self, challenge_response: str) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.transaction_token}"}
        body = {"challenge_response": challenge_response}
        return await self._nod.http.post(RESOLVE, headers=headers, json=body)


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
