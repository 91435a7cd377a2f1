"""
Signatures of others: their public keys (JWK, RFC 7517) and what they signed (JWS, RFC 7515).

Pure. Which key and which algorithms may have signed is the caller's to say, never the message's
(T13); PyJWT does the arithmetic, `strict_json` the reading, and every size is capped before
either of them starts (T14). A key costs more to parse than to use: callers keep what they parsed.
"""

import base64
import hashlib
import math
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from consent import policy
from consent.identifiers import b64url
from consent.strict_json import MalformedJSON, loads_object

Key = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
ALGORITHMS = ("ES256", "ES384", "RS256", "RS384", "PS256", "PS384", "EdDSA")
FAPI_ALGORITHMS = ("PS256", "ES256", "EdDSA")  # B010
MAC_ALGORITHMS = ("HS256", "HS384", "HS512")

RSA_BITS_MIN, RSA_BITS_MAX = 2_048, 4_096
_EXPONENT_MAX = 2**32
_MEMBER_CHARACTERS_MAX = 1_024  # more than RSA_BITS_MAX, with room for zeros before it
_ED25519_BYTES = 32
_RSA_ALGORITHMS = ("RS256", "RS384", "PS256", "PS384")
# What only a private or symmetric key has (RFC 7518 6.2.2, 6.3.2, 6.4.1, RFC 9964's `priv`).
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
# A reader that knows none of these must refuse them (RFC 7515 4.1.11, RFC 7797 6, A082).
_REFUSED_HEADERS = frozenset({"crit", "b64", "zip"})
_IS_BASE64URL = re.compile(r"[A-Za-z0-9_-]*").fullmatch
_PyJWS = jwt.PyJWS(algorithms=[*ALGORITHMS, *MAC_ALGORITHMS])
_ALGORITHM = {name: _PyJWS.get_algorithm_by_name(name) for name in _PyJWS.get_algorithms()}


class UnusableKey(Exception):  # noqa: N818 - said of the key
    """Not a public key of a kind that is accepted; the text says why, in ASCII."""


class Unverified(Exception):  # noqa: N818 - said of the message
    """A signed message is not what it should be; the text goes to the log."""


class UnknownKey(Unverified):
    """No key has the `kid` it names: its signer's keys may have changed since they were read."""


class PublicKey(msgspec.Struct, frozen=True):
    """A parsed key, what it can verify, its RFC 7638 thumbprint and its canonical members."""

    key: Key
    algorithms: tuple[str, ...]
    thumbprint: str
    kid: str | None
    jwk: dict[str, str]


def public_key(jwk: object) -> PublicKey:
    """Parse a JWK: RSA of 2048 to 4096 bits, EC on P-256 or P-384, Ed25519. UnusableKey."""
    if not isinstance(jwk, dict):
        raise UnusableKey("the key is not an object")
    _check_public(jwk)
    key, algorithms, members = _key(jwk)
    if "alg" in jwk:
        algorithms = tuple(name for name in algorithms if name == jwk["alg"])
        if not algorithms:
            raise UnusableKey("the key's alg is not one of its kind")
    kid = jwk.get("kid")
    if not isinstance(kid, str | None):
        raise UnusableKey("the key's kid is not a text")
    return PublicKey(key, algorithms, _thumbprint(members), kid, members)


def key_set(jwks: object) -> tuple[PublicKey, ...]:
    """
    The keys of a JWK Set that can verify; what cannot be used is passed over (RFC 7517 5).

    Raises UnusableKey for what is no set, is too large, or gives away a secret (C018).
    """
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not all(isinstance(jwk, dict) for jwk in keys):
        raise UnusableKey("not a JWK Set")
    if len(keys) > policy.KEYS_OF_A_SET_MAX:
        raise UnusableKey(f"the set has more than {policy.KEYS_OF_A_SET_MAX} keys")
    usable = []
    for jwk in keys:
        _check_public(jwk)
        if jwk.get("use", "sig") != "sig":
            continue
        try:
            usable.append(public_key(jwk))
        except UnusableKey:
            continue
    return tuple(usable)


def header_of(token: str, *, most: int = policy.SIGNED_REQUEST_CHARACTERS_MAX) -> dict[str, object]:
    """The protected header, not yet verified. Raises Unverified."""
    return _parsed(token, most).header


def unverified_claims(
    token: str, *, most: int = policy.SIGNED_REQUEST_CHARACTERS_MAX
) -> dict[str, object]:
    """What a token says, to learn whom it claims to be from. Raises Unverified."""
    return _claims(_parsed(token, most))


def claims_of(
    token: str, keys: Sequence[PublicKey], algorithms: Collection[str]
) -> dict[str, object]:
    """
    The claims that one of `keys` signed by one of `algorithms`.

    `kid` selects the key where there is one (A075), and several may have the same (B021); a key
    in the header is never looked at. Raises Unverified, UnknownKey.
    """
    jws = _parsed(token, policy.SIGNED_REQUEST_CHARACTERS_MAX)
    kid = jws.header.get("kid")
    named = [key for key in keys if kid in (None, key.kid)]
    if not named:
        raise UnknownKey("no key of that kid")
    return _verified(jws, named, algorithms)


def claims_by(
    token: str,
    key: PublicKey,
    algorithms: Collection[str] = ALGORITHMS,
    *,
    most: int = policy.SIGNED_REQUEST_CHARACTERS_MAX,
) -> dict[str, object]:
    """The claims that this key signed, whatever `kid` its owner gives it. Raises Unverified."""
    return _verified(_parsed(token, most), [key], algorithms)


def mac_claims_of(token: str, secret: bytes, algorithms: Collection[str]) -> dict[str, object]:
    """The claims authenticated by HMAC with a secret both sides know. Raises Unverified."""
    jws = _parsed(token, policy.SIGNED_REQUEST_CHARACTERS_MAX)
    algorithm = _algorithm(jws, set(algorithms).intersection(MAC_ALGORITHMS))
    if not _ALGORITHM[algorithm].verify(jws.signed, secret, jws.signature):
        raise Unverified("the signature is wrong")
    return _claims(jws)


def time_of(claims: dict[str, object], name: str) -> float:
    """A NumericDate (RFC 7519 2): seconds, perhaps a fraction; never a truth or a text (T12)."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unverified(f"{name} is not a time")
    return float(value)


# Messages


class _Jws(NamedTuple):
    header: dict[str, object]
    payload: bytes
    signed: bytes
    signature: bytes


def _parsed(token: str, most: int) -> _Jws:
    """The parts of a compact JWS (RFC 7515 3.1); five parts would be a JWE (A066)."""
    if len(token) > most or not token.isascii():
        raise Unverified("too long or not ASCII")
    if token.count(".") != 2:  # noqa: PLR2004 - three parts
        raise Unverified("not a compact JWS")
    signed, _, signature = token.rpartition(".")
    header, _, payload = signed.partition(".")
    try:
        jws = _Jws(
            loads_object(_octets(header)), _octets(payload), signed.encode(), _octets(signature)
        )
    except MalformedJSON as error:
        raise Unverified(f"header: {error.reason}") from None
    except ValueError:
        raise Unverified("a part is not base64url") from None
    if not _REFUSED_HEADERS.isdisjoint(jws.header):
        raise Unverified("crit, b64 or zip in the header")
    if not isinstance(jws.header.get("kid", ""), str):
        raise Unverified("kid is not a text")
    return jws


def _algorithm(jws: _Jws, allowed: Collection[str]) -> str:
    name = jws.header.get("alg")
    if not isinstance(name, str) or name not in allowed:
        raise Unverified("alg is not allowed")
    return name


def _verified(
    jws: _Jws, keys: Sequence[PublicKey], algorithms: Collection[str]
) -> dict[str, object]:
    name = _algorithm(jws, algorithms)
    fitting = [key.key for key in keys if name in key.algorithms]
    if not fitting:
        raise Unverified("alg is not one of the key")
    if not any(_ALGORITHM[name].verify(jws.signed, key, jws.signature) for key in fitting):
        raise Unverified("the signature is wrong")
    return _claims(jws)


def _claims(jws: _Jws) -> dict[str, object]:
    try:
        return loads_object(jws.payload)
    except MalformedJSON as error:
        raise Unverified(f"claims: {error.reason}") from None


def _octets(text: str) -> bytes:
    """Base64url without padding (RFC 7515 2). Raises ValueError."""
    if not _IS_BASE64URL(text):
        raise ValueError(text)
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# Keys


def _check_public(jwk: dict[str, object]) -> None:
    if jwk.get("kty") == "oct" or not _PRIVATE_MEMBERS.isdisjoint(jwk):
        raise UnusableKey("the key is private or symmetric")


def _key(jwk: dict[str, object]) -> tuple[Key, tuple[str, ...], dict[str, str]]:
    """The key, the algorithms of its kind, its required members."""
    match jwk.get("kty"), jwk.get("crv"):
        case "RSA", _:
            return _rsa(jwk)
        case "EC", "P-256":
            return _ec(jwk, "P-256", ec.SECP256R1(), "ES256")
        case "EC", "P-384":
            return _ec(jwk, "P-384", ec.SECP384R1(), "ES384")
        case "OKP", "Ed25519":
            return _ed25519(jwk)
    raise UnusableKey("the key is neither RSA nor EC on P-256 or P-384 nor Ed25519")


def _rsa(jwk: dict[str, object]) -> tuple[Key, tuple[str, ...], dict[str, str]]:
    n, e = int.from_bytes(_member(jwk, "n")), int.from_bytes(_member(jwk, "e"))
    if not RSA_BITS_MIN <= n.bit_length() <= RSA_BITS_MAX:  # B012
        raise UnusableKey("the RSA key has fewer than 2048 or more than 4096 bits")
    if e < 3 or e % 2 == 0 or e > _EXPONENT_MAX or n % 2 == 0:  # noqa: PLR2004 - RFC 8017 3.1
        raise UnusableKey("the RSA key is not valid")
    members = {"e": _text(e), "kty": "RSA", "n": _text(n)}
    return rsa.RSAPublicNumbers(e, n).public_key(), _RSA_ALGORITHMS, members


def _ec(
    jwk: dict[str, object], name: str, curve: ec.EllipticCurve, algorithm: str
) -> tuple[Key, tuple[str, ...], dict[str, str]]:
    x, y = int.from_bytes(_member(jwk, "x")), int.from_bytes(_member(jwk, "y"))
    numbers = ec.EllipticCurvePublicNumbers(x, y, curve)
    try:
        key = numbers.public_key()
    except ValueError:
        raise UnusableKey("the EC key is not a point of its curve") from None
    if key.public_numbers() != numbers:  # beyond the field, where a point has many names
        raise UnusableKey("the EC key has a coordinate out of range")
    length = curve.key_size // 8
    members = {"crv": name, "kty": "EC", "x": _text(x, length), "y": _text(y, length)}
    return key, (algorithm,), members


def _ed25519(jwk: dict[str, object]) -> tuple[Key, tuple[str, ...], dict[str, str]]:
    x = _member(jwk, "x")  # octets and no number: a zero at either end counts (RFC 8037 2)
    if len(x) != _ED25519_BYTES:
        raise UnusableKey("the Ed25519 key has not 32 bytes")
    members = {"crv": "Ed25519", "kty": "OKP", "x": b64url(x)}
    return ed25519.Ed25519PublicKey.from_public_bytes(x), ("EdDSA",), members


def _member(jwk: dict[str, object], name: str) -> bytes:
    text = jwk.get(name)
    if not isinstance(text, str) or not 1 <= len(text) <= _MEMBER_CHARACTERS_MAX:
        raise UnusableKey(f"the key's {name} is missing or has a wrong type or length")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise UnusableKey(f"the key's {name} is not base64url") from None


def _text(number: int, length: int = 0) -> str:
    return b64url(number.to_bytes(length or (number.bit_length() + 7) // 8))


def _thumbprint(members: dict[str, str]) -> str:
    """RFC 7638 3: the required members in lexicographic order, no white space."""
    return b64url(hashlib.sha256(msgspec.json.encode(members)).digest())
