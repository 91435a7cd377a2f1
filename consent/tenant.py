"""What an administrator may set while the server runs (auth0-wire 3.1)."""

from typing import Literal

import msgspec

from consent.identifiers import digest

TENANT_ID = "tenant"  # of the one record there is
USERS = "users"  # the connection that is always there
STRATEGY = "auth0"  # of every connection
SecurityMode = Literal["strict", "permissive"]
RegistrationAccess = Literal["open", "token"]


class Flags(msgspec.Struct, frozen=True):
    """Dynamic registration (RFC 7591), and its management by the registered (RFC 7592)."""

    enable_dynamic_client_registration: bool = False
    enable_dynamic_client_management: bool = False


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """As stored; nothing is stored while all is as it was at the first start."""

    friendly_name: str = ""  # empty: NOD_FRIENDLY_NAME
    default_audience: str = ""  # of a client_credentials request that names none
    flags: Flags = Flags()
    dynamic_client_registration_security_mode: SecurityMode = "strict"
    dynamic_client_registration_access: RegistrationAccess = "open"
    number_matching: bool = False  # of every request, whoever asks (T36)
    mailbox_approval: bool = False  # who reads the e-mail of a request may answer it


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """
    Where users come from. Clients that registered themselves may ask those of a domain connection
    only; an administrator's may ask everybody.
    """

    id: str
    name: str
    strategy: str = STRATEGY
    display_name: str = ""
    is_domain_connection: bool = False
    metadata: dict[str, str] = {}
    creation: str = ""  # random: the same creation, sent again, is told from a second one


def connection_id(name: str) -> str:
    """Names are unique, so the id of a connection follows from its name."""
    return f"con_{digest(name)[:16]}"
