"""
Who may ask: every method at every endpoint, and everybody who is not believed.

The endpoints' own questions, and what a client that is known hears, are in
tests/support/authentication.py.
"""

import base64
import concurrent.futures
import json
import re
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
import redis

from consent import policy
from consent.client import ASSERTION_TYPE
from scripts.doubles.certificates import write_certificates
from scripts.embedded_redis import free_port
from tests.support import forgery
from tests.support.authentication import (
    FAILED,
    METHODS,
    QUESTIONS,
    AnyMethodClient,
    Offer,
    ask,
    by_assertion,
    by_header,
    is_known,
)
from tests.support.client_certificates import self_signed
from tests.support.domain import an_ec_key
from tests.support.equipped import authority
from tests.support.key_host import Answer, KeyHost
from tests.support.nod import CIBA, Nod, Process, answers, wait_for
from tests.support.provider import Provider, tell
from tests.support.raw_http import Client, Response
from tests.support.redis_server import RedisServer
from tests.support.refusals import refusal_of
from tests.support.signing_client import FAPI, KID, REQUEST_ALG, a_stranger, public_jwk
from tests.support.token_client import TokenClient

MTLS_BASE = "https://mtls.nod.example.com/"
QUESTION = QUESTIONS["oauth/introspect"]
BASIC = 'Basic realm="nod"'
TWO_WAYS = (
    (400, "invalid_request", "Client credentials are in the header and in the body"),
    (400, "invalid_request", "Client credentials are offered in two ways"),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis to be taken away."""
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Hosts"]:
    directory = tmp_path_factory.mktemp("hosts")
    certificates = write_certificates(directory)
    both = Hosts(KeyHost(certificates), KeyHost(certificates), certificates.ca_file)
    yield both
    both.one.stop()
    both.silent.stop()


class Hosts(NamedTuple):
    """Of two clients; one of them hears and says nothing."""

    one: KeyHost
    silent: KeyHost
    ca_file: Path


@pytest.fixture(scope="module")
def twin(
    store: RedisServer, hosts: Hosts, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Twin"]:
    directory = tmp_path_factory.mktemp("twin")
    authorities = directory / "clients.pem"
    authorities.write_bytes(authority().pem)
    nod = Nod(
        store.url,
        directory,
        client_certificate_ca_file=str(authorities),
        trusted_proxies="127.0.0.1",
        mtls_base_url=MTLS_BASE,
        outbound_allowed_networks="127.0.0.0/8",
        outbound_ca_file=str(hosts.ca_file),
        person_requests_per_minute_max="1000",
        person_open_requests_max="1000",
    )
    port = free_port()
    environ = nod.environ | {"NOD_PORT": str(port), "NOD_ISSUER": nod.url}
    second = Process("api", environ, directory / "second.log")
    try:
        nod.start()
        second.start()
        other_url = f"http://127.0.0.1:{port}/"
        wait_for(lambda: answers(other_url + "readyz"), "the second API")
        yield Twin(nod, other_url, Rotating(nod, hosts.one))
    finally:
        second.kill()
        nod.stop()


class Rotating:
    """A client whose keys are at its own host, and were asked for long before they change."""

    path = "/rotating"

    def __init__(self, nod: Nod, host: KeyHost) -> None:
        self.host = host
        jwks_uri = host.serve(self.path, public_jwk(an_ec_key()) | {"kid": KID})
        self.client = AnyMethodClient(nod, "private_key_jwt", jwks_uri=jwks_uri)
        assert is_known(self.client.asks())


class Twin(NamedTuple):
    """One Nod of two API processes."""

    nod: Nod
    other_url: str
    rotating: Rotating


# Every method, and only the one registered


@pytest.mark.parametrize("method", METHODS)
def test_a_client_asks_and_polls_and_asks_about_tokens_by_its_method(
    twin: Twin, method: str
) -> None:
    """A003: at every endpoint, and at both names of the token endpoint."""
    client, user_id = AnyMethodClient(twin.nod, method), twin.nod.new_user()
    phone = twin.nod.new_phone(user_id)

    def post(path: str, **form: str) -> httpx2.Response:
        offer = client.offer()
        return twin.nod.http.post(path, data={**form, **offer.form}, headers=offer.headers)

    def asked() -> str:
        form = {"scope": "openid offline_access", "binding_message": "x", "login_hint": user_id}
        return str(post("bc-authorize", **form).json()["auth_req_id"])

    first, second = asked(), asked()
    pending = post("oauth/token", grant_type=CIBA, auth_req_id=first)
    for notification in phone.pending():
        phone.resolve(notification, accept=True)
    token_sets = [
        post(path, grant_type=CIBA, auth_req_id=auth_req_id).json()
        for path, auth_req_id in (("oauth/token", first), ("token", second))
    ]
    seen = post("oauth/introspect", token=token_sets[0]["access_token"]).json()
    revoked = post("oauth/revoke", token=token_sets[0]["refresh_token"])
    unseen = post("oauth/introspect", token=token_sets[0]["access_token"]).json()

    assert pending.json()["error"] == "authorization_pending"
    assert (seen["active"], seen["client_id"]) == (True, client.client_id)
    assert (revoked.status_code, revoked.content) == (200, b"")
    assert unseen == {"active": False}
    refreshed = post(
        "token", grant_type="refresh_token", refresh_token=token_sets[1]["refresh_token"]
    )
    assert refreshed.json()["scope"] == "openid offline_access"


OFFERED = (*METHODS, "none")
SECRETS = {"client_secret_basic", "client_secret_post"}


@pytest.mark.parametrize("endpoint", QUESTIONS)
@pytest.mark.parametrize("registered", OFFERED)
def test_only_the_method_registered_counts(twin: Twin, registered: str, endpoint: str) -> None:
    """A004: of proofs that all are right; but the two ways of sending a secret are as one."""
    client = AnyMethodClient(twin.nod, registered)
    counts = SECRETS if registered in SECRETS else {registered}
    if registered == "none":  # believed without a proof, where that is enough: B001, D021
        counts = {"none", *METHODS[4:]} if endpoint == "oauth/revoke" else set()

    known = {
        method
        for method in OFFERED
        if is_known(client.asks(client.offer(method), endpoint), endpoint)
    }

    assert known == counts


@pytest.mark.parametrize("endpoint", QUESTIONS)
def test_nobody_learns_who_is_registered(twin: Twin, endpoint: str) -> None:
    """A004: an unknown client's refusal is a known one's, to the octet."""
    client = AnyMethodClient(twin.nod, "client_secret_post")
    strangers = AnyMethodClient(twin.nod, "private_key_jwt")
    strangers.client_id = "nobody"
    client.secret = "wrong"
    for method in METHODS:
        known, unknown = (it.asks(it.offer(method), endpoint) for it in (client, strangers))

        assert known.content == unknown.content
        assert refusal_of(unknown, "nobody") == FAILED
    alone = [
        ask(twin.nod, Offer({"client_id": it.client_id}), endpoint) for it in (client, strangers)
    ]
    assert alone[0].content == alone[1].content
    assert refusal_of(alone[0]) == FAILED


@pytest.mark.parametrize("endpoint", QUESTIONS)
def test_who_shows_nothing_is_told_so(twin: Twin, endpoint: str) -> None:
    expected = 401, "invalid_client", "Client authentication is missing"

    for form in ({}, {"client_assertion_type": ASSERTION_TYPE}, {"client_secret": "x"}):
        answer = ask(twin.nod, Offer(form), endpoint)
        assert refusal_of(answer) == expected
        assert "www-authenticate" not in answer.headers


def test_an_authorization_header_is_answered_with_its_scheme(twin: Twin) -> None:
    """A005 (RFC 6749 5.2): and nothing else is, or browsers would ask for a password."""
    client = AnyMethodClient(twin.nod, "client_secret_basic")
    wrong = client.asks(by_header(client.client_id, "wrong"))
    assert (refusal_of(wrong, "wrong"), wrong.headers["www-authenticate"]) == (FAILED, BASIC)

    client.secret = "wrong"
    for method in (*METHODS[1:], "none"):
        answer = client.asks(client.offer(method))
        assert (refusal_of(answer), "www-authenticate" in answer.headers) == (FAILED, False)


@pytest.mark.parametrize("endpoint", QUESTIONS)
def test_two_methods_in_one_request_are_none(twin: Twin, endpoint: str) -> None:
    """A006 (RFC 6749 2.3): both of them right, for what each of them is."""
    for registered in ("client_secret_basic", "private_key_jwt"):
        client = AnyMethodClient(twin.nod, registered)
        basic, post, jwt = (
            client.offer(it)
            for it in ("client_secret_basic", "client_secret_post", "private_key_jwt")
        )
        for one, other in ((basic, post), (basic, jwt), (post, jwt)):
            assert refusal_of(client.asks(one.and_also(other), endpoint)) in TWO_WAYS
        assert refusal_of(client.asks(basic.and_also(post).and_also(jwt), endpoint)) in TWO_WAYS


def test_a_certificate_beside_a_secret_is_not_a_second_method(twin: Twin) -> None:
    """RFC 8705 3: it may be there for its tokens to be bound to."""
    for registered in METHODS[:4]:
        client = AnyMethodClient(twin.nod, registered)
        shown = client.offer("self_signed_tls_client_auth")
        assert is_known(client.asks(client.offer().and_also(Offer({}, shown.headers))))
        # The other way round the certificate does not help a wrong secret.
        certified = AnyMethodClient(twin.nod, "self_signed_tls_client_auth")
        both = certified.offer().and_also(certified.offer(registered))
        assert not is_known(certified.asks(both))


@pytest.mark.parametrize("endpoint", QUESTIONS)
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_jwt", "private_key_jwt"])
def test_the_client_id_beside_a_proof_is_its_own(twin: Twin, method: str, endpoint: str) -> None:
    """A008, B014: and may be there."""
    client, other = (AnyMethodClient(twin.nod, method) for _ in range(2))

    def asks(client_id: str) -> httpx2.Response:
        return client.asks(client.offer().and_also(Offer({"client_id": client_id})), endpoint)

    assert is_known(asks(client.client_id), endpoint)
    for another in (other.client_id, client.client_id.upper(), f"{client.client_id} "):
        refused = asks(another)
        assert refusal_of(refused, another) == FAILED
        assert ("www-authenticate" in refused.headers) is (method == "client_secret_basic")


# Certificates


def test_a_certificate_is_the_one_registered(twin: Twin) -> None:
    """D060: by whom it was issued and to whom, or by what it is."""
    issued, own = (AnyMethodClient(twin.nod, method) for method in METHODS[4:])
    name = issued.issued_certificate.certificate.extensions[0]
    now = time.time()
    of_another = AnyMethodClient(twin.nod, "tls_client_auth").issued_certificate
    forged = self_signed("bank", (name.value, False), at=now)
    expired = authority().issue("bank", (name.value, False), at=now - 86_400)
    wrong = {
        issued: [of_another, forged, expired, issued.own_certificate],
        own: [own.issued_certificate, self_signed("bank", at=now), issued.issued_certificate],
    }
    for client, certificates in wrong.items():
        for certificate in certificates:
            for header in (certificate.client_cert, certificate.escaped):
                assert not is_known(client.asks(client.by_certificate(header)))
    for client, certificate in ((issued, issued.issued_certificate), (own, own.own_certificate)):
        for header in (certificate.client_cert, certificate.escaped):
            assert is_known(client.asks(client.by_certificate(header)))


HEADERS = ["", ":", "::", ":!:", ":AAAA:", "x", "-----BEGIN", "%", "%00", "A" * 8_000, "\xe9"]


@pytest.mark.parametrize("header", HEADERS, ids=lambda text: repr(text[:12]))
def test_a_header_that_holds_no_certificate_is_nobodys_proof(twin: Twin, header: str) -> None:
    for method in METHODS[4:]:
        client = AnyMethodClient(twin.nod, method)
        offer = client.by_certificate(header)
        answer = twin.nod.http.post(
            "oauth/introspect",
            data={**QUESTION, **offer.form},
            headers={b"Client-Cert": header.encode("latin-1")},
        )
        assert refusal_of(answer) == FAILED


def test_a_repeated_certificate_header_is_refused(twin: Twin) -> None:
    client = AnyMethodClient(twin.nod, "self_signed_tls_client_auth")
    header = ("Client-Cert", client.own_certificate.client_cert)
    form = QUESTION | {"client_id": client.client_id}
    answer = twin.nod.http.post("oauth/introspect", data=form, headers=[header, header])

    assert refusal_of(answer) == (400, "invalid_request", "A header is repeated")


@pytest.mark.parametrize("networks", ["", "10.0.0.0/8, ::1"])
def test_a_certificate_header_of_anybody_else_is_nothing(
    redis_server: RedisServer, networks: str
) -> None:
    """D064: of no proxy at all, and of one whose address is not the one trusted."""

    async def story(nod: Provider) -> None:
        shown = self_signed("bank", at=time.time())
        jwk = public_jwk(shown.key) | {"x5c": shown.x5c}
        client = await nod.client(
            token_endpoint_auth_method="self_signed_tls_client_auth",
            jwks={"keys": [jwk]},
        )
        for endpoint, question in QUESTIONS.items():
            answer = await nod.http.post(
                endpoint,
                data=question | {"client_id": client.client_id},
                headers={"Client-Cert": shown.client_cert, "X-Forwarded-For": "10.0.0.1"},
            )
            assert refusal_of(answer) == FAILED

    tell(redis_server.url, story, trusted_proxies=networks)


# Assertions


@pytest.fixture(scope="module")
def signer(twin: Twin) -> AnyMethodClient:
    return AnyMethodClient(twin.nod, "private_key_jwt")


def aud_of(nod: Nod) -> dict[str, tuple[object, bool, bool]]:
    """X01, D075: an audience, and whether it is right for a strict and for a lenient profile."""
    issuer = nod.url
    return {
        "the issuer": (issuer, True, True),
        "the issuer alone": ([issuer], True, True),
        "the issuer without its slash": (issuer[:-1], False, False),
        "the issuer in capitals": (issuer.upper(), False, False),
        "the issuer and something": (f"{issuer}x", False, False),
        "this endpoint": (f"{issuer}oauth/introspect", False, True),
        "the token endpoint": (f"{issuer}oauth/token", False, True),
        "the token endpoint's other name": (f"{issuer}token", False, True),
        "bc-authorize": (f"{issuer}bc-authorize", False, True),
        "the revocation endpoint": (f"{issuer}oauth/revoke", False, True),
        "an alias of bc-authorize": (f"{MTLS_BASE}bc-authorize", False, True),
        "an alias of the token endpoint": (f"{MTLS_BASE}oauth/token", False, True),
        "an endpoint where nobody authenticates": (f"{issuer}userinfo", False, False),
        "the base of the aliases": (MTLS_BASE, False, False),
        "the issuer among others": ([issuer, "https://other.example/"], False, True),
        "an endpoint alone": ([f"{issuer}bc-authorize"], False, True),
        "others": (["https://other.example/"], False, False),
        "nobody": ([], False, False),
        "none": (None, False, False),
        "a number": (1, False, False),
        "numbers": ([1], False, False),
        "an object": ({"aud": issuer}, False, False),
        "a list in a list": ([[issuer]], False, False),
        "empty": ("", False, False),
    }


PROFILES: dict[str, dict[str, object]] = {
    "standard": {},
    "auth0": {"profile": "auth0"},
    "fapi-ciba": FAPI | {REQUEST_ALG: "ES256"},
}


@pytest.mark.parametrize("profile", PROFILES)
def test_an_assertion_is_meant_for_the_issuer(twin: Twin, profile: str) -> None:
    """X01, A007: or for an endpoint, where the profile is lenient."""
    client = AnyMethodClient(twin.nod, "private_key_jwt", **PROFILES[profile])
    lenient = profile == "fapi-ciba"

    wrong = [
        name
        for name, (aud, strict_is_right, lenient_is_right) in aud_of(twin.nod).items()
        if is_known(client.asks(by_assertion(client.assertion(aud=aud))))
        is not (lenient_is_right if lenient else strict_is_right)
    ]

    assert wrong == []


@pytest.mark.parametrize("method", ["client_secret_jwt", "private_key_jwt"])
@pytest.mark.parametrize("endpoint", QUESTIONS)
def test_a_strict_audience_is_the_same_at_every_endpoint(
    twin: Twin, endpoint: str, method: str
) -> None:
    client = AnyMethodClient(twin.nod, method)

    def asks(aud: object) -> httpx2.Response:
        claims = client.claims(aud=aud)
        text = (
            forgery.hs256({"alg": "HS256"}, claims, client.secret.encode())
            if method == "client_secret_jwt"
            else forgery.signed({"alg": "ES256"}, claims, client.key)
        )
        return client.asks(by_assertion(text), endpoint)

    assert is_known(asks(twin.nod.url), endpoint)
    assert refusal_of(asks(twin.nod.url + endpoint)) == FAILED
    assert refusal_of(asks([twin.nod.url, twin.nod.url + endpoint])) == FAILED


NOW = time.time
HOUR = policy.CLIENT_ASSERTION_LIFE_SECONDS_MAX
SKEW = policy.CLOCK_SKEW_SECONDS
MARGIN = 30  # seconds that a test may take from its claims to their check
CLAIMS: dict[str, tuple[Callable[[], dict[str, object]], bool]] = {
    "as it should be": (dict, True),
    "D071 no iat": (lambda: {"iat": None}, True),
    "D071 another iss": (lambda: {"iss": "another"}, False),
    "D071 no iss": (lambda: {"iss": None}, False),
    "D071 no sub": (lambda: {"sub": None}, False),
    "D071 a sub of another type": (lambda: {"sub": 1}, False),
    "D071 an unknown sub": (lambda: {"sub": "nobody"}, False),
    "D071 an empty sub": (lambda: {"sub": ""}, False),
    "D071 half a surrogate pair": (lambda: {"sub": "\ud800"}, False),
    "D071 a sub of NUL": (lambda: {"sub": "\0"}, False),
    "D071 a long sub": (lambda: {"sub": "a" * 8_000}, False),
    "D071 no exp": (lambda: {"exp": None}, False),
    "D071 an exp past and forgiven": (lambda: {"exp": int(NOW()) - SKEW + MARGIN}, True),
    "D071 an exp past": (lambda: {"exp": int(NOW()) - SKEW - 1}, False),
    "D071 an exp an hour ahead": (lambda: {"exp": int(NOW()) + HOUR}, True),
    "D071 an exp far ahead": (lambda: {"exp": int(NOW()) + HOUR + SKEW + MARGIN}, False),
    "D071 an exp of words": (lambda: {"exp": "soon"}, False),
    "D071 an infinite exp": (lambda: {"exp": 10**400}, False),
    "D071 an nbf to come": (lambda: {"nbf": int(NOW()) + SKEW + MARGIN}, False),
    "D071 an nbf of now": (lambda: {"nbf": int(NOW())}, True),
    "B018 an iat to come": (lambda: {"iat": int(NOW()) + SKEW + MARGIN}, False),
    "B018 an iat 10 s ahead": (lambda: {"iat": int(NOW()) + 10}, True),
    "D072 no jti": (lambda: {"jti": None}, False),
    "D072 an empty jti": (lambda: {"jti": ""}, False),
    "D072 a jti of another type": (lambda: {"jti": 1}, False),
    "D072 a jti too long": (lambda: {"jti": "a" * 256}, False),
    "A081 a request object": (lambda: {"login_hint": "nobody"}, False),
}


@pytest.mark.parametrize(("changes", "right"), CLAIMS.values(), ids=CLAIMS)
@pytest.mark.parametrize("method", ["client_secret_jwt", "private_key_jwt"])
def test_an_assertion_has_its_claims(
    twin: Twin, method: str, changes: Callable[[], dict[str, object]], right: bool
) -> None:
    client = AnyMethodClient(twin.nod, method)
    claims = client.claims(**changes())
    text = (
        forgery.hs256({"alg": "HS256"}, claims, client.secret.encode())
        if method == "client_secret_jwt"
        else forgery.signed({"alg": "ES256"}, claims, client.key)
    )

    assert is_known(client.asks(by_assertion(text))) is right


TYPES: dict[object, bool] = {
    "JWT": True,
    "jwt": True,
    "client-authentication+jwt": True,
    "Client-Authentication+JWT": True,
    "oauth-authz-req+jwt": False,
    "at+jwt": False,
    "dpop+jwt": False,
    "": False,
    1: False,
    None: False,
}


@pytest.mark.parametrize(("typ", "right"), TYPES.items(), ids=repr)
def test_an_assertion_is_of_its_type(signer: AnyMethodClient, typ: object, right: bool) -> None:
    """D076."""
    assert is_known(signer.asks(by_assertion(signer.assertion({"typ": typ})))) is right


@pytest.mark.parametrize(
    "assertion_type",
    [
        None,
        "",
        ASSERTION_TYPE.upper(),
        f"{ASSERTION_TYPE} ",
        ASSERTION_TYPE.replace("jwt", "saml2"),
    ],
)
def test_the_type_of_an_assertion_is_the_one_there_is(
    signer: AnyMethodClient, assertion_type: str | None
) -> None:
    """D070."""
    form = {"client_assertion": signer.assertion()}
    if assertion_type is not None:
        form["client_assertion_type"] = assertion_type

    assert refusal_of(signer.asks(Offer(form)), form["client_assertion"]) == FAILED


FORGERIES: dict[str, Callable[[AnyMethodClient], str]] = {
    "by a stranger": lambda it: forgery.signed(
        {"alg": "ES256", "kid": KID}, it.claims(), a_stranger("ES256")
    ),
    "by a stranger whose key is in the header (T9)": lambda it: forgery.signed(
        {"alg": "ES256", "jwk": public_jwk(a_stranger("ES256"))}, it.claims(), a_stranger("ES256")
    ),
    "unsigned": lambda it: forgery.unsigned({"alg": "none"}, it.claims()),
    "unsigned in capitals": lambda it: forgery.unsigned({"alg": "NONE"}, it.claims()),
    "a MAC of the secret": lambda it: forgery.hs256(
        {"alg": "HS256"}, it.claims(), it.secret.encode()
    ),
    "a MAC of the public key (T13)": lambda it: forgery.hs256(
        {"alg": "HS256", "kid": KID},
        it.claims(),
        json.dumps(public_jwk(it.key) | {"kid": KID}).encode(),
    ),
    "a MAC of nothing": lambda it: forgery.hs256({"alg": "HS256"}, it.claims(), b""),
    "a crit nobody knows": lambda it: forgery.signed(
        {"alg": "ES256", "crit": ["x"], "x": 1}, it.claims(), it.key
    ),
    "an unknown kid": lambda it: forgery.signed(
        {"alg": "ES256", "kid": "another"}, it.claims(), it.key
    ),
    "another algorithm in its header": lambda it: forgery.signed(
        {"alg": "PS256", "kid": KID}, it.claims(), it.key
    ),
    "a sub twice": lambda it: forgery.signed(
        {"alg": "ES256"}, json.dumps(it.claims())[:-1] + f', "sub": "{it.client_id}"}}', it.key
    ),
    "not a number": lambda it: forgery.signed(
        {"alg": "ES256"}, json.dumps(it.claims())[:-1] + ', "x": NaN}', it.key
    ),
    "deep": lambda it: forgery.signed(
        {"alg": "ES256"},
        json.dumps(it.claims())[:-1] + f', "x": {"[" * 5_000}{"]" * 5_000}}}',
        it.key,
    ),
    "claims that are no object": lambda it: forgery.signed({"alg": "ES256"}, [it.claims()], it.key),
    "two signatures": lambda it: it.assertion() + ".x",
    "a part missing": lambda it: it.assertion().rpartition(".")[0],
    "as long as there may be": lambda it: it.assertion()[:-1].ljust(16_384, "A"),
    "other letters": lambda it: it.assertion() + "\xe9",
    "no base64": lambda it: it.assertion().replace("e", "!"),
    "short": lambda it: it.client_id,
}


@pytest.mark.parametrize("method", ["client_secret_jwt", "private_key_jwt"])
@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES)
def test_a_forgery_is_nobodys_proof(
    twin: Twin, method: str, forged: Callable[[AnyMethodClient], str]
) -> None:
    client = AnyMethodClient(twin.nod, method)
    if method == "client_secret_jwt" and forged is FORGERIES["a MAC of the secret"]:
        client.secret = client.secret[:-1]
    text = forged(client)

    assert refusal_of(client.asks(by_assertion(text)), text) == FAILED


@pytest.mark.parametrize(
    ("alg", "right"),
    [("HS256", True), ("HS384", False), ("HS512", False)],
)
def test_a_mac_is_by_the_algorithm_registered(twin: Twin, alg: str, right: bool) -> None:
    """HS256 unless it is another."""
    client = AnyMethodClient(
        twin.nod, "client_secret_jwt", token_endpoint_auth_signing_alg="HS256" if right else alg
    )

    assert is_known(client.asks()) is right


def test_a_secret_that_was_replaced_signs_no_more(twin: Twin) -> None:
    client = AnyMethodClient(twin.nod, "client_secret_jwt")
    assert is_known(client.asks())
    old = client.offer()

    rotated = twin.nod.admin("POST", f"clients/{client.client_id}/rotate-secret")
    client.secret = rotated.json()["client_secret"]

    wait_for(lambda: is_known(client.asks()), "the new secret")
    assert not is_known(client.asks(old))


def test_a_record_without_its_secret_authenticates_nobody(twin: Twin) -> None:
    """What somebody changed by hand, or a sealed secret of another installation: 401."""
    client = AnyMethodClient(twin.nod, "client_secret_post")
    client.change_record(token_endpoint_auth_method="client_secret_jwt")
    wait_for(lambda: not is_known(client.asks()), "the change")

    assert refusal_of(client.asks(client.offer("client_secret_jwt"))) == FAILED


# An assertion counts once


@pytest.mark.parametrize("method", ["client_secret_jwt", "private_key_jwt"])
def test_an_assertion_counts_once(twin: Twin, method: str) -> None:
    """D072, T16: at whatever endpoint, and by its jti, however it is signed."""
    client = AnyMethodClient(twin.nod, method)
    offer = client.offer()

    assert is_known(client.asks(offer, "oauth/revoke"), "oauth/revoke")
    for endpoint in QUESTIONS:
        assert refusal_of(client.asks(offer, endpoint)) == FAILED
        assert refusal_of(client.asks(offer, endpoint, twin.other_url)) == FAILED


def test_a_jti_counts_once_for_each_client(twin: Twin, signer: AnyMethodClient) -> None:
    """D072: another's is another; what was no proof did not use it up."""
    other, jti = AnyMethodClient(twin.nod, "private_key_jwt"), secrets.token_urlsafe(8)
    stolen = forgery.signed({"alg": "ES256"}, signer.claims(jti=jti), a_stranger("ES256"))

    assert not is_known(signer.asks(by_assertion(stolen)))
    assert not is_known(signer.asks(by_assertion(signer.assertion(jti=jti, aud="x"))))
    assert is_known(signer.asks(by_assertion(signer.assertion(jti=jti))))
    assert not is_known(signer.asks(by_assertion(signer.assertion(jti=jti, exp=int(NOW()) + 90))))
    assert is_known(other.asks(by_assertion(other.assertion(jti=jti))))


def test_of_fifty_at_once_at_two_servers_one_counts(twin: Twin, signer: AnyMethodClient) -> None:
    """T16."""
    urls = [twin.nod.url, twin.other_url] * 25
    for url in set(urls):  # each knows the client: nothing but the assertion is decided
        assert is_known(signer.asks(url=url))
    offer, start = signer.offer(), threading.Barrier(len(urls))

    def asks(url: str) -> httpx2.Response:
        start.wait(timeout=10)
        return httpx2.post(
            f"{url}oauth/introspect",
            data={**QUESTION, **offer.form},
            timeout=15,
        )

    with concurrent.futures.ThreadPoolExecutor(len(urls)) as pool:
        outcomes = Counter(is_known(answer) for answer in pool.map(asks, urls))

    assert outcomes == {True: 1, False: 49}


# Keys that a client keeps at its own host


def test_the_keys_at_a_jwks_uri_are_asked_for_once(twin: Twin, hosts: Hosts) -> None:
    """C027: by whatever number of clients' requests, while they are fresh."""
    path = "/once"
    jwks_uri = hosts.one.serve(path, public_jwk(an_ec_key()) | {"kid": KID})
    clients = [AnyMethodClient(twin.nod, "private_key_jwt", jwks_uri=jwks_uri) for _ in range(2)]

    assert all(is_known(client.asks()) for client in clients * 5)
    nameless = clients[0].assertion({"kid": None})
    assert not is_known(clients[0].asks(by_assertion(nameless)))
    unnamed = forgery.signed({"alg": "ES256"}, clients[0].claims(), clients[0].key)
    assert is_known(clients[0].asks(by_assertion(unnamed)))
    assert len(hosts.one.times(path)) == 1


def test_a_self_signed_certificate_may_be_of_a_key_at_a_jwks_uri(twin: Twin, hosts: Hosts) -> None:
    """D060 (RFC 8705 2.2)."""
    own = self_signed("bank", at=time.time())
    jwks_uri = hosts.one.serve("/certified", public_jwk(own.key) | {"x5c": own.x5c})
    client = AnyMethodClient(twin.nod, "self_signed_tls_client_auth", jwks_uri=jwks_uri)

    assert is_known(client.asks(client.by_certificate(own.client_cert)))
    assert not is_known(client.asks())


RIGHT_KEYS = {"keys": [public_jwk(an_ec_key()) | {"kid": KID}]}
NO_KEY_SETS = {
    "a redirect": Answer(302, location="/elsewhere"),
    "a redirect that stays": Answer(308, location="/elsewhere"),
    "not there": Answer(404, json.dumps(RIGHT_KEYS).encode()),
    "an error": Answer(500, json.dumps(RIGHT_KEYS).encode()),
    "nothing": Answer(),
    "no JSON": Answer(body=b"<html>"),
    "no set": Answer(body=b"[]"),
    "no keys": Answer(body=b'{"keys": []}'),
    "a member twice": Answer(body=json.dumps(RIGHT_KEYS)[:-1].encode() + b', "keys": []}'),
    "deep": Answer(body=b"[" * 30_000),
    "too large": Answer(body=json.dumps(RIGHT_KEYS | {"x": "a" * 70_000}).encode()),
}


@pytest.mark.parametrize("name", NO_KEY_SETS)
def test_a_jwks_uri_without_keys_authenticates_nobody(twin: Twin, hosts: Hosts, name: str) -> None:
    """T18: no redirect is followed, no more than 64 KiB are read; 401, for it is the client's."""
    hosts.one.answers["/elsewhere"] = Answer(body=json.dumps(RIGHT_KEYS).encode())
    path = "/" + name.replace(" ", "-")
    client = AnyMethodClient(
        twin.nod, "private_key_jwt", jwks_uri=hosts.one.answer(path, NO_KEY_SETS[name])
    )

    assert refusal_of(client.asks(), client.client_id) == FAILED
    assert refusal_of(client.asks()) == FAILED
    assert len(hosts.one.times(path)) == 1
    assert hosts.one.times("/elsewhere") == []


def test_a_certificate_of_nobody_is_not_talked_to(redis_server: RedisServer, hosts: Hosts) -> None:
    """T18: the host's TLS is verified, by the usual authorities where no other is set."""
    path = "/untrusted"
    jwks_uri = hosts.one.serve(path, public_jwk(an_ec_key()) | {"kid": KID})

    async def story(nod: Provider) -> None:
        client = await nod.client(
            token_endpoint_auth_method="private_key_jwt",
            jwks_uri=jwks_uri,
        )
        claims = {"iss": client.client_id, "sub": client.client_id}
        text = forgery.signed({"alg": "ES256", "kid": KID}, claims, an_ec_key())
        form = {**QUESTION, **by_assertion(text).form}
        assert refusal_of(await nod.http.post("oauth/introspect", data=form)) == FAILED

    tell(redis_server.url, story, outbound_allowed_networks="127.0.0.0/8")
    assert hosts.one.times(path) == []


def test_a_silent_jwks_uri_slows_nobody_else(twin: Twin, hosts: Hosts) -> None:
    """T18: others' polls, other clients' keys and the rest are answered while it hangs."""
    paths = [f"/silent/{number}" for number in range(40)]
    hanging = [
        AnyMethodClient(twin.nod, "private_key_jwt", jwks_uri=hosts.silent.url + path)
        for path in paths
    ]
    jwks_uri = hosts.one.serve("/other", public_jwk(an_ec_key()) | {"kid": KID})
    by_key = AnyMethodClient(twin.nod, "private_key_jwt", jwks_uri=jwks_uri)
    client, user_id = twin.nod.new_client(), twin.nod.new_user()
    twin.nod.new_phone(user_id)
    auth_req_ids = [twin.nod.accepted(client, user_id) for _ in range(20)]

    def asks(it: AnyMethodClient) -> httpx2.Response:
        form = {**QUESTION, **it.offer().form}
        return httpx2.post(f"{twin.nod.url}oauth/introspect", data=form, timeout=15)

    with concurrent.futures.ThreadPoolExecutor(len(hanging)) as pool:
        held = [pool.submit(asks, it) for it in hanging]
        hosts.silent.wait_until_asked(paths[0])
        began = time.monotonic()
        polls = [twin.nod.poll(client, auth_req_id) for auth_req_id in auth_req_ids]
        keys_fetched = is_known(by_key.asks())
        took = time.monotonic() - began
        hung = [future for future in held if not future.done()]
        hosts.silent.release()
        refused = [future.result() for future in held]

    assert {poll.json()["error"] for poll in polls} == {"authorization_pending"}
    assert keys_fetched
    assert len(hung) == len(hanging)
    assert took < policy.OUTBOUND_TIMEOUT_SECONDS / 2
    assert {refusal_of(answer) for answer in refused} == {FAILED}


# Where no key set may be (T18, reliability 3.1)

FORBIDDEN_URLS = {
    "loopback": "https://127.0.0.1:{port}/",
    "another of loopback": "https://127.8.9.10:{port}/",
    "localhost": "https://localhost:{port}/",
    "a name under localhost": "https://nod.localhost:{port}/",
    "IPv6 loopback": "https://[::1]:{port}/",
    "IPv4 in IPv6": "https://[::ffff:127.0.0.1]:{port}/",
    "IPv4 in IPv6, in hexadecimal": "https://[::ffff:7f00:1]:{port}/",
    "IPv4 in IPv6, of old": "https://[::127.0.0.1]:{port}/",
    "NAT64": "https://[64:ff9b::127.0.0.1]:{port}/",
    "6to4": "https://[2002:7f00:1::]/",
    "decimal": "https://2130706433:{port}/",
    "hexadecimal": "https://0x7f000001:{port}/",
    "octal": "https://0177.0.0.1:{port}/",
    "short": "https://127.1:{port}/",
    "zero": "https://0:{port}/",
    "unspecified": "https://0.0.0.0:{port}/",
    "unspecified IPv6": "https://[::]:{port}/",
    "a dot at the end": "https://127.0.0.1.:{port}/",
    "an escape": "https://%31%32%37.0.0.1:{port}/",
    "a user before it": "https://client.example@127.0.0.1:{port}/",
    "a backslash": "https://client.example\\@127.0.0.1:{port}/",
    "a fragment": "https://client.example#@127.0.0.1:{port}/",
    "full-width digits": "https://\uff11\uff12\uff17.0.0.1:{port}/",
    "http": "http://127.0.0.1:{port}/",
    "file": "file:///etc/passwd",
    "data": "data:application/json,{{}}",
    "private": "https://10.0.0.1/",
    "private too": "https://172.16.0.1/",
    "private as well": "https://192.168.0.1/",
    "of carriers": "https://100.64.0.1/",
    "metadata": "https://169.254.169.254/",
    "metadata, IPv6": "https://[fd00:ec2::254]/",
    "metadata by name": "https://metadata.google.internal/",
    "link-local": "https://[fe80::1]/",
    "an interface": "https://[fe80::1%25lo]/",
    "multicast": "https://224.0.0.1/",
    "broadcast": "https://255.255.255.255/",
    "a port that is not 443": "https://8.8.8.8:6379/",
}


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_no_client_is_registered_with_keys_at_a_forbidden_address(
    nod: Nod, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    body = {
        "name": "Example bank",
        "grant_types": [CIBA],
        "token_endpoint_auth_method": "private_key_jwt",
    }
    for name, url in FORBIDDEN_URLS.items():
        answer = nod.admin("POST", "clients", body | {"jwks_uri": url.format(port=port)})
        assert (answer.status_code, answer.json()["errorCode"]) == (400, "invalid_body"), name
        assert "jwks_uri" in answer.json()["message"]
        assert answer.json()["message"].isascii()


def test_no_keys_are_fetched_from_a_forbidden_address(
    redis_server: RedisServer, listener: socket.socket
) -> None:
    """However the registration came to name it: nobody there hears of us."""
    port, shown = listener.getsockname()[1], self_signed("bank", at=time.time())

    async def story(nod: Provider) -> None:
        for name, url in FORBIDDEN_URLS.items():
            for method in ("private_key_jwt", "self_signed_tls_client_auth"):
                client = await nod.client(
                    token_endpoint_auth_method=method, jwks_uri=url.format(port=port)
                )
                claims = {"iss": client.client_id, "sub": client.client_id}
                text = forgery.signed({"alg": "ES256", "kid": KID}, claims, an_ec_key())
                offer = (
                    by_assertion(text)
                    if method == "private_key_jwt"
                    else Offer({"client_id": client.client_id}, {"Client-Cert": shown.client_cert})
                )
                form = {**QUESTION, **offer.form}
                answer = await nod.http.post("oauth/introspect", data=form, headers=offer.headers)
                assert refusal_of(answer, client.client_id) == FAILED, name

    tell(redis_server.url, story)
    listener.settimeout(0)
    with pytest.raises(BlockingIOError):
        listener.accept()


# Clients without a proof


def test_a_public_client_starts_nothing(twin: Twin) -> None:
    """B001: and asks for no tokens of anybody's approval."""
    client, user_id = AnyMethodClient(twin.nod, "none"), twin.nod.new_user()
    phone = twin.nod.new_phone(user_id)
    form = {"scope": "openid", "binding_message": "x", "login_hint": user_id}
    form["client_id"] = client.client_id

    assert refusal_of(twin.nod.http.post("bc-authorize", data=form)) == FAILED
    assert phone.pending() == []
    for grant_type in (CIBA, "client_credentials", "password"):
        asked = {"grant_type": grant_type, "auth_req_id": "0" * 46, "client_id": client.client_id}
        assert refusal_of(twin.nod.http.post("oauth/token", data=asked)) == FAILED
    for grants in ([CIBA], [CIBA, "refresh_token"]):
        body = {"name": "x", "grant_types": grants, "token_endpoint_auth_method": "none"}
        refused = twin.nod.admin("POST", "clients", body)
        assert (refused.status_code, refused.json()["errorCode"]) == (400, "invalid_body")
        assert "grant_types" in refused.json()["message"]


def test_a_public_client_revokes_what_is_its_own(twin: Twin) -> None:
    """D021: of another's nothing changes, and the answer is the same."""
    nod = twin.nod
    owner, other = TokenClient(nod), AnyMethodClient(nod, "none")
    refresh_token = owner.tokens()["refresh_token"]
    public = AnyMethodClient(nod, "none")
    public.client_id = owner.client_id
    public.change_record(token_endpoint_auth_method="none")
    wait_for(lambda: is_known(public.asks(None, "oauth/revoke"), "oauth/revoke"), "the change")

    def revoke(it: AnyMethodClient) -> tuple[int, bytes]:
        form = {"token": refresh_token, "client_id": it.client_id}
        answer = nod.http.post("oauth/revoke", data=form)
        return answer.status_code, answer.content

    def refresh() -> httpx2.Response:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return nod.http.post("oauth/token", data=form | {"client_id": public.client_id})

    assert revoke(other) == (200, b"")
    refreshed = refresh()
    assert refreshed.status_code == 200
    assert revoke(public) == (200, b"")
    assert refusal_of(refresh(), refresh_token)[:2] == (400, "invalid_grant")
    wrong = Offer({"client_id": public.client_id, "client_secret": owner.oauth.client_secret})
    assert refusal_of(public.asks(wrong, "oauth/revoke")) == FAILED


# Headers that no client sends (CVE-2026-9803)

MALFORMED: dict[str, tuple[bytes, int]] = {
    "a scheme": (b"Bearer", 401),
    "a scheme and a space": (b"Bearer ", 401),
    "two spaces": (b"Bearer  x", 401),
    "another scheme": (b"Bearer x.y.z", 401),
    "DPoP": (b"DPoP x", 401),
    "nothing": (b"", 401),
    "spaces": (b"   ", 401),
    "a tab": (b"Basic\tYTpi", 401),
    "Basic": (b"Basic", 401),
    "Basic and a space": (b"Basic ", 401),
    "Basic and two": (b"Basic  YTpi", 401),
    "no base64": (b"Basic !!!", 401),
    "base64url": (b"Basic _-_-", 401),
    "not padded": (b"Basic YTpiY", 401),
    "not UTF-8": (b"Basic " + base64.b64encode(b"\xff\xfe:x"), 401),
    "no colon": (b"Basic " + base64.b64encode(b"client"), 401),
    "only a colon": (b"Basic " + base64.b64encode(b":"), 401),
    "NUL in it": (b"Basic " + base64.b64encode(b"\0:\0"), 401),
    "half a surrogate pair": (b"Basic " + base64.b64encode(b"\xed\xa0\x80:x"), 401),
    "escapes of octets": (b"Basic " + base64.b64encode(b"%ff%fe:%00%ff"), 401),
    "escapes of half a pair": (b"Basic " + base64.b64encode(b"%ed%a0%80:%ed%a0%80"), 401),
    "other letters": (b"Basic \xe9", 401),
    "8 KiB": (b"Basic " + b"A" * 8_192, 401),
    "NUL": (b"Basic YTpi\0", 400),
    "64 KiB": (b"Bearer " + b"x" * 65_536, 431),
}


def raw(nod: Nod, endpoint: str, *authorizations: bytes) -> Response:
    body = "&".join(f"{name}=x" for name in QUESTIONS[endpoint]).encode()
    head = [f"POST /{endpoint} HTTP/1.1".encode(), b"Host: nod", b"Connection: close"]
    head += [b"Content-Type: application/x-www-form-urlencoded"]
    head += [b"Content-Length: %d" % len(body)]
    head += [b"Authorization: " + text for text in authorizations]
    with Client(("127.0.0.1", nod.port)) as client:
        client.send(b"\r\n".join([*head, b"", body]))
        return client.response()


@pytest.mark.parametrize(("authorization", "status"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_header_is_no_proof(twin: Twin, authorization: bytes, status: int) -> None:
    for endpoint in QUESTIONS:
        answer = raw(twin.nod, endpoint, authorization)
        headers = {name.lower(): value for name, value in answer.headers.items()}

        assert answer.status == status
        assert answer.json().keys() == {"error", "error_description"}
        if status == 401:
            assert answer.json() == {"error": FAILED[1], "error_description": FAILED[2]}
            assert headers["www-authenticate"] == BASIC
        else:
            assert answer.json()["error"] == "invalid_request"


def test_a_repeated_header_is_refused(twin: Twin) -> None:
    """Of two readers each could believe another."""
    for endpoint in QUESTIONS:
        answer = raw(twin.nod, endpoint, b"Basic YTpi", b"Basic YTpj")
        assert (answer.status, answer.json()["error"]) == (400, "invalid_request")


STRANGE = [
    "*",
    "a b",
    "../x",
    "\xe9",
    "\u202e",
    "a" * 3_000,
    "%",
    "{}",
    "' or 1=1 --",
    "nod:clients",
]


@pytest.mark.parametrize("client_id", STRANGE, ids=lambda text: repr(text[:12]))
def test_a_strange_client_id_is_nobody(twin: Twin, client_id: str) -> None:
    for offer in (
        Offer({"client_id": client_id}),
        Offer({"client_id": client_id, "client_secret": client_id}),
        by_header(client_id, client_id),
    ):
        assert refusal_of(ask(twin.nod, offer)) == FAILED


# Without the store

Taken = Callable[[RedisServer], None]


def _configured(name: str, value: str) -> Taken:
    def configure(store: RedisServer) -> None:
        with redis.Redis.from_url(store.url) as admin:
            admin.config_set(name, value)

    return configure


def _restart(store: RedisServer) -> None:
    store.start()


# How it is taken away, and given back. Where it can still be read, the client is known.
AWAY: dict[str, tuple[Taken, Taken]] = {
    "it takes no writes": (
        _configured("min-replicas-to-write", "1"),
        _configured("min-replicas-to-write", "0"),
    ),
    "it is full": (_configured("maxmemory", "1"), _configured("maxmemory", "0")),
    "it is dead": (RedisServer.kill, _restart),
}


@pytest.mark.parametrize("away", AWAY)
@pytest.mark.parametrize("method", ["client_secret_jwt", "private_key_jwt"])
def test_what_cannot_be_remembered_is_not_trusted(
    twin: Twin, store: RedisServer, method: str, away: str
) -> None:
    """T16, D072: 503, and afterwards each assertion counts once at most, those of before not."""
    client = AnyMethodClient(twin.nod, method)
    used, unused = client.offer(), client.offer()
    assert is_known(client.asks(used))
    take, give_back = AWAY[away]
    asked = [(offer, endpoint) for endpoint in QUESTIONS for offer in (used, unused)]

    take(store)
    try:
        with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
            refused = [*pool.map(lambda it: client.asks(*it), asked)]
    finally:
        give_back(store)
    wait_for(lambda: client.asks().status_code != 503, "the store")

    for answer in refused:
        assert refusal_of(answer)[:2] == (503, "temporarily_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
    assert not is_known(client.asks(used))
    assert [is_known(client.asks(unused)) for _ in range(2)] in ([True, False], [False, False])


# Last, for it needs a while since the first


def test_a_rotated_key_is_picked_up_and_asked_for_no_sooner_than_policy_says(twin: Twin) -> None:
    """C027: whoever names a kid nobody has makes us ask, but not every time."""
    rotating = twin.rotating
    new = a_stranger("ES256")
    rotating.host.serve(rotating.path, public_jwk(new) | {"kid": "new"})
    client = rotating.client

    def is_picked_up() -> bool:
        text = forgery.signed({"alg": "ES256", "kid": "new"}, client.claims(), new)
        return is_known(client.asks(by_assertion(text)))

    wait_for(is_picked_up, "the new key")
    for number in range(20):
        unknown = client.assertion({"kid": f"unknown {number}"})
        assert not is_known(client.asks(by_assertion(unknown)))
    assert not is_known(client.asks())  # the old key is gone
    first, second = rotating.host.times(rotating.path)
    assert second - first >= policy.KEY_SET_REFETCH_SECONDS


def test_nothing_of_this_was_unexpected(twin: Twin) -> None:
    """The logs hold no error of ours, and no assertion or secret."""
    logs = "".join((twin.nod.directory / f"{name}.log").read_text() for name in ("api", "second"))
    events = [json.loads(line) for line in logs.splitlines()]

    assert [event for event in events if event["event"] == "unexpected"] == []
    assert not re.search(r"eyJ[A-Za-z0-9_-]*\.", logs)  # an id may begin like a JWT, and ends
