"""
Mailbox approval: the token in the link of a mail, for whoever proves to read the mailbox.

Where a tenant allows it, opening the link binds one key of the page behind it to one consent; what
it signs from then on is that of a device which knows of nothing else. The token is a JWT by and
for ourselves, as a transaction token is; whether it still counts is decided in Redis.
"""

from typing import NamedTuple

import jwt
import msgspec

from consent import policy
from consent.authentication_request import AuthenticationRequest
from consent.errors import DeviceError
from consent.identifiers import digest, is_consent_id
from consent.seal import Seal
from consent.transaction import expired

ACR = "urn:nod:acr:mailbox"  # what such an approval attains, whatever was asked for
_ALGORITHM = "HS256"
_TYPE = "mailbox+jwt"
_ADDRESS_CHARACTERS = 22  # 132 bits


class MailboxLink(NamedTuple):
    """The consent that a token opens, and the digest of the address that it was sent to."""

    consent_id: str
    address_digest: str


def mailbox_token(
    *, seal: Seal, issuer: str, consent_id: str, address: str, expires_at_seconds: int
) -> str:
    """The same whenever it is sent again; `address` is where the mail goes."""
    claims = {
        "iss": issuer,
        "txid": consent_id,
        "adr": address_digest(address),
        "exp": expires_at_seconds,
    }
    return jwt.encode(claims, seal.mailbox_key, algorithm=_ALGORITHM, headers={"typ": _TYPE})


def address_digest(address: str) -> str:
    """How a token names an address: the same in whatever case it is written."""
    return digest(f"mailbox {address.lower()}")[:_ADDRESS_CHARACTERS]


def address_now(link: MailboxLink, user: bytes) -> str | None:
    """
    The address of a user (JSON) as it is written now, if it is the one a mail went to. That it is
    a verified one is looked at when the key is bound.
    """
    email: str | None = msgspec.json.decode(user).get("email")
    return email if email and address_digest(email) == link.address_digest else None


def approved(request: AuthenticationRequest) -> AuthenticationRequest:
    """A request once it was approved by mailbox: its tokens claim no more than that."""
    return msgspec.structs.replace(request, acr=ACR, approved_by="mailbox")


def link_of_token(token: str, *, seal: Seal, issuer: str, now: float) -> MailboxLink:
    """What a token is for. Raises DeviceError invalid_token, transaction_expired."""
    invalid = DeviceError(401, "invalid_token", "Invalid or expired token")
    if len(token) > policy.SIGNED_INPUT_CHARACTERS_MAX:
        raise invalid
    try:
        # Time is an argument here, so PyJWT is told to leave exp to the line below.
        decoded = jwt.decode_complete(
            token,
            seal.mailbox_key,
            algorithms=[_ALGORITHM],
            issuer=issuer,
            options={"verify_exp": False, "require": ["exp", "txid", "adr"]},
        )
    except jwt.InvalidTokenError as error:
        raise DeviceError(
            401, "invalid_token", "Invalid or expired token", detail=type(error).__name__
        ) from None
    claims = decoded["payload"]
    if decoded["header"].get("typ") != _TYPE or not is_consent_id(claims["txid"]):
        raise invalid
    if now >= claims["exp"] + policy.CLOCK_SKEW_SECONDS:  # Redis has the last word on expiry
        raise expired()
    return MailboxLink(claims["txid"], claims["adr"])
