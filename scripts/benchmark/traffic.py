"""The requests of each endpoint, as the octets that are sent, and what they must be answered."""

import secrets
import time
from collections.abc import Mapping
from urllib.parse import urlencode

import jwt
import msgspec

from consent import transaction
from consent.client import ASSERTION_TYPE, CIBA_GRANT, CLIENT_CREDENTIALS_GRANT
from consent.push import Notification
from scripts.benchmark.http_load import Expected
from scripts.benchmark.population import (
    BINDING_MESSAGE,
    CLIENT_ID,
    CLIENT_SECRET,
    KEY_CLIENT_ID,
    Asked,
    Person,
    Population,
)

_CREDENTIALS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
_FORM = "application/x-www-form-urlencoded"

PENDING = Expected(400, b'"authorization_pending"')
BARE = Expected(200, b'"authorization_pending"')
STARTED = Expected(200, b'"auth_req_id"')
REDEEMED = Expected(200, b'"id_token"')
FETCHED = Expected(200, BINDING_MESSAGE.encode())
ANSWERED = Expected(204)
GRANTED = Expected(200, b'"access_token"')


def request(
    method: str, path: str, host: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    """An HTTP/1.1 request with the header fields a client library sends."""
    fields = {
        "Host": host,
        "Accept": "*/*",
        "Accept-Encoding": "gzip, deflate",
        "Connection": "keep-alive",
        "User-Agent": "nod-benchmark/1",
        **(headers or {}),
    }
    if body:
        fields["Content-Length"] = str(len(body))
    lines = [f"{method} {path} HTTP/1.1", *[f"{name}: {value}" for name, value in fields.items()]]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Traffic:
    """Requests to one installation."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._settings = population.settings
        self._host = f"{self._settings.host}:{self._settings.port}"

    def poll(self, asked: Asked, path: str = "/oauth/token") -> bytes:
        """The same for what is pending and for what is approved."""
        form = {"grant_type": CIBA_GRANT, "auth_req_id": asked.auth_req_id, **_CREDENTIALS}
        return self._form(path, form)

    def held_poll(self, asked: Asked) -> bytes:
        """One that would rather wait (RFC 7240)."""
        form = {"grant_type": CIBA_GRANT, "auth_req_id": asked.auth_req_id, **_CREDENTIALS}
        return self._form("/oauth/token", form, {"Prefer": "wait=30"})

    def signed_poll(self, asked: Asked) -> bytes:
        """The same by a client that signs an assertion for each (private_key_jwt)."""
        now = int(time.time())
        assertion = jwt.encode(
            {
                "iss": KEY_CLIENT_ID,
                "sub": KEY_CLIENT_ID,
                "aud": self._settings.issuer,
                "iat": now,
                "exp": now + 300,
                "jti": secrets.token_urlsafe(16),
            },
            self._population.client_key,
            algorithm="ES256",
        )
        form = {
            "grant_type": CIBA_GRANT,
            "auth_req_id": asked.auth_req_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        return self._form("/oauth/token", form)

    def start(self, person: Person) -> bytes:
        hint = {"format": "iss_sub", "iss": self._settings.issuer, "sub": person.user_id}
        return self.start_for(msgspec.json.encode(hint).decode())

    def start_for(self, login_hint: str) -> bytes:
        return self._form(
            "/bc-authorize",
            {
                "scope": "openid",
                "binding_message": BINDING_MESSAGE,
                "login_hint": login_hint,
                **_CREDENTIALS,
            },
        )

    def own_token(self, client_id: str, audience: str) -> bytes:
        """What a client gets for itself; all of them have one secret."""
        return self._form(
            "/oauth/token",
            {
                "grant_type": CLIENT_CREDENTIALS_GRANT,
                "client_id": client_id,
                "client_secret": CLIENT_SECRET,
                "audience": audience,
            },
        )

    def managed(self, token: str, method: str, path: str, body: object = None) -> bytes:
        """A call of the management API; `path` is below it."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        content = b"" if body is None else msgspec.json.encode(body)
        return request(method, f"/api/v2/{path}", self._host, content, headers)

    def fetch(self, asked: Asked) -> bytes:
        """Signed now, and good for some minutes."""
        path = f"rich-consents/{asked.consent_id}"
        token = self._notification(asked).txtkn
        proof = self._population.phone(asked.person).proof("GET", self._settings.url(path), token)
        headers = {"Authorization": f"MFA-DPoP {token}", "MFA-DPoP": proof}
        return request("GET", f"/{path}", self._host, headers=headers)

    def answer(self, asked: Asked) -> bytes:
        """Signed now, and good for half a minute."""
        notification = self._notification(asked)
        phone = self._population.phone(asked.person)
        response = phone.challenge_response(notification.c, accept=True)
        headers = {
            "Authorization": f"Bearer {notification.txtkn}",
            "Content-Type": "application/json",
        }
        body = msgspec.json.encode({"challenge_response": response})
        path = "/appliance-mfa/api/resolve-transaction"
        return request("POST", path, self._host, body, headers)

    def _form(
        self, path: str, form: dict[str, str], headers: Mapping[str, str] | None = None
    ) -> bytes:
        body = urlencode(form).encode()
        fields = {"Content-Type": _FORM, **(headers or {})}
        return request("POST", path, self._host, body, fields)

    def _notification(self, asked: Asked) -> Notification:
        now_ms = int(time.time() * 1_000)
        return transaction.notification(
            seal=self._population.store.seal,
            issuer=self._settings.issuer,
            consent_id=asked.consent_id,
            device_id=asked.person.device_id,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + 300_000,
        )
