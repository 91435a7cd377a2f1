"""
Auth0's records as bodies of our management API. Pure.

Where something is another here, a note says so; what has no meaning here is named, and left.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeGuard, get_args

from consent import policy
from consent.access import SubjectType
from consent.client import SigningAlgorithm
from consent.management.clients import GRANT_TYPES
from consent.tenant import USERS
from scripts.administration.exports.reading import Kind

Record = dict[str, object]
_IS_CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}").fullmatch
_IS_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z").fullmatch
_ALGORITHMS = get_args(SigningAlgorithm)
_OWN_PREFIX = "auth0|"


class Unimportable(Exception):  # noqa: N818 - said of the record
    """The text says why, and repeats nothing of it."""


class NotWanted(Exception):  # noqa: N818 - the same
    """It is right that this is not taken over; the text says why."""


class Translated(NamedTuple):
    """`given` is what goes beside the body; `left` names the members that are not taken over."""

    id: str
    body: Record
    given: Record
    notes: list[str]
    left: list[str]


def identity(kind: Kind, record: Record) -> str:
    """What people know it by, as far as it says so."""
    names = {
        "connection": ("name",),
        "resource server": ("identifier",),
        "client": ("client_id", "name"),
        "client grant": ("client_id",),
        "user": ("user_id", "email"),
    }[kind]
    found = (record.get(name) for name in names)
    text = next((it for it in found if isinstance(it, str) and it), "")
    audience = record.get("audience")
    return f"{text} {audience}" if kind == "client grant" and isinstance(audience, str) else text


def connection(record: Record) -> Translated:
    body = _taken(record, "name", "display_name", "is_domain_connection", "metadata")
    notes = []
    if record.get("strategy") not in ("auth0", None):
        notes.append("its people are taken over, its login at another provider is not")
    left = _left(record, {*body, "id", "name", "strategy"})
    return Translated(_text(record, "name"), body, {}, notes, left)


def resource_server(record: Record) -> Translated:
    identifier = _text(record, "identifier")
    if record.get("is_system") is True:
        raise NotWanted("it is Auth0's own API")
    body = _taken(
        record, "identifier", "name", "token_lifetime", "allow_offline_access", "signing_alg"
    )
    notes = _without_hs256(body, "signing_alg", "access tokens")
    for name, members in (
        ("scopes", ("value", "description")),
        ("authorization_details", ("type",)),
    ):
        if isinstance(given := record.get(name), list):
            body[name] = [_taken(it, *members) if isinstance(it, dict) else it for it in given]
    known = {*body, "id", "is_system", "scopes", "signing_alg", "token_dialect"}
    return Translated(identifier, body, {}, notes, _left(record, known))


def client(record: Record) -> Translated:
    """`given` has the `client_secret`, where the export does."""
    if record.get("global") is True:
        raise NotWanted("it is Auth0's own")
    client_id = _text(record, "client_id", "export it with its client_id")
    if not _IS_CLIENT_ID(client_id):
        raise Unimportable("its client_id has characters that cannot be in a path")
    method = record.get("token_endpoint_auth_method")
    if method is None and record.get("client_authentication_methods"):
        raise Unimportable(
            "it authenticates with a key that is not in an export: register it with its jwks"
        )
    body = _taken(
        record,
        "name",
        "description",
        "is_first_party",
        "oidc_conformant",
        "app_type",
        "callbacks",
        "client_metadata",
        "token_endpoint_auth_method",
    )
    notes = [*_grants(record, body), *_tokens(record, body), *_refresh_tokens(record, body)]
    secret = record.get("client_secret")
    given: Record = {"client_secret": secret} if isinstance(secret, str) and secret else {}
    known = {*body, "client_id", "client_secret", "grant_types", "jwt_configuration"}
    return Translated(
        client_id, body, given, notes, _left(record, {*known, "refresh_token", "tenant"})
    )


def _grants(record: Record, body: Record) -> Iterable[str]:
    given = record.get("grant_types")
    if isinstance(given, list):
        known = [it for it in given if isinstance(it, str) and it in GRANT_TYPES]
        body["grant_types"] = known
        if len(known) < len(given):
            yield "grant types that nobody knows here are left out"


def _tokens(record: Record, body: Record) -> Iterable[str]:
    """ID tokens are signed with a key, as those of Auth0 are unless it was set otherwise."""
    given = record.get("jwt_configuration")
    wanted = _taken(given, "lifetime_in_seconds", "secret_encoded", "alg") if _is(given) else {}
    wanted.setdefault("alg", "RS256")
    yield from _without_hs256(wanted, "alg", "ID tokens")
    wanted.setdefault("alg", "RS256")
    body["jwt_configuration"] = wanted


def _refresh_tokens(record: Record, body: Record) -> Iterable[str]:
    given = record.get("refresh_token")
    if not _is(given):
        return
    wanted = _taken(given, "rotation_type")
    leeway = given.get("leeway")
    if isinstance(leeway, int) and 0 <= leeway <= policy.REFRESH_TOKEN_LEEWAY_SECONDS_MAX:
        wanted["leeway"] = leeway
    if given.get("expiration_type") == "non-expiring":
        yield "its refresh tokens expire here"
    body["refresh_token"] = wanted


def client_grant(record: Record) -> Translated:
    audience = _text(record, "audience")
    client_id = _text(record, "client_id", "it is of no single client")
    if audience.endswith("/api/v2/"):
        raise NotWanted("it is for Auth0's management API: `grants create` gives one for ours")
    body = _taken(record, "client_id", "audience", "scope")
    kind = record.get("subject_type")
    if kind is not None:
        if kind not in get_args(SubjectType):
            raise Unimportable("its subject_type is not known")
        body["subject_type"] = kind
    left = _left(record, {*body, "id", "subject_type", "scope"})
    return Translated(f"{client_id} {audience}", body, {}, [], left)


def user(record: Record) -> Translated:
    """
    `id` is the whole user id, `body` with the id as a body has it; `given` has `created_at`.

    What Auth0 counts (logins) and knows of its own (identities) is left, as passwords are and
    factors: people sign with their phones, and enroll them here.
    """
    user_id = _text(record, "user_id", "export it with its user_id")
    body = _taken(
        record,
        "email",
        "email_verified",
        "username",
        "phone_number",
        "phone_verified",
        "name",
        "nickname",
        "given_name",
        "family_name",
        "picture",
        "user_metadata",
        "app_metadata",
        "blocked",
    )
    body["user_id"] = user_id.removeprefix(_OWN_PREFIX)
    body["connection"] = _connection_of(record)
    created_at = record.get("created_at")
    given: Record = {}
    if isinstance(created_at, str) and _IS_DATE(created_at):
        given["created_at"] = created_at
    known = {*body, "created_at", "updated_at", "identities", "connection"}
    whole = user_id if "|" in user_id else f"{_OWN_PREFIX}{user_id}"
    return Translated(whole, body, given, [], _left(record, known))


def _connection_of(record: Record) -> str:
    """The user's own, or that of the first identity, which is the account's."""
    identities = record.get("identities")
    first = identities[0] if isinstance(identities, list) and identities else {}
    for place in (record, first):
        if _is(place) and isinstance(name := place.get("connection"), str) and name:
            return name
    return USERS


def _without_hs256(body: Record, name: str, what: str) -> list[str]:
    """A secret that both sides know signs nothing here."""
    if name not in body or body[name] in _ALGORITHMS:
        return []
    del body[name]
    return [f"its {what} are signed with a key of ours here, not with a shared secret"]


def _taken(record: object, *names: str) -> Record:
    """The members of these names that say something."""
    given = record if isinstance(record, dict) else {}
    return {name: given[name] for name in names if given.get(name) is not None}


def _left(record: Record, known: Iterable[str]) -> list[str]:
    said = (name for name, value in record.items() if value not in (None, "", [], {}, False))
    return sorted(set(said).difference(known))


def _text(record: Record, name: str, advice: str = "") -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value:
        raise Unimportable(f"it has no {name}" + (f": {advice}" if advice else ""))
    return value


def _is(value: object) -> TypeGuard[Record]:
    return isinstance(value, dict)


TRANSLATIONS: dict[Kind, Callable[[Record], Translated]] = {
    "connection": connection,
    "resource server": resource_server,
    "client": client,
    "client grant": client_grant,
    "user": user,
}
