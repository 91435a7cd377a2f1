"""Values of the domain that tests start from, and what must hold of every refusal."""

import functools
import json
from pathlib import Path
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from consent.authentication_request import AuthenticationRequest
from consent.client import CIBA_GRANT, Client
from consent.errors import Refusal
from consent.identifiers import digest, new_device_id, person_id_of
from consent.seal import Seal
from consent.settings import Settings, load
from scripts.simulated_phone import Account, SimulatedPhone, Style

ISSUER = "https://nod.example/"
USER_ID = "auth0|u1"
CLIENT_ID = "bank"
CLIENT_SECRET = "a secret of the bank"
NOW = 1_790_000_000
PERSON_ID = person_id_of(USER_ID, 16)
DEVICE_ID = new_device_id(PERSON_ID)
CONSENT_ID = f"{PERSON_ID[:3]}{digest('an auth_req_id')}"
SEAL = Seal("a secret key for nothing but these tests")

# CIBA 13, RFC 6749 5.2: the characters of an error and its description (A101).
ERROR_CHARACTERS = {chr(code) for code in [0x20, 0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F)]}


def settings(**variables: str) -> Settings:
    return load({"NOD_ISSUER": ISSUER, **{f"NOD_{k.upper()}": v for k, v in variables.items()}})


def a_client(**changes: object) -> Client:
    fields: dict[str, Any] = {
        "client_id": CLIENT_ID,
        "name": "Example bank",
        "secret_digest": digest(CLIENT_SECRET),
        "grant_types": [CIBA_GRANT],
    }
    fields.update(changes)
    return Client(**fields)


def a_request(**changes: object) -> AuthenticationRequest:
    fields: dict[str, Any] = {
        "client_id": CLIENT_ID,
        "client_name": "Example bank",
        "user_id": USER_ID,
        "scope": ["openid", "email"],
        "audience": "https://api.example/",
        "binding_message": "Pay 10",
        "expires_in": 300,
        "access_token_lifetime": 600,
        "id_token_lifetime": 36_000,
    }
    fields.update(changes)
    return AuthenticationRequest(**fields)


@functools.cache
def a_phone(style: Style = "ec") -> SimulatedPhone:
    """An enrolled phone that never speaks to a server; one for each style, for RSA keys cost."""
    phone = SimulatedPhone(httpx2.Client(), ISSUER, style=style, clock=lambda: NOW + 0.25)
    phone.account = Account(
        style=style,
        base_url=ISSUER,
        identifier="8D1E-the-phones-own",
        push_token="f00d",
        private_key="",
        id=DEVICE_ID,
        user_id=USER_ID,
        token="dt_",
        issuer="Nod",
    )
    return phone


@functools.cache
def an_ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def an_rsa_key(bits: int = 2_048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


def vector(name: str) -> Any:  # noqa: ANN401 - as it is printed
    """An example of a specification, as it is printed there."""
    return json.loads((Path(__file__).parent.parent / "vectors" / f"{name}.json").read_text())


def assert_says_nothing(refusal: Refusal, *sent: str) -> None:
    """The wire half is of the allowed characters and repeats nothing that was sent (A101)."""
    assert refusal.description
    assert ERROR_CHARACTERS.issuperset(refusal.description)
    assert ERROR_CHARACTERS.issuperset(refusal.error)
    for text in sent:
        assert text not in refusal.description
