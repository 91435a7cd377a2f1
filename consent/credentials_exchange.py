"""
What an action may learn of a `client_credentials` exchange, and what it may do to it, in the terms
of Auth0's `onExecuteCredentialsExchange` (auth0-wire 3.8).

An action is given an `Event` and an `Api`. A call of the `Api` with a value that cannot be raises
ValueError and changes nothing; a denial is never lost, whatever it is given.
"""

import copy
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from consent import policy
from consent.client import Client
from consent.errors import (
    InvalidRequest,
    InvalidScope,
    ManagementError,
    OAuthError,
    ServerError,
)
from consent.strict_json import MalformedJSON, loads

# Of the parameters of a token request those that prove something, whichever grant they belong to.
_CREDENTIALS = frozenset(
    {
        "client_secret",
        "client_assertion",
        "assertion",
        "password",
        "code",
        "code_verifier",
        "refresh_token",
        "auth_req_id",
        "device_code",
        "subject_token",
        "actor_token",
    }
)
_REFUSALS: dict[str, type[OAuthError]] = {
    "invalid_scope": InvalidScope,
    "invalid_request": InvalidRequest,
    "server_error": ServerError,
}
_NOT_IN_A_DESCRIPTION = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")  # RFC 6749 5.2
_DENIED = "The exchange was denied"
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_RESERVED_HOST = re.compile(r"(?:.*\.)?(?:auth0\.com|webtask\.(?:io|run))\.?")


class AccessToken(msgspec.Struct, frozen=True):
    custom_claims: dict[str, Any]
    scope: list[str]


class ClientSeen(msgspec.Struct, frozen=True):
    client_id: str
    name: str
    metadata: dict[str, str]


class Request(msgspec.Struct, frozen=True):
    """The call to the token endpoint; `body` is without credentials."""

    body: dict[str, str]
    hostname: str
    ip: str
    method: str
    user_agent: str


class ResourceServerSeen(msgspec.Struct, frozen=True):
    identifier: str


class TenantSeen(msgspec.Struct, frozen=True):
    id: str


class Transaction(msgspec.Struct, frozen=True):
    requested_scopes: list[str]


class Event(msgspec.Struct, frozen=True):
    """The exchange, as the actions before have left it; a copy, of which nothing is read back."""

    access_token: AccessToken
    client: ClientSeen
    request: Request
    resource_server: ResourceServerSeen
    tenant: TenantSeen
    transaction: Transaction


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be issued: the token's scope and claims, and what changes of its client before."""

    scope: list[str]
    custom_claims: dict[str, Any] = {}
    client_change: dict[str, Any] = {}  # as the body of PATCH /clients/{id}


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """
    What stays the same for all actions. `allowed` are the scopes of the client grant; `changed` is
    the rule for a change of a client, which raises ManagementError.
    """

    client: Client
    request: Request
    audience: str
    tenant_id: str
    requested_scopes: list[str]
    allowed: frozenset[str]
    changed: Callable[[Client, dict[str, Any]], Client]

    def event(self, outcome: Outcome) -> Event:
        client = self.after(outcome.client_change)
        return Event(
            AccessToken(copy.deepcopy(outcome.custom_claims), list(outcome.scope)),
            ClientSeen(client.client_id, client.name, dict(client.client_metadata)),
            msgspec.structs.replace(self.request, body=dict(self.request.body)),
            ResourceServerSeen(self.audience),
            TenantSeen(self.tenant_id),
            Transaction(list(self.requested_scopes)),
        )

    def after(self, change: dict[str, Any]) -> Client:
        """The client with a change made. Raises ManagementError."""
        return self.changed(self.client, change) if change else self.client


class Api:
    """What one action does; `outcome` takes it up when the action is through."""

    def __init__(self, exchange: Exchange, before: Outcome) -> None:
        self.access = _Access()
        self.access_token = _AccessToken(before.custom_claims)
        self.transaction = _Transaction(before.scope, exchange.allowed)
        self.client = _Client(before.client_change, exchange)

    @property
    def denial(self) -> OAuthError | None:
        return self.access.denial

    @property
    def ignored_claims(self) -> tuple[str, ...]:
        return tuple(self.access_token.ignored)

    def outcome(self) -> Outcome:
        return Outcome(
            scope=list(self.transaction.target_scopes),
            custom_claims=dict(self.access_token.custom_claims),
            client_change=dict(self.client.change),
        )


class _Access:
    def __init__(self) -> None:
        self.denial: OAuthError | None = None

    def deny(self, code: str, reason: str = "") -> None:
        """
        No token; the first denial stands. A code other than invalid_scope, invalid_request and
        server_error is the action's defect, and denies all the same.
        """
        if self.denial is not None:
            return
        refusal = _REFUSALS.get(code) if isinstance(code, str) else None
        if refusal is None:
            self.denial = ServerError(_DENIED, detail="an action denied with an unknown code")
            return
        description = reason[: policy.ACTION_REASON_CHARACTERS_MAX] if _is_text(reason) else ""
        self.denial = refusal(
            _NOT_IN_A_DESCRIPTION.sub("?", description) or _DENIED, detail="denied by an action"
        )


class _AccessToken:
    def __init__(self, custom_claims: dict[str, Any]) -> None:
        self.custom_claims = dict(custom_claims)
        self.ignored: list[str] = []

    def set_custom_claim(self, name: str, value: object) -> None:
        """A name that is no namespace is ignored (`is_namespaced`). Raises ValueError."""
        if not _is_text(name):
            raise ValueError("the name of a claim is a text")
        if not is_namespaced(name):
            self.ignored.append(name[: policy.CUSTOM_CLAIM_NAME_CHARACTERS_MAX])
            return
        claims = self.custom_claims | {name: _json_value(value)}
        if len(msgspec.json.encode(claims)) > policy.CUSTOM_CLAIMS_BYTES_MAX:
            raise ValueError(f"custom claims over {policy.CUSTOM_CLAIMS_BYTES_MAX} bytes in all")
        self.custom_claims = claims


class _Transaction:
    """The scopes of the token: never one that is not in the client grant."""

    def __init__(self, scope: list[str], allowed: frozenset[str]) -> None:
        self.target_scopes = list(scope)
        self._allowed = allowed

    def set_target_scopes(self, scopes: list[str]) -> None:
        """Raises ValueError."""
        if not isinstance(scopes, list | tuple) or not all(map(_is_text, scopes)):
            raise ValueError("target scopes are a list of texts")
        if not self._allowed.issuperset(scopes):
            raise ValueError("a target scope is not in the client grant")
        self.target_scopes = list(dict.fromkeys(scopes))

    def add_target_scope(self, scope: str) -> None:
        """Raises ValueError."""
        self.set_target_scopes([*self.target_scopes, scope])

    def remove_target_scope(self, scope: str) -> None:
        self.target_scopes = [value for value in self.target_scopes if value != scope]


class _Client:
    """By the rules of PATCH /clients/{id}."""

    def __init__(self, change: dict[str, Any], exchange: Exchange) -> None:
        self.change = change
        self._exchange = exchange

    def set_name(self, name: str) -> None:
        """Raises ValueError."""
        self._set({"name": name})

    def set_metadata(self, name: str, value: str | None) -> None:
        """None takes it away. Raises ValueError."""
        if not _is_text(name):
            raise ValueError("the name of metadata is a text")
        self._set({"client_metadata": self.change.get("client_metadata", {}) | {name: value}})

    def _set(self, change: dict[str, Any]) -> None:
        both = self.change | change
        try:
            self._exchange.after(both)
        except ManagementError as refusal:
            raise ValueError(refusal.description) from None
        self.change = both


def without_credentials(parameters: dict[str, str]) -> dict[str, str]:
    """The parameters of a token request that an action may see."""
    return {name: value for name, value in parameters.items() if name not in _CREDENTIALS}


def is_namespaced(name: str) -> bool:
    """Whether a claim's name is an http(s) URL that is not Auth0's: so it is no registered one."""
    if len(name) > policy.CUSTOM_CLAIM_NAME_CHARACTERS_MAX or not _VISIBLE.fullmatch(name):
        return False
    try:
        url = urlsplit(name)
        host = url.hostname
    except ValueError:
        return False
    if url.scheme not in {"http", "https"} or not host:
        return False
    return not _RESERVED_HOST.fullmatch(host)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _json_value(value: object) -> object:
    """The value as a reader of its JSON will have it. Raises ValueError."""
    try:
        return loads(json.dumps(value, allow_nan=False).encode())
    except MalformedJSON as error:
        raise ValueError(f"the value of a claim: {error.reason}") from None
    except (TypeError, ValueError, RecursionError):
        raise ValueError("the value of a claim is no JSON") from None
