"""The tokens: their claims, and which of them open the management API."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from consent import access, policy, tokens
from consent.signing_key import SigningKey, new_signing_key
from consent.tokens import InvalidAccessToken, half_hash, management_access, released_claims
from tests.support.domain import (
    CLIENT_ID,
    ISSUER,
    NOW,
    USER_ID,
    a_request,
    an_ec_key,
    vector,
)
from tests.support.forgery import hs256, part, signed, unsigned

KEY = SigningKey(an_ec_key())
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


def token_set(key: SigningKey = KEY, **request: object) -> dict[str, Any]:
    return tokens.token_response(
        a_request(**request),
        USER,
        key=key,
        issuer=ISSUER,
        jti="the-jti",
        issued_at=NOW,
        auth_time=NOW - 7,
    )


def client_token(key: SigningKey = KEY, **changes: object) -> str:
    arguments: dict[str, Any] = {
        "client_id": CLIENT_ID,
        "audience": access.management_audience(ISSUER),
        "scope": ["read:users", "create:users"],
        "key": key,
        "issuer": ISSUER,
        "jti": "the-jti",
        "issued_at": NOW,
        "lifetime_seconds": 600,
    }
    arguments.update(changes)
    return str(tokens.client_token_response(**arguments)["access_token"])


def read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as a client with the published key sees them."""
    decoded = jwt.decode_complete(
        token,
        jwt.PyJWK(KEY.public),
        algorithms=["ES256"],
        options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
    )
    return decoded["header"], decoded["payload"]


def opened(
    token: str, *, now: float = NOW, keys: list[SigningKey] | None = None
) -> tuple[str, frozenset[str]]:
    return management_access(token, keys=keys or [KEY], issuer=ISSUER, now=now)


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
        "at_hash": half_hash(response["access_token"]),
        "email": "aiko@example.com",
        "email_verified": False,
    }


def test_a_half_hash_is_that_of_openid_connect() -> None:
    """A172."""
    example = vector("oidc_core_at_hash")

    assert half_hash(example["access_token"]) == example["at_hash"]


def test_asked_again_it_is_the_same_token_set_byte_for_byte() -> None:
    """T5, I2: a redemption whose answer was lost is answered again, not twice."""
    assert token_set() == token_set()
    assert token_set() != token_set(user_id="auth0|u2")


def test_offline_access_is_not_granted() -> None:
    """There are no refresh tokens (auth0-wire 5: some libraries always ask for one)."""
    response = token_set(scope=["openid", "offline_access"])

    assert response["scope"] == "openid"
    assert "refresh_token" not in response


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
    response = tokens.token_response(
        a_request(scope=["openid", "profile"]),
        forged,
        key=KEY,
        issuer=ISSUER,
        jti="j",
        issued_at=NOW,
        auth_time=NOW,
    )

    _, claims = read(str(response["id_token"]))

    assert (claims["iss"], claims["sub"], claims["name"]) == (ISSUER, USER_ID, "x")


def test_a_clients_own_token_is_auth0s() -> None:
    """RFC 6749 4.4, auth0-wire 3.6."""
    header, claims = read(client_token())

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


def test_a_clients_own_token_opens_the_management_api() -> None:
    assert opened(client_token()) == (CLIENT_ID, frozenset({"read:users", "create:users"}))


def test_a_token_of_a_retired_key_is_good_while_the_key_is_known() -> None:
    assert opened(client_token(), keys=[new_signing_key(), KEY])[0] == CLIENT_ID


def edited(token: str, header: dict[str, object] | None = None, **claims: object) -> str:
    """The token with parts changed and its signature as it was."""
    parts = token.split(".")
    parts[0] = part({**jwt.get_unverified_header(token), **(header or {})})
    parts[1] = part({**json.loads(base64.urlsafe_b64decode(parts[1] + "==")), **claims})
    return ".".join(parts)


MANAGEMENT = access.management_audience(ISSUER)
CLAIMS: dict[str, object] = read(client_token())[1]
OUR_HEADER: dict[str, object] = {"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid}
REFUSED = {
    "nothing": "",
    "no JWT": "x.y.z",
    "two parts": "a.b",
    "an ID token": token_set()["id_token"],
    "an ID token for the management audience": KEY.sign({**CLAIMS}, "JWT"),
    "a person's token": token_set(audience=MANAGEMENT)["access_token"],
    "a person's token with a client's grant type": KEY.sign(
        {**CLAIMS, "gty": "password"}, "at+jwt"
    ),
    "another audience": client_token(audience="https://api.example/"),
    "userinfo's audience": client_token(audience=f"{ISSUER}userinfo"),
    "another issuer": client_token(issuer="https://nod.example.evil/"),
    "a foreign key": client_token(key=new_signing_key()),
    "a foreign key under our kid": signed(
        OUR_HEADER, CLAIMS, ec.generate_private_key(ec.SECP256R1())
    ),
    "no kid": edited(client_token(), {"kid": "x"}),
    "a kid of another type": signed(OUR_HEADER | {"kid": [1]}, CLAIMS, an_ec_key()),
    "changed claims": edited(client_token(), scope="delete:users"),
    "alg none": unsigned(OUR_HEADER | {"alg": "none"}, CLAIMS),
    "HS256 with the public key as its secret": hs256(
        OUR_HEADER | {"alg": "HS256"}, CLAIMS, json.dumps(KEY.public).encode()
    ),
    "no scope": KEY.sign({k: v for k, v in CLAIMS.items() if k != "scope"}, "at+jwt"),
    "no expiry": KEY.sign({k: v for k, v in CLAIMS.items() if k != "exp"}, "at+jwt"),
    "no client": KEY.sign({k: v for k, v in CLAIMS.items() if k != "client_id"}, "at+jwt"),
    "an unknown critical header": signed(OUR_HEADER | {"crit": ["x"], "x": 1}, CLAIMS, an_ec_key()),
    "no type": signed({"alg": "ES256", "kid": KEY.kid}, CLAIMS, an_ec_key()),
    "claims that are a list": signed(OUR_HEADER, [CLAIMS], an_ec_key()),
    "deep claims": signed(OUR_HEADER, "[" * 5_000, an_ec_key()),
    "too long": client_token(jti="j" * policy.SIGNED_INPUT_CHARACTERS_MAX),
    "a deep header": signed("[" * 3_000, CLAIMS, an_ec_key()),
    "other letters": "\u00e9.\u00e9.\u00e9",
}


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED)
def test_any_other_token_opens_nothing(token: str) -> None:
    """D005, D006, T13, T14, T15."""
    with pytest.raises(InvalidAccessToken):
        opened(token)


@pytest.mark.parametrize("seconds", [600, 601, 10**9])
def test_a_token_ends_with_its_life(seconds: int) -> None:
    with pytest.raises(InvalidAccessToken):
        opened(client_token(), now=NOW + seconds)


def test_a_token_lives_to_its_last_moment() -> None:
    assert opened(client_token(), now=NOW + 599.9)[0] == CLIENT_ID


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_a_random_text_opens_nothing(token: str) -> None:
    with pytest.raises(InvalidAccessToken):
        opened(token)
