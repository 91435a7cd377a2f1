"""
Software statements (RFC 7591 2.3, C050-C054): metadata that somebody we trust has signed.

What it says overrides what the client says of itself, and on an update it is asked for again, of
the same signer about the same software.
"""

from collections.abc import Mapping

from consent import policy
from consent.errors import InvalidSoftwareStatement, UnapprovedSoftwareStatement
from consent.hint_tokens import TrustedIssuer
from consent.jose import ALGORITHMS, Unverified, claims_of, header_of, time_of, unverified_claims

MEMBER = "software_statement"


def with_statement(
    body: dict[str, object], *, issuers: Mapping[str, TrustedIssuer], issuer: str, now: float
) -> dict[str, object]:
    """
    The metadata with what its statement claims at the top (C050, C051), the statement unmodified
    in it; the same where there is none.

    Raises InvalidSoftwareStatement, UnapprovedSoftwareStatement (C052).
    """
    text = body.get(MEMBER)
    if text is None:
        return body
    if not isinstance(text, str):
        raise InvalidSoftwareStatement("software_statement must be a text")
    claims = _claims(text, issuers, issuer, now)
    stated = {name: value for name, value in claims.items() if value is not None}
    return body | stated | {MEMBER: text}


def check_not_widened(former: object, text: object) -> None:
    """
    C054, once with_statement has verified the one that is sent: what was registered by a statement
    is not had without it, nor by another's.
    """
    if former is None:
        return
    if text is None:
        raise InvalidSoftwareStatement("The software_statement must be sent again")
    if _identity(former) != _identity(text):
        raise UnapprovedSoftwareStatement("software_statement is of another software")


def _claims(
    text: str, issuers: Mapping[str, TrustedIssuer], issuer: str, now: float
) -> dict[str, object]:
    try:
        typ, iss = header_of(text).get("typ", "JWT"), unverified_claims(text).get("iss")
    except Unverified as error:
        raise _not_signed(error) from None
    if not isinstance(typ, str) or typ.upper() != "JWT":  # RFC 7515 4.1.9: in any case
        raise InvalidSoftwareStatement("software_statement is a token of another type")
    if not isinstance(iss, str) or not iss:
        raise InvalidSoftwareStatement("software_statement has no iss")
    trusted = issuers.get(iss)
    if trusted is None:
        raise UnapprovedSoftwareStatement("software_statement is from an untrusted issuer")
    try:
        claims = claims_of(text, trusted.keys, ALGORITHMS)
        expires_at = time_of(claims, "exp") if "exp" in claims else None
        begins_at = time_of(claims, "nbf") if "nbf" in claims else None
    except Unverified as error:
        raise _not_signed(error) from None
    if expires_at is not None and now >= expires_at + policy.CLOCK_SKEW_SECONDS:
        raise InvalidSoftwareStatement("software_statement has expired")
    if begins_at is not None and begins_at > now + policy.CLOCK_SKEW_SECONDS:
        raise InvalidSoftwareStatement("software_statement is not valid yet")
    if "aud" in claims:  # RFC 7519 4.1.3
        aud = claims["aud"]
        if issuer not in (aud if isinstance(aud, list) else [aud]):
            raise InvalidSoftwareStatement("software_statement is meant for somebody else")
    return claims


def _identity(text: object) -> tuple[object, object]:
    """Who speaks of which software, of a statement that was verified."""
    claims = unverified_claims(str(text))
    return claims.get("iss"), claims.get("software_id")


def _not_signed(error: Unverified) -> InvalidSoftwareStatement:
    return InvalidSoftwareStatement(
        "software_statement is not a JWT signed by its issuer", detail=str(error)
    )
