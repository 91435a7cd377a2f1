"""
Receipts: what one says, and that nothing in it can be another thing.

Each is verified twice: by ourselves, and by somebody who has read no more than the description.
"""

import functools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from consent import jose, policy
from consent.device_key import device_key
from consent.prompt import rich_consent
from consent.receipt import NOT_COVERED, TYPE, Approval, Receipt, receipt, signed, verification
from consent.signing_key import SigningKey, new_signing_key
from scripts.simulated_phone import Style
from tests.support import receipt_verifier
from tests.support.domain import (
    CONSENT_ID,
    DEVICE_ID,
    ISSUER,
    NOW,
    SEAL,
    USER_ID,
    a_phone,
    a_request,
    vector,
)

CREATED_AT_MS, EXPIRES_AT_MS = (NOW - 10) * 1_000, (NOW + 290) * 1_000
APPROVED_AT_MS = NOW * 1_000 + 250
REQUEST: dict[str, Any] = {
    "binding_message": "Pay 25.50",
    "authorization_details": [{"type": "order", "amount": 25.5, "to": "愛子", "parts": [1e21, 1]}],
    "acr": "urn:example:acr:high",
}
Claims = dict[str, Any]


@functools.cache
def our_key() -> SigningKey:
    return new_signing_key()


def keys() -> list[jose.PublicKey]:
    return [jose.public_key(key) for key in (new_signing_key().public, our_key().public)]


def jwks() -> Claims:
    return {"keys": [our_key().public]}


def an_answer(style: Style = "ec", **changes: object) -> str:
    """What a phone of ours signs of the request, or of a changed one."""
    shown = rich_consent(CONSENT_ID, a_request(**(REQUEST | changes)), CREATED_AT_MS, EXPIRES_AT_MS)
    digest = str(shown["consent_digest"])
    return a_phone(style).challenge_response(
        SEAL.challenge(CONSENT_ID, DEVICE_ID), accept=True, consent_digest=digest
    )


def a_receipt(style: Style = "ec", answer: str = "", **changes: object) -> Receipt:
    key = device_key(a_phone(style).public_jwk())
    return receipt(
        CONSENT_ID,
        a_request(**(REQUEST | changes)),
        created_at_ms=CREATED_AT_MS,
        expires_at_ms=EXPIRES_AT_MS,
        approved_at_ms=APPROVED_AT_MS,
        approval=Approval(DEVICE_ID, key.jwk, answer or an_answer(style, **changes)),
        issuer=ISSUER,
    )


def test_a_receipt_says_who_approved_what_and_with_which_device() -> None:
    claims = msgspec.to_builtins(a_receipt())

    assert claims | {"jti": "", "device_signature": ""} == {
        "iss": ISSUER,
        "aud": "bank",
        "sub": USER_ID,
        "iat": NOW,
        "jti": "",
        "txn": CONSENT_ID,
        "approved_at": "2026-09-21T14:13:20.250Z",
        "acr": "urn:example:acr:high",
        "consent": {
            "id": CONSENT_ID,
            "requested_details": {
                "audience": "https://api.example/",
                "scope": ["openid", "email"],
                "binding_message": "Pay 25.50",
                "authorization_details": REQUEST["authorization_details"],
            },
            "client": {"client_id": "bank", "name": "Example bank"},
            "created_at": "2026-09-21T14:13:10.000Z",
            "expires_at": "2026-09-21T14:18:10.000Z",
            "number_matching": False,
        },
        "consent_digest": receipt_verifier.digest(claims["consent"]),
        "device": {"id": DEVICE_ID, "jwk": device_key(a_phone("ec").public_jwk()).jwk},
        "device_signature": "",
    }
    assert len(claims["jti"]) == 22


def test_asked_again_it_is_the_same() -> None:
    """Whichever key signs by then."""
    answer = an_answer()
    first = signed(a_receipt(answer=answer), our_key())

    assert signed(a_receipt(answer=answer), our_key()) == first
    later = jose.unverified_claims(signed(a_receipt(answer=answer), new_signing_key()))
    assert later == jose.unverified_claims(first)


@pytest.mark.parametrize("style", ["ec", "ios", "android"])
def test_it_holds_for_whoever_has_our_keys(style: Style) -> None:
    """RS256 with a modulus that begins with 0, ES256, and times that are fractions (iOS)."""
    text = signed(a_receipt(style), our_key())

    found = verification(text, keys())

    assert found.holds, found.checks
    assert found.receipt == a_receipt(style, found.receipt.device_signature)  # type: ignore[union-attr]
    assert len(found.checks) == 10
    assert receipt_verifier.verify(text, jwks())["sub"] == USER_ID


def test_what_an_app_signs_that_knows_no_digest_covers_nothing() -> None:
    challenge = SEAL.challenge(CONSENT_ID, DEVICE_ID)
    answer = a_phone("ios").challenge_response(challenge, accept=True)
    text = signed(a_receipt("ios", answer), our_key())

    assert failures(text) == {NOT_COVERED}


def failures(text: str) -> set[str]:
    """And the other verifier refuses what fails."""
    found = verification(text, keys())
    assert not found.holds
    with pytest.raises((receipt_verifier.Refused, ValueError, KeyError)):
        receipt_verifier.verify(text, jwks())
    return {check.failure for check in found.checks if check.failure}


def of_the_phone(**claims: object) -> str:
    """An answer with claims that are others; None leaves one out."""
    phone = a_phone("ec")
    own = jose.unverified_claims(an_answer()) | claims
    return phone._signed({name: it for name, it in own.items() if it is not None})  # noqa: SLF001


# What a receipt's claims are changed into, signed by us as if we had meant it; what is named.
CHANGED: dict[str, tuple[Callable[[Claims], Claims], str]] = {
    "another message": (
        lambda it: shown(it, requested_details=it["consent"]["requested_details"] | {"x": 1}),
        "the digest is of another object",
    ),
    "a digest of something else": (
        lambda it: it | {"consent_digest": "A" * 43},
        "the digest is of another object",
    ),
    "a number without a canonical form": (
        lambda it: shown(it, x=2**60),
        "the object shown has no canonical form",
    ),
    "another request's id": (lambda it: it | {"txn": f"1{it['txn'][1:]}"}, "is another request"),
    "another client": (lambda it: it | {"aud": "shop"}, "is another request, or another client's"),
    "approved before it was asked": (
        lambda it: it | {"approved_at": "2026-09-21T14:13:09.999Z", "iat": NOW - 11},
        "it was not open",
    ),
    "approved when it had expired": (
        lambda it: it | {"approved_at": "2026-09-21T14:18:10.000Z", "iat": NOW + 290},
        "it was not open",
    ),
    "two times": (lambda it: it | {"iat": NOW + 1}, "iat is not when it was approved"),
    "no date": (lambda it: it | {"approved_at": "yesterday"}, "a date is none"),
    "a date of no zone": (lambda it: it | {"approved_at": "2026-09-21T14:13:20"}, "a date is none"),
    "a date beyond all": (
        lambda it: it | {"approved_at": "9999-99-99T00:00:00Z"},
        "a date is none",
    ),
    "another device's key": (
        lambda it: it | {"device": {"id": "x", "jwk": new_signing_key().public}},
        "the signature is wrong",
    ),
    "a key that is none": (
        lambda it: it | {"device": {"id": "x", "jwk": {}}},
        "the key is neither",
    ),
    "no signature of the device": (lambda it: it | {"device_signature": "a.b.c"}, "not"),
    "a denial": (
        lambda it: it | {"device_signature": of_the_phone(auth0_guardian_accepted=False)},
        "the device did not accept",
    ),
    "a truth that is a number": (
        lambda it: it | {"device_signature": of_the_phone(auth0_guardian_accepted=1)},
        "the device did not accept",
    ),
    "what the device signed for another server": (
        lambda it: it | {"device_signature": of_the_phone(aud="https://other.example/")},
        "for another server",
    ),
    "another issuer": (lambda it: it | {"iss": "https://other.example/"}, "for another server"),
    "another digest signed": (
        lambda it: it | {"device_signature": of_the_phone(consent_digest="B" * 43)},
        "the digest of something else",
    ),
    "a digest that is no text": (
        lambda it: it | {"device_signature": of_the_phone(consent_digest=None)},
        NOT_COVERED,
    ),
    "signed long before": (
        lambda it: it | {"device_signature": of_the_phone(iat=NOW - 700, exp=NOW - 100)},
        "at another time",
    ),
    "signed after": (
        lambda it: it | {"device_signature": of_the_phone(iat=NOW + 100, exp=NOW + 130)},
        "at another time",
    ),
    "signed at no time": (
        lambda it: it | {"device_signature": of_the_phone(iat="now")},
        "iat is not a time",
    ),
    "a number that nobody typed": (
        lambda it: shown(it, number_matching=True),
        "the device signed no number",
    ),
    "nothing shown": (lambda it: it | {"consent": {}}, "missing or of a wrong type"),
    "no subject": (lambda it: it | {"sub": 1}, "missing or of a wrong type"),
}


def shown(claims: Claims, **members: object) -> Claims:
    return claims | {"consent": claims["consent"] | members}


@pytest.mark.parametrize(("change", "said"), CHANGED.values(), ids=CHANGED)
def test_whatever_is_changed_is_named(change: Callable[[Claims], Claims], said: str) -> None:
    claims = msgspec.to_builtins(a_receipt())
    text = our_key().sign(change(claims), TYPE)

    assert said in "; ".join(failures(text))


def test_one_fault_is_named_alone_and_two_are_both() -> None:
    claims = msgspec.to_builtins(a_receipt())
    denied = {"device_signature": of_the_phone(auth0_guardian_accepted=False)}

    assert failures(our_key().sign(claims | denied, TYPE)) == {"the device did not accept"}
    both = failures(our_key().sign(claims | denied | {"iat": NOW + 1}, TYPE))
    assert len(both) == 2


def tampered(text: str) -> str:
    header, payload, signature = text.split(".")
    return f"{header}.{payload[:-4]}AAAA.{signature}"


NOT_OURS: dict[str, tuple[Callable[[], str], str]] = {
    "changed": (lambda: tampered(signed(a_receipt(), our_key())), "the signature is wrong"),
    "signed by a stranger": (lambda: signed(a_receipt(), new_signing_key()), "none of the keys"),
    "a token": (lambda: our_key().sign(msgspec.to_builtins(a_receipt()), "at+jwt"), "no receipt"),
    "unsigned": (lambda: "eyJhbGciOiJub25lIiwidHlwIjoicmVjZWlwdCtqd3QifQ.e30.", "none of the keys"),
    "too long": (lambda: "a" * (policy.RECEIPT_CHARACTERS_MAX + 1), "too long"),
    "no JWS": (lambda: "receipt", "not a compact JWS"),
    "no text": (lambda: "\ud800", "not ASCII"),
    "nothing": (lambda: "", "not a compact JWS"),
}


@pytest.mark.parametrize(("made", "said"), NOT_OURS.values(), ids=NOT_OURS)
def test_what_we_did_not_sign_says_nothing(made: Callable[[], str], said: str) -> None:
    text = made()
    found = verification(text, keys())

    assert found.receipt is None
    [check] = found.checks
    assert said in check.failure
    with pytest.raises((receipt_verifier.Refused, ValueError)):
        receipt_verifier.verify(text, jwks())


def test_the_longest_receipt_can_be_verified() -> None:
    """The most that can be asked, answered by the longest answer that is taken."""
    entries = [{"type": "order", **{f"p{n}": [1e15] * 40 for n in range(9)}}] * 2
    details = {"authorization_details": entries}
    answer = an_answer("android", **details)
    padded = receipt_of_length(answer, policy.SIGNED_INPUT_CHARACTERS_MAX, details)

    assert len(padded) < policy.RECEIPT_CHARACTERS_MAX
    assert verification(padded, keys()).holds


def receipt_of_length(answer: str, length: int, details: Claims) -> str:
    claims = jose.unverified_claims(answer)
    phone = a_phone("android")
    room = (length - len(answer)) * 3 // 4 - 20
    longest = phone._signed(claims | {"x": "x" * room})  # noqa: SLF001
    assert length - 20 < len(longest) <= length
    return signed(a_receipt("android", longest, **details), our_key())


def test_a_kept_receipt_holds_for_ever() -> None:
    """One that was made once, with the keys of that time."""
    kept = vector("receipt")

    found = verification(kept["receipt"], jose.key_set(kept["jwks"]))

    assert found.holds, found.checks
    assert receipt_verifier.verify(kept["receipt"], kept["jwks"])["sub"] == kept["sub"]
