"""Resource servers as they are described and shown."""

import pytest

from consent.access import resource_server_id
from consent.errors import ManagementError
from consent.management.resource_servers import new_resource_server, resource_server_shown

SCOPE_CHARACTERS = "!#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~"


def test_the_id_follows_from_the_identifier() -> None:
    made = new_resource_server({"identifier": "https://a/"}, creation="c")

    assert made.id == resource_server_id("https://a/")
    assert "creation" not in resource_server_shown(made)


def test_a_body_cannot_make_a_system_resource_server() -> None:
    """T33: no mass assignment."""
    body: dict[str, object] = {"identifier": "a", "is_system": True, "id": "x", "creation": "x"}

    made = new_resource_server(body, creation="c")

    assert (made.is_system, made.creation) == (False, "c")
    assert made.id == resource_server_id("a")


def test_a_scope_is_any_scope_token_of_the_standard() -> None:
    """RFC 6749 3.3: printable ASCII but space, quote and backslash."""
    body: dict[str, object] = {"identifier": "a", "scopes": [{"value": SCOPE_CHARACTERS}]}

    [scope] = new_resource_server(body, creation="c").scopes

    assert scope.value == SCOPE_CHARACTERS


@pytest.mark.parametrize("value", ["", " ", '"', "\\", "\x7f", "é", "a\n"])
def test_what_is_no_scope_token_is_refused(value: str) -> None:
    body: dict[str, object] = {"identifier": "a", "scopes": [{"value": value}]}
    with pytest.raises(ManagementError, match="property scopes"):
        new_resource_server(body, creation="c")


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
def test_tokens_are_signed_as_the_api_asks(algorithm: str) -> None:
    made = new_resource_server({"identifier": "a", "signing_alg": algorithm}, creation="c")

    assert resource_server_shown(made)["signing_alg"] == algorithm


def test_the_types_of_details_an_api_understands_are_kept_and_shown() -> None:
    """RFC 9396 2, auth0-wire 1.6, 3.4."""
    types = [{"type": "payment"}, {"type": "urn:auth0:schemas:authorization-details:v1:payment"}]

    made = new_resource_server({"identifier": "a", "authorization_details": types}, creation="c")

    assert resource_server_shown(made)["authorization_details"] == types
