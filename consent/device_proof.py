"""
What a phone signs: a proof of its key to fetch, its answer, and its own bearer token.

Pure verification; that a proof is used once and that an answer counts once is decided in Redis.
Times may be fractional (iOS) and a clock may be off by `policy.CLOCK_SKEW_SECONDS`.
"""

import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from consent import policy
from consent.device_key import DeviceKey, UnusableKey, device_key
from consent.errors import DeviceError
from consent.identifiers import digest
from consent.jose import Unverified, claims_by, header_of, time_of, unverified_claims

_JTI_CHARACTERS_MAX = 255
_REASON_CHARACTERS_MAX = 255
NOT_ME = "not_me"


class Proof(NamedTuple):
    """A verified proof: the key it shows, and what it is remembered by so that it counts once."""

    thumbprint: str
    digest: str


class Decision(NamedTuple):
    """What a device signed: Guardian's answer, and what our own authenticators add to it."""

    accepted: bool
    reason: str
    consent_digest: str = ""
    matching_number: str = ""

    @property
    def not_me(self) -> bool:
        """The person did not expect this client (T36)."""
        return not self.accepted and self.reason == NOT_ME


def proof(
    text: str | None, *, http_method: str, http_uri: str, access_token: str, now: float
) -> Proof:
    """
    Verify an `MFA-DPoP` proof (auth0-wire 2.7, after RFC 9449 4.3).

    The header's key only says who signed; whether that is an enrolled device's key is compared
    by thumbprint where the device is read. Raises DeviceError invalid_dpop_assertion.
    """
    with _refusing(invalid_proof):
        if text is None:
            raise Unverified("there is no proof")
        header = header_of(text, most=policy.SIGNED_INPUT_CHARACTERS_MAX)
        if header.get("typ") != "dpop+jwt":
            raise Unverified("typ is not dpop+jwt")
        key = device_key(header.get("jwk"))
        claims = _claims(text, key)
        if claims.get("htm") != http_method or claims.get("htu") != http_uri:
            raise Unverified("htm or htu names another request")
        if claims.get("ath") != digest(access_token):
            raise Unverified("ath is of another token")
        _check_fresh(claims, now)
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 1 <= len(jti) <= _JTI_CHARACTERS_MAX:
            raise Unverified("jti is missing or too long")
    return Proof(key.thumbprint, digest(f"{key.thumbprint} {jti}"))


def invalid_proof(detail: str) -> DeviceError:
    return DeviceError(
        403, "invalid_dpop_assertion", "The proof of the device's key is invalid", detail=detail
    )


def decision(
    challenge_response: object,
    *,
    key: DeviceKey,
    identifier: str,
    challenge: str,
    audience: str,
    now: float,
) -> Decision:
    """Verify the signed answer of a device (auth0-wire 2.5). Raises DeviceError invalid_token."""
    with _refusing(_invalid_token):
        if not isinstance(challenge_response, str):
            raise Unverified("challenge_response is not a text")
        claims = _claims(challenge_response, key)
        sub = claims.get("sub")
        if not isinstance(sub, str) or not hmac.compare_digest(sub.encode(), challenge.encode()):
            raise Unverified("sub is not the challenge")
        if claims.get("iss") != identifier:
            raise Unverified("iss is not the device's identifier")
        if claims.get("aud") != audience:
            raise Unverified("aud is another endpoint")
        _check_life(claims, now, policy.ANSWER_LIFE_SECONDS_MAX)
        if claims.get("auth0_guardian_method") != "push":
            raise Unverified("the method is not push")
        accepted = claims.get("auth0_guardian_accepted")
        reason = claims.get("auth0_guardian_reason", "")
        if not isinstance(accepted, bool):
            raise Unverified("the answer is neither true nor false")
        if not isinstance(reason, str) or len(reason) > _REASON_CHARACTERS_MAX:
            raise Unverified("the reason is not a text, or too long")
        signed, typed = claims.get("consent_digest", ""), claims.get("matching_number", "")
        if not isinstance(signed, str) or not isinstance(typed, str):
            raise Unverified("consent_digest or matching_number is not a text")
    return Decision(accepted, reason, signed, typed)


def unverified_issuer(token: str) -> str | None:
    """The enrolment id a device's own token names, so that its key can be looked up."""
    try:
        claims = unverified_claims(token, most=policy.SIGNED_INPUT_CHARACTERS_MAX)
    except Unverified:
        return None
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else None


def check_device_token(
    token: str,
    *,
    key: DeviceKey,
    device_id: str,
    user_id: str,
    audiences: tuple[str, ...],
    now: float,
) -> None:
    """Verify a bearer token a device signed itself (auth0-wire 2.6). Raises DeviceError."""
    with _refusing(_invalid_token):
        claims = _claims(token, key)
        if claims.get("iss") != device_id or claims.get("sub") != user_id:
            raise Unverified("iss or sub is another device or person")
        if claims.get("aud") not in audiences:
            raise Unverified("aud is another endpoint")
        _check_life(claims, now, policy.DEVICE_TOKEN_LIFE_SECONDS_MAX)


@contextmanager
def _refusing(refusal: Callable[[str], DeviceError]) -> Iterator[None]:
    """Answer with one and the same refusal, whatever was wrong; what it was goes to the log."""
    try:
        yield
    except (Unverified, UnusableKey) as error:
        raise refusal(str(error)) from None


def _claims(token: str, key: DeviceKey) -> dict[str, object]:
    return claims_by(token, key.public_key, most=policy.SIGNED_INPUT_CHARACTERS_MAX)


def _check_fresh(claims: dict[str, object], now: float) -> None:
    issued_at = time_of(claims, "iat")
    if not -policy.CLOCK_SKEW_SECONDS <= now - issued_at <= policy.PROOF_AGE_SECONDS_MAX:
        raise Unverified("iat is too old or in the future")


def _check_life(claims: dict[str, object], now: float, life_max: float) -> None:
    issued_at, expires_at = time_of(claims, "iat"), time_of(claims, "exp")
    if expires_at - issued_at > life_max or expires_at <= issued_at:
        raise Unverified("its life is too long or none")
    if issued_at > now + policy.CLOCK_SKEW_SECONDS:
        raise Unverified("iat is in the future")
    if now >= expires_at + policy.CLOCK_SKEW_SECONDS:
        raise Unverified("it has expired")


def _invalid_token(detail: str) -> DeviceError:
    return DeviceError(401, "invalid_token", "Invalid or expired token", detail=detail)
