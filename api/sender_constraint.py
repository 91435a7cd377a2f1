"""
What the tokens of a call are bound to: the key of a DPoP proof (RFC 9449) or of the client's
certificate (RFC 8705 3). Asked before any state is (A129), and again wherever a token is used.
"""

from api.client_authentication import certificate_thumbprint
from api.edge import Call
from api.services import Services
from consent import dpop
from consent.access_token import AccessToken, InvalidAccessToken
from consent.client import Client
from consent.errors import InvalidClient, InvalidDpopProof, InvalidRequest

TOKEN_PATHS = ("oauth/token", "token")


def is_bound(client: Client) -> bool:
    """Whether it registered that its tokens are bound to something."""
    return client.dpop_bound_access_tokens or client.tls_client_certificate_bound_access_tokens


async def confirmation(
    services: Services, call: Call, client: Client, paths: tuple[str, ...] = TOKEN_PATHS
) -> str:
    """
    "jkt:..." or "x5t#S256:...", '' when the tokens are bound to nothing; `paths` are those the
    proof may be for. A client that registered a binding must show it (D053, B013).
    """
    text = _proof_text(call)
    if text is not None:
        proof = await _used_proof(services, call, text, *paths)
        return f"jkt:{proof.thumbprint}"
    if client.dpop_bound_access_tokens:
        raise InvalidDpopProof("A DPoP proof is needed")
    if client.tls_client_certificate_bound_access_tokens:
        thumbprint = certificate_thumbprint(services, call)
        if thumbprint is None:
            raise InvalidRequest("A client certificate is needed")
        return f"x5t#S256:{thumbprint}"
    return ""


async def check_sender(
    services: Services, call: Call, token: AccessToken, *, scheme: str, text: str, path: str
) -> None:
    """
    A bound token is its sender's only (D055, D062): `scheme` is the one it came with (`Bearer` or
    `DPoP`), `text` the token as it was sent, `path` what it is to open.

    Raises InvalidAccessToken, InvalidDpopProof, UseDpopNonce.
    """
    if (scheme == "DPoP") != ("jkt" in token.cnf):
        raise InvalidAccessToken("another scheme than the token's")
    if scheme == "DPoP":
        proof = await _used_proof(services, call, _proof_text(call), path, access_token=text)
        if proof.thumbprint != token.cnf["jkt"]:
            raise InvalidAccessToken("the proof is of another key")
    bound = token.cnf.get("x5t#S256")
    if bound is not None and _shown_thumbprint(services, call) != bound:
        raise InvalidAccessToken("another certificate than the token's, or none")


def _proof_text(call: Call) -> str | None:
    """D050: of two proofs nobody could say which counts."""
    try:
        return call.header(b"dpop")
    except InvalidRequest:
        raise InvalidDpopProof("There is more than one DPoP proof") from None


async def _used_proof(
    services: Services, call: Call, text: str | None, *paths: str, access_token: str | None = None
) -> dpop.Proof:
    """A verified proof, used up by this (D051). Raises InvalidDpopProof, UseDpopNonce."""
    proof = dpop.proof(
        text,
        http_method=call.scope["method"],
        http_uri=services.urls(*paths),
        now=services.clock(),
        nonces=services.nonces,
        nonce_required=services.settings.dpop_nonce_required,
        access_token=access_token,
    )
    if not await services.replays.first_use(proof.used):
        raise InvalidDpopProof("The DPoP proof has been used")
    return proof


def _shown_thumbprint(services: Services, call: Call) -> str | None:
    try:
        return certificate_thumbprint(services, call)
    except InvalidClient as error:
        raise InvalidAccessToken(error.detail) from None
