"""
Number matching (T36): the client shows a number, and the person types it to approve.

Who approves has then seen the screen that asks. One wrong number is a denial: there is no second
try. Only a device that said at its enrolment that it can do this is asked (T44).
"""

import hmac
import secrets

from consent.client import Client
from consent.tenant import Tenant

CAPABILITY = "number_matching"
ACR = "urn:nod:acr:number-matching"
_LEAST, _MOST = 10, 99


def needs_number(client: Client, tenant: Tenant, acr_values: str) -> bool:
    """The setting of the client or the tenant, or what the request asks to be done (A044)."""
    return client.number_matching or tenant.number_matching or ACR in acr_values.split(" ")


def new_matching_number() -> str:
    """Two digits without a leading zero: read aloud and typed, there is one way to say them."""
    return str(_LEAST + secrets.randbelow(_MOST - _LEAST + 1))


def matches(typed: str, shown: str) -> bool:
    return hmac.compare_digest(typed.encode(), shown.encode())
