"""Tokens after the approval: refreshed, rotated, revoked, introspected and shown to userinfo."""

import base64
import concurrent.futures
import hashlib
import time
from typing import Any

import httpx2
import jwt
import pytest

from consent.client import CIBA_GRANT, CLIENT_CREDENTIALS_GRANT, REFRESH_TOKEN_GRANT
from tests.support.nod import Nod, OAuthClient
from tests.support.token_client import TokenClient, granted, new_api, refused, verified

INACTIVE = {"active": False}
INVALID_GRANT = (400, "invalid_grant")
ROTATING = {"rotation_type": "rotating", "leeway": 10}


# Refreshing


def test_a_refresh_token_is_good_for_another_token_set(nod: Nod) -> None:
    """D080, A128: a new access token and ID token, the same refresh token (X07)."""
    client = TokenClient(nod)
    first = client.tokens()
    second = granted(client.refresh(first["refresh_token"]))

    assert second.keys() == first.keys()
    assert second["refresh_token"] == first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert second["scope"] == first["scope"] == "openid offline_access profile"
    assert client.userinfo(second["access_token"]).json() == {"sub": client.user_id, "name": "Aiko"}


def test_a_refreshed_id_token_is_of_the_same_authentication(nod: Nod) -> None:
    """D084, OpenID Connect Core 12.2: what was authenticated, by whom and when, does not change."""
    client = TokenClient(nod)
    first = client.tokens()
    second = granted(client.refresh(first["refresh_token"]))
    before, after = (verified(nod, it["id_token"], client.client_id) for it in (first, second))

    for name in ("iss", "sub", "aud", "auth_time", "acr", "amr", "name"):
        assert after[name] == before[name]
    assert after.get("azp") == before.get("azp")
    assert before["iat"] <= after["iat"] <= int(time.time())
    assert "nonce" not in after
    assert after["at_hash"] == half_hash(second["access_token"], "ES256")


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("openid", "openid"),
        ("profile openid", "profile openid"),
        ("openid offline_access profile", "openid offline_access profile"),
    ],
)
def test_a_scope_may_narrow_for_once(nod: Nod, scope: str, expected: str) -> None:
    """D083: the refresh token stays as wide as it was."""
    client = TokenClient(nod)
    refresh_token = client.tokens()["refresh_token"]
    narrowed = granted(client.refresh(refresh_token, scope=scope))
    whole = granted(client.refresh(narrowed["refresh_token"]))

    assert narrowed["scope"] == expected
    assert verified(nod, narrowed["access_token"], f"{nod.url}userinfo")["scope"] == expected
    assert whole["scope"] == "openid offline_access profile"


@pytest.mark.parametrize("rotation", [{}, ROTATING])
@pytest.mark.parametrize("scope", ["email", "openid email", "openid offline_access profile email"])
def test_a_scope_never_widens_and_who_tries_keeps_what_it_has(
    nod: Nod, scope: str, rotation: dict[str, object]
) -> None:
    """D083: nothing rotates either."""
    client = TokenClient(nod, refresh_token=rotation)
    refresh_token = client.tokens()["refresh_token"]

    assert refused(client.refresh(refresh_token, scope=scope), scope) == (400, "invalid_scope")
    assert client.is_active(refresh_token)


def test_another_clients_refresh_token_is_no_grant_and_takes_no_harm(nod: Nod) -> None:
    """D080: rotating or not, with a narrower scope or without."""
    for rotation in ({}, ROTATING):
        client, thief = TokenClient(nod, refresh_token=rotation), TokenClient(nod)
        refresh_token = client.tokens()["refresh_token"]
        for form in ({}, {"scope": "openid"}):
            answer = thief.refresh(refresh_token, **form)
            assert refused(answer, refresh_token) == INVALID_GRANT

        assert client.is_active(refresh_token)
        assert granted(client.refresh(refresh_token))["scope"].startswith("openid")


def test_what_is_no_refresh_token_is_no_grant(nod: Nod) -> None:
    client = TokenClient(nod)
    token_set = client.tokens()
    refresh_token = token_set["refresh_token"]
    body, generation, mac = refresh_token.rsplit(".", 2)
    for text in (
        "no-such-token-4711",
        "\u00e9",
        "." * 9_000,
        token_set["access_token"],
        token_set["id_token"],
        f"{body}.1.{mac}",
        f"{body}.{generation}.{'A' * len(mac)}",
        refresh_token + "=",
    ):
        assert refused(client.refresh(text), text) == INVALID_GRANT
    missing = client.post("oauth/token", grant_type=REFRESH_TOKEN_GRANT)
    assert refused(missing) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("metadata", "api", "scope"),
    [
        ({"grant_types": [CIBA_GRANT]}, None, "openid offline_access"),
        ({}, {"allow_offline_access": False}, "openid offline_access"),
        ({}, None, "openid profile"),
    ],
    ids=["the grant is not registered", "the API does not allow it", "it was not asked for"],
)
def test_without_its_conditions_there_is_no_refresh_token(
    nod: Nod, metadata: dict[str, object], api: dict[str, object] | None, scope: str
) -> None:
    """D086: and the scope that was not granted is not said to be."""
    client = TokenClient(nod, **metadata)
    asked = {"scope": scope} | ({} if api is None else {"audience": new_api(nod, **api)})
    token_set = granted(client.poll(client.approved(**asked)))

    assert "refresh_token" not in token_set
    assert "offline_access" not in token_set["scope"]


def test_an_api_that_allows_it_has_its_tokens_refreshed(nod: Nod) -> None:
    """D080, D086: bound to the resource that was consented to."""
    client = TokenClient(nod)
    audience = new_api(nod, allow_offline_access=True, token_lifetime=120)
    first = client.tokens(audience=audience)
    second = granted(client.refresh(first["refresh_token"]))
    claims = verified(nod, second["access_token"], audience)

    assert (claims["exp"] - claims["iat"], second["expires_in"]) == (120, 120)


def test_the_grant_must_be_registered(nod: Nod) -> None:
    client = TokenClient(nod, grant_types=[CIBA_GRANT])
    other = TokenClient(nod).tokens()["refresh_token"]

    assert refused(client.refresh(other), other) == (400, "unauthorized_client")


# Rotation


def in_parallel(racers: int, client: TokenClient, refresh_token: str) -> list[tuple[int, Any]]:
    """As many refreshes of one token at once, each over its own connection."""

    def refresh(_: int) -> tuple[int, Any]:
        form = {"grant_type": REFRESH_TOKEN_GRANT, "refresh_token": refresh_token}
        url = f"{client.nod.url}oauth/token"
        answer = httpx2.post(url, data=form, auth=client.oauth.basic, timeout=15)
        return answer.status_code, answer.json()

    with concurrent.futures.ThreadPoolExecutor(racers) as pool:
        return list(pool.map(refresh, range(racers)))


def test_parallel_refreshes_within_the_leeway_have_one_successor(nod: Nod) -> None:
    """T17: whoever's answer was lost gets the same refresh token again; there is one family."""
    client = TokenClient(nod, refresh_token=ROTATING)
    first = client.tokens()["refresh_token"]
    answers = in_parallel(64, client, first)
    successors = {body.get("refresh_token") for _, body in answers}

    assert {status for status, _ in answers} == {200}
    assert len(successors) == 1
    [successor] = successors
    assert successor != first
    assert client.introspect(first) == INACTIVE
    assert client.is_active(successor)
    assert len({body["access_token"] for _, body in answers}) == 64
    assert granted(client.refresh(successor))["refresh_token"] not in {first, successor}


def test_parallel_refreshes_without_leeway_leave_nothing(nod: Nod) -> None:
    """D081, T17: one was answered, then the token was in two hands: nothing of it stands."""
    client = TokenClient(nod, refresh_token={"rotation_type": "rotating", "leeway": 0})
    first = client.tokens()
    answers = in_parallel(64, client, first["refresh_token"])
    winners = [body for status, body in answers if status == 200]

    assert len(winners) == 1
    assert {body.get("error") for status, body in answers if status != 200} == {"invalid_grant"}
    check_family_is_revoked(client, first, *winners)


def check_family_is_revoked(client: TokenClient, *token_sets: dict[str, Any]) -> None:
    """D022: everywhere a token could be used."""
    for token_set in token_sets:
        assert client.introspect(token_set["access_token"]) == INACTIVE
        assert client.introspect(token_set["refresh_token"]) == INACTIVE
        shown = client.userinfo(token_set["access_token"])
        assert refused(shown) == (401, "invalid_token")
        assert refused(client.refresh(token_set["refresh_token"])) == INVALID_GRANT


def test_a_token_replaced_long_ago_revokes_all_that_came_from_it(nod: Nod) -> None:
    """D081, RFC 9700 4.14.2; another approval of the same person's is another family."""
    client = TokenClient(nod, refresh_token=ROTATING)
    first, other = client.tokens(), client.tokens()
    second = granted(client.refresh(first["refresh_token"]))
    third = granted(client.refresh(second["refresh_token"]))

    assert refused(client.refresh(first["refresh_token"])) == INVALID_GRANT
    check_family_is_revoked(client, first, second, third)
    assert client.is_active(other["access_token"])
    assert client.is_active(other["refresh_token"])


@pytest.mark.xdist_group("own_nod")
def test_what_was_rotated_is_remembered_across_a_restart(own_nod: Nod) -> None:
    """T17: a process forgets nothing when it ends, for it knew nothing."""
    client = TokenClient(own_nod, refresh_token=ROTATING)
    first = client.tokens()
    second = granted(client.refresh(first["refresh_token"]))
    own_nod.api.end()
    own_nod.api.start()
    own_nod.wait_until_ready()
    again = granted(client.refresh(first["refresh_token"]))
    third = granted(client.refresh(second["refresh_token"]))

    assert again["refresh_token"] == second["refresh_token"]
    assert refused(client.refresh(first["refresh_token"])) == INVALID_GRANT
    check_family_is_revoked(client, first, second, again, third)


def test_revocation_wins_over_refreshes_at_the_same_time(nod: Nod) -> None:
    """T17: whichever comes first, nothing that came from the token stands afterwards."""
    client = TokenClient(nod)
    first = client.tokens()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        refreshing = pool.submit(in_parallel, 16, client, first["refresh_token"])
        client.post("oauth/revoke", token=first["refresh_token"])
        answers = refreshing.result()

    assert {body.get("error") for _, body in answers} <= {None, "invalid_grant"}
    check_family_is_revoked(client, first, *[body for status, body in answers if status == 200])


# Revocation and introspection


def test_revoking_reaches_wherever_a_token_could_be_used(nod: Nod) -> None:
    """D020-D022."""
    client = TokenClient(nod)
    first = client.tokens()
    second = granted(client.refresh(first["refresh_token"]))
    client.post("oauth/revoke", token=first["access_token"])

    assert refused(client.userinfo(first["access_token"])) == (401, "invalid_token")
    assert client.userinfo(second["access_token"]).status_code == 200
    done = client.post("oauth/revoke", token=first["refresh_token"], token_type_hint="access_token")
    assert (done.status_code, done.content) == (200, b"")
    check_family_is_revoked(client, first, second)


def test_revoking_takes_a_client_a_token_and_the_right_kind_of_it(nod: Nod) -> None:
    """D020, D021, D023, RFC 7009 2.2.1."""
    client, thief = TokenClient(nod), TokenClient(nod)
    token_set = client.tokens()
    for token in (token_set["access_token"], token_set["refresh_token"], "unknown", "\u00e9"):
        done = thief.post("oauth/revoke", token=token)
        assert (done.status_code, done.content) == (200, b"")

    stranger = nod.http.post("oauth/revoke", data={"token": token_set["refresh_token"]})
    assert refused(stranger) == (401, "invalid_client")
    assert refused(client.post("oauth/revoke")) == (400, "invalid_request")
    unsupported = client.post("oauth/revoke", token=token_set["id_token"])
    assert refused(unsupported) == (400, "unsupported_token_type")
    assert client.is_active(token_set["access_token"])
    assert client.is_active(token_set["refresh_token"])


def test_introspection_says_what_a_token_is(nod: Nod) -> None:
    """D012, D014: whatever the hint."""
    client = TokenClient(nod)
    token_set = client.tokens()
    claims = verified(nod, token_set["access_token"], f"{nod.url}userinfo")

    for hint in ({}, {"token_type_hint": "refresh_token"}, {"token_type_hint": "nothing known"}):
        shown = client.introspect(token_set["access_token"], **hint)
        assert shown["active"] is True
        assert (shown["token_type"], shown["nbf"]) == ("Bearer", claims["iat"])
        for name in ("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "auth_time"):
            assert shown[name] == claims[name]
        assert client.introspect(token_set["refresh_token"], **hint)["sub"] == client.user_id


def test_a_resource_server_sees_what_is_aimed_at_it_and_nobody_else_does(nod: Nod) -> None:
    """D011, D015."""
    client, stranger = TokenClient(nod), TokenClient(nod)
    audience = new_api(nod)
    server = TokenClient(nod, resource_server_identifier=audience)
    aimed, elsewhere = client.tokens(audience=audience), client.tokens(scope="openid")

    assert server.introspect(aimed["access_token"])["aud"] == audience
    assert server.introspect(elsewhere["access_token"]) == INACTIVE
    for token in (aimed["access_token"], elsewhere["access_token"], aimed["id_token"], "x"):
        assert stranger.introspect(token) == INACTIVE


def test_introspection_takes_a_client_and_a_token(nod: Nod) -> None:
    """D010, D014."""
    client = TokenClient(nod)
    token = client.tokens()["access_token"]
    wrong = OAuthClient(client.client_id, "wrong").post
    for credentials in ({}, wrong):
        answer = nod.http.post("oauth/introspect", data={"token": token} | credentials)
        assert refused(answer, token) == (401, "invalid_client")

    assert refused(client.post("oauth/introspect")) == (400, "invalid_request")


# Userinfo


def test_userinfo_challenges_who_may_not_see(nod: Nod) -> None:
    """OpenID Connect Core 5.3.3, RFC 6750 3; that the scheme is missing names no error."""
    client = TokenClient(nod)
    token_set = client.tokens()
    bare = nod.http.get("userinfo")
    wrong = client.userinfo(token_set["access_token"][:-4] + "AAAA")

    assert bare.status_code == 401
    assert bare.headers.get_list("www-authenticate")[0] == "Bearer"
    assert refused(wrong) == (401, "invalid_token")
    assert wrong.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_userinfo_answers_a_form_post_too(nod: Nod) -> None:
    """OpenID Connect Core 5.3.1."""
    client = TokenClient(nod)
    headers = {"Authorization": f"Bearer {client.tokens()['access_token']}"}

    assert nod.http.post("userinfo", headers=headers).json()["sub"] == client.user_id


# Algorithms


def half_hash(token: str, alg: str) -> str:
    """OpenID Connect Core 3.1.3.6, for Ed25519 with the hash inside it."""
    hashed = hashlib.sha512 if alg == "EdDSA" else hashlib.sha256
    whole = hashed(token.encode()).digest()
    return base64.urlsafe_b64encode(whole[: len(whole) // 2]).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("of_client", "of_api"),
    [("RS256", "PS256"), ("PS256", "EdDSA"), ("EdDSA", "RS256"), ("ES256", "ES256")],
)
def test_tokens_are_signed_as_client_and_api_registered(
    nod: Nod, of_client: str, of_api: str
) -> None:
    """Decision 7, A141: also those of a refresh; `at_hash` by the algorithm of the ID token."""
    client = TokenClient(nod, jwt_configuration={"alg": of_client})
    audience = new_api(nod, signing_alg=of_api, allow_offline_access=True)
    first = client.tokens(audience=audience)
    for token_set in (first, granted(client.refresh(first["refresh_token"]))):
        access_token, id_token = token_set["access_token"], token_set["id_token"]

        assert jwt.get_unverified_header(id_token)["alg"] == of_client
        assert jwt.get_unverified_header(access_token)["alg"] == of_api
        assert verified(nod, access_token, audience)["sub"] == client.user_id
        claims = verified(nod, id_token, client.client_id)
        assert claims["at_hash"] == half_hash(access_token, of_client)
        assert client.is_active(access_token)


def test_a_clients_own_token_is_signed_as_its_api_registered(nod: Nod) -> None:
    client = TokenClient(nod, grant_types=[CLIENT_CREDENTIALS_GRANT])
    audience = new_api(nod, signing_alg="PS256", scopes=[{"value": "pay"}])
    body = {"client_id": client.client_id, "audience": audience, "scope": ["pay"]}
    assert nod.admin("POST", "client-grants", body).status_code == 201
    form = {"grant_type": CLIENT_CREDENTIALS_GRANT, "audience": audience}
    token = granted(client.post("oauth/token", **form))["access_token"]

    assert jwt.get_unverified_header(token)["alg"] == "PS256"
    assert verified(nod, token, audience)["scope"] == "pay"
    assert client.is_active(token)
