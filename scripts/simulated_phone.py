"""
A phone as the server sees one: what the Guardian SDKs for iOS and Android send, to the byte where
it matters, and the same protocol with a P-256 key.

Used by the terminal program, the demonstration and the tests, so it is written from the SDKs'
side and shares no code with the server: a mistake made in both would be found by neither. Times
come from the clock it is given; requests go through the HTTP client it is given.
"""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import httpx2
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from scripts import phone_key
from scripts.guardian_messages import Consent, Notification, consent_digest, ticket_in
from scripts.phone_key import Style, encoded

__all__ = ["CAPABILITIES", "NOT_ME", "Account", "PhoneError", "SimulatedPhone", "Style"]

# What a phone of ours can do beyond the SDKs: a server asks such a phone for both.
CAPABILITIES = ("number_matching", "consent_digest")
NOT_ME = "not_me"  # the reason of somebody who started nothing

CHALLENGE_RESPONSE_SECONDS = 30
DEVICE_TOKEN_SECONDS = 7_200


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One enrolment, all that a phone keeps of it. Holds the private key and the token."""

    style: Style
    base_url: str  # the installation's root, with its slash
    identifier: str  # the device's own, not the enrolment id
    push_token: str
    private_key: str  # PEM
    id: str
    user_id: str
    token: str
    issuer: str


class PhoneError(Exception):
    """The server refused; `error_code` is the one that the SDKs hand to the app."""

    def __init__(self, status: int, error_code: str, description: str) -> None:
        super().__init__(f"{status} {error_code}: {description}")
        self.status = status
        self.error_code = error_code


class SimulatedPhone:
    """A phone with at most one enrolment; `account` is None before `enroll`.

    Refusals raise `PhoneError`. The small builders (`proof`, `challenge_response`,
    `device_token`) are public so that tests can send what no phone would.
    """

    def __init__(
        self,
        http: httpx2.Client,
        base_url: str,
        *,
        style: Style = "ec",
        clock: Callable[[], float] = time.time,
        account: Account | None = None,
    ) -> None:
        self._http = http
        self._clock = clock
        self.style: Style = account.style if account else style
        self.base_url = account.base_url if account else base_url
        self.account = account
        self.key = phone_key.parsed(account.private_key) if account else phone_key.new(self.style)

    def enroll(
        self,
        ticket: str,
        *,
        name: str = "Simulated phone",
        push_token: str | None = None,
        capabilities: Sequence[str] = (),
    ) -> Account:
        """
        `ticket` may also be the content of the QR code, or the ticket's URL. The SDKs name no
        `capabilities`.
        """
        identifier = str(uuid.uuid4()).upper()
        push_token = push_token or f"simulated-{uuid.uuid4().hex}"
        answer = self._answer(
            "POST",
            "appliance-mfa/api/enroll",
            {"Authorization": f'Ticket id="{ticket_in(ticket)}"'},
            {
                "identifier": identifier,
                "name": name,
                "push_credentials": {"service": self.push_service, "token": push_token},
                "public_key": self.public_jwk(),
                **({"capabilities": [*capabilities]} if capabilities else {}),
            },
        )
        self.account = Account(
            style=self.style,
            base_url=self.base_url,
            identifier=identifier,
            push_token=push_token,
            private_key=phone_key.pem(self.key),
            **{field: answer[field] for field in ("id", "user_id", "token", "issuer")},
        )
        return self.account

    def fetch(self, consent_id: str, txtkn: str) -> Consent | None:
        """
        What is asked; None is what the SDKs make of 404: no consent, a plain factor. Its digest is
        of what has arrived, whatever the server says of it.
        """
        path = f"rich-consents/{quote(consent_id, safe='')}"
        try:
            answer = self._answer("GET", path, self._proven("GET", path, txtkn))
        except PhoneError as error:
            if error.status == httpx2.codes.NOT_FOUND:
                return None
            raise
        return msgspec.convert(answer | {"consent_digest": consent_digest(answer)}, Consent)

    def pending(self) -> list[Notification]:
        """What is open for this phone, as the pushes that it may have missed said it."""
        path = "rich-consents"
        answer = self._answer("GET", path, self._proven("GET", path, self._enrolled.token))
        return msgspec.convert(answer, list[Notification])

    def resolve(
        self,
        notification: Notification,
        *,
        accept: bool,
        reason: str | None = None,
        consent: Consent | None = None,
        number: str = "",
    ) -> None:
        """The answer to `consent` where it was shown, and with the `number` that was typed."""
        response = self.challenge_response(
            notification.c,
            accept,
            reason,
            consent_digest=consent.consent_digest if consent else "",
            matching_number=number,
        )
        self._answer(
            "POST",
            "appliance-mfa/api/resolve-transaction",
            {"Authorization": f"Bearer {notification.txtkn}"},
            {"challenge_response": response},
        )

    def update(self, **changes: object) -> dict[str, Any]:
        """Change any of `identifier`, `name`, `push_credentials`; the account as it then is."""
        headers = {"Authorization": f"Bearer {self.device_token()}"}
        answer: dict[str, Any] = self._answer("PATCH", self._device_path, headers, changes)
        credentials = answer.get("push_credentials", {})
        self.account = msgspec.structs.replace(
            self._enrolled,
            identifier=answer.get("identifier", self._enrolled.identifier),
            push_token=credentials.get("token", self._enrolled.push_token),
        )
        return answer

    def unenroll(self) -> None:
        headers = {"Authorization": f"Bearer {self.device_token()}"}
        self._answer("DELETE", self._device_path, headers)
        self.account = None

    @property
    def push_service(self) -> str:
        """Android's word is still that of FCM's predecessor."""
        return "APNS" if self.style == "ios" else "GCM"

    def public_jwk(self) -> dict[str, str]:
        return phone_key.public_jwk(self.key)

    def proof(self, method: str, url: str, token: str) -> str:
        """The proof of possession: RFC 9449's claims under Guardian's header name."""
        claims = {
            "htu": url,
            "htm": method,
            "ath": encoded(hashlib.sha256(token.encode()).digest()),
            "jti": str(uuid.uuid4()),
            "iat": self._now(),
        }
        return self._signed(claims, {"typ": "dpop+jwt", "jwk": self.public_jwk()})

    def challenge_response(
        self,
        challenge: str,
        accept: bool,  # noqa: FBT001 - the answer itself
        reason: str | None = None,
        **beyond_the_sdks: str,
    ) -> str:
        claims = {
            "iss": self._enrolled.identifier,
            "sub": challenge,
            "aud": f"{self.base_url}appliance-mfa/api/resolve-transaction",
            **self._lifetime(CHALLENGE_RESPONSE_SECONDS),
            "auth0_guardian_method": "push",
            "auth0_guardian_accepted": accept,
            **{name: value for name, value in beyond_the_sdks.items() if value},
        }
        if reason is not None and not accept:
            claims["auth0_guardian_reason"] = reason
        return self._signed(claims)

    def device_token(self) -> str:
        """What authorises changes of the enrolment; older Android SDKs send the enrol token."""
        if self.style == "android":
            return self._enrolled.token
        claims = {
            "iss": self._enrolled.id,
            "sub": self._enrolled.user_id,
            "aud": f"{self.base_url}appliance-mfa/api/device-accounts",
            **self._lifetime(DEVICE_TOKEN_SECONDS),
        }
        return self._signed(claims)

    @property
    def _enrolled(self) -> Account:
        if self.account is None:
            raise RuntimeError("this phone is not enrolled")
        return self.account

    @property
    def _device_path(self) -> str:
        return f"appliance-mfa/api/device-accounts/{quote(self._enrolled.id, safe='')}"

    def _now(self) -> float:
        """Seconds: iOS writes fractional seconds into its tokens, Android whole ones."""
        now = self._clock()
        return now if self.style == "ios" else int(now)

    def _lifetime(self, seconds: int) -> dict[str, float]:
        now = self._now()
        return {"iat": now, "exp": now + seconds}

    def _signed(self, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        algorithm = "ES256" if isinstance(self.key, ec.EllipticCurvePrivateKey) else "RS256"
        return jwt.encode(claims, self.key, algorithm, header)

    def _proven(self, method: str, path: str, token: str) -> dict[str, str]:
        return {
            "Authorization": f"MFA-DPoP {token}",
            "MFA-DPoP": self.proof(method, self.base_url + path, token),
        }

    def _answer(self, method: str, path: str, headers: dict[str, str], body: object = None) -> Any:  # noqa: ANN401
        sent = {**_SDK_HEADERS[self.style], **headers}
        content = None
        if body is not None:
            content = json.dumps(body)
            charset = "; charset=utf-8" if self.style == "android" else ""
            sent["Content-Type"] = f"application/json{charset}"
        answer = self._http.request(method, self.base_url + path, headers=sent, content=content)
        if not answer.is_success:
            raise _refusal(answer)
        return answer.json() if answer.content else None


def _refusal(answer: httpx2.Response) -> PhoneError:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    description = body.get("description") or body.get("error") or answer.reason_phrase
    return PhoneError(answer.status_code, str(body.get("errorCode", "unknown")), str(description))


def _sdk(name: str, version: str) -> str:
    return encoded(json.dumps({"name": name, "version": version}).encode())


_SDK_HEADERS: dict[Style, dict[str, str]] = {
    "ios": {"Auth0-Client": _sdk("Guardian.swift", "2.0.0")},
    "android": {
        "Auth0-Client": _sdk("Guardian.Android", "0.10.2"),
        "Accept-Language": "en-US",
        "User-Agent": "GuardianSDK/0.10.2 Android 15",
    },
    "ec": {"Auth0-Client": _sdk("nod-simulated-phone", "1")},
}
