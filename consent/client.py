"""A client: its registered metadata and how it proves to be itself (auth0-wire 3.2)."""

import base64
import hmac
from typing import Any, Literal
from urllib.parse import unquote_plus

import msgspec

from consent.errors import InvalidClient, InvalidRequest
from consent.identifiers import digest

CIBA_GRANT = "urn:openid:params:grant-type:ciba"
CLIENT_CREDENTIALS_GRANT = "client_credentials"
REFRESH_TOKEN_GRANT = "refresh_token"  # noqa: S105 - the name of a grant
DEFAULT_GRANT_TYPES = ["authorization_code", "implicit", "refresh_token", "client_credentials"]
AuthenticationMethod = Literal[
    "none",
    "client_secret_post",
    "client_secret_basic",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
]
SECRET_METHODS = frozenset({"client_secret_post", "client_secret_basic"})
CERTIFICATE_METHODS = frozenset({"tls_client_auth", "self_signed_tls_client_auth"})
SigningAlgorithm = Literal["ES256", "RS256", "PS256", "EdDSA"]  # what we sign with
DeliveryMode = Literal["poll", "ping", "push"]
Channel = Literal["guardian-push", "email"]  # auth0-wire 1.5
Profile = Literal["standard", "fapi-ciba", "auth0"]

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_BODY_METHODS = frozenset({"client_secret", "client_assertion"})
_BASIC_CHALLENGE = (("WWW-Authenticate", 'Basic realm="nod"'),)
_NOBODY = digest("nobody's secret")


class JwtConfiguration(msgspec.Struct, frozen=True):
    lifetime_in_seconds: int = 36_000
    secret_encoded: bool = False
    alg: SigningAlgorithm = "ES256"  # id_token_signed_response_alg by another name


class RefreshTokenPolicy(msgspec.Struct, frozen=True):
    """X07: a public client's always rotates. `leeway` (seconds) forgives a lost answer."""

    rotation_type: Literal["non-rotating", "rotating"] = "non-rotating"
    leeway: int = 10
    expiration_type: Literal["expiring"] = "expiring"


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """Of a client that registered itself (RFC 7591): what an administrator's has no use for."""

    issued_at: int  # seconds, client_id_issued_at
    token_digest: str = ""  # of its registration access token (C069)
    unused_until: int = 0  # seconds: it goes then, unless it was used before; 0 stays
    metadata: dict[str, Any] = {}  # members that are kept and shown, and decide nothing


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """As stored. The secret is 256 random bits, kept as its digest only."""

    client_id: str
    name: str
    secret_digest: str
    description: str = ""
    grant_types: list[str] = msgspec.field(default_factory=lambda: list(DEFAULT_GRANT_TYPES))
    token_endpoint_auth_method: AuthenticationMethod = "client_secret_post"  # noqa: S105 - a method
    is_first_party: bool = True
    oidc_conformant: bool = True
    app_type: str = "regular_web"
    callbacks: list[str] = []
    client_metadata: dict[str, str] = {}
    jwt_configuration: JwtConfiguration = JwtConfiguration()
    profile: Profile = "standard"
    refresh_token: RefreshTokenPolicy = RefreshTokenPolicy()
    secret_sealed: bytes = b""  # of client_secret_jwt, which must be known to be verified
    # The client's keys (RFC 7591 2): its own set, or where that is to be found.
    jwks: dict[str, list[dict[str, object]]] | None = None
    jwks_uri: str = ""
    token_endpoint_auth_signing_alg: str = ""
    # RFC 8705 2.1.2: exactly one with tls_client_auth.
    tls_client_auth_subject_dn: str = ""
    tls_client_auth_san_dns: str = ""
    tls_client_auth_san_uri: str = ""
    tls_client_auth_san_ip: str = ""
    tls_client_auth_san_email: str = ""
    tls_client_certificate_bound_access_tokens: bool = False
    dpop_bound_access_tokens: bool = False
    # CIBA 4.
    backchannel_token_delivery_mode: DeliveryMode = "poll"  # noqa: S105 - a mode
    backchannel_client_notification_endpoint: str = ""
    backchannel_authentication_request_signing_alg: str = ""
    backchannel_user_code_parameter: bool = False
    # The channels its requests may use, in order; None: push alone (auth0-wire 1.5).
    async_approval_notification_channels: list[Channel] | None = None
    number_matching: bool = False  # T36: the person types the number that the client shows them
    long_poll_seconds: int = 0  # how long its polls are held unless they say otherwise
    authorization_details_types: list[str] | None = None  # None: any that is registered
    resource_server_identifier: str = ""  # it introspects what is meant for this audience
    registration: Registration | None = None
    # Seconds: what is older was granted to an earlier client of this id. 0: there can be none, for
    # the id was made up for this one.
    since: int = 0

    def may_use(self, grant_type: str) -> bool:
        return grant_type in self.grant_types


class Credentials(msgspec.Struct, frozen=True):
    """
    What a request offers as its client's proof: the readings of one secret (see `credentials`),
    or an assertion, or neither: then a certificate may speak for the client. `by_header` is HTTP
    Basic; an assertion names its client itself, unless `client_id` does as well.
    """

    client_id: str
    secrets: tuple[str, ...]
    by_header: bool
    assertion: str = ""


def credentials(authorization: str | None, parameters: dict[str, str]) -> Credentials:
    """
    Find the client's credentials: one method, not two (RFC 6749 2.3, A006).

    RFC 6749 has the halves of Basic form-encoded; curl and many libraries do not, so both
    readings of a secret are tried. Raises InvalidRequest, InvalidClient (401).
    """
    if authorization is None:
        return _in_body(parameters)
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise failed(by_header=True, detail="an authorization scheme other than Basic")
    if not _BODY_METHODS.isdisjoint(parameters):
        raise InvalidRequest("Client credentials are in the header and in the body")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:
        raise failed(by_header=True, detail="undecodable Basic credentials") from None
    client_id, colon, secret = decoded.partition(":")
    if not colon:
        raise failed(by_header=True, detail="Basic credentials without a colon")
    if "%" in client_id or "+" in client_id:
        client_id = unquote_plus(client_id)
    if parameters.get("client_id", client_id) != client_id:
        raise failed(by_header=True, detail="client_id differs from the header (A008)")
    escaped = "%" in secret or "+" in secret
    return Credentials(
        client_id, (secret, unquote_plus(secret)) if escaped else (secret,), by_header=True
    )


def _in_body(parameters: dict[str, str]) -> Credentials:
    client_id = parameters.get("client_id", "")
    assertion = parameters.get("client_assertion")
    secret = parameters.get("client_secret")
    if assertion is not None:
        if secret is not None:
            raise InvalidRequest("Client credentials are offered in two ways")
        if parameters.get("client_assertion_type") != ASSERTION_TYPE:
            raise failed(by_header=False, detail="client_assertion_type is another (D070)")
        return Credentials(client_id, (), by_header=False, assertion=assertion)
    if not client_id:
        raise InvalidClient("Client authentication is missing")
    return Credentials(client_id, () if secret is None else (secret,), by_header=False)


def authenticated(client: Client | None, offered: Credentials) -> Client:
    """
    The client, if it is known, registered a secret and this is it; 401 and no hint otherwise
    (A004). The two ways of sending a secret stand for each other.
    """
    known = client.secret_digest if client else _NOBODY
    matches = False
    for secret in offered.secrets:
        matches |= hmac.compare_digest(digest(secret), known)
    if client is None or not matches or client.token_endpoint_auth_method not in SECRET_METHODS:
        raise failed(by_header=offered.by_header, detail="unknown client or wrong secret")
    return client


def failed(*, by_header: bool = False, detail: str) -> InvalidClient:
    """Every failed authentication reads the same; what failed goes to the log (A004)."""
    # A005: a failed header is answered with the scheme it should use.
    headers = _BASIC_CHALLENGE if by_header else ()
    return InvalidClient("Client authentication failed", detail=detail, headers=headers)
