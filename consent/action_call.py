"""
An action behind a URL: how the call to it is signed, and what its answer may say. That does what
the same calls of the `Api` do, by the same rules.
"""

import hashlib
import hmac
from typing import Any

import msgspec

from consent.credentials_exchange import Api
from consent.strict_json import MalformedJSON, loads_object

SIGNATURE_HEADER = "Nod-Signature"


class _ClientAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str | None = None
    metadata: dict[str, str | None] = {}


class _Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member nobody knows is a misspelt one, and what it was meant to prevent would happen."""

    deny: Any = None
    custom_claims: dict[str, Any] = {}
    target_scopes: list[str] | None = None
    client: _ClientAnswer = _ClientAnswer()


def apply_answer(body: bytes, api: Api) -> None:
    """Do what the answer of an action's URL says. Raises ValueError; a denial is read first."""
    try:
        members = loads_object(body)
    except MalformedJSON as error:
        raise ValueError(f"the answer is malformed: {error.reason}") from None
    if (denied := members.get("deny")) is not None:
        said = denied if isinstance(denied, dict) else {}
        api.access.deny(said.get("code", ""), said.get("reason", ""))
        return
    try:
        answer = msgspec.convert(members, _Answer)
    except msgspec.ValidationError:  # its text may repeat what was answered
        raise ValueError("the answer has a member that is unknown or of another type") from None
    for name, value in answer.custom_claims.items():
        api.access_token.set_custom_claim(name, value)
    if answer.target_scopes is not None:
        api.transaction.set_target_scopes(answer.target_scopes)
    if answer.client.name is not None:
        api.client.set_name(answer.client.name)
    for name, text in answer.client.metadata.items():
        api.client.set_metadata(name, text)


def signature(secret: str, body: bytes, now: float) -> str:
    """
    The value of the header a call is signed with: `t=<seconds>,v1=<hex>`, an HMAC-SHA256 over the
    seconds, a full stop and the body.
    """
    seconds = int(now)
    signed = f"{seconds}.".encode() + body
    return f"t={seconds},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
