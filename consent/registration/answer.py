"""The client information response (RFC 7591 3.2.1, RFC 7592 3, C041-C043)."""

import msgspec

from consent import profile
from consent.client import Client
from consent.client_metadata import uses_secret

_TEXTS = (
    "jwks_uri",
    "token_endpoint_auth_signing_alg",
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
)
_CIBA_TEXTS = (
    "backchannel_client_notification_endpoint",
    "backchannel_authentication_request_signing_alg",
)


def client_information(
    client: Client, *, uri: str, token: str | None, secret: str | None = None
) -> dict[str, object]:
    """
    Everything that is registered, also what the client did not choose, under the names it
    registers by. `uri` is where it may be managed, shown with its `token` or not at all (C043).
    """
    registration = client.registration
    if registration is None:
        raise AssertionError("only clients that registered themselves come here")
    shown: dict[str, object] = {
        "client_id": client.client_id,
        "client_id_issued_at": registration.issued_at,
        "client_name": client.name,
        "grant_types": client.grant_types,
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "id_token_signed_response_alg": client.jwt_configuration.alg,
        "tls_client_certificate_bound_access_tokens": (
            client.tls_client_certificate_bound_access_tokens
        ),
        "dpop_bound_access_tokens": client.dpop_bound_access_tokens,
    }
    shown |= _given(client, _TEXTS)
    if client.callbacks:
        shown["redirect_uris"] = client.callbacks
    if client.jwks is not None:
        shown["jwks"] = client.jwks
    if client.authorization_details_types is not None:
        shown["authorization_details_types"] = client.authorization_details_types
    if profile.may_start_ciba(client):
        shown["backchannel_token_delivery_mode"] = client.backchannel_token_delivery_mode
        shown["backchannel_user_code_parameter"] = client.backchannel_user_code_parameter
        shown |= _given(client, _CIBA_TEXTS)
    shown |= registration.metadata
    if uses_secret(client):
        shown["client_secret_expires_at"] = 0  # never (C042)
    if secret is not None:
        shown["client_secret"] = secret
    if token is not None:
        shown |= {"registration_access_token": token, "registration_client_uri": uri}
    built: dict[str, object] = msgspec.to_builtins(shown)
    return built


def _given(client: Client, names: tuple[str, ...]) -> dict[str, object]:
    return {name: value for name in names if (value := getattr(client, name))}
