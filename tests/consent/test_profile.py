"""What each profile means, at registration and at run time."""

from typing import Any

import pytest

from consent.client import (
    CIBA_GRANT,
    DEFAULT_GRANT_TYPES,
    AuthenticationMethod,
    Client,
    JwtConfiguration,
    RefreshTokenPolicy,
)
from consent.jose import ALGORITHMS
from consent.profile import (
    RULES,
    access_token_alg,
    is_public,
    may_start_ciba,
    rotates_refresh_tokens,
    rules,
    run_time_violation,
    violation,
)
from tests.support.domain import a_client

REQUEST_ALG = "backchannel_authentication_request_signing_alg"
ROTATING = RefreshTokenPolicy(rotation_type="rotating")


def a_fapi_client(**changes: object) -> Client:
    fields: dict[str, Any] = {
        "profile": "fapi-ciba",
        "token_endpoint_auth_method": "private_key_jwt",
        REQUEST_ALG: "PS256",
        "tls_client_certificate_bound_access_tokens": True,
    }
    return a_client(**(fields | changes))


def test_the_standard_is_the_default() -> None:
    assert rules(a_client()) is RULES["standard"]
    assert violation(a_client()) is None


def test_the_standard_forbids_nothing_that_is_offered() -> None:
    for algorithm in ("ES256", "RS256", "PS256", "EdDSA"):
        client = a_client(
            jwt_configuration=JwtConfiguration(alg=algorithm),
            backchannel_token_delivery_mode="push",
            refresh_token=ROTATING,
        )
        assert violation(client) is None
    for algorithm in ALGORITHMS:
        assert violation(a_client(**{REQUEST_ALG: algorithm})) is None


def test_auth0s_dialect_differs_in_two_answers_alone() -> None:
    """W 1.3: a 429 with its interval, and no expired_token."""
    standard, auth0 = RULES["standard"], RULES["auth0"]

    different = {
        name for name in auth0.__struct_fields__ if getattr(auth0, name) != getattr(standard, name)
    }
    assert different == {"slow_down_status", "expired_is_access_denied"}
    assert (auth0.slow_down_status, auth0.expired_is_access_denied) == (429, True)
    assert (standard.slow_down_status, standard.expired_is_access_denied) == (400, False)


def test_fapi_reads_its_suites_assertions_and_limits_its_requests() -> None:
    """X01, B007; the answers are the standard's."""
    fapi = RULES["fapi-ciba"]

    assert (fapi.lenient_assertion_audience, fapi.request_object_life_limited) == (True, True)
    assert (fapi.slow_down_status, fapi.expired_is_access_denied) == (400, False)
    assert not RULES["standard"].lenient_assertion_audience


FITTING: dict[str, dict[str, object]] = {
    "private_key_jwt": {},
    "a CA's certificate": {"token_endpoint_auth_method": "tls_client_auth"},
    "its own certificate": {"token_endpoint_auth_method": "self_signed_tls_client_auth"},
    "ping (B004)": {"backchannel_token_delivery_mode": "ping"},
    "DPoP (B013)": {
        "tls_client_certificate_bound_access_tokens": False,
        "dpop_bound_access_tokens": True,
    },
    "ES256": {REQUEST_ALG: "ES256", "token_endpoint_auth_signing_alg": "ES256"},
    "EdDSA": {
        REQUEST_ALG: "EdDSA",
        "token_endpoint_auth_signing_alg": "EdDSA",
        "jwt_configuration": JwtConfiguration(alg="EdDSA"),
    },
    "no request object without CIBA": {"grant_types": ["client_credentials"], REQUEST_ALG: ""},
}


@pytest.mark.parametrize("changes", FITTING.values(), ids=FITTING)
def test_a_client_fits_fapi(changes: dict[str, object]) -> None:
    client = a_fapi_client(**changes)

    assert violation(client) is None
    assert run_time_violation(client) is None


METHOD = "token_endpoint_auth_method"
UNFIT: dict[str, tuple[dict[str, object], str]] = {
    "B001 a public client": ({METHOD: "none"}, METHOD),
    "B002 client_secret_basic": ({METHOD: "client_secret_basic"}, METHOD),
    "B002 client_secret_post": ({METHOD: "client_secret_post"}, METHOD),
    "B002 client_secret_jwt": ({METHOD: "client_secret_jwt"}, METHOD),
    "B004 push": ({"backchannel_token_delivery_mode": "push"}, "backchannel_token_delivery_mode"),
    "B005 no request object": ({REQUEST_ALG: ""}, REQUEST_ALG),
    "B010 requests by RS256": ({REQUEST_ALG: "RS256"}, REQUEST_ALG),
    "B010 requests by ES384": ({REQUEST_ALG: "ES384"}, REQUEST_ALG),
    "B010 assertions by RS256": (
        {"token_endpoint_auth_signing_alg": "RS256"},
        "token_endpoint_auth_signing_alg",
    ),
    "B010, X04 our tokens by RS256": (
        {"jwt_configuration": JwtConfiguration(alg="RS256")},
        "jwt_configuration.alg",
    ),
    "B013 tokens of nobody": (
        {"tls_client_certificate_bound_access_tokens": False},
        "tls_client_certificate_bound_access_tokens",
    ),
    "B019, X07 rotation": ({"refresh_token": ROTATING}, "refresh_token.rotation_type"),
}


@pytest.mark.parametrize(("changes", "name"), UNFIT.values(), ids=UNFIT)
def test_a_client_does_not_fit_fapi_by_one_member(changes: dict[str, object], name: str) -> None:
    client = a_fapi_client(**changes)

    found = violation(client)

    assert found is not None
    assert found.property_name == name
    assert found.reason.isascii()
    assert run_time_violation(client) == f"{name}: {found.reason}"


def test_a_record_that_became_fapi_by_hand_is_seen_at_run_time() -> None:
    assert run_time_violation(a_client(profile="fapi-ciba")) is not None


@pytest.mark.parametrize(
    ("grant_types", "mode", "method", "may"),
    [
        ([CIBA_GRANT], "poll", "client_secret_basic", True),
        ([CIBA_GRANT], "ping", "private_key_jwt", True),
        ([CIBA_GRANT], "push", "tls_client_auth", True),
        ([], "push", "client_secret_post", True),  # A177
        ([], "ping", "client_secret_post", False),  # A185
        (DEFAULT_GRANT_TYPES, "poll", "client_secret_post", False),  # A009
        ([CIBA_GRANT], "poll", "none", False),  # B001
        ([], "push", "none", False),
    ],
)
def test_who_may_start_ciba(
    grant_types: list[str], mode: str, method: AuthenticationMethod, may: bool
) -> None:
    client = a_client(
        grant_types=grant_types,
        backchannel_token_delivery_mode=mode,
        token_endpoint_auth_method=method,
    )

    assert may_start_ciba(client) is may
    assert is_public(client) is (method == "none")


def test_the_refresh_tokens_of_a_public_client_always_rotate() -> None:
    """X07, D081."""
    assert rotates_refresh_tokens(a_client(token_endpoint_auth_method="none"))
    assert rotates_refresh_tokens(a_client(refresh_token=ROTATING))
    assert not rotates_refresh_tokens(a_client())


def test_a_profile_outweighs_the_algorithm_of_an_api() -> None:
    """X04, B010."""
    assert access_token_alg(a_client(), "RS256") == "RS256"
    assert access_token_alg(a_client(profile="fapi-ciba"), "RS256") == "ES256"
    assert access_token_alg(a_client(profile="fapi-ciba"), "PS256") == "PS256"
