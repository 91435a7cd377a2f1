"""
What the endpoints of the protocol and of phones take and answer, declared for the description.

The readers of these forms are the endpoints themselves, parameter by parameter; the members here
are those they know. What administrators send has structs of its own in `consent.management`.
More than 300 lines, for it is a table: one row a message.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from api.openapi.operation import ISO_DATE
from consent.device import CAPABILITIES
from consent.outbound.address import URL_CHARACTERS_MAX
from consent.policy import BINDING_MESSAGE_CHARACTERS_MAX

Text = str | UnsetType
Date = Annotated[str, Meta(pattern=ISO_DATE, description="UTC, with three fraction digits")]
Details = list[dict[str, Any]]


class ClientAuthentication(Struct, kw_only=True):
    """A client's credentials, where they are not in the header or in the connection."""

    client_id: Text = UNSET
    client_secret: Text = UNSET
    client_assertion: Text = UNSET
    client_assertion_type: Text = UNSET


class BackchannelAuthenticationRequest(ClientAuthentication, kw_only=True):
    """
    CIBA 7.1. A client that registered a signing algorithm sends `request` instead of all but its
    own credentials.
    """

    scope: Annotated[str, Meta(description="Space separated; holds openid")] | UnsetType = UNSET
    binding_message: (
        Annotated[
            str,
            Meta(
                description="What the person reads, exactly as it is sent",
                max_length=BINDING_MESSAGE_CHARACTERS_MAX,
            ),
        ]
        | UnsetType
    ) = UNSET
    login_hint: (
        Annotated[
            str,
            Meta(
                description="Whom to ask: a subject identifier as JSON (RFC 9493), or a user id, "
                "an e-mail address or a phone number. One of the three hints"
            ),
        ]
        | UnsetType
    ) = UNSET
    login_hint_token: Text = UNSET
    id_token_hint: Text = UNSET
    audience: Text = UNSET
    resource: Text = UNSET
    authorization_details: (
        Annotated[str, Meta(description="A JSON array (RFC 9396)")] | UnsetType
    ) = UNSET
    acr_values: Text = UNSET
    user_code: Text = UNSET
    client_notification_token: Text = UNSET
    requested_expiry: (
        Annotated[str, Meta(description="Seconds: more than 300 where it may travel by e-mail")]
        | UnsetType
    ) = UNSET
    request_context: Annotated[str, Meta(description="A JSON object")] | UnsetType = UNSET
    request: Annotated[str, Meta(description="A signed request (CIBA 7.1.1)")] | UnsetType = UNSET


class Accepted(Struct, kw_only=True):
    """
    CIBA 7.3. `interval` is of clients that poll or are pinged; `matching_number` is shown to the
    person by the client, where numbers are matched.
    """

    auth_req_id: str
    expires_in: int
    interval: int | UnsetType = UNSET
    matching_number: Text = UNSET


class TokenRequest(ClientAuthentication, kw_only=True):
    """One of three grants, each with the parameters it knows."""

    grant_type: Literal["urn:openid:params:grant-type:ciba", "client_credentials", "refresh_token"]
    auth_req_id: Annotated[str, Meta(description="Of the CIBA grant")] | UnsetType = UNSET
    audience: Annotated[str, Meta(description="Of client_credentials")] | UnsetType = UNSET
    refresh_token: Text = UNSET
    scope: Annotated[str, Meta(description="Fewer than are granted")] | UnsetType = UNSET
    authorization_details: (
        Annotated[str, Meta(description="A JSON array: fewer than were approved")] | UnsetType
    ) = UNSET


class Tokens(Struct, kw_only=True):
    """RFC 6749 5.1, OpenID Connect Core 3.1.3.3."""

    access_token: str
    token_type: Literal["Bearer", "DPoP"]
    expires_in: int
    scope: str
    id_token: Text = UNSET
    refresh_token: Text = UNSET
    authorization_details: Details | UnsetType = UNSET


class TokenQuestion(ClientAuthentication, kw_only=True):
    """RFC 7009 2.1, RFC 7662 2.1."""

    token: str
    token_type_hint: Text = UNSET


class ReceiptRequest(ClientAuthentication, kw_only=True):
    auth_req_id: str


class Receipt(Struct, kw_only=True):
    """A compact JWS, of type `receipt+jwt`."""

    receipt: str


class Introspection(Struct, kw_only=True):
    """RFC 7662 2.2: of a token that is none of the caller's business, only that."""

    active: bool
    token_type: Literal["Bearer", "DPoP"] | UnsetType = UNSET
    scope: Text = UNSET
    client_id: Text = UNSET
    sub: Text = UNSET
    aud: Text = UNSET
    iss: Text = UNSET
    exp: int | UnsetType = UNSET
    iat: int | UnsetType = UNSET
    nbf: int | UnsetType = UNSET
    jti: Text = UNSET
    cnf: dict[str, str] | UnsetType = UNSET
    authorization_details: Details | UnsetType = UNSET
    auth_time: int | UnsetType = UNSET
    acr: Text = UNSET
    amr: list[str] | UnsetType = UNSET


class Claims(Struct, kw_only=True):
    """OpenID Connect Core 5.1: those that the token's scopes release and that are known."""

    sub: str
    name: Text = UNSET
    given_name: Text = UNSET
    family_name: Text = UNSET
    nickname: Text = UNSET
    picture: Text = UNSET
    email: Text = UNSET
    email_verified: bool | UnsetType = UNSET
    phone_number: Text = UNSET
    phone_number_verified: bool | UnsetType = UNSET


class KeySet(Struct, kw_only=True):
    """RFC 7517 5."""

    keys: list[dict[str, Any]]


class Health(Struct, kw_only=True):
    status: Literal["alive", "ready"]


class SubscriptionKeys(Struct, kw_only=True):
    """Base64url: a point of P-256 and 16 octets (RFC 8291 3)."""

    p256dh: str
    auth: str


class PushCredentials(Struct, kw_only=True):
    """
    `token` is of Apple's and Google's services; `endpoint` and `keys` are a browser's
    PushSubscription, of WEBPUSH; who is NONE cannot be rung and asks by itself.
    """

    service: Literal["APNS", "GCM", "FCM", "FID", "WEBPUSH", "NONE"]
    token: Annotated[str, Meta(min_length=1, max_length=4_096)] | UnsetType = UNSET
    endpoint: Annotated[str, Meta(max_length=URL_CHARACTERS_MAX)] | UnsetType = UNSET
    keys: SubscriptionKeys | UnsetType = UNSET


_CAPABILITIES = f"What the app can do of {', '.join(CAPABILITIES)}; others are ignored"
_Name = Annotated[str, Meta(min_length=1, max_length=255)]


class Enrolment(Struct, kw_only=True):
    """What a phone enrols with; the key is a JWK, RSA from 2048 bits or EC P-256."""

    identifier: _Name
    name: _Name
    push_credentials: PushCredentials
    public_key: dict[str, Any]
    capabilities: Annotated[list[str], Meta(description=_CAPABILITIES)] | UnsetType = UNSET


class Enrolled(Struct, kw_only=True):
    """
    `token` is the device's own bearer token, shown this once; `account` is what a person calls
    theirs: the e-mail address, or what else is known.
    """

    id: str
    url: str
    issuer: str
    user_id: str
    account: str
    token: str


class DeviceChange(Struct, kw_only=True):
    identifier: _Name | UnsetType = UNSET
    name: _Name | UnsetType = UNSET
    push_credentials: PushCredentials | UnsetType = UNSET


class ChangedDevice(Struct, kw_only=True):
    id: str
    identifier: str
    name: str
    push_credentials: PushCredentials | UnsetType = UNSET


class SignedAnswer(Struct, kw_only=True):
    """The person's answer, a JWT signed by their phone."""

    challenge_response: str


class RequestedDetails(Struct, kw_only=True):
    audience: str
    scope: list[str]
    binding_message: str
    authorization_details: Details


class AskingClient(Struct, kw_only=True):
    client_id: str
    name: str


class RichConsent(Struct, kw_only=True):
    """What a person is asked, and by whom."""

    id: str
    requested_details: RequestedDetails
    client: AskingClient
    created_at: Date
    expires_at: Date
    number_matching: bool
    consent_digest: str


class PendingConsent(Struct, kw_only=True):
    """What a push would have carried: enrolment, transaction token, consent, challenge."""

    dai: str
    txtkn: str
    txlnkid: str
    c: str
    d: Date
    sh: str
    s: dict[str, dict[str, str]]
    l: dict[str, str]  # noqa: E741 - the name of the wire
    expires_at: Date


class MailboxKey(Struct, kw_only=True):
    """The key of the page that a mail leads to: a JWK, EC P-256."""

    public_key: dict[str, Any]


class MailboxOpened(Struct, kw_only=True):
    """`id` is by whose name the page answers, as `dai` and as `iss`; it is no enrolment."""

    id: str
    notification: PendingConsent


class ProviderMetadata(Struct, kw_only=True):
    """OpenID Connect Discovery 3, RFC 8414 2, CIBA 4."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    backchannel_authentication_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    grant_types_supported: list[str]
    response_types_supported: list[str]
    subject_types_supported: list[str]
    scopes_supported: list[str]
    claims_supported: list[str]
    acr_values_supported: list[str]
    id_token_signing_alg_values_supported: list[str]
    dpop_signing_alg_values_supported: list[str]
    backchannel_token_delivery_modes_supported: list[str]
    backchannel_authentication_request_signing_alg_values_supported: list[str]
    backchannel_user_code_parameter_supported: bool
    token_endpoint_auth_methods_supported: list[str]
    token_endpoint_auth_signing_alg_values_supported: list[str]
    introspection_endpoint_auth_methods_supported: list[str]
    introspection_endpoint_auth_signing_alg_values_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_signing_alg_values_supported: list[str]
    request_parameter_supported: bool
    request_uri_parameter_supported: bool
    registration_endpoint: Text = UNSET
    tls_client_certificate_bound_access_tokens: bool | UnsetType = UNSET
    mtls_endpoint_aliases: dict[str, str] | UnsetType = UNSET
    backchannel_endpoint_login_hint_token_types_supported: list[str] | UnsetType = UNSET


class OAuthRefusal(Struct, kw_only=True):
    """RFC 6749 5.2; `interval` (seconds) is Auth0's on slow_down."""

    error: str
    error_description: str
    interval: int | UnsetType = UNSET


class ManagementRefusal(Struct, kw_only=True):
    """Auth0's management API."""

    status_code: int = msgspec.field(name="statusCode")
    error: str
    message: str
    error_code: str = msgspec.field(name="errorCode")


class DeviceRefusal(ManagementRefusal, kw_only=True):
    """The same with what the Guardian SDKs read."""

    description: str
