"""T15, D006: every kind of token at every place that takes one; each opens its own and no other."""

import secrets
from collections.abc import Callable
from typing import NamedTuple

import httpx2
import pytest

from consent.client import CIBA_GRANT, CLIENT_CREDENTIALS_GRANT, REFRESH_TOKEN_GRANT
from scripts.guardian_messages import Notification
from tests.support.nod import BOOTSTRAP, Nod, OAuthClient
from tests.support.signing_client import SigningClient
from tests.support.token_client import TokenClient, granted, new_api, proof

Headers = dict[str, str]
ASSERTING = {"token_endpoint_auth_method": "private_key_jwt"}


class Everything(NamedTuple):
    """A token of each kind, all of one client and one person, and what it takes to use them."""

    nod: Nod
    client: TokenClient
    signing: SigningClient
    notification: Notification
    tokens: dict[str, str]

    def post(self, path: str, headers: Headers | None = None, /, **form: str) -> httpx2.Response:
        return self.client.post(path, headers, **form)

    def get(self, path: str, authorization: str, **headers: str) -> httpx2.Response:
        return self.nod.http.get(path, headers={"Authorization": authorization} | headers)

    def proven(self, path: str, token: str) -> httpx2.Response:
        """By the phone whose token it would be."""
        text = self.client.phone.proof("GET", self.nod.url + path, token)
        return self.get(path, f"MFA-DPoP {token}", **{"MFA-DPoP": text})


def everything(nod: Nod) -> Everything:
    client, signing = TokenClient(nod), SigningClient(nod, **ASSERTING)
    audience = new_api(nod, scopes=[{"value": "read:clients"}])
    token_set = client.tokens()
    bound = client.tokens(client.proof())
    for_api = client.tokens(audience=audience, scope="openid read:clients")
    own = nod.new_client(grant_types=[CLIENT_CREDENTIALS_GRANT, CIBA_GRANT])
    grant = {"client_id": own.client_id, "audience": audience, "scope": ["read:clients"]}
    assert nod.admin("POST", "client-grants", grant).status_code == 201
    form = {"grant_type": CLIENT_CREDENTIALS_GRANT, "audience": audience, **own.post}
    auth_req_id = client.asked()
    [notification] = client.phone.pending()
    account = client.phone.account
    assert account is not None
    hint = nod.login_hint(client.user_id)
    tokens = {
        "access token": token_set["access_token"],
        "access token of an API": for_api["access_token"],
        "bound access token": bound["access_token"],
        "ID token": token_set["id_token"],
        "refresh token": token_set["refresh_token"],
        "management token": nod.client_token(OAuthClient(*BOOTSTRAP))["access_token"],
        "client's own token": granted(nod.http.post("oauth/token", data=form))["access_token"],
        "auth_req_id": auth_req_id,
        "consent id": notification.txlnkid,
        "transaction token": notification.txtkn,
        "challenge": notification.c,
        "enrolment token": account.token,
        "device token": client.phone.device_token(),
        "enrolment ticket": nod.new_ticket(client.user_id),
        "answer": client.phone.challenge_response(notification.c, accept=True),
        "phone's proof": client.phone.proof("GET", f"{nod.url}rich-consents", account.token),
        "client's proof": proof(nod, client.key, "POST", "oauth/token"),
        "client assertion": signing.assertion(),
        "request object": signing.request(login_hint=hint),
    }
    return Everything(nod, client, signing, notification, tokens)


class Place(NamedTuple):
    """`refusal` is what all that does not belong there hears."""

    present: Callable[[Everything, str], httpx2.Response]
    opened_by: set[str]
    refusal: tuple[int, str]


def poll(it: Everything, token: str) -> httpx2.Response:
    return it.post("oauth/token", grant_type=CIBA_GRANT, auth_req_id=token)


def refresh(it: Everything, token: str) -> httpx2.Response:
    return it.post("oauth/token", grant_type=REFRESH_TOKEN_GRANT, refresh_token=token)


def assert_by(it: Everything, token: str) -> httpx2.Response:
    form = it.signing.authentication() | {"client_assertion": token, "token": "x"}
    return it.nod.http.post("oauth/introspect", data=form)


def prove(it: Everything, token: str) -> httpx2.Response:
    """For a refresh, so that what passes is a token set."""
    form = {"grant_type": REFRESH_TOKEN_GRANT, "refresh_token": it.tokens["refresh token"]}
    return it.post("oauth/token", {"DPoP": token}, **form)


def change_device(it: Everything, token: str) -> httpx2.Response:
    assert it.client.phone.account is not None
    path = f"appliance-mfa/api/device-accounts/{it.client.phone.account.id}"
    headers = {"Authorization": f"Bearer {token}"}
    return it.nod.http.patch(path, json={"name": "New"}, headers=headers)


def resolve(it: Everything, token: str) -> httpx2.Response:
    body = {"challenge_response": it.tokens["answer"]}
    headers = {"Authorization": f"Bearer {token}"}
    return it.nod.http.post("appliance-mfa/api/resolve-transaction", json=body, headers=headers)


def answer(it: Everything, token: str) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {it.notification.txtkn}"}
    path = "appliance-mfa/api/resolve-transaction"
    return it.nod.http.post(path, json={"challenge_response": token}, headers=headers)


def enroll(it: Everything, token: str) -> httpx2.Response:
    push_credentials = {"service": "GCM", "token": secrets.token_hex(8)}
    body = {
        "identifier": secrets.token_hex(8),
        "name": "Phone",
        "push_credentials": push_credentials,
        "public_key": it.client.phone.public_jwk(),
    }
    # Of a ticket's characters, so that it is looked up and not refused for its form.
    letters = "".join(each for each in token if each.isalnum() or each in "-_")[:64]
    headers = {"Authorization": f'Ticket id="{letters}"'}
    return it.nod.http.post("appliance-mfa/api/enroll", json=body, headers=headers)


def hint_by(name: str) -> Callable[[Everything, str], httpx2.Response]:
    def hint(it: Everything, token: str) -> httpx2.Response:
        form = {"scope": "openid", "binding_message": "Pay 10", name: token}
        return it.post("bc-authorize", **form)

    return hint


PLACES = {
    "userinfo": Place(
        lambda it, token: it.get("userinfo", f"Bearer {token}"),
        {"access token"},
        (401, "invalid_token"),
    ),
    "management": Place(
        lambda it, token: it.get("api/v2/clients", f"Bearer {token}"),
        {"management token"},
        (401, "invalid_token"),
    ),
    "poll": Place(poll, {"auth_req_id"}, (400, "invalid_grant")),
    "refresh": Place(refresh, {"refresh token"}, (400, "invalid_grant")),
    "client_assertion": Place(assert_by, {"client assertion"}, (401, "invalid_client")),
    "DPoP": Place(prove, {"client's proof"}, (400, "invalid_dpop_proof")),
    "request": Place(
        lambda it, token: it.signing.send(token), {"request object"}, (400, "invalid_request")
    ),
    "id_token_hint": Place(hint_by("id_token_hint"), {"ID token"}, (400, "invalid_request")),
    "login_hint_token": Place(hint_by("login_hint_token"), set(), (400, "invalid_request")),
    "list of consents": Place(
        lambda it, token: it.proven("rich-consents", token),
        {"enrolment token"},
        (401, "invalid_token"),
    ),
    "consent": Place(
        lambda it, token: it.proven(f"rich-consents/{it.notification.txlnkid}", token),
        {"transaction token"},
        (401, "invalid_token"),
    ),
    "resolve": Place(resolve, {"transaction token"}, (401, "invalid_token")),
    "answer": Place(answer, {"answer"}, (401, "invalid_token")),
    "device": Place(change_device, {"device token", "enrolment token"}, (401, "invalid_token")),
    "enroll": Place(enroll, {"enrolment ticket"}, (404, "enrollment_transaction_not_found")),
}
WAITING = {"authorization_pending", "slow_down"}


def told(response: httpx2.Response) -> tuple[int, str] | None:
    """The refusal, None when the place was opened."""
    if response.is_success:
        return None
    body = response.json()
    error = body.get("errorCode") or body["error"]
    return None if error in WAITING else (response.status_code, error)


@pytest.mark.parametrize("name", PLACES)
def test_a_place_opens_to_its_own_kind_of_token(nod: Nod, name: str) -> None:
    """The refusal is the same for every other kind, and repeats nothing of it."""
    it, place = everything(nod), PLACES[name]
    answers = {kind: place.present(it, token) for kind, token in it.tokens.items()}

    assert {kind for kind, response in answers.items() if told(response) is None} == place.opened_by
    for kind in answers.keys() - place.opened_by:
        assert told(answers[kind]) == place.refusal, kind
        assert it.tokens[kind] not in answers[kind].text


def test_introspection_tells_of_access_and_refresh_tokens_only(nod: Nod) -> None:
    """D011: and of a client's own to that client only."""
    it = everything(nod)
    shown = {kind for kind, token in it.tokens.items() if it.client.is_active(token)}

    assert shown == {
        "access token",
        "access token of an API",
        "bound access token",
        "refresh token",
    }
