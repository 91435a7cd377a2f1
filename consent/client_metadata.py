"""
A client's metadata: the rules that hold between its members (RFC 7591 2, CIBA 4, RFC 8705 2, 3).

The shape and the types are the reader's to check; these are rules over a client that has them,
the same whoever registers it: an administrator, or the client itself. What a profile forbids on
top is the table's in `profile`.
"""

import base64
import ipaddress
from collections.abc import Callable

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from consent import policy, profile
from consent.client import CIBA_GRANT, SECRET_METHODS, Client
from consent.distinguished_name import distinguished_name
from consent.identifiers import digest, new_secret
from consent.jose import ALGORITHMS, MAC_ALGORITHMS, PublicKey, UnusableKey, key_set, public_key
from consent.outbound.address import ForbiddenUrl
from consent.seal import Seal

CheckUrl = Callable[[str], object]  # raises ForbiddenUrl

# C022. For a method without assertions the member has no meaning, yet is never `none`.
_ASSERTION_ALGORITHMS = {"private_key_jwt": ALGORITHMS, "client_secret_jwt": MAC_ALGORITHMS}
_KEY_METHODS = frozenset({"private_key_jwt", "self_signed_tls_client_auth"})
_SUBJECT_MEMBERS = (
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
)
# Those in a notation of their own: what cannot be read would never match.
_READERS: dict[str, Callable[[str], object]] = {
    "tls_client_auth_subject_dn": distinguished_name,
    "tls_client_auth_san_ip": ipaddress.ip_address,
}
# What a JWK says about its key beside the key itself (RFC 7517 4.2-4.5).
_PURPOSE_MEMBERS = frozenset({"use", "key_ops", "alg", "kid"})


class InvalidClientMetadata(Exception):  # noqa: N818 - the error code of RFC 7591 3.2.2
    """Both texts are ASCII and repeat nothing that was sent."""

    def __init__(self, property_name: str, reason: str) -> None:
        super().__init__(f"{property_name}: {reason}")
        self.property_name = property_name
        self.reason = reason


def registered(client: Client, check_url: CheckUrl) -> Client:
    """
    The client with what is not its own choice (C041), every rule kept.

    Raises InvalidClientMetadata.
    """
    if profile.is_public(client):  # X07
        rotating = msgspec.structs.replace(client.refresh_token, rotation_type="rotating")
        client = msgspec.structs.replace(client, refresh_token=rotating)
    check_public_client(client)
    check_assertion_algorithm(client)
    check_certificate_subject(client)
    check_request_algorithm(client)
    check_urls(client, check_url)
    check_keys(client)
    check_delivery(client)
    check_ranges(client)
    check_profile(client)
    return client


def check_public_client(client: Client) -> None:
    """B001: nobody starts CIBA unauthenticated."""
    if not profile.is_public(client):
        return
    if client.may_use(CIBA_GRANT):
        raise InvalidClientMetadata("grant_types", "A public client cannot have the CIBA grant")
    if client.backchannel_token_delivery_mode == "push":  # noqa: S105 - a mode
        raise InvalidClientMetadata(
            "backchannel_token_delivery_mode", "A public client cannot have push"
        )


def check_assertion_algorithm(client: Client) -> None:
    """C022: a signature or a MAC, as the method says."""
    algorithm = client.token_endpoint_auth_signing_alg
    fitting = _ASSERTION_ALGORITHMS.get(
        client.token_endpoint_auth_method, (*ALGORITHMS, *MAC_ALGORITHMS)
    )
    if algorithm and algorithm not in fitting:
        raise InvalidClientMetadata(
            "token_endpoint_auth_signing_alg", "Not an algorithm of the authentication method"
        )


def check_certificate_subject(client: Client) -> None:
    """C021: exactly one, and one that can be read."""
    given = [name for name in _SUBJECT_MEMBERS if getattr(client, name)]
    if client.token_endpoint_auth_method == "tls_client_auth" and len(given) != 1:  # noqa: S105
        raise InvalidClientMetadata(
            given[1] if given else _SUBJECT_MEMBERS[0],
            "Exactly one tls_client_auth member is required by tls_client_auth",
        )
    for name in _READERS.keys() & given:
        try:
            _READERS[name](getattr(client, name))
        except ValueError:
            raise InvalidClientMetadata(
                name, "Not a name or address as RFC 8705 2.1.2 writes it"
            ) from None


def check_request_algorithm(client: Client) -> None:
    """A065, A186."""
    algorithm = client.backchannel_authentication_request_signing_alg
    if algorithm and algorithm not in ALGORITHMS:
        raise InvalidClientMetadata(
            "backchannel_authentication_request_signing_alg", "Not an algorithm for requests"
        )


def check_urls(client: Client, check_url: CheckUrl) -> None:
    """A158, A184, C018, T18: where this server will call."""
    for name in ("jwks_uri", "backchannel_client_notification_endpoint"):
        if url := getattr(client, name):
            try:
                check_url(url)
            except ForbiddenUrl as error:
                raise InvalidClientMetadata(name, f"The URL {error.reason}") from None


def check_keys(client: Client) -> None:
    """C017-C020, A186: keys for whatever the client signs."""
    keys = () if client.jwks is None else usable_keys(client.jwks)
    if client.jwks_uri:
        if client.jwks is not None:
            raise InvalidClientMetadata("jwks_uri", "Not allowed together with jwks")
        return  # what is there is seen when it is needed
    method = client.token_endpoint_auth_method
    request_algorithm = client.backchannel_authentication_request_signing_alg
    if not keys and (method in _KEY_METHODS or request_algorithm):
        raise InvalidClientMetadata(
            "jwks", "A key that can verify is required, here or at a jwks_uri"
        )
    if method == "private_key_jwt":
        algorithm = client.token_endpoint_auth_signing_alg
        allowed = profile.rules(client).signing_algorithms
        _check_one_signs(keys, frozenset({algorithm}) if algorithm else allowed)
    if request_algorithm:
        _check_one_signs(keys, frozenset({request_algorithm}))


def usable_keys(jwks: dict[str, list[dict[str, object]]]) -> tuple[PublicKey, ...]:
    """The keys of a set to be registered that can verify. Raises InvalidClientMetadata."""
    try:
        size = len(msgspec.json.encode(jwks))
    except (UnicodeEncodeError, RecursionError):
        raise InvalidClientMetadata("jwks", "Not a JWK Set that can be kept") from None
    if size > policy.REGISTERED_KEY_SET_BYTES_MAX:
        limit = policy.REGISTERED_KEY_SET_BYTES_MAX
        raise InvalidClientMetadata("jwks", f"Longer than {limit} bytes")
    try:
        keys = key_set(jwks)
    except UnusableKey as error:
        raise InvalidClientMetadata("jwks", str(error)) from None
    members = jwks["keys"]
    kids = [jwk["kid"] for jwk in members if "kid" in jwk]
    if not all(isinstance(kid, str) for kid in kids) or len(set(kids)) != len(kids):  # B021
        raise InvalidClientMetadata("jwks", "A kid is no text, or names two keys")
    if any(jwk.get("use") == "enc" for jwk in members) and not all("use" in jwk for jwk in members):
        raise InvalidClientMetadata("jwks", "With an encryption key every key must have its use")
    for jwk in members:
        if "x5c" in jwk:
            _check_certificate(jwk)
    return keys


def check_delivery(client: Client) -> None:
    """A177, A184, A185: how the outcome reaches the client."""
    mode = client.backchannel_token_delivery_mode
    endpoint = client.backchannel_client_notification_endpoint
    if mode != "poll" and not endpoint:
        raise InvalidClientMetadata(
            "backchannel_client_notification_endpoint", "Required by ping and push"
        )
    wants_ciba = (
        endpoint
        or client.backchannel_authentication_request_signing_alg
        or client.backchannel_user_code_parameter
    )
    if wants_ciba and mode != "push" and not client.may_use(CIBA_GRANT):
        raise InvalidClientMetadata("grant_types", "The CIBA grant is required by poll and ping")


def check_ranges(client: Client) -> None:
    if not 0 <= client.long_poll_seconds <= policy.LONG_POLL_SECONDS_MAX:
        raise InvalidClientMetadata(
            "long_poll_seconds", f"Must be between 0 and {policy.LONG_POLL_SECONDS_MAX}"
        )
    if not 0 <= client.refresh_token.leeway <= policy.REFRESH_TOKEN_LEEWAY_SECONDS_MAX:
        raise InvalidClientMetadata(
            "refresh_token.leeway",
            f"Must be between 0 and {policy.REFRESH_TOKEN_LEEWAY_SECONDS_MAX}",
        )


def check_profile(client: Client) -> None:
    """B001-B013, B019."""
    found = profile.violation(client)
    if found is not None:
        raise InvalidClientMetadata(found.property_name, found.reason)


def uses_secret(client: Client) -> bool:
    return client.token_endpoint_auth_method in SECRET_METHODS or keeps_secret_sealed(client)


def keeps_secret_sealed(client: Client) -> bool:
    """The secret is the key of a MAC, so it must be known again."""
    return client.token_endpoint_auth_method == "client_secret_jwt"  # noqa: S105 - a method


def with_new_secret(client: Client, seal: Seal) -> tuple[Client, str | None]:
    """
    The client with a secret made for it, and that secret, to be shown once; None where its method
    uses none. What only has to be compared is kept as its digest, and what is the key of a MAC
    sealed as well.
    """
    if not uses_secret(client):
        return msgspec.structs.replace(client, secret_digest="", secret_sealed=b""), None
    secret, sealed = new_secret(), b""
    if keeps_secret_sealed(client):
        secret += new_secret()  # a key of HS512 has 64 bytes at least (RFC 7518 3.2)
        sealed = seal.encrypt(secret.encode(), client.client_id)
    changed = msgspec.structs.replace(client, secret_digest=digest(secret), secret_sealed=sealed)
    return changed, secret


def _check_one_signs(keys: tuple[PublicKey, ...], algorithms: frozenset[str]) -> None:
    if not any(algorithms.intersection(key.algorithms) for key in keys):
        raise InvalidClientMetadata("jwks", "No key of the set fits the algorithm")


def _check_certificate(jwk: dict[str, object]) -> None:
    """C019 (RFC 7517 4.7): the key is there as bare members too, and the first certificate's."""
    chain = jwk["x5c"]
    if not isinstance(chain, list) or not chain or not isinstance(chain[0], str):
        raise InvalidClientMetadata("jwks", "An x5c is no list of certificates")
    bare = {name: value for name, value in jwk.items() if name not in _PURPOSE_MEMBERS}
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(chain[0], validate=True))
        is_its_key = certificate.public_key() == public_key(bare).key
    except (ValueError, UnsupportedAlgorithm, UnusableKey, x509.InvalidVersion):
        is_its_key = False
    if not is_its_key:
        raise InvalidClientMetadata("jwks", "The certificate of an x5c is not of its key")
