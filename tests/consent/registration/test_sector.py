"""The sector identifier document (C024)."""

import json

import pytest

from consent.client import CIBA_GRANT, Client, Registration
from consent.client_metadata import InvalidClientMetadata
from consent.registration.sector import check_sector, sector_identifier_uri

A, B = "https://app.example/a", "https://app.example/b"
KEYS, CALLS = "https://app.example/jwks", "https://app.example/notified"


def client(**members: object) -> Client:
    return Client(client_id="c", name="N", secret_digest="", **members)  # type: ignore[arg-type]


WEB = client(callbacks=[A, B], grant_types=["authorization_code"], jwks_uri=KEYS)
POLL = client(grant_types=[CIBA_GRANT], jwks_uri=KEYS)
PUSH = client(
    grant_types=[],
    backchannel_token_delivery_mode="push",
    backchannel_client_notification_endpoint=CALLS,
    jwks_uri=KEYS,
)

WHOSE: list[tuple[Client, list[str]]] = [(WEB, [A, B]), (POLL, [KEYS]), (PUSH, [CALLS])]


@pytest.mark.parametrize(("of", "uris"), WHOSE)
def test_every_uri_of_the_client_must_be_listed(of: Client, uris: list[str]) -> None:
    """CIBA 4: the keys stand for a client that polls, the endpoint for one that is pushed to."""
    check_sector(of, json.dumps([*uris, "https://else.example/"]).encode())
    for missing in uris:
        with pytest.raises(InvalidClientMetadata) as refused:
            check_sector(of, json.dumps([uri for uri in uris if uri != missing]).encode())
        assert refused.value.property_name == "sector_identifier_uri"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b"{}",
        b'"https://app.example/a"',
        b'["https://app.example/a", 1]',
        b'["https://app.example/a", ["https://app.example/b"]]',
        b'["https://app.example/A", "https://app.example/b"]',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_anything_but_the_list_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidClientMetadata):
        check_sector(WEB, document)


def test_the_document_is_where_the_registration_says() -> None:
    assert sector_identifier_uri(client()) is None
    assert sector_identifier_uri(client(registration=Registration(issued_at=0))) is None
    registration = Registration(issued_at=0, metadata={"sector_identifier_uri": A})
    assert sector_identifier_uri(client(registration=registration)) == A
