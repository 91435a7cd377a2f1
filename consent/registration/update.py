"""What a registered client may do to its registration, with its token (RFC 7592, C060-C070)."""

import hmac

import msgspec

from consent.client import Client, Registration
from consent.client_metadata import keeps_secret_sealed, uses_secret, with_new_secret
from consent.errors import InvalidMetadata, InvalidToken
from consent.identifiers import digest, new_secret
from consent.registration import software_statement
from consent.registration.client import Terms, described
from consent.registration.initial_access_token import invalid_token
from consent.seal import Seal

# C062: these are ours to say.
_NOT_SENT = (
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
)
_NOBODYS = digest("nobody's registration access token")


def with_new_token(client: Client) -> tuple[Client, str]:
    """The client with a registration access token made for it, of 256 bits (C067, C069)."""
    token = new_secret()
    registration = msgspec.structs.replace(_registration(client), token_digest=digest(token))
    return msgspec.structs.replace(client, registration=registration), token


def authorized(client: Client | None, token: str, now: float) -> Client:
    """
    The client, if this is its registration access token. An unknown client, one that is gone or
    has no token, and a wrong token read the same (C066, C070). Raises InvalidToken.
    """
    registration = client.registration if client else None
    known = registration.token_digest if registration else ""
    matches = hmac.compare_digest(digest(token), known or _NOBODYS)
    if client is None or registration is None or not known or not matches:
        raise unauthorized()
    if is_expired(client, now):
        raise unauthorized()
    return client


def unauthorized() -> InvalidToken:
    return invalid_token("The registration access token is invalid or not of this client")


def updated_client(stored: Client, body: dict[str, object], terms: Terms, *, now: float) -> Client:
    """
    The client with the metadata of the body in place of its own; its secrets, and what an
    administrator set, are as they were. Raises as `new_client` does.
    """
    check_update(stored, body)
    registration = _registration(stored)
    client = described(body, terms, stored=stored, registration=registration, now=now)
    software_statement.check_not_widened(
        registration.metadata.get(software_statement.MEMBER),
        _registration(client).metadata.get(software_statement.MEMBER),
    )
    return client


def check_update(stored: Client, body: dict[str, object]) -> None:
    """C061-C063. Raises InvalidMetadata."""
    if body.get("client_id") != stored.client_id:
        raise InvalidMetadata("client_id must be the one that was issued")
    for name in _NOT_SENT:
        if body.get(name) is not None:
            raise InvalidMetadata(f"{name} must not be sent")
    secret = body.get("client_secret")
    if secret is None:
        return
    if not isinstance(secret, str) or not hmac.compare_digest(
        digest(secret), stored.secret_digest or _NOBODYS
    ):
        raise InvalidMetadata("client_secret must be the one that was issued")


def with_fitting_secret(stored: Client, client: Client, seal: Seal) -> tuple[Client, str | None]:
    """The client with the secret it has, or a new one, to be shown, where that cannot serve."""
    serves = uses_secret(stored) and not (
        keeps_secret_sealed(client) and not keeps_secret_sealed(stored)
    )
    if not uses_secret(client) or not serves:
        return with_new_secret(client, seal)
    if keeps_secret_sealed(client):
        return client, None
    return msgspec.structs.replace(client, secret_sealed=b""), None


def is_expired(client: Client, now: float) -> bool:
    """Never used in the time that was set: it is gone, also before it is swept away."""
    until = client.registration.unused_until if client.registration else 0
    return until != 0 and now >= until


def in_use(client: Client) -> Client:
    """A client that has authenticated, which stays."""
    registration = msgspec.structs.replace(_registration(client), unused_until=0)
    return msgspec.structs.replace(client, registration=registration)


def _registration(client: Client) -> Registration:
    if client.registration is None:
        raise AssertionError("only clients that registered themselves come here")
    return client.registration
