"""The tokens: their claims, what they are bound to, and how they are signed."""

import base64
import hashlib
from typing import Any

import jwt
import pytest

from consent import access, tokens
from consent.client import SigningAlgorithm
from consent.signing_key import ALGORITHMS, SigningKey, new_signing_key
from consent.tokens import half_hash, released_claims, token_type
from tests.support.domain import (
    CLIENT_ID,
    ISSUER,
    NOW,
    USER_ID,
    a_request,
    an_ec_key,
    an_rsa_key,
    vector,
)

KEY = SigningKey(an_ec_key())
KEYS: dict[SigningAlgorithm, SigningKey] = {
    "ES256": KEY,
    "RS256": SigningKey(an_rsa_key(), "RS256"),
    "PS256": SigningKey(an_rsa_key(), "PS256"),
    "EdDSA": new_signing_key("EdDSA"),
}
USER = {
    "user_id": USER_ID,
    "name": "Aiko",
    "email": "aiko@example.com",
    "email_verified": False,
    "phone_number": "+81",
    "phone_verified": True,
    "nickname": None,
    "app_metadata": {"secret": "canary"},
}
AUTH_REQ_ID_CLAIM = "urn:openid:params:jwt:claim:auth_req_id"
RT_HASH_CLAIM = "urn:openid:params:jwt:claim:rt_hash"
PAYMENT: dict[str, object] = {"type": "payment", "amount": "10.00", "to": ["DE89"]}


def token_set(
    access_key: SigningKey = KEY,
    id_key: SigningKey = KEY,
    *,
    confirmation: str = "",
    refresh_token: str = "",
    auth_req_id: str = "",
    user: dict[str, object] = USER,
    **request: object,
) -> dict[str, Any]:
    return tokens.token_response(
        a_request(**request),
        user,
        access_key=access_key,
        id_key=id_key,
        issuer=ISSUER,
        jti="the-jti",
        issued_at=NOW,
        auth_time=NOW - 7,
        confirmation=confirmation,
        refresh_token=refresh_token,
        auth_req_id=auth_req_id,
    )


def client_token(**changes: object) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "client_id": CLIENT_ID,
        "audience": access.management_audience(ISSUER),
        "scope": ["read:users", "create:users"],
        "key": KEY,
        "issuer": ISSUER,
        "jti": "the-jti",
        "issued_at": NOW,
        "lifetime_seconds": 600,
    }
    return tokens.client_token_response(**(arguments | changes))


def read(token: str, key: SigningKey = KEY) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as a client with the published key sees them."""
    decoded = jwt.decode_complete(
        token,
        jwt.PyJWK(key.public),
        algorithms=[key.alg],
        options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
    )
    return decoded["header"], decoded["payload"]


def claims_of(response: dict[str, Any], key: SigningKey = KEY) -> dict[str, Any]:
    """Of the ID token."""
    return read(response["id_token"], key)[1]


def test_a_token_response_has_the_members_of_ciba_10_1_1() -> None:
    """A128."""
    response = token_set()

    assert response.keys() == {"access_token", "id_token", "token_type", "expires_in", "scope"}
    assert (response["token_type"], response["expires_in"]) == ("Bearer", 600)
    assert response["scope"] == "openid email"


def test_an_access_token_is_that_of_rfc_9068() -> None:
    """D001 to D004: typ, the required claims, and the resource as its audience."""
    header, claims = read(token_set()["access_token"])

    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid}
    assert claims == {
        "iss": ISSUER,
        "sub": USER_ID,
        "aud": "https://api.example/",
        "client_id": CLIENT_ID,
        "azp": CLIENT_ID,
        "iat": NOW,
        "exp": NOW + 600,
        "jti": "the-jti",
        "auth_time": NOW - 7,
        "amr": ["pop", "mca", "user"],
        "scope": "openid email",
    }


def test_an_id_token_is_for_the_client_and_binds_the_access_token() -> None:
    """A140, A141, A142: with a kid, auth_time and a right at_hash; no c_hash, nonce or scope."""
    response = token_set()

    header, claims = read(response["id_token"])

    assert header == {"alg": "ES256", "typ": "JWT", "kid": KEY.kid}
    assert claims == {
        "iss": ISSUER,
        "sub": USER_ID,
        "aud": CLIENT_ID,
        "iat": NOW,
        "exp": NOW + 36_000,
        "auth_time": NOW - 7,
        "amr": ["pop", "mca", "user"],
        "at_hash": half_hash(response["access_token"]),
        "email": "aiko@example.com",
        "email_verified": False,
    }


def test_a_half_hash_is_that_of_openid_connect() -> None:
    """A172."""
    example = vector("oidc_core_at_hash")

    assert half_hash(example["access_token"]) == example["at_hash"]


@pytest.mark.parametrize(
    ("alg", "name"),
    [("ES256", "sha256"), ("RS256", "sha256"), ("PS256", "sha256"), ("EdDSA", "sha512")],
)
def test_a_half_hash_is_of_the_hash_of_the_id_tokens_algorithm(
    alg: SigningAlgorithm, name: str
) -> None:
    """A172, A142: whatever the access token itself is signed with."""
    response = token_set(id_key=KEYS[alg])

    whole = hashlib.new(name, response["access_token"].encode()).digest()
    left = base64.urlsafe_b64encode(whole[: len(whole) // 2]).rstrip(b"=").decode()
    assert claims_of(response, KEYS[alg])["at_hash"] == left


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_each_token_is_signed_with_its_own_algorithm(alg: SigningAlgorithm) -> None:
    """A140, D001: the ID token by the client's registration, the access token by the API's."""
    response = token_set(access_key=KEYS[alg])

    header, claims = read(response["access_token"], KEYS[alg])
    assert header == {"alg": alg, "typ": "at+jwt", "kid": KEYS[alg].kid}
    assert claims["sub"] == USER_ID
    assert read(response["id_token"])[0]["alg"] == "ES256"


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
def test_asked_again_it_is_the_same_token_set_byte_for_byte(alg: SigningAlgorithm) -> None:
    """T5, I2: a redemption whose answer was lost is answered again, not twice."""
    key = KEYS[alg]

    assert token_set(key, key) == token_set(key, key)
    assert token_set(key, key) != token_set(key, key, user_id="auth0|u2")


def test_salted_signatures_differ_and_the_tokens_do_not() -> None:
    """The `jti` is one, so it is one token set (RFC 7518 3.5 has PS256 salted)."""
    once, again = (token_set(KEYS["PS256"]) for _ in range(2))

    assert once["access_token"] != again["access_token"]
    first, second = (read(response["access_token"], KEYS["PS256"]) for response in (once, again))
    assert first == second


def test_what_the_approval_attains_is_in_both_tokens() -> None:
    """A044, A141, D003, D090: `acr` is one text, `amr` are registered names (RFC 8176)."""
    response = token_set(acr="urn:nod:acr:signed-approval")

    for claims in (read(response["access_token"])[1], claims_of(response)):
        assert claims["acr"] == "urn:nod:acr:signed-approval"
        assert claims["amr"] == ["pop", "mca", "user"]
        assert claims["auth_time"] == NOW - 7


def test_who_answered_by_mailbox_has_proved_no_key() -> None:
    response = token_set(acr="urn:nod:acr:mailbox", approved_by="mailbox")

    for claims in (read(response["access_token"])[1], claims_of(response)):
        assert (claims["acr"], claims["amr"]) == ("urn:nod:acr:mailbox", ["mca", "user"])


def test_a_request_from_before_acr_gets_none() -> None:
    """What was stored by an older version is still redeemed."""
    assert "acr" not in claims_of(token_set(acr=""))


# What tokens are bound to, how they say so, and how they are to be used.
BOUND = {
    "nothing": ("", None, "Bearer"),
    "a DPoP key": ("jkt:0ZcOCORZNYy", {"jkt": "0ZcOCORZNYy"}, "DPoP"),
    "a certificate": ("x5t#S256:bwcK0esc3AC", {"x5t#S256": "bwcK0esc3AC"}, "Bearer"),
}


@pytest.mark.parametrize(("confirmation", "cnf", "kind"), BOUND.values(), ids=BOUND)
def test_a_bound_token_says_what_it_is_bound_to(
    confirmation: str, cnf: dict[str, str] | None, kind: str
) -> None:
    """D052, D061: the access token; the ID token is bound to nothing."""
    for response in (token_set(confirmation=confirmation), client_token(confirmation=confirmation)):
        assert read(response["access_token"])[1].get("cnf") == cnf
        assert response["token_type"] == token_type(confirmation) == kind
    assert "cnf" not in claims_of(token_set(confirmation=confirmation))


def test_approved_details_are_echoed_and_nothing_where_there_are_none() -> None:
    """D042: in the response and in the access token, as they were approved."""
    response = token_set(authorization_details=[PAYMENT])

    assert response["authorization_details"] == [PAYMENT]
    assert read(response["access_token"])[1]["authorization_details"] == [PAYMENT]
    assert "authorization_details" not in claims_of(response)
    assert "authorization_details" not in token_set()


def test_a_refresh_token_comes_where_it_was_granted() -> None:
    """A128, D086: and `offline_access` is among the scopes then."""
    response = token_set(
        scope=["openid", "offline_access"], refreshable=True, refresh_token="the refresh token"
    )

    assert response["refresh_token"] == "the refresh token"
    assert response["scope"] == "openid offline_access"
    assert read(response["access_token"])[1]["scope"] == "openid offline_access"


def test_offline_access_is_not_granted_where_nothing_can_be_refreshed() -> None:
    """D086, auth0-wire 5: some libraries always ask for it."""
    response = token_set(scope=["openid", "offline_access"])

    assert response["scope"] == "openid"
    assert "refresh_token" not in response


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_an_id_token_that_is_pushed_says_what_it_answers_and_comes_with(
    alg: SigningAlgorithm,
) -> None:
    """A171, A172."""
    response = token_set(
        id_key=KEYS[alg], auth_req_id="the request", refresh_token="r", refreshable=True
    )

    claims = claims_of(response, KEYS[alg])
    assert claims[AUTH_REQ_ID_CLAIM] == "the request"
    assert claims[RT_HASH_CLAIM] == half_hash("r", alg)
    assert claims["at_hash"] == half_hash(response["access_token"], alg)


@pytest.mark.parametrize(
    ("sent", "claims"),
    [
        ({"auth_req_id": "the request"}, {AUTH_REQ_ID_CLAIM}),
        ({"refresh_token": "r"}, set()),
        ({}, set()),
    ],
)
def test_what_is_not_pushed_has_no_claims_of_a_push(sent: dict[str, str], claims: set[str]) -> None:
    """A142, A171: `rt_hash` is there when both are."""
    told = claims_of(token_set(**sent))  # type: ignore[arg-type]

    assert {AUTH_REQ_ID_CLAIM, RT_HASH_CLAIM} & told.keys() == claims


def test_a_redemption_has_one_token_id() -> None:
    """I2: it follows from the consent alone."""
    assert tokens.redemption_jti("000consent") == tokens.redemption_jti("000consent")
    assert tokens.redemption_jti("000consent") != tokens.redemption_jti("000another")


@pytest.mark.parametrize(
    ("granted", "claims"),
    [
        (["openid"], {}),
        (["profile"], {"name": "Aiko"}),
        (["email"], {"email": "aiko@example.com", "email_verified": False}),
        (["phone"], {"phone_number": "+81", "phone_number_verified": True}),
        (["address"], {}),
    ],
)
def test_a_scope_releases_its_claims_and_only_what_is_known(
    granted: list[str], claims: dict[str, object]
) -> None:
    """OpenID Connect Core 5.4."""
    assert released_claims(USER, granted) == claims


def test_a_persons_record_cannot_stand_in_for_a_claim_of_ours() -> None:
    forged = dict(USER) | {"iss": "https://evil.example/", "sub": "auth0|admin", "name": "x"}
    claims = claims_of(token_set(user=forged, scope=["openid", "profile"]))

    assert (claims["iss"], claims["sub"], claims["name"]) == (ISSUER, USER_ID, "x")


def test_a_clients_own_token_is_auth0s() -> None:
    """RFC 6749 4.4, auth0-wire 3.6."""
    header, claims = read(client_token()["access_token"])

    assert header["typ"] == "at+jwt"
    assert claims == {
        "iss": ISSUER,
        "sub": f"{CLIENT_ID}@clients",
        "aud": f"{ISSUER}api/v2/",
        "client_id": CLIENT_ID,
        "azp": CLIENT_ID,
        "iat": NOW,
        "exp": NOW + 600,
        "jti": "the-jti",
        "gty": "client-credentials",
        "scope": "read:users create:users",
    }
