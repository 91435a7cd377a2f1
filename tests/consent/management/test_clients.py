"""Clients as they are described and shown."""

import pytest

from consent.client import CIBA_GRANT
from consent.errors import ManagementError
from consent.identifiers import digest
from consent.management.clients import GRANT_TYPES, client_shown, new_client


def test_the_secret_is_kept_as_its_digest_and_shown_only_when_made() -> None:
    client = new_client({"name": "N"}, client_id="id", secret="SECRET")

    assert client.secret_digest == digest("SECRET")
    assert "client_secret" not in client_shown(client)
    assert client_shown(client, "SECRET")["client_secret"] == "SECRET"
    assert "secret_digest" not in client_shown(client, "SECRET")


def test_a_body_cannot_set_what_is_ours() -> None:
    """T33: no mass assignment."""
    body: dict[str, object] = {
        "name": "N",
        "client_id": "x",
        "secret_digest": "x",
        "client_secret": "x",
    }

    client = new_client(body, client_id="id", secret="s")

    assert (client.client_id, client.secret_digest) == ("id", digest("s"))


@pytest.mark.parametrize("grant_type", sorted(GRANT_TYPES))
def test_every_known_grant_type_may_be_registered(grant_type: str) -> None:
    body: dict[str, object] = {"name": "N", "grant_types": [grant_type]}

    assert new_client(body, client_id="id", secret="s").may_use(grant_type)


def test_a_client_does_not_get_ciba_unless_it_asks() -> None:
    assert not new_client({"name": "N"}, client_id="id", secret="s").may_use(CIBA_GRANT)


def test_all_that_is_allowed_fits() -> None:
    body: dict[str, object] = {
        "name": "n" * 255,
        "grant_types": sorted(GRANT_TYPES),
        "client_metadata": {str(number): "v" * 255 for number in range(10)},
        "token_endpoint_auth_method": "none",
    }

    assert new_client(body, client_id="id", secret="s").client_metadata == body["client_metadata"]


def test_secret_encoded_must_be_a_boolean() -> None:
    body: dict[str, object] = {"name": "N", "jwt_configuration": {"secret_encoded": 1}}
    with pytest.raises(ManagementError, match=r"jwt_configuration\.secret_encoded"):
        new_client(body, client_id="id", secret="s")
