"""The client that a body registers, or makes of a registered one (RFC 7591 2, RFC 7592 2.2)."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from consent import policy, profile
from consent.client import Client, Registration
from consent.client_metadata import CheckUrl, InvalidClientMetadata, registered
from consent.errors import InvalidMetadata
from consent.hint_tokens import TrustedIssuer
from consent.registration.grant_types import (
    CODE_GRANT,
    Granted,
    granted,
    is_implicit,
    without_forbidden,
)
from consent.registration.metadata import Metadata, kept, metadata, tagged
from consent.registration.redirect_uris import redirect_uris
from consent.registration.software_statement import with_statement
from consent.tenant import SecurityMode

# The members of a client that are called the same when it registers itself.
_SAME = tuple(name for name in Metadata.__struct_fields__ if name in Client.__struct_fields__)


class Terms(NamedTuple):
    """On what a client may register: the tenant's, the settings' and this server's."""

    mode: SecurityMode
    methods: Collection[str]  # of authentication, that work here
    check_url: CheckUrl
    statement_issuers: Mapping[str, TrustedIssuer]
    issuer: str


def new_client(
    body: dict[str, object], terms: Terms, *, client_id: str, now: float, unused_until: int
) -> Client:
    """
    The client a body describes, still without a secret and a registration access token.

    Raises InvalidMetadata, InvalidRedirectUri, InvalidSoftwareStatement,
    UnapprovedSoftwareStatement.
    """
    registration = Registration(issued_at=int(now), unused_until=unused_until)
    bare = Client(client_id=client_id, name="", secret_digest="", is_first_party=False)
    return described(body, terms, stored=bare, registration=registration, now=now)


def described(
    body: dict[str, object],
    terms: Terms,
    *,
    stored: Client,
    registration: Registration,
    now: float,
) -> Client:
    """
    The same for a client whose metadata are to be those of the body, and no others. What it has no
    say in, its secret and what an administrator set besides, is as it is stored.
    """
    stated = with_statement(body, issuers=terms.statement_issuers, issuer=terms.issuer, now=now)
    try:
        client = _client(stated, terms, stored, registration)
        _check_size(client)
    except InvalidClientMetadata as error:
        raise refused(error) from None
    return client


def refused(error: InvalidClientMetadata) -> InvalidMetadata:
    """The broken rule in the words of the wire."""
    return InvalidMetadata(f"'{error.reason}' on property {error.property_name}.")


def _client(
    body: dict[str, object], terms: Terms, stored: Client, registration: Registration
) -> Client:
    wanted = without_forbidden(metadata(body, terms.check_url), terms.mode)
    allowed = granted(wanted, terms.mode)
    callbacks = redirect_uris(
        body.get("redirect_uris"),
        application_type=wanted.application_type,
        required=CODE_GRANT in allowed.grant_types,
        is_implicit=is_implicit(wanted),
    )
    if wanted.token_endpoint_auth_method not in terms.methods:
        raise InvalidClientMetadata("token_endpoint_auth_method", "Not a method that works here")
    members = {name: getattr(wanted, name) for name in _SAME} | {
        "jwks": {"keys": wanted.jwks.keys} if wanted.jwks else None,
        "backchannel_token_delivery_mode": wanted.backchannel_token_delivery_mode or "poll",
        "grant_types": allowed.grant_types,
        "authorization_details_types": _each_once(wanted.authorization_details_types),
    }
    client = msgspec.structs.replace(
        stored,
        **members,
        name=wanted.client_name or stored.client_id,
        app_type="native" if wanted.application_type == "native" else "regular_web",
        callbacks=callbacks,
        jwt_configuration=msgspec.structs.replace(
            stored.jwt_configuration, alg=wanted.id_token_signed_response_alg
        ),
        registration=msgspec.structs.replace(
            registration, metadata=_metadata(body, wanted, allowed)
        ),
    )
    client = registered(client, terms.check_url)
    _check_signed_requests(client, wanted)
    return client


def _each_once(names: list[str] | None) -> list[str] | None:
    return None if names is None else list(dict.fromkeys(names))


def _metadata(body: dict[str, object], wanted: Metadata, allowed: Granted) -> dict[str, object]:
    return kept(wanted) | {"response_types": allowed.response_types} | tagged(body)


def _check_signed_requests(client: Client, wanted: Metadata) -> None:
    """C029, RFC 9101 10.5: a promise that is registered is one that is kept (A065)."""
    algorithm = client.backchannel_authentication_request_signing_alg
    if wanted.require_signed_request_object and profile.may_start_ciba(client) and not algorithm:
        raise InvalidClientMetadata(
            "backchannel_authentication_request_signing_alg",
            "Required by require_signed_request_object",
        )


def _check_size(client: Client) -> None:
    """What a stranger may have kept here."""
    if len(msgspec.json.encode(client)) > policy.REGISTRATION_BYTES_MAX:
        raise InvalidMetadata(f"The metadata exceed {policy.REGISTRATION_BYTES_MAX} bytes")
