"""Bound tokens over HTTP: what a proof must be, what it binds, and where it is asked for again."""

import concurrent.futures
import json
import secrets
import time
from collections import Counter
from typing import Any

import httpx2
import pytest
import redis

from consent.client import CIBA_GRANT, CLIENT_CREDENTIALS_GRANT, REFRESH_TOKEN_GRANT
from consent.store import keys
from tests.support import forgery
from tests.support.client_certificates import self_signed
from tests.support.domain import an_ec_key
from tests.support.nod import CIBA, Nod, OAuthClient, wait_for
from tests.support.provider import ProofKey
from tests.support.signing_client import a_stranger, public_jwk
from tests.support.token_client import Headers, TokenClient, granted, proof, refused, verified

BOUND = {"dpop_bound_access_tokens": True}
CERTIFICATE_BOUND = {"tls_client_certificate_bound_access_tokens": True}
INVALID_PROOF = (400, "invalid_dpop_proof")


def challenge_of(answer: httpx2.Response) -> str:
    [challenge] = answer.headers.get_list("www-authenticate")
    return str(challenge)


def thumbprint_of(nod: Nod, access_token: str) -> str:
    return str(verified(nod, access_token, f"{nod.url}userinfo")["cnf"]["jkt"])


# What is bound


def test_a_token_is_bound_to_the_key_that_was_shown(nod: Nod) -> None:
    """D052, D012, D055: in the token, at introspection and at userinfo."""
    client = TokenClient(nod)
    token_set = client.tokens(client.proof())
    token = token_set["access_token"]
    shown = client.introspect(token)

    assert token_set["token_type"] == shown["token_type"] == "DPoP"
    assert shown["cnf"] == {"jkt": thumbprint_of(nod, token)}
    answer = client.userinfo(token, "DPoP", **client.proof("GET", "userinfo", token))
    assert answer.json()["sub"] == client.user_id


def test_a_bound_token_is_no_bearer_token(nod: Nod) -> None:
    """D055: with a good proof beside it or without."""
    client = TokenClient(nod)
    token = client.tokens(client.proof())["access_token"]
    for beside in ({}, client.proof("GET", "userinfo", token)):
        answer = client.userinfo(token, **beside)
        assert refused(answer) == (401, "invalid_token")
        assert challenge_of(answer) == 'Bearer error="invalid_token"'


def test_a_proof_at_userinfo_is_of_the_right_key_and_token(nod: Nod) -> None:
    """D055, RFC 9449 7.1: 401, with the algorithms of proofs."""
    client = TokenClient(nod)
    token = client.tokens(client.proof())["access_token"]
    stranger = {"DPoP": proof(nod, ProofKey(), "GET", "userinfo", token)}
    used = client.proof("GET", "userinfo", token)
    assert client.userinfo(token, "DPoP", **used).status_code == 200

    for beside, error in (
        (stranger, "invalid_token"),
        ({}, "invalid_dpop_proof"),
        (used, "invalid_dpop_proof"),
        (client.proof("GET", "userinfo"), "invalid_dpop_proof"),
        (client.proof("GET", "userinfo", token + "x"), "invalid_dpop_proof"),
        (client.proof("POST", "userinfo", token), "invalid_dpop_proof"),
        (client.proof("GET", "oauth/token", token), "invalid_dpop_proof"),
    ):
        answer = client.userinfo(token, "DPoP", **beside)
        assert refused(answer) == (401, error)
        assert challenge_of(answer).startswith(f'DPoP error="{error}", algs="ES256 ')


def test_a_refreshed_token_is_bound_to_the_key_of_the_refresh(nod: Nod) -> None:
    """D054, D085: a confidential client's refresh token is bound to the client, not to a key."""
    client, other = TokenClient(nod, **BOUND), ProofKey()
    first = client.tokens(client.proof())
    second = granted(
        client.refresh(first["refresh_token"], {"DPoP": proof(nod, other, "POST", "oauth/token")})
    )

    assert second["token_type"] == "DPoP"
    assert thumbprint_of(nod, second["access_token"]) != thumbprint_of(nod, first["access_token"])
    assert refused(client.refresh(first["refresh_token"])) == INVALID_PROOF


@pytest.mark.parametrize("kind", ["unknown", "pending", "denied", "approved"])
@pytest.mark.parametrize(
    ("metadata", "expected"),
    [(BOUND, INVALID_PROOF), (CERTIFICATE_BOUND, (400, "invalid_request"))],
    ids=["dpop", "mtls"],
)
def test_what_binds_is_asked_for_before_any_state_is_told(
    nod: Nod, kind: str, metadata: dict[str, object], expected: tuple[int, str]
) -> None:
    """A129, D053, B013: whatever became of the request, and its redemption stays to be had."""
    client = TokenClient(nod, **metadata)
    auth_req_id = client.asked()
    if kind == "unknown":
        auth_req_id = auth_req_id[:-4] + "AAAA"
    if kind in {"denied", "approved"}:
        [listed] = client.phone.pending()
        client.phone.resolve(listed, accept=kind == "approved")

    assert refused(client.poll(auth_req_id), auth_req_id) == expected
    assert refused(client.refresh("no-such-token-4711")) == expected
    if metadata == BOUND and kind == "approved":
        assert client.poll(auth_req_id, client.proof()).status_code == 200


def test_a_clients_own_token_is_bound_too(nod: Nod) -> None:
    """D052, D053."""
    client, form = administrator(nod, **BOUND)
    without = nod.http.post("oauth/token", data=form, auth=client.basic)
    headers = {"DPoP": proof(nod, ProofKey(), "POST", "oauth/token")}
    granted_token = granted(
        nod.http.post("oauth/token", data=form, auth=client.basic, headers=headers)
    )

    assert refused(without) == INVALID_PROOF
    assert granted_token["token_type"] == "DPoP"


# What a proof must be

BAD_HEADERS: list[dict[str, object]] = [
    {"typ": "JWT"},
    {"typ": None},
    {"alg": "HS256"},
    {"alg": "none"},
    {"alg": "ES384"},
    {"jwk": None},
    {"jwk": "text"},
    {"jwk": {"kty": "oct", "k": "AAAA"}},
    {"jwk": public_jwk(an_ec_key()) | {"d": "AAAA"}},
    {"jwk": public_jwk(a_stranger("ES256"))},
    {"crit": ["exp"]},
]
BAD_CLAIMS: list[dict[str, object]] = [
    {"jti": None},
    {"jti": ""},
    {"jti": "j" * 256},
    {"jti": 7},
    {"htm": None},
    {"htm": "GET"},
    {"htm": "post"},
    {"htu": None},
    {"htu": ["x"]},
    {"iat": None},
    {"iat": "now"},
    {"iat": True},
    {"iat": 1e300},
    {"iat": 0},
]


def forged(nod: Nod, header: dict[str, object], claims: dict[str, object]) -> Headers:
    """A proof that is in order but for the changes; None takes a member away."""
    good_header: dict[str, object] = {
        "typ": "dpop+jwt",
        "alg": "ES256",
        "jwk": public_jwk(an_ec_key()),
    }
    good_claims: dict[str, object] = {
        "jti": secrets.token_urlsafe(8),
        "htm": "POST",
        "htu": f"{nod.url}oauth/token",
        "iat": int(time.time()),
    }
    return {
        "DPoP": forgery.signed(_with(good_header, header), _with(good_claims, claims), an_ec_key())
    }


def _with(members: dict[str, object], changes: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in (members | changes).items() if value is not None}


@pytest.fixture(scope="module")
def pending(nod: Nod) -> tuple[TokenClient, str]:
    """A request nobody answers, polled in vain."""
    client = TokenClient(nod)
    return client, client.asked()


@pytest.mark.parametrize(
    ("header", "claims"),
    [*[(bad, {}) for bad in BAD_HEADERS], *[({}, bad) for bad in BAD_CLAIMS]],
    ids=[
        f"{kind} {number}"
        for kind, all_bad in (("header", BAD_HEADERS), ("claims", BAD_CLAIMS))
        for number in range(len(all_bad))
    ],
)
def test_a_bad_proof_is_refused_and_is_no_poll(
    nod: Nod,
    pending: tuple[TokenClient, str],
    header: dict[str, object],
    claims: dict[str, object],
) -> None:
    """D050, D051, A129."""
    client, auth_req_id = pending
    answer = client.poll(auth_req_id, forged(nod, header, claims))

    assert refused(answer, auth_req_id) == INVALID_PROOF


@pytest.mark.parametrize("seconds", [-121 - 60, 61 + 60])
def test_a_proof_is_of_now(nod: Nod, pending: tuple[TokenClient, str], seconds: int) -> None:
    """D051, B018."""
    client, auth_req_id = pending
    answer = client.poll(auth_req_id, forged(nod, {}, {"iat": int(time.time()) + seconds}))

    assert refused(answer) == INVALID_PROOF


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "." * 9_000, "\u00e9.\u00e9.\u00e9"])
def test_what_is_no_proof_is_refused(nod: Nod, pending: tuple[TokenClient, str], text: str) -> None:
    client, auth_req_id = pending
    form = {"grant_type": CIBA, "auth_req_id": auth_req_id, **client.oauth.post}
    headers = [(b"dpop", text.encode("latin-1"))]

    assert refused(nod.http.post("oauth/token", data=form, headers=headers)) == INVALID_PROOF


def test_two_proofs_are_none(nod: Nod) -> None:
    """D050: at the token endpoint and at userinfo; each of them would have been good."""
    client = TokenClient(nod)
    token_set = client.tokens(client.proof())
    token = token_set["access_token"]
    form = {
        "grant_type": REFRESH_TOKEN_GRANT,
        "refresh_token": token_set["refresh_token"],
        **client.oauth.post,
    }
    twice = [("DPoP", client.proof()["DPoP"]) for _ in range(2)]
    at_userinfo = [("DPoP", client.proof("GET", "userinfo", token)["DPoP"]) for _ in range(2)]
    headers = [("Authorization", f"DPoP {token}"), *at_userinfo]

    assert refused(nod.http.post("oauth/token", data=form, headers=twice)) == INVALID_PROOF
    assert refused(nod.http.get("userinfo", headers=headers)) == (401, "invalid_dpop_proof")


@pytest.mark.parametrize(
    ("htu", "accepted"),
    [
        ("http://127.0.0.1:{port}/oauth/token", True),
        ("http://127.0.0.1:{port}/token", True),
        ("HTTP://127.0.0.1:{port}/oauth/token", True),
        ("http://127.0.0.1:{port}/oauth/token?a=b", True),
        ("http://127.0.0.1:{port}/oauth/token#f", True),
        ("https://127.0.0.1:{port}/oauth/token", False),
        ("http://localhost:{port}/oauth/token", False),
        ("http://127.0.0.1/oauth/token", False),
        ("http://127.0.0.1:{port}/oauth/token/", False),
        ("http://127.0.0.1:{port}/OAuth/token", False),
        ("http://127.0.0.1:{port}/bc-authorize", False),
        ("http://u@127.0.0.1:{port}/oauth/token", False),
        ("http://127.0.0.1:{port}\n/oauth/token", False),
        ("http://[127.0.0.1:{port}/oauth/token", False),
        ("//127.0.0.1:{port}/oauth/token", False),
        ("/oauth/token", False),
        ("http://127.0.0.1:{port}/oauth/token\u0000", False),
        ("http://127.0.0.1:{port}/o\u00e4uth/token", False),
    ],
)
def test_a_proof_is_for_the_url_it_is_sent_to(
    nod: Nod, pending: tuple[TokenClient, str], htu: str, *, accepted: bool
) -> None:
    """D051: whatever the query; never another host, scheme, port or path."""
    client, auth_req_id = pending
    answer = client.poll(auth_req_id, forged(nod, {}, {"htu": htu.format(port=nod.port)}))
    status, error = refused(answer)

    assert status == 400
    assert (error in {"authorization_pending", "slow_down"}) == accepted
    assert accepted or error == "invalid_dpop_proof"


def test_a_proof_counts_once_whoever_sends_it_first(nod: Nod) -> None:
    """D051: fifty at once, each over its own connection."""
    client = TokenClient(nod)
    refresh_token = client.tokens()["refresh_token"]
    headers = client.proof()

    def refresh(_: int) -> str | None:
        form = {"grant_type": REFRESH_TOKEN_GRANT, "refresh_token": refresh_token}
        url = f"{nod.url}oauth/token"
        answer = httpx2.post(url, data=form, auth=client.oauth.basic, headers=headers, timeout=15)
        error: str | None = answer.json().get("error")
        return error

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        errors = Counter(pool.map(refresh, range(50)))

    assert errors == {None: 1, "invalid_dpop_proof": 49}


# Nonces


@pytest.mark.xdist_group("own_nod")
def test_a_nonce_is_given_with_the_refusal_and_then_it_works(own_nod: Nod) -> None:
    """D056, RFC 9449 8: at the token endpoint a 400; it uses nothing up."""
    client = TokenClient(own_nod)
    auth_req_id = client.approved()
    asked = client.poll(auth_req_id, client.proof())
    [nonce] = asked.headers.get_list("dpop-nonce")
    wrong = client.poll(auth_req_id, client.proof(nonce="A" * len(nonce)))
    token_set = granted(client.poll(auth_req_id, client.proof(nonce=nonce)))
    again = granted(client.refresh(token_set["refresh_token"], client.proof(nonce=nonce)))

    assert refused(asked) == refused(wrong) == (400, "use_dpop_nonce")
    assert token_set["token_type"] == again["token_type"] == "DPoP"


@pytest.mark.xdist_group("own_nod")
def test_userinfo_and_the_management_api_give_nonces_too(own_nod: Nod) -> None:
    """D056, RFC 9449 9: a 401 and a challenge."""
    client = TokenClient(own_nod)
    auth_req_id = client.approved()
    nonce = client.poll(auth_req_id, client.proof()).headers["dpop-nonce"]
    token = granted(client.poll(auth_req_id, client.proof(nonce=nonce)))["access_token"]
    asked = client.userinfo(token, "DPoP", **client.proof("GET", "userinfo", token))
    [nonce] = asked.headers.get_list("dpop-nonce")
    with_nonce = client.proof("GET", "userinfo", token, nonce=nonce)

    assert refused(asked) == (401, "use_dpop_nonce")
    assert challenge_of(asked).startswith('DPoP error="use_dpop_nonce", algs="')
    assert client.userinfo(token, "DPoP", **with_nonce).status_code == 200

    key = ProofKey()
    token = own_token(own_nod, {"DPoP": proof(own_nod, key, "POST", "oauth/token", nonce=nonce)})
    bare = manage(own_nod, "clients", token, proof(own_nod, key, "GET", "api/v2/clients", token))
    [nonce] = bare.headers.get_list("dpop-nonce")
    good = proof(own_nod, key, "GET", "api/v2/clients", token, nonce=nonce)

    assert (bare.status_code, bare.json()["errorCode"]) == (401, "use_dpop_nonce")
    assert challenge_of(bare).startswith('DPoP error="use_dpop_nonce"')
    assert manage(own_nod, "clients", token, good).status_code == 200


def test_a_nonce_of_nobody_is_refused_where_none_is_asked_for(nod: Nod) -> None:
    """D056."""
    client = TokenClient(nod)
    answer = client.poll(client.approved(), client.proof(nonce="of-somebody-else"))

    assert refused(answer) == (400, "use_dpop_nonce")
    assert len(answer.headers.get_list("dpop-nonce")) == 1


# Where tokens are pushed


def test_what_is_pushed_is_bound_where_it_is_asked_for(nod: Nod) -> None:
    """D058, A175: the proof is for the backchannel authentication endpoint."""
    endpoint = "backchannel_client_notification_endpoint"
    client = TokenClient(
        nod, **BOUND, **{"backchannel_token_delivery_mode": "push", endpoint: "https://a.example/"}
    )
    form = {
        "scope": "openid",
        "binding_message": "Pay 10",
        "login_hint": nod.login_hint(client.user_id),
        "client_notification_token": "8d67dc78-7faa-4d41-aabd-67707b374255",
    }
    elsewhere, here = client.proof(), client.proof("POST", "bc-authorize")

    assert refused(client.post("bc-authorize", **form)) == INVALID_PROOF
    assert refused(client.post("bc-authorize", elsewhere, **form)) == INVALID_PROOF
    assert client.post("bc-authorize", here, **form).status_code == 200
    assert refused(client.post("bc-authorize", here, **form)) == INVALID_PROOF


# Public clients


def test_a_public_clients_refresh_token_is_bound_to_its_first_key(nod: Nod) -> None:
    """D054, D081: another key's holder, or nobody's, gets nothing and spoils nothing."""
    client = TokenClient(nod)
    refresh_token = client.tokens()["refresh_token"]
    make_public(nod, client.client_id)
    other = {"DPoP": proof(nod, ProofKey(), "POST", "oauth/token")}

    def refresh(headers: Headers) -> httpx2.Response:
        form = {"grant_type": REFRESH_TOKEN_GRANT, "refresh_token": refresh_token}
        form["client_id"] = client.client_id
        return nod.http.post("oauth/token", data=form, headers=headers)

    first = granted(refresh(client.proof()))
    assert first["refresh_token"] != refresh_token
    for headers in (other, {}):
        assert refused(refresh(headers), refresh_token) == (400, "invalid_grant")
    assert granted(refresh(client.proof()))["refresh_token"] == first["refresh_token"]


def make_public(nod: Nod, client_id: str) -> None:
    """As an administrator could not: who asks people is confidential (B001)."""
    with redis.Redis.from_url(nod.environ["NOD_REDIS_URL"]) as store:
        record: Any = store.hget(keys.CLIENTS, client_id)
        changed = json.loads(record) | {"token_endpoint_auth_method": "none"}
        store.hset(keys.CLIENTS, client_id, json.dumps(changed))
        store.publish(keys.CHANGES, f"{keys.CLIENTS} {client_id}")
    form = {"client_id": client_id, "token": "no-such-token"}
    wait_for(
        lambda: nod.http.post("oauth/revoke", data=form).status_code == 200, "the changed client"
    )


# The management API


def administrator(nod: Nod, **metadata: object) -> tuple[OAuthClient, dict[str, str]]:
    """A client that may read clients and users, and the form with which it gets its token."""
    client = nod.new_client(grant_types=[CLIENT_CREDENTIALS_GRANT, CIBA_GRANT], **metadata)
    audience = f"{nod.url}api/v2/"
    body = {
        "client_id": client.client_id,
        "audience": audience,
        "scope": ["read:clients", "read:users"],
    }
    assert nod.admin("POST", "client-grants", body).status_code == 201
    return client, {"grant_type": CLIENT_CREDENTIALS_GRANT, "audience": audience}


def own_token(nod: Nod, headers: Headers, **metadata: object) -> str:
    client, form = administrator(nod, **metadata)
    answer = nod.http.post("oauth/token", data=form, auth=client.basic, headers=headers)
    return str(granted(answer)["access_token"])


def manage(
    nod: Nod, path: str, token: str, proof_text: str | None = None, scheme: str = "DPoP"
) -> httpx2.Response:
    headers = {"Authorization": f"{scheme} {token}"}
    if proof_text is not None:
        headers["DPoP"] = proof_text
    return nod.http.get(f"api/v2/{path}", headers=headers)


def test_a_bound_token_manages_with_its_proof_alone(nod: Nod) -> None:
    """D055, T33: as at userinfo; the path of the proof is the one that was sent."""
    key, path = ProofKey(), "api/v2/clients"
    token = own_token(nod, {"DPoP": proof(nod, key, "POST", "oauth/token")})
    used = proof(nod, key, "GET", path, token)
    assert manage(nod, "clients", token, used).status_code == 200
    user = f"users/{nod.new_user().replace('|', '%7C')}"
    assert manage(nod, user, token, proof(nod, key, "GET", f"api/v2/{user}", token)).is_success

    for answer, error, scheme in (
        (manage(nod, "clients", token, scheme="Bearer"), "invalid_token", "Bearer"),
        (manage(nod, "clients", token), "invalid_dpop_proof", "DPoP"),
        (manage(nod, "clients", token, used), "invalid_dpop_proof", "DPoP"),
        (
            manage(nod, "clients", token, proof(nod, ProofKey(), "GET", path, token)),
            "invalid_token",
            "DPoP",
        ),
        (
            manage(nod, "clients", token, proof(nod, key, "GET", "api/v2/users", token)),
            "invalid_dpop_proof",
            "DPoP",
        ),
    ):
        assert (answer.status_code, answer.json()["errorCode"]) == (401, error)
        assert challenge_of(answer).startswith(f'{scheme} error="{error}"')


def test_an_unbound_token_does_not_pass_for_a_bound_one(nod: Nod) -> None:
    key = ProofKey()
    token = own_token(nod, {})
    answer = manage(nod, "clients", token, proof(nod, key, "GET", "api/v2/clients", token))

    assert (answer.status_code, answer.json()["errorCode"]) == (401, "invalid_token")
    assert manage(nod, "clients", token, scheme="Bearer").status_code == 200


# Certificates


def test_what_a_certificate_binds_needs_it_everywhere(equipped_nod: Nod) -> None:
    """D061, D062, D085: at userinfo, at a refresh and at the management API."""
    nod = equipped_nod
    own, other = (self_signed("bank", at=time.time()).client_cert for _ in range(2))
    client = TokenClient(nod, **CERTIFICATE_BOUND)
    token_set = client.tokens({"Client-Cert": own})
    token = token_set["access_token"]
    managing = own_token(nod, {"Client-Cert": own}, **CERTIFICATE_BOUND)

    assert token_set["token_type"] == "Bearer"
    assert client.introspect(token)["cnf"].keys() == {"x5t#S256"}
    assert refused(client.refresh(token_set["refresh_token"])) == (400, "invalid_request")
    assert client.userinfo(token, **{"Client-Cert": own}).status_code == 200
    for shown in ({}, {"Client-Cert": other}, {"Client-Cert": "x"}):
        assert refused(client.userinfo(token, **shown)) == (401, "invalid_token")
    for shown, status in (({"Client-Cert": own}, 200), ({}, 401), ({"Client-Cert": other}, 401)):
        headers = {"Authorization": f"Bearer {managing}", **shown}
        assert nod.http.get("api/v2/clients", headers=headers).status_code == status
