"""
Discovery over HTTP: what it says is on is on, and what is off it does not say.

The ways to authenticate are each used in test_client_authentication.py, ping and push in
test_ping_and_push.py, and certificates behind a real proxy in test_nginx.py.
"""

import time
from typing import Any, get_args

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from consent.client import AuthenticationMethod
from consent.identifiers import b64url
from tests.support.domain import an_ec_key, an_rsa_key
from tests.support.equipped import ACR_VALUES, authority
from tests.support.nod import CIBA, Nod
from tests.support.signing_client import REQUEST_ALG

OPENID, OAUTH = ".well-known/openid-configuration", ".well-known/oauth-authorization-server"
REQUEST_ALGS = "backchannel_authentication_request_signing_alg_values_supported"
HINT_TOKEN_TYPES = "backchannel_endpoint_login_hint_token_types_supported"
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def discovered(nod: Nod) -> dict[str, Any]:
    answer = nod.http.get(OPENID)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    return dict(answer.json())


@pytest.fixture(params=["nod", "equipped_nod"])
def either(request: pytest.FixtureRequest) -> Nod:
    """With every option that is a setting, or without any."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Nod)
    return found


def test_both_documents_are_one_and_complete(either: Nod) -> None:
    """D030-D036, A180-A182: the issuer to the byte, nothing empty, no method that is none."""
    metadata = discovered(either)

    assert either.http.get(OAUTH).json() == metadata
    assert metadata["issuer"] == either.url
    assert all(value not in ("", [], {}, None) for value in metadata.values())
    assert metadata["backchannel_token_delivery_modes_supported"] == ["poll", "ping", "push"]
    assert metadata["backchannel_user_code_parameter_supported"] is True
    assert set(metadata["grant_types_supported"]) == {CIBA, "refresh_token", "client_credentials"}
    for endpoint in ("token", "introspection", "revocation"):
        algorithms = metadata[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert "none" not in algorithms
        assert {"ES256", "PS256", "HS256"} <= set(algorithms)
    assert "none" not in metadata["token_endpoint_auth_methods_supported"]


# The methods of each, and how a call without credentials or of another method is refused.
ENDPOINTS: dict[str, tuple[str, int]] = {
    "token_endpoint": ("POST", 401),
    "revocation_endpoint": ("POST", 401),
    "introspection_endpoint": ("POST", 401),
    "backchannel_authentication_endpoint": ("POST", 401),
    "userinfo_endpoint": ("GET, POST", 401),
    "authorization_endpoint": ("GET, POST", 400),
}


@pytest.mark.parametrize(("name", "expected"), ENDPOINTS.items(), ids=ENDPOINTS)
def test_every_endpoint_named_is_there(either: Nod, name: str, expected: tuple[str, int]) -> None:
    """D033, D034, D038."""
    url, (allowed, status) = discovered(either)[name], expected
    form = {"grant_type": "x"}
    answer, wrong = either.http.post(url, data=form), either.http.put(url, data=form)

    assert url.startswith(either.url)
    assert answer.status_code == status
    assert (wrong.status_code, wrong.headers["allow"]) == (405, allowed)


def test_no_endpoint_is_left_unsaid(either: Nod) -> None:
    named = {name for name in discovered(either) if name.endswith("_endpoint")}

    assert named == ENDPOINTS.keys()


def test_what_is_not_set_is_not_said(nod: Nod) -> None:
    """D037, D063, A188: no certificates without a proxy, no tokens of issuers nobody trusts."""
    metadata = discovered(nod)
    methods = metadata["token_endpoint_auth_methods_supported"]

    assert metadata.keys().isdisjoint(
        {"mtls_endpoint_aliases", "tls_client_certificate_bound_access_tokens", HINT_TOKEN_TYPES}
    )
    assert set(methods) == {
        "client_secret_basic",
        "client_secret_post",
        "client_secret_jwt",
        "private_key_jwt",
    }


def test_what_is_set_is_said(equipped_nod: Nod) -> None:
    """A188, D063, D092: and the methods are all there are but none."""
    metadata = discovered(equipped_nod)

    for endpoint in ("token", "introspection"):
        methods = metadata[f"{endpoint}_endpoint_auth_methods_supported"]
        assert set(methods) == {*get_args(AuthenticationMethod)} - {"none"}
    assert metadata["acr_values_supported"] == ["urn:nod:acr:number-matching", *ACR_VALUES]
    assert metadata[HINT_TOKEN_TYPES] == ["jwt"]
    assert metadata["tls_client_certificate_bound_access_tokens"] is True


def test_an_alias_is_the_endpoint_by_another_name(equipped_nod: Nod) -> None:
    """D037: each of one at the top level, none of the authorization endpoint, and they work."""
    metadata = discovered(equipped_nod)
    aliases = metadata["mtls_endpoint_aliases"]
    answer = equipped_nod.admin(
        "POST",
        "clients",
        {
            "name": "Example bank",
            "grant_types": [CIBA],
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": "CN=bank",
            "tls_client_certificate_bound_access_tokens": True,
        },
    )
    client_id = answer.json()["client_id"]
    certificate = authority().issue("bank", at=time.time())
    shown = {"Client-Cert": certificate.client_cert}
    user_id = equipped_nod.new_user()
    phone = equipped_nod.new_phone(user_id)

    def posted(name: str, **form: str) -> httpx2.Response:
        form["client_id"] = client_id
        return equipped_nod.http.post(aliases[name], data=form, headers=shown)

    asked = {"scope": "openid", "binding_message": "Pay 10", "login_hint": user_id}
    started = posted("backchannel_authentication_endpoint", **asked)
    [notification] = phone.pending()
    phone.resolve(notification, accept=True)
    tokens = posted(
        "token_endpoint", grant_type=CIBA, auth_req_id=started.json()["auth_req_id"]
    ).json()
    introspected = posted("introspection_endpoint", token=tokens["access_token"]).json()
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    userinfo = equipped_nod.http.get(aliases["userinfo_endpoint"], headers=shown | bearer)
    revoked = posted("revocation_endpoint", token=tokens["access_token"])

    assert aliases.keys() == ENDPOINTS.keys() - {"authorization_endpoint"}
    for name, url in aliases.items():
        assert url != metadata[name]
        assert httpx2.URL(url).path == httpx2.URL(metadata[name]).path
    assert introspected["active"] is True
    assert introspected["cnf"].keys() == {"x5t#S256"}
    assert userinfo.json()["sub"] == user_id
    assert revoked.status_code == 200
    again = posted("introspection_endpoint", token=tokens["access_token"])
    assert again.json() == {"active": False}


def a_key(alg: str) -> PrivateKey:
    if alg == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if alg == "ES384":
        return ec.generate_private_key(ec.SECP384R1())
    return an_ec_key() if alg == "ES256" else an_rsa_key()


def public_jwk(key: PrivateKey) -> dict[str, Any]:
    match key:
        case rsa.RSAPrivateKey():
            return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case ec.EllipticCurvePrivateKey():
            return ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)


def test_a_request_by_every_algorithm_named_is_read_and_no_other_registers(nod: Nod) -> None:
    """A181, A186, D038."""
    user_id, now = nod.new_user(), int(time.time())
    for alg in discovered(nod)[REQUEST_ALGS]:
        key, jti = a_key(alg), b64url(alg.encode())
        body = {
            "name": "Example bank",
            "grant_types": [CIBA],
            "jwks": {"keys": [public_jwk(key)]},
            REQUEST_ALG: alg,
        }
        client = nod.admin("POST", "clients", body).json()
        claims = {
            "iss": client["client_id"],
            "aud": nod.url,
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "jti": jti,
            "scope": "openid",
            "binding_message": "x",
            "login_hint": user_id,
        }
        form = {name: client[name] for name in ("client_id", "client_secret")}
        form["request"] = jwt.encode(claims, key, algorithm=alg)
        answer = nod.http.post("bc-authorize", data=form)
        # Nobody can be rung yet: the request was read to its end.
        assert answer.json()["error_description"].startswith("No eligible"), alg
        for other in ("none", "HS256", "ES512", "RS512"):
            refused = nod.admin("POST", "clients", body | {REQUEST_ALG: other})
            assert (refused.status_code, refused.json()["errorCode"]) == (400, "invalid_body")


def test_a_token_by_every_algorithm_named_is_verified_by_the_keys_published(nod: Nod) -> None:
    """A140, X04: and claims are named that it can hold."""
    metadata, user_id = discovered(nod), nod.new_user(name="Aiko")
    phone = nod.new_phone(user_id)
    algorithms = metadata["id_token_signing_alg_values_supported"]
    for alg in algorithms:
        client = nod.new_client(jwt_configuration={"alg": alg})
        auth_req_id = nod.accepted(client, user_id, scope=" ".join(metadata["scopes_supported"]))
        [notification] = phone.pending()
        phone.resolve(notification, accept=True)
        token = nod.poll(client, auth_req_id).json()["id_token"]
        header = jwt.get_unverified_header(token)
        published = jwt.PyJWKSet.from_dict(nod.http.get(metadata["jwks_uri"]).json())
        claims = jwt.decode(
            token,
            published[header["kid"]],
            algorithms=[alg],
            issuer=metadata["issuer"],
            audience=client.client_id,
        )
        assert header["alg"] == alg
        assert claims.keys() <= {*metadata["claims_supported"], "at_hash"}
        assert claims["acr"] in metadata["acr_values_supported"]


def test_the_keys_published_are_public(nod: Nod) -> None:
    """Nothing of a private half, each with its name and use."""
    published = nod.http.get(discovered(nod)["jwks_uri"]).json()["keys"]

    for jwk in published:
        assert jwk.keys().isdisjoint({"d", "p", "q", "dp", "dq", "qi", "k"})
        assert {"kid", "alg", "use", "kty"} <= jwk.keys()
    assert len({jwk["kid"] for jwk in published}) == len(published)
