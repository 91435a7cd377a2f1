"""A client: its registered metadata and how it proves to be itself (auth0-wire 3.2)."""

import base64
import hmac
from typing import Literal
from urllib.parse import unquote_plus

import msgspec

from consent.errors import InvalidClient, InvalidRequest
from consent.identifiers import digest

CIBA_GRANT = "urn:openid:params:grant-type:ciba"
CLIENT_CREDENTIALS_GRANT = "client_credentials"
DEFAULT_GRANT_TYPES = ["authorization_code", "implicit", "refresh_token", "client_credentials"]
AuthenticationMethod = Literal["none", "client_secret_post", "client_secret_basic"]

_BODY_METHODS = frozenset({"client_secret", "client_assertion"})
_BASIC_CHALLENGE = (("WWW-Authenticate", 'Basic realm="nod"'),)
_NOBODY = digest("nobody's secret")


class JwtConfiguration(msgspec.Struct, frozen=True):
    lifetime_in_seconds: int = 36_000
    secret_encoded: bool = False
    alg: Literal["ES256"] = "ES256"


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

    def may_use(self, grant_type: str) -> bool:
        return grant_type in self.grant_types


class Credentials(msgspec.Struct, frozen=True):
    """What a request offers as its client's proof; `by_header` is HTTP Basic."""

    client_id: str
    secrets: tuple[str, ...]  # the readings of one secret, see `credentials`
    by_header: bool


def credentials(authorization: str | None, parameters: dict[str, str]) -> Credentials:
    """
    Find the client's credentials: HTTP Basic or the body, not both (RFC 6749 2.3.1, A006).

    RFC 6749 has the halves of Basic form-encoded; curl and many libraries do not, so both
    readings of a secret are tried. Raises InvalidRequest, InvalidClient (401).
    """
    if authorization is None:
        client_id, secret = parameters.get("client_id"), parameters.get("client_secret")
        if not client_id or not secret:
            raise InvalidClient("Client authentication is missing")
        return Credentials(client_id, (secret,), by_header=False)
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise _failed(by_header=True, detail="an authorization scheme other than Basic")
    if not _BODY_METHODS.isdisjoint(parameters):
        raise InvalidRequest("Client credentials are in the header and in the body")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:
        raise _failed(by_header=True, detail="undecodable Basic credentials") from None
    client_id, colon, secret = decoded.partition(":")
    if not colon:
        raise _failed(by_header=True, detail="Basic credentials without a colon")
    if "%" in client_id or "+" in client_id:
        client_id = unquote_plus(client_id)
    if parameters.get("client_id", client_id) != client_id:
        raise _failed(by_header=True, detail="client_id differs from the header (A008)")
    escaped = "%" in secret or "+" in secret
    return Credentials(
        client_id, (secret, unquote_plus(secret)) if escaped else (secret,), by_header=True
    )


def authenticated(client: Client | None, offered: Credentials) -> Client:
    """The client, if it is known and the secret is its own; 401 and no hint otherwise (A004)."""
    known = client.secret_digest if client else _NOBODY
    matches = False
    for secret in offered.secrets:
        matches |= hmac.compare_digest(digest(secret), known)
    if client is None or not matches or client.token_endpoint_auth_method == "none":  # noqa: S105
        raise _failed(by_header=offered.by_header, detail="unknown client or wrong secret")
    return client


def _failed(*, by_header: bool, detail: str) -> InvalidClient:
    # A005: a failed header is answered with the scheme it should use.
    headers = _BASIC_CHALLENGE if by_header else ()
    return InvalidClient("Client authentication failed", detail=detail, headers=headers)
