"""
Identifiers: who finds what by which one.

A person is a partition (a hash of their user id); every identifier of something about them begins
with it, three hexadecimal digits, so that its keys are found without an index. `auth_req_id` is
the only secret a client holds; its digest is everything else: the Redis key, the `txlinkid` in
the push, the RQ job, the id in logs. A leaked push, log or dump redeems nothing.
"""

import binascii
import hashlib
import re
import secrets

PARTITION_DIGITS = 3
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_DIGEST = r"[0-9a-f]{3}[A-Za-z0-9_-]{43}"
_PERSON = r"[0-9a-f]{3}[A-Za-z0-9_-]{22}"
_IS_REQUEST = re.compile(_DIGEST).fullmatch
_IS_DEVICE = re.compile(rf"dev_({_PERSON})[A-Za-z0-9_-]{{11}}").fullmatch
_IS_MAILBOX_DEVICE = re.compile(rf"mbx_({_PERSON})[A-Za-z0-9_-]{{11}}").fullmatch
_IS_TICKET = re.compile(r"[0-9a-f]{3}[A-Za-z0-9_-]{29}").fullmatch


def b64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515 2)."""
    encoded = binascii.b2a_base64(data, newline=False).translate(_URL_SAFE)
    return encoded.rstrip(b"=").decode()


def digest(text: str) -> str:
    """base64url(SHA-256(text)): how a bearer secret is stored, 43 characters."""
    return b64url(hashlib.sha256(text.encode()).digest())


def person_id_of(user_id: str, partitions: int) -> str:
    """The pseudonym of a user: 3 digits of partition and 132 bits of digest."""
    hashed = hashlib.sha256(user_id.encode()).digest()
    partition = int.from_bytes(hashed[-8:]) % partitions
    return f"{partition:03x}{b64url(hashed)[:22]}"


def partition_of(identifier: str) -> str:
    """The partition an auth_req_id, consent_id, person_id or ticket belongs to."""
    return identifier[:PARTITION_DIGITS]


def new_auth_req_id(person_id: str) -> str:
    """256 random bits after the partition; only A-Z a-z 0-9 - _ (CIBA 7.3, A091)."""
    return partition_of(person_id) + secrets.token_urlsafe(32)


def consent_id_of(auth_req_id: str) -> str:
    """base64url(SHA-256(auth_req_id)) in the partition of the auth_req_id."""
    return partition_of(auth_req_id) + digest(auth_req_id)


def is_auth_req_id(text: str) -> bool:
    return _IS_REQUEST(text) is not None


def is_consent_id(text: str) -> bool:
    return _IS_REQUEST(text) is not None


def new_device_id(person_id: str) -> str:
    """`dev_`, the person, 66 random bits: an enrolment says whose it is."""
    return f"dev_{person_id}{secrets.token_urlsafe(9)[:11]}"


def person_of_device(device_id: str) -> str | None:
    """The person_id an enrolment id names, None when it is not one of ours."""
    match = _IS_DEVICE(device_id)
    return match[1] if match else None


def new_mailbox_device_id(person_id: str) -> str:
    """What answers one consent, and is no enrolled device: `mbx_`, the person, 66 random bits."""
    return f"mbx_{person_id}{secrets.token_urlsafe(9)[:11]}"


def person_of_mailbox_device(device_id: str) -> str | None:
    """The same as `person_of_device`, of those alone."""
    match = _IS_MAILBOX_DEVICE(device_id)
    return match[1] if match else None


def new_ticket(person_id: str) -> str:
    """A one-time enrolment ticket: 32 characters, 174 random bits after the partition."""
    return partition_of(person_id) + secrets.token_urlsafe(22)[:29]


def is_ticket(text: str) -> bool:
    return _IS_TICKET(text) is not None


def new_client_id() -> str:
    """32 characters."""
    return secrets.token_urlsafe(24)


def new_secret() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)
