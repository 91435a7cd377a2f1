"""
Who is asking: the client of a request, authenticated before anything of it is looked at.

What a request offers is found in `consent.client`; here is what needs the store, the client's
keys, or its certificate. Only the method a client registered counts (A004).
"""

from cryptography import x509

from api.edge import Call
from api.registration import first_use
from api.remote_address import is_trusted, peer_address
from api.services import Services
from consent import client_assertion, client_certificate
from consent.client import (
    CERTIFICATE_METHODS,
    Client,
    Credentials,
    authenticated,
    credentials,
    failed,
)
from consent.jose import UnusableKey
from consent.outbound.client import OutboundFailed
from consent.profile import rules
from consent.seal import SealError
from consent.used_once import UsedOnce


async def authenticate(
    services: Services, call: Call, parameters: dict[str, str], *, public_allowed: bool = False
) -> Client:
    """
    The authenticated client (A003, A004); where `public_allowed`, one that has nothing to show
    is taken at its word. Raises InvalidClient, InvalidRequest, StoreUnavailable.
    """
    offered = credentials(call.header(b"authorization"), parameters)
    if offered.assertion:
        client = await _by_assertion(services, offered)
    else:
        known = services.copied_client(offered.client_id) or await services.client(
            offered.client_id
        )
        if offered.secrets:
            client = authenticated(known, offered)
        else:
            client = await _by_certificate(services, call, known, public_allowed=public_allowed)
    if client.token_endpoint_auth_method not in rules(client).authentication_methods:
        raise failed(by_header=offered.by_header, detail="not a method of the profile (B002)")
    if client.registration is not None and client.registration.unused_until:
        await first_use(services, client, by_header=offered.by_header)
    call.facts["client"] = client.client_id
    return client


async def _by_assertion(services: Services, offered: Credentials) -> Client:
    """D070-D076: who it says it is is believed when its signature is that client's."""
    client_id = client_assertion.claimed_client(offered.assertion)
    if offered.client_id not in {"", client_id}:
        raise failed(detail="client_id differs from the assertion (A008)")
    client = await services.client(client_id)
    if client is None:
        raise failed(detail="unknown client")
    used = await _checked(services, client, offered.assertion)
    if not await services.replays.first_use(used):
        raise failed(detail="the assertion has been used (D072)")
    return client


async def _checked(services: Services, client: Client, assertion: str) -> UsedOnce:
    audiences, now = services.audiences, services.clock()
    match client.token_endpoint_auth_method:
        case "private_key_jwt":
            try:
                keys = await services.client_keys.of(client, client_assertion.kid_of(assertion))
            except (OutboundFailed, UnusableKey) as error:
                raise failed(detail=f"the client's keys: {error}") from None
            return client_assertion.checked(
                assertion, client=client, keys=keys, audiences=audiences, now=now
            )
        case "client_secret_jwt":
            try:
                secret = services.seal.decrypt(client.secret_sealed, client.client_id).decode()
            except SealError:
                raise failed(detail="the client's secret cannot be opened") from None
            return client_assertion.checked_mac(
                assertion, client=client, secret=secret, audiences=audiences, now=now
            )
    raise failed(detail="an assertion is not the method registered")


async def _by_certificate(
    services: Services, call: Call, client: Client | None, *, public_allowed: bool
) -> Client:
    """RFC 8705 2: the proxy's TLS connection proved the key, the registration says whose it is."""
    if client is None:
        raise failed(detail="unknown client")
    method = client.token_endpoint_auth_method
    if method == "none" and public_allowed:
        return client
    if method not in CERTIFICATE_METHODS:
        raise failed(detail="nothing is shown of a client that registered a proof")
    certificate = certificate_of(services, call)
    if certificate is None:
        raise failed(detail="no client certificate from a trusted proxy")
    now = services.clock()
    if method == "tls_client_auth":
        matches = client_certificate.matches_registration(
            client, certificate
        ) and client_certificate.chain_is_valid(
            certificate, (), services.certificate_authorities, now
        )
    elif client.jwks is not None:
        matches = client_certificate.is_self_signed_match(certificate, client.jwks, now)
    else:
        try:
            keys = await services.client_keys.of(client, None)
        except (OutboundFailed, UnusableKey) as error:
            raise failed(detail=f"the client's keys: {error}") from None
        matches = client_certificate.is_of_a_key(certificate, keys, now)
    if not matches:
        raise failed(detail="the certificate is not the one registered (D060)")
    return client


def certificate_of(services: Services, call: Call) -> x509.Certificate | None:
    """
    The certificate a trusted proxy says its client has shown; from anyone else the header says
    nothing (D064). Raises InvalidClient when it cannot be read.
    """
    if not services.trusted_proxies:
        return None
    value = call.header(services.certificate_header)
    peer = peer_address(call.scope)  # what a header says about it is not looked at
    if not value or peer is None or not is_trusted(services, peer):
        return None
    try:
        return client_certificate.certificate_of(value)
    except client_certificate.UnusableCertificate as error:
        raise failed(detail=f"the client certificate: {error}") from None


def certificate_thumbprint(services: Services, call: Call) -> str | None:
    """What tokens are bound to (D061), None without a certificate."""
    certificate = certificate_of(services, call)
    return client_certificate.thumbprint(certificate) if certificate else None
