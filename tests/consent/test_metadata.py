"""Discovery says what is on, and only that."""

from typing import get_args

import pytest

from consent.access import OIDC_SCOPES
from consent.client import (
    CIBA_GRANT,
    CLIENT_CREDENTIALS_GRANT,
    REFRESH_TOKEN_GRANT,
    DeliveryMode,
    SigningAlgorithm,
)
from consent.jose import ALGORITHMS, MAC_ALGORITHMS
from consent.metadata import provider_metadata
from consent.tokens import _CLAIM_NAMES, _SCOPE_CLAIMS
from tests.support.domain import ISSUER, settings

METADATA = provider_metadata(settings())
A_FILE = __file__  # a setting names one that is there
CERTIFICATES = {"trusted_proxies": "10.0.0.0/8"}
SECRETS = ["client_secret_basic", "client_secret_post"]
OF_AUTHENTICATION = ("token", "introspection", "revocation")


def test_the_issuer_is_byte_for_byte_the_setting() -> None:
    """D030."""
    assert METADATA["issuer"] == ISSUER


def test_what_openid_connect_discovery_requires_is_there() -> None:
    """D033, D034."""
    assert METADATA.keys() >= {
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    }


def test_ciba_is_announced_as_it_is_offered() -> None:
    """A180, A181, A182: every mode, signed requests of public keys alone (A065), user codes."""
    signed_with = METADATA["backchannel_authentication_request_signing_alg_values_supported"]

    assert METADATA["backchannel_authentication_endpoint"] == f"{ISSUER}bc-authorize"
    assert METADATA["backchannel_token_delivery_modes_supported"] == [*get_args(DeliveryMode)]
    assert METADATA["backchannel_user_code_parameter_supported"] is True
    assert signed_with == [*ALGORITHMS]
    assert METADATA["grant_types_supported"] == [
        CIBA_GRANT,
        REFRESH_TOKEN_GRANT,
        CLIENT_CREDENTIALS_GRANT,
    ]


def test_no_symmetric_and_no_empty_signature_is_announced_where_it_is_refused() -> None:
    """D035, A065, D050: `none` never, HMAC only for client_secret_jwt."""
    for name, algorithms in METADATA.items():
        if "signing_alg_values" in name:
            assert "none" not in algorithms  # type: ignore[operator]
            by_secret = {*MAC_ALGORITHMS} & {*algorithms}  # type: ignore[misc]
            assert bool(by_secret) == ("_endpoint_auth_" in name), name


def test_what_our_tokens_are_signed_with_is_announced() -> None:
    """X04: a client chooses among these."""
    assert METADATA["id_token_signing_alg_values_supported"] == [*get_args(SigningAlgorithm)]


@pytest.mark.parametrize("values", ["urn:a", "urn:b urn:a urn:c"])
def test_the_acr_values_are_those_an_approval_attains(values: str) -> None:
    """D092, A143."""
    metadata = provider_metadata(settings(acr_values=values))

    assert metadata["acr_values_supported"] == ["urn:nod:acr:number-matching", *values.split(" ")]


def test_every_endpoint_is_under_the_issuer() -> None:
    """D038: https as the issuer is."""
    urls = [v for k, v in METADATA.items() if k.endswith(("_endpoint", "_uri"))]

    assert len(urls) == 7
    assert all(str(url).startswith(ISSUER) for url in urls)


def test_no_member_is_empty() -> None:
    """D032."""
    assert all(value not in ("", [], None) for value in METADATA.values())


# What the settings make possible: the methods of RFC 8705 need a proxy that hands certificates
# over, and one of them an authority to trust.
METHODS = {
    "nothing": ({}, set()),
    "an authority, but nobody who hands certificates over": (
        {"client_certificate_ca_file": A_FILE},
        set(),
    ),
    "a proxy": (CERTIFICATES, {"self_signed_tls_client_auth"}),
    "a proxy and an authority": (
        CERTIFICATES | {"client_certificate_ca_file": A_FILE},
        {"self_signed_tls_client_auth", "tls_client_auth"},
    ),
}


@pytest.mark.parametrize(("variables", "by_certificate"), METHODS.values(), ids=METHODS)
def test_a_method_is_announced_where_it_works(
    variables: dict[str, str], by_certificate: set[str]
) -> None:
    """D035, D038, D063, B001: and one without proof only where a public client may come."""
    metadata = provider_metadata(settings(**variables))
    listed = {
        name: metadata[f"{name}_endpoint_auth_methods_supported"] for name in OF_AUTHENTICATION
    }

    always = {*SECRETS, "client_secret_jwt", "private_key_jwt"}
    assert {*listed["token"]} == always | by_certificate  # type: ignore[misc]
    assert listed["introspection"] == listed["token"]
    assert listed["revocation"] == [*listed["token"], "none"]  # type: ignore[misc]
    assert metadata.get("tls_client_certificate_bound_access_tokens", False) == (
        "trusted_proxies" in variables
    )


def test_where_assertions_pass_their_algorithms_are_announced() -> None:
    """D035."""
    for name in OF_AUTHENTICATION:
        announced = METADATA[f"{name}_endpoint_auth_signing_alg_values_supported"]
        assert announced == [*ALGORITHMS, *MAC_ALGORITHMS]


def test_an_alias_is_of_an_endpoint_that_clients_call_themselves() -> None:
    """D037: named at the top as well, and never the authorization endpoint."""
    metadata = provider_metadata(settings(mtls_base_url="https://mtls.nod.example/"))

    aliases = metadata["mtls_endpoint_aliases"]
    assert isinstance(aliases, dict)
    assert aliases["token_endpoint"] == "https://mtls.nod.example/oauth/token"
    assert "authorization_endpoint" not in aliases
    for name, url in aliases.items():
        assert str(metadata[name]).removeprefix(ISSUER) == url.removeprefix(
            "https://mtls.nod.example/"
        )
    assert "mtls_endpoint_aliases" not in METADATA


def test_hint_tokens_are_announced_where_somebody_is_trusted_to_issue_them() -> None:
    """A188."""
    name = "backchannel_endpoint_login_hint_token_types_supported"

    assert provider_metadata(settings(login_hint_token_issuers_file=A_FILE))[name] == ["jwt"]
    assert name not in METADATA


def test_the_claims_announced_are_those_that_tokens_can_have() -> None:
    released = {_CLAIM_NAMES.get(name, name) for names in _SCOPE_CLAIMS.values() for name in names}

    assert set(METADATA["claims_supported"]) == released | {  # type: ignore[call-overload]
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "acr",
        "amr",
    }


def test_every_scope_of_openid_connect_is_announced() -> None:
    assert METADATA["scopes_supported"] == [*OIDC_SCOPES]
