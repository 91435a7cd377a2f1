"""
Somebody who is handed a receipt: written from its description in the README alone, with nothing
but `cryptography` and the standard library. A mistake of ours is not made here again.
"""

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

_SKEW_SECONDS = 60


class Refused(Exception):  # noqa: N818 - what the verifier does
    """The receipt proves nothing; the text says why."""


def verify(receipt: str, jwks: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of a receipt that proves what it says. Raises Refused."""
    header, _ = _read(receipt)
    keys = [key for key in jwks["keys"] if key["kid"] == header.get("kid")]
    _demand((header.get("typ"), header.get("alg")) == ("receipt+jwt", "ES256"), "no receipt")
    _demand(keys, "another issuer")
    claims = _signed_by(keys[0], receipt)
    shown, digested = claims["consent"], claims["consent_digest"]
    _demand(isinstance(claims["sub"], str), "of nobody")
    _demand(shown["id"] == claims["txn"], "another request")
    _demand(shown["client"]["client_id"] == claims["aud"], "another client")
    _demand(digest(shown) == digested, "another object")
    approved_at = claims["approved_at"]
    approved = dt.datetime.strptime(approved_at, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
    _demand(int(approved) == claims["iat"], "two times")
    _demand(shown["created_at"] <= approved_at < shown["expires_at"], "not in time")
    answer = _signed_by(claims["device"]["jwk"], claims["device_signature"])
    answered_at = f"{claims['iss']}appliance-mfa/api/resolve-transaction"
    _demand(answer["aud"] == answered_at, "the device signed for another server")
    _demand(answer["auth0_guardian_accepted"] is True, "the device denied")
    _demand(answer.get("consent_digest") == digested, "the device signed something else")
    begin, end = float(answer["iat"]) - _SKEW_SECONDS, float(answer["exp"]) + _SKEW_SECONDS
    _demand(begin <= approved < end, "the device signed at another time")
    typed = "matching_number" in answer or not shown["number_matching"]
    _demand(typed, "the device signed no number")
    return claims


def _demand(holds: object, why: str) -> None:
    if not holds:
        raise Refused(why)


def digest(shown: Mapping[str, Any]) -> str:
    octets = hashlib.sha256(_canonical(shown).encode()).digest()
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _canonical(value: Any) -> str:  # noqa: ANN401
    """RFC 8785: members in the order of their UTF-16, numbers as ECMAScript writes them."""
    match value:
        case dict():
            names = sorted(value, key=lambda name: name.encode("utf-16-be"))
            return "{" + ",".join(f"{_text(n)}:{_canonical(value[n])}" for n in names) + "}"
        case list():
            return "[" + ",".join(map(_canonical, value)) + "]"
        case float():
            return _number(value)
        case str():
            return _text(value)
    return json.dumps(value)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    """ECMA-262 6.1.6.1.20, from the shortest digits that Python finds."""
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    digits, point = _shortest(abs(value))
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    exponent = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return sign + digits[0] + (f".{digits[1:]}" if count > 1 else "") + exponent


def _shortest(value: float) -> tuple[str, int]:
    """The digits of a number, and the place of its point among them."""
    mantissa, _, power = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = fraction.rstrip("0")
    digits = (whole + fraction).lstrip("0")
    zeros = len(whole + fraction) - len(digits)
    return digits.rstrip("0"), len(whole) - zeros + int(power or 0)


def _read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.split(".")
    return json.loads(_octets(header)), json.loads(_octets(claims))


def _signed_by(jwk: Mapping[str, str], token: str) -> dict[str, Any]:
    header, claims = _read(token)
    signed, _, signature = token.rpartition(".")
    octets = _octets(signature)
    try:
        match jwk["kty"], header["alg"]:
            case "EC", "ES256":
                numbers = ec.EllipticCurvePublicNumbers(
                    _integer(jwk["x"]), _integer(jwk["y"]), ec.SECP256R1()
                )
                r, s = int.from_bytes(octets[:32]), int.from_bytes(octets[32:])
                numbers.public_key().verify(
                    encode_dss_signature(r, s), signed.encode(), ec.ECDSA(SHA256())
                )
            case "RSA", "RS256":
                rsa.RSAPublicNumbers(_integer(jwk["e"]), _integer(jwk["n"])).public_key().verify(
                    octets, signed.encode(), padding.PKCS1v15(), SHA256()
                )
            case _:
                raise Refused("alg is not one of the key")
    except InvalidSignature:
        raise Refused("a signature is wrong") from None
    return claims


def _integer(text: str) -> int:
    return int.from_bytes(_octets(text))


def _octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
