"""The sector identifier document (OIDCR 5, CIBA 4, C024): URIs that one owner vouches for."""

from consent.client import CIBA_GRANT, Client
from consent.client_metadata import InvalidClientMetadata
from consent.strict_json import MalformedJSON, loads

MEMBER = "sector_identifier_uri"


def sector_identifier_uri(client: Client) -> str | None:
    """Where the document of a client is, None without one."""
    metadata = client.registration.metadata if client.registration else {}
    uri: str | None = metadata.get(MEMBER)
    return uri


def check_sector(client: Client, document: bytes) -> None:
    """Every URI that the owner must vouch for is in the document. Raises InvalidClientMetadata."""
    try:
        listed = loads(document)
    except MalformedJSON:
        listed = None
    if not isinstance(listed, list) or not all(isinstance(uri, str) for uri in listed):
        raise InvalidClientMetadata(MEMBER, "What is there is not a JSON array of URIs")
    if not set(listed).issuperset(_vouched_for(client)):
        raise InvalidClientMetadata(MEMBER, "What is there does not list every registered URI")


def _vouched_for(client: Client) -> list[str]:
    """CIBA 4: what stands for the client where nobody is redirected."""
    uris = list(client.callbacks)
    if client.backchannel_token_delivery_mode == "push":  # noqa: S105 - a mode
        uris.append(client.backchannel_client_notification_endpoint)
    elif client.may_use(CIBA_GRANT) and client.jwks_uri:
        uris.append(client.jwks_uri)
    return uris
