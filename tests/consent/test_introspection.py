"""What introspection shows of a token, and to whom."""

import msgspec
import pytest

from consent.access_token import AccessToken
from consent.introspection import access_token_shown, may_see, refresh_token_shown
from tests.support.domain import CLIENT_ID, ISSUER, NOW, USER_ID, a_client, a_request

API = "https://api.example/"
TOKEN = AccessToken(
    iss=ISSUER,
    sub=USER_ID,
    aud=API,
    client_id=CLIENT_ID,
    scope="openid email",
    jti="the-jti",
    iat=NOW,
    exp=NOW + 600,
)


@pytest.mark.parametrize(
    ("client_id", "api", "seen"),
    [
        (CLIENT_ID, "", True),
        (CLIENT_ID, "https://other.example/", True),
        ("api", API, True),
        ("api", "https://api.example", False),
        ("api", "", False),
        ("other", CLIENT_ID, False),
    ],
)
def test_a_token_is_seen_by_its_client_and_by_its_audience(
    client_id: str, api: str, *, seen: bool
) -> None:
    """D011, D015."""
    client = a_client(client_id=client_id, resource_server_identifier=api)

    assert may_see(client, TOKEN) is seen


def test_an_access_token_of_nobody_in_particular_has_no_empty_members() -> None:
    """D012."""
    assert access_token_shown(TOKEN) == {
        "active": True,
        "token_type": "Bearer",
        "scope": "openid email",
        "client_id": CLIENT_ID,
        "sub": USER_ID,
        "aud": API,
        "iss": ISSUER,
        "exp": NOW + 600,
        "iat": NOW,
        "nbf": NOW,
        "jti": "the-jti",
    }


@pytest.mark.parametrize(
    ("cnf", "token_type"),
    [({"jkt": "thumbprint"}, "DPoP"), ({"x5t#S256": "thumbprint"}, "Bearer")],
)
def test_a_bound_token_shows_its_confirmation(cnf: dict[str, str], token_type: str) -> None:
    """D012, RFC 8705 3.2, RFC 9449 6.2."""
    shown = access_token_shown(msgspec.structs.replace(TOKEN, cnf=cnf))

    assert (shown["cnf"], shown["token_type"]) == (cnf, token_type)


def test_what_was_authorized_is_a_member_of_its_own() -> None:
    """D013."""
    details: list[dict[str, object]] = [{"type": "payment"}]

    shown = access_token_shown(msgspec.structs.replace(TOKEN, authorization_details=details))
    refreshing = refresh_token_shown(a_request(authorization_details=details), NOW, ISSUER)

    assert shown["authorization_details"] == details
    assert refreshing["authorization_details"] == details


def test_a_refresh_token_shows_what_may_be_had_for_it() -> None:
    assert refresh_token_shown(a_request(), NOW + 9, ISSUER) == {
        "active": True,
        "scope": "openid email",
        "client_id": CLIENT_ID,
        "sub": USER_ID,
        "aud": API,
        "iss": ISSUER,
        "exp": NOW + 9,
    }
