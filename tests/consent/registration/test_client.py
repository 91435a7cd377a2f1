"""The client that a body registers (C010-C029, A183-A187)."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import policy
from consent.client import CIBA_GRANT, Client, JwtConfiguration
from consent.errors import (
    InvalidMetadata,
    InvalidRedirectUri,
    OAuthError,
    UnapprovedSoftwareStatement,
)
from consent.management.clients import changed_client
from consent.registration.client import Terms, new_client
from consent.signing_key import new_signing_key
from tests.support.domain import ERROR_CHARACTERS, NOW, SEAL
from tests.support.registering import CALLBACK, PERMISSIVE, POLL, STATER, STRICT, WEB, statement

KEYS: dict[str, Any] = {"keys": [STATER.public]}
PING = POLL | {
    "backchannel_token_delivery_mode": "ping",
    "backchannel_client_notification_endpoint": "https://app.example/notified",
}


def registered(body: dict[str, Any], terms: Terms = PERMISSIVE) -> Client:
    return new_client(body, terms, client_id="c", now=NOW, unused_until=0)


def test_a_client_that_registers_itself_is_a_third_party() -> None:
    """W 4, and never what only an administrator may say."""
    client = registered(
        WEB
        | {
            "is_first_party": True,
            "profile": "auth0",
            "resource_server_identifier": "https://api.example/",
            "long_poll_seconds": 30,
            "client_id": "mine",
            "client_secret": "mine",
            "client_metadata": {"a": "b"},
        }
    )
    assert client == Client(
        client_id="c",
        name="Agent X",
        secret_digest="",
        grant_types=["authorization_code"],
        is_first_party=False,
        callbacks=[CALLBACK],
        registration=client.registration,
    )
    assert client.registration is not None
    assert client.registration.issued_at == NOW
    assert client.registration.metadata["response_types"] == ["code"]


def test_a_client_without_a_name_is_called_by_its_id() -> None:
    assert registered({"redirect_uris": [CALLBACK]}).name == "c"


@pytest.mark.parametrize(
    "body",
    [
        WEB | {"authorization_details_types": ["payment", "payment"]},
        WEB | {"grant_types": ["authorization_code"] * 2, "redirect_uris": [CALLBACK] * 50},
        WEB | {"jwks": KEYS, "client_name": "x" * 255},
        WEB | {"token_endpoint_auth_method": "none"},
        PING | {"backchannel_token_delivery_mode": "push", "grant_types": []},
    ],
)
def test_what_registered_itself_can_be_changed_by_an_administrator(body: dict[str, Any]) -> None:
    client, _ = changed_client(
        registered(body), {"name": "Renamed"}, seal=SEAL, check_url=PERMISSIVE.check_url
    )
    assert client.name == "Renamed"


def test_a_permissive_tenant_takes_every_way_of_ciba() -> None:
    assert registered(POLL).grant_types == [CIBA_GRANT]
    ping = registered(PING | {"backchannel_user_code_parameter": True})
    assert ping.backchannel_token_delivery_mode == "ping"
    assert ping.backchannel_client_notification_endpoint == "https://app.example/notified"
    assert ping.backchannel_user_code_parameter
    push = registered(PING | {"backchannel_token_delivery_mode": "push", "grant_types": []})
    assert push.backchannel_token_delivery_mode == "push"


def test_a_strict_tenant_takes_no_ciba() -> None:
    """W 4: dropped, as what nobody knows; refused when nothing else is left."""
    client = registered(
        WEB
        | PING
        | {"grant_types": [CIBA_GRANT, "authorization_code"], "response_types": ["code"]},
        STRICT,
    )
    assert client.grant_types == ["authorization_code"]
    assert client.backchannel_client_notification_endpoint == ""
    with pytest.raises(InvalidMetadata):
        registered(PING, STRICT)


def test_the_algorithm_of_id_tokens_is_the_clients_choice() -> None:
    for algorithm in ("ES256", "RS256", "PS256", "EdDSA"):
        client = registered(WEB | {"id_token_signed_response_alg": algorithm})
        assert client.jwt_configuration == JwtConfiguration(alg=algorithm)


def test_a_native_client_is_one() -> None:
    client = registered(
        {"application_type": "native", "redirect_uris": ["com.example:/cb"]}
        | {"token_endpoint_auth_method": "none"}
    )
    assert client.app_type == "native"
    assert client.refresh_token.rotation_type == "rotating"


def test_a_statement_speaks_for_the_client() -> None:
    """C050, C051."""
    text = statement(client_name="Stated", redirect_uris=["https://stated.example/cb"])
    client = registered(WEB | {"software_statement": text})
    assert (client.name, client.callbacks) == ("Stated", ["https://stated.example/cb"])
    assert client.registration is not None
    assert client.registration.metadata["software_statement"] == text
    stranger = new_signing_key().sign({"iss": "https://stranger.example"}, "JWT")
    with pytest.raises(UnapprovedSoftwareStatement):
        registered(WEB | {"software_statement": stranger})


REDIRECTS: dict[str, dict[str, Any]] = {
    "C013: none": {"client_name": "N"},
    "C013: a fragment": {"redirect_uris": ["https://app.example/#a"]},
    "C015: javascript": {"redirect_uris": ["javascript:alert(1)"]},
    "C014: http": {"redirect_uris": ["http://app.example/"]},
    "a number": {"redirect_uris": 1},
}


@pytest.mark.parametrize("body", REDIRECTS.values(), ids=REDIRECTS)
def test_a_redirect_uri_has_its_own_error(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRedirectUri):
        registered(body)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown method": (WEB | {"token_endpoint_auth_method": "SECRETVALUE"}, "auth_method"),
    "B001: CIBA unauthenticated": (POLL | {"token_endpoint_auth_method": "none"}, "grant_types"),
    "A183: no delivery mode": (
        POLL | {"backchannel_token_delivery_mode": None},
        "backchannel_token_delivery_mode",
    ),
    "A184: ping to nowhere": (
        PING | {"backchannel_client_notification_endpoint": None},
        "backchannel_client_notification_endpoint",
    ),
    "A184: ping over http": (
        PING | {"backchannel_client_notification_endpoint": "http://app.example/n"},
        "backchannel_client_notification_endpoint",
    ),
    "T18: ping to a neighbour": (
        PING | {"backchannel_client_notification_endpoint": "https://169.254.169.254/n"},
        "backchannel_client_notification_endpoint",
    ),
    "A185: poll without the grant": (
        POLL | {"grant_types": ["client_credentials"]},
        "grant_types",
    ),
    "A186: signed requests without keys": (
        POLL | {"backchannel_authentication_request_signing_alg": "ES256"},
        "jwks",
    ),
    "A186: an algorithm nobody knows": (
        POLL | {"backchannel_authentication_request_signing_alg": "none", "jwks": KEYS},
        "backchannel_authentication_request_signing_alg",
    ),
    "C029: signed requests promised and not registered": (
        POLL | {"require_signed_request_object": True, "jwks": KEYS},
        "backchannel_authentication_request_signing_alg",
    ),
    "C017: keys twice": (WEB | {"jwks": KEYS, "jwks_uri": "https://app.example/jwks"}, "jwks_uri"),
    "C018: keys over http": (WEB | {"jwks_uri": "http://app.example/jwks"}, "jwks_uri"),
    "T18: keys of a neighbour": (WEB | {"jwks_uri": "https://127.0.0.1/jwks"}, "jwks_uri"),
    "C018: a private key": (
        WEB | {"jwks": {"keys": [{**STATER.public, "d": "SECRETVALUE"}]}},
        "jwks",
    ),
    "C018: a symmetric key": (WEB | {"jwks": {"keys": [{"kty": "oct", "k": "eA"}]}}, "jwks"),
    "C020: assertions without keys": (
        WEB | {"token_endpoint_auth_method": "private_key_jwt"},
        "jwks",
    ),
    "C021: a certificate of nobody": (
        WEB | {"token_endpoint_auth_method": "tls_client_auth"},
        "tls_client_auth_subject_dn",
    ),
    "C022: assertions without an algorithm": (
        WEB | {"token_endpoint_auth_signing_alg": "none"},
        "token_endpoint_auth_signing_alg",
    ),
    "T20: a homograph": (WEB | {"client_name": "P\u0430yments"}, "client_name"),
    "T20: a homograph in a language": (WEB | {"client_name#en": "P\u0430y"}, "client_name"),
}


@pytest.mark.parametrize(("body", "named"), REFUSED.values(), ids=REFUSED)
def test_metadata_against_a_rule_are_refused(body: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidMetadata) as refused:
        registered(body)

    assert refused.value.error == "invalid_client_metadata"
    assert named in refused.value.description
    assert ERROR_CHARACTERS.issuperset(refused.value.description)
    assert "SECRETVALUE" not in refused.value.description


def test_a_method_that_does_not_work_here_is_not_registered() -> None:
    terms = PERMISSIVE._replace(methods={"client_secret_post"})
    with pytest.raises(InvalidMetadata):
        registered(WEB | {"token_endpoint_auth_method": "client_secret_basic"}, terms)


def test_a_stranger_keeps_no_more_here_than_a_page() -> None:
    body = WEB | {"redirect_uris": [f"https://app.example/{n}".ljust(2_000, "a") for n in range(9)]}
    size = len(msgspec.json.encode(registered(body)))
    assert size < policy.REGISTRATION_BYTES_MAX
    body["redirect_uris"] *= 2
    with pytest.raises(InvalidMetadata):
        registered(body)


TEXTS = st.text(max_size=20) | st.sampled_from(["code", "none", "https://a.example/", "poll"])


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "redirect_uris",
                "grant_types",
                "response_types",
                "jwks",
                "jwks_uri",
                "token_endpoint_auth_method",
                "backchannel_token_delivery_mode",
                "software_statement",
                "client_name#de",
            ]
        ),
        TEXTS
        | st.lists(TEXTS, max_size=3)
        | st.none()
        | st.integers()
        | st.booleans()
        | st.builds(
            lambda keys: {"keys": keys}, st.lists(st.dictionaries(TEXTS, TEXTS), max_size=2)
        ),
    )
)
def test_any_body_is_a_client_or_refused(body: dict[str, Any]) -> None:
    for terms in (STRICT, PERMISSIVE):
        try:
            client = registered(body, terms)
        except OAuthError as refused:
            check_fit_for_the_wire(refused)
        else:
            assert not client.is_first_party


def check_fit_for_the_wire(refused: OAuthError) -> None:
    assert refused.status == 400
    assert ERROR_CHARACTERS.issuperset(refused.description)
