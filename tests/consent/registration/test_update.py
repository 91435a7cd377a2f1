"""What a registered client may do to its registration (RFC 7592, C060-C070)."""

from typing import Any

import msgspec
import pytest

from consent.client import Client, JwtConfiguration, RefreshTokenPolicy
from consent.client_metadata import with_new_secret
from consent.errors import InvalidMetadata, InvalidSoftwareStatement, InvalidToken
from consent.identifiers import digest
from consent.registration.client import new_client
from consent.registration.update import (
    authorized,
    in_use,
    is_expired,
    updated_client,
    with_fitting_secret,
    with_new_token,
)
from tests.support.domain import NOW, SEAL
from tests.support.registering import CALLBACK, PERMISSIVE, STATER, WEB, statement


def registered(unused_until: int = 0, **members: object) -> Client:
    return new_client(WEB | members, PERMISSIVE, client_id="c", now=NOW, unused_until=unused_until)


def updated(stored: Client, body: dict[str, Any]) -> Client:
    return updated_client(stored, {"client_id": "c", **body}, PERMISSIVE, now=NOW + 5)


# The registration access token


def test_a_token_opens_one_registration_and_is_kept_as_its_digest() -> None:
    """C067, C069."""
    client, token = with_new_token(registered())
    assert len(token) == 43
    assert token not in msgspec.json.encode(client).decode()
    assert authorized(client, token, NOW) is client


def test_every_wrong_token_reads_the_same() -> None:
    """C066, C070: nobody learns which clients there are."""
    client, token = with_new_token(registered())
    _, another = with_new_token(registered())
    administrators = Client(client_id="a", name="N", secret_digest=digest("s"))
    expired, late = with_new_token(registered(unused_until=NOW))
    said = set()
    for it, offered in (
        (None, token),
        (client, another),
        (client, "é"),
        (administrators, token),
        (registered(), ""),
        (expired, late),
    ):
        with pytest.raises(InvalidToken) as refused:
            authorized(it, offered, NOW)
        said.add((refused.value.status, refused.value.description, refused.value.headers))
    assert len(said) == 1


# PUT


def test_what_is_not_sent_is_gone() -> None:
    """C061: the new metadata replace the old; the id, its time and the secrets stay."""
    stored, _ = with_new_token(
        registered(
            scope="pay:all", client_uri="https://app.example/", dpop_bound_access_tokens=True
        )
    )
    stored, _ = with_new_secret(stored, SEAL)

    client = updated(stored, {"redirect_uris": ["https://new.example/cb"]})

    assert stored.registration is not None
    plain = registered()
    assert plain.registration is not None
    assert client == msgspec.structs.replace(
        plain,
        name="c",
        callbacks=["https://new.example/cb"],
        secret_digest=stored.secret_digest,
        registration=msgspec.structs.replace(
            stored.registration, metadata=plain.registration.metadata
        ),
    )


def test_what_an_administrator_set_stays() -> None:
    """A client has a say in its metadata, and in nothing else (RFC 7592 2.2)."""
    own: dict[str, Any] = {
        "description": "Looked at in May",
        "client_metadata": {"owner": "team 7"},
        "jwt_configuration": JwtConfiguration(lifetime_in_seconds=60),
        "long_poll_seconds": 10,
        "refresh_token": RefreshTokenPolicy("rotating", 5),
        "resource_server_identifier": "https://api.example/",
    }
    client = updated(msgspec.structs.replace(registered(), **own), WEB | {"client_name": "New"})
    assert client.name == "New"
    assert {name: getattr(client, name) for name in own} == own


def test_a_client_does_not_leave_its_profile() -> None:
    stored = msgspec.structs.replace(registered(), profile="fapi-ciba")
    with pytest.raises(InvalidMetadata, match=r"profile|token_endpoint_auth_method"):
        updated(stored, WEB)


FORBIDDEN: dict[str, dict[str, Any]] = {
    "C061: another client_id": {"client_id": "d"},
    "C061: no client_id": {"client_id": None},
    "C061: a client_id that is a list": {"client_id": ["c"]},
    "C062: a registration access token": {"registration_access_token": "t"},
    "C062: a registration URI": {"registration_client_uri": "https://nod.example/"},
    "C062: an expiry": {"client_secret_expires_at": 0},
    "C062: a time of issue": {"client_id_issued_at": 0},
    "C063: another secret": {"client_secret": "mine"},
    "C063: a secret that is a number": {"client_secret": 1},
    "a wrong type": {"client_name": 1},
}


@pytest.mark.parametrize("members", FORBIDDEN.values(), ids=FORBIDDEN)
def test_what_is_ours_to_say_is_not_sent(members: dict[str, Any]) -> None:
    stored, _ = with_new_secret(registered(), SEAL)
    with pytest.raises(InvalidMetadata):
        updated(stored, WEB | members)


def test_the_secret_that_was_issued_may_be_sent() -> None:
    """C063."""
    stored, secret = with_new_secret(registered(), SEAL)
    assert updated(stored, WEB | {"client_secret": secret}).secret_digest == stored.secret_digest
    public = registered(token_endpoint_auth_method="none")
    with pytest.raises(InvalidMetadata):
        updated(public, WEB | {"client_secret": ""})


def test_a_statement_is_stated_again() -> None:
    """C054."""
    stored = registered(software_statement=statement())
    assert updated(stored, WEB | {"software_statement": statement()}).callbacks == [CALLBACK]
    with pytest.raises(InvalidSoftwareStatement):
        updated(stored, WEB)


SECRETS: list[tuple[str, str, bool]] = [
    ("client_secret_post", "client_secret_basic", False),
    ("client_secret_basic", "client_secret_post", False),
    ("client_secret_jwt", "client_secret_jwt", False),
    ("client_secret_jwt", "client_secret_post", False),
    ("client_secret_post", "client_secret_jwt", True),
    ("none", "client_secret_post", True),
    ("private_key_jwt", "client_secret_jwt", True),
]


@pytest.mark.parametrize(("before", "after", "is_new"), SECRETS)
def test_a_secret_is_new_only_where_the_old_one_cannot_serve(
    before: str, after: str, is_new: bool
) -> None:
    keys: dict[str, Any] = {"jwks": {"keys": [STATER.public]}}
    stored, _ = with_new_secret(registered(token_endpoint_auth_method=before, **keys), SEAL)

    wanted = updated(stored, WEB | {"token_endpoint_auth_method": after})
    client, secret = with_fitting_secret(stored, wanted, SEAL)

    assert (secret is not None) == is_new
    assert (client.secret_digest != stored.secret_digest) == is_new
    assert bool(client.secret_sealed) == (after == "client_secret_jwt")
    if secret is not None:
        assert client.secret_digest == digest(secret)


@pytest.mark.parametrize("after", ["none", "private_key_jwt"])
def test_a_secret_nobody_uses_is_gone(after: str) -> None:
    stored, _ = with_new_secret(registered(), SEAL)
    body = WEB | {"token_endpoint_auth_method": after, "jwks": {"keys": [STATER.public]}}

    client, secret = with_fitting_secret(stored, updated(stored, body), SEAL)

    assert (client.secret_digest, secret) == ("", None)


# Clients that are never used


def test_a_client_goes_when_it_was_not_used_in_time() -> None:
    client = registered(unused_until=NOW + 10)
    assert not is_expired(client, NOW + 9)
    assert is_expired(client, NOW + 10)
    assert not is_expired(in_use(client), NOW + 10)
    assert not is_expired(registered(), NOW + 10**9)
    assert not is_expired(Client(client_id="a", name="N", secret_digest=""), NOW)
