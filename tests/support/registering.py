"""Clients that register themselves, and the one who signs statements about software."""

import functools
import json
from typing import Any

import httpx2

from consent.client import CIBA_GRANT
from consent.hint_tokens import TrustedIssuer
from consent.jose import public_key
from consent.outbound.address import checked_url
from consent.registration.client import Terms
from consent.registration.initial_access_token import new_initial_access_token
from consent.signing_key import SigningKey
from consent.store import keys
from consent.tenant import TENANT_ID, Flags, RegistrationAccess, SecurityMode, Tenant
from tests.support.domain import ISSUER, an_ec_key
from tests.support.provider import Provider

CALLBACK = "https://app.example/cb"
WEB: dict[str, Any] = {"client_name": "Agent X", "redirect_uris": [CALLBACK]}
POLL: dict[str, Any] = {
    "client_name": "Agent X",
    "grant_types": [CIBA_GRANT],
    "response_types": [],
    "backchannel_token_delivery_mode": "poll",
}

STATING = "https://directory.example"
STATER = SigningKey(an_ec_key())
ISSUERS = {STATING: TrustedIssuer(STATING, (public_key(STATER.public),))}
ISSUERS_FILE = json.dumps([{"issuer": STATING, "jwks": {"keys": [STATER.public]}}])

check_url = functools.partial(checked_url, allowed_networks=(), ports=frozenset({443}))
PERMISSIVE = Terms(
    mode="permissive",
    methods=frozenset(
        {
            "none",
            "client_secret_post",
            "client_secret_basic",
            "client_secret_jwt",
            "private_key_jwt",
            "tls_client_auth",
            "self_signed_tls_client_auth",
        }
    ),
    check_url=check_url,
    statement_issuers=ISSUERS,
    issuer=ISSUER,
)
STRICT = PERMISSIVE._replace(mode="strict")


def statement(typ: str = "JWT", **claims: object) -> str:
    """A software statement; None takes a claim away."""
    all_claims = {"iss": STATING, "software_id": "app-1", **claims}
    return STATER.sign({name: it for name, it in all_claims.items() if it is not None}, typ)


class Registrar:
    """What applications do at /oidc/register of a provider, whose tenant is set as wanted."""

    def __init__(self, nod: Provider) -> None:
        self.nod = nod

    async def set_tenant(
        self,
        *,
        registration: bool = True,
        management: bool = False,
        mode: SecurityMode = "strict",
        access: RegistrationAccess = "open",
    ) -> None:
        tenant = Tenant(
            flags=Flags(
                enable_dynamic_client_registration=registration,
                enable_dynamic_client_management=management,
            ),
            dynamic_client_registration_security_mode=mode,
            dynamic_client_registration_access=access,
        )
        await self.nod.services.directory.write(keys.TENANT, TENANT_ID, tenant)

    async def register(
        self, body: object = None, token: str = "", **headers: str
    ) -> httpx2.Response:
        return await self.nod.http.post(
            "oidc/register",
            json=WEB if body is None else body,
            headers=_bearer(token) | headers,
        )

    async def registered(self, body: object = None, token: str = "") -> dict[str, Any]:
        answer = await self.register(body, token)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def manage(
        self, method: str, client_id: str, token: str = "", body: object = None
    ) -> httpx2.Response:
        return await self.nod.http.request(
            method, f"oidc/register/{client_id}", json=body, headers=_bearer(token)
        )

    async def initial_access_token(self, *, uses: int = 1, life_seconds: int = 60) -> str:
        now = int(self.nod.now())
        record, token = new_initial_access_token(
            created_at=now, expires_at=now + life_seconds, uses=uses
        )
        await self.nod.services.directory.create(keys.INITIAL_ACCESS_TOKENS, record.id, record)
        return token

    async def is_known(self, client_id: str, secret: str) -> bool:
        """Whether the client can authenticate."""
        form = {"client_id": client_id, "client_secret": secret, "token": "none"}
        answer = await self.nod.http.post("oauth/revoke", data=form)
        assert answer.status_code in {200, 401}, answer.text
        return answer.status_code == 200

    async def events(self) -> list[dict[str, Any]]:
        """What the audit trail was told of registrations, the first one first."""
        entries = await self.nod.services.store.redis.execute("XRANGE", keys.EVENTS, "-", "+")
        told = [dict(zip(fields[::2], fields[1::2], strict=True)) for _, fields in entries]
        events = [json.loads(fields[b"e"]) for fields in told if fields[b"t"] == b"sapi"]
        return [it for it in events if "registration" in it.get("description", "")]


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}
