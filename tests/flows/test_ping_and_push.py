"""
Clients that are called back (CIBA 10.2, 10.3, 12): over TLS, by a worker, at an endpoint of theirs.

Their endpoints are on loopback, which this server is told to allow; the one that is not told so
refuses them, where they are registered and where they are called.
"""

import base64
import hashlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
import redis
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from consent.client import CIBA_GRANT
from consent.outbound.address import is_reachable
from consent.store import keys
from scripts.doubles.certificates import Certificates, write_certificates
from scripts.doubles.client_endpoint import PATH, Received
from tests.support import forgery
from tests.support.called_back import Asked, Endpoints, Listening, ask, paused
from tests.support.client_certificates import self_signed
from tests.support.held_polls import held_poll
from tests.support.nod import Nod, OAuthClient
from tests.support.redis_server import RedisServer
from tests.support.refusals import refusal_of

pytestmark = pytest.mark.xdist_group("called_back")
CLAIM = "urn:openid:params:jwt:claim:"
PUBLIC = "https://client.example/ciba"
PUSHED = {"auth_req_id", "access_token", "token_type", "id_token", "expires_in", "scope"}
MODES = ["ping", "push"]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return write_certificates(tmp_path_factory.mktemp("called_back_tls"))


@pytest.fixture(scope="module")
def endpoints(certificates: Certificates) -> Iterator[Endpoints]:
    started = Endpoints(certificates)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def calling(
    redis_server: RedisServer, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nod]:
    """A Nod that may call clients on loopback."""
    directory: Path = tmp_path_factory.mktemp("calling")
    nod = Nod(
        redis_server.database(10),
        directory,
        outbound_allowed_networks="127.0.0.0/8",
        outbound_ca_file=str(certificates.ca_file),
        trusted_proxies="127.0.0.1",
    )
    try:
        yield nod.start()
    finally:
        nod.stop()


def claims_of(nod: Nod, token: str, audience: str) -> dict[str, Any]:
    """Verified with the published keys."""
    published = jwt.PyJWKSet.from_dict(nod.http.get(".well-known/jwks.json").json())
    key = published[jwt.get_unverified_header(token)["kid"]]
    return dict(jwt.decode(token, key, ["ES256"], audience=audience, issuer=nod.url))


def left_half(token: str) -> str:
    """A172, of an ES256 ID token."""
    return b64url(hashlib.sha256(token.encode()).digest()[:16])


def b64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def error_of(asked: Asked) -> tuple[int, str]:
    status, error, _ = refusal_of(asked.nod.poll(asked.client, asked.auth_req_id))
    return status, error


def is_ping_of(asked: Asked, call: Received) -> bool:
    """A151: the auth_req_id and nothing else, in the client's own words for who calls."""
    return (
        (call.method, call.path) == ("POST", PATH)
        and call.headers["authorization"] == f"Bearer {asked.bearer_token}"
        and call.headers["content-type"] == "application/json"
        and json.loads(call.body) == {"auth_req_id": asked.auth_req_id}
    )


# Ping


def test_a_client_fetches_its_tokens_while_it_is_being_pinged(
    calling: Nod, endpoints: Endpoints
) -> None:
    """A150, A151, A157: what it is told of can be had when it is told."""
    with endpoints.listening() as endpoint:
        asked = ask(calling, endpoint.url, "ping")
        fetched = []
        endpoint.inside = lambda _: fetched.append(calling.poll(asked.client, asked.auth_req_id))
        asked.decide()
        call = endpoint.next()

        assert asked.acknowledged.keys() == {"auth_req_id", "expires_in", "interval"}
        assert is_ping_of(asked, call)
        [answer] = fetched
        assert answer.status_code == 200
        claims_of(calling, answer.json()["id_token"], asked.client.client_id)
        assert asked.calls_when_over() == [(1, "delivered", "HTTP_204")]
        assert endpoint.is_quiet()


def test_a_denial_is_pinged_too(calling: Nod, endpoints: Endpoints) -> None:
    """A150: the ping does not say which."""
    with endpoints.listening() as endpoint:
        asked = ask(calling, endpoint.url, "ping")
        asked.decide(accept=False)

        assert is_ping_of(asked, endpoint.next())
        assert error_of(asked) == (400, "access_denied")


def test_phones_that_are_gone_are_pinged_too(calling: Nod, endpoints: Endpoints) -> None:
    """The transaction has failed: the client need not wait for its end."""
    with endpoints.listening() as endpoint:
        asked = ask(calling, endpoint.url, "ping", push_token="unregistered-1")

        assert is_ping_of(asked, endpoint.next())
        assert error_of(asked) == (400, "access_denied")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (200, "delivered"),  # A153: with a body that is ignored
        (204, "delivered"),
        (302, "refused"),  # A154
        (307, "refused"),
        (400, "refused"),
        (401, "refused"),  # A155
        (403, "refused"),
        (404, "refused"),
        (429, "refused"),
    ],
)
def test_an_answer_ends_the_calls_and_leaves_the_tokens(
    calling: Nod, endpoints: Endpoints, answer: int, outcome: str
) -> None:
    """A153-A155: there is one call, nothing is followed, and the approval can be redeemed."""
    with endpoints.listening(answer) as endpoint:
        asked = ask(calling, endpoint.url, "ping")
        asked.decide()

        assert is_ping_of(asked, endpoint.next())
        assert asked.calls_when_over() == [(1, outcome, f"HTTP_{answer}")]
        assert endpoint.is_quiet()
        assert calling.poll(asked.client, asked.auth_req_id).status_code == 200


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("first", "reason"), [(500, "HTTP_500"), ("reset", "connection")])
def test_a_call_that_fails_for_now_is_repeated(
    calling: Nod, endpoints: Endpoints, mode: str, first: int | str, reason: str
) -> None:
    """A156: with the same octets, and every attempt is on record."""
    with endpoints.listening(first, 204) as endpoint:
        asked = ask(calling, endpoint.url, mode)
        asked.decide()
        calls = [endpoint.next(), endpoint.next()]

        assert calls[0].body == calls[1].body
        assert asked.calls_when_over() == [(1, "retry", reason), (2, "delivered", "HTTP_204")]
        assert endpoint.is_quiet()


def test_a_phone_does_not_wait_for_the_client(calling: Nod, endpoints: Endpoints) -> None:
    """A156: nor does the client itself, which may poll all the while."""
    with endpoints.listening("silent") as endpoint:
        asked = ask(calling, endpoint.url, "ping")
        since = time.monotonic()
        asked.decide()

        assert time.monotonic() - since < 1
        assert is_ping_of(asked, endpoint.next())
        assert calling.poll(asked.client, asked.auth_req_id).status_code == 200


def test_a_ping_client_may_poll_as_well(calling: Nod, endpoints: Endpoints) -> None:
    """A124: and who has fetched what there is, is not called any more."""
    with endpoints.listening() as endpoint:
        asked = ask(calling, endpoint.url, "ping")
        pending = error_of(asked)
        [worker] = calling.workers
        with paused(worker.pid):
            asked.decide()
            answer = calling.poll(asked.client, asked.auth_req_id)

        assert pending == (400, "authorization_pending")
        assert answer.status_code == 200
        assert asked.calls_when_over() == []
        assert endpoint.is_quiet()


def test_a_ping_client_may_poll_long(calling: Nod, endpoints: Endpoints) -> None:
    """A124, A125."""
    with endpoints.listening() as endpoint:
        asked = ask(calling, endpoint.url, "ping")
        with held_poll(calling, asked.client, asked.auth_req_id, "wait=30") as poll:
            asked.decide()

            assert poll.response().status == 200


def test_a_poll_client_is_never_called(calling: Nod, endpoints: Endpoints) -> None:
    """A026, A127: whatever it has registered and sends along."""
    with endpoints.listening() as endpoint:
        asked = ask(calling, endpoint.url, "poll")
        asked.decide()

        assert calling.poll(asked.client, asked.auth_req_id).status_code == 200
        assert asked.calls_when_over() == []
        assert endpoint.is_quiet()


def test_a_certificate_of_nobody_we_trust_is_not_spoken_to(
    calling: Nod, endpoints: Endpoints, tmp_path: Path
) -> None:
    """A152."""
    with endpoints.listening(certificates=write_certificates(tmp_path)) as endpoint:
        asked = ask(calling, endpoint.url, "ping")
        asked.decide()

        assert asked.calls_when_over() == [(1, "refused", "tls")]
        assert endpoint.is_quiet()
        assert calling.poll(asked.client, asked.auth_req_id).status_code == 200


# Push


def pushed(asked: Asked, endpoint: Listening) -> dict[str, Any]:
    call = endpoint.next()
    assert call.headers["authorization"] == f"Bearer {asked.bearer_token}"
    assert call.headers["content-type"] == "application/json"
    return dict(json.loads(call.body))


def test_tokens_are_pushed(calling: Nod, endpoints: Endpoints) -> None:
    """A170-A172, A177: without the grant, and with no interval to poll in."""
    with endpoints.listening() as endpoint:
        asked = ask(calling, endpoint.url, "push", grant_types=["refresh_token"])
        asked.decide()
        body = pushed(asked, endpoint)
        id_token = claims_of(calling, body["id_token"], asked.client.client_id)

        assert asked.acknowledged.keys() == {"auth_req_id", "expires_in"}
        assert body.keys() == PUSHED
        assert body["auth_req_id"] == asked.auth_req_id
        assert body["token_type"] == "Bearer"
        assert id_token["at_hash"] == left_half(body["access_token"])
        assert id_token[f"{CLAIM}auth_req_id"] == asked.auth_req_id
        assert f"{CLAIM}rt_hash" not in id_token
        access_token = claims_of(calling, body["access_token"], f"{calling.url}userinfo")
        assert "cnf" not in access_token
        userinfo = calling.http.get(
            "userinfo", headers={"Authorization": f"Bearer {body['access_token']}"}
        )
        assert userinfo.json()["sub"] == id_token["sub"]
        assert asked.calls_when_over() == [(1, "delivered", "HTTP_204")]
        record = asked.record()
        assert record["state"] == "redeemed"
        assert {"redeemed_at", "delivered_at"} <= record.keys()


def test_a_refresh_token_is_pushed_with_its_hash(calling: Nod, endpoints: Endpoints) -> None:
    """A171: and it is good for what a refresh token is good for."""
    with endpoints.listening() as endpoint:
        asked = ask(
            calling,
            endpoint.url,
            "push",
            scope="openid offline_access",
            grant_types=["refresh_token"],
        )
        asked.decide()
        body = pushed(asked, endpoint)
        id_token = claims_of(calling, body["id_token"], asked.client.client_id)
        refreshed = calling.http.post(
            "oauth/token",
            data={"grant_type": "refresh_token", "refresh_token": body["refresh_token"]},
            auth=asked.client.basic,
        )

        assert body.keys() == PUSHED | {"refresh_token"}
        assert id_token[f"{CLAIM}rt_hash"] == left_half(body["refresh_token"])
        assert refreshed.status_code == 200


def test_what_is_pushed_is_not_fetched(calling: Nod, endpoints: Endpoints) -> None:
    """A123: neither before nor after, with the grant or without."""
    with endpoints.listening() as endpoint:
        asked = ask(calling, endpoint.url, "push", grant_types=[CIBA_GRANT])
        before = error_of(asked)
        asked.decide()
        pushed(asked, endpoint)

        assert before == error_of(asked) == (400, "unauthorized_client")


@pytest.mark.parametrize(
    ("push_token", "error"), [(None, "access_denied"), ("unregistered-2", "transaction_failed")]
)
def test_what_went_wrong_is_pushed(
    calling: Nod, endpoints: Endpoints, push_token: str | None, error: str
) -> None:
    """A173."""
    with endpoints.listening() as endpoint:
        asked = ask(calling, endpoint.url, "push", push_token=push_token)
        if error == "access_denied":
            asked.decide(accept=False)
        body = pushed(asked, endpoint)

        assert body.keys() == {"auth_req_id", "error", "error_description"}
        assert (body["auth_req_id"], body["error"]) == (asked.auth_req_id, error)
        assert asked.calls_when_over() == [(1, "delivered", "HTTP_204")]


def proof(url: str, key: ec.EllipticCurvePrivateKey, jti: str) -> dict[str, str]:
    public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public}
    claims = {"jti": jti, "htm": "POST", "htu": url, "iat": int(time.time())}
    return {"DPoP": forgery.signed(header, claims, key)}


def test_pushed_tokens_are_bound_to_the_key_that_was_shown(
    calling: Nod, endpoints: Endpoints
) -> None:
    """A175, D058."""
    key = ec.generate_private_key(ec.SECP256R1())
    with endpoints.listening() as endpoint:
        shown = proof(f"{calling.url}bc-authorize", key, "one")
        asked = ask(calling, endpoint.url, "push", headers=shown, dpop_bound_access_tokens=True)
        asked.decide()
        body = pushed(asked, endpoint)
        claims = claims_of(calling, body["access_token"], f"{calling.url}userinfo")

        assert body["token_type"] == "DPoP"
        assert claims["cnf"] == {"jkt": thumbprint(key)}


def thumbprint(key: ec.EllipticCurvePrivateKey) -> str:
    """RFC 7638 3."""
    jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    required = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    text = json.dumps(required, sort_keys=True, separators=(",", ":"))
    return b64url(hashlib.sha256(text.encode()).digest())


def test_pushed_tokens_are_bound_to_the_certificate_that_was_shown(
    calling: Nod, endpoints: Endpoints
) -> None:
    """A175 (RFC 8705 3.1): by the proxy, when the request was made."""
    certificate = self_signed("client", at=time.time())
    with endpoints.listening() as endpoint:
        asked = ask(
            calling,
            endpoint.url,
            "push",
            headers={"Client-Cert": certificate.client_cert},
            tls_client_certificate_bound_access_tokens=True,
        )
        asked.decide()
        body = pushed(asked, endpoint)
        claims = claims_of(calling, body["access_token"], f"{calling.url}userinfo")

        assert body["token_type"] == "Bearer"
        assert claims["cnf"] == {"x5t#S256": b64url(hashlib.sha256(certificate.der).digest())}


@pytest.mark.parametrize("shown", ["nothing", "for another endpoint", "used before"])
def test_a_push_client_that_must_bind_its_tokens_shows_a_key(calling: Nod, shown: str) -> None:
    """D053, D058: it cannot be shown later."""
    key, here = ec.generate_private_key(ec.SECP256R1()), f"{calling.url}bc-authorize"
    headers = {
        "nothing": {},
        "for another endpoint": proof(f"{calling.url}oauth/token", key, "two"),
        "used before": proof(here, key, "three"),
    }[shown]
    client, user_id = push_client(calling, dpop_bound_access_tokens=True), calling.new_user()
    calling.new_phone(user_id)
    if shown == "used before":
        assert start(calling, client, user_id, headers).status_code == 200
    status, error, _ = refusal_of(start(calling, client, user_id, headers))

    assert (status, error) == (400, "invalid_dpop_proof")


def push_client(nod: Nod, **metadata: object) -> OAuthClient:
    return nod.new_client(
        backchannel_token_delivery_mode="push",
        backchannel_client_notification_endpoint=PUBLIC,
        **metadata,
    )


def start(nod: Nod, client: OAuthClient, user_id: str, headers: dict[str, str]) -> Any:  # noqa: ANN401
    form = {
        "scope": "openid",
        "binding_message": "Pay 10",
        "login_hint": nod.login_hint(user_id),
        "client_notification_token": "t" * 32,
    }
    return nod.http.post("bc-authorize", data=form, auth=client.basic, headers=headers)


# Workers that die


@pytest.mark.parametrize("mode", MODES)
def test_a_worker_that_dies_before_the_call_costs_nothing(
    calling: Nod, endpoints: Endpoints, mode: str
) -> None:
    """A157, T1 of the outbox: what is owed is found by the next."""
    [worker] = calling.workers
    with endpoints.listening() as endpoint:
        asked = ask(calling, endpoint.url, mode)
        worker.kill()
        asked.decide()
        worker.start()
        endpoint.next()

        assert asked.calls_when_over() == [(1, "delivered", "HTTP_204")]
        assert endpoint.is_quiet()


@pytest.mark.parametrize("mode", MODES)
def test_a_worker_that_dies_in_the_call_has_it_made_again(
    calling: Nod, endpoints: Endpoints, mode: str
) -> None:
    """The same octets, and so the same tokens: there is one token set (I4)."""
    [worker] = calling.workers
    with endpoints.listening("silent", 204) as endpoint:
        asked = ask(calling, endpoint.url, mode)
        asked.decide()
        first = endpoint.next()
        worker.kill()
        asked.make_due()
        worker.start()
        second = endpoint.next()

        assert first.body == second.body
        assert asked.calls_when_over() == [(2, "delivered", "HTTP_204")]


# What a client sends and registers


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("token", "description"),
    [
        (None, "client_notification_token is missing"),  # A023
        ("t" * 1_025, "client_notification_token is too long or no bearer token"),  # A024
        ("two words", "client_notification_token is too long or no bearer token"),
        ("a,b", "client_notification_token is too long or no bearer token"),
        ("=", "client_notification_token is too long or no bearer token"),
        ("a=b", "client_notification_token is too long or no bearer token"),
        ("caf\u00e9", "client_notification_token is too long or no bearer token"),
    ],
)
def test_a_client_says_how_it_knows_the_call(
    calling: Nod, mode: str, token: str | None, description: str
) -> None:
    client, user_id = notified_client(calling, mode), calling.new_user()
    parameters = {} if token is None else {"client_notification_token": token}
    answer = calling.start_request(client, user_id, **parameters)

    assert refusal_of(answer, *([token] if token and len(token) > 1 else [])) == (
        400,
        "invalid_request",
        description,
    )


@pytest.mark.parametrize("token", ["t" * 1_024, "aA0-._~+/" * 3 + "==", "short"])
def test_a_bearer_token_of_any_strength_is_taken(calling: Nod, token: str) -> None:
    """A024, A025: 1024 characters too; how strong it is, is the client's own matter."""
    client, user_id = notified_client(calling, "ping"), calling.new_user()
    calling.new_phone(user_id)
    answer = calling.start_request(client, user_id, client_notification_token=token)

    assert answer.status_code == 200


def notified_client(nod: Nod, mode: str) -> OAuthClient:
    return nod.new_client(
        backchannel_token_delivery_mode=mode, backchannel_client_notification_endpoint=PUBLIC
    )


NOT_PUBLIC = "has a host that is not public"
MALFORMED = "has a malformed host or port"


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("http://client.example/", "must be https"),  # A152, A184
        ("ftp://client.example/", "must be https"),
        ("file:///etc/passwd", "must be https"),
        ("https://127.0.0.1/", NOT_PUBLIC),
        ("https://127.8.8.8/", NOT_PUBLIC),
        ("https://0.0.0.0/", NOT_PUBLIC),
        ("https://10.0.0.1/", NOT_PUBLIC),
        ("https://172.16.0.1/", NOT_PUBLIC),
        ("https://192.168.1.1/", NOT_PUBLIC),
        ("https://100.64.0.1/", NOT_PUBLIC),
        ("https://169.254.169.254/latest/meta-data", NOT_PUBLIC),
        ("https://224.0.0.1/", NOT_PUBLIC),
        ("https://255.255.255.255/", NOT_PUBLIC),
        ("https://[::1]/", NOT_PUBLIC),
        ("https://[::]/", NOT_PUBLIC),
        ("https://[::ffff:127.0.0.1]/", NOT_PUBLIC),
        ("https://[::ffff:7f00:1]/", NOT_PUBLIC),
        ("https://[::127.0.0.1]/", NOT_PUBLIC),
        ("https://[64:ff9b::7f00:1]/", NOT_PUBLIC),
        ("https://[2002:7f00:1::]/", NOT_PUBLIC),
        ("https://[fe80::1]/", NOT_PUBLIC),
        ("https://[fc00::1]/", NOT_PUBLIC),
        ("https://localhost/", NOT_PUBLIC),
        ("https://LOCALHOST/", NOT_PUBLIC),
        ("https://client.localhost/", NOT_PUBLIC),
        ("https://metadata.google.internal/", NOT_PUBLIC),
        ("https://2130706433/", MALFORMED),
        ("https://0x7f000001/", MALFORMED),
        ("https://0177.0.0.1/", MALFORMED),
        ("https://127.1/", MALFORMED),
        ("https://127.0.0.1./", MALFORMED),
        ("https://localhost./", MALFORMED),
        ("https://client.example:0/", MALFORMED),
        ("https://client.example:6379/", "has a port that is not allowed"),
        ("https://user@client.example/", "names a user"),
        ("https://client.example@127.0.0.1/", "names a user"),
        ("https://client.example\\@127.0.0.1/", "has a character that no URL has"),
        ("https://client.example/#fragment", "has a fragment"),
    ],
)
def test_an_endpoint_that_is_not_in_public_is_not_registered(
    nod: Nod, endpoint: str, reason: str
) -> None:
    """A158, T18: by a server that was not told to allow it."""
    answer = nod.admin(
        "POST",
        "clients",
        {
            "name": "Example bank",
            "grant_types": [CIBA_GRANT],
            "backchannel_token_delivery_mode": "ping",
            "backchannel_client_notification_endpoint": endpoint,
        },
    )

    assert (answer.status_code, answer.json()["errorCode"]) == (400, "invalid_body")
    assert answer.json()["message"] == (
        f"Payload validation error: 'The URL {reason}' on property "
        "backchannel_client_notification_endpoint."
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "a name"])
def test_an_endpoint_that_is_not_in_public_is_not_called(nod: Nod, mode: str, host: str) -> None:
    """A158, T18: though it stands in the client's record, or its name has come to lead there."""
    name = socket.gethostname()
    if host == "a name":
        found = {str(address[0]) for *_, address in socket.getaddrinfo(name, 443)}
        if any(is_reachable(address, ()) for address in found):
            pytest.skip("the name of this machine leads to the public")
    client = notified_client(nod, mode)
    lead_to(nod, client, f"https://{name if host == 'a name' else host}/ciba")
    user_id = nod.new_user()
    phone = nod.new_phone(user_id)
    auth_req_id = nod.accepted(client, user_id, client_notification_token="t" * 32)
    asked = Asked(nod, client, phone, auth_req_id, "t" * 32, {})
    asked.decide()

    reason = "forbidden_address" if host == "a name" else "forbidden_url"
    assert asked.calls_when_over() == [(1, "refused", reason)]


def lead_to(nod: Nod, client: OAuthClient, endpoint: str) -> None:
    """As no registration would have it."""
    with redis.Redis.from_url(nod.environ["NOD_REDIS_URL"]) as database:
        stored = database.hget(keys.CLIENTS, client.client_id)
        assert isinstance(stored, bytes)
        record = msgspec.json.decode(stored)
        record["backchannel_client_notification_endpoint"] = endpoint
        database.hset(keys.CLIENTS, client.client_id, msgspec.json.encode(record))
        database.publish(keys.CHANGES, f"{keys.CLIENTS} {client.client_id}")


def test_what_a_client_is_called_with_is_in_no_log(calling: Nod, endpoints: Endpoints) -> None:
    """A159: of all that was called here, and of one more."""
    with endpoints.listening() as endpoint:
        asked = ask(calling, endpoint.url, "push")
        asked.decide()
        body = pushed(asked, endpoint)
        asked.calls_when_over()
    logs = calling.logs()

    assert asked.consent_id in logs
    for secret in (asked.bearer_token, asked.auth_req_id, body["access_token"], body["id_token"]):
        assert secret not in logs
