"""
The metadata a client sends of itself (RFC 7591 2, OIDCR 2, CIBA 4, RFC 8705, RFC 9396, RFC 9449):
each member typed and bounded. Those nobody knows are ignored (C004), as is what the client has no
say in: its id, its secret and its registration access token (C005).
"""

import re
from collections.abc import Callable
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from consent.access import MANAGEMENT_SCOPES
from consent.client import DeliveryMode, SigningAlgorithm
from consent.client_metadata import CheckUrl, InvalidClientMetadata
from consent.errors import InvalidMetadata, ManagementError
from consent.management.clients import KeySet
from consent.management.payload import RequiredText, Text, Url, payload
from consent.outbound.address import ForbiddenUrl
from consent.registration.names import check_name
from consent.registration.redirect_uris import ApplicationType

Scope = Annotated[str, msgspec.Meta(max_length=2_048)]
_CertificateName = Annotated[str, msgspec.Meta(max_length=1_024)]
_AGE_SECONDS_MAX = 2**31 - 1
_TAGGED_MEMBERS_MAX = 50

# C025, RFC 7591 2.2: what people read may be there in several languages (BCP 47).
_FOR_PEOPLE = ("client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri")
_TAGGED = re.compile(
    rf"({'|'.join(_FOR_PEOPLE)})#[A-Za-z]{{1,8}}(?:-[A-Za-z0-9]{{1,8}}){{0,4}}"
).fullmatch
_IS_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+").fullmatch  # RFC 6749 3.3
_IS_WEB_PAGE = re.compile(r"https?://[A-Za-z0-9._~:/?#&'()+,;=!$*%\[\]-]+").fullmatch


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """Without `redirect_uris`, which have an error of their own. None, or empty: not given."""

    client_name: Text = ""
    grant_types: Annotated[list[Text], msgspec.Meta(max_length=50)] | None = None
    response_types: Annotated[list[Text], msgspec.Meta(max_length=50)] | None = None
    token_endpoint_auth_method: Text = "client_secret_post"  # noqa: S105 - W's default, not C010's
    token_endpoint_auth_signing_alg: Text = ""
    id_token_signed_response_alg: SigningAlgorithm = "ES256"  # noqa: S105 - C023: never `none`
    jwks: KeySet | None = None
    jwks_uri: Url = ""
    tls_client_auth_subject_dn: _CertificateName = ""
    tls_client_auth_san_dns: _CertificateName = ""
    tls_client_auth_san_uri: _CertificateName = ""
    tls_client_auth_san_ip: _CertificateName = ""
    tls_client_auth_san_email: _CertificateName = ""
    tls_client_certificate_bound_access_tokens: bool = False
    dpop_bound_access_tokens: bool = False
    authorization_details_types: (
        Annotated[list[RequiredText], msgspec.Meta(max_length=100)] | None
    ) = None
    backchannel_token_delivery_mode: DeliveryMode | None = None
    backchannel_client_notification_endpoint: Url = ""
    backchannel_authentication_request_signing_alg: Text = ""
    backchannel_user_code_parameter: bool = False
    # Kept and shown, and decide nothing else here.
    application_type: ApplicationType = "web"
    subject_type: Literal["public"] = "public"
    sector_identifier_uri: Url = ""
    require_auth_time: bool = False
    default_max_age: Annotated[int, msgspec.Meta(ge=0, le=_AGE_SECONDS_MAX)] | None = None
    require_signed_request_object: bool = False
    use_mtls_endpoint_aliases: bool = False
    client_uri: Url = ""
    logo_uri: Url = ""
    policy_uri: Url = ""
    tos_uri: Url = ""
    contacts: Annotated[list[RequiredText], msgspec.Meta(max_length=20)] = []
    scope: Scope = ""
    software_id: Text = ""
    software_version: Text = ""
    software_statement: str = ""


_KEPT = Metadata.__struct_fields__[Metadata.__struct_fields__.index("application_type") :]


def metadata(body: dict[str, object], check_url: CheckUrl) -> Metadata:
    """Raises InvalidMetadata, InvalidClientMetadata."""
    wanted = typed(body)
    if wanted.client_name:
        check_name("client_name", wanted.client_name)
    for name in _FOR_PEOPLE[1:]:
        if url := getattr(wanted, name):
            _check_web_page(name, url)
    if wanted.sector_identifier_uri:
        try:
            check_url(wanted.sector_identifier_uri)
        except ForbiddenUrl as error:
            raise InvalidClientMetadata(
                "sector_identifier_uri", f"The URL {error.reason}"
            ) from None
    return msgspec.structs.replace(wanted, scope=_registered_scope(wanted.scope))


def typed(body: dict[str, object]) -> Metadata:
    """Raises InvalidMetadata."""
    try:
        return payload(body, Metadata)
    except ManagementError as refusal:
        _, _, reason = refusal.description.partition(": ")
        raise InvalidMetadata(reason) from None


def kept(wanted: Metadata) -> dict[str, object]:
    """The members that are registered although nothing here depends on them (C041)."""
    members = {name: getattr(wanted, name) for name in _KEPT}
    return {name: value for name, value in members.items() if value not in (None, "", [])}


def tagged(body: dict[str, object]) -> dict[str, str]:
    """The members with a language tag (C025). Raises InvalidClientMetadata."""
    found: dict[str, str] = {}
    for name, value in body.items():
        match = _TAGGED(name)
        if match is None or value is None:
            continue
        if not isinstance(value, str):
            raise InvalidClientMetadata(match[1], "Must be a text in every language")
        _TAGGED_CHECKS[match[1]](match[1], value)
        found[name] = value
    if len(found) > _TAGGED_MEMBERS_MAX:
        raise InvalidClientMetadata("client_name", f"In more than {_TAGGED_MEMBERS_MAX} languages")
    return found


def _check_tagged_name(name: str, text: str) -> None:
    if len(text) > 255:  # noqa: PLR2004 - as a Text
        raise InvalidClientMetadata(name, "Too long")
    check_name(name, text)


def _check_web_page(name: str, url: str) -> None:
    """A link that people follow or an image they see: nothing that runs or leads astray (T20)."""
    try:
        parts = urlsplit(url)
        is_page = bool(_IS_WEB_PAGE(url) and parts.hostname) and len(url) <= 2_048  # noqa: PLR2004
        _ = parts.port
    except ValueError:
        is_page = False
    if not is_page:
        raise InvalidClientMetadata(name, "Not the URL of a web page")


_TAGGED_CHECKS: dict[str, Callable[[str, str], None]] = {
    "client_name": _check_tagged_name,
    **dict.fromkeys(_FOR_PEOPLE[1:], _check_web_page),
}


def _registered_scope(text: str) -> str:
    """C028; those of the management API are not for strangers, whatever they ask."""
    values = [value for value in text.split(" ") if value]
    if not all(_IS_SCOPE_TOKEN(value) for value in values):
        raise InvalidClientMetadata("scope", "Not values separated by spaces")
    return " ".join(value for value in values if value not in MANAGEMENT_SCOPES)
