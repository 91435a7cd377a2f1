"""Clients: the body that makes one, and how one is shown (auth0-wire 3.2)."""

from typing import Annotated, get_args

import msgspec

from consent.client import (
    CIBA_GRANT,
    CLIENT_CREDENTIALS_GRANT,
    DEFAULT_GRANT_TYPES,
    AuthenticationMethod,
    Channel,
    Client,
    DeliveryMode,
    JwtConfiguration,
    Profile,
    RefreshTokenPolicy,
)
from consent.client_metadata import (
    CheckUrl,
    InvalidClientMetadata,
    keeps_secret_sealed,
    registered,
    uses_secret,
    with_new_secret,
)
from consent.errors import ManagementError
from consent.management.payload import (
    RequiredText,
    Text,
    Url,
    check_each_once,
    check_no_markup,
    invalid_body,
    payload,
)
from consent.seal import Seal

# Those of RFC 6749, 7523, 8628, 8693, CIBA and Auth0. A client may be registered for what other
# servers of its owner offer; which of them work here is in the discovery document.
GRANT_TYPES = frozenset(
    (
        *DEFAULT_GRANT_TYPES,
        "password",
        CIBA_GRANT,
        CLIENT_CREDENTIALS_GRANT,
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "http://auth0.com/oauth/grant-type/mfa-oob",
        "http://auth0.com/oauth/grant-type/mfa-otp",
        "http://auth0.com/oauth/grant-type/mfa-recovery-code",
        "http://auth0.com/oauth/grant-type/password-realm",
        "http://auth0.com/oauth/grant-type/passwordless/otp",
    )
)
AUTHENTICATION_METHODS = get_args(AuthenticationMethod)
_METADATA_MAX = 10
_LIFETIME_SECONDS_MAX = 2_592_000
_DETAILS_TYPES_MAX = 100
_SECRET_MEMBERS = frozenset({"secret_digest", "secret_sealed", "registration", "since"})
_CertificateName = Annotated[str, msgspec.Meta(max_length=1_024)]


class KeySet(msgspec.Struct, frozen=True):
    """RFC 7517 5: what else is in it is ignored."""

    keys: list[dict[str, object]]


class NewClient(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /clients."""

    name: RequiredText
    description: Text = ""
    grant_types: Annotated[list[str], msgspec.Meta(max_length=len(GRANT_TYPES))] = msgspec.field(
        default_factory=lambda: list(DEFAULT_GRANT_TYPES)
    )
    token_endpoint_auth_method: str = "client_secret_post"  # noqa: S105 - the name of a method
    is_first_party: bool = True
    oidc_conformant: bool = True
    app_type: RequiredText = "regular_web"
    callbacks: Annotated[list[Url], msgspec.Meta(max_length=100)] = []
    client_metadata: Annotated[dict[Text, Text], msgspec.Meta(max_length=_METADATA_MAX)] = {}
    jwt_configuration: JwtConfiguration = JwtConfiguration()
    profile: Profile = "standard"
    refresh_token: RefreshTokenPolicy = RefreshTokenPolicy()
    jwks: KeySet | None = None
    jwks_uri: Url = ""
    token_endpoint_auth_signing_alg: Text = ""
    tls_client_auth_subject_dn: _CertificateName = ""
    tls_client_auth_san_dns: _CertificateName = ""
    tls_client_auth_san_uri: _CertificateName = ""
    tls_client_auth_san_ip: _CertificateName = ""
    tls_client_auth_san_email: _CertificateName = ""
    tls_client_certificate_bound_access_tokens: bool = False
    dpop_bound_access_tokens: bool = False
    backchannel_token_delivery_mode: DeliveryMode = "poll"  # noqa: S105 - a mode
    backchannel_client_notification_endpoint: Url = ""
    backchannel_authentication_request_signing_alg: Text = ""
    backchannel_user_code_parameter: bool = False
    async_approval_notification_channels: (
        Annotated[list[Channel], msgspec.Meta(min_length=1, max_length=len(get_args(Channel)))]
        | None
    ) = None
    number_matching: bool = False
    long_poll_seconds: int = 0
    authorization_details_types: (
        Annotated[list[RequiredText], msgspec.Meta(max_length=_DETAILS_TYPES_MAX)] | None
    ) = None
    resource_server_identifier: Text = ""


def new_client(body: dict[str, object], *, client_id: str, check_url: CheckUrl) -> Client:
    """The client a body describes, still without a secret. Raises ManagementError invalid_body."""
    wanted = payload(body, NewClient)
    check_no_markup("name", wanted.name)
    method = wanted.token_endpoint_auth_method
    if method not in AUTHENTICATION_METHODS:
        allowed = ", ".join(AUTHENTICATION_METHODS)
        raise invalid_body(f"'Must be one of {allowed}' on property token_endpoint_auth_method.")
    check_each_once("grant_types", wanted.grant_types)
    if not GRANT_TYPES.issuperset(wanted.grant_types):
        raise invalid_body("'Not a known grant type' on property grant_types.")
    check_each_once("authorization_details_types", wanted.authorization_details_types or [])
    check_each_once(
        "async_approval_notification_channels", wanted.async_approval_notification_channels or []
    )
    for text in [*wanted.client_metadata, *wanted.client_metadata.values()]:
        if not text.isprintable():
            raise invalid_body(
                "'Has a character that cannot be shown' on property client_metadata."
            )
    if not 1 <= wanted.jwt_configuration.lifetime_in_seconds <= _LIFETIME_SECONDS_MAX:
        raise invalid_body(
            f"'Must be between 1 and {_LIFETIME_SECONDS_MAX}' on property "
            "jwt_configuration.lifetime_in_seconds."
        )
    members = {name: getattr(wanted, name) for name in NewClient.__struct_fields__}
    members["jwks"] = {"keys": wanted.jwks.keys} if wanted.jwks else None
    try:
        return registered(Client(client_id=client_id, secret_digest="", **members), check_url)
    except InvalidClientMetadata as error:
        raise invalid_body(f"'{error.reason}' on property {error.property_name}.") from None


def changed_client(
    stored: Client, body: dict[str, object], *, seal: Seal, check_url: CheckUrl
) -> tuple[Client, str | None]:
    """
    The client after a change, and its secret where it needs one it did not have. What is not named
    stays; null takes it back to what a new client has; of `client_metadata` each member by itself.

    Raises ManagementError invalid_body.
    """
    if "client_secret" in body:
        raise invalid_body("'Is made by rotate-secret' on property client_secret.")
    former = {name: getattr(stored, name) for name in NewClient.__struct_fields__}
    merged: dict[str, object] = msgspec.to_builtins(former) | body
    for name in ("client_metadata", "jwt_configuration", "refresh_token"):
        given = body.get(name)
        if isinstance(given, dict):
            both = msgspec.to_builtins(former[name]) | given
            merged[name] = {member: value for member, value in both.items() if value is not None}
    changed = msgspec.structs.replace(
        new_client(merged, client_id=stored.client_id, check_url=check_url),
        secret_digest=stored.secret_digest,
        secret_sealed=stored.secret_sealed,
        registration=stored.registration,
        since=stored.since,
    )
    needs = (uses_secret(changed), keeps_secret_sealed(changed))
    if needs == (uses_secret(stored), keeps_secret_sealed(stored)):
        return changed, None
    return with_new_secret(changed, seal)


def client_shown(client: Client, secret: str | None = None) -> dict[str, object]:
    """
    The client object of the wire: all that is registered (C041), without the members of a
    protocol it has nothing to do with. The secret is known, and shown, only when it is made.
    """
    shown: dict[str, object] = {
        name: value
        for name, value in msgspec.to_builtins(client).items()
        if name not in _SECRET_MEMBERS and (name == "description" or value not in ("", None))
    }
    return shown if secret is None else shown | {"client_secret": secret}


def inexistent_client() -> ManagementError:
    return ManagementError(404, "inexistent_client", "The client does not exist.")


def no_client_secret() -> ManagementError:
    return ManagementError(
        400, "no_client_secret", "The client authenticates without a secret of ours."
    )
