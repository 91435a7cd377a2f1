"""A client whose person has said yes, and what it then does with the tokens, over HTTP."""

import secrets
from typing import Any

import httpx2
import jwt

from consent.client import CIBA_GRANT, REFRESH_TOKEN_GRANT
from scripts.simulated_phone import SimulatedPhone
from tests.support.nod import Nod, OAuthClient
from tests.support.provider import ProofKey
from tests.support.refusals import refusal_of

Headers = dict[str, str]


class TokenClient:
    """Registered for refresh tokens, with a person of its own; `key` signs its DPoP proofs."""

    def __init__(self, nod: Nod, **metadata: object) -> None:
        body: dict[str, object] = {"grant_types": [CIBA_GRANT, REFRESH_TOKEN_GRANT], **metadata}
        self.nod = nod
        self.oauth: OAuthClient = nod.new_client(**body)
        self.user_id = nod.new_user(name="Aiko")
        self.phone: SimulatedPhone = nod.new_phone(self.user_id)
        self.key = ProofKey()

    @property
    def client_id(self) -> str:
        return self.oauth.client_id

    def post(self, path: str, headers: Headers | None = None, /, **form: str) -> httpx2.Response:
        return self.nod.http.post(path, data=form, auth=self.oauth.basic, headers=headers)

    def asked(self, scope: str = "openid offline_access profile", **parameters: str) -> str:
        return self.nod.accepted(self.oauth, self.user_id, scope=scope, **parameters)

    def approve(self) -> None:
        """All that is asked: found as a phone that missed its push finds it."""
        for notification in self.phone.pending():
            self.phone.resolve(notification, accept=True)

    def approved(self, **parameters: str) -> str:
        auth_req_id = self.asked(**parameters)
        self.approve()
        return auth_req_id

    def poll(self, auth_req_id: str, headers: Headers | None = None) -> httpx2.Response:
        return self.post("oauth/token", headers, grant_type=CIBA_GRANT, auth_req_id=auth_req_id)

    def tokens(self, headers: Headers | None = None, **parameters: str) -> dict[str, Any]:
        return granted(self.poll(self.approved(**parameters), headers))

    def refresh(
        self, refresh_token: str, headers: Headers | None = None, /, **narrowing: str
    ) -> httpx2.Response:
        form = {"grant_type": REFRESH_TOKEN_GRANT, "refresh_token": refresh_token, **narrowing}
        return self.post("oauth/token", headers, **form)

    def introspect(self, token: str, **form: str) -> dict[str, Any]:
        answer = self.post("oauth/introspect", token=token, **form)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def is_active(self, token: str) -> bool:
        return bool(self.introspect(token)["active"])

    def proof(
        self, method: str = "POST", path: str = "oauth/token", token: str = "", **claims: object
    ) -> Headers:
        """The header of a proof of `key`."""
        return {"DPoP": proof(self.nod, self.key, method, path, token, **claims)}

    def userinfo(self, token: str, scheme: str = "Bearer", **headers: str) -> httpx2.Response:
        return self.nod.http.get(
            "userinfo", headers={"Authorization": f"{scheme} {token}"} | headers
        )


def proof(
    nod: Nod, key: ProofKey, method: str, path: str, token: str = "", **claims: object
) -> str:
    return key.proof(method, path, token, **{"htu": nod.url + path} | claims)


def granted(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


def refused(answer: httpx2.Response, *sent: str) -> tuple[int, str]:
    """Status and error of an OAuth refusal, which says only what it may."""
    status, error, _ = refusal_of(answer, *sent)
    return status, error


def verified(nod: Nod, token: str, audience: str) -> dict[str, Any]:
    """The claims, by the published keys and PyJWT; the algorithm is the one of the key."""
    keys = jwt.PyJWKSet.from_dict(nod.http.get(".well-known/jwks.json").json())
    header = jwt.get_unverified_header(token)
    claims: dict[str, Any] = jwt.decode(
        token, keys[header["kid"]], algorithms=[header["alg"]], issuer=nod.url, audience=audience
    )
    return claims


def new_api(nod: Nod, **members: object) -> str:
    """The identifier of a resource server of the test's own."""
    identifier = f"https://api.example.com/{secrets.token_hex(6)}"
    body = {"identifier": identifier, "name": "Payments", **members}
    answer = nod.admin("POST", "resource-servers", body)
    assert answer.status_code == 201, answer.text
    return identifier
