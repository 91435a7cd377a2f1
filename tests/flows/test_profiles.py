"""Profiles over HTTP: Auth0's dialect as its libraries read it, and what FAPI-CIBA forbids."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
import redis

from consent.client import ASSERTION_TYPE, CIBA_GRANT, REFRESH_TOKEN_GRANT
from consent.identifiers import digest
from consent.store import keys
from tests.support.forgery import signed
from tests.support.nod import Nod, OAuthClient, wait_for
from tests.support.refusals import refusal_of
from tests.support.signing_client import (
    FAPI,
    KID,
    REQUEST_ALG,
    SigningClient,
    key_of,
    public_jwk,
)

DENIED_OR_EXPIRED = "The end-user denied the authorization request or it has been expired"
UNFIT = (400, "unauthorized_client", "The client does not fit its profile")
ENDPOINT = "https://client.example/ciba"


# Auth0's dialect (auth0-wire 1.3)


def test_auth0s_slow_down_is_a_429_with_its_interval(nod: Nod) -> None:
    """W 1.3, rule 6: Retry-After, the interval in the body, growing; no WWW-Authenticate."""
    client, user_id = nod.new_client(profile="auth0"), nod.new_user()
    nod.new_phone(user_id)
    auth_req_id = nod.accepted(client, user_id)
    first, second, third = (nod.poll(client, auth_req_id) for _ in range(3))

    assert refusal_of(first) == (
        400,
        "authorization_pending",
        "The end-user authorization is pending",
    )
    for answer, seconds in ((second, 10), (third, 15)):
        assert answer.status_code == 429
        assert answer.json() == {
            "error": "slow_down",
            "error_description": (
                f"You are polling faster than allowed. Try again in {seconds} seconds."
            ),
            "interval": seconds,
        }
        assert answer.headers["retry-after"] == str(seconds)
        assert answer.headers["content-type"] == "application/json"
    for answer in (first, second, third):
        assert "www-authenticate" not in answer.headers


def test_auth0s_denial_and_expiry_are_one(nod: Nod) -> None:
    """W 1.3, rule 7: and only what is unknown or used up is an invalid_grant."""
    client, user_id = nod.new_client(profile="auth0"), nod.new_user()
    phone = nod.new_phone(user_id)
    expiring = nod.accepted(client, user_id, requested_expiry="1")
    denied = nod.accepted(client, user_id)
    approved = nod.accepted(client, user_id)
    for notification in phone.pending():
        if notification.txlnkid.endswith(digest(denied)):
            phone.resolve(notification, accept=False)
        elif notification.txlnkid.endswith(digest(approved)):
            phone.resolve(notification, accept=True)
    tokens = nod.poll(client, approved)

    assert refusal_of(nod.poll(client, denied)) == (400, "access_denied", DENIED_OR_EXPIRED)
    assert nod.error_after_waiting(client, expiring) == "access_denied"
    assert refusal_of(nod.poll(client, expiring)) == (400, "access_denied", DENIED_OR_EXPIRED)
    assert tokens.json().keys() == {"access_token", "id_token", "expires_in", "scope", "token_type"}
    for spent in (approved, "0" * 46):
        status, error, _ = refusal_of(nod.poll(client, spent))
        assert (status, error) == (400, "invalid_grant")


def test_a_request_of_auth0s_libraries_has_auth0s_answers(nod: Nod) -> None:
    """W 1.1, 1.2: exactly three members; both names of the expiry; an audience that is none."""
    client, user_id = nod.new_client(profile="auth0"), nod.new_user()
    nod.new_phone(user_id)
    answer = nod.start_request(
        client, user_id, requested_expiry="60", request_expiry="90", audience="None"
    )
    unknown = nod.start_request(client, "auth0|nobody")
    no_openid = nod.start_request(client, user_id, scope="profile")
    no_device = nod.start_request(client, nod.new_user())

    assert answer.json().keys() == {"auth_req_id", "expires_in", "interval"}
    assert (answer.json()["expires_in"], answer.json()["interval"]) == (60, 5)
    assert refusal_of(unknown) == (400, "unknown_user_id", "User ID is malformed or unknown")
    assert refusal_of(no_openid) == (400, "invalid_request", "openid scope must be requested")
    assert refusal_of(no_device) == (
        400,
        "invalid_request",
        (
            "No eligible notification channels were found. "
            "guardian-push: User does not have push notifications set up"
        ),
    )


def test_the_standard_knows_no_dialect(nod: Nod) -> None:
    """A114, A119, A120: what the same steps are answered with when nothing is registered."""
    client, user_id = nod.new_client(), nod.new_user()
    phone = nod.new_phone(user_id)
    expiring = nod.accepted(client, user_id, requested_expiry="1")
    denied = nod.accepted(client, user_id)
    for notification in phone.pending():
        if notification.txlnkid.endswith(digest(denied)):
            phone.resolve(notification, accept=False)
    nod.poll(client, expiring)
    early = nod.poll(client, expiring)

    assert refusal_of(early) == (400, "slow_down", "The client polls faster than its interval")
    assert refusal_of(nod.poll(client, denied)) == (
        400,
        "access_denied",
        "The end-user denied the authorization request",
    )
    assert nod.error_after_waiting(client, expiring) == "expired_token"
    assert refusal_of(nod.poll(client, expiring)) == (
        400,
        "expired_token",
        "The auth_req_id has expired",
    )


# FAPI-CIBA, at registration

JWKS = {"keys": [public_jwk(key_of(alg)) | {"kid": alg} for alg in ("ES256", "PS256")]}
REGISTRATION: dict[str, object] = FAPI | {
    "name": "Example bank",
    "grant_types": [CIBA_GRANT, REFRESH_TOKEN_GRANT],
    "jwks": JWKS,
    REQUEST_ALG: "PS256",
}
BOUND = "tls_client_certificate_bound_access_tokens"

ALLOWED: dict[str, dict[str, object]] = {
    "PS256": {},
    "ES256": {REQUEST_ALG: "ES256", "token_endpoint_auth_signing_alg": "ES256"},
    "tls_client_auth": {
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_san_dns": "client.example",
        "dpop_bound_access_tokens": False,
        BOUND: True,
    },
    "ping": {
        "backchannel_token_delivery_mode": "ping",
        "backchannel_client_notification_endpoint": ENDPOINT,
    },
    "EdDSA tokens": {"jwt_configuration": {"alg": "EdDSA"}},
    "for itself alone": {"grant_types": ["client_credentials"], REQUEST_ALG: ""},
}
# What the profile forbids, the member that is blamed, and why.
FORBIDDEN: dict[str, tuple[dict[str, object], str, str]] = {
    "B002 basic": (
        {"token_endpoint_auth_method": "client_secret_basic"},
        "token_endpoint_auth_method",
        "Not allowed by the profile",
    ),
    "B002 post": (
        {"token_endpoint_auth_method": "client_secret_post"},
        "token_endpoint_auth_method",
        "Not allowed by the profile",
    ),
    "B002 a MAC": (
        {"token_endpoint_auth_method": "client_secret_jwt"},
        "token_endpoint_auth_method",
        "Not allowed by the profile",
    ),
    "B001 none": (
        {
            "token_endpoint_auth_method": "none",
            "grant_types": [REFRESH_TOKEN_GRANT],
            REQUEST_ALG: "",
        },
        "token_endpoint_auth_method",
        "Not allowed by the profile",
    ),
    "B010 RS256 assertions": (
        {"token_endpoint_auth_signing_alg": "RS256"},
        "token_endpoint_auth_signing_alg",
        "Not allowed by the profile",
    ),
    "B010 RS256 requests": ({REQUEST_ALG: "RS256"}, REQUEST_ALG, "Not allowed by the profile"),
    "B005 unsigned requests": ({REQUEST_ALG: ""}, REQUEST_ALG, "Required by the profile"),
    "X04 RS256 tokens": (
        {"jwt_configuration": {"alg": "RS256"}},
        "jwt_configuration.alg",
        "Not allowed by the profile",
    ),
    "B013 tokens for the bearer": (
        {"dpop_bound_access_tokens": False},
        BOUND,
        "This or dpop_bound_access_tokens is required by the profile",
    ),
    "B019 rotation": (
        {"refresh_token": {"rotation_type": "rotating"}},
        "refresh_token.rotation_type",
        "Not allowed by the profile",
    ),
    "B004 push": (
        {
            "backchannel_token_delivery_mode": "push",
            "backchannel_client_notification_endpoint": ENDPOINT,
        },
        "backchannel_token_delivery_mode",
        "Not allowed by the profile",
    ),
}


@pytest.mark.parametrize("changes", ALLOWED.values(), ids=ALLOWED)
def test_what_fapi_allows_is_registered(nod: Nod, changes: dict[str, object]) -> None:
    """B001-B013, X03: and shown with all that was registered (C041)."""
    answer = nod.admin("POST", "clients", REGISTRATION | changes)

    assert answer.status_code == 201, answer.text
    assert "client_secret" not in answer.json()
    registered = {n: v for n, v in (REGISTRATION | changes).items() if v != ""}
    shown = answer.json()
    assert {name: shown[name] for name in registered if name != "jwt_configuration"} == {
        name: value for name, value in registered.items() if name != "jwt_configuration"
    }


@pytest.mark.parametrize("case", FORBIDDEN.values(), ids=FORBIDDEN)
def test_what_fapi_forbids_is_not_registered(
    nod: Nod, case: tuple[dict[str, object], str, str]
) -> None:
    """B001-B019: the member and the reason, in the management API's words."""
    changes, blamed, reason = case
    answer = nod.admin("POST", "clients", REGISTRATION | changes)

    assert answer.status_code == 400
    assert answer.json()["errorCode"] == "invalid_body"
    assert answer.json()["message"].endswith(f"'{reason}' on property {blamed}.")
    standard = nod.admin("POST", "clients", REGISTRATION | changes | {"profile": "standard"})
    assert standard.status_code == 201, standard.text


# FAPI-CIBA, at run time

SECRET = "a secret that nobody gave it"


def _holds(shown: dict[str, Any], members: dict[str, object]) -> bool:
    """What an administrator is shown of a record: no digest, and nothing that is empty."""
    for name, value in members.items():
        if isinstance(value, dict):
            if not _holds(shown[name], value):
                return False
        elif name != "secret_digest" and shown.get(name, "") != value:
            return False
    return True


class Changed:
    """A FAPI client, of whose stored record somebody changes members by hand."""

    def __init__(self, nod: Nod) -> None:
        self.nod = nod
        self.client = SigningClient(nod, "PS256", **FAPI)
        self.user_id = nod.new_user()
        self.phone = nod.new_phone(self.user_id)

    def change(self, **members: object) -> None:
        """It is published as every change is; waits until it has been heard."""
        client_id = self.client.client_id
        with redis.Redis.from_url(self.nod.environ["NOD_REDIS_URL"]) as store:
            stored = store.hget(keys.CLIENTS, client_id)
            assert isinstance(stored, bytes)
            store.hset(keys.CLIENTS, client_id, json.dumps(json.loads(stored) | members))
            store.publish(keys.CHANGES, f"{keys.CLIENTS} {client_id}")
        wait_for(lambda: _holds(self.shown(), members), "the change")

    def shown(self) -> dict[str, Any]:
        return dict(self.nod.admin("GET", f"clients/{self.client.client_id}").json())

    def ask(self) -> httpx2.Response:
        return self.client.ask(login_hint=self.user_id)

    def poll(self, auth_req_id: str) -> httpx2.Response:
        return self.client.poll(auth_req_id)


@pytest.fixture
def changed(nod: Nod) -> Changed:
    return Changed(nod)


# As they are stored; back again with what a client of the profile has.
BY_HAND: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "B010 RS256 requests": ({REQUEST_ALG: "RS256"}, {REQUEST_ALG: "PS256"}),
    "X04 RS256 tokens": (
        {"jwt_configuration": {"alg": "RS256"}},
        {"jwt_configuration": {"alg": "ES256"}},
    ),
    "B013 tokens for the bearer": (
        {"dpop_bound_access_tokens": False},
        {"dpop_bound_access_tokens": True},
    ),
    "B019 rotation": (
        {"refresh_token": {"rotation_type": "rotating"}},
        {"refresh_token": {"rotation_type": "non-rotating"}},
    ),
    "B004 push": (
        {
            "backchannel_token_delivery_mode": "push",
            "backchannel_client_notification_endpoint": ENDPOINT,
        },
        {"backchannel_token_delivery_mode": "poll"},
    ),
}


@pytest.mark.parametrize(("members", "back"), BY_HAND.values(), ids=BY_HAND)
def test_a_record_that_fits_no_more_gets_nothing(
    changed: Changed, members: dict[str, object], back: dict[str, object]
) -> None:
    """B004-B019: neither a question nor an answer; what was approved waits until it fits again."""
    auth_req_id = changed.ask().json()["auth_req_id"]
    [notification] = changed.phone.pending()
    changed.phone.resolve(notification, accept=True)
    changed.change(**members)

    assert refusal_of(changed.ask(), changed.client.client_id) == UNFIT
    assert refusal_of(changed.poll(auth_req_id), changed.client.client_id) == UNFIT
    assert changed.phone.pending() == []
    changed.change(**back)
    assert changed.poll(auth_req_id).json()["token_type"] == "DPoP"


def test_a_record_that_must_not_sign_any_more_gets_nothing(changed: Changed) -> None:
    """B005: not even for a request without a signature."""
    changed.change(**{REQUEST_ALG: ""})
    form = {"scope": "openid", "binding_message": "x", "login_hint": changed.user_id}

    assert refusal_of(changed.ask()) == UNFIT
    assert refusal_of(changed.client.post("bc-authorize", form)) == UNFIT
    assert changed.phone.pending() == []


def _by_basic(changed: Changed, form: dict[str, str], path: str) -> httpx2.Response:
    basic = OAuthClient(changed.client.client_id, SECRET).basic
    return changed.nod.http.post(path, data=form, auth=basic)


def _by_post(changed: Changed, form: dict[str, str], path: str) -> httpx2.Response:
    return changed.nod.http.post(
        path, data=form | OAuthClient(changed.client.client_id, SECRET).post
    )


def _by_nothing(changed: Changed, form: dict[str, str], path: str) -> httpx2.Response:
    return changed.nod.http.post(path, data=form | {"client_id": changed.client.client_id})


def _by_rs256(changed: Changed, form: dict[str, str], path: str) -> httpx2.Response:
    now, client = int(time.time()), changed.client
    claims = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": changed.nod.url,
        "jti": f"{now} {path}",
        "exp": now + 60,
    }
    assertion = signed({"alg": "RS256", "kid": KID}, claims, client.key)
    asserted = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    return changed.nod.http.post(path, data=form | asserted)


Authenticated = Callable[[Changed, dict[str, str], str], httpx2.Response]
METHODS: dict[str, tuple[dict[str, object], Authenticated]] = {
    "B002 basic": (
        {"token_endpoint_auth_method": "client_secret_basic", "secret_digest": digest(SECRET)},
        _by_basic,
    ),
    "B002 post": (
        {"token_endpoint_auth_method": "client_secret_post", "secret_digest": digest(SECRET)},
        _by_post,
    ),
    "B001 none": ({"token_endpoint_auth_method": "none"}, _by_nothing),
    "B010 RS256 assertions": ({"token_endpoint_auth_signing_alg": "RS256"}, _by_rs256),
}


@pytest.mark.parametrize(("members", "authenticated"), METHODS.values(), ids=METHODS)
def test_a_weaker_proof_of_a_fapi_client_is_none(
    changed: Changed, members: dict[str, object], authenticated: Authenticated
) -> None:
    """B001, B002, B010: invalid_client, wherever clients authenticate."""
    changed.change(**members)
    forms: dict[str, dict[str, str]] = {
        "bc-authorize": {"request": changed.client.request(login_hint=changed.user_id)},
        "oauth/token": {"grant_type": REFRESH_TOKEN_GRANT, "refresh_token": "x"},
        "oauth/revoke": {"token": "x"},
        "oauth/introspect": {"token": "x"},
    }
    for path, form in forms.items():
        status, error, _ = refusal_of(authenticated(changed, form, path))

        assert (status, error) == (401, "invalid_client"), path
    assert changed.phone.pending() == []


def test_the_same_record_is_good_for_another_profile(changed: Changed) -> None:
    """It is the profile that refuses."""
    changed.change(
        profile="standard",
        token_endpoint_auth_method="client_secret_basic",
        secret_digest=digest(SECRET),
    )
    form = {"request": changed.client.request(login_hint=changed.user_id)}

    assert _by_basic(changed, form, "bc-authorize").status_code == 200
