"""
Receipts: an approval as evidence, which a third party verifies with no more than our public keys.

A JWS by us (typ `receipt+jwt`) around a JWS by the device. Ours says who was shown what, and whose
key answered; the device's says yes, and names the digest of what its person was shown. Neither
alone binds a person to a request: so a receipt is verified as a whole.

Pure. Asked for again a receipt says the same: every claim follows from the approval.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from consent import policy, prompt
from consent.authentication_request import AuthenticationRequest
from consent.device_key import device_key
from consent.identifiers import digest
from consent.jose import (
    PublicKey,
    UnknownKey,
    UnusableKey,
    Unverified,
    claims_by,
    header_of,
    time_of,
)
from consent.shown import DIGEST, CanonicalizationError, consent_digest
from consent.signing_key import ALGORITHM, SigningKey
from consent.transaction import iso_date

TYPE = "receipt+jwt"
NOT_COVERED = "the device's signature does not cover what was shown"
_ANSWERED_AT = "appliance-mfa/api/resolve-transaction"


class Approval(msgspec.Struct, frozen=True):
    """What is kept of an approval: the device, its key, and its answer as it was sent."""

    device_id: str
    public_key: dict[str, str]  # JWK
    challenge_response: str  # compact JWS


class Device(msgspec.Struct, frozen=True):
    id: str
    jwk: dict[str, str]


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims. `iat` is `approved_at` in whole seconds; `consent` is the object shown."""

    iss: str
    aud: str  # the client
    sub: str  # the person
    iat: int
    jti: str
    txn: str  # the consent
    approved_at: str
    acr: str = ""
    consent: dict[str, object]
    consent_digest: str
    device: Device
    device_signature: str  # what the device answered


def receipt(
    consent_id: str,
    request: AuthenticationRequest,
    *,
    created_at_ms: int,
    expires_at_ms: int,
    approved_at_ms: int,
    approval: Approval,
    issuer: str,
) -> Receipt:
    """The receipt of an approval, to be signed."""
    shown = prompt.shown(consent_id, request, created_at_ms, expires_at_ms)
    return Receipt(
        iss=issuer,
        aud=request.client_id,
        sub=request.user_id,
        iat=approved_at_ms // 1_000,
        jti=digest(f"receipt {consent_id}")[:22],
        txn=consent_id,
        approved_at=iso_date(approved_at_ms),
        acr=request.acr,
        consent=shown,
        consent_digest=consent_digest(shown),
        device=Device(approval.device_id, approval.public_key),
        device_signature=approval.challenge_response,
    )


def signed(receipt: Receipt, key: SigningKey) -> str:
    """The compact JWS (RFC 7515 3.1)."""
    return key.sign(msgspec.to_builtins(receipt), TYPE)


# Verification, by whoever holds a receipt


class Check(NamedTuple):
    """What was looked at, and why it does not hold; '' when it does."""

    name: str
    failure: str = ""


class Verification(NamedTuple):
    """What a receipt says, None when nothing of it can be believed, and every check made."""

    receipt: Receipt | None
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        return not any(check.failure for check in self.checks)


class _Shown(msgspec.Struct, frozen=True):
    """What a verifier reads of the object shown."""

    class _Client(msgspec.Struct, frozen=True):
        client_id: str

    id: str
    client: _Client
    created_at: str
    expires_at: str
    number_matching: bool


_Answer = dict[str, object]


def verification(text: str, keys: Sequence[PublicKey]) -> Verification:
    """Verify a receipt by the issuer's keys, now or at any time; its age is not looked at."""
    name = "signed by the issuer"
    try:
        known = _signed_by(text, keys)
        shown = msgspec.convert(known.consent, _Shown)
    except (Unverified, UnusableKey) as error:
        return Verification(None, (Check(name, str(error)),))
    except msgspec.ValidationError:
        return Verification(None, (Check(name, "a claim is missing or of a wrong type"),))
    return Verification(known, (Check(name), *_checks(known, shown)))


def _signed_by(text: str, keys: Sequence[PublicKey]) -> Receipt:
    """Raises Unverified, UnknownKey, msgspec.ValidationError."""
    header = header_of(text, most=policy.RECEIPT_CHARACTERS_MAX)
    if header.get("typ") != TYPE:
        raise Unverified("it is no receipt: its typ is another")
    kid = header.get("kid")
    key = next((key for key in keys if kid is not None and key.kid == kid), None)
    if key is None:
        raise UnknownKey("none of the keys has its kid: those published at its time are needed")
    claims = claims_by(text, key, (ALGORITHM,), most=policy.RECEIPT_CHARACTERS_MAX)
    return msgspec.convert(claims, Receipt)


def _checks(known: Receipt, shown: _Shown) -> Iterator[Check]:
    yield Check("the object shown has the digest", _digest_failure(known))
    yield Check("about one request", _request_failure(known, shown))
    yield Check("approved in time", _time_failure(known, shown))
    name = "signed by the device"
    try:
        answer = _answer(known)
    except (Unverified, UnusableKey) as error:
        yield Check(name, str(error))
        return
    yield Check(name)
    for name, failure in _OF_THE_ANSWER:
        yield Check(name, failure(known, shown, answer))


def _digest_failure(known: Receipt) -> str:
    try:
        found = consent_digest(known.consent)
    except CanonicalizationError:
        return "the object shown has no canonical form"
    return "" if found == known.consent_digest else "the digest is of another object"


def _request_failure(known: Receipt, shown: _Shown) -> str:
    same = (known.txn, known.aud) == (shown.id, shown.client.client_id)
    return "" if same else "what was shown is another request, or another client's"


def _time_failure(known: Receipt, shown: _Shown) -> str:
    dates = (shown.created_at, known.approved_at, shown.expires_at)
    try:
        created_at, approved_at, expires_at = map(_seconds, dates)
    except ValueError:
        return "a date is none"
    if int(approved_at) != known.iat:
        return "iat is not when it was approved"
    return "" if created_at <= approved_at < expires_at else "it was not open when it was approved"


def _seconds(date: str) -> float:
    """Of an ISO 8601 date in UTC. Raises ValueError."""
    if not date.endswith("Z"):
        raise ValueError(date)
    return datetime.fromisoformat(date).timestamp()


def _answer(known: Receipt) -> _Answer:
    """What the device signed by its one algorithm (T13). Raises Unverified, UnusableKey."""
    key = device_key(known.device.jwk).public_key
    return claims_by(known.device_signature, key, most=policy.SIGNED_INPUT_CHARACTERS_MAX)


def _audience_failure(known: Receipt, _shown: _Shown, answer: _Answer) -> str:
    meant = answer.get("aud") == known.iss + _ANSWERED_AT
    return "" if meant else "the device signed something else, or for another server"


def _acceptance_failure(_known: Receipt, _shown: _Shown, answer: _Answer) -> str:
    return "" if answer.get("auth0_guardian_accepted") is True else "the device did not accept"


def _coverage_failure(known: Receipt, _shown: _Shown, answer: _Answer) -> str:
    if DIGEST not in answer:  # an app that knows the challenge alone
        return NOT_COVERED
    same = answer[DIGEST] == known.consent_digest
    return "" if same else "the device signed the digest of something else"


def _life_failure(known: Receipt, _shown: _Shown, answer: _Answer) -> str:
    """Clocks differ by as much as when the answer was taken (`device_proof`)."""
    try:
        begin, end = time_of(answer, "iat"), time_of(answer, "exp")
    except Unverified as error:
        return str(error)
    begin, end = begin - policy.CLOCK_SKEW_SECONDS, end + policy.CLOCK_SKEW_SECONDS
    return "" if begin <= known.iat < end else "the device signed at another time"


def _number_failure(_known: Receipt, shown: _Shown, answer: _Answer) -> str:
    signs_number = isinstance(answer.get("matching_number"), str)
    missing = shown.number_matching and not signs_number
    return "the device signed no number, and one was to be typed" if missing else ""


_OF_THE_ANSWER: tuple[tuple[str, Callable[[Receipt, _Shown, _Answer], str]], ...] = (
    ("answers this issuer", _audience_failure),
    ("the device accepts", _acceptance_failure),
    ("the device signs what was shown", _coverage_failure),
    ("signed when it was approved", _life_failure),
    ("signs a number where one was needed", _number_failure),
)
