"""What a registered client is told (C040-C043)."""

from typing import Any

import pytest

from consent.client import Client
from consent.client_metadata import with_new_secret
from consent.registration.answer import client_information
from consent.registration.client import Terms, new_client
from consent.registration.update import with_new_token
from tests.support.domain import NOW, SEAL
from tests.support.registering import CALLBACK, PERMISSIVE, POLL, STATER, STRICT, WEB, statement

URI = "https://nod.example/oidc/register/c"
DEFAULTS = {
    "client_id": "c",
    "client_id_issued_at": NOW,
    "client_name": "Agent X",
    "token_endpoint_auth_method": "client_secret_post",
    "id_token_signed_response_alg": "ES256",
    "application_type": "web",
    "subject_type": "public",
    "require_auth_time": False,
    "require_signed_request_object": False,
    "use_mtls_endpoint_aliases": False,
    "tls_client_certificate_bound_access_tokens": False,
    "dpop_bound_access_tokens": False,
    "client_secret_expires_at": 0,
}


def registered(body: dict[str, Any], terms: Terms = PERMISSIVE) -> Client:
    return new_client(body, terms, client_id="c", now=NOW, unused_until=0)


def told(body: dict[str, Any], terms: Terms = PERMISSIVE) -> dict[str, object]:
    return client_information(registered(body, terms), uri=URI, token=None)


def test_all_that_is_registered_is_told_with_its_defaults() -> None:
    """C041, C004: and nothing that was ignored."""
    assert told(WEB | {"unknown": 1, "is_first_party": True, "client_secret": "mine"}) == {
        **DEFAULTS,
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
    }


def test_a_ciba_client_is_told_what_it_registered_for_ciba() -> None:
    assert told(POLL) == {
        **DEFAULTS,
        "grant_types": POLL["grant_types"],
        "response_types": [],
        "backchannel_token_delivery_mode": "poll",
        "backchannel_user_code_parameter": False,
    }


def test_what_was_replaced_is_told_as_it_is() -> None:
    """C041: of a strict tenant no CIBA."""
    body = WEB | {"grant_types": [*POLL["grant_types"], "authorization_code"]}
    shown = told(body | {"backchannel_token_delivery_mode": "poll"}, STRICT)
    assert shown["grant_types"] == ["authorization_code"]
    assert not [name for name in shown if name.startswith("backchannel")]


GIVEN: dict[str, object] = {
    "jwks": {"keys": [STATER.public]},
    "token_endpoint_auth_method": "private_key_jwt",
    "token_endpoint_auth_signing_alg": "ES256",
    "id_token_signed_response_alg": "RS256",
    "dpop_bound_access_tokens": True,
    "authorization_details_types": ["payment"],
    "backchannel_authentication_request_signing_alg": "ES256",
    "backchannel_user_code_parameter": True,
    "backchannel_token_delivery_mode": "ping",
    "backchannel_client_notification_endpoint": "https://app.example/n",
    "client_name#ja": "アプリ",
    "logo_uri": "https://app.example/logo",
    "contacts": ["a@app.example"],
    "scope": "openid",
    "software_statement": statement(),
    "software_id": "app-1",
    "default_max_age": 0,
}


@pytest.mark.parametrize("name", GIVEN)
def test_a_member_is_told_as_it_was_sent(name: str) -> None:
    assert told(POLL | GIVEN)[name] == GIVEN[name]


def test_a_secret_is_told_when_it_is_made_and_its_life_always() -> None:
    """C042."""
    client, secret = with_new_secret(registered(WEB), SEAL)
    shown = client_information(client, uri=URI, token=None, secret=secret)
    assert (shown["client_secret"], shown["client_secret_expires_at"]) == (secret, 0)
    assert client.secret_digest not in str(shown)
    public = told(WEB | {"token_endpoint_auth_method": "none"})
    assert not public.keys() & {"client_secret", "client_secret_expires_at"}


def test_the_token_and_the_uri_are_told_together_or_not_at_all() -> None:
    """C043."""
    client, token = with_new_token(registered(WEB))
    members = {"registration_client_uri", "registration_access_token"}
    shown = client_information(client, uri=URI, token=token)
    assert [shown[name] for name in sorted(members)] == [token, URI]
    assert not client_information(client, uri=URI, token=None).keys() & members
