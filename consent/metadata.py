"""Discovery (OpenID Connect Discovery 3, RFC 8414 2, CIBA 4): what is on, and only that."""

from typing import get_args

from consent.access import OIDC_SCOPES
from consent.client import (
    CIBA_GRANT,
    CLIENT_CREDENTIALS_GRANT,
    REFRESH_TOKEN_GRANT,
    SECRET_METHODS,
    AuthenticationMethod,
    DeliveryMode,
    SigningAlgorithm,
)
from consent.jose import ALGORITHMS, MAC_ALGORITHMS
from consent.number_matching import ACR as NUMBER_MATCHING_ACR
from consent.settings import Settings

# What a client calls directly, and so may call where certificates are asked for (D037).
_ENDPOINTS = {
    "token_endpoint": "oauth/token",
    "revocation_endpoint": "oauth/revoke",
    "introspection_endpoint": "oauth/introspect",
    "userinfo_endpoint": "userinfo",
    "backchannel_authentication_endpoint": "bc-authorize",
}


def provider_metadata(settings: Settings, *, registers: bool = False) -> dict[str, object]:
    """
    The provider's metadata. `authorization_endpoint` is required by OpenID Connect although no
    grant uses it (D033, D034); it answers with an error page.
    """
    methods = authentication_methods(settings)
    algorithms = [*ALGORITHMS, *MAC_ALGORITHMS]
    metadata: dict[str, object] = {
        "issuer": settings.issuer,
        "authorization_endpoint": settings.url("authorize"),
        "jwks_uri": settings.url(".well-known/jwks.json"),
        **{name: settings.url(path) for name, path in _ENDPOINTS.items()},
        "backchannel_token_delivery_modes_supported": list(get_args(DeliveryMode)),
        "backchannel_authentication_request_signing_alg_values_supported": list(ALGORITHMS),
        "backchannel_user_code_parameter_supported": True,
        "grant_types_supported": [CIBA_GRANT, REFRESH_TOKEN_GRANT, CLIENT_CREDENTIALS_GRANT],
        "response_types_supported": ["none"],
        "scopes_supported": list(OIDC_SCOPES),
        "subject_types_supported": ["public"],
        "acr_values_supported": [NUMBER_MATCHING_ACR, *settings.acr_values.split(" ")],
        "id_token_signing_alg_values_supported": list(get_args(SigningAlgorithm)),
        "token_endpoint_auth_methods_supported": [*methods],
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": [*methods],
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": [*methods, "none"],
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "claims_supported": [
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "acr",
            "amr",
            "name",
            "given_name",
            "family_name",
            "nickname",
            "picture",
            "email",
            "email_verified",
            "phone_number",
            "phone_number_verified",
        ],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
    if registers:
        metadata["registration_endpoint"] = settings.url("oidc/register")
    if takes_certificates(settings):
        metadata["tls_client_certificate_bound_access_tokens"] = True  # D063
    if settings.mtls_base_url:
        metadata["mtls_endpoint_aliases"] = {
            name: settings.mtls_base_url + path for name, path in _ENDPOINTS.items()
        }
    if settings.login_hint_token_issuers_file:
        metadata["backchannel_endpoint_login_hint_token_types_supported"] = ["jwt"]  # A188
    return metadata


def takes_certificates(settings: Settings) -> bool:
    """Only a trusted proxy can hand them over."""
    return bool(settings.trusted_proxies)


def authentication_methods(settings: Settings) -> list[str]:
    """The methods that work here; `none` authenticates nobody."""
    methods = [method for method in get_args(AuthenticationMethod) if method != "none"]
    if not takes_certificates(settings):
        methods = [method for method in methods if not method.endswith("tls_client_auth")]
    elif not settings.client_certificate_ca_file:
        methods.remove("tls_client_auth")
    return sorted(methods, key=lambda method: method not in SECRET_METHODS)
