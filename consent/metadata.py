"""Discovery (OpenID Connect Discovery 3, RFC 8414 2, CIBA 4): what is on, and only that."""

from consent.access import OIDC_SCOPES
from consent.client import CIBA_GRANT, CLIENT_CREDENTIALS_GRANT
from consent.settings import Settings
from consent.signing_key import ALGORITHM


def provider_metadata(settings: Settings) -> dict[str, object]:
    """
    The provider's metadata. `authorization_endpoint` is required by OpenID Connect although no
    grant uses it (D033, D034); it answers with an error page.
    """
    return {
        "issuer": settings.issuer,
        "authorization_endpoint": settings.url("authorize"),
        "token_endpoint": settings.url("oauth/token"),
        "jwks_uri": settings.url(".well-known/jwks.json"),
        "backchannel_authentication_endpoint": settings.url("bc-authorize"),
        "backchannel_token_delivery_modes_supported": ["poll"],
        "backchannel_user_code_parameter_supported": False,
        "grant_types_supported": [CIBA_GRANT, CLIENT_CREDENTIALS_GRANT],
        "response_types_supported": ["none"],
        "scopes_supported": [scope for scope in OIDC_SCOPES if scope != "offline_access"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "claims_supported": [
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "auth_time",
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
