"""
Profiles: what each of them means, once.

The table is read when a client is registered and again by the endpoints, so that a record that
was changed by hand, or is older than a rule, gets no more than its profile allows.
"""

from typing import NamedTuple, get_args

import msgspec

from consent.client import CIBA_GRANT, AuthenticationMethod, Client, Profile, SigningAlgorithm
from consent.jose import ALGORITHMS, FAPI_ALGORITHMS


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    authentication_methods: frozenset[str]  # B001, B002
    signing_algorithms: frozenset[str]  # B010: of its assertions and request objects
    our_algorithms: frozenset[str]  # B010, X04: of the tokens it gets
    signed_request_required: bool  # B005, X03
    push_allowed: bool  # B004
    bound_tokens_required: bool  # B013
    rotation_allowed: bool  # B019, X07
    lenient_assertion_audience: bool  # X01: the endpoints' URLs pass for the issuer
    request_object_life_limited: bool  # B007
    slow_down_status: int  # A114; 429 has the `interval` in its body (W 1.3)
    expired_is_access_denied: bool  # A119; Auth0 knows no expired_token (W 1.3)


_STANDARD = Rules(
    authentication_methods=frozenset(get_args(AuthenticationMethod)),
    signing_algorithms=frozenset(ALGORITHMS),
    our_algorithms=frozenset(get_args(SigningAlgorithm)),
    signed_request_required=False,
    push_allowed=True,
    bound_tokens_required=False,
    rotation_allowed=True,
    lenient_assertion_audience=False,
    request_object_life_limited=False,
    slow_down_status=400,
    expired_is_access_denied=False,
)
RULES: dict[Profile, Rules] = {
    "standard": _STANDARD,
    "fapi-ciba": Rules(
        authentication_methods=frozenset(
            {"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"}
        ),
        signing_algorithms=frozenset(FAPI_ALGORITHMS),
        our_algorithms=frozenset(FAPI_ALGORITHMS),
        signed_request_required=True,
        push_allowed=False,
        bound_tokens_required=True,
        rotation_allowed=False,
        lenient_assertion_audience=True,
        request_object_life_limited=True,
        slow_down_status=400,
        expired_is_access_denied=False,
    ),
    "auth0": msgspec.structs.replace(
        _STANDARD, slow_down_status=429, expired_is_access_denied=True
    ),
}


class Violation(NamedTuple):
    """A member of the client that its profile forbids, and why."""

    property_name: str
    reason: str


def rules(client: Client) -> Rules:
    return RULES[client.profile]


def is_public(client: Client) -> bool:
    return client.token_endpoint_auth_method == "none"  # noqa: S105 - a method


def may_start_ciba(client: Client) -> bool:
    """With the grant, or by push, which needs none (A177); but never unauthenticated (B001)."""
    return not is_public(client) and (client.may_use(CIBA_GRANT) or _is_pushed_to(client))


def rotates_refresh_tokens(client: Client) -> bool:
    """X07, D081: a public client's always rotate, another's if it asked for it."""
    return is_public(client) or client.refresh_token.rotation_type == "rotating"


def access_token_alg(client: Client, wanted: SigningAlgorithm) -> SigningAlgorithm:
    """What its access tokens are signed with: as the API wants, where the profile allows (X04)."""
    return wanted if wanted in rules(client).our_algorithms else "ES256"


def violation(client: Client) -> Violation | None:
    """The first thing about the client that its profile forbids."""
    own = rules(client)
    if client.token_endpoint_auth_method not in own.authentication_methods:
        return Violation("token_endpoint_auth_method", "Not allowed by the profile")
    if client.token_endpoint_auth_method == "private_key_jwt":  # noqa: S105 - a method
        algorithm = client.token_endpoint_auth_signing_alg
        if algorithm and algorithm not in own.signing_algorithms:
            return Violation("token_endpoint_auth_signing_alg", "Not allowed by the profile")
    return (
        _violation_of_requests(client, own)
        or _violation_of_tokens(client, own)
        or _violation_of_delivery(client, own)
    )


def run_time_violation(client: Client) -> str | None:
    """For the log, why a client that is stored does not fit its profile (any more)."""
    found = violation(client)
    return None if found is None else f"{found.property_name}: {found.reason}"


def _violation_of_requests(client: Client, own: Rules) -> Violation | None:
    name = "backchannel_authentication_request_signing_alg"
    algorithm = client.backchannel_authentication_request_signing_alg
    if algorithm and algorithm not in own.signing_algorithms:
        return Violation(name, "Not allowed by the profile")
    if not algorithm and own.signed_request_required and may_start_ciba(client):
        return Violation(name, "Required by the profile")
    return None


def _violation_of_tokens(client: Client, own: Rules) -> Violation | None:
    if client.jwt_configuration.alg not in own.our_algorithms:
        return Violation("jwt_configuration.alg", "Not allowed by the profile")
    if own.bound_tokens_required and not (
        client.tls_client_certificate_bound_access_tokens or client.dpop_bound_access_tokens
    ):
        return Violation(
            "tls_client_certificate_bound_access_tokens",
            "This or dpop_bound_access_tokens is required by the profile",
        )
    if not own.rotation_allowed and rotates_refresh_tokens(client):
        return Violation("refresh_token.rotation_type", "Not allowed by the profile")
    return None


def _violation_of_delivery(client: Client, own: Rules) -> Violation | None:
    if _is_pushed_to(client) and not own.push_allowed:
        return Violation("backchannel_token_delivery_mode", "Not allowed by the profile")
    return None


def _is_pushed_to(client: Client) -> bool:
    return client.backchannel_token_delivery_mode == "push"  # noqa: S105 - a mode
