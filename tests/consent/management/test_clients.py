"""Clients as they are described and shown."""

import contextlib
import functools
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.client import CIBA_GRANT, AuthenticationMethod, Client
from consent.errors import ManagementError
from consent.management.clients import GRANT_TYPES, client_shown, new_client
from consent.outbound.address import checked_url
from tests.support.domain import a_client, vector

check_url = functools.partial(checked_url, allowed_networks=(), ports=frozenset({443}))


def described(body: dict[str, object]) -> Client:
    return new_client(body, client_id="id", check_url=check_url)


def test_a_secret_is_shown_only_when_made_and_what_is_kept_of_it_never() -> None:
    """Decision 9."""
    client = a_client(secret_sealed=b"sealed")

    assert "client_secret" not in client_shown(client)
    assert client_shown(client, "SECRET")["client_secret"] == "SECRET"
    assert not {"secret_digest", "secret_sealed"} & set(client_shown(client, "SECRET"))


def test_a_body_cannot_set_what_is_ours() -> None:
    """T33: no mass assignment."""
    body: dict[str, object] = {
        "name": "N",
        "client_id": "x",
        "secret_digest": "x",
        "secret_sealed": "eA==",
        "client_secret": "x",
    }

    client = described(body)

    assert (client.client_id, client.secret_digest, client.secret_sealed) == ("id", "", b"")


@pytest.mark.parametrize("grant_type", sorted(GRANT_TYPES))
def test_every_known_grant_type_may_be_registered(grant_type: str) -> None:
    body: dict[str, object] = {"name": "N", "grant_types": [grant_type]}

    assert described(body).may_use(grant_type)


def test_a_client_does_not_get_ciba_unless_it_asks() -> None:
    assert not described({"name": "N"}).may_use(CIBA_GRANT)


def test_all_that_is_allowed_fits() -> None:
    body: dict[str, object] = {
        "name": "n" * 255,
        "grant_types": sorted(GRANT_TYPES),
        "client_metadata": {str(number): "v" * 255 for number in range(10)},
        "jwks": {"keys": [vector("rfc7517_x5c")["jwk"]]},
        "authorization_details_types": [str(number) for number in range(100)],
        "resource_server_identifier": "r" * 255,
    }

    assert described(body).client_metadata == body["client_metadata"]


def test_secret_encoded_must_be_a_boolean() -> None:
    body: dict[str, object] = {"name": "N", "jwt_configuration": {"secret_encoded": 1}}
    with pytest.raises(ManagementError, match=r"jwt_configuration\.secret_encoded"):
        described(body)


EVERYTHING: dict[str, object] = {
    "name": "N",
    "profile": "fapi-ciba",
    "grant_types": [CIBA_GRANT, "refresh_token"],
    "token_endpoint_auth_method": "tls_client_auth",
    "token_endpoint_auth_signing_alg": "PS256",
    "tls_client_auth_san_dns": "bank.example",
    "tls_client_certificate_bound_access_tokens": True,
    "dpop_bound_access_tokens": True,
    "jwt_configuration": {"lifetime_in_seconds": 60, "secret_encoded": False, "alg": "PS256"},
    "refresh_token": {"rotation_type": "non-rotating", "leeway": 0, "expiration_type": "expiring"},
    "jwks_uri": "https://bank.example/keys",
    "backchannel_token_delivery_mode": "ping",
    "backchannel_client_notification_endpoint": "https://bank.example/ping",
    "backchannel_authentication_request_signing_alg": "ES256",
    "backchannel_user_code_parameter": True,
    "long_poll_seconds": 30,
    "authorization_details_types": ["payment"],
    "resource_server_identifier": "https://api.bank.example/",
}


def test_all_that_is_registered_is_shown() -> None:
    """C041."""
    shown = client_shown(described(EVERYTHING))

    assert {name: shown[name] for name in EVERYTHING} == EVERYTHING


def test_what_equals_its_default_is_shown_too() -> None:
    """C041."""
    body: dict[str, object] = {
        "name": "N",
        "profile": "standard",
        "backchannel_token_delivery_mode": "poll",
        "backchannel_user_code_parameter": False,
        "dpop_bound_access_tokens": False,
        "long_poll_seconds": 0,
        "authorization_details_types": [],
    }

    shown = client_shown(described(body))

    assert {name: shown[name] for name in body} == body


def test_what_is_not_set_is_not_shown() -> None:
    unset = {"jwks", "jwks_uri", "tls_client_auth_san_ip", "authorization_details_types"}

    assert not unset & set(client_shown(described({"name": "N"})))


def test_members_of_a_key_set_that_nobody_knows_are_not_kept() -> None:
    """RFC 7517 5; what is in a key stays, for it may say more of it."""
    jwk = vector("rfc7517_x5c")["jwk"]

    client = described({"name": "N", "jwks": {"keys": [jwk | {"more": 1}], "note": "x"}})

    assert client.jwks == {"keys": [jwk | {"more": 1}]}


@pytest.mark.parametrize("method", get_args(AuthenticationMethod))
def test_every_method_may_be_registered(method: str) -> None:
    """With what it needs."""
    body: dict[str, object] = {
        "name": "N",
        "token_endpoint_auth_method": method,
        "jwks_uri": "https://bank.example/keys",
        "tls_client_auth_subject_dn": "CN=bank",
    }

    assert described(body).token_endpoint_auth_method == method


def test_a_broken_rule_is_an_invalid_body_with_its_member() -> None:
    """The same rules as for a client that registers itself."""
    body: dict[str, object] = {"name": "N", "token_endpoint_auth_method": "private_key_jwt"}
    with pytest.raises(ManagementError) as refused:
        described(body)

    assert (refused.value.status, refused.value.error) == (400, "invalid_body")
    assert refused.value.description == (
        "Payload validation error: "
        "'A key that can verify is required, here or at a jwks_uri' on property jwks."
    )


VALUES: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.just([{"keys": []}])
)
JSON: st.SearchStrategy[object] = (
    VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(st.text(max_size=3), VALUES)
)


@given(name=st.sampled_from(sorted(EVERYTHING)), value=JSON)
def test_any_value_of_any_member_is_taken_or_refused(name: str, value: object) -> None:
    """C029."""
    with contextlib.suppress(ManagementError):
        described(EVERYTHING | {name: value})
