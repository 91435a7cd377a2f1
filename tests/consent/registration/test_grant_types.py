"""What a client may use, and what follows from it (C010-C012, A183, A185, auth0-wire 4)."""

import pytest

from consent.client import CIBA_GRANT
from consent.client_metadata import InvalidClientMetadata
from consent.registration.grant_types import granted, is_implicit, without_forbidden
from consent.registration.metadata import Metadata
from consent.tenant import SecurityMode

CODE, REFRESH, OWN = "authorization_code", "refresh_token", "client_credentials"


def asked(**members: object) -> Metadata:
    return Metadata(**members)  # type: ignore[arg-type]


REGISTERED: dict[str, tuple[SecurityMode, Metadata, list[str], list[str]]] = {
    "C010: the default": ("strict", asked(), [CODE], ["code"]),
    "C010: of response types": (
        "strict",
        asked(grant_types=[CODE, REFRESH]),
        [CODE, REFRESH],
        ["code"],
    ),
    "W: CIBA is dropped in strict mode": (
        "strict",
        asked(grant_types=[CODE, CIBA_GRANT, OWN, REFRESH]),
        [CODE, REFRESH],
        ["code"],
    ),
    "W: what nobody knows is dropped": (
        "permissive",
        asked(grant_types=["password", CODE, "urn:x", CODE]),
        [CODE],
        ["code"],
    ),
    "a dropped grant takes its response types along": (
        "permissive",
        asked(grant_types=[CODE, "implicit"], response_types=["code id_token", "token"]),
        [CODE],
        ["code"],
    ),
    "C011: CIBA alone": (
        "permissive",
        asked(grant_types=[CIBA_GRANT], backchannel_token_delivery_mode="poll"),
        [CIBA_GRANT],
        [],
    ),
    "C011: CIBA alone, as the conformance suite says it": (
        "permissive",
        asked(
            grant_types=[CIBA_GRANT, REFRESH],
            response_types=[],
            backchannel_token_delivery_mode="ping",
        ),
        [CIBA_GRANT, REFRESH],
        [],
    ),
    "A177: push needs no grant": (
        "permissive",
        asked(grant_types=[], response_types=[], backchannel_token_delivery_mode="push"),
        [],
        [],
    ),
    "a client's own tokens": ("permissive", asked(grant_types=[OWN]), [OWN], []),
    "the response type of discovery": (
        "permissive",
        asked(grant_types=[OWN], response_types=["none"]),
        [OWN],
        ["none"],
    ),
}


@pytest.mark.parametrize(
    ("mode", "wanted", "grant_types", "response_types"), REGISTERED.values(), ids=REGISTERED
)
def test_what_the_mode_allows_is_registered(
    mode: SecurityMode, wanted: Metadata, grant_types: list[str], response_types: list[str]
) -> None:
    assert granted(wanted, mode) == (grant_types, response_types)


REFUSED: dict[str, tuple[SecurityMode, Metadata, str]] = {
    "CIBA alone in strict mode": (
        "strict",
        asked(grant_types=[CIBA_GRANT, REFRESH]),
        "grant_types",
    ),
    "nothing known": ("permissive", asked(grant_types=["password"]), "grant_types"),
    "nothing": ("permissive", asked(grant_types=[]), "grant_types"),
    "refresh alone": ("permissive", asked(grant_types=[REFRESH]), "grant_types"),
    "C012: code without its grant": (
        "permissive",
        asked(grant_types=[OWN], response_types=["code"]),
        "response_types",
    ),
    "C012: the code grant without code": (
        "permissive",
        asked(grant_types=[CODE], response_types=[]),
        "response_types",
    ),
    "C012: tokens without implicit": (
        "permissive",
        asked(response_types=["code", "token"]),
        "response_types",
    ),
    "C012: implicit without tokens": (
        "permissive",
        asked(grant_types=[CODE, "implicit"], response_types=["code"]),
        "response_types",
    ),
    "a response type nobody knows": (
        "permissive",
        asked(response_types=["code", "SECRETVALUE"]),
        "response_types",
    ),
    "A183: CIBA without a delivery mode": (
        "permissive",
        asked(grant_types=[CIBA_GRANT]),
        "backchannel_token_delivery_mode",
    ),
    "A185: poll without CIBA": (
        "permissive",
        asked(backchannel_token_delivery_mode="poll"),
        "grant_types",
    ),
    "A185: ping without CIBA": (
        "permissive",
        asked(grant_types=[OWN], backchannel_token_delivery_mode="ping"),
        "grant_types",
    ),
    "a public client's own tokens": (
        "permissive",
        asked(grant_types=[OWN, CODE], token_endpoint_auth_method="none"),
        "grant_types",
    ),
}


@pytest.mark.parametrize(("mode", "wanted", "name"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_together_is_refused(
    mode: SecurityMode, wanted: Metadata, name: str
) -> None:
    with pytest.raises(InvalidClientMetadata) as refused:
        granted(wanted, mode)

    assert refused.value.property_name == name
    assert "SECRETVALUE" not in refused.value.reason


def test_in_strict_mode_there_is_no_ciba() -> None:
    """Its members are as those nobody knows (C004)."""
    wanted = asked(
        client_name="N",
        backchannel_token_delivery_mode="ping",
        backchannel_client_notification_endpoint="https://app.example/n",
        backchannel_authentication_request_signing_alg="ES256",
        backchannel_user_code_parameter=True,
    )
    assert without_forbidden(wanted, "strict") == asked(client_name="N")
    assert without_forbidden(wanted, "permissive") == wanted


def test_tokens_arrive_at_redirect_uris_by_the_implicit_grant() -> None:
    assert is_implicit(asked(grant_types=["implicit"]))
    assert is_implicit(asked(response_types=["code id_token"]))
    assert not is_implicit(asked(grant_types=[CODE], response_types=["code"]))
    assert not is_implicit(asked())
