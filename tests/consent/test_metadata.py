"""Discovery says what is on, and only that."""

from consent.access import OIDC_SCOPES
from consent.client import CIBA_GRANT
from consent.metadata import provider_metadata
from consent.tokens import _CLAIM_NAMES, _SCOPE_CLAIMS
from tests.support.domain import ISSUER, settings

METADATA = provider_metadata(settings())


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
    """A180, A181, A182: poll only, no signed requests, no user codes."""
    assert METADATA["backchannel_authentication_endpoint"] == f"{ISSUER}bc-authorize"
    assert METADATA["backchannel_token_delivery_modes_supported"] == ["poll"]
    assert METADATA["backchannel_user_code_parameter_supported"] is False
    assert "backchannel_authentication_request_signing_alg_values_supported" not in METADATA
    assert CIBA_GRANT in METADATA["grant_types_supported"]  # type: ignore[operator]


def test_every_endpoint_is_under_the_issuer() -> None:
    """D038: https as the issuer is."""
    urls = [v for k, v in METADATA.items() if k.endswith(("_endpoint", "_uri"))]

    assert urls
    assert all(str(url).startswith(ISSUER) for url in urls)


def test_no_member_is_empty() -> None:
    """D032."""
    assert all(value not in ("", [], None) for value in METADATA.values())


def test_no_secret_free_method_and_no_assertion_is_announced() -> None:
    """D035, B001."""
    assert METADATA["token_endpoint_auth_methods_supported"] == [
        "client_secret_basic",
        "client_secret_post",
    ]


def test_the_claims_announced_are_those_that_tokens_can_have() -> None:
    released = {_CLAIM_NAMES.get(name, name) for names in _SCOPE_CLAIMS.values() for name in names}

    assert set(METADATA["claims_supported"]) == released | {  # type: ignore[call-overload]
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "auth_time",
    }


def test_a_scope_that_gives_nothing_is_not_announced() -> None:
    """There are no refresh tokens, so offline_access is accepted and not offered."""
    assert set(OIDC_SCOPES) - set(METADATA["scopes_supported"]) == {  # type: ignore[call-overload]
        "offline_access"
    }
